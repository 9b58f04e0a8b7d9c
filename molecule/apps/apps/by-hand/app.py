"""Writes its redirects and links by hand, names a script that it has not got, and keeps streams open."""

import os
import time

from flask import Flask, Response, redirect, request

app = Flask(__name__)


@app.before_request
def insist():
    if os.environ.get("INSISTS_ON_HTTPS") and request.scheme != "https":
        return redirect(request.url.replace("http://", "https://", 1))
    return None


@app.get("/")
def index():
    return redirect("/inside")


@app.get("/neighbour")
def neighbour():
    return redirect(f"{os.environ['NEIGHBOUR']}/")


@app.get("/inside")
def inside():
    return (
        '<link rel="stylesheet" href="static/style.css"><script src="missing.js"></script>'
        '<a href="/inside">here</a> <form action="/send" method="post"></form> <a href="inside">inside</a>\n'
    )


@app.get("/ticks")
def ticks():
    def told():
        for number in range(120):
            yield f"data: {number}\n\n"
            time.sleep(0.5)

    return Response(told(), mimetype="text/event-stream")
