# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the Nginx configuration: reading them, copying the tree, and changing it by renames
that can be undone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..host.files import sync_directory
from .steps import ABSENT, Entry, Step

# In the header of every file that the collection writes: this is how we know that a file is ours.
MARKER = "Written by flaskops.host"
PENDING = (  # in RUNTIME while the tree may be newer than what the running Nginx has loaded
    "reload-pending"
)


def read_text(path: Path) -> str:
    """The text of a file, or nothing."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def read_entry(path: Path) -> Entry:
    """What a path is, links not followed."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", target=os.readlink(path))
    if stat.S_ISDIR(status.st_mode):
        return Entry("directory", mode=stat.S_IMODE(status.st_mode))
    if not stat.S_ISREG(status.st_mode):
        return Entry("special")
    return Entry("file", path.read_bytes(), stat.S_IMODE(status.st_mode))


def write_new(path: Path, entry: Entry) -> None:
    """Create an entry at a free path; its content is on the disk when this returns."""
    if entry.kind == "link":
        os.symlink(entry.target, path)
        return
    if entry.kind == "directory":
        path.mkdir()
        path.chmod(entry.mode)
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(entry.content)
        stream.flush()
        os.fchmod(stream.fileno(), entry.mode)
        os.fsync(stream.fileno())


def apply_plain(root: Path, step: Step) -> None:
    """Carry out a step on a candidate; no care for crashes needed there."""
    path = root / step.path
    if step.before.kind == "directory":
        path.rmdir()
    elif step.before.kind != "absent":
        path.unlink()
    if step.after.kind != "absent":
        write_new(path, step.after)


def is_leftover(name: str) -> bool:
    """The dotted names of a transaction; under the lock they are those of a killed run."""
    return name.startswith(".") and name.endswith((".flaskops-new", ".flaskops-old"))


def remove_leftover(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def sweep_tree(root: Path) -> None:
    for directory, directories, names in os.walk(root):
        for name in filter(is_leftover, [*directories, *names]):
            remove_leftover(Path(directory, name))


def copy_tree(source: Path, destination: Path) -> None:
    """A copy with links kept as links, without sockets and pipes, and without our own dotted
    leftovers.
    """
    destination.mkdir(mode=0o755, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            if is_leftover(entry.name):
                continue
            target = destination / entry.name
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), target)
            elif entry.is_dir(follow_symlinks=False):
                copy_tree(Path(entry.path), target)
            elif entry.is_file(follow_symlinks=False):
                shutil.copyfile(entry.path, target)


class Transaction:
    """The real tree: stage, commit step by step, and the way back."""

    def __init__(self, root: Path, directories: Sequence[str], steps: Sequence[Step]) -> None:
        self.root = root
        self.directories = list(directories)
        self.steps = list(steps)
        self.made: list[Path] = []
        self.done: list[Step] = []

    def beside(self, step: Step, suffix: str) -> Path:
        path = self.root / step.path
        return path.with_name(f".{path.name}.flaskops-{suffix}")

    def sweep(self) -> None:
        """Remove the dotted names."""
        for step in self.steps:
            for suffix in ("new", "old"):
                remove_leftover(self.beside(step, suffix))

    def stage(self) -> None:
        for relative in self.directories:
            path = self.root / relative
            self.made.append(path)  # first: see commit()
            path.mkdir()
            path.chmod(0o755)
            sync_directory(path.parent)
        for step in self.steps:
            if step.after.kind in ("file", "link"):
                write_new(self.beside(step, "new"), step.after)
            if step.before.kind == "file":
                old = self.beside(step, "old")
                try:
                    os.link(self.root / step.path, old, follow_symlinks=False)
                except OSError:  # a file system without hard links
                    write_new(old, step.before)
            elif step.before.kind == "link":
                write_new(self.beside(step, "old"), step.before)

    def commit(self, step: Step) -> None:
        path = self.root / step.path
        self.done.append(step)  # first: a step cut in the middle must be undone as well
        if step.after.kind != "absent":
            os.rename(self.beside(step, "new"), path)
        elif step.before.kind == "directory":
            os.rename(path, self.beside(step, "old"))
        else:
            path.unlink()
        sync_directory(path.parent)

    def revert(self) -> None:
        """Put the old names back; works on a full disk, since it renames and removes only."""
        while self.done:
            step = self.done[-1]
            path = self.root / step.path
            if step.before.kind != "absent":
                old = self.beside(step, "old")
                if old.exists() or old.is_symlink():
                    # rename() does nothing when both names are the same file: then the step did not
                    # take place.
                    os.rename(old, path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
            sync_directory(path.parent)
            self.done.pop()
        self.sweep()
        for path in reversed(self.made):
            with contextlib.suppress(OSError):
                path.rmdir()
        self.made.clear()


def keep_backup(step: Step, directory: Path) -> str | None:
    """Keep a copy of a file of another owner, once per content. Outside the tree: no glob
    may read it.
    """
    if step.before.kind != "file" or MARKER.encode() in step.before.content:
        return None
    name = step.path.replace("/", "-")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in sorted(directory.glob(f"{name}.*")):
        if other.read_bytes() == step.before.content:
            return None
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    path = directory / f"{name}.{stamp}"
    write_new(path, step.before)
    sync_directory(directory)
    return str(path)
