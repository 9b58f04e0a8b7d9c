"""Brings its own Dockerfile and Gunicorn, and knows nothing of a path."""

from flask import Flask, redirect, request, url_for

app = Flask(__name__)


@app.get("/")
def home():
    return redirect(url_for("page"))


@app.get("/page")
def page():
    return f'<a href="{url_for("page")}">{request.script_root} {request.path}</a>\n'
