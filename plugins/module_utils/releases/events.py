# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a release."""

from __future__ import annotations

from typing import Any

from ..host import notify


def of_release(
    kind: str, why: str, app: str, action: str, before: str | None, to: str | None
) -> dict[str, Any]:
    """The event of a release that does not serve.

    Args:
        kind: release_failed or release_reverted.
        why: the reason, of which the event has the first line.
        app: its application.
        action: what the run does.
        before: the id of the release that serves; None without one.
        to: the id of the release; None where it is not known.
    """
    return notify.event(kind, why, app=app, action=action, **{"from": before, "to": to})
