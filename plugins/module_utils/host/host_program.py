# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs on a host between two runs: which of its versions the host needs. The
renewal of certificates and jobs share one file, and each may be installed without the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .places import HOST_PROGRAMS, UNITS

PATTERN = "flaskops-*.pyz"
PYTHON = "/usr/bin/python3"
# What may start it: the units of systemd, and the entry of cron where systemd does not run.
STARTERS = ((UNITS, "flaskops-*.service"), (Path("/etc/cron.d"), "flaskops-*"))
_NAME = re.compile(r"\bflaskops-[0-9a-f]+\.pyz\b")


def line(name: str, command: str, *arguments: str) -> str:
    """The command line of a unit that starts it."""
    return " ".join([PYTHON, "-I", str(HOST_PROGRAMS / name), command, *arguments])


def used(system: Path = Path("/"), but: Iterable[str] = ()) -> set[str]:
    """The names of the versions that something on the host starts.

    Args:
        system: the root of the file system.
        but: the files that do not count, as paths on the host.
    """
    names: set[str] = set()
    for directory, pattern in STARTERS:
        for path in (system / str(directory).lstrip("/")).glob(pattern):
            if f"/{path.relative_to(system)}" in but:
                continue
            try:
                names.update(_NAME.findall(path.read_text(errors="replace")))
            except OSError:
                continue
    return names


def sweep(newest: Path | None = None) -> None:
    """Remove the versions that nothing starts.

    Args:
        newest: the version that runs. Newer ones stay, because a run of this collection may be
            about to write the unit that starts them.
    """
    needed = used()
    limit = newest.stat().st_mtime if newest else None
    for path in (newest.parent if newest else HOST_PROGRAMS).glob(PATTERN):
        if path.name in needed or path == newest:
            continue
        if limit is None or path.stat().st_mtime <= limit:
            path.unlink(missing_ok=True)
