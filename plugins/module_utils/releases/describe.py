# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derives the release of an entry: environment, container and id. The controller knows all of it
before anything is built.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets as random
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..host.container import Container
from ..host.places import (
    APP_LABEL,
    CONTAINER_RUN,
    CONTAINER_SETTINGS,
    CONTAINER_SPOOL,
    ENVIRONMENT,
    RELEASE_LABEL,
    Place,
    ReleaseName,
    container_socket,
)
from .app import App
from .covers import DATABASE, not_kept
from .release import FORMAT, UID_PLACEHOLDER, own_network
from .secrets import PLACE as SECRETS
from .secrets import config_mounts, laid, of_services, variables
from .services.spec import NO_NAME_SERVER, network_of

# Placeholder in every rendered file for the id, which is computed over them.
PLACEHOLDER = "@flaskops-release@"
# Placeholder in a rendered fragment for its own digest, by which the deploy knows whether an answer
# comes from it.
CONFIG_PLACEHOLDER = "@flaskops-config@"
# Connections that wait until the application server accepts them; the container's limit is raised
# to it.
BACKLOG = 1024


def environment(app: App) -> dict[str, str]:
    """The container's environment: DOMAIN and ENV, what our entrypoint expects, the user's
    variables, and where the secrets are.
    """
    path = app.app_path
    ours = {
        "DOMAIN": path.domain,
        "ENV": "PROD",
        "FLASKOPS_APP": app.name,
        "FLASKOPS_ENGINE": app.engine,
        "FLASKOPS_RELEASE": PLACEHOLDER,
        "FLASKOPS_SOCKET": container_socket(PLACEHOLDER),
        "TMPDIR": CONTAINER_SPOOL,
    }
    known = {"FLASKOPS_MOUNT": path.mount, **app.server.environment(app)}
    ours.update((name, value) for name, value in known.items() if value)
    given = [*app.secrets, *of_services(app)]
    files = {f"{name}_FILE": f"{SECRETS}/{name}" for name in given}
    values = {**ours, **files, **app.env}
    if names := variables(app, values):
        values["FLASKOPS_SECRETS"] = " ".join(names)
    return dict(sorted(values.items()))


def container(app: App, release: str, image: str, root: str) -> dict[str, Any]:
    """The options of host/container.py, as release.json keeps them.

    Our relay starts a server that is not in our runtime image: without a command of the user, the
    arguments of the container must be the image's own entrypoint and command, which only the host
    knows.
    """
    place = Place(root).app(app.name).release(release)
    engine = app.server
    settings = engine.settings
    mounts = [
        f"{place.run}:{CONTAINER_RUN}/{release}",
        f"{place.file(settings)}:{CONTAINER_SETTINGS}/{settings}:ro",
    ]
    targets = [volume.split(":")[1].rstrip("/") for volume in app.volumes]
    if CONTAINER_SPOOL not in (*app.writable, *targets):
        mounts.append(f"{place.spool}:{CONTAINER_SPOOL}")
    if laid(app) or of_services(app):
        mounts.append(f"{place.secrets}:{SECRETS}:ro")
    mounts += config_mounts(app, str(place.secrets))
    resources = app.resources
    owner = f"uid={UID_PLACEHOLDER},gid={UID_PLACEHOLDER}"
    name = ReleaseName(app.name, release).container
    labels = {APP_LABEL: app.name, RELEASE_LABEL: release}
    kept = [*targets, *app.writable]
    if lost := not_kept(app.build.database, kept, app.data_files):
        labels[DATABASE] = ",".join(lost)
    networks = [
        *([own_network(app.name)] if app.internet else []),
        *([network_of(app.name)] if app.services else []),
        *app.networks,
    ]
    # Docker gives a container its own name only with an address.
    hosts = {} if networks else {name: "127.0.0.1"}
    if networks and app.host_access:
        hosts = {"host.docker.internal": "host-gateway"}
    return Container(
        name=name,
        image=image,
        hostname=name,
        user=f"{UID_PLACEHOLDER}:{UID_PLACEHOLDER}",
        tmpfs=[
            f"/tmp:rw,nosuid,nodev,size={resources.tmp},mode=1777",
            *(
                f"{path}:rw,nosuid,nodev,size={resources.tmp},{owner},mode=0700"
                for path in app.writable
            ),
        ],
        memory=resources.memory,
        memory_swap=resources.memory,
        pids_limit=resources.pids,
        cpus=resources.cpus or None,
        sysctls={"net.core.somaxconn": str(BACKLOG)},
        env_file=str(place.file(ENVIRONMENT)),
        volumes=mounts + list(app.volumes),
        stop_timeout=app.drain_seconds + 5,
        labels=labels,
        entrypoint=None if engine.in_runtime else ["python3", f"{CONTAINER_SETTINGS}/{settings}"],
        network_mode=networks[0] if networks else "none",
        networks=[{"name": network} for network in networks],
        dns=NO_NAME_SERVER if networks == [network_of(app.name)] else (),
        etc_hosts=hosts or None,
    ).to_dict()


def with_own_digest(fragment: str) -> str:
    """A fragment that contains its digest: the first 12 hex digits of the SHA-256 of its text."""
    return fragment.replace(CONFIG_PLACEHOLDER, sha256(fragment.encode()).hexdigest()[:12])


def release_id(parts: Mapping[str, Any], secrets: Mapping[str, str], key: bytes) -> str:
    """The id of a release: 12 hex digits over all its parts, the same on every host.

    Args:
        parts: anything that JSON can hold; the rendered files, the container's options, the digest
        of the source.
        secrets: values that nobody may be able to guess from a digest; they enter as HMAC-SHA-256.
        key: the key of that HMAC.
    """
    guarded = {
        name: hmac.new(key, value.encode(), "sha256").hexdigest()
        for name, value in sorted(secrets.items())
    }
    text = json.dumps([FORMAT, parts, guarded], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:12]


def replace_placeholder(described: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """Put the id, which is now known, into all that was described without it."""
    result: dict[str, Any] = json.loads(json.dumps(described).replace(PLACEHOLDER, identity))
    return result


def release_key(path: str) -> bytes:
    """The key that guards secrets in release ids: read, or created from 32 random bytes (0600) the
    first time.
    """
    file = Path(os.path.expanduser(path))
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = file.with_name(f"{file.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(random.token_hex(32))
        try:
            os.link(temporary, file)  # never replaces a key that another run created meanwhile
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return file.read_bytes()


def env_file(values: Mapping[str, str]) -> str:
    """The text of a Docker env file; every value is one line."""
    return "".join(f"{name}={value}\n" for name, value in values.items())
