"""Accounts: register, log in, log out."""

import functools
import sqlite3

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash

from .database import get_database

auth = Blueprint("auth", __name__, url_prefix="/auth")


@auth.before_app_request
def load_account():
    number = session.get("account")
    g.account = number and get_database().execute("SELECT * FROM account WHERE id = ?", (number,)).fetchone()


def login_required(view):
    @functools.wraps(view)
    def wrapped(**words):
        return view(**words) if g.account else redirect(url_for("auth.login"))

    return wrapped


@auth.route("/register", methods=("GET", "POST"))
def register():
    if request.method == "POST":
        # A cheap hash: the tests have two processors.
        password = generate_password_hash(request.form["password"], method="pbkdf2:sha256:1000")
        try:
            get_database().execute("INSERT INTO account (name, password) VALUES (?, ?)", (request.form["name"], password))
            get_database().commit()
        except sqlite3.IntegrityError:
            flash(f"{request.form['name']} is registered already.")
        else:
            return redirect(url_for("auth.login"))
    return render_template("form.html", title="Register")


@auth.route("/login", methods=("GET", "POST"))
def login():
    if request.method == "POST":
        account = get_database().execute("SELECT * FROM account WHERE name = ?", (request.form["name"],)).fetchone()
        if account and check_password_hash(account["password"], request.form["password"]):
            session.clear()
            session["account"] = account["id"]
            flash(f"Welcome, {account['name']}.")
            return redirect(url_for("index"))
        flash("Wrong name or password.")
    return render_template("form.html", title="Log in")


@auth.route("/logout")
def logout():
    session.clear()
    return redirect(url_for("index"))
