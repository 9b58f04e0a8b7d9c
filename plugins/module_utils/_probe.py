# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an application whether it is well: through its own socket before it serves, through Nginx afterwards."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any


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


def headers_for(host: str) -> dict[str, str]:
    """The headers that Nginx would send for a request from the host itself."""
    return {
        "Host": host,
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": host,
    }


def accepts(status: int, wanted: Iterable[str]) -> bool:
    """Whether a status is one of the wanted, which are written as 200 or 2xx."""
    return any(str(status) == want or (want.endswith("xx") and str(status)[0] == want[0]) for want in wanted)


def summary(answers: Iterable[str]) -> list[str]:
    """A list of answers with repetitions counted."""
    counted = ((answer, len(list(group))) for answer, group in groupby(answers))
    return [f"{answer} ({count} times)" if count > 1 else answer for answer, count in counted]


# A login in front of the application answers these; the right release is known by then.
GUARDED = ("401", "403")
# It was healthy a moment ago. What it answers for longer than this, its users get.
UNWELL_SECONDS = 3


# A fragment knows its own digest, and answers no question for another.
_CONFIG = re.compile(r"\$arg_config !~ \"\^\(\|([0-9a-f]{12})\)\$\"")


def config_of(fragment: Path) -> str:
    """The digest that a fragment answers to; "" for one of before 0.1.0, whose text has the id of its release."""
    try:
        found = _CONFIG.search(fragment.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def check(release: Mapping[str, Any], deadline: float) -> str:
    """Ask Nginx on loopback whether a release serves, until the worker that answers knows it.

    A reload is asynchronous, so the first answers may be an old worker's.

    Args:
        release: C(name), C(id), C(prefix), C(path) of the health check, C(host) and C(port) of the site, good C(status), and C(config),
            what config_of says of its fragment.
        deadline: until when, in seconds of the monotonic clock.

    Returns:
        Why it does not serve; "" when it does.
    """
    answers: list[str] = []
    found = 0.0  # since when the new release has been there and has not been well
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", release["port"], timeout=10)
        try:
            path = f"{release['prefix']}/.flaskops/release?config={release['config']}"
            status, body = ask(connection, path, {"Host": release["host"]})
            answers.append(f"{status} {body.strip()[:80]}")
            if body.split() == [release["name"], release["id"]]:
                found = found or time.monotonic()
                status, body = ask(connection, release["path"], {"Host": release["host"]})
                answers[-1] += f", {release['path']} {status}"
                if accepts(status, [*release["status"], *GUARDED]):
                    return ""
        except (OSError, http.client.HTTPException) as error:
            answers.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        if time.monotonic() > deadline or (found and time.monotonic() - found > UNWELL_SECONDS):
            return f"asked as {release['host']} on 127.0.0.1:{release['port']}, Nginx answered " + "; ".join(summary(answers))
        time.sleep(0.05)
