# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of a host that concern Docker, and its docker commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from .apt import INTERESTING_PACKAGES
from .facts import Cli
from .look import SYSTEM_PATH, run

PLUGINS = ("buildx", "compose")
PLUGIN_DIRECTORIES = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    str(Path.home() / ".docker/cli-plugins"),
]


def packages() -> tuple[dict[str, str], str]:
    """The versions of the installed ones, and the architecture."""
    line = "${Package} ${Version} ${Architecture} ${db:Status-Status}\n"
    output = run("dpkg-query", "--show", f"--showformat={line}", "dpkg", *INTERESTING_PACKAGES)[1]
    rows = [line.split() for line in output.splitlines() if line.endswith(" installed")]
    found = {row[0]: row for row in rows if len(row) == 4}
    architecture = found.pop("dpkg", ["", "", "", ""])[2]
    return {name: row[1] for name, row in found.items()}, architecture


def clis() -> Iterator[Cli]:
    """The docker commands, in the order of PATH."""
    directories = [*os.environ.get("PATH", "").split(":"), *SYSTEM_PATH.split(":"), "/snap/bin"]
    seen = set()
    for directory in directories:
        path = os.path.join(directory, "docker")
        real = os.path.realpath(path)
        fits = os.access(path, os.X_OK) and not os.path.isdir(path)
        if not directory.startswith("/") or real in seen or not fits:
            continue
        seen.add(real)
        kind = _kind(real)
        yield Cli(path, kind, *(_plugins(path) if kind == "docker" else [""] * len(PLUGINS)))


def _kind(path: str) -> str:
    if path.startswith("/snap/") or os.path.basename(path) == "snap":
        return "snap"
    with open(path, "rb") as file:
        head = file.read(4096)
    if head.startswith(b"\x7fELF"):
        return "docker"
    return "podman" if b"podman" in head else "other"


def _plugins(cli: str) -> list[str]:
    """The versions of its plugins; each takes a while to start."""
    with ThreadPoolExecutor(len(PLUGINS)) as beside:
        return list(beside.map(partial(_plugin, cli), PLUGINS))


def _plugin(cli: str, name: str) -> str:
    """The version of a plugin as this command finds it; "" for none."""
    if not any(os.access(f"{place}/docker-{name}", os.X_OK) for place in PLUGIN_DIRECTORIES):
        return ""
    code, output = run(cli, name, "version")
    words = [word.lstrip("v") for word in output.split() if word.lstrip("v")[:1].isdigit()]
    return words[0] if code == 0 and words else ""
