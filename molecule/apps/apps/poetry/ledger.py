"""Its versions are in poetry.lock, and .flaskenv names the application. It needs no Flask, so that the lock is short."""

import importlib.metadata
import importlib.util
import json
import os
from urllib.parse import quote


def site(environ, start_response):
    script = environ.get("SCRIPT_NAME", "")
    host = environ["HTTP_HOST"]
    seen = {
        "remote_addr": environ.get("REMOTE_ADDR"),
        "scheme": environ["wsgi.url_scheme"],
        "host": host,
        "url_root": f"{environ['wsgi.url_scheme']}://{host}{quote(script)}/",
        "script_root": script,
        "release": os.environ.get("FLASKOPS_RELEASE"),
        "pid": os.getpid(),
        "server": "uWSGI",
        "itsdangerous": importlib.metadata.version("itsdangerous"),
        "poetry": importlib.util.find_spec("poetry") is not None,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
