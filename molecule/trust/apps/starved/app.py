"""An application whose workers need more memory together than it may have, at once or after a while (LATE, in seconds)."""

import os
import threading

from flask import Flask

app = Flask(__name__, static_folder=None)
eaten = []


def eat() -> None:
    eaten.append(os.urandom(1 << 20) * 60)


late = float(os.environ.get("LATE", 0))
if late:
    threading.Timer(late, eat).start()
else:
    eat()


@app.get("/")
def index() -> str:
    return f"{len(eaten)}\n"
