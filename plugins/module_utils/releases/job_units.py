# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of jobs on a host: which of them differ, and how they become as they should be. They
start what runs; a run of this collection never does.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..host import host_program
from ..host.files import HostError, file_digest, make_directory, write_file
from ..host.places import BACKUP, DRILL, HOST_PROGRAMS, JobUnit, Place, job_units
from .attempts import Attempts
from .jobs import Order, Result, calendar, next_times
from .mount import SYSTEMD

SECONDS = 120  # for a call of systemctl


@dataclass(frozen=True)
class WantedJob:
    """A job that a host must have: its schedule as its timer has it, and the digest of each of its
    files, by path.
    """

    name: str
    schedule: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobState:
    """A job as the plan and the status show it.

    change: what this run does, in words after its name; "" for nothing. next: its next times, in
    the time zone of the host. last: the result of its last run.
    """

    schedule: str = ""
    next: tuple[str, ...] = ()
    last: Result | None = None
    change: str = ""

    @property
    def words(self) -> str:
        """What this run does with it, and when it runs."""
        if not self.next:
            return self.change
        return f"{self.change}: {self.schedule}, next {', '.join(self.next)}"


class JobPlan:
    """One look at the jobs of a host.

    Args:
        root: the directory of the releases.
        wanted: the jobs that each application must have; an application that is not in it keeps
            those that it has.
        program: the name of the program that runs them.
    """

    def __init__(
        self, root: str, wanted: Mapping[str, Sequence[WantedJob]], program: str = ""
    ) -> None:
        self.root, self.wanted, self.program = root, wanted, program
        self.there: dict[str, set[str]] = {}
        for unit in job_units():
            self.there.setdefault(unit.app, set()).add(unit.job)
        self.units = _shown(
            path.name
            for app, jobs in wanted.items()
            for job in jobs
            for unit in [JobUnit(app, job.name)]
            for path in (unit.timer, unit.service)
        )
        self.times: Mapping[str, tuple[str, ...]] | None = None

    def of(self, app: str) -> dict[str, JobState]:
        """The jobs of one application, by name: first those that it must have.

        Raises:
            HostError: one of them never runs.
        """
        if app not in self.wanted:
            return {}
        states = {job.name: self._state(app, job) for job in self.wanted[app]}
        for name in sorted(self.there.get(app, set()) - {*states}):
            states[name] = JobState(change="is removed")
        return states

    def _state(self, app: str, job: WantedJob) -> JobState:
        times = self._times(job.schedule)
        if not times:
            raise HostError(
                f"{titled(job.name)} never runs: no time fits {job.schedule!r} any more. Correct"
                " its schedule."
            )
        last = Result.of(Place(self.root).app(app).job(job.name))
        return JobState(job.schedule, times, last, self._change(app, job))

    def _times(self, schedule: str) -> tuple[str, ...]:
        if self.times is None:
            try:
                self.times = next_times(
                    job.schedule for jobs in self.wanted.values() for job in jobs
                )
            except HostError:  # one of them; the others are read one by one
                self.times = {}
        return self.times.get(schedule) or next_times([schedule])[schedule]

    def _change(self, app: str, job: WantedJob) -> str:
        """What is different; "" for nothing."""
        if job.name not in self.there.get(app, ()):
            return "is new"
        if any(file_digest(Path(path)) != digest for path, digest in job.files.items()):
            return "is changed"
        if not (HOST_PROGRAMS / self.program).is_file():
            return "lacks its program"
        unit = JobUnit(app, job.name)
        timer, service = (self.units.get(path.name, {}) for path in (unit.timer, unit.service))
        if (timer.get("ActiveState"), timer.get("UnitFileState")) != ("active", "enabled"):
            return "has a timer that does not run"
        if "yes" in (timer.get("NeedDaemonReload"), service.get("NeedDaemonReload")):
            return "has units that systemd has not read"
        return ""


def job_states(root: str, apps: Iterable[str]) -> dict[str, dict[str, JobState]]:
    """The jobs of applications as the status shows them, by application and name."""
    orders: list[Order] = []
    for app in apps:
        for file in sorted(Place(root).app(app).jobs.glob("*.json")):
            with suppress(HostError):
                orders.append(Order.of(file))
    found: dict[str, dict[str, JobState]] = {}
    for order in orders:
        times: tuple[str, ...] = ()
        when = calendar(order.job.schedule, order.job.timezone)
        with suppress(HostError):
            times = next_times([when])[when]
        state = JobState(when, times, Result.of(order.place))
        found.setdefault(order.app, {})[order.job.name] = state
    return found


def titled(job: str) -> str:
    """What a timer of an application is for, as in sentences."""
    return {BACKUP: "its backup", DRILL: "its restore drill"}.get(job, f"its job {job}")


def _shown(units: Iterable[str]) -> dict[str, dict[str, str]]:
    """The properties of units, by name."""
    names = list(units)
    if not names or not SYSTEMD.is_dir():
        return {}
    wanted = "--property=Id,ActiveState,UnitFileState,NeedDaemonReload"
    found: dict[str, dict[str, str]] = {}
    for text in _systemctl("show", wanted, *names).split("\n\n"):
        values = dict(each.partition("=")[::2] for each in text.splitlines())
        found[values.get("Id", "")] = values
    return found


@dataclass(frozen=True)
class JobFiles:
    """What the controller sends of jobs: by application and job the content of each file, by path,
    and the program that runs them.
    """

    apps: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    program: str = ""


def apply(root: str, files: JobFiles, archive: Path | None, attempts: Attempts) -> list[str]:
    """Write the jobs of applications and start their timers; those that are not given are removed.

    Args:
        root: the directory of the releases.
        files: the jobs.
        archive: the program, as it was sent; None where it was not.
        attempts: where failures go.

    Returns:
        What was changed, as sentences.
    """
    done: list[str] = []
    wanted = any(files.apps.values())
    with attempts.of("", "The program that runs jobs could not be written"):
        if wanted and archive:
            HOST_PROGRAMS.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_file(HOST_PROGRAMS / files.program, archive.read_bytes(), 0o755)
    timers: dict[str, list[tuple[JobUnit, bool]]] = {}
    for app, jobs in files.apps.items():
        with attempts.of(app, "its jobs could not be removed"):
            there = {unit.job for unit in job_units() if unit.app == app}
            done += _remove(root, app, there - {*jobs})
        with attempts.of(app, "its jobs could not be written"):
            timers[app] = [(JobUnit(app, job), _write(root, app, jobs[job])) for job in jobs]
            done += [f"{app}: wrote {titled(job)}" for job in jobs]
    if not wanted and not done:
        return []
    with attempts.of("", "systemd could not read the units of jobs again"):
        _systemctl("daemon-reload")
    for app, units in timers.items():
        with attempts.of(app, "the timers of its jobs could not be started"):
            _start(units)
    with attempts.of("", "Programs that nothing starts could not be removed", warn=True):
        host_program.sweep()
    return done


def remove(root: str, apps: Collection[str]) -> list[str]:
    """Remove the timers of applications and stop what they have started."""
    units = [unit for unit in job_units() if unit.app in apps]
    done = [
        sentence
        for app in apps
        for sentence in _remove(
            root, app, {unit.job for unit in units if unit.app == app}, stop=True
        )
    ]
    if done:
        _systemctl("daemon-reload")
        host_program.sweep()
    return done


def _remove(root: str, app: str, jobs: Collection[str], stop: bool = False) -> list[str]:
    """Remove jobs. What runs of them goes on, unless it is to stop."""
    for job in sorted(jobs):
        unit = JobUnit(app, job)
        if SYSTEMD.is_dir():
            _systemctl("disable", "--now", unit.timer.name, check=False)
            # Else a job of the same name would catch up what the removed one has missed.
            _systemctl("clean", "--what=state", unit.timer.name, check=False)
            if stop:
                _systemctl("stop", f"{unit.name}.service", check=False)
        place = Place(root).app(app).job(job)
        for path in (unit.timer, unit.service, place.order, place.result, place.password):
            path.unlink(missing_ok=True)
    return [f"{app}: removed {titled(job)}" for job in sorted(jobs)]


def _write(root: str, app: str, files: Mapping[str, str]) -> bool:
    """Write the files of one job; returns whether its timer is another one now."""
    place, other = Place(root).app(app).jobs, False
    make_directory(place, 0o700)
    for name, content in files.items():
        path = Path(name)
        before = file_digest(path)
        write_file(path, content.encode(), 0o600 if path.parent == place else 0o644)
        if path.suffix == ".timer" and before != file_digest(path):
            other = True
    return other


def _start(units: Sequence[tuple[JobUnit, bool]]) -> None:
    names = [unit.timer.name for unit, _other in units]
    if other := [unit.timer.name for unit, is_other in units if is_other]:
        _systemctl("stop", *other, check=False)
        # With another schedule nothing was missed.
        _systemctl("clean", "--what=state", *other, check=False)
    if names:
        _systemctl("enable", "--now", *names)


def _systemctl(*words: str, check: bool = True) -> str:
    try:
        done = subprocess.run(
            ["systemctl", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"systemctl {words[0]}: {error}") from error
    if check and done.returncode:
        raise HostError(f"systemctl {' '.join(words[:3])}: {done.stderr.strip()}")
    return done.stdout
