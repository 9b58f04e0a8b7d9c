# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an application whether it is well: through its own socket before it serves, through Nginx
afterwards.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..host.shown import decoded, shown_line
from ..nginx.site import SCHEME, site_named
from .release import FILES, Release
from .work import Work

# What one question is worth, whatever answers: seconds from its connection to its end, and bytes.
QUESTION_SECONDS = 10
HEADER_BYTES, BODY_BYTES = 64 << 10, 1 << 20
SHOWN_BYTES = 300
# What an answer that is none may raise.
PROBLEMS = (OSError, http.client.HTTPException, ValueError)


class Connection(http.client.HTTPConnection):
    """Questions over HTTP to a port of loopback, each with an end, whatever answers.

    Args:
        deadline: until when, in seconds of the monotonic clock; no question takes longer than
        QUESTION_SECONDS. port: where it is asked.
    """

    def __init__(self, deadline: float, port: int | None = None) -> None:
        super().__init__("127.0.0.1", port)
        self.deadline, self.ends, self.room = deadline, 0.0, 0

    def begin(self) -> None:
        """The time and the room of the next question. It has a moment also where the deadline is
        over by now.
        """
        now = time.monotonic()
        self.ends = max(now + 0.5, min(self.deadline, now + QUESTION_SECONDS))
        self.room = HEADER_BYTES

    def left(self) -> float:
        """The seconds that are left, for each call that waits."""
        seconds = self.ends - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def connect(self) -> None:
        self.sock = Bounded(self, socket.AF_INET)
        self.sock.settimeout(self.left())
        self.sock.connect((self.host, self.port))

    def getresponse(self) -> http.client.HTTPResponse:
        """The answer once its header is there; of its body there is no more than BODY_BYTES."""
        response = super().getresponse()
        self.room = BODY_BYTES
        return response


class Bounded(socket.socket):
    """A socket that counts what comes, also what is read to be thrown away, and waits no longer
    than its connection may.
    """

    def __init__(self, connection: Connection, family: int) -> None:
        super().__init__(family)
        self.connection = connection

    def recv_into(self, buffer: Any, *words: Any) -> int:
        """What http.client reads by."""
        self.settimeout(self.connection.left())
        if self.connection.room <= 0:
            raise http.client.HTTPException("its answer is too large")
        count = super().recv_into(memoryview(buffer)[: self.connection.room], *words)
        self.connection.room -= count
        return count


class SocketConnection(Connection):
    """The same to a unix socket. A link at its path leads nowhere, whoever put it there, and
    whenever.
    """

    def __init__(self, path: str, deadline: float) -> None:
        super().__init__(deadline)
        self.path = path

    def connect(self) -> None:
        place = os.open(self.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISSOCK(os.fstat(place).st_mode):
                raise OSError(f"{self.path} is not a socket")
            self.sock = Bounded(self, socket.AF_UNIX)
            while True:
                self.sock.settimeout(self.left())
                try:
                    self.sock.connect(f"/proc/self/fd/{place}")
                    return
                except BlockingIOError:  # its queue is full
                    time.sleep(min(0.05, self.left()))
        finally:
            os.close(place)


def ask(connection: Connection, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """One GET: the status and the start of the answer."""
    connection.begin()
    connection.request(
        "GET", path, headers={"User-Agent": "flaskops-health", "Accept": "*/*", **headers}
    )
    response = connection.getresponse()
    # No more than the start: an answer may be long, or never end.
    body = response.read1(SHOWN_BYTES)
    if response.length == 0:
        response.read()  # that was all of it, and the connection can be asked again
    return response.status, decoded(body)


@dataclass(frozen=True)
class Fetched:
    """An answer: where it leads, the cookies it sets, and the text of a page, "" of what is of
    another kind.
    """

    status: int
    location: str
    cookies: tuple[str, ...]
    body: str


def fetch(
    connection: Connection, path: str, headers: dict[str, str], size: int, kinds: str = "html"
) -> Fetched:
    """One GET of a page, of which no more than size bytes are read; what breaks off after its
    header is what came of it.

    The text is that of an answer whose kind is one of these, a pattern.
    """
    connection.begin()
    connection.request(
        "GET",
        _quoted(path),
        headers={"User-Agent": "flaskops-health", "Accept": "text/html,*/*;q=0.8", **headers},
    )
    response = connection.getresponse()
    said = response.headers
    body = b""
    if re.search(kinds, str(said.get("Content-Type", "")).lower()):
        with suppress(*PROBLEMS):
            while len(body) < size and (part := response.read1(size - len(body))):
                body += part
    cookies = tuple(str(cookie) for cookie in said.get_all("Set-Cookie", []))
    return Fetched(
        response.status, str(said.get("Location", "")), cookies, body.decode(errors="replace")
    )


def _quoted(path: str) -> str:
    """A path as it can stand in a request, whatever a page has written."""
    return quote(path, safe="/?&=%:@!$'()*+,;~[]")


def problem(error: Exception) -> str:
    """Why there was no answer, in one line."""
    return shown_line(f"{type(error).__name__}: {error}")[:SHOWN_BYTES]


def headers_for(host: str) -> dict[str, str]:
    """The headers that Nginx would send for a request from the host itself."""
    return {
        "Host": host,
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": SCHEME,
        "X-Forwarded-Host": host,
    }


def accepts(status: int, wanted: Iterable[str]) -> bool:
    """Whether a status is one of the wanted, which are written as 200 or 2xx."""
    return any(
        str(status) == want or (want.endswith("xx") and str(status)[0] == want[0])
        for want in wanted
    )


def summary(answers: Iterable[str]) -> list[str]:
    """A list of answers with repetitions counted."""
    counted = ((answer, len(list(group))) for answer, group in groupby(answers))
    return [f"{answer} ({count} times)" if count > 1 else answer for answer, count in counted]


# What frameworks answer to somebody who uses a name that they do not know.
_REFUSE_HOST = ("400", "421")


def host_advice(answer: str, host: str) -> list[str]:
    """What to write for an application that may have refused the name it was asked by.

    Args:
        answer: its last, which begins with the status.
        host: the name that was sent.
    """
    if not answer.startswith(_REFUSE_HOST):
        return []
    return [
        f"Host: {host} was sent. If it answers to names of its own only, such as TRUSTED_HOSTS or"
        f" ALLOWED_HOSTS, write one of them as health.host, or add {host} to its names."
    ]


# A login in front of the application answers these; the right release is known by then.
GUARDED = ("401", "403")
# It was healthy a moment ago. What it answers for longer than this, its users get.
UNWELL_SECONDS = 3


# A fragment knows its own digest, and answers no question for another.
_CONFIG = re.compile(r"\$arg_config !~ \"\^\(\|([0-9a-f]{12})\)\$\"")


def config_of(fragment: Path) -> str:
    """The digest that a fragment answers to; "" for one of before 0.1.0, whose text has the id of
    its release.
    """
    try:
        found = _CONFIG.search(fragment.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


@dataclass(frozen=True)
class Question:
    """What Nginx is asked to see whether a release serves.

    prefix: the path of the application, without its last slash. path: that of the health check.
    host, port: those of the site. status: the good answers. health_host: another name that the
    application is asked by. config: the digest that the fragment answers to.
    """

    name: str
    id: str
    prefix: str
    path: str
    host: str
    port: int
    status: tuple[str, ...]
    health_host: str = ""
    config: str = ""

    @classmethod
    def of(
        cls, release: Work | Release, sites: Iterable[Mapping[str, Any]], fragment: Path
    ) -> Question:
        """That of a release and the file that its link leads to; under maintenance, and when
        stopped, another answer is good.
        """
        site, path, health = site_named(release.site, sites), release.app_path, release.health
        answers = fragment.name == FILES["present"] or (
            fragment.name == FILES["maintenance"] and health.path != "/"
        )
        return cls(
            release.name,
            release.id,
            path.prefix,
            path.at_nginx(health.path),
            site.host,
            site.port,
            health.status if answers else ("503",),
            health.host,
            config_of(fragment),
        )

    @property
    def hosts(self) -> list[str]:
        """The names that it is asked by in turn."""
        return list(dict.fromkeys([self.health_host or self.host, self.host]))


def check(question: Question, deadline: float) -> str:
    """Ask Nginx on loopback whether a release serves, until the worker that answers knows it.

    A reload is asynchronous, so the first answers may be an old worker's.

    Args:
        question: what it is asked.
        deadline: until when, in seconds of the monotonic clock.

    Returns:
        Why it does not serve; "" when it does.
    """
    answers: list[str] = []
    hosts = question.hosts
    status, found = 0, 0.0  # since when the new release has been there and has not been well
    while True:
        connection, host = Connection(deadline, question.port), hosts[len(answers) % len(hosts)]
        try:
            path = f"{question.prefix}/.flaskops/release?config={question.config}"
            status, body = ask(connection, path, {"Host": host})
            answers.append(f"{status} {shown_line(body.strip()[:80])}")
            if body.split() == [question.name, question.id]:
                found = found or time.monotonic()
                status, body = ask(connection, question.path, {"Host": host})
                answers[-1] += f", {question.path} {status}"
                if accepts(status, [*question.status, *GUARDED]):
                    return ""
        except PROBLEMS as error:
            answers.append(problem(error))
        finally:
            connection.close()
        if time.monotonic() > deadline or (found and time.monotonic() - found > UNWELL_SECONDS):
            words = "; ".join(
                [*summary(answers), *(host_advice(str(status), hosts[0]) if found else [])]
            )
            return (
                f"asked as {' and '.join(hosts)} on 127.0.0.1:{question.port}, Nginx answered"
                f" {words}"
            )
        time.sleep(0.05)
