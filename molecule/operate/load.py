# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Orders and questions to the application, on the test host. Both need its database.

    python3 load.py URL OUTPUT      until SIGTERM; then the counts are in OUTPUT, as JSON

Every request has its own connection, as in the load of the scenario releases.
"""

from __future__ import annotations

import http.client
import json
import signal
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

WRITERS, READERS = 2, 2
PAUSE, PATIENCE = 0.05, 60  # seconds
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}

url, output = urlsplit(sys.argv[1]), Path(sys.argv[2])
stopping = threading.Event()
numbers: list[int] = []  # the orders that were answered
seconds: list[float] = []  # how long each good answer took
failures: list[tuple[float, float, str]] = []  # when each request began and ended, and what came


def ask(method: str, path: str, body: str | None = None) -> None:
    begun, content = time.time(), b""
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE)
    try:
        connection.request(method, url.path + path, body, FORM)
        answer = connection.getresponse()
        content, what = answer.read(), "" if answer.status == 200 else str(answer.status)
        if method == "POST" and not what:
            numbers.append(json.loads(content)["number"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        what = repr(error)
    finally:
        connection.close()
    if what:
        failures.append((begun, time.time(), what))
    else:
        seconds.append(time.time() - begun)


def repeat(*words: str) -> None:
    while not stopping.is_set():
        ask(*words)
        time.sleep(PAUSE)


signal.signal(signal.SIGTERM, lambda *_: stopping.set())
threads = [threading.Thread(target=repeat, args=("POST", "/", "text=load")) for _ in range(WRITERS)]
threads += [threading.Thread(target=repeat, args=("GET", "/health")) for _ in range(READERS)]
for thread in threads:
    thread.start()
while not stopping.wait(1):
    pass
for thread in threads:
    thread.join()
found = {
    "numbers": numbers,
    "answered": len(seconds),
    "longest": max(seconds, default=0.0),
    "failures": failures,
}
aside = output.with_suffix(".part")
aside.write_text(json.dumps(found))
aside.replace(output)
