"""The directory flask/ of the compose project, its uwsgi.ini with all that it says."""

import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "compose\n"


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
        "workers": len(__import__("uwsgi").workers()),
    }


if __name__ == "__main__":
    app.run(host="0.0.0.0")
