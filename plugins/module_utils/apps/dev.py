# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application on the machine of its developer: the container of its release, with the source
mounted and a port on loopback.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..host.container import Container
from ..host.engine import Docker
from ..host.places import (
    CONTAINER_RUN,
    CONTAINER_SETTINGS,
    CONTAINER_SPOOL,
    CONTEXT,
    ENVIRONMENT,
    LABEL,
    ReleasePlace,
)
from ..images import dockerfile
from ..images.build import build
from ..images.unpack import unpack
from ..inputs.options import merge
from ..releases.app import App
from ..releases.secrets import PLACE as SECRETS
from ..releases.secrets import config_mounts, laid
from ..releases.uids import as_user
from .sources.source import source_files, write_context

PORT = 5000  # in the container
UID = 10001  # that of the runtime image, which has its name and its home
# Keys that concern a host, or another origin of the source.
DROPPED = ("git", "image", "image_archive", "registry", "site", "state", "processes", "services")
ENTRYPOINT = ["/opt/runtime/bin/python3", "-I", "/opt/runtime/flaskops/entrypoint.py"]


def dev_entry(
    apps: Sequence[Mapping[str, Any]], source: str, source_root: str, keys: Mapping[str, Any]
) -> dict[str, Any]:
    """The matching entry of flask_apps, for the machine of its developer.

    Args:
        apps: flask_apps of the inventory, if there is one.
        source: the directory of the application.
        source_root: where the sources of C(apps) start from.
        keys: what was said on the command line; it goes first.
    """
    directory = Path(source).resolve()
    known = [
        app
        for app in apps
        if isinstance(app, Mapping)
        and (app.get("name") == keys.get("name") or _lies_in(app, source_root, directory))
    ]
    name = (
        keys.get("name")
        or re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-")[:40].strip("-")
        or "app"
    )
    entry = merge(known[0] if known else {"name": name, "path": f"/{name}"}, keys)
    return {
        **{key: value for key, value in entry.items() if key not in DROPPED},
        "source": str(directory),
    }


def _lies_in(app: Mapping[str, Any], source_root: str, directory: Path) -> bool:
    source = app.get("source")
    return (
        isinstance(source, str)
        and bool(source)
        and Path(source_root, os.path.expanduser(source)).resolve() == directory
    )


def source_mounts(app: App, files: Sequence[str]) -> dict[str, str]:
    """Where directories of the source are in the image: the path there, and the directory below the
    source ("" for all of it).

    Args:
        app: a complete entry.
        files: those of its source.
    """
    if app.build.kind != "dockerfile":
        return {"/app": ""}
    chain = dockerfile.last_chain(
        dockerfile.stages(Path(app.source, app.build.dockerfile).read_text())
    )
    counts: dict[tuple[str, str], int] = {}
    for path, file in dockerfile.copied(chain, files, dockerfile.environment(chain)).items():
        there, here = PurePosixPath(path), PurePosixPath(file)
        if there.name == here.name:
            pair = str(there.parent), str(here.parent).removeprefix(".")
            counts[pair] = counts.get(pair, 0) + 1
    # Of two directories that are copied to one place the one with more files is the application, or
    # the later one.
    best = {
        target: directory
        for (target, directory), _count in sorted(counts.items(), key=lambda item: item[1])
    }
    kept: dict[str, str] = {}
    for target in sorted(best):
        above = next((other for other in reversed(kept) if target.startswith(f"{other}/")), None)
        if above is not None:
            beside = Path(app.source, kept[above], target[len(above) + 1 :])
            if beside == Path(app.source, best[target]) or not beside.is_dir():
                # it comes with the other one, or there is nothing that it could be mounted on
                continue
        if target != "/":
            kept[target] = best[target]
    return kept


def prepare(
    docker: Docker, release: Mapping[str, Any], place: Path, port: int, trust: Mapping[str, str]
) -> dict[str, Any]:
    """Build the image of an application, and write the files of its container on this machine.

    Args:
        docker: the engine of the developer.
        release: as P(flaskops.host.releases#lookup) gives it.
        place: a directory of this run.
        port: where the application is found on loopback.
        trust: C(ca_bundle) and C(index_url) of the build.

    Returns:
        What C(dev_run) gives.
    """
    # Separate from those of releases, which a deploy examines.
    image = f"flaskops-dev/{release['name']}:latest"
    before = docker.inspect(image, "image")
    app, archive, path = App.from_dict(release["app"]), place / CONTEXT, place / "build"
    with archive.open("wb") as file:
        write_context(file, app.source, {}, "app/" if app.build.kind == "source" else "")
    context = {"path": path, "archive": archive, "dockerfile": release["dockerfile"], **trust}
    build(docker, str(path), image, unpack(context))
    found = docker.inspect(image, "image")
    if before and before["Id"] != found["Id"]:
        # A container of the last run may still use it.
        docker.run("image", "rm", before["Id"], check=False)
    _write_files(release, place)
    return dev_run(release, str(place), port, image, found["Config"])


def _write_files(release: Mapping[str, Any], place: Path) -> None:
    for name, text in release["files"].items():
        _write(place / name, text, 0o600 if name == ENVIRONMENT else 0o644)
    if release["secrets"]:
        # The user of the container may be another than the developer; the directory above is closed
        # to everybody else.
        secrets = ReleasePlace(place).secrets
        secrets.mkdir()
        secrets.chmod(0o755)
        for name, text in release["secrets"].items():
            _write(secrets / name, text, 0o444)


def _write(path: Path, text: str, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    path.chmod(mode)


def dev_run(
    release: Mapping[str, Any], place: str, port: int, image: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    """The name of the container, the path of the application without its last slash, and the words
    of C(docker run).

    Args:
        release: as P(flaskops.host.releases#lookup) gives it.
        place: the directory on this machine with the files of the release.
        port: where the application is found on loopback.
        image: the image that was built.
        config: the engine's own words about it; they start the server of one that is not ours.
    """
    app, options = App.from_dict(release["app"]), as_user(release["container"], UID)
    path, settings, secrets = app.app_path, app.server.settings, ReleasePlace(Path(place)).secrets
    ours = app.server.in_runtime
    mounts = source_mounts(app, list(source_files(app.source)))
    tmpfs = [*options["tmpfs"], f"{CONTAINER_RUN}/{release['id']}:rw,nosuid,nodev,mode=1777"]
    if CONTAINER_SPOOL not in app.writable:
        tmpfs.append(f"{CONTAINER_SPOOL}:rw,nosuid,nodev,mode=1777")
    files = [
        f"{place}/{settings}:{CONTAINER_SETTINGS}/{settings}:ro",
        f"{place}/dev.py:{CONTAINER_SETTINGS}/dev.py:ro",
    ]
    files += [f"{secrets}:{SECRETS}:ro"] if laid(app) else []
    files += [
        f"{Path(app.source, directory)}:{target}:ro" for target, directory in sorted(mounts.items())
    ]
    # Files that every request reads need no restart of the server.
    static = ":".join(str(PurePosixPath("/app", entry.path)) for entry in app.static)
    variables = {
        "FLASKOPS_PREFIX": path.prefix,
        "FLASKOPS_PREFIX_MODE": "strip" if path.stripped else "tell" if path.mapped else "",
        "FLASKOPS_URL": f"http://127.0.0.1:{port}{path.prefix}/",
        "FLASKOPS_WATCH": ":".join(sorted(mounts)),
        "FLASKOPS_UNWATCHED": static,
        "FLASKOPS_COOKIE_PATH": path.cookie_path if app.proxy.cookie_path == "app" else "",
    }
    python = ENTRYPOINT[:2] if ours else ["python3"]
    theirs = [] if app.command else [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
    server = ENTRYPOINT if ours else ["python3", f"{CONTAINER_SETTINGS}/{settings}", *theirs]
    # With internet, use Docker's default network: no other application runs here.
    network, *more = app.networks or ("bridge",)
    container = replace(
        Container.from_dict(options),
        name=f"dev-{app.name}",
        image=image,
        hostname=None,
        labels={f"{LABEL}.dev": app.name},
        network_mode=network,
        etc_hosts={"host.docker.internal": "host-gateway"} if app.host_access else None,
        env_file=f"{place}/{ENVIRONMENT}",
        tmpfs=tmpfs,
        volumes=[*files, *app.volumes, *config_mounts(app, str(secrets))],
        entrypoint=python,
        command=[f"{CONTAINER_SETTINGS}/dev.py", *server],
    )
    words = [
        *(word for name, value in variables.items() for word in ("--env", f"{name}={value}")),
        *(word for name in more for word in ("--network", name)),
        *("--rm", "--publish", f"127.0.0.1:{port}:{PORT}"),
        *container.words,
    ]
    problem = _no_place(app, mounts)
    return {
        "name": container.name,
        "prefix": path.prefix,
        "words": words,
        **({"problem": problem} if problem else {}),
    }


def _no_place(app: App, mounts: Mapping[str, str]) -> str:
    """Of config_files what the engine cannot mount: a mounted source is read-only, so the file must
    be there to be covered.
    """
    for entry in app.config_files:
        inside = [target for target in mounts if entry.path.startswith(f"{target}/")]
        if inside:
            target = max(inside, key=len)
            file = Path(app.source, mounts[target], entry.path[len(target) + 1 :])
            if not file.is_file():
                return (
                    f"config_files has {entry.path}, which is in the source here: make an empty"
                    f" {file}, which it covers."
                )
    return ""
