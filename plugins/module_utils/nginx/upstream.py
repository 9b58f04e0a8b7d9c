# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Nginx meets a release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Upstream:
    """A server that speaks HTTP at a unix socket."""

    socket: str

    def words(self, path: str) -> dict[str, str]:
        """What follows C(proxy_pass): C(whole) leaves the path of a request as it is, C(path)
        asks for another.

        Args:
            path: that other path, which may have variables of Nginx in it.
        """
        return {"whole": f"http://unix:{self.socket}", "path": f"http://unix:{self.socket}:{path}"}
