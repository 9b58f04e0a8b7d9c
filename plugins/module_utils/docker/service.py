# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker.service, and where the engine logs."""

from __future__ import annotations

import glob
import os

from ..host.proc import command_line
from .facts import Service
from .look import read, run

INIT_PID_FILE = "/var/run/docker-ssd.pid"  # start-stop-daemon's, written by Docker's init script
LOG_LINES = 15
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "linked")
ACTIVE = ("active", "reloading", "activating", "deactivating")
# A service that is not there yet will be the one of the packages.
COMMAND = "dockerd -H fd:// --containerd=/run/containerd/containerd.sock"


def service(pid1: str) -> Service:
    """The service, of systemd or of an init script."""
    return _of_systemd() if pid1 == "systemd" else _of_init()


def _of_init() -> Service:
    pid = int(read(INIT_PID_FILE).strip() or 0)
    command = command_line(pid) if pid else ""
    active = os.path.basename(command.partition(" ")[0]) == "dockerd"
    return Service(
        active,
        enabled=bool(glob.glob("/etc/rc[2345].d/S??docker")),
        masked=False,
        sleeping=False,
        pid=pid if active else 0,
        command=command if active else "",
    )


def _of_systemd() -> Service:
    output = run(
        "systemctl",
        *("show", "docker.service", "docker.socket"),
        "--property=LoadState,ActiveState,UnitFileState,MainPID,ExecStart",
    )[1]
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in output.split("\n\n")
    ]
    unit, listener = [*blocks, {}, {}][:2]
    pid = int(unit.get("MainPID") or 0)
    active = unit.get("ActiveState") in ACTIVE
    command = command_line(pid) if pid else ""
    if not command and "argv[]=" in unit.get("ExecStart", ""):
        command = unit["ExecStart"].split("argv[]=", 1)[1].split(" ; ", 1)[0]
    return Service(
        active,
        enabled=unit.get("UnitFileState") in ENABLED,
        masked=unit.get("LoadState") == "masked",
        sleeping=not active and listener.get("ActiveState") == "active",
        pid=pid,
        command=command or COMMAND,
    )


def last_words(pid1: str) -> str:
    """The end of the log of the engine."""
    if pid1 == "systemd":
        lines = f"--lines={LOG_LINES}"
        return run("journalctl", "--unit=docker.service", lines, "--no-pager", "--output=cat")[1]
    return "\n".join(read("/var/log/docker.log").splitlines()[-LOG_LINES:])
