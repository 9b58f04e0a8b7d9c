"""The entries of the diary."""

from flask import Blueprint, g, redirect, render_template, request, url_for

from .auth import login_required
from .database import get_database

pages = Blueprint("pages", __name__)


@pages.route("/")
def index():
    return render_template("index.html", entries=get_database().execute("SELECT text FROM entry ORDER BY id DESC").fetchall())


@pages.route("/create", methods=("GET", "POST"))
@login_required
def create():
    if request.method == "POST":
        get_database().execute("INSERT INTO entry (account, text) VALUES (?, ?)", (g.account["id"], request.form["text"]))
        get_database().commit()
        return redirect(url_for("pages.index"))
    return render_template("form.html", title="New entry")
