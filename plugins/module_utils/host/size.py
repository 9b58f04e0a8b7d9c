# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as users and Docker write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([bkmgt]?)", re.IGNORECASE | re.ASCII)


def bytes_of(size: object) -> int:
    """How many bytes a size such as C(1g) or C(512m) is, in steps of 1024.

    Raises:
        ValueError: it is not a size.
    """
    found = _SIZE.fullmatch(str(size).strip())
    if not found:
        raise ValueError(f"must be a size such as 512m or 2g; got {size!r}")
    return int(float(found[1]) * 1024 ** "bkmgt".index(found[2].lower() or "b"))
