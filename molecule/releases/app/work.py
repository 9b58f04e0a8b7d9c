"""A process without a route: it records when it begins, that it runs, and when it ends; its
environment controls its behaviour.
"""

import os
import signal
import sys
import time
from pathlib import Path

NAME = sys.argv[1]
VERSION = os.environ.get("VERSION", "1")
PLACE = Path("/jobs")


def note(word: str) -> None:
    line = f"{time.time():.3f} {VERSION} {word}"
    print(line, flush=True)
    with (PLACE / f"{NAME}.log").open("a") as log:
        log.write(f"{line}\n")


def end(_signal: int, _frame: object) -> None:
    time.sleep(1)  # it finishes what it has begun
    note("end")
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
note("begin")
if os.environ.get("BREAK") == NAME:
    raise SystemExit(f"this {NAME} is broken")
while True:
    (PLACE / f"{NAME}.{VERSION}").touch()
    time.sleep(0.2)
