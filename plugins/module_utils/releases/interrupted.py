# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores and upgrades that were interrupted: their journals, which only they themselves undo."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress

from ..host.files import HostError
from ..host.places import BACKUP, Place
from .lock import AGAIN


def interrupted(root: str, names: Collection[str]) -> dict[str, list[str]]:
    """The playbooks, with their words, that put back the restore of an application and the upgrades
    of services that it uses; by application, without those that need none.

    Args:
        root: the directory of the releases.
        names: the applications.
    """
    again: dict[str, list[str]] = {
        name: [f"{AGAIN['restore']} -e app={name}"]
        for name in names
        if Place(root).app(name).job(BACKUP).journal.exists()
    }
    for service in Place(root).service_places():
        with suppress(OSError, ValueError, TypeError, KeyError):
            apps = json.loads(service.journal.read_text())["apps"]
            of = f"-e app={service.directory.parent.name} -e service={service.directory.name}"
            for name in set(names).intersection(apps):
                again.setdefault(name, []).append(f"{AGAIN['upgrade']} {of}")
    return again


def refuse_interrupted(root: str, name: str) -> None:
    """Fail where the data of an application is between two states: what would be written to it now
    is put aside when that is undone.

    Args:
        root: the directory of the releases.
        name: the application.

    Raises:
        HostError: with the playbook that puts the data back.
    """
    if again := interrupted(root, [name]).get(name):
        raise HostError(
            "a restore or an upgrade of its data was interrupted. Run it again, which puts back the"
            f" data of before first: ansible-playbook {' and '.join(again)}"
        )
