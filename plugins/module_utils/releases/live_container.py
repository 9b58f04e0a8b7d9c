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
from ..host.places import APP_LABEL, ONE_OFF_LABEL, RELEASE_LABEL, ReleaseName
from .processes import beside
from .record import live_links, live_release, read_release
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
    facts = read_release(root, name, found)
    if not facts:
        raise HostError(f"release.json of {name} is missing or broken; deploy it again.")
    return Release.from_record(facts, root)


def one_off(release: Release, kind: str, command: Sequence[str] = ()) -> Container:
    """The options of a new container for a command.

    Args:
        release: the live release.
        kind: what it is, for its name: C(run) for a command of a user.
        command: the words; the entrypoint makes variables of the secrets first.
    """
    uid = uid_of(release.root, release.name)
    if not uid:
        raise HostError(f"the uid of {release.name} is not recorded; deploy it again.")
    options = run_as(beside(release.container, kind), uid, str(release.place.directory))
    container = Container.from_dict(options)
    return replace(
        container,
        name=ReleaseName(release.name, release.id).one_off(kind, secrets.token_hex(3)),
        command=[*relay_words(release.container), *command],
        labels={**container.labels, ONE_OFF_LABEL: kind},
    )


def relay_words(container: Mapping[str, Any]) -> list[str]:
    """What the first process expects before a command: the relay of an image that is not ours, as
    opposed to our entrypoint, also starts servers.
    """
    return ["--run"] if container.get("entrypoint") else []


def is_active(entry: Mapping[str, Any]) -> bool:
    """Whether a container is a one-off at work, from an entry of Docker.containers."""
    labels = (entry["Labels"].get(key, "") for key in (APP_LABEL, RELEASE_LABEL, ONE_OFF_LABEL))
    name, release, kind = labels
    ours = ReleaseName(name, release).one_off(kind, "")
    return bool(kind) and entry["Names"].startswith(ours) and entry["State"] in ACTIVE
