# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives an application with volumes another uid, and its data with it. It is stopped meanwhile."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from typing import Any

from ansible_collections.flaskops.host.plugins.module_utils import _drain
from ansible_collections.flaskops.host.plugins.module_utils._host import Docker, HostError
from ansible_collections.flaskops.host.plugins.module_utils._uids import Uids


def move(docker: Docker, uids: Uids, name: str, wanted: int) -> str:
    """Stop it, chown what belongs to its old uid without following a link, and record the new one. The run starts it again.

    One that was cut off is begun again with the same words.

    Returns:
        What was done, with the seconds.
    """
    started = time.monotonic()
    names = [entry["Names"] for entry in docker.containers(f"host.flaskops.app={name}") if not entry["Names"].endswith("-pin")]
    places = sorted({place for container in names for place in data_of(docker.inspect(container), uids.root)})
    _refuse_shared(docker, name, places)
    before, uid = uids.begin(name, wanted)
    docker.run("stop", *names, check=False, seconds=24 * 3600)
    for place in places:
        _chown(place, before, uid)
    _drain.remove(names, docker)
    uids.end(name, uid)
    seconds, data = time.monotonic() - started, ", ".join(places) or "no data"
    return f"{name}: moved from uid {before} to {uid}, with {data}; that took {seconds:.1f} s, in which it was stopped"


def data_of(container: dict[str, Any], root: str) -> list[str]:
    """The places of the host that a container may write to and that are not its release's own."""
    mounts = container.get("Mounts") or []
    return [mount["Source"] for mount in mounts if mount.get("RW") and not f"{mount['Source']}/".startswith(f"{root}/")]


def _refuse_shared(docker: Docker, name: str, places: Iterable[str]) -> None:
    """What two applications write to belongs to both."""
    wanted = set(places)
    for entry in docker.containers("host.flaskops.app"):
        found = docker.inspect(entry["Names"])
        owner = (found.get("Config", {}).get("Labels") or {}).get("host.flaskops.app")
        both = sorted(wanted & {mount["Source"] for mount in found.get("Mounts") or []})
        if owner != name and both:
            raise HostError(
                f"{', '.join(both)} is on a volume of {name} and of {owner}, so {name} alone cannot move. "
                "Give both entries the same key uid, or leave them as they are."
            )


def _chown(place: str, before: int, uid: int) -> None:
    for old, new in ((f"{before}", f"{uid}"), (f":{before}", f":{uid}")):
        command = ["chown", "--recursive", "--no-dereference", f"--from={old}", new, "--", place]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        if done.returncode:
            words = f"{place} could not be given to uid {uid}: {done.stderr.strip()[-500:]}"
            raise HostError(f"{words}. It is stopped; run again, and the move goes on where it was.")
