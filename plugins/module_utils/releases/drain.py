# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the containers that served before finish their requests, then stop them.

A release is needed until nobody is connected to its socket, or until its time is over. Where the
path of the application has changed, an old worker of Nginx may also be reading an upload, which it
passes to the old release only when it is complete: then the release is needed until those workers
are gone, too. Everywhere else the link that Nginx goes through leads them to the new one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..host import kept_logs
from ..host.engine import Docker
from ..host.places import ReleaseName, container_socket
from ..nginx.process import LEAVING, own_command_line, processes
from .record import read_release
from .routes import still_led_to

PAUSE = 0.1  # seconds between two checks
# Requests that still run when the drain is over have had their time; this is for programs that
# handle SIGTERM.
STOP_SECONDS = 5
CONNECTED = (b"02", b"03")  # waiting to be accepted, and accepted: the column St of /proc/net/unix


def leaving_workers() -> set[int]:
    """The workers of Nginx that finish their requests with an old configuration."""
    return {pid for pid in processes() if own_command_line(pid) == LEAVING}


def connections(socket: str, table: Path = Path("/proc/net/unix")) -> int:
    """The number of connections to a socket. They belong to the network namespace of the client,
    which is Nginx's.

    Args:
        socket: the path that the socket was bound to in the container; it holds the id of the
        release.
        table: the kernel's list of sockets, columns as in proc(5).
    """
    # Bytes: the name at which an application binds its socket need not be UTF-8.
    columns = (line.split(None, 7) for line in table.read_bytes().split(b"\n")[1:])
    return sum(
        1
        for found in columns
        if len(found) == 8 and found[5] in CONNECTED and found[7] == os.fsencode(socket)
    )


@dataclass(frozen=True)
class Old:
    """A release that served before.

    led_to: whether old workers of Nginx may still connect to it.
    """

    container: str
    id: str
    drain_seconds: float
    led_to: bool

    @classmethod
    def of(cls, root: str, app: str, release: str) -> Old:
        """With the drain_seconds of its release.json; 0 for one that has none."""
        seconds = read_release(root, app, release).get("drain_seconds", 0)
        container = ReleaseName(app, release).container
        return cls(container, release, seconds, still_led_to(root, app, release))


def drain(
    releases: Iterable[Old],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, dict[str, float | int]]:
    """Wait until each container has nothing left to do, or its time is over.

    Args:
        releases: those that served before.

    Returns:
        By container: the C(seconds) it took and the connections that were C(cut).
    """
    start = clock()
    waiting = {old.container: old for old in releases}
    workers = leaving_workers()
    done: dict[str, dict[str, float | int]] = {}
    while waiting:
        workers &= leaving_workers()
        for name, old in list(waiting.items()):
            there, passed = connections(container_socket(old.id)), clock() - start
            if passed >= old.drain_seconds or not (there or (workers and old.led_to)):
                done[name] = {"seconds": round(passed, 1), "cut": there}
                del waiting[name]
        if waiting:
            sleep(PAUSE)
    return done


def stop(containers: Iterable[str], docker: Docker, seconds: int = STOP_SECONDS) -> None:
    """Stop containers in parallel: they finish what runs, and are killed after some seconds.
    Missing ones are not an error.
    """
    names = list(containers)
    if names:
        docker.run("stop", "-t", str(seconds), *names, check=False)


def remove(containers: Iterable[str], docker: Docker, with_logs: bool = True) -> None:
    """Remove containers, with their anonymous volumes.

    Args:
        with_logs: keep their logs, which the engine is asked for. Those of jobs have none.
    """
    names = list(containers)
    if names:
        if with_logs:
            kept_logs.keep(docker, names)
        docker.run("rm", "--force", "--volumes", *names, check=False)
