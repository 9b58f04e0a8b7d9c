# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a process from proc(5); empty for one that has ended."""

from __future__ import annotations

import os
from pathlib import Path


def command_line(pid: int) -> str:
    """Its command line."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
            .strip()
        )
    except OSError:
        return ""


def is_ours(pid: int) -> bool:
    """Whether it is in this pid namespace, and not in a container."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


def parent(pid: int) -> int:
    """Its parent."""
    return _stat(pid, 4)


def started(pid: int) -> int:
    """Its start, in clock ticks since the boot."""
    return _stat(pid, 22)


def _stat(pid: int, field: int) -> int:
    try:
        # The second field is the name of the program, which may have spaces and parentheses.
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[field - 3])
    except (OSError, ValueError, IndexError):
        return 0
