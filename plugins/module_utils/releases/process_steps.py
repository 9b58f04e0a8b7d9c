# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the further containers of a release, checks that they stay up, and restarts those of the
release before when they do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..host.engine import Docker, inspected, logs
from ..host.files import HostError
from ..host.places import APP_LABEL, PROCESS_LABEL, RELEASE_LABEL, ReleaseName
from . import advice, app, drain, memory
from .record import processes_of
from .work import Work, still_serves

PAUSE = 0.1  # seconds between two checks
LOG_LINES = 30
READ_LINES = 1000  # in which advice is looked for


class Process(NamedTuple):
    """A container of an application that does not answer requests, as found on the host."""

    container: str
    release: str
    name: str
    state: str


class Watched(NamedTuple):
    """A process that must run for its ready_seconds: since when it is watched, and since when it
    runs according to the engine.
    """

    work: Work
    process: app.Process
    started: float
    since: str

    @property
    def container(self) -> str:
        return self.work.named.process(self.process.name)


def found(docker: Docker, name: str) -> list[Process]:
    """The processes of an application, of all its releases."""
    return sorted(
        Process(entry["Names"], entry["Labels"][RELEASE_LABEL], process, entry["State"])
        for entry in docker.containers(f"{APP_LABEL}={name}")
        if (process := process_of(entry))
    )


def process_of(entry: Mapping[str, Any]) -> str:
    """The name of the process that a container runs, from an entry of Docker.containers; "" for
    other containers.

    Its name must fit its labels, because a container has the labels of its image as well.
    """
    labels = (entry["Labels"].get(key, "") for key in (APP_LABEL, RELEASE_LABEL, PROCESS_LABEL))
    name, release, process = labels
    is_one = entry["Names"] == ReleaseName(name, release).process(process)
    return process if process and is_one else ""


def stop(containers: Iterable[str], docker: Docker) -> None:
    """Stop them in parallel, each within its own stop_seconds. Missing ones are not an error."""
    if names := list(containers):
        docker.run("stop", *names, check=False, seconds=24 * 3600)


def restore(docker: Docker, name: str, release: str) -> list[str]:
    """Start the processes of the release that serves, which a failed or interrupted run stopped.
    Returns their containers.
    """
    down = [
        process.container
        for process in found(docker, name)
        if process.release == release and process.state != "running"
    ]
    if down:
        docker.run("update", "--restart", "unless-stopped", *down, check=False)
        docker.run("start", *down, check=False)
    return down


def undo(docker: Docker, name: str, release: str) -> None:
    """Remove the processes of a release that does not serve."""
    ours = [process.container for process in found(docker, name) if process.release == release]
    stop(ours, docker)
    drain.remove(ours, docker)


class StartProcesses:
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

    def run(self, work: Iterable[Work]) -> dict[str, str]:
        """Stop what may not run twice, start the new ones, and wait until each has run for its
        ready_seconds.

        Returns:
            For each application that failed, why; what it had before runs again.
        """
        wanted = [each for each in work if each.runs]
        stop([container for each in wanted for container in self._stops_first(each)], self.docker)
        self._watch([watched for each in wanted for watched in self._begin(each)])
        for each in wanted:
            if each.name in self.failures:
                self._take_back(each)
        return self.failures

    def _stops_first(self, work: Work) -> list[str]:
        """The processes of other releases that may not run beside the new ones."""
        new = {process.name: process.overlap for process in work.processes}
        first = []
        for old in found(self.docker, work.name):
            if old.release == work.id or old.state not in ("running", "restarting"):
                continue
            kept = processes_of(self.root, work.name, old.release)
            before = {process.name: process.overlap for process in kept}
            if not new.get(old.name, before.get(old.name, True)):
                first.append(old.container)
        return first

    def _begin(self, work: Work) -> list[Watched]:
        """Start the processes that do not run yet; return those to watch."""
        there = {process.container: process.state for process in found(self.docker, work.name)}
        watched = []
        for process in work.processes:
            container = work.named.process(process.name)
            if there.get(container) == "running":
                continue
            try:
                # A process that crashes at every start is started again, and watched like any
                # other.
                self.docker.run(
                    "restart" if there.get(container) == "restarting" else "start", container
                )
            except HostError as error:
                self._failed(work, process, f"could not be started ({error})")
                break
            since = self._states([container]).get(container, {}).get("StartedAt", "")
            watched.append(Watched(work, process, self.clock(), since))
        return watched

    def _watch(self, watched: list[Watched]) -> None:
        while watched:
            states = self._states([each.container for each in watched])
            left = []
            for each in watched:
                if each.work.name in self.failures:
                    continue
                state, wanted = states.get(each.container, {}), each.process.ready_seconds
                if why := _wrong(state, each.since, wanted):
                    self._failed(each.work, each.process, why)
                elif self.clock() - each.started < wanted:
                    left.append(each)
            watched = left
            if watched:
                self.sleep(PAUSE)

    def _states(self, containers: list[str]) -> dict[str, Mapping[str, Any]]:
        found = inspected(self.docker, containers)
        return {name: entry["State"] for name, entry in found.items()}

    def _failed(self, work: Work, process: app.Process, what: str) -> None:
        container = work.named.process(process.name)
        serves = still_serves(work.live, work.id)
        details = self.docker.inspect(container)
        log = logs(self.docker, container, READ_LINES, details)
        lines = [f"{work.name}: its process {process.name} of release {work.id} {what}; {serves}."]
        lines += [f"Its command: {self._command(work, process)}", "The last lines of its log:"]
        lines += [f"  {line}" for line in advice.spoken(log)[-LOG_LINES:]] or ["  (nothing)"]
        lines += advice.advice(log, details)
        self.failures[work.name] = "\n".join(lines)

    def _command(self, work: Work, process: app.Process) -> str:
        """Its command from release.json; no plan has it, because it may contain a password."""
        kept = processes_of(self.root, work.name, work.id)
        return next((each.command for each in kept if each.name == process.name), "")

    def _take_back(self, work: Work) -> None:
        if work.live != work.id:
            undo(self.docker, work.name, work.id)
        if work.live:
            restore(self.docker, work.name, work.live)


def _wrong(state: Mapping[str, Any], since: str, ready_seconds: int) -> str:
    """Why a process that was started does not run well; "" where it does."""
    if not state.get("Running") or state.get("Restarting") or state.get("StartedAt") != since:
        why = ", out of memory (see resources.memory)," if state.get("OOMKilled") else ""
        code = state.get("ExitCode", "unknown")
        return f"exited with code {code}{why} within its ready_seconds ({ready_seconds})"
    count = memory.killed(int(state.get("Pid") or 0))
    if count >= memory.TOO_MANY:
        return f"runs out of memory: {memory.advice({}, count).removesuffix('.')}"
    return ""
