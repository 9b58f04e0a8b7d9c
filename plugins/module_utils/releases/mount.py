# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount what applications write to without set-uid programs and devices (mount(8): nosuid, nodev),
now and at boot.

The directory of the releases is mounted on itself. Docker's mounts of directories below it inherit
both options when a container starts. Everything below is on one mount, so that renames work there.
Where the mount is missing, everything works as before, and the next run creates it again.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..host.files import HostError, write_file
from ..host.places import Place
from .lock import exclusive

SYSTEMD = Path("/run/systemd/system")
UNIT = Path("/etc/systemd/system/flaskops-mount.service")
# Not a .mount unit: its name is derived from the path, so it would hide an entry of fstab for a
# disk that is mounted there.
WORDS = """# Written by flaskops.host: set-uid programs and devices of applications are ignored.
[Unit]
Description=Mount the releases of Flask applications without set-uid programs and devices
RequiresMountsFor={place}
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount -o bind,nosuid,nodev {place} {place}

[Install]
WantedBy=docker.service
"""


def is_closed(place: Path) -> bool:
    """Whether the kernel ignores set-uid bits and devices there."""
    wanted = os.ST_NOSUID | os.ST_NODEV
    return os.statvfs(place).f_flag & wanted == wanted


def protect(root: str, check_mode: bool = False) -> list[str]:
    """Mount the directory of the releases so. Returns what was done; empty where it is already
    mounted so.

    Args:
        root: flask_apps_root.

    Raises:
        HostError: the host does not allow it.
    """
    place = Place(root).apps
    if place.is_dir() and is_closed(place):
        return []
    if not check_mode:
        with exclusive(root):
            _mount(place)
    return [
        (
            f"mounted {place} nosuid,nodev, now and at boot"
            if SYSTEMD.is_dir()
            else f"mounted {place} nosuid,nodev"
        )
    ]


def _mount(place: Path) -> None:
    if is_closed(place):  # by another run, meanwhile
        return
    if SYSTEMD.is_dir():
        write_file(UNIT, WORDS.format(place=place).encode())
        for words in (["daemon-reload"], ["enable", UNIT.name], ["restart", UNIT.name]):
            _run(["systemctl", *words])
    else:
        _run(["mount", "-o", "bind,nosuid,nodev", str(place), str(place)])
    if not is_closed(place):
        raise HostError("the mount has no effect here")


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise HostError(
            f"{' '.join(command)}:"
            f" {(done.stderr or done.stdout).strip() or f'exit code {done.returncode}'}"
        )
