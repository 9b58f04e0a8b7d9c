# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program on the host for what happened: one event as JSON at its standard input.

The program runs as root, so nobody else may be able to change it. Whatever it does, it fails
nothing: what goes wrong is a sentence for a warning.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from .files import now
from .shown import shown

VERSION = 1  # of the form of an event
SECONDS = 10.0  # for one program
AT_ONCE = 50  # programs
LINKS = 40  # that a path may lead through, as in Linux
REASON_LENGTH = 1000
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}


def event(kind: str, reason: str = "", **facts: Any) -> dict[str, Any]:
    """One event.

    Args:
        kind: its name, which does not change.
        reason: why, of which the event has the first line: the others may be of a log.
        facts: what it is about.
    """
    lines = reason.strip().splitlines() or [""]
    return {
        "version": VERSION,
        "event": kind,
        "time": now(),
        "host": os.uname().nodename,
        **facts,
        "reason": shown(lines[0]).rstrip(":")[:REASON_LENGTH],
    }


def problem(program: str) -> str:
    """Why a program may not be run; "" for one that may, and for none."""
    if not program:
        return ""
    try:
        words = _unsafe(Path(program))
    except OSError as error:
        words = f"{error.strerror or error}: {error.filename or program}"
    return f"{program} gets no events: {words}" if words else ""


def send(program: str, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Run the program once for each event, many at once; returns what went wrong, also where there
    is no event.
    """
    given = list(events)
    if words := problem(program):
        return [words]
    if not program or not given:
        return []
    try:
        with ThreadPoolExecutor(min(len(given), AT_ONCE)) as beside:
            found = list(beside.map(lambda each: _run(program, each), given))
    except RuntimeError as error:  # the host has no room for a thread
        return [f"{program} got no events: {error}"]
    return [
        f"{program} got the event {each['event']} and {words}"
        for each, words in zip(given, found, strict=True)
        if words
    ]


def _unsafe(path: Path) -> str:
    """What lets others than root change a program, also through a directory or a link on the way;
    "" when nothing does.
    """
    if not path.is_absolute():
        return "its path must be absolute"
    left, place, links = list(path.parts[1:]), Path("/"), 0
    while True:
        found = os.lstat(place)
        if found.st_uid != 0:
            return f"{place} must belong to root; its owner is {found.st_uid}"
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > LINKS:
                return f"{path} leads through too many links"
            target = Path(os.readlink(place))
            left = [*(target.parts[1:] if target.is_absolute() else target.parts), *left]
            place = Path("/") if target.is_absolute() else place.parent
            continue
        if found.st_mode & 0o022:
            return (
                f"{place} must be writable by root alone; its mode is"
                f" {stat.S_IMODE(found.st_mode):04o} (chmod go-w {place})"
            )
        if not left:
            break
        name = left.pop(0)
        place = place.parent if name == ".." else place / name
    if not stat.S_ISREG(found.st_mode):
        return f"{place} must be a file"
    return "" if found.st_mode & 0o100 else f"{place} must be executable (chmod 0755 {place})"


def _run(program: str, given: Mapping[str, Any]) -> str:
    """Run it, without a shell, and end all that it has started; returns what went wrong."""
    try:
        with os.fdopen(os.memfd_create("event"), "w+b") as memory:
            memory.write(json.dumps(given, sort_keys=True).encode() + b"\n")
            memory.flush()
            memory.seek(0)
            run = subprocess.Popen(
                [program],
                stdin=memory,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
            )
    except OSError as error:
        return f"could not be run: {error.strerror or error}"
    end = time.monotonic() + SECONDS
    while not (ended := _has_ended(run.pid)) and time.monotonic() < end:
        time.sleep(0.02)
    # Before it is waited for, so that no other process has its id.
    with suppress(OSError):
        os.killpg(run.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        run.wait(1)
    if not ended:
        return f"was killed after {SECONDS:.0f} seconds"
    code = run.returncode
    return "" if code == 0 else f"ended with {code}" if code > 0 else f"died of signal {-code}"


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
