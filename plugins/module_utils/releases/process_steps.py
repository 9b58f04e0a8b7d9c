# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the further containers of a release, sees that they stay, and brings those of the release
before back when they do not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..host.engine import Docker, logs
from ..host.files import HostError
from . import advice, drain, memory
from .deploy import still_serves
from .record import read_release

PAUSE = 0.1  # seconds between two looks
LOG_LINES = 30
READ_LINES = 1000  # in which what is to be written differently is looked for


class Process(NamedTuple):
    """A container of an application that answers no requests."""

    container: str
    release: str
    name: str
    state: str


def found(docker: Docker, app: str) -> list[Process]:
    """All there are of an application, of whatever release."""
    labelled = []
    for entry in docker.containers(f"host.flaskops.app={app}"):
        if name := process_of(entry):
            labelled.append(
                Process(
                    entry["Names"], entry["Labels"]["host.flaskops.release"], name, entry["State"]
                )
            )
    return sorted(labelled)


def process_of(entry: Mapping[str, Any]) -> str:
    """Which process of its release a container is, as Docker.containers gives it; "" for one that
    is none.

    Its name must say the same as its labels, for a container has the labels of its image as well.
    """
    labels = entry["Labels"]
    app, release, name = (
        labels.get(f"host.flaskops.{key}", "") for key in ("app", "release", "process")
    )
    return name if name and entry["Names"] == f"{app}-{release}-{name}" else ""


def stop(containers: Iterable[str], docker: Docker) -> None:
    """Stop them side by side, each within its own stop_seconds. Those that are gone are no error."""
    if names := list(containers):
        docker.run("stop", *names, check=False, seconds=24 * 3600)


def restore(docker: Docker, app: str, release: str) -> list[str]:
    """Let the processes of the release that serves run: a run that failed or was cut off has
    stopped one. Returns which.
    """
    down = [
        process.container
        for process in found(docker, app)
        if process.release == release and process.state != "running"
    ]
    if down:
        docker.run("update", "--restart", "unless-stopped", *down, check=False)
        docker.run("start", *down, check=False)
    return down


def undo(docker: Docker, app: str, release: str) -> None:
    """Take the processes of a release away that does not get to serve."""
    ours = [process.container for process in found(docker, app) if process.release == release]
    stop(ours, docker)
    drain.remove(ours, docker)


class Start:
    """The processes of all releases of a run, just before they serve.

    Args:
        root: the directory of the releases.
        docker: the engine.
    """

    def __init__(
        self,
        root: str,
        docker: Docker,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root, self.docker, self.clock, self.sleep = root, docker, clock, sleep
        self.failures: dict[str, str] = {}

    def run(self, releases: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Stop what may not run twice, start the new ones, and wait until each has run for its
        ready_seconds.

        Args:
            releases: C(name), C(id), C(live), C(state) and C(processes) of each.

        Returns:
            For each application that failed, why; what it had before runs again.
        """
        wanted = [release for release in releases if release["state"] != "stopped"]
        first = {release["name"]: self._stops_first(release) for release in wanted}
        stop([container for containers in first.values() for container in containers], self.docker)
        watched: list[tuple[Mapping[str, Any], Mapping[str, Any], float, str]] = []
        for release in wanted:
            watched += self._begin(release)
        self._watch(watched)
        for release in wanted:
            if release["name"] in self.failures:
                self._take_back(release)
        return self.failures

    def _stops_first(self, release: Mapping[str, Any]) -> list[str]:
        """Those of other releases that may not run beside the new ones."""
        new = {process["name"]: process["overlap"] for process in release["processes"]}
        first = []
        for old in found(self.docker, release["name"]):
            if old.release == release["id"] or old.state not in ("running", "restarting"):
                continue
            facts = read_release(self.root, release["name"], old.release).get("processes", [])
            said = {process["name"]: process["overlap"] for process in facts}
            if not new.get(old.name, said.get(old.name, True)):
                first.append(old.container)
        return first

    def _begin(
        self, release: Mapping[str, Any]
    ) -> list[tuple[Mapping[str, Any], Mapping[str, Any], float, str]]:
        """Start what does not run yet; those that are to be watched."""
        there = {
            process.container: process.state for process in found(self.docker, release["name"])
        }
        watched = []
        for process in release["processes"]:
            container = container_of(release, process)
            if there.get(container) == "running":
                continue
            try:
                # One that crashes at every start is started anew, and watched like any other.
                self.docker.run(
                    "restart" if there.get(container) == "restarting" else "start", container
                )
            except HostError as error:
                self._failed(release, process, f"could not be started ({error})")
                break
            since = self._states([container]).get(container, {}).get("StartedAt", "")
            watched.append((release, process, self.clock(), since))
        return watched

    def _watch(
        self, watched: list[tuple[Mapping[str, Any], Mapping[str, Any], float, str]]
    ) -> None:
        while watched:
            states = self._states(
                [container_of(release, process) for release, process, _started, _since in watched]
            )
            left = []
            for release, process, started, since in watched:
                ran, state = self.clock() - started, states.get(container_of(release, process), {})
                if release["name"] in self.failures:
                    continue
                if (
                    not state.get("Running")
                    or state.get("Restarting")
                    or state.get("StartedAt") != since
                ):
                    code = state.get("ExitCode", "unknown")
                    why = (
                        ", out of memory (see resources.memory)," if state.get("OOMKilled") else ""
                    )
                    wanted = process["ready_seconds"]
                    self._failed(
                        release,
                        process,
                        f"exited with code {code}{why} within its ready_seconds ({wanted})",
                    )
                elif (count := memory.killed(int(state.get("Pid") or 0))) >= memory.TOO_MANY:
                    self._failed(
                        release,
                        process,
                        f"dies of memory: {memory.advice({}, count).removesuffix('.')}",
                    )
                elif ran < process["ready_seconds"]:
                    left.append((release, process, started, since))
            watched = left
            if watched:
                self.sleep(PAUSE)

    def _states(self, containers: list[str]) -> dict[str, dict[str, Any]]:
        entries = json.loads(
            self.docker.run("inspect", "--type", "container", *containers, check=False) or "[]"
        )
        return {entry["Name"].lstrip("/"): entry["State"] for entry in entries}

    def _failed(self, release: Mapping[str, Any], process: Mapping[str, Any], what: str) -> None:
        name, container = release["name"], container_of(release, process)
        serves = still_serves(release["live"], release["id"])
        said = logs(self.docker, container, READ_LINES)
        lines = [
            f"{name}: its process {process['name']} of release {release['id']} {what}; {serves}."
        ]
        lines += [f"Its command: {self._command(release, process)}", "The last lines of its log:"]
        lines += [f"  {line}" for line in advice.spoken(said)[-LOG_LINES:]] or ["  (nothing)"]
        lines += advice.advice(said, self.docker.inspect(container))
        self.failures[name] = "\n".join(lines)

    def _command(self, release: Mapping[str, Any], process: Mapping[str, Any]) -> str:
        """What its record says; it is in no plan, for it may hold a password."""
        known = read_release(self.root, release["name"], release["id"]).get("processes", [])
        return next((str(each["command"]) for each in known if each["name"] == process["name"]), "")

    def _take_back(self, release: Mapping[str, Any]) -> None:
        if release["live"] != release["id"]:
            undo(self.docker, release["name"], release["id"])
        if release["live"]:
            restore(self.docker, release["name"], release["live"])


def container_of(release: Mapping[str, Any], process: Mapping[str, Any]) -> str:
    """The name of the container of a process."""
    return f"{release['name']}-{release['id']}-{process['name']}"
