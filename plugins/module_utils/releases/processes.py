# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The further containers of a release, such as a Celery worker or a job: the options of each,
derived from the container that answers requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..host.places import CONTAINER_RUN, JOB_LABEL, PROCESS_LABEL, RELEASE_LABEL, ReleaseName
from .app import App, Process
from .command import shell_words
from .engines.known import engine_named
from .release import Release

# The names NAME-ID-pin and NAME-ID-command would clash with NAME-ID-PROCESS.
RESERVED = ("pin", "command")
JOB_STOP_SECONDS = 10  # that a job has after SIGTERM


def process_containers(
    app: App, container: Mapping[str, Any], variables: bool = False
) -> list[dict[str, Any]]:
    """The options of host/container.py for each process of an application.

    Args:
        app: an entry as normalize_apps returns it.
        container: the options of the container that answers requests; the others differ only in
        socket and command.
        variables: whether there are secrets that become variables, which our entrypoint does, and
        in other images the relay.
    """
    return [_container(app, container, process, variables) for process in app.processes]


def _container(
    app: App,
    container: Mapping[str, Any],
    process: Process,
    variables: bool,
) -> dict[str, Any]:
    return {
        **beside(container, process.name, process.command, app.server.in_runtime, variables),
        "name": f"{container['name']}-{process.name}",
        "stop_timeout": process.stop_seconds,
        "labels": {**container["labels"], PROCESS_LABEL: process.name},
    }


def job_container(release: Release, job: str, command: str) -> dict[str, Any]:
    """The options of the container of one job, as for a process of the release."""
    container, in_runtime = release.container, engine_named(release.engine).in_runtime
    return {
        **beside(container, job, command, in_runtime, bool(release.variables)),
        "name": ReleaseName(release.name, release.id).job(job),
        "stop_timeout": JOB_STOP_SECONDS,
        "labels": {**container["labels"], JOB_LABEL: job},
    }


def beside(
    container: Mapping[str, Any], name: str, command: str, in_runtime: bool, variables: bool
) -> dict[str, Any]:
    """The options of a container that runs a command beside the one that answers requests.

    Args:
        container: the options of the container that answers requests.
        name: of what it runs, within the application.
        command: its command line.
        in_runtime: whether the application server is in our runtime image.
        variables: whether there are secrets that become variables.
    """
    words = shell_words(command)
    # Without the application's name: it may have 63 characters.
    own_name = f"{name}-{container['labels'][RELEASE_LABEL]}"
    options = {
        **container,
        "hostname": own_name,
        "command": words,
        "volumes": [
            volume
            for volume in container["volumes"]
            if not volume.split(":")[1].startswith(f"{CONTAINER_RUN}/")
        ],
        "stop_signal": "SIGTERM",
    }
    if hosts := container.get("etc_hosts"):
        options["etc_hosts"] = {
            own_name if address == "127.0.0.1" else host: address for host, address in hosts.items()
        }
    if not in_runtime and variables:
        options["command"] = ["--run", *words]
    elif "entrypoint" in container or not in_runtime:
        # What the entrypoint of a user's image does with a command is unknown; ours runs it.
        options.update(entrypoint=words[:-1], command=words[-1:])
    return options


def one_off_command(app: App) -> list[str]:
    """The command of the container that runs release_command, for the relay where the relay is its
    first process; empty for none.
    """
    if not app.release_command:
        return []
    return [*([] if app.server.in_runtime else ["--run"]), *shell_words(app.release_command)]


def process_problems(processes: Sequence[Process]) -> list[str]:
    """What is wrong with the names of processes."""
    names = [process.name for process in processes]
    problems = [
        f"processes has {name!r} {names.count(name)} times; names must differ."
        for name in twice(names)
    ]
    problems += [
        f"processes: name must not be {name!r}, which is reserved for this collection's containers."
        for name in dict.fromkeys(names)
        if name in RESERVED
    ]
    return problems


def twice(names: Sequence[str]) -> list[str]:
    """The names that occur more than once."""
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
