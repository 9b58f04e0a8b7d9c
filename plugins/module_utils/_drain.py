# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the containers that served before finish what they have begun, then stop them.

An old worker of Nginx may still be reading an upload that it will pass to the old release only when it has all of it, so the old
release is needed until those workers are gone, and until nobody is connected to its socket; or until its time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.flaskops.host.plugins.module_utils._host import Docker, read_release
from ansible_collections.flaskops.host.plugins.module_utils._nginx_process import command_line, processes

PAUSE = 0.1  # seconds between two looks
# What is running when the drain is over has had its time; this is for the farewell of what listens for SIGTERM.
STOP_SECONDS = 5
CONNECTED = ("02", "03")  # waiting to be accepted, and accepted: the column St of /proc/net/unix


def leaving_workers() -> set[int]:
    """The workers of Nginx that finish their requests with an old configuration."""
    return {pid for pid in processes() if command_line(pid) == "nginx: worker process is shutting down"}


def connections(socket: str, table: Path = Path("/proc/net/unix")) -> int:
    """How many connections to a socket there are. They belong to the network namespace of the client, which is Nginx's.

    Args:
        socket: how the path ends that the socket was bound to in the container; it holds the id of the release.
        table: the kernel's list of sockets, columns as in proc(5).
    """
    columns = (line.split(None, 7) for line in table.read_text().splitlines()[1:])
    return sum(1 for found in columns if len(found) == 8 and found[5] in CONNECTED and found[7].endswith(socket))


def entry(root: str, app: str, release: str) -> dict[str, Any]:
    """What drain has to know of the container of a release, as the release says it; no time for one that says nothing."""
    seconds = read_release(root, app, release).get("drain_seconds", 0)
    return {"container": f"{app}-{release}", "id": release, "drain_seconds": seconds}


def drain(
    containers: Iterable[Mapping[str, Any]],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, dict[str, float | int]]:
    """Wait until each container has nothing left to do, or its time is over.

    Args:
        containers: each with C(container) its name, C(id) its release, C(drain_seconds).

    Returns:
        By container: the C(seconds) it took and the connections that were C(cut).
    """
    start = clock()
    waiting = {entry["container"]: (f"/{entry['id']}/app.sock", float(entry["drain_seconds"])) for entry in containers}
    old = leaving_workers()
    done: dict[str, dict[str, float | int]] = {}
    while waiting:
        old &= leaving_workers()
        for name, (socket, seconds) in list(waiting.items()):
            there, passed = connections(socket), clock() - start
            if passed >= seconds or not (there or old):
                done[name] = {"seconds": round(passed, 1), "cut": there}
                del waiting[name]
        if waiting:
            sleep(PAUSE)
    return done


def stop(containers: Iterable[str], docker: Docker, seconds: int = STOP_SECONDS) -> None:
    """Stop containers side by side: they finish what runs, and are killed after some seconds. Those that are gone are no error."""
    names = list(containers)
    if names:
        docker.run("stop", "-t", str(seconds), *names, check=False)


def remove(containers: Iterable[str], docker: Docker) -> None:
    """Remove containers, with the anonymous volumes of theirs."""
    names = list(containers)
    if names:
        docker.run("rm", "--force", "--volumes", *names, check=False)
