# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container's log goes, and its limit. The host decides it, so no release has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..host.engine import DAEMON_FILE, LOG_BOUND
from ..host.kept_logs import IN_FILES
from ..host.places import LABELS

JOURNAL = "journald"
# Where systemd has its journal, and the engine can write to it.
JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
# The messages have the labels of the container as fields, and its name as their identifier.
IN_JOURNAL = {"labels": ",".join(LABELS), "tag": "{{.Name}}"}


def has_journal() -> bool:
    """Whether this host has systemd's journal."""
    return JOURNAL_SOCKET.exists()


def field(label: str) -> str:
    """The field of a message that has a label of its container."""
    return re.sub("[^A-Z0-9]", "_", label.upper())


def log_of(
    info: Mapping[str, Any],
    daemon_file: str = DAEMON_FILE,
    chosen: str = "",
    journal: bool | None = None,
) -> dict[str, Any]:
    """C(log_driver) and C(log_options) for each container; both empty where the settings of the
    daemon apply, because somebody chose them.

    Args:
        info: the output of C(docker info).
        daemon_file: the daemon's settings, which C(docker info) does not show.
        chosen: the driver that docker_daemon_options names; "" where it names none.
        journal: whether the host has systemd's journal; None to look.
    """
    try:
        settings = json.loads(Path(daemon_file).read_text())
        bounds = settings.get("log-opts") or {}
        bounded = "max-size" in bounds
        named = "log-driver" in settings
    except (OSError, ValueError, AttributeError, TypeError):
        bounds, bounded, named = {}, False, False
    driver = info.get("LoggingDriver", "")
    # The file has neither, or what the role docker writes where nobody chose.
    by_default = driver == "json-file" and (bounds == LOG_BOUND or not (bounds or named))
    if by_default and not chosen and _can_use_journal(info, journal):
        return {"log_driver": JOURNAL, "log_options": IN_JOURNAL}
    if driver not in IN_FILES or bounded:
        return {"log_driver": "", "log_options": {}}
    return {
        "log_driver": driver,
        "log_options": {key: value for key, value in LOG_BOUND.items() if key not in bounds},
    }


def log_words(driver: str, options: Mapping[str, str]) -> list[str]:
    """The arguments of docker create for the log of a container; none where the daemon decides."""
    words = ["--log-driver", driver] if driver else []
    for key, value in options.items():
        words += ["--log-opt", f"{key}={value}"]
    return words


def _can_use_journal(info: Mapping[str, Any], journal: bool | None) -> bool:
    drivers = (info.get("Plugins") or {}).get("Log") or []
    return JOURNAL in drivers and (has_journal() if journal is None else journal)
