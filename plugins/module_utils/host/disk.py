# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: how to recognise one by an error, and the advice for it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path

from .files import HostError

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
ADVICE = (
    "A disk of this host is full. Make room and run again: `df -h` shows which one (`df -i`:"
    " whether its inodes are used up), `docker system df` what images and build cache take, and"
    " `docker builder prune` removes the build cache."
)


def no_room(reason: str | BaseException) -> bool:
    """Whether this failed because a disk is full."""
    return getattr(reason, "errno", None) in FULL or bool(WORDS.search(str(reason)))


def with_advice(reason: str | BaseException) -> str:
    """The reason as a text; for a full disk with the advice."""
    text = str(reason)
    return f"{text}\n{ADVICE}" if no_room(reason) and ADVICE not in text else text


RESERVE = 256 << 20  # bytes that stay free beside what is written
INODES = 10_000  # a release has thousands of files
LEAST = 1 << 20  # bytes that are free on a disk that is not full


def too_little(places: Iterable[str], wanted: int) -> str:
    """The file systems with less room than a deploy needs, in words; "" when there is enough.

    Args:
        places: directories; for a missing one, its nearest parent is checked.
        wanted: bytes; 0 turns the check off.
    """
    systems: dict[int, list[Path]] = {}
    for place in map(Path, places):
        there = next(path for path in (place, *place.parents) if path.exists())
        systems.setdefault(there.stat().st_dev, []).append(there)
    short = []
    for found in systems.values() if wanted else ():
        room, names = os.statvfs(found[0]), " and ".join(dict.fromkeys(map(str, found)))
        if (free := _free(room)) < wanted:
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
        " removes the build cache, `docker system df` and `df -h` (`df -i`) show what takes space,"
        " and playbooks/status.yml (column disk) what applications have written. The limit is"
        " flask_apps_free_space; 0 turns it off."
    )


def is_full(place: str) -> bool:
    """Whether the disk of a directory is full for a program that writes there."""
    try:
        room = os.statvfs(place)
    except OSError:
        return False
    return _free(room) < LEAST or bool(room.f_files and not room.f_favail)


def refuse_without(needed: int, places: Iterable[Path], result: str) -> None:
    """Fail where one of these directories has less room, with a reserve for all else on the host.

    Args:
        needed: bytes.
        places: directories that exist.
        result: what did not happen, as a sentence.

    Raises:
        HostError: the disk of one is too full.
    """
    for place in places:
        if (free := _free(os.statvfs(place))) < needed + RESERVE:
            raise HostError(
                f"{_mebibytes(needed + RESERVE)} are needed on the disk of {place}, and"
                f" {_mebibytes(free)} are free. {result}"
            )


def _free(room: os.statvfs_result) -> int:
    """The bytes that are free for others than root."""
    return room.f_bavail * room.f_frsize


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"
