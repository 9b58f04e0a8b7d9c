# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel kills processes of a container for lack of memory, by the kernel's own
counters.

A server whose workers are killed starts them again and goes on answering, so neither its container
nor its health check shows it. The counters are those of the control group: memory.events of version
2, memory.oom_control of version 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..host.engine import Docker, inspected
from .engines.known import engine_in

# One may be an accident, such as a request that was too large; from this number on it is the rule.
TOO_MANY = 2
FULL = 0.9  # of its limit


def killed(pid: int, root: Path = Path("/")) -> int:
    """How many processes the kernel has killed in the control group of a process, for lack of
    memory.
    """
    for directory, file in (
        (_group(pid, root, ""), "memory.events"),
        (_group(pid, root, "memory"), "memory.oom_control"),
    ):
        try:
            counters = dict(line.split() for line in (directory / file).read_text().splitlines())
            return int(counters.get("oom_kill", 0))
        except (OSError, ValueError):
            continue
    return 0


def is_full(pid: int, root: Path = Path("/")) -> bool:
    """Whether that group has little room left."""
    for directory, usage, limit in (
        (_group(pid, root, ""), "memory.current", "memory.max"),
        (_group(pid, root, "memory"), "memory.usage_in_bytes", "memory.limit_in_bytes"),
    ):
        try:
            # The page cache fills it too, and can be reclaimed.
            counters = dict(
                line.split() for line in (directory / "memory.stat").read_text().splitlines()
            )
            held = int((directory / usage).read_text()) - int(
                counters.get("total_inactive_file", counters.get("inactive_file", 0))
            )
            return held >= FULL * int((directory / limit).read_text())
        except (OSError, ValueError):  # no limit is the word "max"
            continue
    return False


def advice(container: Mapping[str, Any], count: int) -> str:
    """What to write so that it does not run out of memory.

    Args:
        container: what C(docker inspect) says of it.
        count: how many processes were killed.
    """
    limit = int(container.get("HostConfig", {}).get("Memory") or 0) >> 20
    engine = engine_in(container)
    fewer = f", or fewer processes in {engine.processes}" if engine and engine.processes else ""
    return (
        f"the kernel killed {count} of its processes, because they need more than"
        f" resources.memory{f' ({limit}m)' if limit else ''}; write a larger"
        f" resources.memory{fewer}."
    )


def starved(docker: Docker, containers: Iterable[str]) -> dict[str, str]:
    """The containers that run out of memory, with what to write; one call for all of them."""
    counted = {
        name: (entry, killed(int(entry["State"].get("Pid") or 0)))
        for name, entry in inspected(docker, containers).items()
    }
    return {
        name: advice(entry, count) for name, (entry, count) in counted.items() if count >= TOO_MANY
    }


def in_status(container: Mapping[str, Any]) -> str:
    """What the status adds to the health of a container; "" where all is well."""
    count = killed(int(container.get("State", {}).get("Pid") or 0))
    return f", {count} processes killed for lack of memory" if count >= TOO_MANY else ""


def _group(pid: int, root: Path, controller: str) -> Path:
    """The directory of the control group that a process is in; with controller "" that of version
    2.
    """
    try:
        lines = (root / f"proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return root / "nowhere"
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return root / "sys/fs/cgroup" / controller / path.lstrip("/")
    return root / "nowhere"
