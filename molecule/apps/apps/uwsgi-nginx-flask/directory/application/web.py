"""A directory and an ini file of its own."""

import os

from flask import Flask, request

site = Flask(__name__)


@site.get("/")
def home():
    return "directory\n"


@site.get("/whoami")
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
        "directory": os.getcwd(),
        "harakiri": option("harakiri"),
    }


def option(name):
    """What uWSGI was told."""
    import uwsgi

    value = uwsgi.opt.get(name)
    return value.decode() if isinstance(value, bytes) else value
