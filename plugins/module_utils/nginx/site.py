# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site: the server block that an application belongs to, and how it is reached there. Nothing
else puts an address together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# The port that an address of each scheme leaves out.
PORTS = {"http": 80, "https": 443}
SCHEME = "http"


def heard(host: str, path: str, scheme: str = SCHEME) -> str:
    """The address of a path as an application hears it, which gets the name alone."""
    return f"{scheme}://{host}{path}"


@dataclass(frozen=True)
class Site:
    """One server block.

    name: as an application names it. server_names: its hosts; none where it answers to all. port,
    scheme: where it listens, and what it speaks there. certificate: none yet; for a
    scheme that needs one. tls: whether clients may come by https all the same, through a trusted
    proxy. header_buffer_size: room for a header of a request; "" for that of all sites.
    """

    name: str
    server_names: tuple[str, ...] = ()
    port: int = PORTS[SCHEME]
    scheme: str = SCHEME
    certificate: str | None = None
    tls: bool = False
    header_buffer_size: str = ""

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Site:
        """One of C(nginx_host.sites)."""
        port = int(facts.get("port") or PORTS[SCHEME])
        return cls(
            str(facts["name"]),
            tuple(facts.get("server_names") or ()),
            port,
            tls=bool(facts.get("tls")),
        )

    def to_dict(self) -> dict[str, Any]:
        """The same for C(nginx_host.sites)."""
        return {
            "name": self.name,
            "server_names": list(self.server_names),
            "port": self.port,
            "tls": self.tls,
        }

    @property
    def host(self) -> str:
        """The name that a request for it carries: its first one that is not a pattern, else
        localhost.
        """
        return next(
            (name for name in self.server_names if name[:1].isalnum() and "*" not in name),
            "localhost",
        )

    def url(self, path: str, address: str) -> str:
        """Where users find a path; by the address of the machine where the site has no name."""
        named = address if self.host == "localhost" else self.host
        place = f"[{named}]" if ":" in named else named
        return heard(
            place if self.port == PORTS[self.scheme] else f"{place}:{self.port}", path, self.scheme
        )

    def heard(self, path: str) -> str:
        """The address of a path as an application of the site hears it."""
        return heard(self.host, path, self.scheme)


def site_named(name: str, sites: Iterable[Mapping[str, Any]]) -> Site:
    """One of C(nginx_host.sites); one that is not among them has no names, and the usual port."""
    return Site.from_dict(next((site for site in sites if site["name"] == name), {"name": name}))
