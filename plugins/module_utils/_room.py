# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: how to know one by the words of whoever met it, and what to tell."""

from __future__ import annotations

import errno
import re

FULL = (errno.ENOSPC, errno.EDQUOT)
WORDS = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
ADVICE = (
    "A disk of this host is full. Make room and run again: `df -h` shows which one (`df -i`: whether it has run out of inodes),"
    " `docker system df` what images and build cache take of it, and `docker builder prune` gives the build cache back."
)


def no_room(reason: str | BaseException) -> bool:
    """Whether this failed because a disk is full."""
    return getattr(reason, "errno", None) in FULL or bool(WORDS.search(str(reason)))


def with_advice(reason: str | BaseException) -> str:
    """The reason as a text; when it is a full disk, with what to do about it."""
    text = str(reason)
    return f"{text}\n{ADVICE}" if no_room(reason) and ADVICE not in text else text
