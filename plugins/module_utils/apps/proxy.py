# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of proxy that have no effect as they are written, or that do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..releases.app import App, Proxy
from ..releases.processes import twice
from ..releases.response_headers import names_of

# The directives of each key; of the first one, a message says that it belongs in a fragment.
_DIRECTIVES = {
    "allow": ("allow", "deny"),
    "basic_auth": ("auth_basic", "auth_basic_user_file"),
    "forward_auth": ("auth_request", "auth_request_set"),
    "limits": ("limit_req", "limit_conn", "limit_req_status", "limit_conn_status"),
    "streamed_uploads": ("proxy_request_buffering",),
    "error_pages": ("error_page", "proxy_intercept_errors"),
}


def proxy_problems(app: App, written: Mapping[str, Any]) -> list[str]:
    """The problems of a valid proxy; written is what the user wrote of it."""
    proxy = app.proxy
    used = {
        "allow": proxy.allow,
        "basic_auth": proxy.basic_auth.users,
        "forward_auth": proxy.forward_auth.url or proxy.forward_auth.app,
        "limits": written.get("limits"),
        "streamed_uploads": proxy.streamed_uploads,
        "error_pages": proxy.sends_error_page,
    }
    found = [
        *_without_effect(proxy, written),
        *_written_twice(proxy),
        *_forward_auth(app, written),
    ]
    for key in (key for key, value in used.items() if value):
        first, *_others = _DIRECTIVES[key]
        if proxy.fragment:
            found.append(
                f"proxy.{key} has no effect on the locations of proxy.fragment; write {first} into"
                f" that template, and leave proxy.{key} out."
            )
        words = dict.fromkeys(text.split()[0] for text in proxy.directives)
        if both := [word for word in words if word in _DIRECTIVES[key]]:
            found.append(
                f"proxy.{key} and {' and '.join(both)} in proxy.directives are written; keep one of"
                " them."
            )
    if proxy.sends_error_page and any(static.fallback for static in app.static):
        found.append(
            "proxy.error_pages would replace the errors of the application too, because of static:"
            " fallback; leave one of them out."
        )
    page = proxy.error_page
    if page and not any(page.startswith(f"{static.url.rstrip('/')}/") for static in app.static):
        found.append(
            f"proxy.error_page must be one of the static files, below"
            f" {' or '.join(static.url for static in app.static) or 'a url of static'};"
            f" got {page!r}."
        )
    return found


def _written_twice(proxy: Proxy) -> list[str]:
    """Names of headers that differ only in their case."""
    return [
        f"proxy.security_headers has {name} twice; the case of a name does not count, so leave one"
        " out."
        for name in twice([name.lower() for name in proxy.security_headers])
    ]


def _without_effect(proxy: Proxy, written: Mapping[str, Any]) -> list[str]:
    """A key that is written and protects nothing."""
    found = []
    if written.get("basic_auth") is not None and not proxy.basic_auth.users:
        found.append(
            "proxy.basic_auth has no users; write users: {ann: a password}, or leave basic_auth"
            " out."
        )
    limits, counted = proxy.limits, written.get("limits")
    if counted is None or limits.requests_per_second:
        return found
    if not limits.connections:
        found.append(
            "proxy.limits limits nothing; write requests_per_second or connections, or leave limits"
            " out."
        )
    elif counted.get("burst") is not None:
        found.append(
            "proxy.limits.burst is beyond requests_per_second, which is not written; write it, or"
            " leave burst out."
        )
    return found


def _forward_auth(app: App, written: Mapping[str, Any]) -> list[str]:
    """What of proxy.forward_auth contradicts itself, or another key."""
    proxy, auth = app.proxy, app.proxy.forward_auth
    where = "proxy.forward_auth"
    if not (auth.url or auth.app):
        words = "has no url; write url: http://127.0.0.1:4180/oauth2/auth, or app and path"
        asked = written.get("forward_auth") is not None
        return [f"{where} {words}, or leave forward_auth out."] if asked else []
    found = []
    if auth.url and auth.app:
        found.append(f"{where} has url and app; keep one of them.")
    elif bool(auth.app) != bool(auth.path):
        there, missing = ("app", "path") if auth.app else ("path", "app")
        found.append(f"{where}.{there} is written, and {missing} is not; write both, or url alone.")
    if auth.app and auth.app == app.name:
        found.append(
            f"{where}.app is the application itself; write another one, or forward_auth: null to"
            " lift what flask_apps_defaults says."
        )
    found += [
        f"{where}.headers has {name} twice; leave one out."
        for name in twice([name.lower() for name in auth.headers])
    ]
    ours = names_of("proxy_set_header", proxy.directives)
    found += [
        f"{where}.headers has {name}, which proxy_set_header in proxy.directives replaces; keep one"
        " of them."
        for name in auth.headers
        if name.lower() in ours
    ]
    if proxy.cache_seconds:
        found.append(
            f"proxy.cache_seconds would give an answer for one user to others, because of {where};"
            " leave one of them out."
        )
    return found
