# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another password of a service holds only when the application works with it. Until then the host
keeps the one before, and puts it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...host.engine import Docker
from ...host.files import write_file
from ...host.places import Place, ReleaseName, ServiceName
from ..record import processes_of, read_release
from .engines import ENGINES, PASSWORD, UID
from .record import digest, read_record, write_record


def keep(root: str, app: str, name: str, password: str) -> None:
    """Keep a password that is about to change, unless an interrupted run kept an earlier one."""
    path = Place(root).service(app, name).before
    if password and not path.exists():
        write_file(path, json.dumps({PASSWORD: password}).encode(), 0o600)


def confirm(root: str, app: str) -> None:
    """The application works with the present passwords."""
    for name in Place(root).services_of(app):
        Place(root).service(app, name).before.unlink(missing_ok=True)


def revert(docker: Docker, root: str, app: str, live: Mapping[str, str]) -> list[str]:
    """Put the passwords before back, and restart the applications that got another one.

    Args:
        docker: the engine.
        root: the directory of the releases.
        app: the application that does not work.
        live: the release that serves, by application; others may share its services.

    Returns:
        The names of the services.
    """
    kept = {
        name: json.loads(path.read_text())[PASSWORD]
        for name in Place(root).services_of(app)
        if (path := Place(root).service(app, name).before).exists()
    }
    for name, password in kept.items():
        set_password(docker, root, app, name, password)
        Place(root).service(app, name).before.unlink()
    for name, release in live.items() if kept else ():
        if _give(root, name, release):
            named = ReleaseName(name, release)
            processes = [named.process(each.name) for each in processes_of(root, name, release)]
            docker.run("restart", named.container, *processes)
    return list(kept)


def set_password(docker: Docker, root: str, app: str, name: str, password: str) -> None:
    """Give a running service another password, and its files."""
    record, place = read_record(root, app, name), Place(root).service(app, name)
    engine = ENGINES[record.engine]
    words, given = engine.set_password((place.secrets / PASSWORD).read_text(), password)
    container = ServiceName(app, name).container
    docker.run("exec", "--interactive", container, *words, given=given)
    values = engine.files(password)
    write_files(root, app, name, values)
    digests = {file: digest(value) for file, value in values.items()}
    write_record(root, app, name, replace(record, secrets=digests))


def write_files(root: str, app: str, name: str, values: Mapping[str, str]) -> None:
    """Write secret files of a service of an engine."""
    for file, value in values.items():
        path = Place(root).service(app, name).secrets / file
        write_file(path, value.encode(), 0o440, 0, UID)


def url(root: str, owner: ServiceName, host: str) -> str:
    """What an application connects to, by its own name for a service.

    Raises:
        OSError, KeyError: nobody knows it.
    """
    engine = ENGINES[read_record(root, owner.app, owner.service).engine]
    secret = Place(root).service(owner.app, owner.service).secrets / PASSWORD
    return engine.url(host, secret.read_text())


def _give(root: str, app: str, live: str) -> bool:
    """Write what its services give into the release that serves; whether anything changed."""
    secrets = Place(root).app(app).release(live).secrets
    changed = False
    services: Iterable[Mapping[str, str]] = read_release(root, app, live).get("services", [])
    for each in services:
        path = secrets / (each["variable"] or ".")
        value = (
            url(root, ServiceName(each["of"] or app, each["name"]), each["name"])
            if (each["variable"] and path.is_file())
            else ""
        )
        if value and path.read_text() != value:
            write_file(path, value.encode(), 0o440, 0, path.stat().st_gid)
            changed = True
    return changed
