# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of the docker role as a table for _options. Pure. What a host makes of them is in
_docker_checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..inputs.options import Option, read_inputs
from .apt import ENGINE_PACKAGE
from .daemon import shape_problems

INPUTS: dict[str, Option] = {
    "manage": Option(kind="bool"),
    "source": Option(choices=("auto", *ENGINE_PACKAGE)),
    "version": Option(strict=True),
    "channel": Option(choices=("stable", "test")),
    "apt_url": Option(strict=True),
    "apt_key_url": Option(strict=True),
    "users": Option(
        kind="list",
        elements=Option(
            strict=True,
            pattern=r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}\$?",
            allowed="the name of a user",
        ),
    ),
    "replace_engine": Option(kind="bool"),
    "replace_daemon_config": Option(kind="bool"),
}


def problems(inputs: Mapping[str, Any]) -> list[str]:
    """What is of a wrong kind, with which nothing further can be said."""
    return [*read_inputs(inputs, INPUTS, "docker_")[1], *shape_problems(inputs["daemon_options"])]
