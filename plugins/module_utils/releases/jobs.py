# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of an application: the files that a host has of it, the result of its last run, and when it
runs next. Jobs are not part of a release: what a timer starts is a container of whatever serves.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..host.files import HostError
from ..host.host_program import line
from ..host.places import JobPlace, JobUnit, Place
from ..host.shown import brief
from ..host.typed import plain, read
from .app import Job

TIMES = 3  # of the next ones
ANALYZE = "systemd-analyze"
# Beyond the limit of the job: to create its container, and to stop it.
MARGIN_SECONDS = 120
_NEXT = re.compile(r"^\s*(?:Next elapse|Iter\S* #\d+): (.+)$", re.MULTILINE)
_SERVICE = """# Written by flaskops.host; a deploy writes it again. Log: journalctl -u {unit}
[Unit]
Description={title} of the application {app}
After=docker.service
RequiresMountsFor={root}

[Service]
Type=oneshot
SyslogIdentifier={app}_{job}
# A line that begins with <0> would be an emergency of the host.
SyslogLevelPrefix=false
ExecStart={start}
# After a kill of the program: what it has paused or started does not stay.
ExecStopPost={end}
TimeoutStartSec={seconds}
TimeoutStopSec=60
KillMode=mixed
{more}"""
_TIMER = """# Written by flaskops.host; a deploy writes it again.
[Unit]
Description=Start the {what} of the application {app}

[Timer]
OnCalendar={calendar}
AccuracySec=1s
Persistent={catch_up}

[Install]
WantedBy=timers.target
"""
R = TypeVar("R", bound="Result")


@dataclass(frozen=True)
class Order:
    """What the program on the host needs to know of one job; only root may read it.

    notify: what gets an event when it fails; "" for nothing.
    """

    app: str
    job: Job
    root: str
    nginx_root: str
    notify: str = ""

    @property
    def place(self) -> JobPlace:
        return Place(self.root).app(self.app).job(self.job.name)

    @property
    def text(self) -> str:
        return json.dumps(plain(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def of(cls, file: Path) -> Order:
        """The order in a file.

        Raises:
            HostError: it is missing, or nobody can read it.
        """
        try:
            found = json.loads(file.read_text())
            order = read(cls, found)
            if order.place.order != file:
                raise ValueError(f"it is about {order.place.order}")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise HostError(f"{file} cannot be read ({error}); deploy again.") from error
        return order


@dataclass(frozen=True)
class Result:
    """How what a timer starts ended the last time: its exit code, None while it runs and if it was
    interrupted.

    reason: why it was ended, or could not run; else "".
    """

    release: str
    begun: str
    code: int | None = None
    seconds: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", brief(self.reason))

    @classmethod
    def of(cls: type[R], place: JobPlace) -> R | None:
        """The result that was written; None where it never ran, or nobody can read it."""
        try:
            return read(cls, json.loads(place.result.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def text(self) -> str:
        return json.dumps(plain(self), sort_keys=True) + "\n"


def calendar(schedule: str, timezone: str) -> str:
    """A schedule as its timer has it."""
    return " ".join(filter(None, (schedule, timezone)))


def files_of(order: Order, program: str) -> dict[str, str]:
    """The content of each file that a host has of one job, by its path.

    Args:
        order: what is run, and how.
        program: the name of the program that runs it.
    """
    job, file = order.job, str(order.place.order)
    return {
        file: order.text,
        **unit_files(
            JobUnit(order.app, job.name),
            root=order.root,
            title=f"Job {job.name}",
            what=f"job {job.name}",
            start=line(program, "job", file),
            end=line(program, "end-job", file),
            seconds=job.seconds + MARGIN_SECONDS,
            calendar=calendar(job.schedule, job.timezone),
            catch_up=job.catch_up,
        ),
    }


def unit_files(
    unit: JobUnit, *, seconds: int, catch_up: bool, more: str = "", **words: str
) -> dict[str, str]:
    """The content of the units of a timer, by their paths.

    Args:
        unit: their names.
        seconds: how long what it starts may take.
        catch_up: whether it is started once if its time was missed.
        more: further lines of the service.
        words: C(root), the directory of the releases; C(title) and C(what), for the descriptions;
            C(start) and C(end), the command lines; C(calendar), when.
    """
    given = {
        **words,
        "app": unit.app,
        "job": unit.job,
        "unit": unit.name,
        "seconds": seconds,
        "catch_up": "true" if catch_up else "false",
        "more": more,
    }
    return {str(unit.service): _SERVICE.format(**given), str(unit.timer): _TIMER.format(**given)}


def next_times(schedules: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The next times of schedules as their timers have them, in the time zone of the host; empty
    for one that never comes.

    Raises:
        HostError: systemd cannot read one of them.
    """
    wanted = list(dict.fromkeys(schedules))
    if not wanted:
        return {}
    code, said = _analyze(wanted)
    parts = re.split(r"\n\s*\n", said.strip())
    if code or len(parts) != len(wanted):
        parts = [_one(schedule) for schedule in wanted]
    found = zip(wanted, map(_NEXT.findall, parts), strict=True)
    return {
        schedule: tuple(time.strip() for time in times if time.strip() != "never")
        for schedule, times in found
    }


def _one(schedule: str) -> str:
    code, said = _analyze([schedule])
    if code:
        raise HostError(
            f"systemd of this host cannot read the schedule {schedule!r}: {said}. A time zone must"
            " be one of the host (timedatectl list-timezones), which needs the package tzdata."
        )
    return said


def _analyze(schedules: Sequence[str]) -> tuple[int, str]:
    """The exit code of systemd-analyze, and its output, of errors where it failed."""
    try:
        done = subprocess.run(
            [ANALYZE, "calendar", f"--iterations={TIMES}", "--", *schedules],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{ANALYZE} could not be run: {error}") from error
    return done.returncode, (done.stderr if done.returncode else done.stdout).strip()
