# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel follows a link that an application has put into a directory that it may write
to; every run tests this.

An application creates its socket itself, so it could create a link to a neighbour's socket instead.
The directory belongs to root and is sticky: with fs.protected_symlinks=1, which the distributions
set, the kernel follows there only links of the directory's owner (proc_sys_fs(5)), for Nginx as for
root.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..host.files import HostError, write_file

SETTING = Path("/proc/sys/fs/protected_symlinks")
AT_BOOT = Path("/etc/sysctl.d/60-flaskops.conf")
WORDS = b"""# Written by flaskops.host: Nginx follows no link that an application created.
fs.protected_symlinks = 1
"""
NOBODY = 65534


def is_followed() -> bool:
    """Create a link of another user in a sticky directory of root, and try to follow it."""
    with tempfile.TemporaryDirectory(prefix="flaskops-planted-") as closed:
        # Below a directory that only root enters, so that nobody else puts anything into it.
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
    """Make the kernel refuse such links, now and at boot. Returns what was done; empty where the
    host refuses them already.
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
