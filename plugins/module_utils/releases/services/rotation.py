# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another password of a service holds only when the applications that have it work with it. Until
then the host keeps the one before, and puts it back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ...host.container import STOP_SECONDS
from ...host.engine import Docker
from ...host.files import HostError, write_file
from ...host.places import Place, ReleaseName, ServiceName
from ..record import processes_of, read_release
from .engines import ENGINES, PASSWORD, UID
from .record import digest, read_record, write_record


def keep(root: str, app: str, name: str, password: str) -> None:
    """Keep a password that is about to change, unless an interrupted run kept an earlier one."""
    path = Place(root).service(app, name).before
    if password and not path.exists():
        write_file(path, json.dumps({PASSWORD: password}).encode(), 0o600)


def pending(root: str, app: str) -> list[str]:
    """The services of an application whose password changed, and does not hold yet."""
    return [
        name
        for name in Place(root).services_of(app)
        if Place(root).service(app, name).before.exists()
    ]


def sharing(root: str, app: str, names: Iterable[str], live: Mapping[str, str]) -> set[str]:
    """The applications that share one of these services of another one.

    Args:
        live: the release that serves, by application.
    """
    return {
        other
        for other, release in live.items()
        for each in read_release(root, other, release).get("services", [])
        if each["of"] == app and each["name"] in names
    }


def confirm(docker: Docker, root: str, app: str, live: Mapping[str, str]) -> list[str]:
    """The applications work with the present passwords. Those that share a service and were not in
    this run get them now.

    Returns:
        The applications that were restarted for it.
    """
    names = pending(root, app)
    for name in names:
        Place(root).service(app, name).before.unlink()
    return _spread(docker, root, app, names, live)


def revert(docker: Docker, root: str, app: str, live: Mapping[str, str]) -> list[str]:
    """Put the passwords before back, and restart the applications that got another one.

    Args:
        docker: the engine.
        root: the directory of the releases.
        app: the application that has the services.
        live: the release that serves, by application; others may share its services.

    Returns:
        The names of the services.
    """
    names = pending(root, app)
    for name in names:
        path = Place(root).service(app, name).before
        set_password(docker, root, app, name, json.loads(path.read_text())[PASSWORD])
        path.unlink()
    _spread(docker, root, app, names, live)
    return names


def _spread(
    docker: Docker, root: str, app: str, names: Collection[str], live: Mapping[str, str]
) -> list[str]:
    """Give the present passwords of services to what serves, and restart what had another one. A
    release that cannot be restarted keeps its files, by which the next run finds it.
    """
    restarted, failures = [], []
    for other, release in live.items() if names else ():
        before = _give(root, other, release, {ServiceName(app, name) for name in names})
        if not before:
            continue
        named = ReleaseName(other, release)
        known = [named.process(each.name) for each in processes_of(root, other, release)]
        running = [
            name
            for name in (named.container, *known)
            if docker.inspect(name).get("State", {}).get("Running")
        ]
        try:
            if running:
                docker.run("restart", *running, seconds=STOP_SECONDS)
                restarted.append(other)
        except HostError as error:
            failures.append(f"{other}: {error}")
            for path, text in before.items():
                _write(path, text)
    if failures:
        raise HostError("; ".join(failures))
    return restarted


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


def _give(root: str, app: str, live: str, changed: Collection[ServiceName]) -> dict[Path, str]:
    """Write what changed services give into the release that serves; returns what was there, where
    it differed.
    """
    secrets = Place(root).app(app).release(live).secrets
    before = {}
    services: Iterable[Mapping[str, str]] = read_release(root, app, live).get("services", [])
    for each in services:
        owner = ServiceName(each["of"] or app, each["name"])
        path = secrets / (each["variable"] or ".")
        if owner not in changed or not path.is_file():
            continue
        value = url(root, owner, each["name"])
        if (text := path.read_text()) != value:
            before[path] = text
            _write(path, value)
    return before


def _write(path: Path, value: str) -> None:
    write_file(path, value.encode(), 0o440, 0, path.stat().st_gid)
