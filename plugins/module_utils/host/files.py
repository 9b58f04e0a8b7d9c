# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files written as a whole, times that follow from a content, and the one error that every module
of this collection reports.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path


class HostError(Exception):
    """Something on the host is not as it has to be; the text says what and what to do."""


def write_file(path: Path, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Replace a file as a whole: no reader, and no crash, ever meets half of it."""
    put_in_place(write_aside(path, content, mode, uid, gid), path)


def write_aside(path: Path, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Path:
    """Write what is to replace a file beside it, and onto the disk: what can fail for want of room
    has not failed then.
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
    """Replace a file by what write_aside has written."""
    try:
        os.replace(temporary, path)
        sync_directory(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def left_aside(directory: Path) -> list[Path]:
    """What was to replace a file or a link, and was left in a directory when its process was
    killed.
    """
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
    """A directory with just this mode and owner, whatever the umask."""
    path.mkdir(exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, "" when there is none."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


EPOCH, SPAN = 946684800, 631152000  # 2000-01-01, and twenty years


def stable_time(content: bytes) -> int:
    """A modification time that follows from the content.

    Nginx and Flask make the ETag of time and size, and BuildKit decides by them whether a file has
    changed: the same file keeps its time from release to release, and another content, be it of the
    same size, has another.
    """
    return stable_time_of(sha256(content).digest())


def stable_time_of(digest: bytes) -> int:
    """The same, from the SHA-256 of a content that is not in memory."""
    return EPOCH + int.from_bytes(digest[:8], "big") % SPAN


def now() -> str:
    """The time as ISO 8601 in UTC, whole seconds."""
    return moment(time.time())


def moment(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def sentences(actions: Iterable[str], values: Mapping[str, str] | None = None) -> dict[str, str]:
    """An Ansible diff that lists what is done."""
    return {"before": "", "after": "".join(f"{action}\n" for action in actions), **(values or {})}
