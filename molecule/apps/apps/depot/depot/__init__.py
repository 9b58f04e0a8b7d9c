"""An old project: what it needs is in its setup.py alone, and it imports what Python has no more."""

import importlib.metadata
import os
import subprocess
from distutils.util import strtobool

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "depot\n"


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
        "old": strtobool("yes"),
        "extra": importlib.metadata.version("colorama"),
        "metadata": importlib.metadata.version("depot-app"),
        "command": subprocess.run(["depot"], capture_output=True, text=True, check=False).stdout.strip(),
    }
