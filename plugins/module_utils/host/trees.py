# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete, empty and measure directories that an application writes to, whatever they contain and
while it writes.

Nothing below such a directory is opened by its path, which has no maximum length and may become a
link at any time: only by one name below an open directory, and no link is followed. For deletion,
deeper directories are moved up, one by one, to the top. So two descriptors suffice for any depth,
and memory does not grow with the number of names. A directory is opened only after it was moved,
which a mount point cannot be: mounted file systems are left alone.

Deleting many files takes time. So a tree is moved to the trash beside the applications, which is
instant, and the trash is emptied within a time budget; later runs delete the rest.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .places import Place

SECONDS = 5.0  # for deletions that a run waits for
NAMES = 50_000  # kept in memory by a measurement; with names of 255 bytes about 30 MB
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A tree cannot be moved to the trash: it is on another mount, or the disk is full.
IN_PLACE = (errno.EXDEV, errno.EBUSY, errno.ENOSPC, errno.EDQUOT)


class Size(NamedTuple):
    """The disk space of a tree."""

    bytes: int
    whole: bool  # false: at least so many, as the time was over or the tree changed

    def __str__(self) -> str:
        value, unit = float(self.bytes), "B"
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if value < 1000 or unit == "TB":
                break
            value /= 1000
        return f"{'' if self.whole else '>'}{value:.{0 if unit == 'B' else 1}f} {unit}"


def put_away(path: Path, root: str) -> None:
    """Move a tree to the trash, so that its path is free; sweep deletes it.

    Args:
        path: a directory, a file or a link, in a directory that only root may write to. A missing
            one is not an error.
        root: the directory of the releases.

    Raises:
        OSError: a part of it is left, such as a mount point or an immutable file.
    """
    try:
        _move_to_trash(path, root)
    except OSError as error:
        if error.errno not in IN_PLACE:
            raise
        delete(path, SECONDS)


def empty(path: Path, root: str) -> bool:
    """Replace a directory by an empty one with the same owner and mode, and trash the old one.

    No container may use it. A missing one, or one that is not a directory, is left alone.

    Returns:
        Whether it had content.

    Raises:
        OSError: a part of the content is left.
    """
    try:
        handle = os.open(path, DIRECTORY)
    except OSError:
        return False
    try:
        found = os.fstat(handle)
        with os.scandir(handle) as entries:
            if next(entries, None) is None:
                return False
        try:
            _move_to_trash(path, root)
        except OSError as error:
            if error.errno not in IN_PLACE:
                raise
            _hollow_or_fail(handle, path, SECONDS)
            return True
    finally:
        os.close(handle)
    path.mkdir(0o700)
    os.chown(path, found.st_uid, found.st_gid)
    path.chmod(stat.S_IMODE(found.st_mode))
    return True


def is_clean(root: str) -> bool:
    """Whether the trash is empty."""
    try:
        with os.scandir(Place(root).trash) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def sweep(root: str, seconds: float = SECONDS) -> list[str]:
    """Empty the trash within a time budget. One run at a time does it.

    Returns:
        What cannot be deleted, in words; trees that are left for the next run are not in it.
    """
    try:
        handle = os.open(Place(root).trash, DIRECTORY)
    except OSError:
        return []
    problems: dict[str, str] = {}
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _hollow(handle, time.monotonic() + seconds, problems)
    except BlockingIOError:
        return []
    finally:
        os.close(handle)
    return [_advice(Place(root).trash, problems)] if problems else []


def delete(path: Path, seconds: float = float("inf")) -> None:
    """Delete a tree in place. A missing one is not an error.

    Raises:
        OSError: a part of it is left, as the time was over or it cannot be deleted.
    """
    with suppress(FileNotFoundError):
        try:
            handle = os.open(path, DIRECTORY)
        except NotADirectoryError:  # nor is a link
            path.unlink()
            return
        try:
            _hollow_or_fail(handle, path, seconds)
        finally:
            os.close(handle)
        path.rmdir()


def size(paths: Iterable[Path], seconds: float) -> Size:
    """The disk space of trees, as far as it can be measured in so many seconds. File systems that
    are mounted below do not count.
    """
    deadline = time.monotonic() + seconds
    found = [_measure(path, deadline) for path in paths]
    return Size(sum(one.bytes for one in found), all(one.whole for one in found))


def _fresh() -> str:
    return os.urandom(12).hex()


def _move_to_trash(path: Path, root: str) -> None:
    with suppress(FileExistsError):
        Place(root).trash.mkdir(0o700)
    with suppress(FileNotFoundError):
        os.rename(path, Place(root).trash / _fresh())


def _advice(place: Path, problems: dict[str, str]) -> str:
    reasons = "; ".join(f"{name} ({reason})" for reason, name in problems.items())
    return (
        f"below {place} some files cannot be deleted: {reasons}. Unmount what is mounted there"
        f" (`findmnt -R {place}`), remove the attribute immutable (`chattr -R -i {place}`), and run"
        " again."
    )


def _hollow(top: int, deadline: float, problems: dict[str, str]) -> None:
    """Delete the content of a directory, until the deadline; problems gets one name for each reason
    why something cannot be deleted.
    """
    moved = True
    while moved:
        moved = False
        problems.clear()
        with os.scandir(top) as entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return
                moved |= _remove(top, entry.name, top, deadline, problems)


def _hollow_or_fail(top: int, path: Path, seconds: float) -> None:
    problems: dict[str, str] = {}
    _hollow(top, time.monotonic() + seconds, problems)
    if problems:
        raise OSError(errno.EPERM, _advice(path, problems))


def _remove(place: int, name: str, top: int, deadline: float, problems: dict[str, str]) -> bool:
    """Delete one name of a directory, or move it up to the top, to be deleted there.

    Returns:
        Whether anything changed.
    """
    try:
        return _unlink(place, name) or (
            _remove_directory(name, top, deadline, problems)
            if place == top
            else _move_up(place, name, top)
        )
    except FileNotFoundError:
        return True
    except OSError as error:
        problems[os.strerror(error.errno or errno.EIO)] = ascii(name)
        return False


def _unlink(place: int, name: str) -> bool:
    """Delete a file, a link, or an empty directory; false for one that is not empty."""
    try:
        os.unlink(name, dir_fd=place)
        return True
    except IsADirectoryError:
        pass
    try:
        os.rmdir(name, dir_fd=place)
        return True
    except NotADirectoryError:
        return False  # it changed meanwhile
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False


def _move_up(place: int, name: str, top: int) -> bool:
    os.rename(name, _fresh(), src_dir_fd=place, dst_dir_fd=top)
    return True


def _remove_directory(name: str, top: int, deadline: float, problems: dict[str, str]) -> bool:
    """Delete the content of a directory of the top, and then the directory."""
    changed = False
    handle = os.open(name, DIRECTORY, dir_fd=top)
    try:
        if os.fstat(handle).st_dev != os.fstat(top).st_dev:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        with os.scandir(handle) as entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return changed
                changed |= _remove(handle, entry.name, top, deadline, problems)
    finally:
        os.close(handle)
    return _unlink(top, name) or changed


def _measure(path: Path, deadline: float) -> Size:
    """Walk through a tree with one descriptor. The way up is `..`, which must be the directory that
    the way down came from.
    """
    try:
        here = os.open(path, DIRECTORY)
    except OSError:
        return Size(0, True)
    total, whole, room = 0, True, NAMES
    # The directories above, and the names that are to be entered in each.
    above: list[tuple[tuple[int, int], list[str]]] = []
    try:
        below = [""]  # the top itself
        while below or above:
            if time.monotonic() > deadline:
                return Size(total, False)
            if not below:
                identity, below = above.pop()
                here = _exchange(here, os.open("..", DIRECTORY, dir_fd=here))
                if _identity(here) != identity:
                    return Size(total, False)
                room += 1
                continue
            name = below.pop()
            if name:
                room += 1
                there = _enter(here, name)
                if there is None:
                    continue
                above.append((_identity(here), below))
                room -= 1
                here = _exchange(here, there)
            found, below, complete = _look(here, deadline, room)
            total, whole, room = total + found, whole and complete, room - len(below)
        return Size(total, whole)
    except OSError:
        return Size(total, False)
    finally:
        os.close(here)


def _identity(handle: int) -> tuple[int, int]:
    found = os.fstat(handle)
    return found.st_dev, found.st_ino


def _exchange(old: int, new: int) -> int:
    os.close(old)
    return new


def _enter(place: int, name: str) -> int | None:
    """Open a directory below; None for one that is missing, has become a link, or is on another
    file system.
    """
    try:
        handle = os.open(name, DIRECTORY, dir_fd=place)
    except OSError:
        return None
    if os.fstat(handle).st_dev != os.fstat(place).st_dev:
        os.close(handle)
        return None
    return handle


def _look(place: int, deadline: float, room: int) -> tuple[int, list[str], bool]:
    """The size of a directory's files, the names of its directories, and whether that is all."""
    total = 0
    names: list[str] = []
    whole = True
    with os.scandir(place) as entries:
        for entry in entries:
            if time.monotonic() > deadline:
                return total, names, False
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if not stat.S_ISDIR(found.st_mode):
                # A file with several names counts once.
                total += found.st_blocks * 512 // found.st_nlink
                continue
            total += found.st_blocks * 512
            if len(names) < room:
                names.append(entry.name)
            else:
                whole = False
    return total, names, whole
