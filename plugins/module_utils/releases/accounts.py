# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name and the home of an application's user, in the /etc/passwd and /etc/group of its
container beside those of its image.
"""

from __future__ import annotations

import subprocess
import tarfile
import threading
from pathlib import Path

from ..host.engine import Docker
from ..host.files import write_file
from ..host.places import ACCOUNTS, CONTAINER_SPOOL

NAME = "app"
LARGEST = 1 << 20  # bytes; the image may be anybody's
SECONDS = 60


def write_accounts(docker: Docker, container: str, directory: Path, uid: int) -> None:
    """Write passwd and group of a release. They replace the image's lines with the same name or
    number.

    Args:
        docker: the engine.
        container: a container of the image; it need not run.
        directory: that of the release.
        uid: the user of the application.
    """
    own = (f"{NAME}:x:{uid}:{uid}:{NAME}:{CONTAINER_SPOOL}:/usr/sbin/nologin", f"{NAME}:x:{uid}:")
    for file, line in zip(ACCOUNTS, own, strict=True):
        found, place = _lines(docker, container, f"/etc/{file}"), directory / file
        if found is None:  # what an earlier run wrote has the image's lines too
            found = place.read_text().splitlines() if place.exists() else []
        lines = [there for there in found if not _clashes(there, uid)]
        write_file(place, "".join(f"{each}\n" for each in [*lines, line]).encode())


def _clashes(line: str, uid: int) -> bool:
    fields = line.split(":")
    return fields[0] == NAME or fields[2:3] == [str(uid)]


def _lines(docker: Docker, container: str, path: str) -> list[str] | None:
    """The lines of a file of an image; empty where it is not a plain file or is too large. At most
    LARGEST bytes are read.

    None where the engine returns nothing: the file is missing, or the engine is.
    """
    command = [docker.command, "cp", f"{container}:{path}", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        overdue = threading.Timer(SECONDS, process.kill)
        overdue.start()
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                member = archive.next()
                file = (
                    archive.extractfile(member)
                    if member and member.isreg() and member.size <= LARGEST
                    else None
                )
                return file.read().decode(errors="replace").splitlines() if file else []
        except tarfile.TarError:
            return None
        finally:
            overdue.cancel()
            process.kill()
