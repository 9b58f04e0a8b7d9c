# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of an application: the record of its releases, their directories, and the links
that say what serves.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError, moment, now, put_in_place, write_aside
from ..host.places import NginxPlace, Place
from ..host.trees import put_away


def pin_name(name: str, release: str) -> str:
    """The container that keeps the image of a release."""
    return f"{name}-{release}-pin"


def pin(docker: Docker, name: str, release: str) -> str:
    """Keep the image of a release through C(docker image prune -a): a container that is created and
    never started.

    Returns:
        The digest of the image's configuration.
    """
    reference, container = f"flaskops/{name}:{release}", pin_name(name, release)
    image = docker.inspect(reference, "image").get("Id")
    if not image:
        raise HostError(f"the image {reference} is not on this host.")
    there = docker.inspect(container)
    if there and there["Image"] != image:
        docker.run("rm", container)
    if not there or there["Image"] != image:
        labels = ("--label", f"host.flaskops.app={name}", "--label", f"host.flaskops.pin={release}")
        docker.run("create", "--name", container, *labels, "--network", "none", image)
    return str(image)


def forget(docker: Docker, record: Record, name: str, release: str) -> None:
    """Remove all that there is of a release; the record must be saved, and the trash swept, which
    makes room.
    """
    there = [entry["Names"] for entry in docker.containers(f"host.flaskops.app={name}")]
    if ours := [
        container for container in there if f"{container}-".startswith(f"{name}-{release}-")
    ]:
        docker.run("rm", "--force", "--volumes", *ours, check=False)
    docker.run("image", "rm", f"flaskops/{name}:{release}", check=False)
    put_away(Place(record.root).app(name).release(release).directory, record.root)
    record.releases.pop(release, None)


class Record:
    """state.json of one application: a record of its releases. What serves is said by the Nginx
    link alone.
    """

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.path = Place(root).app(name).record
        self.aside: Path | None = None
        try:
            self.data: dict[str, Any] = json.loads(self.path.read_text())
            if not _is_record(self.data):
                raise ValueError("it is no record of releases")
        except FileNotFoundError:
            self.data = {
                "format": 1,
                "app": name,
                "live": None,
                "releases": self._found(root, name),
            }
        except ValueError as error:
            raise HostError(
                f"{self.path} cannot be read ({error}); move it away, and the next deploy writes it"
                " anew."
            ) from error

    @staticmethod
    def _found(root: str, name: str) -> dict[str, dict[str, Any]]:
        """The releases that lie there, in the order in which they were laid down: a lost record
        takes no way back with it.
        """
        files = [
            release.record
            for release in Place(root).app(name).all_releases()
            if release.record.exists()
        ]
        found: dict[str, dict[str, Any]] = {}
        before = None
        for number, (laid, identity) in enumerate(
            sorted((file.stat().st_mtime, file.parent.name) for file in files), 1
        ):
            found[identity] = {
                "state": "retired",
                "retired": now(),
                "live": moment(laid),
                "number": number,
                "previous": before,
            }
            before = identity
        return found

    @property
    def releases(self) -> dict[str, dict[str, Any]]:
        """What is known of each release, by its id."""
        found: dict[str, dict[str, Any]] = self.data["releases"]
        return found

    def mark(self, release: str, state: str, rollback: bool = False, **more: Any) -> None:
        """Set the state of a release: prepared, live, retired or failed.

        A deploy makes it the newest, and remembers which one served before; a rollback leaves that
        as it is.
        """
        entry = self.releases.setdefault(release, {})
        if state == "live" and self.data["live"] == release and entry.get("state") == "live":
            return  # repaired, or in another state: it is live since then, by that run
        entry.update(state=state, **{state: now()}, **more)
        if state == "live":
            if self.data["live"] != release and not (rollback and "number" in entry):
                entry["number"] = 1 + max(
                    (other.get("number", 0) for other in self.releases.values()), default=0
                )
                entry["previous"] = self.data["live"]
            for other, data in self.data["releases"].items():
                if other != release and data["state"] == "live":
                    data.update(state="retired", retired=now())
            self.data["live"] = release

    def before(self, release: str) -> str | None:
        """The release that a rollback from this one goes to: the one that served when this one was
        deployed.
        """
        previous = self.releases.get(release, {}).get("previous")
        return previous if previous in self.releases else None

    def save(self) -> None:
        self.stage()
        self.commit()

    def stage(self) -> None:
        """Write it beside the one that there is, so that only a renaming is missing; it may be
        discarded still.
        """
        self.aside = write_aside(
            self.path, (json.dumps(self.data, indent=2, sort_keys=True) + "\n").encode(), 0o600
        )

    def commit(self) -> None:
        """Let what was staged be the record."""
        aside, self.aside = self.aside, None
        if aside:
            put_in_place(aside, self.path)

    def discard(self) -> None:
        """Forget what was staged."""
        if self.aside:
            self.aside.unlink(missing_ok=True)
            self.aside = None


def _is_record(data: Any) -> bool:
    """Whether this is what mark() has made, as far as others rely on it."""
    releases = data.get("releases") if isinstance(data, dict) else None
    return (
        isinstance(releases, dict)
        and isinstance(data.get("live", 0), (str, type(None)))
        and all(
            isinstance(entry, dict) and isinstance(entry.get("state"), str)
            for entry in releases.values()
        )
    )


def live_links(nginx_root: str) -> dict[str, list[dict[str, str]]]:
    """What serves: for each application the links there are, each with C(site), C(id) of the
    release and C(file) of it.
    """
    links: dict[str, list[dict[str, str]]] = {}
    for link in NginxPlace(nginx_root).links():
        if link.is_symlink():
            target = Path(os.readlink(link))
            links.setdefault(link.stem, []).append(
                {"site": link.parent.name, "id": target.parent.name, "file": target.name}
            )
    return links


def read_release(root: str, name: str, release: str) -> dict[str, Any]:
    """The release.json of a release; {} when it is missing or broken."""
    try:
        found = json.loads(Place(root).app(name).release(release).record.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("container"), dict) else {}
