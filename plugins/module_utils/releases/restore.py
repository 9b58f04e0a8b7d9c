# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases for the tasks of the role: new ones, and kept ones that a rollback returns to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..inputs.options import plain_text
from .app import Login
from .our_images import image_builds, on_runtime
from .release import Release


def registry_login(apps: Any, name: str, defaults: Any = None) -> Login:
    """The login that the entry of an application has for its registry, read from inputs that may
    not have been checked.
    """
    entries = (
        [entry for entry in apps if isinstance(entry, Mapping)]
        if isinstance(apps, (list, tuple))
        else []
    )
    common = defaults.get("registry") if isinstance(defaults, Mapping) else None
    own = next((entry.get("registry") for entry in entries if entry.get("name") == name), None)
    login = {
        **(common if isinstance(common, Mapping) else {}),
        **(own if isinstance(own, Mapping) else {}),
    }
    return Login(*(plain_text(login.get(key)) or "" for key in ("username", "password")))


def restored_releases(
    releases: Iterable[Release], runtimes: Mapping[str, str], apps: Any, defaults: Any = None
) -> list[Release]:
    """Kept releases with the present login and, for those that are rebuilt, the present runtime
    image.

    Args:
        releases: as a release.json describes them.
        runtimes: by base, the runtime image.
        apps: flask_apps, which may not have been checked.
        defaults: flask_apps_defaults.
    """
    return [
        replace(
            release,
            runtime=runtime,
            dockerfile=on_runtime(release.dockerfile, runtime),
            login=registry_login(apps, release.name, defaults),
        )
        for release in releases
        for runtime in [runtimes[release.build.base]]
    ]


def for_tasks(release: Release, app: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A release for the tasks of the role: with its entry, which a kept release does not have, and
    with how the images of this collection that it needs are built.
    """
    return {
        **release.to_dict(),
        "app": dict(app or {}),
        "runtime_builds": image_builds([release]),
    }
