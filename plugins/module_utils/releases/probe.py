# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an application whether it is healthy: through its own socket before it serves, through Nginx
afterwards.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterable, Mapping
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

# The limits of one request, whatever answers: seconds from connecting to closing, and bytes.
QUESTION_SECONDS = 10
HEADER_BYTES, BODY_BYTES = 64 << 10, 1 << 20
SHOWN_BYTES = 300
# The exceptions of a request without a valid answer.
PROBLEMS = (OSError, http.client.HTTPException, ValueError)


class Connection(http.client.HTTPConnection):
    """HTTP requests to a port of loopback, each with a limit, whatever answers.

    Args:
        deadline: until when, in seconds of the monotonic clock; no request takes longer than
        QUESTION_SECONDS.
        port: where the requests go.
        tls: the server name for TLS; "" for none. The certificate is not checked: it may be a
        placeholder, and nobody is between.
    """

    def __init__(self, deadline: float, port: int | None = None, tls: str = "") -> None:
        super().__init__("127.0.0.1", port)
        self.deadline, self.ends, self.room = deadline, 0.0, 0
        self.tls = tls

    def begin(self) -> None:
        """The time and the bytes of the next request. It gets a moment even when the deadline is
        over.
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
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.sslsocket_class = BoundedTls
            line: Any = context.wrap_socket(self.sock, server_hostname=self.tls)
            line.connection = self
            self.sock = line

    def getresponse(self) -> http.client.HTTPResponse:
        """The answer once its header is complete; its body has at most BODY_BYTES."""
        response = super().getresponse()
        self.room = BODY_BYTES
        return response


class Bounded(socket.socket):
    """A socket that counts the bytes that it receives, including those that are discarded, and
    waits no longer than its connection may.
    """

    def __init__(self, connection: Connection, family: int) -> None:
        super().__init__(family)
        self.connection = connection

    def recv_into(self, buffer: Any, *words: Any) -> int:
        """The method that http.client reads with."""
        return _bounded(self, super().recv_into, buffer, *words)


class BoundedTls(ssl.SSLSocket):
    """The same with TLS."""

    connection: Connection

    def recv_into(self, buffer: Any, *words: Any) -> int:
        """The method that http.client reads with."""
        return _bounded(self, super().recv_into, buffer, *words)


def _bounded(
    line: Bounded | BoundedTls, receive: Callable[..., int], buffer: Any, *words: Any
) -> int:
    connection = line.connection
    line.settimeout(connection.left())
    if connection.room <= 0:
        raise http.client.HTTPException("its answer is too large")
    count = receive(memoryview(buffer)[: connection.room], *words)
    connection.room -= count
    return count


class SocketConnection(Connection):
    """The same to a unix socket. A link at its path is never followed, no matter who created it or
    when.
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
    # Only the start: an answer may be long, or never end.
    body = response.read1(SHOWN_BYTES)
    if response.length == 0:
        response.read()  # the answer is complete, and the connection can be used again
    return response.status, decoded(body)


@dataclass(frozen=True)
class Fetched:
    """An answer: where it leads, the cookies it sets, and the text of a page; "" for other content
    types.
    """

    status: int
    location: str
    cookies: tuple[str, ...]
    body: str


def fetch(
    connection: Connection, path: str, headers: dict[str, str], size: int, kinds: str = "html"
) -> Fetched:
    """One GET of a page, of which at most size bytes are read; when it breaks off after its header,
    the text is what arrived. Only

    an answer whose content type matches the pattern has a text.
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
    """A path quoted for a request, whatever a page has written."""
    return quote(path, safe="/?&=%:@!$'()*+,;~[]")


def problem(error: Exception) -> str:
    """Why there was no answer, in one line."""
    return shown_line(f"{type(error).__name__}: {error}")[:SHOWN_BYTES]


def headers_for(host: str, scheme: str = SCHEME) -> dict[str, str]:
    """The headers that Nginx would send for a request from the host."""
    return {
        "Host": host,
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": scheme,
        "X-Forwarded-Host": host,
    }


def accepts(status: int, wanted: Iterable[str]) -> bool:
    """Whether a status is one of the wanted ones, which are written as 200 or 2xx."""
    return any(
        str(status) == want or (want.endswith("xx") and str(status)[0] == want[0])
        for want in wanted
    )


def summary(answers: Iterable[str]) -> list[str]:
    """A list of answers with repetitions counted."""
    counted = ((answer, len(list(group))) for answer, group in groupby(answers))
    return [f"{answer} ({count} times)" if count > 1 else answer for answer, count in counted]


# How frameworks answer a request for a host name that they do not know.
_REFUSE_HOST = ("400", "421")


def host_advice(answer: str, host: str) -> list[str]:
    """What to write for an application that may have refused the host name of the request.

    Args:
        answer: its last answer, which begins with the status.
        host: the name that was sent.
    """
    if not answer.startswith(_REFUSE_HOST):
        return []
    return [
        f"Host: {host} was sent. If it answers only to certain names, such as TRUSTED_HOSTS or"
        f" ALLOWED_HOSTS, write one of them as health.host, or add {host} to its names."
    ]


# A login in front of the application answers these; by then, the release is known to be the right
# one.
GUARDED = ("401", "403")
# It was healthy a moment ago. A bad answer that lasts longer than this would reach its users.
UNWELL_SECONDS = 3


# A fragment knows its own digest, and refuses requests for another.
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
    """The request to Nginx that shows whether a release serves.

    prefix: the path of the application, without its last slash. path: that of the health check.
    host, port, tls: those of the site; tls is whether it speaks TLS. status: the good answers.
    health_host: another host name for the request. config: the digest that the fragment answers to.
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
    tls: bool = False

    @classmethod
    def of(
        cls, release: Work | Release, sites: Iterable[Mapping[str, Any]], fragment: Path
    ) -> Question:
        """The question for a release and the file that its link leads to; under maintenance, and
        when stopped, another answer is good.
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
            site.scheme != SCHEME,
        )

    @property
    def hosts(self) -> list[str]:
        """The host names to ask by, in turn."""
        return list(dict.fromkeys([self.health_host or self.host, self.host]))


def check(question: Question, deadline: float) -> str:
    """Ask Nginx on loopback whether a release serves, until the worker that answers knows it.

    A reload is asynchronous, so the first answers may be an old worker's.

    Args:
        question: the request.
        deadline: until when, in seconds of the monotonic clock.

    Returns:
        Why it does not serve; "" when it does.
    """
    answers: list[str] = []
    hosts = question.hosts
    status, found = 0, 0.0  # since when the new release answers and is not healthy
    while True:
        host = hosts[len(answers) % len(hosts)]
        connection = Connection(deadline, question.port, question.host if question.tls else "")
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
