# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of an application on its host: which volumes it writes to, and how it is saved whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..host.engine import Docker, Inspected
from ..host.files import HostError
from ..host.places import APP_LABEL, CONTAINER_SPOOL, ReleaseName, is_pin
from ..host.shown import shown
from ..releases import live_container
from ..releases.command import shell_words
from ..releases.record import live_links
from ..releases.release import FILES, Release

# In the container, as its user: its own locks, and no file of it is opened by root.
_SQLITE = """
import sqlite3, sys
source = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=60)
target = sqlite3.connect(sys.argv[2])
source.backup(target, pages=4096, sleep=0.01)
target.execute("pragma journal_mode=delete")
target.close()
"""
_HEAD = "import urllib.parse, sys; sys.argv[1] = urllib.parse.quote(sys.argv[1])\n"
SQLITE_SECONDS = 3600


@dataclass(frozen=True)
class Volume:
    """A directory that the application writes to.

    name: in a backup. source: on the host. target: in the container.
    """

    name: str
    source: str
    target: str


@dataclass(frozen=True)
class Live:
    """The release that serves, and its container. is_stopped: whether it is stopped by its entry,
    and so nothing of it runs.
    """

    release: Release
    container: Inspected
    is_stopped: bool = False

    @classmethod
    def of(cls, docker: Docker, root: str, nginx_root: str, app: str) -> Live:
        """
        Raises:
            HostError: nothing of the application serves.
        """
        release = live_container.live(root, nginx_root, app)
        links = live_links(nginx_root).get(app, ())
        is_stopped = any(link.file == FILES["stopped"] for link in links[:1])
        found: Inspected = docker.inspect(ReleaseName(app, release.id).container)
        if not found and is_stopped:  # it never ran, so that it has no container
            found = _unmade(docker, release)
        if not found:
            raise HostError(
                f"there is no container of the release {release.id}; deploy {app} again."
            )
        return cls(release, found, is_stopped)

    @property
    def app(self) -> str:
        return self.release.name

    @property
    def name(self) -> str:
        return ReleaseName(self.app, self.release.id).container

    @property
    def runs(self) -> bool:
        return bool(self.container["State"]["Running"])

    def volumes(self, root: str) -> list[Volume]:
        """What it may write to, without what belongs to its release."""
        return written(self.container, root)


def _unmade(docker: Docker, release: Release) -> Inspected:
    """A container that nobody has created yet, as docker inspect would show it. A volume that is
    not there yet is left out.
    """
    mounts = []
    for volume in release.container.get("volumes") or ():
        source, target, *mode = volume.split(":")
        name = "" if source.startswith("/") else source
        place = docker.inspect(name, "volume").get("Mountpoint", "") if name else source
        writable = "ro" not in ",".join(mode).split(",")
        if place:
            mounts.append({"Name": name, "Source": place, "Destination": target, "RW": writable})
    container = ReleaseName(release.name, release.id).container
    return {"Name": f"/{container}", "State": {"Running": False}, "Mounts": mounts}


def written(
    container: Inspected, root: str, targets: Collection[str] | None = None
) -> list[Volume]:
    """What a container may write to on the host, without what is below a directory.

    Args:
        container: the output of docker inspect.
        root: the directory of the releases.
        targets: only what is mounted there; None for all.
    """
    found = []
    for mount in container.get("Mounts") or []:
        source = str(mount.get("Source") or "")
        if not mount.get("RW") or source.startswith(f"{root.rstrip('/')}/"):
            continue
        if targets is not None and mount["Destination"] not in targets:
            continue
        if not os.path.isdir(source):
            continue  # such as the socket of a service of the host
        name = mount.get("Name") or _name(source)
        found.append(Volume(name, os.path.realpath(source), mount["Destination"]))
    return sorted(found, key=lambda volume: volume.name)


def refuse_files(container: Inspected) -> None:
    """Fail where a container may write to a single file of the host.

    Raises:
        HostError: no copy of a directory has it.
    """
    files = [
        str(mount["Source"])
        for mount in container.get("Mounts") or []
        if mount.get("RW") and os.path.isfile(str(mount.get("Source")))
    ]
    if files:
        raise HostError(
            f"{str(container['Name']).lstrip('/')} has the volume {', '.join(sorted(files))}, which"
            " is a file. Only directories are saved, so nothing was saved. Mount its directory, or"
            " add :ro to it."
        )


def is_inside(path: str | Path, top: str | Path) -> bool:
    """Whether a path is this directory, or below it, wherever links lead."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top))


def refuse_inside(repository: str, places: Iterable[str | Path]) -> None:
    """
    Raises:
        HostError: a repository of this host is inside of what it saves: a restore would move it
        away together with the data.
    """
    for place in places if repository.startswith("/") else ():
        if is_inside(repository, place):
            raise HostError(
                f"its backups are in {repository}, inside of {place}, which is saved there. Nothing"
                " was done. Move the directory elsewhere, and write that place into backup.to."
            )


def _name(source: str) -> str:
    """The name in a backup of a directory of the host: /srv/a is srv_a, /srv/a_b is srv%2Fa_b."""
    inner = source.strip("/")
    return quote(inner, safe="") if "_" in inner else inner.replace("/", "_")


def refuse_same_names(volumes: Iterable[Volume]) -> None:
    """
    Raises:
        HostError: two of them would be one directory of a backup.
    """
    known: dict[str, str] = {}
    for each in volumes:
        if known.setdefault(each.name, each.source) != each.source:
            raise HostError(
                f"the volumes {known[each.name]} and {each.source} have one name in a backup,"
                f" {each.name}, so nothing was saved. Rename one of them."
            )


def containers_of(
    docker: Docker,
    app: str,
    one_offs: bool = True,
    states: Collection[str] = live_container.ACTIVE,
) -> list[str]:
    """The containers of an application that run, without pins.

    Args:
        docker: the engine.
        app: the application.
        one_offs: with those of jobs and commands. Once stopped they are removed, and nobody can
            start them again.
        states: in which one counts as running.
    """
    return [
        entry["Names"]
        for entry in docker.containers(f"{APP_LABEL}={app}")
        if entry["State"] in states
        and not is_pin(entry["Names"])
        and (one_offs or not live_container.needs_release(entry))
    ]


def start_again(docker: Docker, containers: Iterable[str]) -> None:
    """Start what was stopped. One that was removed meanwhile does not keep the others from it."""
    if there := [each for each in containers if docker.inspect(each)]:
        docker.run("start", *there)


def hook(docker: Docker, live: Live, command: str, what: str) -> None:
    """Run a command in the container that serves."""
    if not command:
        return
    if not live.runs:
        raise HostError(f"{what} cannot run, because {live.app} does not.")
    words = (*live_container.with_secrets(live.release, live.container), *shell_words(command))
    try:
        docker.run("exec", live.name, *words, seconds=3600)
    except HostError as error:
        raise HostError(f"{what} failed: {error}") from error


def sqlite(docker: Docker, live: Live, file: str, target: Path) -> None:
    """Save a database that is used, with SQLite in the container.

    Args:
        file: the database, as the container sees it.
        target: the new file, in a directory that only root reaches.
    """
    name = f".flaskops-{os.urandom(8).hex()}"
    made = live.release.place.spool / name
    words = ("python3", "-I", "-c", _HEAD + _SQLITE, file, f"{CONTAINER_SPOOL}/{name}")
    try:
        docker.run("exec", live.name, *words, seconds=SQLITE_SECONDS)
        os.rename(made, target)  # what comes is looked at where nobody can change it
        found = target.lstat()
        if not stat.S_ISREG(found.st_mode):
            target.unlink()
            raise HostError("what came from its container is not a file")
        os.chmod(target, stat.S_IMODE(found.st_mode) & 0o777)
    except (HostError, OSError) as error:
        made.unlink(missing_ok=True)
        raise HostError(
            f"the database {shown(file)} could not be saved: {error}. SQLite is used through"
            " python3 of the image. Without it, write backup.pause: true, and backup.before with"
            " your own dump."
        ) from error


@contextmanager
def paused(docker: Docker, containers: list[str]) -> Iterator[None]:
    """All of them are paused as long as this lasts."""
    try:
        if containers:
            docker.run("pause", *containers)
        yield
    finally:
        unpause(docker, containers)


def unpause(docker: Docker, containers: list[str]) -> None:
    """Let them go on; one that was removed, or was not paused, is left out."""
    for container in containers:
        docker.run("unpause", container, check=False)
