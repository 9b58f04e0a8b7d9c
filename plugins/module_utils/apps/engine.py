# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of the application server, checked before any host is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..releases.replaced import UWSGI, UWSGI_KEYS, decided


def problems(app: Mapping[str, Any]) -> list[str]:
    """What does not fit together in a complete, well-formed entry."""
    return _uwsgi(app) if app["engine"] == "uwsgi" else []


def _uwsgi(app: Mapping[str, Any]) -> list[str]:
    uwsgi, timeout = app["uwsgi"], app["proxy"]["read_timeout_seconds"]
    found = []
    for option in uwsgi["options"]:
        if option in UWSGI or option in UWSGI_KEYS:
            found.append(f"uwsgi.options must not have {option}: {decided(option)}.")
    if uwsgi["harakiri_seconds"] >= timeout:
        found.append(
            f"uwsgi.harakiri_seconds is {uwsgi['harakiri_seconds']}, and Nginx waits {timeout} s for an answer "
            "(proxy.read_timeout_seconds): it would give up first, and nobody would see why. "
            "Write a smaller number, or a longer proxy.read_timeout_seconds."
        )
    if uwsgi["processes"] != "auto" and uwsgi["cheaper"] >= int(uwsgi["processes"]):
        found.append(f"uwsgi.cheaper must be less than uwsgi.processes, which is {uwsgi['processes']}; got {uwsgi['cheaper']}.")
    return found
