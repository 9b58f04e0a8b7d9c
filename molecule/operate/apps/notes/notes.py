"""Notes in SQLite, on a volume."""

import sqlite3

from flask import Flask, request

app = Flask(__name__)


def database():
    connection = sqlite3.connect("/data/notes.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS note (text)")
    return connection


@app.get("/")
def notes():
    return [text for (text,) in database().execute("SELECT text FROM note")]


@app.post("/")
def write():
    with database() as connection:
        connection.execute("INSERT INTO note VALUES (?)", (request.form["text"],))
    return {}


@app.get("/health")
def health():
    return {"notes": len(notes())}
