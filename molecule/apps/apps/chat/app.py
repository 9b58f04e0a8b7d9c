"""Flask-SocketIO: what one says, all hear."""

import os

from flask import Flask, request
from flask_socketio import SocketIO, emit

app = Flask(__name__)


@app.get("/")
def home():
    return "chat\n"


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


# Threads or greenlets, as the application server has made them.
socketio = SocketIO(app, async_mode="threading")


@socketio.on("say")
def say(text):
    emit("said", {"text": text, "root": request.script_root, "remote_addr": request.remote_addr}, broadcast=True)
