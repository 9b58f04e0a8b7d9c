"""Begins something while it is loaded: what BEGINS says."""

import os
import socket
import threading
import time

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

app = Flask(__name__)
ticks = [0]


def consume():
    while True:
        time.sleep(0.1)
        ticks[0] += 1


def connect():
    app.server = socket.create_server(("127.0.0.1", 0))
    app.client = socket.create_connection(app.server.getsockname())


def schedule():
    scheduler = BackgroundScheduler()
    scheduler.add_job(lambda: None, "interval", seconds=1)
    scheduler.start()


BEGINS = {
    "thread": lambda: threading.Thread(target=consume, name="consumer", daemon=True).start(),
    "connection": connect,
    "scheduler": schedule,
}
for what in os.environ["BEGINS"].split():
    BEGINS[what]()


@app.get("/")
def home():
    return {"ticks": ticks[0]}
