# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The link through which Nginx reaches a release: apps/NAME/route-KEY leads to the directory of the
release that serves.

Nginx resolves the path of a socket at each connection, so a release whose fragment has not changed
serves as soon as this link is moved: without a reload, and without an old worker that holds the
connections of other applications. The key depends on how a client's path is rewritten, so an old
worker that still has the old fragment never passes a request to a release that expects another
path. Root creates the link, in a directory that belongs to root.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..host.files import sync_directory
from ..host.places import Place
from .record import Link, read_release


def route_of(root: str, app: str, release: str | None) -> str:
    """The name of the link that the fragment of a release goes through; "" for a fragment from
    before 0.1.0, which has the path of the socket.
    """
    return str(read_release(root, app, release).get("route") or "") if release else ""


def leads_to(root: str, app: str, route: str) -> str:
    """The release that a link leads to; "" when the link is missing."""
    try:
        return Path(os.readlink(Place(root).app(app).route(route))).name if route else ""
    except OSError:
        return ""


def lead(root: str, app: str, release: str) -> None:
    """Move the link of a release to it, atomically."""
    if not (route := route_of(root, app, release)) or leads_to(root, app, route) == release:
        return
    place = Place(root).app(app)
    link = place.route(route)
    aside = link.with_name(f".{route}.{os.getpid()}")
    with suppress(FileNotFoundError):
        aside.unlink()
    aside.symlink_to(place.release(release).directory.relative_to(place.directory))
    os.replace(aside, link)
    sync_directory(link.parent)


def make(root: str, app: str, release: str) -> None:
    """Create a missing link for new workers of Nginx; a link that serves is not moved."""
    if not leads_to(root, app, route_of(root, app, release)):
        lead(root, app, release)


def wrong(root: str, app: str, release: str) -> str:
    """The other release to which the link of this one leads; "" when all is well."""
    route = route_of(root, app, release)
    found = leads_to(root, app, route)
    return "" if not route or found == release else found or "nothing"


def still_led_to(root: str, app: str, release: str) -> bool:
    """Whether an old worker of Nginx may still connect to a release that the present fragment no
    longer serves.
    """
    route = route_of(root, app, release)
    return not route or leads_to(root, app, route) == release


def sweep(root: str, app: str, links: Sequence[Link]) -> None:
    """Remove the links of all routes except that of the release that serves, which Nginx's links
    name.
    """
    kept = [route_of(root, app, link.id) for link in links]
    for link in Place(root).app(app).routes():
        if kept and link.name not in kept and link.is_symlink():
            link.unlink(missing_ok=True)
