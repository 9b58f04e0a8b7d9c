# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts over directories of an image: which directories may be covered, and what the keys for it
name twice.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..host.places import ACCOUNTS, CONTAINER_RUN, CONTAINER_SECRETS, CONTAINER_SETTINGS
from .app import App

# Where the code of an image is, unless the application's Dockerfile puts it elsewhere.
CODE = "/app"
# Where data_files are in the container, on the volume <name>-data-files.
DATA_FILES = "/var/lib/data-files"
# The label of a container whose source has databases where nothing may be written: directories,
# which end with a slash, and files.
DATABASE = "host.flaskops.database"
# The code, the interpreter, the server, or what the system needs: without them nothing starts.
_NEEDED = frozenset(
    (
        "/",
        CODE,
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib64",
        "/opt",
        "/opt/app",
        "/opt/pip",
        "/opt/runtime",
        "/proc",
        "/sbin",
    )
) | frozenset(
    (
        "/sys",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local",
        "/usr/local/bin",
        "/usr/local/lib",
        "/usr/sbin",
    )
)
# Where the role mounts its own files.
OURS = (
    CONTAINER_RUN,
    CONTAINER_SETTINGS,
    CONTAINER_SECRETS,
    *(f"/etc/{file}" for file in ACCOUNTS),
)


def place(path: str) -> str:
    """A path of a container, normalised."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def is_inside(path: str, places: Iterable[str]) -> bool:
    """Whether a path is one of these places, or below one."""
    return any(f"{path}/".startswith(f"{each}/") for each in places)


def as_volumes(directories: list[str], app: str) -> str:
    """Each place on a volume that is named after it, for the key volumes; where two have the same
    name, after the whole path.
    """
    last = [
        "data" if path == f"{CODE}/instance" else posixpath.basename(path) for path in directories
    ]
    names = [
        name if last.count(name) == 1 else path.strip("/").replace("/", "-")
        for name, path in zip(last, directories, strict=True)
    ]
    return ", ".join(f"{app}-{name}:{path}" for name, path in zip(names, directories, strict=True))


def hides_needed(path: str) -> bool:
    """Whether a directory in this place would hide what the container needs."""
    return place(path) in _NEEDED


def not_kept(found: Iterable[str], covered: Iterable[str], data_files: Iterable[str]) -> list[str]:
    """The places of databases that are neither on a volume nor in another writable directory."""
    kept = {f"{CODE}/{file}" for file in data_files}
    directories = [*map(place, covered), "/tmp", "/var/tmp"]
    return [
        path
        for path in found
        if not is_inside(path.rstrip("/"), directories)
        and path not in kept
        and not any(file.startswith(path) for file in kept)
    ]


def cover_problems(app: App) -> list[str]:
    """What is wrong with writable, volumes and data_files of an entry."""
    writable, volumes = app.writable, [volume.split(":")[1] for volume in app.volumes]
    problems = [
        f"writable must not have {path}: an empty directory would hide what is there in the"
        " image. Name the directory below it that the application writes to, such as /app/cache;"
        " for a file beside the code, write data_files: [NAME]."
        for path in dict.fromkeys(writable)
        if hides_needed(path)
    ]
    problems += [
        f"volumes must not cover {path}: a volume would hide what is there in the image, or keep"
        " that of the first release forever. Name the directory below it that the application"
        " writes to, such as /app/uploads; for a file beside the code, write data_files: [NAME]."
        for path in dict.fromkeys(volumes)
        if hides_needed(path)
    ]
    targets = [place(path) for path in (*writable, *volumes)]
    problems += [
        f"writable and volumes have {path} {targets.count(path)} times; keep it once: in volumes"
        " when it must last."
        for path in dict.fromkeys(targets)
        if targets.count(path) > 1
    ]
    problems += [
        f"{path} is the role's own in the container; choose another place."
        for path in dict.fromkeys(targets)
        if is_inside(path, OURS)
    ]
    return problems + _data_file_problems(app, targets)


def _data_file_problems(app: App, targets: list[str]) -> list[str]:
    files = [_below_code(file) for file in app.data_files]
    names = [data_file(file) for file in files]
    problems = [
        f"data_files has {file} twice, or another file with the same name; keep one."
        for file in dict.fromkeys(files)
        if names.count(data_file(file)) > 1
    ]
    covered = {
        file: path for file in files for path in targets if f"{CODE}/{file}".startswith(f"{path}/")
    }
    problems += [
        f"data_files has {file}, and {path} is on a volume or writable already; leave it out."
        for file, path in covered.items()
    ]
    if files and DATA_FILES in targets:
        problems.append(
            f"{DATA_FILES} is where data_files are in the container; choose another place for the"
            " volume."
        )
    return problems


def _below_code(file: str) -> str:
    return place(file).removeprefix(f"{CODE}/").lstrip("/")


def data_file(file: str) -> str:
    """The name of a file below the code on the volume: in its top directory, the only one that
    belongs to the application.
    """
    return file.replace("/", "_")


def with_data_files(app: App) -> App:
    """A complete entry with the volume of its data_files."""
    if not app.data_files:
        return app
    if app.build.kind != "source":
        return replace(app, data_files=())
    volume = f"{app.name}-data-files:{DATA_FILES}"
    files = tuple(map(_below_code, app.data_files))
    return replace(app, data_files=files, volumes=(*app.volumes, volume))


def warnings(
    name: str,
    image: Mapping[str, Any],
    container: Mapping[str, Any],
    first_file: Callable[[str], str],
) -> list[str]:
    """Which files of an image an application does not find, or loses, because of what is mounted
    over them and what is not.

    Args:
        name: the application.
        image: the output of C(docker image inspect).
        container: the options of the container.
        first_file: returns a file of the image below a directory, or "".
    """
    writable = [mount.partition(":")[0] for mount in container.get("tmpfs") or []]
    hidden = {path: file for path in writable if path != "/tmp" and (file := first_file(path))}
    words = [
        f"writable has {path}, which hides files of the image, such as {file}. Where the"
        f" application needs them, write volumes: [{as_volumes([path], name)}], which begins with"
        " them, or writable with a directory below."
        for path, file in hidden.items()
    ]
    targets = [
        place(path)
        for path in (
            *writable,
            *(volume.split(":")[1] for volume in container.get("volumes") or []),
        )
    ]
    declared = [place(path) for path in (image.get("Config") or {}).get("Volumes") or {}]
    lost = sorted(path for path in declared if not is_inside(path, targets))
    if lost:
        words.append(
            f"its image keeps data in {', '.join(lost)} (VOLUME), which is removed with each"
            f" release: write volumes: [{as_volumes(lost, name)}], or writable: [{', '.join(lost)}]"
            " for data that may be lost."
        )
    return words
