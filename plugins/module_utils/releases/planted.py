# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel follows a link that an application has put into a directory that it may write
to; every run tries it.

An application makes its socket itself, so it could put a link to a neighbour's socket in its place.
The directory is root's and sticky: with fs.protected_symlinks=1, which the distributions set, the
kernel follows there no link of another owner than the directory's (proc_sys_fs(5)), neither for
Nginx nor for root.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..host.files import HostError, write_file

SETTING = Path("/proc/sys/fs/protected_symlinks")
AT_BOOT = Path("/etc/sysctl.d/60-flaskops.conf")
WORDS = b"""# Written by flaskops.host: no link of an application leads Nginx out of the directory of its socket.
fs.protected_symlinks = 1
"""
NOBODY = 65534


def is_followed() -> bool:
    """Plant a link of somebody else's in a sticky directory of root's, and try to follow it."""
    with tempfile.TemporaryDirectory(prefix="flaskops-planted-") as closed:
        # Below a directory that nobody else enters, so that nobody puts anything into it.
        place = Path(closed, "sticky")
        place.mkdir()
        place.chmod(0o1777)
        link = place / "link"
        link.symlink_to("/")
        os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
        try:
            link.stat()
        except PermissionError:
            return False
        return True


def protect(check_mode: bool = False) -> list[str]:
    """Have the kernel refuse such links, now and at boot. Returns what was done, nothing where the
    host has it already.
    """
    if not is_followed():
        return []
    if not check_mode:
        try:
            SETTING.write_text("1\n")
            AT_BOOT.parent.mkdir(exist_ok=True)
            write_file(AT_BOOT, WORDS)
        except OSError as error:
            raise HostError(_refusal(f"cannot be set here ({error})")) from error
        if is_followed():
            raise HostError(_refusal("has no effect here"))
    return ["set fs.protected_symlinks to 1, now and at boot"]


def _refusal(why: str) -> str:
    return (
        "fs.protected_symlinks must be 1 on this host, or an application could lead Nginx to the"
        f" socket of another by a link; it {why}. Nothing was changed. Set it as root on the"
        " machine itself: sysctl -w fs.protected_symlinks=1"
    )
