"""Counts its starts in its own directory, and takes large files."""

import os
from hashlib import file_digest

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "writes\n"


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
        "starts": starts,
    }


@app.post("/upload")
def upload():
    return file_digest(request.files["file"], "sha256").hexdigest()


def count():
    with open("/app/counter/starts", "a+") as file:
        file.write("+")
        file.seek(0)
        return len(file.read())


starts = count()
