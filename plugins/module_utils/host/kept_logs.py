# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of containers that are removed. The engine deletes those that it has in files; the
journal keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .engine import LOG_SECONDS, Docker, Inspected, inspected
from .files import HostError, write_file
from .places import APP_LABEL, KEPT_LOGS, is_pin

IN_FILES = ("json-file", "local")  # drivers; the others, such as journald, have their own limits
# Of one application: bytes of the end of each log, and the number of logs.
KEPT_BYTES, KEPT = 2 << 20, 10


def keep(docker: Docker, containers: Iterable[str], place: Path | None = None) -> None:
    """Write the logs of containers that are about to be removed."""
    # A pin has never started.
    for name, found in inspected(docker, [each for each in containers if not is_pin(each)]).items():
        keep_one(docker, name, found, place)


def keep_one(docker: Docker, name: str, found: Inspected, place: Path | None = None) -> None:
    """The same for one container, with the output of docker inspect. A failure here does not
    prevent the removal.
    """
    app = (found.get("Config", {}).get("Labels") or {}).get(APP_LABEL, "")
    driver = found.get("HostConfig", {}).get("LogConfig", {}).get("Type")
    if app and driver in IN_FILES and found.get("State", {}).get("Status") != "created":
        with suppress(HostError, OSError):
            _keep(docker, name, (place or KEPT_LOGS) / app)


def _keep(docker: Docker, container: str, place: Path) -> None:
    words = ("logs", "--timestamps", container)
    said = docker.run(*words, check=False, seconds=LOG_SECONDS, last=KEPT_BYTES)
    if len(said) >= KEPT_BYTES:
        said = said.partition("\n")[2]  # the rest of a line
    if said:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(place / f"{container}.log", said.encode(errors="backslashreplace"), 0o600)
        for old in logs_of(place)[:-KEPT]:
            old.unlink(missing_ok=True)


def logs_of(place: Path) -> list[Path]:
    """The kept logs of an application, the oldest first; each has the name of its container."""
    return sorted(place.glob("*.log"), key=lambda file: file.stat().st_mtime)
