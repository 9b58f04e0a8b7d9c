# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs Ansible, and whether another run that began on this controller is still alive. Runs on
the controller.
"""

from __future__ import annotations

import getpass
import multiprocessing
import os
import socket
import uuid
from pathlib import Path

from ..host import proc
from .lock import Owner

BOOT = "/proc/sys/kernel/random/boot_id"


def this_run() -> Owner:
    """The run of this process, with a new token."""
    parent = (
        multiprocessing.parent_process()
    )  # tasks run in processes that ansible-playbook has forked
    pid = parent.pid if parent and parent.pid else os.getpid()
    return Owner(
        token=uuid.uuid4().hex[:12],
        who=f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}",
        controller=_controller(),
        boot=_read(BOOT),
        node=_node(),
        pid=pid,
        started=_started(pid),
    )


def is_dead(owner: Owner) -> bool:
    """Whether a run has certainly ended: it began on this controller, and its process is gone or
    the controller was rebooted.
    """
    if owner.controller != _controller() or not isinstance(owner.pid, int):
        return False
    boot, node = _read(BOOT), _node()
    same_boot = owner.boot == boot
    # Another boot id means another boot of this machine, or another machine of the same name: a CI
    # runner, a clone.
    if not (boot and same_boot) and not (node and owner.node == node):
        return False
    if not same_boot:
        return True
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return bool(owner.started) and _started(owner.pid) != owner.started


def _started(pid: int) -> str:
    """When a process began; "" where there is no /proc."""
    return str(proc.started(pid) or "")


def _controller() -> str:
    """The name of the machine, and of the process table in which a pid is valid."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return " ".join([socket.gethostname(), _read("/etc/machine-id"), namespace]).strip()


def _node() -> str:
    """The address of a network card; "" where none can be read, for which getnode() invents one
    with the multicast bit.
    """
    node = uuid.getnode()
    return "" if node >> 40 & 1 else f"{node:012x}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
