# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which distribution a host runs, by its os-release."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .typed import Typed

FILE = "/etc/os-release"


@dataclass(frozen=True)
class Distribution(Typed):
    """id: such as debian. version: such as 13 or 24.04. suite: such as trixie. name: as people
    write it, with the version.
    """

    id: str = ""
    version: str = ""
    suite: str = ""
    name: str = "an unknown system"

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """What an os-release says."""
        values = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", text, re.MULTILINE))
        return cls(
            values.get("ID", ""),
            values.get("VERSION_ID", ""),
            values.get("VERSION_CODENAME", ""),
            values.get("PRETTY_NAME", "an unknown system"),
        )
