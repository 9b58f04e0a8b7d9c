# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user id of each application's container: its own, recorded on the host, and never given to
another application.

The host decides it, so no release id depends on it, and every start of every release of an
application uses the same one. The range lies between the users of a host (login.defs(5), systemd's
UIDS-GIDS) and the subordinate ids of subuid(5).
"""

from __future__ import annotations

import grp
import json
import pwd
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..host.files import HostError, write_file
from ..host.places import ACCOUNTS, Place
from .lock import exclusive
from .record import live_links
from .release import UID_PLACEHOLDER

SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))
# The options of a container that depend on its user, also in those that an older version wrote.
_OPTION = re.compile(rf"\b(uid|gid)=(?:\d+|{re.escape(UID_PLACEHOLDER)})")
_SECTIONS = ("own", "current", "moving")


@dataclass
class _Book:
    """The content of uids.json, by application: the uid reserved for it, the one that it runs as,
    and while its data moves the one that it had.
    """

    own: dict[str, int] = field(default_factory=dict)
    current: dict[str, int] = field(default_factory=dict)
    moving: dict[str, int] = field(default_factory=dict)


class Uids:
    """The record of a host, uids.json.

    Args:
        root: the directory of the releases.
        nginx_root: the directory of the Nginx configuration, whose links show what serves.
        span: the range that uids are taken from, as C(70000-99999).
    """

    def __init__(self, root: str, nginx_root: str, span: str) -> None:
        self.root, self.nginx_root = root, nginx_root
        self.first, self.last = (int(end) for end in span.split("-"))
        self.path = Place(root).uids

    def of(
        self, name: str, wanted: int = 0, volumes: bool = False, keep: bool = False, ran_as: int = 0
    ) -> int:
        """The uid of an application from now on.

        Args:
            name: the application.
            wanted: the key C(uid) of its entry, 0 for none.
            volumes: whether it has data that belongs to its previous uid, which only a move
            changes.
            keep: whether this is a rollback, which changes nothing.
            ran_as: the uid of an earlier release, where the data still belongs to it; 0 where that
            is not known.
        """
        with exclusive(self.root):
            book = self._read()
            now, own = self._now(book, name), wanted or self._own(book, name)
            uid = ran_as or (
                now if now and (keep or (volumes and not self._is_new(name, wanted))) else own
            )
            book.current[name] = uid
            self._write(book)
        return uid

    def move_of(self, name: str, wanted: int = 0) -> tuple[int, int]:
        """The old and the new uid of an application with volumes that may move; (0, 0) where it has
        its own, or has never served.
        """
        book = self._read()
        now, own = self._now(book, name), wanted or book.own.get(name, 0)
        return (now, own) if now and now != own and not self._is_new(name, wanted) else (0, 0)

    def begin(self, name: str, wanted: int = 0) -> tuple[int, int]:
        """Record that a move begins, so that an interrupted one goes on. Returns the old and the
        new uid.
        """
        with exclusive(self.root):
            book = self._read()
            own = wanted or self._own(book, name)
            before = book.moving.setdefault(name, self._now(book, name))
            self._write(book)
        return before, own

    def end(self, name: str, uid: int) -> None:
        """Record that a move has ended."""
        with exclusive(self.root):
            book = self._read()
            book.moving.pop(name, None)
            book.current[name] = uid
            self._write(book)

    @property
    def moving(self) -> list[str]:
        """The applications whose move was interrupted."""
        return sorted(self._read().moving)

    def _is_new(self, name: str, wanted: int) -> bool:
        """Whether nothing of it serves, so that the uid of its entry applies: an earlier attempt
        had another uid, and left no data.
        """
        return bool(wanted) and name not in live_links(self.nginx_root) and name not in self.moving

    def _now(self, book: _Book, name: str) -> int:
        """The uid that it runs as: from the record, or without an entry there from the directory of
        its temporary files; 0 when it never ran.
        """
        if recorded := book.current.get(name, 0):
            return recorded
        for link in live_links(self.nginx_root).get(name, []):
            try:
                return Place(self.root).app(name).release(link.id).spool.lstat().st_uid
            except OSError:
                continue
        return 0

    def _own(self, book: _Book, name: str) -> int:
        """The uid reserved for it, chosen when it is first needed."""
        if name not in book.own:
            now, others = self._now(book, name), self._of_others(book, name)
            # Where the record was lost, it keeps the uid that no other application has.
            uid = now if self.first <= now <= self.last and now not in others else 0
            uid = uid or next(
                (
                    each
                    for each in range(self.first, self.last + 1)
                    if each not in others and not _is_known(each)
                ),
                0,
            )
            if not uid:
                raise HostError(
                    f"no uid of {self.first}-{self.last} is free for {name}; set flask_apps_uids to"
                    " a larger range."
                )
            book.own[name] = uid
        return book.own[name]

    def _of_others(self, book: _Book, name: str) -> set[int]:
        """The uids that are not free: the recorded ones, and where the record was lost those of
        other applications' files.
        """
        current = {uid for other, uid in book.current.items() if other != name}
        others = [app for app in Place(self.root).all_apps() if app.directory.name != name]
        places = [
            release.spool
            for app in others
            for release in app.all_releases()
            if release.spool.exists()
        ]
        return {*book.own.values(), *current, *(place.lstat().st_uid for place in places)}

    def _read(self) -> _Book:
        return _read(self.path)

    def _write(self, book: _Book) -> None:
        if not self.path.exists() or book != self._read():
            text = json.dumps({"format": 1, **asdict(book)}, indent=2, sort_keys=True)
            write_file(self.path, f"{text}\n".encode(), 0o600)


def app_of(root: str, uid: int, but: str) -> str:
    """The other application of the host that runs as a user, by the record; "" where the record
    names none, or cannot be read.
    """
    try:
        current = _read(Place(root).uids).current
    except (OSError, HostError):
        return ""
    return next((name for name, theirs in current.items() if theirs == uid and name != but), "")


def uid_of(root: str, app: str, release: str) -> int:
    """The uid that an application runs as now; where the record has none, that of the directory of
    temporary files of a release.

    Raises:
        HostError: its data moves from one uid to another, or the record cannot be read.
    """
    book = _read(Place(root).uids)
    if app in book.moving:
        raise HostError(f"the data of {app} moves to another uid; run the playbook again.")
    return book.current.get(app) or Place(root).app(app).release(release).spool.lstat().st_uid


def _read(path: Path) -> _Book:
    try:
        found = json.loads(path.read_text())
        sections = [found.get(key) for key in _SECTIONS] if isinstance(found, dict) else [None]
        if not all(map(_is_section, sections)):
            raise ValueError("it is not a record of uids")
    except FileNotFoundError:
        return _Book()
    except ValueError as error:
        words = "restore it from a backup, because it records who owns the data of the applications"
        raise HostError(f"{path} cannot be read ({error}); {words}.") from error
    return _Book(*sections)


def _is_section(found: Any) -> bool:
    """Whether the data is a record of the uids of applications."""
    return isinstance(found, dict) and all(
        isinstance(uid, int) and not isinstance(uid, bool) and uid >= 0 for uid in found.values()
    )


def _is_known(uid: int) -> bool:
    """Whether a user or group of the host has a number, or may assign it to its containers."""
    for look in (pwd.getpwuid, grp.getgrgid):
        try:
            look(uid)
        except KeyError:
            continue
        return True
    for file in SUBORDINATE:
        try:
            lines = [line.split(":") for line in file.read_text().splitlines()]
        except OSError:
            continue
        spans = [
            (int(line[1]), int(line[2]))
            for line in lines
            if len(line) == 3 and line[1].isdecimal() and line[2].isdecimal()
        ]
        if any(first <= uid < first + count for first, count in spans):
            return True
    return False


def as_user(container: Mapping[str, Any], uid: int) -> dict[str, Any]:
    """The options of a container with the chosen user."""
    tmpfs = [_OPTION.sub(rf"\g<1>={uid}", each) for each in container["tmpfs"]]
    return {**container, "user": f"{uid}:{uid}", "tmpfs": tmpfs}


def run_as(container: Mapping[str, Any], uid: int, directory: str) -> dict[str, Any]:
    """The same, with the files that define its name and its home, from the directory of the
    release.

    Named volumes have been filled (volumes.py): the engine would give one that is still empty to
    the owner in the image again.
    """
    accounts = [f"{directory}/{file}:/etc/{file}:ro" for file in ACCOUNTS]
    volumes = [
        volume if volume.startswith("/") or volume.count(":") > 1 else f"{volume}:nocopy"
        for volume in container["volumes"]
    ]
    return {**as_user(container, uid), "volumes": [*volumes, *accounts]}
