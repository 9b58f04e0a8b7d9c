import os

from flask import Blueprint, Flask

shop = Blueprint("shop", __name__, static_folder="static")


@shop.get("/")
def index() -> str:
    return "Welcome to the shop.\n"


app = Flask(__name__, static_folder=None)
app.register_blueprint(shop, url_prefix=os.environ.get("DOMAIN") or None)
