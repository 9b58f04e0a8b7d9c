# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the archive of the program, on the controller: the same files give the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

ROOMS = ("backups", "host", "inputs", "images", "nginx", "program", "releases")
PACKAGE = "flaskops"
MAIN = f"""import sys

from {PACKAGE}.program.main import main

sys.exit(main())
"""
SHEBANG = b"#!/usr/bin/env -S python3 -I\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can have


@cache
def _files() -> dict[str, bytes]:
    """The content of each file, by its name in the archive."""
    here = Path(__file__).parents[1]
    files = {"__main__.py": MAIN.encode(), f"{PACKAGE}/__init__.py": b""}
    for room in ROOMS:
        for path in (here / room).rglob("*.py"):
            files[f"{PACKAGE}/{path.relative_to(here)}"] = path.read_bytes()
    return files


@cache
def archive() -> bytes:
    """The whole file, executable by Python."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in sorted(_files().items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, content)
    return SHEBANG + buffer.getvalue()


@cache
def name() -> str:
    """The name of the file, with its version: a part of the digest of its content, which no
    compression changes.
    """
    digest = hashlib.sha256()
    for path, content in sorted(_files().items()):
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return f"{PACKAGE}-{digest.hexdigest()[:12]}.pyz"
