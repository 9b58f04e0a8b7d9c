# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of the role docker: the source of their checks and of the argument spec, which
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
    "manage": Option(
        kind="bool",
        about="""
            Whether Docker is installed and configured; V(false) only checks that a
            working engine answers.
        """,
    ),
    "source": Option(
        choices=("auto", *ENGINE_PACKAGE),
        about="""
            V(docker) is Docker's own APT repository, V(distribution) the packages of
            Ubuntu or Debian.

            V(auto) is V(docker) on Ubuntu and V(distribution) on Debian.
        """,
    ),
    "version": Option(
        strict=True,
        about="""
            A version of the engine to stay on, whole
            (V(5:27.3.1-1~ubuntu.24.04~noble)) or short (V(27.3), V(27.3.1)).

            Empty installs what the repository offers at the first run and keeps that version.
        """,
    ),
    "channel": Option(
        choices=("stable", "test"),
        about="Channel of Docker's repository.",
    ),
    "apt_url": Option(
        strict=True,
        about="""
            Address of Docker's repository or a mirror; empty is
            C(https://download.docker.com/linux/<distribution>).
        """,
    ),
    "apt_key_url": Option(
        strict=True,
        about="""
            Address of the repository's key, a file on the host, or the armoured key
            itself; empty is C(<docker_apt_url>/gpg).
        """,
    ),
    "users": Option(
        kind="list",
        elements=Option(
            strict=True,
            pattern=r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}\$?",
            allowed="the name of a user",
        ),
        about="""
            Existing users to add to the group C(docker), which makes them root on the
            host.
        """,
    ),
    "replace_engine": Option(
        kind="bool",
        about="Permits removing the packages of an engine that comes from another source.",
    ),
    "replace_daemon_config": Option(
        kind="bool",
        about="""
            Permits replacing a C(daemon.json) that this role did not write; a backup
            is kept.
        """,
    ),
}

# The argument spec also has the content of daemon.json, which dockerd itself checks.
DOCUMENTED: dict[str, Option] = {
    **INPUTS,
    "daemon_options": Option(
        kind="dict",
        about="""
            Content of C(daemon.json), merged deeply over the safe defaults (log
            rotation, live-restore, no userland proxy).

            V(null) removes a default.
        """,
    ),
}


def read(inputs: Mapping[str, Any]) -> tuple[Inputs, list[str]]:
    """The inputs, and those of a wrong type; if there are any, nothing else is checked."""
    values, problems = read_inputs(inputs, INPUTS, "docker_")
    options = inputs["daemon_options"]
    problems += shape_problems(options)
    return Inputs.from_dict({**values, "daemon_options": {} if problems else options}), problems
