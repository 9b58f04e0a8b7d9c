# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The static files of a release: copied out of its image without links, and compressed once."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from ..host.files import HostError, stable_time, stable_time_of
from ..host.places import ReleasePlace
from .app import Static
from .image_files import ImageFiles

# The types that become much smaller; the same that Nginx compresses.
TEXT = {
    ".css", ".htm", ".html", ".js", ".json", ".map", ".mjs", ".rss", ".svg", ".txt", ".wasm",
    ".webmanifest", ".xml",
}  # fmt: skip
NAME_BYTES = 255  # of a file name, on Linux
# The longest path, and the deepest directory, of a static file.
PATH_BYTES, DEEPEST = 2048, 200
LARGEST = 64 * 2**20  # bytes; compressing a larger file needs memory that a small host lacks
SMALLEST = 256  # bytes; a smaller file fits into one packet as it is


def write_static(
    files: ImageFiles, place: ReleasePlace, prefix: str, wanted: Iterable[Static]
) -> int:
    """Write static/ of a release as a whole: aside first, then by renaming.

    Args:
        files: the files of its image.
        place: the directory of the release.
        prefix: the path of the application; the files are stored by their URL path.
        wanted: the directories to copy.

    Returns:
        How many files were copied.
    """
    count = 0
    with tempfile.TemporaryDirectory(prefix=".static.", dir=place.directory) as aside:
        tree = Path(aside, "static")
        tree.mkdir()
        for static in wanted:
            with tempfile.TemporaryFile(dir=aside) as file:
                if files.copy_static(static, file):
                    file.seek(0)
                    with tarfile.open(fileobj=file) as archive:
                        count += extract(archive, Path(f"{tree}{prefix}{static.url}"))
        compress(tree)
        for path in [tree, *tree.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        if place.static.exists():
            place.static.rename(Path(aside, "old"))
        tree.rename(place.static)
        shutil.rmtree(Path(aside, "old"), ignore_errors=True)
    return count


def extract(archive: tarfile.TarFile, target: Path) -> int:
    """Write the files of an archive below a directory, without links and devices, and without hard
    links to them. Returns the number of files.
    """
    count = 0
    for member in archive:
        parts = Path(member.name).parts[1:]  # the first is the directory that was copied
        if not parts or ".." in parts or not _is_file(archive, member):
            continue
        if len(os.fsencode(member.name)) > PATH_BYTES or len(parts) > DEEPEST:
            words = f"a path must have at most {PATH_BYTES} bytes and {DEEPEST} parts"
            raise HostError(f"static: {member.name[:60]!r}… is too deep; {words}.")
        source = archive.extractfile(member)
        if source is None:
            continue
        path = target.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        total = sha256()
        with path.open("wb") as file:
            while block := source.read(1 << 20):
                total.update(block)
                file.write(block)
        path.chmod(0o644)
        os.utime(path, (stable_time_of(total.digest()),) * 2)
        count += 1
    return count


def _is_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    """Whether it is a regular file, or a hard link to one that is in the archive."""
    if not member.islnk():
        return member.isreg()
    try:
        return archive.getmember(member.linkname).isreg()
    except KeyError:
        return False


def compress(tree: Path) -> None:
    """Write name.gz beside each text file that gets smaller by it; a name.gz from the image is
    kept.
    """
    for path in [path for path in tree.rglob("*") if path.suffix in TEXT and path.is_file()]:
        packed = path.with_name(f"{path.name}.gz")
        if (
            len(os.fsencode(packed.name)) > NAME_BYTES
            or packed.exists()
            or not SMALLEST <= path.stat().st_size <= LARGEST
        ):
            continue
        content = path.read_bytes()
        small = gzip.compress(content, 9, mtime=0)
        if len(small) < len(content):
            packed.write_bytes(small)
            packed.chmod(0o644)
            os.utime(packed, (stable_time(content),) * 2)
