"""A single page application: / is static/index.html, which Nginx serves."""

import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "from Flask, which nobody asks\n"


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


@app.get("/api/items")
def items():
    return {"items": ["one", "two"]}
