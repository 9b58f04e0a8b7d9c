# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of a run, on the controller: release_finish writes what release_plan compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ..module_utils.backups import order
from ..module_utils.host.places import NGINX_ROOT
from ..module_utils.program import archive
from ..module_utils.releases.job_units import WantedJob
from ..module_utils.releases.jobs import Order, calendar, files_of
from ..module_utils.releases.release import Release


@dataclass(frozen=True)
class Given:
    """The arguments that both modules have, on which the files of jobs depend."""

    root: str
    nginx_root: str = NGINX_ROOT
    notify: str = ""
    action: str = "deploy"

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Given:
        known = {key: arguments[key] for key in cls.__dataclass_fields__ if arguments.get(key)}
        return cls(**known)

    def files(self, release: Release) -> dict[str, dict[str, str]]:
        """By job, the content of each of its files. A stopped application has no jobs; its services
        go on, and it is saved as before.
        """
        jobs = release.jobs if release.state != "stopped" else ()
        saved = {}
        if release.backup.to:
            words = (release.name, release.backup, self.root, self.nginx_root, self.notify)
            saved = order.files_of(order.BackupOrder(*words), archive.name())
        orders = [Order(release.name, job, self.root, self.nginx_root, self.notify) for job in jobs]
        made = {each.job.name: files_of(each, archive.name()) for each in orders}
        return {**made, **saved}

    def wanted(self, release: Release) -> tuple[WantedJob, ...]:
        """The jobs of a release as the host compares them."""
        schedules = {job.name: calendar(job.schedule, job.timezone) for job in release.jobs}
        schedules |= order.schedules_of(release.backup)
        return tuple(
            WantedJob(
                name,
                schedules[name],
                {path: sha256(text.encode()).hexdigest() for path, text in files.items()},
            )
            for name, files in self.files(release).items()
        )
