"""Keeps what it is told in the three places that applications have: a volume, a directory of the code, and files beside it."""

import os
import socketserver
import sqlite3
import sys

from flask import Flask, request

HERE = os.path.dirname(os.path.abspath(__file__))
NOTES = os.path.join(HERE, "notes.db")
app = Flask(__name__)


def write(database, text):
    with sqlite3.connect(database) as db:
        db.execute("insert into lines values (?)", (text,))


def read(database):
    with sqlite3.connect(database) as db:
        return [line for (line,) in db.execute("select text from lines")]


@app.cli.command("init-db")
def init_db():
    """Runs before the first release serves, so that the volumes have to be its own by then."""
    for database in ("/data/visits.db", NOTES):
        with sqlite3.connect(database) as db:
            db.execute("create table if not exists lines (text text)")


@app.get("/")
def home():
    return "keeps\n"


@app.post("/keep")
def keep():
    text = request.get_data(as_text=True)
    for database in ("/data/visits.db", NOTES):
        write(database, text)
    with open(os.path.join(HERE, "seed.txt"), "a") as file:
        file.write(f"{text}\n")
    with open(os.path.join(HERE, "media", f"{text}.txt"), "w") as file:
        file.write(text)
    return "", 204


@app.get("/kept")
def kept():
    with open(os.path.join(HERE, "seed.txt")) as file:
        seed = file.read().split()
    return {
        "volume": read("/data/visits.db"),
        "notes": read(NOTES),
        "seed": seed,
        "media": sorted(os.listdir(os.path.join(HERE, "media"))),
    }


@app.get("/whoami")
def whoami():
    return {
        "remote_addr": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "url_root": request.url_root,
        "script_root": request.script_root,
        "release": os.environ.get("FLASKOPS_RELEASE"),
        "pid": os.getpid(),
        "server": "uWSGI" if "uwsgi.version" in request.environ else request.environ["SERVER_SOFTWARE"],
    }


class Hello(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"hello")


if __name__ == "__main__":
    # What an application with a port of its own does, and its neighbours must not reach.
    socketserver.TCPServer(("0.0.0.0", int(sys.argv[1])), Hello).serve_forever()
