# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the program on the host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..host import host_program
from ..host.files import HostError
from ..nginx import renew
from . import backup, job

_BACKUPS = {
    "backup": backup.save,
    "drill": backup.drill,
    "end-backup": backup.end,
    "end-drill": backup.end,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="flaskops", description="What flaskops.host does on this host between two runs."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "renew",
        help="renew the certificates that need it",
        description="Renews the certificates of sites with tls: acme whose lifetime is nearly"
        " over. The site keeps its old one if that fails.",
    )
    for command, words in (
        ("job", "run a job of an application"),
        ("end-job", "clean up after a job whose program was killed"),
    ):
        own = commands.add_parser(command, help=words, description=f"{words.capitalize()}.")
        own.add_argument("file", type=Path, help="the file that describes the job")
    for command, words in (
        ("backup", "save the data of an application"),
        ("drill", "restore the newest backup of an application on trial"),
        ("end-backup", "clean up after a backup whose program was killed"),
        ("end-drill", "clean up after a drill whose program was killed"),
    ):
        own = commands.add_parser(command, help=words, description=f"{words.capitalize()}.")
        own.add_argument("root", help="the directory of the releases")
        own.add_argument("app", help="the name of the application")
    given = parser.parse_args(arguments)
    _sweep()
    if given.command != "renew":
        try:
            if step := _BACKUPS.get(given.command):
                return step(given.root, given.app)
            return {"job": job.run, "end-job": job.end}[given.command](given.file)
        except (HostError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return job.NOT_STARTED
    failures, warnings = renew.renew_all()
    sys.stderr.writelines(f"{words}\n" for words in [*failures, *warnings])
    return 1 if failures else 0


def _sweep() -> None:
    """Remove earlier versions of this program, if it is one that is started."""
    own = Path(sys.argv[0]).resolve()
    if own.suffix == ".pyz" and own.name in host_program.used():
        host_program.sweep(own)
