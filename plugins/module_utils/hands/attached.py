# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host, between the connection and docker: it starts what was asked for, and removes it
when the connection is cut. bin/flaskops sends this file as it is, so it imports only the standard
library.
"""

from __future__ import annotations

import collections.abc
import contextlib
import heapq
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Any

# Settings of the user who is root there are not for applications: the engine may be another one,
# and its proxies would be passed to the container.
ENVIRONMENT = {**os.environ, "DOCKER_CONTEXT": "default", "DOCKER_CONFIG": "/nonexistent"}
Task = dict[str, Any]  # releases/attach.py makes it
Line = tuple[bytes, bytes, bytes]  # its time, its release and process, its text
Child = subprocess.Popen[bytes]
CUT = 128 + signal.SIGHUP
PAUSE = 0.2  # seconds between two looks at the connection
GRACE = 2.0  # seconds between SIGHUP and SIGKILL


class Connection:
    """Whether the one who asked is still there: a terminal hangs up, a pipe loses its reader.

    has_pulse: whether the end of the standard input says the same.
    """

    def __init__(self, has_pulse: bool = False) -> None:
        self.is_cut = False
        self.poll = select.poll()
        self.poll.register(sys.stdout.fileno(), 0)
        if has_pulse:
            self.poll.register(sys.stdin.fileno(), 0)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            # The child gets Ctrl-C from the terminal too, and decides.
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, _frame: object) -> None:
        self.is_cut = self.is_cut or number in (signal.SIGHUP, signal.SIGTERM)

    def wait(self, child: Child) -> int:
        """The exit code of a child, as a shell has it; CUT where the connection was cut first."""
        while not self.is_cut:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(PAUSE)
                return code if code >= 0 else 128 - code
            self.is_cut = self.is_cut or bool(self.poll.poll(0))
        return CUT


def attach(task: Task, connection: Connection) -> int:
    """Run the command of the user, and remove what it leaves."""
    try:
        for words in task["before"]:
            done = subprocess.run(
                words, capture_output=True, text=True, env=ENVIRONMENT, check=False
            )
            if done.returncode:
                sys.stderr.write(done.stderr)
                return done.returncode
        with subprocess.Popen(task["words"], env=ENVIRONMENT) as child:
            code = connection.wait(child)
            if connection.is_cut:
                _remove(task)
                end(task["mark"])
                child.kill()
            return code
    finally:
        _remove(task)


def watch(task: Task) -> int:
    """Wait until the connection is cut, or the command has ended, and remove what is left of it."""
    sys.stdin.buffer.read()
    _remove(task)
    end(task["mark"])
    return 0


def _remove(task: Task) -> None:
    """The engine removes it when it ends; this is for one that does not end."""
    if task["container"]:
        words = [task["words"][0], "rm", "--force", "--volumes", task["container"]]
        subprocess.run(words, capture_output=True, env=ENVIRONMENT, check=False)


def end(mark: str) -> None:
    """End the processes with a variable: docker exec leaves them when it is cut. Those that ignore
    SIGHUP, or fork meanwhile, are killed.
    """
    begin, number = time.monotonic(), int(signal.SIGHUP)
    while (pids := marked(mark)) and time.monotonic() < begin + 2 * GRACE:
        for pid in pids if number else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(PAUSE / 4)
        number = signal.SIGKILL if time.monotonic() > begin + GRACE else 0


def marked(mark: str) -> list[int]:
    """The processes with a variable, except this one."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc") if mark else []):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if mark.encode() in file.read().split(b"\0") and int(pid) != os.getpid():
                found.append(int(pid))
    return found


def show(task: Task, connection: Connection) -> int:
    """Several logs as one, by time; while new lines are awaited, as they come."""
    children: list[Child] = []
    if task["follow"]:
        threads = [
            threading.Thread(target=_copy, args=(source, children), daemon=True)
            for source in task["sources"]
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not connection.is_cut:
            time.sleep(PAUSE)
            connection.is_cut = connection.is_cut or bool(connection.poll.poll(0))
        for child in children:
            child.kill()
        return CUT if connection.is_cut else 0
    merged = heapq.merge(*(lines_of(source, children) for source in task["sources"]))
    found = (line for line in merged if line[0].decode() >= task["since"])
    last = collections.deque(found, task["lines"]) if task["lines"] else found
    for line in last:
        _write(line)
    return max((child.wait() for child in children), default=0)


def _copy(source: Task, children: list[Child]) -> None:
    for line in lines_of(source, children):
        _write(line)


def _write(line: Line) -> None:
    """In one call, so that no other thread writes in between."""
    os.write(sys.stdout.fileno(), b"%s %s | %s\n" % line)


def lines_of(source: Task, children: list[Child]) -> collections.abc.Iterator[Line]:
    """The lines of a log: its time, its release and process, and the text."""
    child = subprocess.Popen(
        source["words"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT
    )
    children.append(child)
    for line in child.stdout or ():
        if source["journal"] and line.startswith(b"{"):
            yield in_journal(line)
        else:
            moment, _space, text = line.rstrip(b"\n").partition(b" ")
            if not moment[:4].isdigit():  # a message of docker itself
                moment, text = b"", line.rstrip(b"\n")
            yield moment[:19] + b"Z", source["name"].encode(), text


def in_journal(line: bytes) -> Line:
    """A line of journalctl's JSON. A message that is not UTF-8 is a list of bytes."""
    entry = json.loads(line)
    seconds = int(entry["__REALTIME_TIMESTAMP"]) // 10**6
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    message = entry.get("MESSAGE") or ""
    text = bytes(message) if isinstance(message, list) else str(message).encode()
    names = [entry.get(f"HOST_FLASKOPS_{each}", "") for each in ("RELEASE", "PROCESS", "ONE_OFF")]
    return moment.encode(), " ".join(filter(None, names)).encode(), text


def main(task: Task) -> int:
    if task.get("watch"):
        return watch(task)
    connection = Connection(has_pulse="sources" in task)
    try:
        return show(task, connection) if "sources" in task else attach(task, connection)
    except BrokenPipeError:
        return CUT


if __name__ == "__main__":
    # Nothing is flushed at the end: everything is written at once, and the reader may be gone.
    code = main(json.loads(sys.argv[1]))
    os._exit(code)
