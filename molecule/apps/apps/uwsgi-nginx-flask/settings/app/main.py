"""prestart.sh, and the settings that the image reads from its environment."""

import os
from hashlib import sha256

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "settings\n"


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
        "prestart": os.environ.get("FROM_PRESTART"),
        "listen_port": os.environ.get("LISTEN_PORT"),
        "workers": workers(),
    }


def workers():
    """How many processes there may be, and how many there are when little is to do."""
    import uwsgi

    return {"most": len(uwsgi.workers()), "cheaper": int(uwsgi.opt.get("cheaper", 0))}


@app.post("/upload")
def upload():
    return sha256(request.get_data()).hexdigest()
