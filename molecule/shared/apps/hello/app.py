"""The second application of the tests: small, without websockets, with a static file."""

import os

from flask import Blueprint, Flask, request

hello = Blueprint("hello", __name__, static_folder="static")


@hello.get("/")
def greet() -> str:
    return "Hello from the second application.\n"


@hello.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@hello.get("/whoami")
def whoami() -> dict[str, str | None]:
    return {
        "remote_addr": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "url_root": request.url_root,
        "forwarded_for": request.headers.get("X-Forwarded-For"),
        "connection": request.headers.get("Connection"),
    }


app = Flask(__name__, static_folder=None)
app.register_blueprint(hello, url_prefix=os.environ["DOMAIN"] if os.environ.get("ENV") == "PROD" else None)
