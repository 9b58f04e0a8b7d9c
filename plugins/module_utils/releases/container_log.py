# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit of a container's log. The host decides it, so no release has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..host.engine import DAEMON_FILE, LOG_BOUND

IN_FILES = ("json-file", "local")  # the others, such as journald, have their own limits


def log_of(info: Mapping[str, Any], daemon_file: str = DAEMON_FILE) -> dict[str, Any]:
    """C(log_driver) and C(log_options) for each container; both empty where the daemon limits logs
    itself or writes no files.

    Args:
        info: the output of C(docker info).
        daemon_file: the daemon's settings, which C(docker info) does not show.
    """
    try:
        settings = json.loads(Path(daemon_file).read_text())
        bounds = settings.get("log-opts") or {}
        bounded = "max-size" in bounds
    except (OSError, ValueError, AttributeError, TypeError):
        bounds, bounded = {}, False
    driver = info.get("LoggingDriver", "")
    if driver not in IN_FILES or bounded:
        return {"log_driver": "", "log_options": {}}
    return {
        "log_driver": driver,
        "log_options": {key: value for key, value in LOG_BOUND.items() if key not in bounds},
    }
