# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands have in common that a timer starts: their exit codes, the end by SIGTERM, and
the record of the last result.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NoReturn

from ..host.files import write_file
from ..host.places import JobPlace
from ..releases.jobs import Result

# As a shell has it for SIGKILL; EX_TEMPFAIL of sysexits.h.
KILLED, BUSY = 137, 75


class Stopped(BaseException):
    """The program got SIGTERM."""


def stop(_signal: int, _frame: Any) -> NoReturn:
    """The handler of SIGTERM."""
    raise Stopped


def write(place: JobPlace, result: Result) -> None:
    """Write the result. On a full disk the rest goes on."""
    if place.directory.is_dir():
        with suppress(OSError):
            write_file(place.result, result.text.encode(), 0o600)
