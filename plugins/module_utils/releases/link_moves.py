# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of Nginx that move for one application, and how to move them back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..host.places import NginxPlace, Place
from .record import Link
from .work import Work


class Route(NamedTuple):
    """A link of an application."""

    app: str
    link: Link


@dataclass(frozen=True)
class Moves:
    """links: where each link leads afterwards. absent: the links that are removed. before: where
    each link leads now, to move it back.
    """

    links: dict[str, str]
    absent: tuple[str, ...] = ()
    before: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, work: Work, root: str, nginx_root: str, displaced: Iterable[Route] = ()) -> Moves:
        """The moves of a release.

        Args:
            work: its application.
            root: the directory of the releases.
            nginx_root: that of the Nginx configuration.
            displaced: the links of applications that this run removes and that this one replaces.
        """
        place, nginx = Place(root), NginxPlace(nginx_root)
        now = [*(Route(work.name, link) for link in work.links), *displaced]
        before = {
            str(nginx.link(link.site, app)): str(place.app(app).release(link.id).file(link.file))
            for app, link in now
        }
        new = str(nginx.link(work.site, work.name))
        target = str(place.app(work.name).release(work.id).file(work.file))
        return cls({new: target}, tuple(path for path in before if path != new), before)

    @property
    def back(self) -> Moves:
        """The moves that restore the state before."""
        return Moves(self.before, tuple(path for path in self.links if path not in self.before))

    def to_links(self) -> list[dict[str, str]]:
        """The links as nginx/tree.py takes them."""
        return [{"path": path, "target": target} for path, target in self.links.items()]
