# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what no release needs any more: old releases, what containers wrote, a network."""

from __future__ import annotations

from collections.abc import Iterable

from ..host import trees
from ..host.engine import Docker
from ..host.places import APP_LABEL, BACKUP, RELEASE_LABEL, Place, is_pin, repository
from . import networks
from .attempts import Attempts
from .live_container import needs_release
from .record import Link, Record, forget, read_release
from .services import remove as services
from .work import Outcome


def prune(
    root: str, docker: Docker, outcome: Outcome, links: Iterable[Link], attempts: Attempts
) -> list[str]:
    """Remove the releases beyond those that are kept; returns their ids."""
    work, name = outcome.work, outcome.work.name
    record = Record(root, name)
    keep = {
        *record.served[: max(work.keep_releases, 2)],
        record.live,
        record.before(record.live),
        work.id,
        *(link.id for link in links),
        # Its image and its files are in use.
        *(
            entry["Labels"][RELEASE_LABEL]
            for entry in docker.containers(f"{APP_LABEL}={name}")
            if needs_release(entry)
        ),
    }
    there = {release.directory.name for release in Place(root).app(name).all_releases()}
    images = docker.run("image", "ls", "--format", "{{.Tag}}", repository(name)).split()
    gone = []
    for release in sorted({*there, *record.releases, *images} - keep):
        with attempts.of(name, f"release {release} could not be removed"):
            forget(docker, record, name, release)
            gone.append(release)
    if gone:
        with attempts.of(name, f"{record.path} could not be brought up to date"):
            record.save()
    return gone


def empty(root: str, docker: Docker, name: str, attempts: Attempts) -> None:
    """Remove what removed containers of an application wrote, also those of kept releases."""
    there = docker.containers(f"{APP_LABEL}={name}")
    used = {entry["Labels"].get(RELEASE_LABEL) for entry in there if not is_pin(entry["Names"])}
    for place in Place(root).app(name).all_releases():
        for path in place.written if place.directory.name not in used else []:
            with attempts.of(name, f"{path} could not be emptied", warn=True):
                trees.empty(path, root)


def remove_services(root: str, docker: Docker, outcome: Outcome) -> list[str]:
    """Remove the services that an application does not have with this release; returns warnings."""
    work = outcome.work
    facts = read_release(root, work.name, work.id) if outcome.is_live else {}
    before = read_release(root, work.name, work.live) if work.live else {}
    if not facts or not (Place(root).services_of(work.name) or before.get("services")):
        return []
    wanted = [(each["of"] or work.name, each["name"]) for each in facts.get("services", [])]
    removed, warnings = services.remove(docker, root, work.name, wanted)
    for name in Place(root).services_of(work.name):
        if f"service {name}" in removed:
            stay = " ".join(services.volumes(docker, work.name, name))
            saved = Place(root).app(work.name).job(BACKUP).order.exists()
            warnings.append(
                f"{work.name}: its service {name} was removed, because release {work.id} does not"
                f" have it. Its data stays{', and no backup has it' if saved else ''}: a release"
                " with this service uses it again."
                + (f" To remove it: docker volume rm {stay}" if stay else "")
            )
    return warnings


def remove_network(root: str, docker: Docker, outcome: Outcome) -> None:
    """Remove the network of an application that does not have one with this release."""
    work = outcome.work
    asked = read_release(root, work.name, work.live) if work.live else {}
    asks = read_release(root, work.name, work.id) if outcome.is_live else {}
    if (
        asked
        and asks
        and networks.asks_for_own(asked["container"], work.name)
        and not networks.asks_for_own(asks["container"], work.name)
    ):
        networks.remove(docker, work.name)
