# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a release: its files, its secrets, and what its containers may write to."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ..host.files import HostError, file_digest, make_directory, now, write_file
from ..host.places import ENVIRONMENT, PASSWORDS, Place
from ..host.trees import delete, put_away
from .record import read_release
from .release import FORMAT, Release


class Directory:
    """One release directory; its parents are closed to all but root and Nginx's group, which passes
    through and cannot list.

    Args:
        release: it.
        uid: the user of its containers.
        group: the group of Nginx's workers.
    """

    def __init__(self, release: Release, uid: int, group: int) -> None:
        self.release, self.uid, self.group = release, uid, group
        self.root, self.place = release.root, release.place
        self.app = Place(release.root).app(release.name)
        self.changed = False

    def create(self) -> None:
        """Create the directories; nothing is in them yet."""
        root = Place(self.root)
        for path in (
            root.directory,
            root.apps,
            self.app.directory,
            self.app.releases,
            self.place.directory,
        ):
            make_directory(path, 0o710, 0, self.group)

    def write(self) -> None:
        """Write the files of a new release, or those that have changed."""
        self._make_writable()
        delete(self.place.own_secrets)
        if self.release.secrets or self.release.services or self.place.secrets.exists():
            self._write_secrets(
                {name: text.encode() for name, text in self.release.secrets.items()}
            )
        digests = {}
        for name, text in self.release.files.items():
            digests[name] = sha256(text.encode()).hexdigest()
            mode = {ENVIRONMENT: 0o600, PASSWORDS: 0o640}.get(name, 0o644)
            group = self.group if name == PASSWORDS else 0
            self._write(self.place.file(name), text.encode(), mode, 0, group)
        self._write_facts(digests)

    def restore(self, secrets_of: str = "") -> None:
        """Make an earlier release ready to serve again.

        Args:
            secrets_of: the release whose secrets it gets; "" for its own.

        Raises:
            HostError: its files have changed.
        """
        files = read_release(self.root, self.release.name, self.release.id).get("files")
        if not isinstance(files, dict):
            raise HostError(f"{self.place.record} is missing or broken. Deploy it again instead.")
        changed = [
            str(self.place.file(name))
            for name, wanted in files.items()
            if file_digest(self.place.file(name)) != wanted
        ]
        if changed:
            raise HostError(
                f"{', '.join(changed)} changed on the host, so it is not the release that it was."
                " Deploy it again instead."
            )
        self._make_writable()
        own, kept = self.place.secrets, self.place.own_secrets
        other = self.app.release(secrets_of).secrets if secrets_of else kept
        if own.is_dir() and other.is_dir():
            now_there, wanted = read_secrets(own), read_secrets(other)
            if other != kept and not kept.exists():
                make_directory(kept, 0o700)
                for name, value in now_there.items():
                    self._write(kept / name, value, 0o400)
            self._write_secrets(
                {name: wanted.get(name, value) for name, value in now_there.items()}
            )

    def give(self, values: Mapping[str, str]) -> None:
        """Write the secrets that its services give."""
        for name, value in values.items():
            self._write(self.place.secrets / name, value.encode(), 0o440, 0, self.uid)

    def _make_writable(self) -> None:
        """Create the directory where the application creates its socket, and the one for its
        temporary files, such as uploads.

        The first belongs to root and is sticky: below it the kernel does not follow links of the
        application (fs.protected_symlinks), neither for Nginx nor for root.
        """
        make_directory(self.place.run, 0o1777)
        socket = self.place.socket
        with suppress(FileNotFoundError):
            found = socket.lstat()
            # The server cannot replace a socket of another uid, or a directory that the application
            # created in its place.
            if found.st_uid != self.uid or not stat.S_ISSOCK(found.st_mode):
                put_away(socket, self.root)
        make_directory(self.place.spool, 0o700, self.uid, self.uid)

    def _write(self, path: Path, content: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
        if file_digest(path) != sha256(content).hexdigest():
            write_file(path, content, mode, uid, gid)
            self.changed = True

    def _write_secrets(self, values: Mapping[str, bytes]) -> None:
        """They belong to root, so that a file of the application is never taken for one; only its
        group reads them. A file that is no longer named is removed.
        """
        place, group = self.place.secrets, self.uid
        if place.exists() and place.lstat().st_uid != 0:
            # An older version of the collection gave it to the application.
            delete(place)
        make_directory(place, 0o550, 0, group)
        given = {service.variable for service in self.release.services}
        for file in place.iterdir():
            if file.name not in {*values, *given} or file.lstat().st_gid != group:
                file.unlink()
                self.changed = True
        for name, value in values.items():
            self._write(place / name, value, 0o440, 0, group)

    def _write_facts(self, digests: Mapping[str, str]) -> None:
        path = self.place.record
        try:
            before = json.loads(path.read_text())
        except (OSError, ValueError):
            before = {}
        facts = {
            "format": FORMAT,
            "app": self.release.name,
            "id": self.release.id,
            "prepared": before.get("prepared") or now(),
            "files": digests,
            **self.release.to_record(),
        }
        self._write(path, (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode(), 0o600)


def read_secrets(directory: Path) -> dict[str, bytes]:
    """The files of a directory, read without following a link: a directory of an older version
    belongs to the application.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return {name: _read_at(handle, name) for name in os.listdir(handle)}
    finally:
        os.close(handle)


def _read_at(directory: int, name: str) -> bytes:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    with os.fdopen(file, "rb") as stream:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise HostError(
                f"the secret {name} is a link or has several names; deploy the application again"
                " instead."
            )
        return stream.read()
