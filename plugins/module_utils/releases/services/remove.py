# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes services that an application does not have any more. Their data stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from ...host import trees
from ...host.container import STOP_SECONDS
from ...host.engine import Docker
from ...host.places import SERVICE_LABEL, Place, ServiceName
from .. import networks
from .record import is_own, owner_of
from .spec import network_of


def remove(
    docker: Docker, root: str, app: str, keep: Iterable[tuple[str, str]] = ()
) -> tuple[list[str], list[str]]:
    """Stop and remove the services of an application, and its network when it has none.

    Args:
        docker: the engine.
        root: the directory of the releases.
        app: its name.
        keep: those that it has: the application that owns each, and the name.

    Returns:
        What was removed, and warnings of what could not be.
    """
    kept = {ServiceName(owner, name).container for owner, name in keep}
    removed, warnings = [], []
    for name in Place(root).services_of(app):
        named = ServiceName(app, name)
        found = docker.inspect(named.container)
        if named.container in kept or not is_own(found, named):
            continue
        sharing = [
            network
            for network in found["NetworkSettings"]["Networks"]
            if network != network_of(app)
        ]
        if sharing:
            warnings.append(
                f"The service {name} of {app} stays, because another application shares it"
                f" ({', '.join(sorted(sharing))}); take it out of that entry first."
            )
            continue
        docker.run("stop", named.container, seconds=STOP_SECONDS)
        docker.run("rm", "--force", "--volumes", named.container)
        Place(root).service(app, name).unfinished.unlink(missing_ok=True)  # its volumes stay
        removed.append(f"service {name}")
    for owner in _leave(docker, app, kept):
        if not Place(root).app(owner).directory.is_dir():  # it was the last that shared them
            gone, more = remove(docker, root, owner)
            removed += [f"{each} of {owner}" for each in gone]
            warnings += more
    return removed, warnings


def _leave(docker: Docker, app: str, kept: Collection[str]) -> set[str]:
    """Leave the services of others that it shared; without any, its network goes. Returns the
    applications that own what it left.
    """
    owners = set()
    network = network_of(app)
    found = docker.inspect(network, "network")
    # With those that are stopped, which the network itself does not name.
    words = ("ps", "--all", "--filter", f"network={network}", "--format", "{{.Names}}")
    inside = docker.run(*words).split() if found else []
    for container in inside:
        owner = owner_of(docker.inspect(container)).partition("/")[0]
        if owner not in ("", app) and container not in kept:
            disconnect(docker, network, container)
            inside = [each for each in inside if each != container]
            owners.add(owner)
    if found and not kept and not inside:
        networks.remove(docker, app, network)
    return owners


def disconnect(docker: Docker, network: str, container: str) -> None:
    """Take a container out of a network, which may be gone: it cannot start with one that is."""
    docker.run("network", "disconnect", "--force", network, container, check=False)


def volumes(docker: Docker, app: str, service: str = "") -> list[str]:
    """The volumes of the services that an application has, or had; of one of them, or of all."""
    words = ("volume", "ls", "--filter", f"label={SERVICE_LABEL}")
    lines = docker.run(
        *words, "--format", f'{{{{.Name}}}} {{{{.Label "{SERVICE_LABEL}"}}}}', check=False
    ).splitlines()
    return [
        volume
        for volume, _space, label in (line.partition(" ") for line in lines)
        if label == f"{app}/{service}" or (not service and label.partition("/")[0] == app)
    ]


def forget(root: str, app: str) -> None:
    """Remove the records and passwords of services whose data is removed."""
    for name in Place(root).services_of(app):
        directory = Place(root).service(app, name).directory
        trees.put_away(directory, root)
        with suppress(OSError):  # of the last one
            directory.parent.rmdir()
