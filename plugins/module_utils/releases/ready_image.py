# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prebuilt image of a release: pulled from its registry, or loaded from an archive that is kept
with the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError
from ..images import pull
from ..images.archive import Archive
from .record import Record
from .release import Release


class ReadyImage:
    """A prebuilt image that gets the name of a release.

    A login is not kept on the host. The names that the image had before are removed, unless the
    engine had them already, so that the image is removed together with the release.
    """

    def __init__(self, release: Release, record: Record, docker: Docker) -> None:
        self.release, self.record, self.docker = release, record, docker

    def fetch(self, archive: Path | None = None) -> None:
        """Load it from an archive on this host, or pull it."""
        known = pull.names(self.docker) | {self.release.image}
        found = self._load(archive) if archive else self._pull()
        self.docker.run("tag", found["Id"], self.release.image)
        if not archive:
            self._remember(found)
        pull.forget_names(self.docker, found, known)

    def _pull(self) -> dict[str, Any]:
        login = self.release.login
        reference = self._same() or self.release.build.image
        try:
            return pull.pull(self.docker, reference, login.username, login.password)
        except HostError as error:
            words = str(error)
            if login.password:
                words = words.replace(login.password, "********")
            raise HostError(words) from None

    def _load(self, path: Path) -> dict[str, Any]:
        """Load only the wanted image of an archive, under the name of the release."""
        archive = Archive(str(path))
        wanted = pull.familiar(self.release.build.image)
        names = {wanted, wanted if ":" in wanted.rsplit("/", 1)[-1] else f"{wanted}:latest"}
        there = [name for name in archive.images if not pull.is_reserved(name)]
        found = next(
            (name for name in there if pull.familiar(name) in names),
            there[0] if len(there) == 1 and "@" in wanted else "",
        )
        if not found:
            raise HostError(
                f"image is {wanted!r}, and its image_archive holds {archive.names}; write one of"
                " these as image."
            )
        archive.load(self.docker, {found: self.release.image})
        return self.docker.inspect(self.release.image, "image")

    def _same(self) -> str:
        """The digest that the tag had when this release was pulled first: a tag may move, but a
        release must be the same when it is pulled again.
        """
        return self.record.of(self.release.id).pulled or ""

    def _remember(self, found: Mapping[str, Any]) -> None:
        repository = pull.familiar(self.release.build.image.split("@")[0])
        repository = (
            repository.rsplit(":", 1)[0] if ":" in repository.rsplit("/", 1)[-1] else repository
        )
        digests = [
            name for name in found.get("RepoDigests") or [] if name.partition("@")[0] == repository
        ]
        if digests and not self._same():
            self.record.note(self.release.id, pulled=digests[0])
            self.record.save()
