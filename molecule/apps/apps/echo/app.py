"""flask-sock: what comes in goes out again."""

import os

from flask import Flask, request
from flask_sock import Sock

app = Flask(__name__)


@app.get("/")
def home():
    return "echo\n"


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


sock = Sock(app)


@sock.route("/ws/echo")
def patient(connection):
    """Below a path of proxy.websocket_paths: it may be silent for long."""
    echo(connection)


@sock.route("/other/echo")
def impatient(connection):
    """Not below one: Nginx ends it when it is silent."""
    echo(connection)


def echo(connection):
    while True:
        connection.send(f"{request.path}: {connection.receive()}")
