# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, places and uids that more than one entry of flask_apps has, and what entries need of each
other.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..releases.app import App
from ..releases.processes import twice


def collisions(apps: Sequence[App], absent: Sequence[str], uids: str) -> list[str]:
    """The problems of entries against each other.

    Args:
        apps: the complete entries; what was refused of one is "".
        absent: the names of those that are absent.
        uids: flask_apps_uids.
    """
    names = [app.name for app in apps]
    found = [
        f"flask_apps: {name}: it is absent and listed twice; keep one entry."
        for name in twice([*absent, *names])
        if name in absent
    ]
    found += _uids(apps, uids)
    found += [
        f"flask_apps: {name}: {names.count(name)} entries have this name; names must differ."
        for name in twice(names)
        if name
    ]
    return found + _places(apps) + _verifiers(apps)


def _verifiers(apps: Sequence[App]) -> list[str]:
    """Applications that decide about others must exist; a login must be open."""
    names = {app.name for app in apps}
    found = []
    for app in apps:
        auth = app.proxy.forward_auth
        if auth.app and auth.app not in names:
            there = ", ".join(sorted(names - {app.name, ""})) or "no other application"
            found.append(
                f"flask_apps: {app.name}: proxy.forward_auth.app is {auth.app!r}; there is {there}."
                " Write the name of one that is present, or the url of a verifier."
            )
        if auth.login.startswith("/"):
            page = f"{auth.login.split('?')[0]}/"
            over = [
                other
                for other in apps
                if other.path
                and other.site == app.site
                and page.startswith(f"{other.app_path.prefix}/")
            ]
            if max(over, key=lambda other: len(other.path), default=None) is app:
                found.append(
                    f"flask_apps: {app.name}: proxy.forward_auth.login is {auth.login!r}, a path of"
                    " the application itself, which nobody reaches without a login; write one of"
                    " another application, or an address."
                )
    return found


def _uids(apps: Sequence[App], uids: str) -> list[str]:
    """Each application gets a uid from the range; an entry that names one of the range shares it
    with another entry that does, or would take that of another application.
    """
    first, _dash, last = uids.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        return []
    given = [app.uid for app in apps]
    return [
        f"flask_apps: {app.name}: uid must be outside of flask_apps_uids ({uids}), of which each"
        f" application gets its own, or be written for all that share it; got {app.uid}."
        for app in apps
        if int(first) <= app.uid <= int(last) and given.count(app.uid) == 1
    ]


def _places(apps: Sequence[App]) -> list[str]:
    """Nginx knows each location of a site once: path and static files of all applications share
    them.
    """
    problems = []
    places: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for app in (app for app in apps if app.path):
        site, path = app.site, app.app_path.prefix
        known = any(use == "path" for _name, use in places.get((site, f"{path}/"), []))
        # If the paths are equal, everything below is equal too.
        below = [] if known else [("static", static.url) for static in app.static]
        below += [] if known else [("websocket", url) for url in app.proxy.websocket_paths]
        below += [] if known else [("upload", url) for url in app.proxy.streamed_uploads]
        for use, url in [("path", ""), *below]:
            location = f"{path}{url.rstrip('/')}/"
            places.setdefault((site, location), []).append((app.name, use))
    for (site, location), users in places.items():
        if len(users) == 1:
            continue
        uses = [use for _name, use in users]
        if set(uses) == {"path"}:
            where = " and ".join(name for name, _use in users)
            problems.append(
                f"flask_apps: {where}: path is {location.rstrip('/') or '/'!r} on site {site!r} in"
                " each; give each its own."
            )
            continue
        where = " and ".join(dict.fromkeys(name for name, _use in users))
        what = f"{uses[0]} twice" if len(set(uses)) == 1 else " and ".join(uses)
        if where != users[0][0]:
            what = " and ".join(f"{use} of {name}" for name, use in users)
        problems.append(
            f"flask_apps: {where}: {location!r} on site {site!r} is {what}; change one of them."
        )
    return problems
