# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The headers that Nginx adds to the answers of an application (proxy.security_headers)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

HSTS = "Strict-Transport-Security"
# Sent by each application; conf.d/flaskops.conf has their values.
BY_DEFAULT = ("X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options")
# Of these, Nginx looks whether the application sends its own, with variables that only
# conf.d/flaskops.conf can define; this is how their names end. Long ones need a larger hash.
VARIABLES = {
    HSTS: "hsts",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "referrer",
    "X-Frame-Options": "frame",
    "Content-Security-Policy": "csp",
    "Permissions-Policy": "features",
    "Cross-Origin-Opener-Policy": "coop",
    "Cross-Origin-Resource-Policy": "corp",
    "Cross-Origin-Embedder-Policy": "coep",
}


def response_headers(written: Mapping[str, str], directives: tuple[str, ...]) -> list[Any]:
    """The headers as the templates write them, without those that the user takes away.

    Each has its name; its value, "" for the one of conf.d/flaskops.conf; the name of its variable
    there without the prefix, "" without one; and whether directives replace it where the
    application answers.

    Args:
        written: proxy.security_headers.
        directives: proxy.directives.
    """
    given = {name.lower(): value for name, value in written.items()}
    if _frames(given.get("content-security-policy", "")):
        given.setdefault("x-frame-options", "")
    replaced = names_of("add_header", directives)
    if any(_frames(text) for text in directives if text.split()[0] == "add_header"):
        replaced.add("x-frame-options")
    known = {name.lower(): name for name in VARIABLES}
    names = {name.lower(): known.get(name.lower(), name) for name in (HSTS, *BY_DEFAULT, *written)}
    return [
        {
            "name": name,
            "value": given.get(low, ""),
            "variable": VARIABLES.get(name, ""),
            "replaced": low in replaced,
        }
        for low, name in names.items()
        if given.get(low, "ours")
    ]


def names_of(directive: str, directives: Iterable[str]) -> set[str]:
    """The headers that one directive of Nginx is about, in lower case.

    Args:
        directive: such as add_header.
        directives: whole ones, each without its semicolon.
    """
    words = (text.split() for text in directives)
    return {each[1].strip("\"'").lower() for each in words if each[0] == directive and each[1:]}


def _frames(policy: str) -> bool:
    """Whether a policy says who may frame a page, which X-Frame-Options would contradict."""
    return bool(re.search(r"""(?i)(?:^|[;,"'])\s*frame-ancestors(?:[\s;,"']|$)""", policy))
