# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of an application: a line of JSON for each run that changed it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..host.files import append_line, now
from ..host.places import Place
from ..host.shown import cut
from .lock import Owner


def write(
    root: str,
    name: str,
    by: Owner | None,
    *,
    action: str | None,
    before: str | None,
    to: str | None,
    result: str,
    reason: str = "",
    state: str | None = None,
    seconds: float | None = None,
    drained: Mapping[str, float] | None = None,
) -> None:
    """Record what a run has done.

    Args:
        root: the directory of the releases.
        name: the application.
        by: that run; None where its lock is gone.
        action: C(deploy), C(rollback) and the like.
        before: the release that served before it.
        to: the release that the run was about.
        result: how it went.
        reason: why it went so.
        state: the wanted state of the application.
        seconds: how long it took.
        drained: what became of the connections to the release that served before.

    Raises:
        OSError: the line could not be written; the file is as before.
    """
    line = {
        "time": now(),
        "who": by.who if by else None,
        "app": name,
        "action": action,
        "from": before,
        "to": to,
        "state": state,
        "result": result,
        "reason": cut(reason),
        "seconds": seconds,
        "drained": drained,
    }
    append_line(Place(root).app(name).audit, json.dumps(line))
