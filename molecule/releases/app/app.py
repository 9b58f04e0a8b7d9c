"""The application that is released under load; its environment controls its behaviour."""

import os
import time
from contextlib import suppress
from hashlib import sha256

from flask import Blueprint, Flask, Response, request

VERSION = os.environ.get("VERSION", "1")

if os.environ.get("CRASH"):
    raise SystemExit("this version crashes at start")

if os.environ.get("FILL"):
    with suppress(OSError), open(os.environ["FILL"], "wb", buffering=0) as filling:
        while True:
            filling.write(bytes(65536))

web = Blueprint("web", __name__)


@web.get("/")
def version() -> str:
    return f"version {VERSION}\n"


@web.get("/health")
def health() -> tuple[str, int]:
    return ("unwell\n", 500) if os.environ.get("UNWELL") else ("well\n", 200)


@web.get("/slow")
def slow() -> Response:
    """An answer of 64 KiB that takes some seconds, half of them before the first byte."""
    pause = float(request.args["seconds"]) / 2

    def parts():
        yield b"s" * 32768
        time.sleep(pause)
        yield b"s" * 32768

    time.sleep(pause)
    return Response(parts(), headers={"Content-Length": "65536"})


@web.get("/rows")
def rows() -> Response:
    """A download of 192 MiB, as fast as the client reads it."""
    return Response((b"r" * 65536 for _ in range(3072)), headers={"Content-Length": str(192 << 20)})


@web.get("/ticks")
def ticks() -> Response:
    """An endless event stream."""

    def parts():
        number = 0
        while True:
            yield f"data: {number}\n\n"
            number += 1
            time.sleep(0.2)

    return Response(parts(), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


@web.post("/upload")
def upload() -> str:
    return sha256(request.get_data()).hexdigest()


@web.get("/secret")
def secret() -> str:
    with open(os.environ["TOKEN_FILE"]) as file:
        return file.read()


@web.get("/ws", websocket=True)
def websocket() -> str:
    import uwsgi  # what the server brings along

    uwsgi.websocket_handshake()
    try:
        while True:
            uwsgi.websocket_send(VERSION.encode() + b" " + uwsgi.websocket_recv())
    except OSError:
        return ""  # the client has left


app = Flask(__name__, static_folder=None)
app.register_blueprint(web, url_prefix=os.environ.get("DOMAIN") or None)
