# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each application of a host needs: what is wanted against what serves, and what an earlier
run left behind.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.files import file_digest
from ..host.places import Place, ReleasePlace
from . import routes
from .attempts import Attempts
from .container_log import log_of
from .process_steps import process_of
from .record import Record, live_links, read_release
from .release import FILES

LABEL, RELEASE = "host.flaskops.app", "host.flaskops.release"


class Plan:
    """One look at the host for all applications.

    Args:
        params: C(root), C(nginx_root), C(images), C(releases) (name, id, site, state, secrets),
        C(absent) (names).
    """

    def __init__(self, params: Mapping[str, Any], docker: Docker | None = None) -> None:
        self.root, self.wanted, self.images = params["root"], params["releases"], params["images"]
        self.absent = params["absent"]
        self.links = live_links(params["nginx_root"])
        self.docker = docker or Docker()
        self.attempts = Attempts()
        # By application: the state of its containers by name.
        self.containers: dict[str, dict[str, str]] = {}
        # By application: the release of each of its containers that answers no requests.
        self.processes: dict[str, dict[str, str]] = {}

    def run(self) -> dict[str, Any]:
        """The plan, as M(flaskops.host.release_plan) returns it."""
        if self.docker.command and (self.wanted or self.absent):
            for entry in self.docker.containers(LABEL):
                name = entry["Labels"][LABEL]
                self.containers.setdefault(name, {})[entry["Names"]] = entry["State"]
                if process_of(entry):
                    self.processes.setdefault(name, {})[entry["Names"]] = entry["Labels"][RELEASE]
        work: list[dict[str, Any]] = []
        repairs: dict[str, list[str]] = {}
        for release in self.wanted:
            name, identity = release["name"], release["id"]
            with self.attempts.of(name, "nothing of it was changed"):
                left_over, reason = self._left_over(name, identity), self._reason(release)
                if reason:
                    work.append(
                        {
                            **self._serving(release),
                            **self._needs(release),
                            "name": name,
                            "id": identity,
                            "reason": reason,
                        }
                    )
                if left_over:
                    repairs[name] = left_over
        known = (
            {app.directory.name for app in Place(self.root).all_apps()}
            | set(self.links)
            | set(self.containers)
        )
        there = self.docker.command and any(entry["build"] for entry in work)
        return {
            "work": work,
            "remove": sorted(known & set(self.absent)),
            "repairs": repairs,
            "failures": self.attempts.failures,
            "live": {release["name"]: self._live(release["name"]) for release in self.wanted},
            "unlisted": sorted(
                known - {release["name"] for release in self.wanted} - set(self.absent)
            ),
            "missing_images": [
                image for image in self.images if there and not self.docker.inspect(image, "image")
            ],
            "docker": {
                "command": self.docker.command,
                **self.docker.plugins,
                **log_of(self.docker.info if work and self.docker.command else {}),
            },
        }

    def _serving(self, release: Mapping[str, Any]) -> dict[str, Any]:
        return {"live": self._live(release["name"]), "links": self.links.get(release["name"], [])}

    def _live(self, name: str) -> str | None:
        return next((link["id"] for link in self.links.get(name, [])), None)

    def _needs(self, release: Mapping[str, Any]) -> dict[str, Any]:
        """Which of the steps there are to do."""
        name, identity = release["name"], release["id"]
        image = Record(self.root, name).releases.get(identity, {}).get("image")
        whole = (
            bool(read_release(self.root, name, identity))
            and self._place(name, identity).static.is_dir()
            and not self._drift(release)
        )
        built = (
            whole
            and image
            and self.docker.command
            and self.docker.inspect(f"flaskops/{name}:{identity}", "image").get("Id") == image
        )
        socket = self._place(name, identity).socket
        return {
            "state": release["state"],
            "build": not built,
            # One that runs and has lost its socket or its files does not find them again.
            "recreate": self._live(name) == identity and not (whole and is_socket(socket)),
        }

    def _place(self, name: str, identity: str) -> ReleasePlace:
        return Place(self.root).app(name).release(identity)

    def _reason(self, release: Mapping[str, Any]) -> str:
        """Why there is work for this application; "" when there is none."""
        name, identity, state = release["name"], release["id"], release["state"]
        links = self.links.get(name, [])
        live = self._live(name)
        if live is None:
            return "it is not on this host yet"
        if live != identity:
            return f"release {live} serves"
        if links != [{"site": release["site"], "id": identity, "file": FILES[state]}]:
            before = ", ".join(f"{_state(link['file'])} on site {link['site']}" for link in links)
            return f"it is {before}"
        if Record(self.root, name).data["live"] != identity:
            return "the last run did not get to its end"
        if found := self._drift(release):
            return found
        running = self.containers.get(name, {}).get(f"{name}-{identity}", "missing")
        processes = self._processes(name, identity)
        if state == "stopped":
            up = [
                f"its process {process} is running"
                for process, found in processes.items()
                if found == "running"
            ]
            return "its container is running" if running == "running" else next(iter(up), "")
        if running != "running":
            return f"its container is {running}"
        if down := [
            f"its process {process} is {found}"
            for process, found in processes.items()
            if found != "running"
        ]:
            return ", ".join(down)
        socket = self._place(name, identity).socket
        return "" if is_socket(socket) else f"{socket} is missing"

    def _processes(self, name: str, identity: str) -> dict[str, str]:
        """The state of each process that belongs to a release."""
        there = self.containers.get(name, {})
        wanted = [
            process["name"]
            for process in read_release(self.root, name, identity).get("processes", [])
        ]
        return {process: there.get(f"{name}-{identity}-{process}", "missing") for process in wanted}

    def _drift(self, release: Mapping[str, Any]) -> str:
        """Which of its files are not as they were laid down."""
        place = self._place(release["name"], release["id"])
        files = read_release(self.root, release["name"], release["id"]).get("files")
        if not isinstance(files, dict):
            return "its release.json is missing or broken"
        places = {place.file(file): wanted for file, wanted in files.items()}
        places.update(
            {place.secrets / secret: wanted for secret, wanted in release["secrets"].items()}
        )
        changed = [str(file) for file, wanted in places.items() if file_digest(file) != wanted]
        return f"{', '.join(changed)} changed on the host" if changed else ""

    def _left_over(self, name: str, wanted: str) -> list[str]:
        """What runs that were cut off have left of this application."""
        found = [f"container {container}" for container in self.orphans(name)]
        found += [
            f"release {identity}, which never served" for identity in self.unfinished(name, wanted)
        ]
        found += [f"directory {path}" for path in Place(self.root).builds_of(name)]
        found += [
            f"the route, which leads to {wrong}" for wrong in [self._wrong_route(name)] if wrong
        ]
        found += [f"the pin of release {identity}" for identity in self.unpinned(name)]
        return found

    def _wrong_route(self, name: str) -> str:
        live = self._live(name)
        return routes.wrong(self.root, name, live) if live else ""

    def orphans(self, name: str) -> list[str]:
        """Containers of ours that belong to no release that serves or is kept."""
        linked = {link["id"] for link in self.links.get(name, [])}
        known = Record(self.root, name).releases
        kept = {f"{name}-{identity}" for identity in linked} | {
            f"{name}-{identity}-pin" for identity in known
        }
        kept |= {
            container
            for container, release in self.processes.get(name, {}).items()
            if release in linked
        }
        return sorted(set(self.containers.get(name, {})) - kept)

    def unfinished(self, name: str, wanted: str) -> list[str]:
        """Releases that were begun, do not serve, and are not the one that is wanted, which goes on
        where it was cut off.
        """
        kept = {wanted, *(link["id"] for link in self.links.get(name, []))}
        known = Record(self.root, name).releases
        return [
            identity
            for identity, data in known.items()
            if data["state"] == "prepared" and identity not in kept
        ]

    def unpinned(self, name: str) -> list[str]:
        """Kept releases whose image is there and would not survive C(docker image prune -a)."""
        containers = self.containers.get(name, {})
        return [
            identity
            for identity, data in Record(self.root, name).releases.items()
            if data["state"] in ("live", "retired") and f"{name}-{identity}-pin" not in containers
            if self.docker.command and self.docker.inspect(f"flaskops/{name}:{identity}", "image")
        ]


def is_socket(path: Path) -> bool:
    """Whether a socket itself lies there: a link is the work of the application."""
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def sentences_of(plan: Mapping[str, Any]) -> list[str]:
    """The plan in words."""
    words = [
        f"{entry['name']}: to release {entry['id']}, {entry['state']}; now {entry['reason']}"
        for entry in plan["work"]
    ]
    words += [f"{name}: removed, with all its releases" for name in plan["remove"]]
    words += [
        f"{name}: set right after a run that was cut off: {', '.join(found)}"
        for name, found in plan["repairs"].items()
    ]
    return words


def _state(file: str) -> str:
    return next((state for state, name in FILES.items() if name == file), file)
