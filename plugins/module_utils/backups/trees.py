# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of directories that an application writes to, whatever they contain and while it writes.

Nothing is opened by its path: only by one name below an open directory, and no link is followed.
What is not a file, a directory or a link is left out, and no copy is set-uid.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..host.disk import refuse_without
from ..host.files import HostError
from ..host.trees import DIRECTORY

DEEPEST = 200  # directories below each other
BLOCK = 1 << 20
FICLONE = 0x40049409
SQLITE = b"SQLite format 3\0"
# What a database has beside it while it is open.
BESIDE = ("-wal", "-shm", "-journal")


@dataclass
class Copy:
    """One copy of a directory; it can be repeated, and then copies what has changed since.

    sqlite: the databases of SQLite, which are left out if they are saved by their own means.
    skipped: how many FIFOs, sockets and devices were left out.
    """

    source: Path
    target: Path
    without_sqlite: bool = False
    sqlite: list[str] = field(default_factory=list)
    skipped: int = 0
    bytes: int = 0
    known: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)

    def run(self) -> None:
        """Copy what is not copied yet, and remove what is gone."""
        self.sqlite, self.skipped = [], 0
        self.target.mkdir(mode=0o700, exist_ok=True)
        with _open(self.source) as source, _open(self.target) as target:
            self._directory(source, target, "", 0)

    def _directory(self, source: int, target: int, path: str, depth: int) -> None:
        if depth > DEEPEST:
            raise HostError(f"{self.source} has more than {DEEPEST} directories below each other.")
        names = set(os.listdir(source))
        for name in set(os.listdir(target)) - names:
            _delete(target, name)
        for name in sorted(names):
            try:
                self._one(source, target, name, f"{path}{name}", depth)
            except OSError as error:  # it was removed meanwhile, or became something else
                if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                    raise
                self.skipped += error.errno != errno.ENOENT
        _look_like(target, os.fstat(source))

    def _one(self, source: int, target: int, name: str, path: str, depth: int) -> None:
        found = os.lstat(name, dir_fd=source)
        with suppress(FileNotFoundError):
            there = os.lstat(name, dir_fd=target)
            if stat.S_IFMT(there.st_mode) != stat.S_IFMT(found.st_mode):
                _delete(target, name)
        if stat.S_ISDIR(found.st_mode):
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=target)
            with _open(name, source) as inner, _open(name, target) as to:
                self._directory(inner, to, f"{path}/", depth + 1)
        elif stat.S_ISREG(found.st_mode):
            self._file(source, target, name, path)
        elif stat.S_ISLNK(found.st_mode):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=target)
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        else:
            self.skipped += 1

    def _file(self, source: int, target: int, name: str, path: str) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(name, flags, dir_fd=source)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                self.skipped += 1
                return
            if os.pread(handle, len(SQLITE), 0) == SQLITE:
                self.sqlite.append(path)
                if self.without_sqlite:
                    return
            state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if self.known.get(path) == state:
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            to = os.open(name, flags, 0o600, dir_fd=target)
            try:
                # Of a file with several names, each is a whole copy.
                refuse_without(found.st_blocks * 512, [self.target], "Nothing was saved.")
                _content(handle, to)
                _look_like(to, found)
            finally:
                os.close(to)
            self.known[path] = state
            self.bytes += found.st_size
        finally:
            os.close(handle)


def give(top: Path, before: int, uid: int) -> None:
    """Make a restored tree fit: what belonged to one user belongs to another, nothing is set-uid,
    and what is not a file, a directory or a link is removed.

    Args:
        top: a tree that nobody else can reach.
        before: the uid that the application had when it was saved.
        uid: the uid that it has now.
    """
    for _directory, below, names, handle in os.fwalk(top, follow_symlinks=False):
        for name in [*below, *names]:
            found = os.lstat(name, dir_fd=handle)
            kind = stat.S_IFMT(found.st_mode)
            if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
                os.unlink(name, dir_fd=handle)
                continue
            owner = uid if found.st_uid == before else found.st_uid
            group = uid if found.st_gid == before else found.st_gid
            os.chown(name, owner, group, dir_fd=handle, follow_symlinks=False)
            if kind == stat.S_IFREG and found.st_mode & (stat.S_ISUID | stat.S_ISGID):
                os.chmod(name, _mode(found), dir_fd=handle)
    found = top.lstat()
    owner = uid if found.st_uid == before else found.st_uid
    os.chown(top, owner, uid if found.st_gid == before else found.st_gid)


def _mode(found: os.stat_result) -> int:
    kept = 0o3777 if stat.S_ISDIR(found.st_mode) else 0o777
    return found.st_mode & kept


def _look_like(handle: int, found: os.stat_result) -> None:
    os.fchown(handle, found.st_uid, found.st_gid)
    os.fchmod(handle, _mode(found))
    os.utime(handle, ns=(found.st_atime_ns, found.st_mtime_ns))


def _content(source: int, target: int) -> None:
    with suppress(OSError):  # a file system that cannot share blocks
        fcntl.ioctl(target, FICLONE, source)
        return
    size = os.fstat(source).st_size
    for begin, end in _written(source, size):  # holes stay holes
        os.lseek(source, begin, os.SEEK_SET)
        os.lseek(target, begin, os.SEEK_SET)
        _part(source, target, end - begin)
    os.ftruncate(target, max(size, os.lseek(target, 0, os.SEEK_END)))


def _written(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are not holes."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(handle, end, os.SEEK_DATA)
            end = os.lseek(handle, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole until the end
                return
            begin, end = end, size  # a file system that does not know of holes
        yield begin, end


def _part(source: int, target: int, size: int) -> None:
    try:
        while size > 0 and (done := os.copy_file_range(source, target, min(size, 1 << 30))):
            size -= done
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        while size > 0 and (block := os.read(source, min(size, BLOCK))):
            size -= len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]


def _delete(place: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=place)
    except IsADirectoryError:
        with _open(name, place) as inner:
            for each in os.listdir(inner):
                _delete(inner, each)
        os.rmdir(name, dir_fd=place)


@contextmanager
def _open(name: str | Path, place: int | None = None) -> Iterator[int]:
    handle = os.open(name, DIRECTORY, dir_fd=place)
    try:
        yield handle
    finally:
        os.close(handle)
