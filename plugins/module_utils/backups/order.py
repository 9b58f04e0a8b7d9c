# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup of an application as a host has it: the files of its timers, and the last results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host.files import HostError
from ..host.host_program import line
from ..host.places import BACKUP, DRILL, JobPlace, JobUnit, Place
from ..host.typed import plain, read
from ..releases.app import Backup

_SERVICE = """# Written by flaskops.host; a deploy writes it again. Log: journalctl -u {unit}
[Unit]
Description={title} of the application {app}
After=docker.service
RequiresMountsFor={root}

[Service]
Type=oneshot
SyslogIdentifier={app}_{job}
ExecStart={start}
# After a kill of the program: what it has paused or started does not stay.
ExecStopPost={end}
TimeoutStartSec={seconds}
TimeoutStopSec=60
KillMode=mixed
Nice=10
IOSchedulingClass=idle
"""
_TIMER = """# Written by flaskops.host; a deploy writes it again.
[Unit]
Description=Start the {job} of the application {app}

[Timer]
OnCalendar={calendar}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class BackupOrder:
    """What the program on the host needs to know; the password is in a separate file.

    notify: what gets an event when it fails; "" for nothing.
    """

    app: str
    backup: Backup
    root: str
    nginx_root: str
    notify: str = ""

    @property
    def place(self) -> JobPlace:
        return Place(self.root).app(self.app).job(BACKUP)

    @property
    def drill(self) -> JobPlace:
        return Place(self.root).app(self.app).job(DRILL)

    @property
    def password_file(self) -> Path:
        return self.place.password

    @property
    def repository(self) -> str:
        """Each application has its own, so that none can read or restore another's."""
        return f"{self.backup.to.rstrip('/')}/{self.app}"

    @property
    def text(self) -> str:
        known = plain(self)
        known["backup"] = {**known["backup"], "password": ""}
        return json.dumps(known, indent=2, sort_keys=True) + "\n"

    @classmethod
    def of(cls, root: str, app: str) -> BackupOrder:
        """The order of an application.

        Raises:
            HostError: it has no backup, or nobody can read the order.
        """
        file = Place(root).app(app).job(BACKUP).order
        try:
            return read(cls, json.loads(file.read_text()))
        except FileNotFoundError as error:
            raise HostError(
                f"{app} has no backup on this host. Write backup into its entry of flask_apps and"
                " deploy it."
            ) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise HostError(f"{file} cannot be read ({error}); deploy again.") from error


@dataclass(frozen=True)
class BackupResult:
    """How a backup, or a drill, ended the last time.

    code: 0, or another where it failed; None while it runs, and if it was interrupted. bytes: of
    the data. paused: for how many seconds the application stood still. skipped: the FIFOs, sockets
    and devices that were left out. saved: when what the drill has restored was saved. age: how old
    that was then, in seconds.
    """

    release: str
    begun: str
    code: int | None = None
    seconds: float | None = None
    reason: str = ""
    bytes: int | None = None
    snapshot: str = ""
    paused: float | None = None
    skipped: int = 0
    saved: str = ""
    age: int | None = None

    @classmethod
    def of(cls, place: JobPlace) -> BackupResult | None:
        """The result that was written; None where it is missing, or nobody can read it."""
        try:
            return read(cls, json.loads(place.result.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def text(self) -> str:
        return json.dumps(plain(self), sort_keys=True) + "\n"


def backup_states(root: str, apps: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The backups of applications as the status shows them: where to, and the last results."""
    found: dict[str, dict[str, Any]] = {}
    for app in apps:
        with suppress(HostError):
            order = BackupOrder.of(root, app)
            results = {"last": order.place, "drill": order.drill}
            found[app] = {"to": order.repository} | {
                key: plain(result) if (result := BackupResult.of(place)) else None
                for key, place in results.items()
            }
            found[app]["restore_interrupted"] = order.place.journal.exists()
    return found


def calendar(schedule: str, timezone: str) -> str:
    """A schedule as its timer has it."""
    return " ".join(filter(None, (schedule, timezone)))


def files_of(order: BackupOrder, program: str) -> dict[str, dict[str, str]]:
    """By unit (its backup, its drill), the content of each file that a host has, by its path."""
    backup = order.backup
    files = {
        BACKUP: {
            str(order.place.order): order.text,
            str(order.password_file): f"{backup.password}\n",
            **_units(order, program, BACKUP, backup.schedule),
        }
    }
    if backup.drill.schedule:
        files[DRILL] = _units(order, program, DRILL, backup.drill.schedule)
    return files


def schedules_of(backup: Backup) -> dict[str, str]:
    """By unit, its schedule as its timer has it."""
    found = {BACKUP: calendar(backup.schedule, backup.timezone)}
    if backup.drill.schedule:
        found[DRILL] = calendar(backup.drill.schedule, backup.timezone)
    return found


def _units(order: BackupOrder, program: str, job: str, schedule: str) -> dict[str, str]:
    unit, arguments = JobUnit(order.app, job), (order.root, order.app)
    words = {
        "app": order.app,
        "job": job,
        "title": "Backup" if job == BACKUP else "Restore drill",
        "unit": unit.name,
        "root": order.root,
        "start": line(program, job, *arguments),
        "end": line(program, f"end-{job}", *arguments),
        "seconds": order.backup.seconds,
        "calendar": calendar(schedule, order.backup.timezone),
    }
    return {str(unit.service): _SERVICE.format(**words), str(unit.timer): _TIMER.format(**words)}
