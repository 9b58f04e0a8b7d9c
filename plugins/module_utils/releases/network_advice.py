# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds in a container's log the servers that it does not reach, and the key that makes them
reachable.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

# The messages of C libraries, Python, Node, Go, and the clients of databases.
_UNKNOWN = re.compile(
    r"name resolution|name or service not known|no address associated with hostname|name does not"
    r" resolve|"
    r"could not resolve host|could not translate host name|unknown (mysql |mariadb )?server"
    r" host|failed to resolve|"
    r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|no such host\b|network is unreachable|ENETUNREACH|no"
    r" route to host",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"connection refused|ECONNREFUSED|errno 111|can't connect to (mysql|mariadb|server).*\(111\b",
    re.IGNORECASE,
)
_MISSING = re.compile(r"no such file or directory|\(2\)|errno 2\b|ENOENT", re.IGNORECASE)
_HOST = r"(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]*|\[?::1\]?)"
# Where a line names its server, the most reliable pattern first.
_PLACES = [
    re.compile(pattern.format(host=_HOST), re.IGNORECASE)
    for pattern in (
        r"(?:host name|server at) \"{host}\"",
        r"server (?:on |host )'{host}(?::\d+)?'",
        r"connecting to {host}:\d+",
        r"host='{host}'",
        r"resolve host: '?{host}",
        r"resolve '{host}'",
        r"(?:EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ENETUNREACH) {host}",
        r"\blookup {host}",
        r"\bdial tcp {host}:\d+",
        r"to host {host}:\d+",
        r"[a-z0-9+]://(?:[^\s@/]*@)?{host}[:/]",
        r"(?:^|\s|\(){host}:\d+: \[Errno",
    )
]
# A socket in the file system that a client of a database looks for.
_SOCKET = re.compile(
    r"(?:on|through) (?:the )?(?:unix )?(?:domain )?socket \"?'?(?P<path>/[A-Za-z0-9._/-]+)|connect"
    r" (?:ENOENT) (?P<node>/[A-Za-z0-9._/-]+)",
    re.IGNORECASE,
)
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[?::1\]?")
ON_THE_HOST = "internet: true with host_access: true, and host.docker.internal as its name"
SOCKET = "its unix socket as a volume, such as volumes: ['/run/postgresql:/run/postgresql']"


def advice(logs: str, container: Mapping[str, Any]) -> list[str]:
    """What to write so that the application reaches the servers that it connects to.

    Args:
        logs: the container's log.
        container: what C(docker inspect) says of it.
    """
    alone = container.get("HostConfig", {}).get("NetworkMode") == "none"
    missed: dict[str, None] = {}
    loopback: dict[str, None] = {}
    sockets: dict[str, None] = {}
    for line in logs.splitlines():
        if (found := _SOCKET.search(line)) and _MISSING.search(line):
            sockets[posixpath.dirname(found["path"] or found["node"])] = None
        if _REFUSED.search(line) or _UNKNOWN.search(line):
            host = _host(line)
            (loopback if _LOOPBACK.fullmatch(host) else missed)[host] = None
    named = [host for host in missed if host]
    # In a chain of errors the first often does not name the server; the last does.
    lost = _alone(named) if alone and (named or (missed and not loopback and not sockets)) else []
    return [*_sockets(list(sockets)), *_loopback(list(loopback)), *lost]


def _host(line: str) -> str:
    """The server that a line names; "" for none, and for messages of the program itself."""
    return next(
        (match["host"].rstrip(".") for pattern in _PLACES if (match := pattern.search(line))), ""
    )


def _sockets(directories: list[str]) -> list[str]:
    return [
        f"It looks for a server at a unix socket in {directory}, which the container does not have:"
        f" where the server is on the host, write volumes: ['{directory}:{directory}']."
        for directory in directories
    ]


def _loopback(hosts: list[str]) -> list[str]:
    if not hosts:
        return []
    return [
        f"{' and '.join(hosts)} is the container itself, where no such server listens. For one on"
        f" the host write {SOCKET}, or {ON_THE_HOST}; for one in another container networks:"
        " [NAME], with the Docker network and the name that it has there."
    ]


def _alone(hosts: list[str]) -> list[str]:
    return [
        f"It has no network, and asks for {', '.join(hosts) or 'a server'}: write internet: true"
        " for servers elsewhere, networks: [NAME] for a container in that Docker network, and for"
        f" a database on the host {SOCKET}."
    ]
