# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A one-off: a container that runs one command as a process of the live release does, with its
image, user, environment, secrets, mounts, networks and limits.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..host.container import Container
from ..host.files import HostError
from ..host.places import APP_LABEL, ONE_OFF_LABEL, RELEASE_LABEL, ReleaseName, job_kind
from .processes import beside
from .record import live_links, live_release, release_of
from .release import Release
from .uids import run_as, uid_of

ACTIVE = ("running", "paused", "restarting")


def live(root: str, nginx_root: str, name: str) -> Release:
    """The live release of an application.

    Raises:
        HostError: nothing of it serves, or its release.json is broken.
    """
    found = live_release(live_links(nginx_root).get(name, ()))
    if not found:
        raise HostError(f"no release of {name} is live on this host; deploy it first.")
    return release_of(root, name, found)


def one_off(release: Release, kind: str, command: Sequence[str] = ()) -> Container:
    """The options of a new container for a command.

    Args:
        release: the live release.
        kind: what it is, for its name: C(run) for a command of a user.
        command: the words; the entrypoint makes variables of the secrets first.
    """
    uid = uid_of(release.root, release.name, release.id)
    options = run_as(beside(release.container, kind), uid, str(release.place.directory))
    container = Container.from_dict(options)
    return replace(
        container,
        name=ReleaseName(release.name, release.id).one_off(kind, secrets.token_hex(3)),
        command=[*relay_words(release.container), *command],
        labels={**container.labels, ONE_OFF_LABEL: kind},
    )


def with_secrets(
    release: Release, found: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> list[str]:
    """What makes variables of the secrets before a command in a running container, as at the start
    of its processes.

    Args:
        release: its release.
        found: the output of docker inspect for it.
        options: of the container, where it is not the one that answers requests.

    Returns:
        Nothing for a process of another image that has neither our entrypoint nor the relay.
    """
    options = release.container if options is None else options
    if options.get("entrypoint") != release.container.get("entrypoint"):
        return []
    # Of the relay, docker has the first word as the entrypoint, and the rest as arguments.
    words = options.get("entrypoint") or found["Config"].get("Entrypoint") or []
    return [*words, *relay_words(release.container)]


def relay_words(container: Mapping[str, Any]) -> list[str]:
    """What the first process expects before a command: the relay of an image that is not ours, as
    opposed to our entrypoint, also starts servers.
    """
    return ["--run"] if container.get("entrypoint") else []


def job_of(entry: Mapping[str, Any]) -> str:
    """The name of the job that a container runs, from an entry of Docker.containers; "" for other
    containers.
    """
    kind, job = _kind(entry), str(entry["Labels"].get(ONE_OFF_LABEL, "")).removeprefix(job_kind(""))
    return job if kind == job_kind(job) else ""


def needs_release(entry: Mapping[str, Any]) -> bool:
    """Whether a container is a one-off at work, from an entry of Docker.containers. That of a job
    counts until its program has removed it.
    """
    return bool(job_of(entry) or (_kind(entry) and entry["State"] in ACTIVE))


def _kind(entry: Mapping[str, Any]) -> str:
    """What a one-off is; "" for another container. Its name must fit its labels, because a
    container has those of its image as well.
    """
    labels = (entry["Labels"].get(key, "") for key in (APP_LABEL, RELEASE_LABEL, ONE_OFF_LABEL))
    app, release, kind = labels
    ours = f"{ReleaseName(app, release).container}-{kind}"
    fits = entry["Names"] == ours or entry["Names"].startswith(f"{ours}-")
    return kind if kind and fits else ""
