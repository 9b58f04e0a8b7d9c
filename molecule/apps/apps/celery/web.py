"""Hands work to a Celery worker over Redis and asks for what came out."""

import os

import tasks
from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def home():
    return "celery\n"


@app.get("/whoami")
def whoami():
    return {
        "remote_addr": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "url_root": request.url_root,
        "script_root": request.script_root,
        "release": os.environ.get("FLASKOPS_RELEASE"),
        "pid": os.getpid(),
        "server": "uWSGI" if "uwsgi.version" in request.environ else request.environ["SERVER_SOFTWARE"],
    }


@app.post("/jobs")
def enqueue():
    """A job for the worker; its number."""
    return {"id": tasks.shout.delay(request.form["text"]).id}


@app.get("/jobs/<number>")
def result(number):
    job = tasks.celery.AsyncResult(number)
    return {"state": job.state, "result": job.result if job.successful() else None}
