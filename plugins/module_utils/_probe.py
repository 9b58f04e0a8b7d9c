# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an application whether it is well: through its own socket before it serves, through Nginx afterwards."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable
from itertools import groupby


class SocketConnection(http.client.HTTPConnection):
    """HTTP to a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """One GET: the status and the start of the answer."""
    connection.request("GET", path, headers={"User-Agent": "flaskops-health", "Accept": "*/*", **headers})
    response = connection.getresponse()
    # No more than the start: an answer may be long, or never end.
    body = response.read1(300)
    if response.length == 0:
        response.read()  # that was all of it, and the connection can be asked again
    return response.status, body.decode(errors="replace")


def accepts(status: int, wanted: Iterable[str]) -> bool:
    """Whether a status is one of the wanted, which are written as 200 or 2xx."""
    return any(str(status) == want or (want.endswith("xx") and str(status)[0] == want[0]) for want in wanted)


def summary(answers: Iterable[str]) -> list[str]:
    """A list of answers with repetitions counted."""
    counted = ((answer, len(list(group))) for answer, group in groupby(answers))
    return [f"{answer} ({count} times)" if count > 1 else answer for answer, count in counted]
