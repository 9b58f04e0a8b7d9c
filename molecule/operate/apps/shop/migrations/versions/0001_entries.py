"""The entries."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "entry",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("release", sa.String),
        sa.Column("time", sa.Float),
    )
