# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs release_command in a container that was created for it, before the new code serves."""

from __future__ import annotations

from ..host.engine import Docker, NoAnswer, logs, tail
from ..host.files import HostError
from .advice import advice as advice_on
from .drain import remove

LINES = 40
READ = 1000  # lines in which advice is looked for


def run(docker: Docker, container: str, seconds: float) -> tuple[list[str], list[str]]:
    """Start the container, wait for its end, and remove it.

    Args:
        docker: the engine.
        container: the name of the container.
        seconds: how long it may take.

    Returns:
        The last lines of the output, and what to write differently by them.

    Raises:
        HostError: the command failed.
    """
    try:
        docker.run("start", container)
        try:
            code = docker.run("wait", container, seconds=seconds).strip()
        except NoAnswer:
            code = f"none within {seconds:g} s (release_command_seconds)"
        log = logs(docker, container, READ)
        advice = advice_on(log, docker.inspect(container))
    finally:
        remove([container], docker)
    if code != "0":
        said = "".join(f"\n  {line}" for line in tail(log, LINES)) or "\n  (nothing)"
        write = "".join(f"\n{words}" for words in advice)
        raise HostError(
            f"exit code {code}. The new release was not started. The last lines of its"
            f" output:{said}{write}"
        )
    return tail(log, LINES), advice
