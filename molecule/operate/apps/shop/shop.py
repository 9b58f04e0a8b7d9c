"""Orders in PostgreSQL, and who has written what: visitors, a Celery worker, its beat, and jobs."""

import os
import time

import click
from celery import Celery
from flask import Flask, request
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_pre_ping": True}
db = SQLAlchemy(app)
Migrate(app, db)
celery = Celery("shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
celery.conf.beat_schedule = {"tick": {"task": "shop.tick", "schedule": 2.0}}


class Entry(db.Model):
    number = db.Column(db.Integer, primary_key=True)
    by = db.Column(db.String, nullable=False)
    text = db.Column(db.String, nullable=False)
    release = db.Column(db.String)
    time = db.Column(db.Float)


def write(by, text):
    entry = Entry(by=by, text=text, release=os.environ.get("FLASKOPS_RELEASE"), time=time.time())
    db.session.add(entry)
    db.session.commit()
    return entry.number


@app.get("/health")
def health():
    db.session.execute(db.text("SELECT 1"))
    return {"status": "ok"}


@app.get("/")
def entries():
    found = db.session.scalars(db.select(Entry).order_by(Entry.number))
    return [
        {"number": each.number, "by": each.by, "text": each.text, "release": each.release} for each in found
    ]


@app.post("/")
def order():
    return {"number": write("visitor", request.form["text"])}


@app.post("/tasks")
def enqueue():
    shout.delay(request.form["text"])
    return {}, 202


@app.get("/versions")
def versions():
    from redis import Redis

    return {
        "postgresql": db.session.scalar(db.text("SHOW server_version")),
        "redis": Redis.from_url(os.environ["REDIS_URL"]).info("server")["redis_version"],
    }


@celery.task(name="shop.shout")
def shout(text):
    with app.app_context():
        write("worker", text.upper())


@celery.task(name="shop.tick")
def tick():
    with app.app_context():
        write("beat", "tick")
    print("tick", flush=True)


@app.cli.command()
@click.argument("text")
@click.option("--seconds", default=0.0)
@click.option("--code", default=0)
def note(text, seconds, code):
    """Write that it begins, wait, and write that it ends."""
    write("job", f"{text} begins")
    print(f"{text} begins", flush=True)
    time.sleep(seconds)
    write("job", f"{text} ends")
    raise SystemExit(code)
