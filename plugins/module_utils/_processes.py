# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The further containers of a release, such as a Celery worker: what each is, derived from the one that answers requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

LABEL = "host.flaskops.process"
# Beside NAME-ID-PROCESS there are NAME-ID-pin and NAME-ID-command.
RESERVED = ("pin", "command")
_RUN = "/run/flaskops/"

_QUOTED = re.compile(r"'[^']*'|\"(\\.|[^\"\\])*\"|\\.")
# More than one command, or something only a shell can do; 2>&1 is neither.
_COMPOUND = re.compile(r"[;|`]|(?<![<>])&|\$\(|^\s*[({!]")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_OF_THE_SHELL = frozenset((".", ":", "[", "case", "cd", "eval", "exec", "export", "for", "if", "set", "source", "test", "trap", "ulimit"))
_OF_THE_SHELL |= {"umask", "until", "while"}


def process_containers(app: Mapping[str, Any], container: Mapping[str, Any], variables: bool = False) -> list[dict[str, Any]]:
    """The options of community.docker.docker_container for each process of an application.

    Args:
        app: an entry as normalize_apps gives it.
        container: the options of the container that answers requests; but for socket and command the others are as it is.
        variables: whether there are secrets that become variables, which our entrypoint does, and in other images the relay.
    """
    return [_container(app, container, process, variables) for process in app["processes"]]


def _container(app: Mapping[str, Any], container: Mapping[str, Any], process: Mapping[str, Any], variables: bool) -> dict[str, Any]:
    line = shell_line(process["command"])
    # Without the application's name: it may have 63 characters.
    own_name = f"{process['name']}-{container['labels']['host.flaskops.release']}"
    options = {
        **container,
        "name": f"{container['name']}-{process['name']}",
        "hostname": own_name,
        "command": ["sh", "-c", line],
        "volumes": [volume for volume in container["volumes"] if not volume.split(":")[1].startswith(_RUN)],
        "stop_signal": "SIGTERM",
        "stop_timeout": process["stop_seconds"],
        "labels": {**container["labels"], LABEL: process["name"]},
    }
    if hosts := container.get("etc_hosts"):
        options["etc_hosts"] = {own_name if address == "127.0.0.1" else host: address for host, address in hosts.items()}
    if app["engine"] == "command" and variables:
        options["command"] = ["--run", "sh", "-c", line]
    elif "entrypoint" in container or app["engine"] == "command":
        # Of an image of one's own nobody knows what its entrypoint does with a command; ours runs it.
        options.update(entrypoint=["sh", "-c"], command=[line])
    return options


def shell_line(command: str) -> str:
    """A command line whose program takes the place of the shell, so that it is process 1 and gets the signal to stop.

    What is more than one command is left as it is: only who wrote it can say which of them is to be process 1.
    """
    line = command.strip()
    bare = _QUOTED.sub("q", line)
    words = bare.split()
    if _COMPOUND.search(bare) or not words or words[0] in _OF_THE_SHELL:
        return line
    return f"exec env {line}" if _ASSIGNED.match(words[0]) else f"exec {line}"


def process_problems(processes: Any) -> list[str]:
    """What is wrong with the names of processes; they may be malformed."""
    entries = processes if isinstance(processes, list) else []
    names = [str(entry["name"]) for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)]
    problems = [f"processes has {name!r} {names.count(name)} times; names have to differ." for name in _twice(names)]
    problems += [
        f"processes: name must not be {name!r}, which is reserved for this collection's containers."
        for name in dict.fromkeys(names) if name in RESERVED
    ]
    return problems


def _twice(names: Iterable[str]) -> list[str]:
    names = list(names)
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
