"""Asks of its surroundings what real applications ask: children, names, streams, many headers."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
import venv
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

import work
from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/")
def home():
    return {"mode": os.environ.get("MODE"), "path": request.path}


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


@app.get("/names")
def names():
    return {
        "service": socket.getservbyname("https"),
        "protocol": socket.getprotobyname("tcp"),
        "address": socket.gethostbyname(socket.gethostname()),
    }


@app.get("/child")
def child():
    done = subprocess.run([sys.executable, "-c", "import flask; print(6 * 7)"], capture_output=True, text=True, check=True)
    return {"executable": sys.executable, "out": done.stdout}


@app.get("/pool/<method>")
def pool(method):
    with multiprocessing.get_context(method).Pool(1) as workers:
        return {"answer": workers.apply_async(work.double, (21,)).get(timeout=10)}


@app.get("/executor/<method>")
def executor(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as workers:
        return {"answer": workers.submit(work.double, 21).result(timeout=10)}


@app.get("/ended")
def ended():
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    return {"code": child.wait(10)}


@app.get("/terminated/<method>")
def terminated(method):
    child = multiprocessing.get_context(method).Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(10)
    return {"code": child.exitcode}


@app.get("/shared")
def shared():
    memory = shared_memory.SharedMemory(create=True, size=16)
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        workers.apply_async(work.fill, (memory.name,)).get(timeout=10)
    answer = memory.buf[0]
    memory.close()
    memory.unlink()
    return {"answer": answer}


@app.get("/venv")
def environment():
    place = f"{os.environ['TMPDIR']}/made"
    venv.create(place, clear=True)
    done = subprocess.run([f"{place}/bin/python3", "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    return {"out": done.stdout}


@app.get("/rows/<int:end>")
def rows(end):
    def made():
        for number in range(10):
            if number == end:
                raise RuntimeError("no more rows")
            yield "x" * 999 + "\n"

    return Response(made(), mimetype="text/csv")


@app.get("/ticks")
def ticks():
    def told():
        for number in range(3):
            yield f"data: {number}\n\n"
            time.sleep(0.7)

    return Response(told(), mimetype=request.args.get("type", "text/event-stream"))


@app.get("/headers")
def headers():
    return {"count": len(request.headers), "size": sum(len(name) + len(value) for name, value in request.headers), "url": len(request.url)}
