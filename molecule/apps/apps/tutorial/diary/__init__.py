"""A diary, after the way of Flask's tutorial: a factory, SQLite, accounts, a session. It knows nothing of a prefix."""

import os
from pathlib import Path

from flask import Flask, request


def create_app(test_config=None):
    app = Flask(__name__, instance_path=os.environ.get("INSTANCE", "/data"))
    key = os.environ.get("SECRET_KEY_FILE")
    app.config.from_mapping(
        SECRET_KEY=Path(key).read_text() if key else "dev",
        DATABASE=os.path.join(app.instance_path, "diary.sqlite"),
    )
    if test_config:
        app.config.from_mapping(test_config)

    from . import auth, database, pages

    database.init_app(app)
    app.register_blueprint(auth.auth)
    app.register_blueprint(pages.pages)
    app.add_url_rule("/", endpoint="index")

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

    return app
