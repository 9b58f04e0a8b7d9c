# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one job, in a container of the release that serves. No run of a playbook waits for it, and
none ends it: its release and its image stay as long as its container runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..host import notify
from ..host.container import Container, settle
from ..host.engine import Docker
from ..host.files import HostError, now
from ..host.flock import alone
from ..host.places import APP_LABEL, ReleaseName
from ..releases.drain import remove
from ..releases.jobs import Order, Result
from ..releases.live_container import job_of
from ..releases.lock import refuse_moving
from ..releases.processes import JOB_STOP_SECONDS, job_container
from ..releases.record import live_links, release_of
from ..releases.release import FILES
from ..releases.uids import run_as, uid_of
from .supervised import BUSY, KILLED, Stopped, stop, write

# Exit codes beside those of commands: as timeout(1), docker run and a shell have them.
LATE, NOT_STARTED, STOPPED = 124, 125, 143
PAUSE = 1.0  # seconds between two looks at a container whose output is lost
# Its output goes to the journal of its unit.
LOG = ["--log-driver", "none"]


def run(file: Path) -> int:
    """Run a job until it completes.

    Args:
        file: its order.

    Returns:
        The exit code of its command.
    """
    order = Order.of(file)
    name, app = order.job.name, order.app
    with alone(order.place.lock) as free:
        if not free:
            return _say(f"{name} of {app} runs already; it was not started again.", BUSY)
        link = next(iter(live_links(order.nginx_root).get(app, ())), None)
        if link and link.file == FILES["stopped"]:
            return _say(f"{app} is stopped; {name} was not started.", 0)
        before = Result.of(order.place)
        if before and before.code is None:
            _end(order, replace(before, code=KILLED, reason="it was interrupted, as by a reboot"))
        result = _Running(order, link.id if link else "").run()
    return _end(order, result)


def end(file: Path) -> int:
    """Record and clean up after a program that was killed; nothing where it wrote a result."""
    order = Order.of(file)
    with alone(order.place.lock) as free:
        result = Result.of(order.place)
        if not free or not result or result.code is not None:
            return 0
        _clean(Docker(), order)
        how = os.environ.get("SERVICE_RESULT", "")
        why = f"what supervises it was killed{f' ({how})' if how else ''}"
        result = replace(result, code=KILLED, reason=why)
        write(order.place, result)
    _end(order, result)
    return 0


class _Running:
    """One run of a job.

    Args:
        order: what is run.
        release: the release that serves; "" where none does.
    """

    def __init__(
        self, order: Order, release: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.order, self.release, self.clock = order, release, clock
        self.docker = Docker()
        self.name = ReleaseName(order.app, release).job(order.job.name)

    def run(self) -> Result:
        result, start = Result(self.release, now()), self.clock()
        write(self.order.place, result)
        before = signal.signal(signal.SIGTERM, stop)
        try:
            code, why = self._run(start + self.order.job.seconds)
        except Stopped:
            code, why = STOPPED, "it was stopped"
        except (HostError, OSError, KeyError, TypeError) as error:
            code, why = NOT_STARTED, f"it could not be run: {error}"
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._stop()
        result = replace(result, code=code, seconds=round(self.clock() - start, 1), reason=why)
        write(self.order.place, result)
        signal.signal(signal.SIGTERM, before)
        return result

    def _run(self, deadline: float) -> tuple[int, str]:
        """Its exit code, and the reason if its command was ended or could not run."""
        # Of a program that was killed: nothing supervises it.
        _clean(self.docker, self.order)
        settle(self.docker, self._container(), log=LOG)
        follow = ["start", "--attach"]
        while self._follow(follow, deadline):
            state = self._state()
            if state is None:
                return KILLED, "its container was removed"
            if state and not state["Running"]:
                return _code(state)
            # The engine was restarted, which keeps containers.
            time.sleep(PAUSE)
            follow = ["attach", "--no-stdin", "--sig-proxy=false"]
        return LATE, f"it did not end within {self.order.job.seconds} s (seconds)"

    def _follow(self, words: list[str], deadline: float) -> bool:
        """Pass on the output of its container until it ends; returns whether that was in time."""
        left = deadline - self.clock()
        if left <= 0:
            return False
        command = [self.docker.command, *words, self.name]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as client:
            try:
                client.wait(left)
            except subprocess.TimeoutExpired:
                return False
            finally:
                client.kill()
        return True

    def _container(self) -> Container:
        order = self.order
        if not self.release:
            raise HostError(f"no release of {order.app} serves; deploy it.")
        refuse_moving(order.root, order.app)
        release = release_of(order.root, order.app, self.release)
        options = job_container(release, order.job.name, order.job.command)
        uid = uid_of(order.root, order.app, self.release)
        return Container.from_dict(run_as(options, uid, str(release.place.directory)))

    def _state(self) -> dict[str, Any] | None:
        """The state of its container; {} where the engine does not answer, None where there is no
        container.
        """
        try:
            if found := self.docker.inspect(self.name):
                return dict(found["State"])
            self.docker.run("info", seconds=30)
        except HostError:
            return {}
        return None

    def _stop(self) -> None:
        """Stop its container, if it runs, and remove it."""
        with suppress(HostError):
            self.docker.run("stop", "-t", str(JOB_STOP_SECONDS), self.name, check=False, seconds=60)
            remove([self.name], self.docker, with_logs=False)


def _code(state: Mapping[str, Any]) -> tuple[int, str]:
    """The exit code of a container that ended, and the reason where the kernel or the engine has
    one.
    """
    if error := state.get("Error"):
        return NOT_STARTED, f"it could not be run: {error}"
    reason = "out of memory (see resources.memory)" if state.get("OOMKilled") else ""
    return int(state["ExitCode"]), reason


def _clean(docker: Docker, order: Order) -> None:
    """Remove the containers of this job, of all releases."""
    there = docker.containers(f"{APP_LABEL}={order.app}")
    ours = [entry["Names"] for entry in there if job_of(entry) == order.job.name]
    remove(ours, docker, with_logs=False)


def _end(order: Order, result: Result) -> int:
    """Say how it ended, and give the event of a failure."""
    app, name, code = order.app, order.job.name, int(result.code or 0)
    seconds = "" if result.seconds is None else f" after {result.seconds:g} s"
    why = f": {result.reason}" if result.reason else ""
    words = f"{name} of {app} ended with exit code {code}{seconds}{why}"
    _say(f"{words} (release {result.release or 'none'})", code)
    if code:
        facts = {"code": code, "begun": result.begun, "seconds": result.seconds}
        event = notify.event(
            "job_failed", words, app=app, job=name, release=result.release or None, **facts
        )
        for problem in notify.send(order.notify, [event]):
            _say(problem, code)
    return code


def _say(words: str, code: int) -> int:
    """Write words to the journal; returns the exit code."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    return code
