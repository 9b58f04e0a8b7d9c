"""An application with a secret, which Nginx shows to nobody."""

import os

from flask import Flask

app = Flask(__name__, static_folder=None)


@app.get("/")
def index() -> str:
    return "neighbour\n"


@app.get("/token")
def token() -> str:
    with open(os.environ["TOKEN_FILE"]) as file:
        return file.read()
