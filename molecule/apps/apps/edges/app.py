"""Knows its path, and is asked at it without the slash; keeps a session; tells what reached it."""

import os

from flask import Blueprint, Flask, redirect, request, session

DOMAIN = os.environ.get("DOMAIN")
edge = Blueprint("edge", __name__, static_folder="static")


def taken():
    return {"body": request.get_data(as_text=True), "query": request.query_string.decode()}, 201


# Mounted, it has no place for a path without a slash.
if DOMAIN:
    edge.post("")(taken)


@edge.get("/")
def home():
    return f"{session.get('name', 'nobody')}\n"


@edge.get("/login/<name>")
def login(name):
    session["name"] = name
    return redirect("..")


@edge.get("/file/<name>")
def file(name):
    return edge.send_static_file(name)


@edge.get("/accel")
def accel():
    return "the application's own", {"X-Accel-Redirect": request.args["to"], "X-Accel-Buffering": "no"}


@edge.get("/whoami")
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
        "headers": dict(request.headers),
    }


app = Flask(__name__, static_folder=None)
app.secret_key = "for a test, " + os.environ["FLASKOPS_APP"]
app.register_blueprint(edge, url_prefix=DOMAIN or None)
