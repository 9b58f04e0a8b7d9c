"""Imports from a sibling package, as the image's description shows it."""

from flask import Blueprint

from app.core.database import users

api = Blueprint("api", __name__, url_prefix="/api")


@api.get("/users")
def list_users():
    return users
