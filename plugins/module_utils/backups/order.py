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
from ..releases.jobs import Result, calendar, unit_files

# Beside an application that serves it gets what is left.
_IDLE = "Nice=10\nIOSchedulingClass=idle\n"


def repository_of(to: str, app: str) -> str:
    """Each application has its own, so that none can read or restore another's."""
    return f"{to}/{app}"


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
        return repository_of(self.backup.to, self.app)

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
class BackupResult(Result):
    """How a backup, or a drill, ended the last time.

    bytes: of the data. paused: for how many seconds the application stood still. skipped: the
    FIFOs, sockets and devices that were left out. saved: when what the drill has restored was
    saved. age: how old that was then, in seconds.
    """

    bytes: int | None = None
    snapshot: str = ""
    paused: float | None = None
    skipped: int = 0
    saved: str = ""
    age: int | None = None


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
    return found


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
    arguments = (order.root, order.app)
    return unit_files(
        JobUnit(order.app, job),
        root=order.root,
        title="Backup" if job == BACKUP else "Restore drill",
        what=job,
        start=line(program, job, *arguments),
        end=line(program, f"end-{job}", *arguments),
        seconds=order.backup.seconds,
        calendar=calendar(schedule, order.backup.timezone),
        catch_up=True,
        more=_IDLE,
    )
