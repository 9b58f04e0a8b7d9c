# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only the new parts of a build context are sent over the network; the rest is taken from the
contexts that the host has.

A delta is the same archive, in which a file that the host has is empty and has its digest
instead.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

from ..host.files import write_file
from ..host.places import CONTEXT, CONTEXT_INDEX

HEADER = "FLASKOPS.sha256"
# Smaller files are sent: naming them costs as much.
SMALL = 2048
BLOCK = 1 << 20


class Damaged(Exception):
    """A content that the delta refers to is no longer on this host."""


def digests(archive: Path) -> dict[str, tuple[int, int]]:
    """Of each file that is worth it, by its SHA-256: where its content begins in the archive, and
    its size.
    """
    found: dict[str, tuple[int, int]] = {}
    with tarfile.open(archive) as tar, archive.open("rb") as file:
        for member in tar:
            if member.isreg() and member.size >= SMALL:
                file.seek(member.offset_data)
                found[_digest(_Slice(file, member.size))] = (member.offset_data, member.size)
    return found


class _Slice:
    """So many bytes of a file from where it is; for files that do not fit into memory."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, size

    def read(self, count: int = BLOCK) -> bytes:
        block = self.file.read(min(count, self.left))
        self.left -= len(block)
        return block


def _digest(file: IO[bytes] | _Slice) -> str:
    total = sha256()
    while block := file.read(BLOCK):
        total.update(block)
    return total.hexdigest()


def write_delta(archive: Path, delta: Path, known: Collection[str]) -> int:
    """Write the delta of an archive; returns how many bytes of content it leaves out."""
    saved = 0
    with tarfile.open(archive) as tar, tarfile.open(delta, "w", format=tarfile.PAX_FORMAT) as out:
        for member in tar:
            source = tar.extractfile(member) if member.isreg() else None
            if source and member.size >= SMALL and known:
                digest = _digest(source)
                source.seek(0)
                if digest in known:
                    saved += member.size
                    member.pax_headers = {**member.pax_headers, HEADER: digest}
                    member.size = 0
            out.addfile(member, source)
    return saved


def kept_digests(releases: Path) -> list[str]:
    """Of which contents the kept contexts of an application's releases are made."""
    return sorted(
        {digest for index in releases.glob(f"*/{CONTEXT_INDEX}") for digest in _index(index)}
    )


def assemble(delta: IO[bytes], target: Path, releases: Path) -> None:
    """Write the whole archive from a delta and the kept contexts, and its index beside it.

    Raises:
        Damaged: when a content is missing or not what its digest says.
    """
    kept = {
        digest: (index.with_name(CONTEXT), *place)
        for index in _newest(releases)
        for digest, place in _index(index).items()
    }
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            tarfile.open(fileobj=delta) as tar,
            tarfile.open(aside, "w", format=tarfile.PAX_FORMAT) as out,
        ):
            for member in tar:
                if wanted := member.pax_headers.get(HEADER, ""):
                    member.pax_headers = {
                        key: value for key, value in member.pax_headers.items() if key != HEADER
                    }
                    with _content(kept, wanted) as (content, member.size):
                        out.addfile(member, content)
                else:
                    out.addfile(member, tar.extractfile(member) if member.isreg() else None)
        aside.chmod(0o600)
        index = {digest: list(place) for digest, place in digests(aside).items()}
        os.replace(aside, target)
        write_file(target.with_name(CONTEXT_INDEX), json.dumps(index).encode(), 0o600)
    finally:
        aside.unlink(missing_ok=True)


def _newest(releases: Path) -> Iterable[Path]:
    return sorted(releases.glob(f"*/{CONTEXT_INDEX}"), key=lambda path: path.stat().st_mtime)


def _index(path: Path) -> dict[str, tuple[int, int]]:
    """The index of one context; {} when it is missing or broken."""
    try:
        found = json.loads(path.read_text())
        return {str(digest): (int(offset), int(size)) for digest, (offset, size) in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


@contextmanager
def _content(kept: dict[str, tuple[Path, int, int]], digest: str) -> Iterator[tuple[_Slice, int]]:
    """A content of a kept context, which has been read once to see that it is the one; and its
    size.
    """
    try:
        path, offset, size = kept[digest]
        with path.open("rb") as file:
            file.seek(offset)
            if _digest(_Slice(file, size)) == digest:
                file.seek(offset)
                yield _Slice(file, size), size
                return
    except (KeyError, FileNotFoundError, PermissionError):
        pass
    raise Damaged(f"the content {digest} is not in the kept contexts")
