# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are, for tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils.host.places import Place


def places(root: str) -> dict[str, str]:
    """Where things are on a host that belong to no release."""
    return Place(root).for_tasks


class FilterModule:
    """What Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"places": places}
