# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepares a release: writes its files, makes its image, and copies or creates what its containers
need at their start.
"""

from __future__ import annotations

import base64
import binascii
import grp
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from ..host.engine import Docker
from ..host.files import HostError, file_digest
from ..host.places import Place, ReleaseName
from ..images.build import build, refuse_labels
from ..images.delta import Damaged, assemble
from ..images.unpack import unpack
from . import covers, networks
from .accounts import write_accounts
from .container_log import log_words
from .directory import Directory
from .image_files import ImageFiles
from .lock import renew
from .ready_image import ReadyImage
from .record import Record, live_links, pin, read_release
from .release import Release, has_volumes
from .services.run import Services
from .static import write_static
from .uids import Uids
from .volumes import Volumes, named

SOURCE, ARCHIVE = "source", "archive"  # what the controller may need to send


class Failed(HostError):
    """A release that could not be prepared.

    Args:
        message: why.
        step: the step that failed.
        lacks: SOURCE or ARCHIVE, which the controller must send; "" for another cause.
    """

    def __init__(self, message: str, step: str, lacks: str = "") -> None:
        super().__init__(message)
        self.step, self.lacks = step, lacks


class Lacking(HostError):
    """A file that was not sent is not on the host."""


@dataclass(frozen=True)
class Request:
    """The request without the release: the options of M(flaskops.host.release_prepare)."""

    nginx_root: str
    token: str
    group: str
    uids: str
    networks_pool: str
    build: bool = True
    restore: bool = False
    secrets_of: str = ""
    ca_bundle: str = ""
    index_url: str = ""
    inline: str | None = None
    delta: str | None = None
    archive: str | None = None
    archive_digest: str = ""
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, params: Mapping[str, Any]) -> Request:
        return cls(**{each.name: params[each.name] for each in fields(cls)})


@dataclass(frozen=True)
class Prepared:
    """A release whose containers can be created.

    Args:
        uid: the user and group of its containers.
        network_made: whether a network was created for it, to which existing containers are not
        connected, or a service gives it another secret.
        image_id: the digest of the configuration of its image; "" when no image was made.
        static_files: how many files of the image Nginx serves.
    """

    uid: int
    network_made: bool = False
    image_id: str = ""
    static_files: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Prepare:
    """One release of an application. What serves is not touched."""

    def __init__(self, request: Request, release: Release, docker: Docker | None = None) -> None:
        self.request, self.release, self.docker = request, release, docker or Docker()
        self.name, self.root, self.place = release.name, release.root, release.place
        self.app = Place(release.root).app(release.name)
        self.pin = ReleaseName(release.name, release.id).pin
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self._step, self._failed = "", ""

    def run(self) -> Prepared:
        """Prepare it; no file of a build is left, successful or not.

        Raises:
            Failed: with the step that failed.
        """
        try:
            self._begin("write its files", f"{self._what} could not be written")
            try:
                return self._prepare()
            finally:
                shutil.rmtree(self.release.build_directory, ignore_errors=True)
        except (Lacking, Damaged) as error:
            lacks = ARCHIVE if isinstance(error, Lacking) else SOURCE
            raise Failed(f"{self._failed}: {error}", self._step, lacks) from error
        except (
            HostError, OSError, tarfile.TarError, binascii.Error, subprocess.TimeoutExpired,
        ) as error:  # fmt: skip
            raise Failed(f"{self._failed}: {error}", self._step) from error

    @property
    def _what(self) -> str:
        return f"Release {self.release.id} of {self.name}"

    def _begin(self, step: str, failed: str = "") -> None:
        """Begin a step. A run that has lost the lock changes nothing more."""
        self._step, self._failed = step, failed or self._what
        renew(self.root, [self.name], self.request.token, step)

    def _prepare(self) -> Prepared:
        uid = self._uid()
        directory = self._write_files(uid)
        if self.request.build and not self.request.restore:
            self._receive()
        made = self._create_network()
        volumes = Volumes(self.docker, self.root, self.name, self.release.id, uid)
        mounts = self.release.container["volumes"]
        if not self.request.build:
            write_accounts(self.docker, self.pin, self.place.directory, uid)
            if named(mounts) and self.docker.inspect(self.release.image, "image"):
                self.warnings += volumes.prepare(self.release.image, mounts)
            return Prepared(uid, self._run_services(directory) or made)
        if self.release.build.kind == "image":
            self._fetch_image()
        else:
            self._build_image()
        image = self.docker.inspect(self.release.image, "image")
        refuse_labels(image, self.release.image)
        self._begin("keep its image")
        image_id = pin(self.docker, self.name, self.release.id)
        write_accounts(self.docker, self.pin, self.place.directory, uid)
        self._begin("copy its static files")
        files = ImageFiles(self.docker, self.pin, self.release.image)
        count = write_static(files, self.place, self.release.app_path.prefix, self.release.static)
        self._begin("create its volumes")
        self.warnings += volumes.prepare(self.release.image, mounts)
        found = covers.warnings(self.name, image, self.release.container, files.first)
        self.warnings += [f"{self.name}: {words}" for words in found]
        self._record(image_id)
        return Prepared(uid, self._run_services(directory) or made, image_id, count)

    def _uid(self) -> int:
        restore, volumes = self.request.restore, self.release.has_volumes
        ran_as = self._ran_as() if restore and volumes else 0
        uids = Uids(self.root, self.request.nginx_root, self.request.uids)
        return uids.of(self.name, self.release.uid, volumes, keep=restore, ran_as=ran_as)

    def _ran_as(self) -> int:
        """The uid of an earlier release with volumes, when the release that serves has none: then
        no move of data can have changed it.
        """
        live = live_links(self.request.nginx_root).get(self.name, ())
        for link in live:
            facts = read_release(self.root, self.name, link.id)
            directory = str(self.app.release(link.id).directory)
            if not facts or has_volumes(facts["container"], directory):
                return 0
        with suppress(OSError):
            return self.place.spool.lstat().st_uid if live else 0
        return 0

    def _write_files(self, uid: int) -> Directory:
        try:
            group = grp.getgrnam(self.request.group).gr_gid
        except KeyError:
            raise HostError(
                f"there is no group {self.request.group!r} on this host; is Nginx installed?"
            ) from None
        directory = Directory(self.release, uid, group)
        if self.request.restore:
            directory.restore(self.request.secrets_of)
        else:
            directory.create()
            self._record_as_prepared()
            directory.write()
        if directory.changed:
            self.actions.append("wrote its files")
        return directory

    def _record_as_prepared(self) -> None:
        """Record the release before its files are written: without a record, they would be taken
        for a release that served. A release that was live before stays available for a rollback.
        """
        record = Record(self.root, self.name)
        state = record.of(self.release.id).state
        if state not in ("prepared", "live", "retired"):
            record.mark(self.release.id, "prepared")
            record.save()
            self.actions.append(f"recorded release {self.release.id}")

    def _receive(self) -> None:
        """Write the parts of its source or its image archive that were sent into its directory, as
        a whole.
        """
        if self.release.build.kind == "image":
            if self.release.build.archive:
                self._begin("send its archive", f"The archive of {self.name} could not be sent")
                self._receive_archive(self.place.image_archive)
        elif sent := self._sent():
            self._begin("send its source", f"The source of {self.name} could not be put together")
            with sent as delta:
                assemble(delta, self.place.context, self.app.releases)

    def _receive_archive(self, target: Path) -> None:
        wanted = self.request.archive_digest
        if self.request.archive is None:
            if not wanted or file_digest(target) != wanted:
                raise Lacking("it is not on this host")
            return
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            # Where the move is a copy, nobody else may read it meanwhile.
            aside.touch(mode=0o600)
            shutil.move(self.request.archive, aside, copy_function=shutil.copyfile)
            os.chown(aside, 0, 0)
            aside.chmod(0o600)
            if wanted and file_digest(aside) != wanted:
                raise HostError("it changed while it was sent; run again")
            os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)

    def _sent(self) -> IO[bytes] | None:
        if self.request.inline:
            return io.BytesIO(base64.b64decode(self.request.inline))
        return Path(self.request.delta).open("rb") if self.request.delta else None

    def _create_network(self) -> bool:
        if not networks.asks_for_own(self.release.container, self.name):
            return False
        self._begin("create its network")
        made = networks.ensure(
            self.docker,
            self.root,
            self.name,
            self.request.networks_pool,
            containers=networks.containers_of(len(self.release.process_containers), 0),
        )
        if made:
            self.actions.append("created its network")
        return made

    def _run_services(self, directory: Directory) -> bool:
        """Start and change its services. Returns whether existing containers of the application
        must be created again for them.
        """
        if not self.release.services:
            return False
        self._begin("start its services", f"The services of {self.name} could not be started")
        log = log_words(self.request.log_driver, self.request.log_options)
        pool = self.request.networks_pool
        services = Services(self.docker, self.root, self.name, pool, log)
        try:
            values = services.ensure(self.release.services, len(self.release.process_containers))
        finally:
            self.actions += services.actions
        directory.changed = False
        directory.give(values)
        return directory.changed or services.network_made

    def _fetch_image(self) -> None:
        archive = self.place.image_archive if self.release.build.archive else None
        self._begin("load its image" if archive else "pull its image")
        ReadyImage(self.release, Record(self.root, self.name), self.docker).fetch(archive)
        self.actions.append("loaded its image" if archive else "pulled its image")

    def _build_image(self) -> None:
        self._begin("unpack its source", f"The source of {self.name} could not be unpacked")
        directory = self.release.build_directory
        secret_options: Sequence[str] = unpack(
            {
                "path": directory,
                "archive": self.place.context,
                "dockerfile": self.release.dockerfile,
                "ca_bundle": self.request.ca_bundle,
                "index_url": self.request.index_url,
            }
        )
        self._begin("build its image")
        found = build(self.docker, str(directory), self.release.image, secret_options)
        self.warnings += [f"{self.name}: {words}" for words in found]
        shutil.rmtree(directory, ignore_errors=True)
        self.actions.append("built its image")

    def _record(self, image_id: str) -> None:
        record = Record(self.root, self.name)
        if record.of(self.release.id).image != image_id:
            record.note(self.release.id, image=image_id)
            record.save()
