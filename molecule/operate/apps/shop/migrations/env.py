"""Flask-Migrate runs this in the context of the application."""

from alembic import context
from shop import db

with db.engine.connect() as connection:
    context.configure(connection=connection, target_metadata=db.metadata)
    with context.begin_transaction():
        context.run_migrations()
