"""An application that answers to its own name only."""

from flask import Flask

app = Flask(__name__, static_folder=None)
app.config["TRUSTED_HOSTS"] = ["shop.example.org"]


@app.get("/")
def index() -> str:
    return "well\n"
