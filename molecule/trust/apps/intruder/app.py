"""An application that has been taken over: whoever asks it runs Python in its container."""

import contextlib
import io
import traceback

from flask import Flask, request

app = Flask(__name__, static_folder=None)


@app.get("/")
def index() -> str:
    return "intruder\n"


@app.post("/run")
def run() -> str:
    """What the program printed; its traceback where it failed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            exec(request.get_data(as_text=True), {"__name__": "program"})
        except BaseException:
            said.write(traceback.format_exc())
    return said.getvalue()
