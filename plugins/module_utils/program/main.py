# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the program on the host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..nginx import renew
from ..nginx.files import read_text


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
    parser.parse_args(arguments)
    _sweep()
    failures, warnings = renew.renew_all()
    sys.stderr.writelines(f"{words}\n" for words in [*failures, *warnings])
    return 1 if failures else 0


def _sweep() -> None:
    """Remove earlier versions of this program, if it is the one that is started."""
    own = Path(sys.argv[0]).resolve()
    if own.suffix == ".pyz" and any(own.name in read_text(unit) for unit in renew.UNITS):
        for other in own.parent.glob("flaskops-*.pyz"):
            if other != own:
                other.unlink(missing_ok=True)
