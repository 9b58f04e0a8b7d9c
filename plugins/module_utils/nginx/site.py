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

from ..host.typed import Typed, plain, read

# The port that an address of each scheme leaves out.
PORTS = {"http": 80, "https": 443}
SCHEME = "http"
DEFAULT = "default"  # the site that answers where no other does


def heard(host: str, path: str, scheme: str = SCHEME) -> str:
    """The address of a path as an application hears it, which gets the name alone."""
    return f"{scheme}://{host}{path}"


@dataclass(frozen=True)
class Site(Typed):
    """One server block.

    name: as an application names it. server_names: its hosts; none where it answers to all.
    redirect_from: further hosts, which are redirected to the first of server_names. tls: where its
    certificate comes from (acme, provided or selfsigned), or none for plain http. http_port,
    https_port: where it listens. trusted: whether browsers trust its certificate.
    hsts_seconds: how long they remember that it speaks https. acme_email: of its account.
    https_in_front: whether clients may come by https without it, through a trusted proxy.
    header_buffer_size: room for a header of a request; "" for that of all sites.
    """

    name: str
    server_names: tuple[str, ...] = ()
    redirect_from: tuple[str, ...] = ()
    tls: str = "none"
    http_port: int = PORTS[SCHEME]
    https_port: int = PORTS["https"]
    trusted: bool = True
    hsts_seconds: int = 0
    acme_email: str = ""
    https_in_front: bool = False
    header_buffer_size: str = ""

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Site:
        """One of C(nginx_host.sites)."""
        return read(cls, {key: value for key, value in given.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """The same for C(nginx_host.sites): with the scheme and the port of its applications."""
        return {**plain(self), "scheme": self.scheme, "port": self.port}

    @property
    def scheme(self) -> str:
        """What its applications are reached by."""
        return SCHEME if self.tls == "none" else "https"

    @property
    def port(self) -> int:
        """Where its applications are reached."""
        return self.http_port if self.tls == "none" else self.https_port

    @property
    def ports(self) -> tuple[int, ...]:
        """All on which it listens."""
        return (self.http_port,) if self.tls == "none" else (self.http_port, self.https_port)

    @property
    def hsts_sent(self) -> int:
        """The seconds of HSTS that it sends; browsers would look for HTTPS on port 443."""
        encrypted = self.tls != "none" and self.trusted and not self.port_shown
        return self.hsts_seconds if encrypted else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names that its certificate is for."""
        return (*self.server_names, *self.redirect_from)

    @property
    def host(self) -> str:
        """The name that a request for it carries: its first one that is not a pattern, else one
        that the pattern stands for, else localhost.
        """
        plain = (name for name in self.server_names if name[:1].isalnum() and "*" not in name)
        below = (f"www{name[1:]}" for name in self.server_names if name.startswith("*."))
        return next(plain, next(below, "localhost"))

    def url(self, path: str, address: str) -> str:
        """Where users find a path; by the address of the machine where the site has no name."""
        named = address if self.host == "localhost" else self.host
        place = f"[{named}]" if ":" in named else named
        return heard(f"{place}{self.port_shown}", path, self.scheme)

    @property
    def port_shown(self) -> str:
        """What an address has after the host; "" for the usual port of its scheme."""
        return "" if self.port == PORTS[self.scheme] else f":{self.port}"

    @property
    def origin(self) -> str:
        """The address of its first name, without a path; "" for a site without one."""
        return "" if self.host == "localhost" else self.url("", self.host)

    def heard(self, path: str) -> str:
        """The address of a path as an application of the site hears it."""
        return heard(self.host, path, self.scheme)


def site_named(name: str, sites: Iterable[Mapping[str, Any]]) -> Site:
    """One of C(nginx_host.sites); one that is not among them has no names, and the usual port."""
    return Site.from_dict(next((site for site in sites if site["name"] == name), {"name": name}))
