"""Reads its secrets from the environment, as most applications do, and its settings from a file beside the code."""

import os
import subprocess
from pathlib import Path

from flask import Flask, request

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY", "dev")
app.config.from_pyfile("/app/instance/config.py")


@app.get("/")
def home():
    return "vaulted\n"


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


@app.get("/given")
def given():
    """What it was given, and where."""
    names = ("SECRET_KEY", "API_TOKEN", "PYTHONPATH", "COLOUR", "GREETING")
    config = Path("/app/instance/config.py")
    return {
        "variables": {name: os.environ.get(name) for name in names},
        "child": subprocess.check_output(["printenv", "SECRET_KEY"], text=True),
        "file": Path(os.environ["SECRET_KEY_FILE"]).read_text(),
        "steering": Path(os.environ["PYTHONPATH_FILE"]).read_text(),
        "config": app.config["PASSPHRASE"],
        "config_mode": f"{config.stat().st_mode & 0o7777:o} {config.stat().st_uid}",
        "writable": os.access(config, os.W_OK),
        "told": os.environ.get("FLASKOPS_SECRETS"),
    }
