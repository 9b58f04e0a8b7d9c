"""Needs a library of Debian when it runs."""

import os
from ctypes import CDLL, c_char_p

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "apt\n"


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
        "libyaml": library_version(),
    }


def library_version():
    version = CDLL("libyaml-0.so.2").yaml_get_version_string
    version.restype = c_char_p
    return version().decode()
