# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of C(docker save): checked first, then only the wanted images are loaded, under names
that we choose.

The engine takes every name that an archive carries, also those of images that others on the host
are built on. So it never sees the archive: it gets one that we write, with the wanted images alone,
and without the other lists of names that an archive may have (C(repositories), C(index.json)).
"""

from __future__ import annotations

import io
import json
import lzma
import posixpath
import subprocess
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Mapping
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError
from ..host.shown import shown, shown_line

MANIFEST = "manifest.json"
MANIFEST_BYTES, HEADER_BYTES, ARCHIVE_BYTES = 1 << 20, 1 << 16, 1 << 36
MEMBERS, SECONDS = 100_000, 1800
# Exceptions of reading a broken archive.
BROKEN = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    RecursionError,
    ValueError,
    OverflowError,
)
ZSTANDARD = b"\x28\xb5\x2f\xfd"


class _Member(tarfile.TarInfo):
    """A member whose extended header is not read if it is larger than any name needs."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:  # pylint: disable=arguments-renamed
        if (
            self.type not in (*tarfile.REGULAR_TYPES, tarfile.GNUTYPE_SPARSE)
            and self.size > HEADER_BYTES
        ):
            raise tarfile.HeaderError("a header in it is too large")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


class Archive:
    """What an archive holds.

    Args:
        path: of the archive; gzip, bzip2 and xz are taken off.

    Raises:
        HostError: it cannot be read, or docker save did not write it.
    """

    def __init__(self, path: str) -> None:
        self.path, self.ends = path, time.monotonic() + SECONDS
        self.members: dict[str, tarfile.TarInfo] = {}
        # By name, the paths of its configuration and of its layers; the path of the configuration
        # is the name of an image without one.
        self.images: dict[str, tuple[str, list[str]]] = {}
        try:
            with tarfile.open(path, "r:*", tarinfo=_Member) as archive:
                self._list(archive)
                self._read(archive)
        except BROKEN as error:
            with open(path, "rb") as file:
                packed = file.read(4) == ZSTANDARD
            why = (
                "it is compressed by zstd; write it as .tar or .tar.gz"
                if packed
                else shown_line(error) or type(error).__name__
            )
            raise HostError(f"its archive cannot be read: {why}.") from error

    def _list(self, archive: tarfile.TarFile) -> None:
        total = 0
        for number, member in enumerate(archive):
            total += max(member.size, 0)
            if total > ARCHIVE_BYTES or number >= MEMBERS or time.monotonic() > self.ends:
                raise tarfile.ReadError(
                    f"more than {ARCHIVE_BYTES >> 30} GB, {MEMBERS} files, or {SECONDS // 60}"
                    " minutes to read"
                )
            self.members[_clean(member.name)] = member

    def _read(self, archive: tarfile.TarFile) -> None:
        member = self.members.get(MANIFEST)
        if member is None or not member.isreg() or member.size > MANIFEST_BYTES:
            raise ValueError("there is no manifest.json in it, as docker save writes it")
        file = archive.extractfile(member)
        entries = json.loads(file.read() if file else b"")
        for entry in entries if isinstance(entries, list) else [None]:
            config, layers, names = (
                (entry.get(key) for key in ("Config", "Layers", "RepoTags"))
                if isinstance(entry, dict)
                else (None,) * 3
            )
            if not (isinstance(config, str) and _words(layers) and _words(names)):
                raise ValueError("its manifest.json is not that of docker save")
            there = self._place(config), [self._place(layer) for layer in layers or []]
            self.images.update({name: there for name in names or [config]})

    def _place(self, name: str) -> str:
        """The path of the file itself; archives have links where two images share a layer."""
        place = _clean(name)
        for _hop in range(8):
            member = self.members.get(place)
            if member is None:
                break
            if member.isreg():
                return place
            if not (member.issym() or member.islnk()):
                break
            place = _clean(
                posixpath.join(posixpath.dirname(place) if member.issym() else "", member.linkname)
            )
        raise ValueError(f"{name} of its manifest.json is not in it")

    @property
    def names(self) -> str:
        """The images in words."""
        return ", ".join(shown_line(name) for name in list(self.images)[:20]) or "no image"

    def load(self, docker: Docker, wanted: Mapping[str, str]) -> None:
        """Load images, each under one name and under no other.

        Args:
            docker: the engine.
            wanted: by its name in the archive, the name that each is to get.
        """
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(
                [docker.command, "load"],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=subprocess.STDOUT,
            ) as process:
                overdue = threading.Timer(SECONDS, process.kill)
                overdue.start()
                try:
                    if process.stdin:
                        with process.stdin:
                            self._write(process.stdin, wanted)
                except BrokenPipeError:
                    pass  # it says why
                except BROKEN as error:
                    process.kill()
                    raise HostError(f"its archive cannot be read: {shown_line(error)}.") from error
                except BaseException:
                    process.kill()
                    raise
                finally:
                    process.wait()
                    overdue.cancel()
            if process.returncode:
                said.seek(0)
                raise HostError(
                    "its archive could not be loaded:"
                    f" {shown(said.read(4000).decode(errors='backslashreplace')).strip()}"
                )

    def _write(self, target: Any, wanted: Mapping[str, str]) -> None:
        found = {name: self.images[name] for name in wanted}
        places = {place for config, layers in found.values() for place in (config, *layers)}
        # Names that we choose: by its own name, a layer could replace a list of names that the
        # engine reads.
        ours = {
            place: f"content/{number}"
            for number, place in enumerate(
                sorted(places, key=lambda place: self.members[place].offset)
            )
        }
        manifest = json.dumps(
            [
                {
                    "Config": ours[config],
                    "RepoTags": [wanted[name]],
                    "Layers": [ours[layer] for layer in layers],
                }
                for name, (config, layers) in found.items()
            ]
        ).encode()
        with (
            tarfile.open(self.path, "r:*") as source,
            tarfile.open(fileobj=target, mode="w|") as archive,
        ):
            _add(archive, MANIFEST, len(manifest), io.BytesIO(manifest))
            for place, name in ours.items():
                member = self.members[place]
                _add(archive, name, member.size, source.extractfile(member))


def _words(found: Any) -> bool:
    return found is None or (
        isinstance(found, list) and all(isinstance(word, str) for word in found)
    )


def _clean(name: str) -> str:
    """The path that a name in an archive leads to."""
    return posixpath.normpath(f"/{name}").lstrip("/")


def _add(archive: tarfile.TarFile, name: str, size: int, content: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)
