# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source of an application as one archive, the same byte for byte wherever it is made."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from ...host.files import stable_time_of
from .ignore import Patterns

# Never part of an application, whether or not .dockerignore says so.
ALWAYS_IGNORED = [".git", "**/__pycache__", "**/*.pyc", ".venv", "**/.pytest_cache"]
# This collection reads them, so no pattern excludes them.
ALWAYS_KEPT = ["!Dockerfile", "!.dockerignore"]
# The limits of a source. Larger things belong in a volume, or in an image that is built elsewhere.
ENTRIES = (
    200_000  # files and directories, without what is in a directory that .dockerignore leaves out
)
SOURCE_BYTES = 4 * 2**30  # of all files together
PATH_BYTES = 2048  # of the path of a file
IGNORE_BYTES, IGNORE_LINE = 65536, 1024  # of .dockerignore, and of each pattern
LINKS = 40  # as many as Linux follows on one way
BLOCK = 1 << 20


class SourceError(OSError):
    """A source cannot be used; the text names the file and says what to do."""


def controller_path(source_root: str, given: str) -> Path:
    """Where a path that a user wrote leads on the controller."""
    with suppress(ValueError):  # of a NUL in it: there is no such file
        given = os.path.expanduser(given)
    return Path(source_root, given).absolute()


def file_problem(file: Path, limit: int) -> str:
    """Why a file on the controller cannot be read, as a sentence that lacks its subject; "" when it
    can.
    """
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return f"is not a file: {file}"
    if not stat.S_ISREG(found.st_mode):
        return f"is not a file: {file}"
    if found.st_size > limit:
        return f"is too large: {file}; it must be at most {size(limit)}"
    return (
        ""
        if os.access(file, os.R_OK)
        else f"cannot be read: {file}; the user who runs Ansible must be able to read it"
    )


def size(count: int) -> str:
    """A number of bytes in words."""
    for unit, bytes_ in (("GB", 2**30), ("MB", 2**20), ("kB", 2**10)):
        if count >= bytes_:
            return f"{count // bytes_} {unit}"
    return f"{count} bytes"


def is_directory(path: Path) -> bool:
    """Like Path.is_dir, which raises for some impossible paths."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def read_inside(source: str | Path, path: str, limit: int = BLOCK) -> bytes:
    """The content of a regular file of a source.

    Raises:
        SourceError: if a link leads out of the source, if it is not a regular file, and if it is
        too large. OSError: if it is missing or cannot be read.
    """
    if leads_out(source, path):
        raise SourceError(_LEADS_OUT.format(path))
    if not stat.S_ISREG(os.stat(Path(source, path)).st_mode):
        raise SourceError(f"{path!r} is not a regular file, and only such files are read.")
    # Without waiting: it may have become a pipe meanwhile.
    with os.fdopen(os.open(Path(source, path), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise SourceError(f"{path!r} is too large to be read; it must be at most {size(limit)}.")
    return content


def leads_out(source: str | Path, path: str) -> bool:
    """Whether a link on the way leads out of a source, by an absolute target or above its root; one
    in a circle leads nowhere.
    """
    here: list[str] = []
    ahead, followed = path.split("/")[::-1], 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            if not here:
                return True
            here.pop()
        elif part not in ("", "."):
            try:
                target = os.readlink(os.path.join(source, *here, part))
            except (OSError, ValueError):  # no link, or nothing is there
                here.append(part)
                continue
            followed += 1
            if target.startswith("/"):
                return True
            if followed > LINKS:
                return False
            ahead += target.split("/")[::-1]
    return False


_LEADS_OUT = (
    "{!r} is a link that leads out of the source; put the file itself there, or list the link in"
    " .dockerignore."
)


def source_files(source: str) -> Iterator[str]:
    """The files of a source directory after .dockerignore, and its links, as sorted paths relative
    to it.

    Raises:
        SourceError: at a file that is not allowed, or at too many; only names have been read then.
    """
    return iter(_files(source))


def _files(source: str) -> list[str]:
    patterns = Patterns([*_ignored(source), *ALWAYS_IGNORED, *ALWAYS_KEPT])
    found, count, total = [], 0, 0
    ahead = [("", patterns.start)]
    while ahead:
        directory, before = ahead.pop()
        with os.scandir(os.path.join(source, directory)) as entries:
            for entry in entries:
                path, state = directory + entry.name, patterns.step(before, entry.name)
                dropped = patterns.drops(state)
                count += 1
                if count > ENTRIES:
                    raise SourceError(
                        _TOO_MUCH.format(
                            f"more than {ENTRIES} files and directories, {path!r} among them"
                        )
                    )
                if entry.is_dir(follow_symlinks=False):
                    if not dropped or patterns.keeps_below(path):
                        _check_name(path)
                        ahead.append((f"{path}/", patterns.enter(state)))
                elif not dropped and (length := _length(source, path, entry)) is not None:
                    found.append(path)
                    total += length
                    if total > SOURCE_BYTES:
                        raise SourceError(
                            _TOO_MUCH.format(f"more than {size(SOURCE_BYTES)}, {path!r} among it")
                        )
    return sorted(found)


def _length(source: str, path: str, entry: os.DirEntry[str]) -> int | None:
    """Of a file or a link that may be taken; None for a pipe, a device and the like."""
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
        return None
    _check_name(path)
    if stat.S_ISLNK(status.st_mode):
        _check_name(os.readlink(entry.path))
        if leads_out(source, path):
            raise SourceError(_LEADS_OUT.format(path))
    return status.st_size


_TOO_MUCH = (
    "it has {}; list in .dockerignore what the application does not need, and put data into"
    " volumes."
)


def _check_name(path: str) -> None:
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise SourceError(
            f"{path!r} is not a name in UTF-8; rename it, or list its directory in .dockerignore."
        ) from None
    if length > PATH_BYTES:
        raise SourceError(
            f"{path[:60]!r}… is too deep; a path must have at most {PATH_BYTES} bytes."
        )


def _ignored(source: str) -> list[str]:
    """The patterns of .dockerignore."""
    if not Path(source, ".dockerignore").is_file():
        return []
    try:
        text = read_inside(source, ".dockerignore", IGNORE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"'.dockerignore' must be UTF-8; byte {error.start} is not.") from None
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if len(line) > IGNORE_LINE:
            raise SourceError(
                f"'.dockerignore' has a pattern of more than {IGNORE_LINE} characters in line"
                f" {number}; shorten it."
            )
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _open(source: str, path: str) -> BinaryIO:
    """A file that source_files gave, which may have become anything meanwhile."""
    try:
        file = os.fdopen(
            os.open(Path(source, path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb"
        )
    except OSError as error:
        raise SourceError(f"{path!r} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _changed(path)
    return file


def _changed(path: str) -> SourceError:
    return SourceError(
        f"{path!r} changed while it was read; run again when nothing writes into the source."
    )


class _Counted:
    """Reads a file, at most what it had at first, and knows the digest of what was read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.length, self.total = file, 0, sha256()

    def read(self, count: int = -1) -> bytes:
        block = self.file.read(count)
        self.length += len(block)
        self.total.update(block)
        return block

    def through(self) -> _Counted:
        while self.length <= SOURCE_BYTES and self.read(BLOCK):
            pass
        self.file.seek(0)
        return self


def _mode(source: str, path: str) -> int:
    try:
        return os.lstat(Path(source, path)).st_mode
    except OSError as error:
        raise SourceError(f"{path!r} cannot be read: {error.strerror}.") from error


def source_digest(source: str) -> str:
    """SHA-256 over names, kinds, executable bits and contents; times and owners do not count."""
    total = sha256()
    for path in source_files(source):
        mode = _mode(source, path)
        if stat.S_ISLNK(mode):
            kind, content = "link", sha256(os.fsencode(os.readlink(Path(source, path)))).hexdigest()
        else:
            kind = "executable" if mode & 0o100 else "file"
            with _open(source, path) as file:
                content = _Counted(file).through().total.hexdigest()
        total.update(f"{kind} {path}\0{content}\n".encode())
    return total.hexdigest()


def write_context(
    target: BinaryIO, source: str, extra: Mapping[str, str], below: str = "app/"
) -> None:
    """Write the build context: the source below app/, and further files such as the Dockerfile
    beside it.

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
            member.size, member.mode, member.mtime = (
                len(data),
                0o644,
                stable_time_of(sha256(data).digest()),
            )
            archive.addfile(member, io.BytesIO(data))
        for path in source_files(source):
            mode = _mode(source, path)
            member = tarfile.TarInfo(f"{below}{path}")
            if stat.S_ISLNK(mode):
                member.type, member.linkname = tarfile.SYMTYPE, os.readlink(Path(source, path))
                member.mtime = stable_time_of(sha256(os.fsencode(member.linkname)).digest())
                archive.addfile(member)
                continue
            with _open(source, path) as file:
                before = _Counted(file).through()
                member.size, member.mode = before.length, 0o755 if mode & 0o100 else 0o644
                member.mtime = stable_time_of(before.total.digest())
                after = _Counted(file)
                try:
                    archive.addfile(member, after)
                except OSError as error:
                    if error.errno is None:  # of tarfile: it has become shorter
                        raise _changed(path) from error
                    raise
                if after.total.digest() != before.total.digest():
                    raise _changed(path)
