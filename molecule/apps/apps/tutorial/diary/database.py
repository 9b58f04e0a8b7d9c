"""SQLite, opened once in a request."""

import sqlite3

import click
from flask import current_app, g
from flask.cli import with_appcontext


def get_database():
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"])
        g.database.row_factory = sqlite3.Row
    return g.database


def close(error=None):
    if database := g.pop("database", None):
        database.close()


@click.command("init-db")
@with_appcontext
def init():
    """Make the tables that are missing."""
    with current_app.open_resource("schema.sql") as schema:
        get_database().executescript(schema.read().decode())
    click.echo("The tables are there.")


def init_app(app):
    app.teardown_appcontext(close)
    app.cli.add_command(init)
