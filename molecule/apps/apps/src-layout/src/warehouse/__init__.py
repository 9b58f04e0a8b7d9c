"""A factory in src/, with a version that only a build of it knows, and a page that a build step makes."""

import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path

from flask import Flask, request

from ._version import version

BUILT = Path(__file__).with_name("templates") / "built.txt"


def create_app():
    app = Flask(__name__)

    @app.get("/")
    def home():
        return "src-layout\n"

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
            "version": version,
            "metadata": importlib.metadata.version("warehouse-app"),
            "command": subprocess.run(["warehouse"], capture_output=True, text=True, check=False).stdout.strip(),
            "built": BUILT.read_text().splitlines(),
            "node": [str(path) for path in Path("/app").rglob("node_modules")] + [shutil.which(name) for name in ("node", "npm")],
        }

    return app
