# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic writes, modification times derived from the content, and the error that every module of
this collection reports.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path


class HostError(Exception):
    """Something on the host is wrong; the text says what, and what to do."""


def write_file(path: Path, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Replace a file atomically: no reader and no crash sees a part of it."""
    put_in_place(write_aside(path, content, mode, uid, gid), path)


def write_aside(path: Path, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Path:
    """Write the replacement of a file beside it and sync it: put_in_place cannot fail for lack of
    disk space then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    return temporary


def put_in_place(temporary: Path, path: Path) -> None:
    """Replace a file by the one that write_aside has written."""
    try:
        os.replace(temporary, path)
        sync_directory(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def append_line(path: Path, line: str) -> None:
    """Add a line to a file of root's, whole or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        content = f"{line}\n".encode()
        try:
            while content:
                content = content[os.write(descriptor, content) :]
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def left_aside(directory: Path) -> list[Path]:
    """The replacements of files and links that a killed process has left in a directory."""
    return sorted(
        path
        for path in directory.glob(".*")
        if path.suffix[1:].isdecimal() and (path.is_symlink() or not path.is_dir())
    )


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int, uid: int = 0, gid: int = 0) -> None:
    """Create a directory with this mode and owner, whatever the umask."""
    path.mkdir(exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)


def file_digest(path: Path) -> str:
    """SHA-256 of a file of any size, "" if it does not exist."""
    total = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    except FileNotFoundError:
        return ""
    return total.hexdigest()


EPOCH, SPAN = 946684800, 631152000  # 2000-01-01, and twenty years


def stable_time(content: bytes) -> int:
    """A modification time derived from the content.

    Nginx and Flask derive the ETag from time and size, and BuildKit compares both to find changed
    files: the same file keeps its time from release to release, and another content of the same
    size has another time.
    """
    return stable_time_of(sha256(content).digest())


def stable_time_of(digest: bytes) -> int:
    """The same for a content that is not in memory, from its SHA-256."""
    return EPOCH + int.from_bytes(digest[:8], "big") % SPAN


def now() -> str:
    """The time as ISO 8601 in UTC, whole seconds."""
    return moment(time.time())


def moment(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def sentences(actions: Iterable[str], values: Mapping[str, str] | None = None) -> dict[str, str]:
    """An Ansible diff that lists the actions."""
    return {"before": "", "after": "".join(f"{action}\n" for action in actions), **(values or {})}
