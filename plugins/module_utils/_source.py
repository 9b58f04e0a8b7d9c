# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of an application as one archive that is the same, byte for byte, wherever it is made."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from ansible_collections.community.docker.plugins.module_utils._api.utils.build import exclude_paths
from ansible_collections.flaskops.host.plugins.module_utils._host import stable_time

# Never part of an application, whether or not .dockerignore says so.
ALWAYS_IGNORED = [".git", "**/__pycache__", "**/*.pyc", ".venv", "**/.pytest_cache"]


def source_files(source: str) -> Iterator[str]:
    """The files of a source directory after .dockerignore, as sorted paths relative to it."""
    ignore = Path(source, ".dockerignore")
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    # The last matching pattern decides, so ours come last; a user who wants .git in an image has a Dockerfile of their own.
    for path in sorted(exclude_paths(source, patterns + ALWAYS_IGNORED)):
        mode = os.lstat(Path(source, path)).st_mode
        if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            yield path


def source_digest(source: str) -> str:
    """SHA-256 over names, kinds, executable bits and contents; times and owners do not count."""
    total = sha256()
    for path in source_files(source):
        file = Path(source, path)
        mode = os.lstat(file).st_mode
        content = os.readlink(file).encode() if stat.S_ISLNK(mode) else file.read_bytes()
        kind = "link" if stat.S_ISLNK(mode) else "executable" if mode & 0o100 else "file"
        total.update(f"{kind} {path}\0{sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def write_context(target: BinaryIO, source: str, extra: Mapping[str, str], below: str = "app/") -> None:
    """Write the build context: the source below app/, and further files such as the Dockerfile beside it.

    Args:
        target: the open file that receives the tar archive.
        source: the directory of the application.
        extra: contents by name.
        below: where the source goes, "" for the root of the context.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(extra.items()):
            data = content.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), 0o644, stable_time(data)
            archive.addfile(member, io.BytesIO(data))
        for path in source_files(source):
            file = Path(source, path)
            mode = os.lstat(file).st_mode
            member = tarfile.TarInfo(f"{below}{path}")
            if stat.S_ISLNK(mode):
                member.type, member.linkname = tarfile.SYMTYPE, os.readlink(file)
                member.mtime = stable_time(member.linkname.encode())
                archive.addfile(member)
                continue
            data = file.read_bytes()
            member.size, member.mode, member.mtime = len(data), 0o755 if mode & 0o100 else 0o644, stable_time(data)
            archive.addfile(member, io.BytesIO(data))
