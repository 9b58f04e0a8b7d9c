# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads files out of an image, through a container of it that never starts."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import IO

from ..host.engine import Docker
from ..host.files import HostError
from ..host.shown import shown
from .app import Static

SECONDS = 600
# Files that keep an empty directory in a repository.
PLACEHOLDERS = (".gitkeep", ".gitignore", ".keep")


class ImageFiles:
    """The files of one image.

    Args:
        docker: the engine.
        container: a container of the image.
        image: its name, for messages.
    """

    def __init__(self, docker: Docker, container: str, image: str) -> None:
        self.docker, self.container, self.image = docker, container, image

    def first(self, path: str) -> str:
        """The first file below a directory, as a path; "" when it has none. Reading stops at that
        file.
        """
        with subprocess.Popen(
            self._copy(path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    parts = (
                        Path(member.name).parts[1:] for member in archive if not member.isdir()
                    )
                    return next(
                        (
                            str(Path(path, *each))
                            for each in parts
                            if each and each[-1] not in PLACEHOLDERS
                        ),
                        "",
                    )
            except tarfile.TarError:
                return ""
            finally:
                process.kill()

    def copy_static(self, static: Static, target: IO[bytes]) -> bool:
        """Write a tar archive of a directory; False when it is missing and not required."""
        path = str(Path("/app", static.path))
        done = subprocess.run(
            self._copy(path),
            stdout=target,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        if done.returncode == 0:
            return True
        missing = "ould not find the file" in done.stderr or "No such container:path" in done.stderr
        if missing and not static.required:
            return False
        why = "is not in" if missing else "could not be copied from"
        raise HostError(
            f"static: {path} {why} the image {self.image}: {shown(done.stderr.strip())}"
        )

    def _copy(self, path: str) -> list[str]:
        return [self.docker.command, "cp", f"{self.container}:{path}", "-"]
