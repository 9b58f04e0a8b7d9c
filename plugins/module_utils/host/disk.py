# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: how to know one by the words of whoever met it, and what to tell."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
ADVICE = (
    "A disk of this host is full. Make room and run again: `df -h` shows which one (`df -i`:"
    " whether it has run out of inodes), `docker system df` what images and build cache take of it,"
    " and `docker builder prune` gives the build cache back."
)


def no_room(reason: str | BaseException) -> bool:
    """Whether this failed because a disk is full."""
    return getattr(reason, "errno", None) in FULL or bool(WORDS.search(str(reason)))


def with_advice(reason: str | BaseException) -> str:
    """The reason as a text; when it is a full disk, with what to do about it."""
    text = str(reason)
    return f"{text}\n{ADVICE}" if no_room(reason) and ADVICE not in text else text


INODES = 10_000  # a release has thousands of files
SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)", re.IGNORECASE | re.ASCII)


def bytes_of(size: str) -> int:
    """How many bytes a size such as C(1g) or C(500m) is, in steps of 1024.

    Raises:
        ValueError: it is no size.
    """
    found = SIZE.fullmatch(str(size).strip())
    if not found:
        raise ValueError(
            "flask_apps_free_space must be a size such as 1g or 500m, or 0 for no check; got"
            f" {size!r}"
        )
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))


def too_little(places: Iterable[str], wanted: int) -> str:
    """Which file systems have less room than a deploy needs, in words; "" when there is enough.

    Args:
        places: directories; of one that is missing, where it will be made counts.
        wanted: bytes; 0 asks nothing.
    """
    systems: dict[int, list[Path]] = {}
    for place in map(Path, places):
        there = next(path for path in (place, *place.parents) if path.exists())
        systems.setdefault(there.stat().st_dev, []).append(there)
    short = []
    for found in systems.values() if wanted else ():
        room, names = os.statvfs(found[0]), " and ".join(dict.fromkeys(map(str, found)))
        if (free := room.f_bavail * room.f_frsize) < wanted:
            short.append(
                f"{_mebibytes(free)} are free on the disk of {names}, and a deploy needs"
                f" {_mebibytes(wanted)}"
            )
        elif room.f_files and room.f_favail < INODES:
            short.append(
                f"{room.f_favail} inodes are free on the disk of {names}, and a deploy needs"
                f" {INODES}"
            )
    if not short:
        return ""
    return (
        f"{'; '.join(short)}. Nothing was changed. Make room and run again: `docker builder prune`"
        " gives the build cache back, `docker system df` and `df -h` (`df -i`) show what takes it,"
        " and playbooks/status.yml (column disk) what applications have written. The limit is"
        " flask_apps_free_space; 0 turns it off."
    )


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"
