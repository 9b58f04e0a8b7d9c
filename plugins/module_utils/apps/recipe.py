# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of the runtime image: the directory of the role, and modules of this collection that
the image has as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..releases import replaced
from .sources import find
from .sources.source import write_context

# By its name in the image. The application is found, and replaced settings are known, by the same
# code on the controller and in the container.
SHARED = {"_find.py": find, "_replaced.py": replaced}


def shared_files() -> dict[str, bytes]:
    """The content of each file."""
    return {name: Path(str(module.__file__)).read_bytes() for name, module in SHARED.items()}


def write_recipe(target: BinaryIO, directory: str) -> None:
    """Write the recipe as a tar archive."""
    files = {name: content.decode() for name, content in shared_files().items()}
    write_context(target, directory, files, below="")
