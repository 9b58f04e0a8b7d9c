import os

from flask import Flask

app = Flask(__name__)


@app.route(os.environ.get("DOMAIN", "") + "/")
def hello() -> str:
    return "@version@"
