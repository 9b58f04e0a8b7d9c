# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of an application on a host: the record of its releases, their directories, and the
links to what serves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError, moment, now, put_in_place, write_aside
from ..host.places import APP_LABEL, PIN_LABEL, NginxPlace, Place, ReleaseName
from ..host.trees import put_away
from ..host.typed import plain, read
from .app import Process
from .release import FILES, Release


def pin(docker: Docker, name: str, release: str) -> str:
    """Protect the image of a release from C(docker image prune -a) by a container that is never
    started.

    Returns:
        The digest of the image's configuration.
    """
    named = ReleaseName(name, release)
    image = docker.inspect(named.image, "image").get("Id")
    if not image:
        raise HostError(f"the image {named.image} is not on this host.")
    there = docker.inspect(named.pin)
    if there and there["Image"] != image:
        docker.run("rm", named.pin)
    if not there or there["Image"] != image:
        labels = ("--label", f"{APP_LABEL}={name}", "--label", f"{PIN_LABEL}={release}")
        docker.run("create", "--name", named.pin, *labels, "--network", "none", image)
    return str(image)


def forget(docker: Docker, record: Record, name: str, release: str) -> None:
    """Remove everything of a release; the caller must save the record, and empty the trash, which
    frees the room.
    """
    named = ReleaseName(name, release)
    there = [entry["Names"] for entry in docker.containers(f"{APP_LABEL}={name}")]
    if ours := [container for container in there if named.has(container)]:
        docker.run("rm", "--force", "--volumes", *ours, check=False)
    docker.run("image", "rm", named.image, check=False)
    put_away(Place(record.root).app(name).release(release).directory, record.root)
    record.releases.pop(release, None)


@dataclass(frozen=True)
class Recorded:
    """The entry of one release in the record of an application.

    state: prepared, live, retired or failed, each with the moment when the release got that state.
    number: its place in the order of deploys; None for a release that has never served. previous:
    the release that served before it. image, pulled: the digests of its image, on this host and at
    its registry. run: the token of the run that made it live.
    """

    state: str = ""
    prepared: str | None = None
    live: str | None = None
    retired: str | None = None
    failed: str | None = None
    number: int | None = None
    previous: str | None = None
    image: str | None = None
    pulled: str | None = None
    run: str | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in plain(self).items() if value is not None}


class Record:
    """state.json of one application: its releases. The link of Nginx, not this file, decides what
    serves.
    """

    def __init__(self, root: str, name: str) -> None:
        self.root, self.name = root, name
        self.path = Place(root).app(name).record
        self.aside: Path | None = None
        self.live: str | None = None
        try:
            found = json.loads(self.path.read_text())
            if not _is_record(found):
                raise ValueError("it is not a record of releases")
            self.live = found["live"]
            self.releases = {
                identity: read(Recorded, entry) for identity, entry in found["releases"].items()
            }
        except FileNotFoundError:
            self.releases = _found(root, name)
        except ValueError as error:
            raise HostError(
                f"{self.path} cannot be read ({error}); move it away, and the next deploy writes it"
                " again."
            ) from error

    def of(self, release: str | None) -> Recorded:
        """The entry of a release; an empty one when it has none."""
        return self.releases.get(release or "", Recorded())

    @property
    def served(self) -> list[str]:
        """The releases that have served, the newest first."""
        numbered = [(known.number, key) for key, known in self.releases.items() if known.number]
        return [key for _number, key in sorted(numbered, reverse=True)]

    def mark(
        self,
        release: str,
        state: str,
        rollback: bool = False,
        run: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Set the state of a release: prepared, live, retired or failed.

        A deploy makes it the newest, and records which one served before; a rollback changes
        neither.
        """
        entry = self.of(release)
        if state == "live" and self.live == release and entry.state == "live":
            return  # repaired, or in another state: time and run of its start stay
        entry = replace(entry, state=state, run=run or entry.run, reason=reason or entry.reason)
        entry = read(Recorded, {**plain(entry), state: now()})
        if state == "live":
            if self.live != release and not (rollback and entry.number is not None):
                last = max((other.number or 0 for other in self.releases.values()), default=0)
                entry = replace(entry, number=1 + last, previous=self.live)
            for other, known in self.releases.items():
                if other != release and known.state == "live":
                    self.releases[other] = replace(known, state="retired", retired=now())
            self.live = release
        self.releases[release] = entry

    def note(self, release: str, image: str | None = None, pulled: str | None = None) -> None:
        """Record the digest of the image of a release, on this host or at its registry."""
        known = self.of(release)
        self.releases[release] = replace(
            known,
            state=known.state or "prepared",
            image=image or known.image,
            pulled=pulled or known.pulled,
        )

    def before(self, release: str | None) -> str | None:
        """The release that a rollback from this one goes to: the one that served when this one was
        deployed.
        """
        previous = self.of(release).previous
        return previous if previous in self.releases else None

    def save(self) -> None:
        self.stage()
        self.commit()

    def stage(self) -> None:
        """Write it beside the present record, so that only the rename is left to do; it can still
        be discarded.
        """
        releases = {identity: known.to_dict() for identity, known in self.releases.items()}
        record = {"format": 1, "app": self.name, "live": self.live, "releases": releases}
        text = json.dumps(record, indent=2, sort_keys=True) + "\n"
        self.aside = write_aside(self.path, text.encode(), 0o600)

    def commit(self) -> None:
        """Make the staged file the record."""
        aside, self.aside = self.aside, None
        if aside:
            put_in_place(aside, self.path)

    def discard(self) -> None:
        """Remove the staged file."""
        if self.aside:
            self.aside.unlink(missing_ok=True)
            self.aside = None


def _is_record(data: Any) -> bool:
    """Whether the data is a record as mark() writes it, as far as other code relies on it."""
    releases = data.get("releases") if isinstance(data, dict) else None
    return (
        isinstance(releases, dict)
        and isinstance(data.get("live", 0), (str, type(None)))
        and all(
            isinstance(entry, dict) and isinstance(entry.get("state"), str)
            for entry in releases.values()
        )
    )


def _found(root: str, name: str) -> dict[str, Recorded]:
    """The releases whose directories exist, in the order of their creation: a rollback is possible
    although the record is lost.
    """
    files = [place.record for place in Place(root).app(name).all_releases()]
    made = sorted((file.stat().st_mtime, file.parent.name) for file in files if file.exists())
    befores = [None, *(identity for _moment, identity in made)]
    return {
        identity: Recorded(
            "retired", retired=now(), live=moment(when), number=number, previous=before
        )
        for number, ((when, identity), before) in enumerate(zip(made, befores, strict=False), 1)
    }


@dataclass(frozen=True)
class Link:
    """A link of Nginx to a release: on which site, and to which of its files."""

    site: str
    id: str
    file: str

    @property
    def state(self) -> str:
        """The state of the application; the name of the file where no state has it."""
        return next((state for state, file in FILES.items() if file == self.file), self.file)


def live_links(nginx_root: str) -> dict[str, tuple[Link, ...]]:
    """The links of each application, which lead to what serves."""
    links: dict[str, tuple[Link, ...]] = {}
    for path in NginxPlace(nginx_root).links():
        if path.is_symlink():
            target = Path(os.readlink(path))
            link = Link(path.parent.name, target.parent.name, target.name)
            links[path.stem] = (*links.get(path.stem, ()), link)
    return links


def live_release(links: Iterable[Link]) -> str | None:
    """The release that the links of an application lead to; None where nothing serves."""
    return next((link.id for link in links), None)


def read_release(root: str, name: str, release: str) -> dict[str, Any]:
    """The release.json of a release; {} when it is missing or broken."""
    try:
        found = json.loads(Place(root).app(name).release(release).record.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("container"), dict) else {}


def release_of(root: str, name: str, release: str) -> Release:
    """A release from its release.json.

    Raises:
        HostError: that is missing or broken.
    """
    facts = read_release(root, name, release)
    try:
        return Release.from_record(facts, root)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        path = Place(root).app(name).release(release).record
        raise HostError(f"{path} is missing or broken; deploy {name} again.") from error


def processes_of(root: str, name: str, release: str) -> tuple[Process, ...]:
    """The processes of a release, from its release.json."""
    found = read_release(root, name, release).get("processes", [])
    return tuple(read(Process, process) for process in found)
