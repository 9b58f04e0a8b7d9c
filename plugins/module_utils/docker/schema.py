# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of the role docker: the one source of their checks and of its argument spec, which
bin/docs writes. Pure. checks.py compares them with the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..inputs.options import Option, read_inputs
from .apt import ENGINE_PACKAGE
from .daemon import shape_problems
from .facts import Inputs

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


def read(inputs: Mapping[str, Any]) -> tuple[Inputs, list[str]]:
    """The inputs, and what is of a wrong kind; with that, nothing else is checked."""
    values, problems = read_inputs(inputs, INPUTS, "docker_")
    options = inputs["daemon_options"]
    problems += shape_problems(options)
    return Inputs.from_dict({**values, "daemon_options": {} if problems else options}), problems
