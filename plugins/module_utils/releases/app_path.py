# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of an application: what strips it, what receives it, and which path is requested."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ..host.places import route_name
from .engines.known import engine_named


@dataclass(frozen=True)
class AppPath:
    """What is derived from the path at which users reach an application.

    Args:
        path: that path.
        path_mode: how the application learns it.
        engine: the application server in the container.
        script_name: what the image's own Gunicorn gets of the path, and strips itself.
    """

    path: str
    path_mode: str = "domain"
    engine: str = ""
    script_name: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> AppPath:
        """That of an entry, or of a release.json, which may lack C(script_name)."""
        return cls(
            str(facts["path"]),
            *(str(facts.get(key) or "") for key in ("path_mode", "engine", "script_name")),
        )

    @property
    def prefix(self) -> str:
        """The path without its last slash; "" for the root of a site."""
        return self.path.rstrip("/")

    @property
    def mapped(self) -> bool:
        """Whether the application does not know its path, so that Nginx sends it in a header and
        maps redirects and cookies.
        """
        return self.path_mode == "script_name" and self.prefix != ""

    @property
    def stripped(self) -> bool:
        """Whether Nginx strips the path, for a server that does not."""
        return self.mapped and not engine_named(self.engine).in_runtime and not self.script_name

    @property
    def socket_prefix(self) -> str:
        """What a path begins with at the socket of the application."""
        return "" if self.stripped else self.prefix

    @property
    def domain(self) -> str:
        """What the application puts before its routes, as DOMAIN."""
        return "" if self.mapped else self.prefix

    @property
    def mount(self) -> str:
        """What our server strips and passes to the application as SCRIPT_NAME."""
        return self.prefix if self.mapped and engine_named(self.engine).in_runtime else ""

    @property
    def route(self) -> str:
        """The name of the link through which Nginx reaches the release that serves: one for each
        form that a client's path can take.
        """
        return route_name(sha256(json.dumps([self.prefix, self.stripped]).encode()).hexdigest()[:8])

    @property
    def cookie_path(self) -> str:
        """The path of a cookie that the application sets for "/"; "" at the root of a site."""
        return f"{self.prefix}/" if self.mapped else self.prefix

    def at_nginx(self, page: str) -> str:
        """The path to request from Nginx for a page of the application; the page begins with a
        slash.
        """
        return self.prefix + page

    def at_socket(self, page: str) -> str:
        """The path to request from the socket for a page of the application; the page begins with a
        slash.
        """
        return self.socket_prefix + page

    def words(self) -> dict[str, Any]:
        """What templates and tasks read of it."""
        return {
            key: getattr(self, key)
            for key in ("prefix", "mapped", "stripped", "socket_prefix", "cookie_path")
        }
