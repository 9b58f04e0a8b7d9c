# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of files: processes wait for them with a limit, or not at all."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.1  # seconds between two tries


def locked(handle: int, seconds: float) -> bool:
    """Lock an open file exclusively, until it is closed.

    Args:
        handle: of the file.
        seconds: how long to wait for another process that holds it.

    Returns:
        Whether it is locked; False when the time was over.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE)
        else:
            return True


@contextmanager
def alone(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Whether this process has the lock of a file, as long as this lasts; False where another one
    still has it after these seconds. The file is created.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield locked(handle, seconds)
    finally:
        os.close(handle)
