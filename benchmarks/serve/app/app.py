"""The application that all ways run. Only /wait waits for anything, so that the benchmark measures
the way to the application.
"""

import os
import time
from typing import Any

from flask import Blueprint, Flask, jsonify, render_template, request

PARTS = [
    {
        "id": number,
        "name": f"Part {number}",
        "price": number * 1.25,
        "stock": number % 7,
        "tags": ["new", "sale"][: number % 3],
    }
    for number in range(144)
]
bench = Blueprint("bench", __name__, static_folder="static")


@bench.get("/")
def tiny() -> str:
    return "Hello, world.\n"


@bench.get("/page")
def page() -> str:
    return render_template("page.html", parts=PARTS)


@bench.get("/api/parts")
def api() -> Any:
    return jsonify(parts=PARTS[:20], total=len(PARTS))


@bench.get("/wait")
def wait() -> str:
    time.sleep(1)
    return "Waited.\n"


@bench.post("/upload")
def upload() -> str:
    return f"{len(request.get_data())}\n"


app = Flask(__name__, static_folder=None)
app.register_blueprint(bench, url_prefix=os.environ.get("DOMAIN") or None)
