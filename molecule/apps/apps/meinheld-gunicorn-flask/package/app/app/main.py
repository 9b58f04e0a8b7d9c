"""At /app/app/main.py, with a configuration beside it."""

import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "package\n"


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
        "configuration": os.environ.get("CONFIGURED_BY"),
        "workers": workers(),
    }


def workers():
    """The other children of process 1, this one among them."""
    with open(f"/proc/{os.getppid()}/task/{os.getppid()}/children") as children:
        return len(children.read().split())
