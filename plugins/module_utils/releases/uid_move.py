# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give an application with volumes another uid, and its data with it. The application is stopped
meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import APP_LABEL, is_pin
from . import drain
from .uids import Uids


def move(docker: Docker, uids: Uids, name: str, wanted: int) -> str:
    """Stop it, chown what belongs to its old uid without following a link, and record the new one.
    The run starts it again.

    An interrupted move is repeated by the same call.

    Returns:
        What was done, with the seconds.
    """
    started = time.monotonic()
    names = [
        entry["Names"]
        for entry in docker.containers(f"{APP_LABEL}={name}")
        if not is_pin(entry["Names"])
    ]
    places = sorted(
        {place for container in names for place in data_of(docker.inspect(container), uids.root)}
    )
    if not names and name not in uids.moving:
        raise HostError(
            "it has no container, which says where its data lies. Deploy it with state: present"
            " first; nothing was changed."
        )
    _refuse_shared(docker, name, places)
    before, uid = uids.begin(name, wanted)
    docker.run("stop", *names, check=False, seconds=24 * 3600)
    for place in places:
        _chown(place, before, uid)
    drain.remove(names, docker)
    uids.end(name, uid)
    seconds, data = time.monotonic() - started, ", ".join(places) or "no data"
    return (
        f"{name}: moved from uid {before} to {uid}, with {data}; that took {seconds:.1f} s, in"
        " which it was stopped"
    )


def data_of(container: dict[str, Any], root: str) -> list[str]:
    """The directories of the host that a container may write to, without those of its release. They
    are resolved:

    the engine reports the path as it was written, which may be a link, and chown does not follow
    links.
    """
    return [
        os.path.realpath(source)
        for source in _sources(container, writable=True)
        if not _is_below(source, root)
    ]


def _sources(container: dict[str, Any], writable: bool = False) -> list[str]:
    mounts = container.get("Mounts") or []
    return [
        mount["Source"]
        for mount in mounts
        if mount.get("Source") and (mount.get("RW") or not writable)
    ]


def _is_below(place: str, other: str) -> bool:
    return f"{place.rstrip('/')}/".startswith(f"{other.rstrip('/')}/")


def _refuse_shared(docker: Docker, name: str, places: Iterable[str]) -> None:
    """Fail where another application has the data or a part of it on a volume: both own it."""
    wanted = list(places)
    for entry in docker.containers(APP_LABEL):
        found = docker.inspect(entry["Names"])
        owner = (found.get("Config", {}).get("Labels") or {}).get(APP_LABEL)
        theirs = [os.path.realpath(source) for source in _sources(found)]
        both = [
            place
            for place in wanted
            if any(_is_below(place, their) or _is_below(their, place) for their in theirs)
        ]
        if owner != name and both:
            raise HostError(
                f"{', '.join(both)} is on a volume of {name} and of {owner}, so {name} alone cannot"
                " move. Give both entries the same key uid, or leave them as they are."
            )


def _chown(place: str, before: int, uid: int) -> None:
    for old, new in ((f"{before}", f"{uid}"), (f":{before}", f":{uid}")):
        command = ["chown", "--recursive", "--no-dereference", f"--from={old}", new, "--", place]
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            words = f"{place} could not be given to uid {uid}: {done.stderr.strip()[-500:]}"
            raise HostError(f"{words}. It is stopped; run again, and the move continues.")
