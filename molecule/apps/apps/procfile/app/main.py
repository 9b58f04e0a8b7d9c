"""Its code is in app/, with the requirements and a Procfile one level up; its modules import each other by their short names."""

import os

import answers
import pyfiglet
from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return answers.HOME


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
        "from_conf": os.environ.get("FROM_CONF"),
        "directory": os.getcwd(),
        "figlet": pyfiglet.__version__,
    }
