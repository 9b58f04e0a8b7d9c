# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of the role nginx: the one source of their checks and of its argument spec, which
bin/docs writes. Pure.

Whatever gets into a file of Nginx is held against a strict pattern, since the templates read the
variables themselves.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ..inputs.options import Option, convert, normalize, read_inputs, refusal, show
from .facts import Inputs
from .site import PORTS, SCHEME, Site

NAME = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
SERVER_NAME = re.compile(rf"(?:\*\.)?{LABEL}(?:\.{LABEL})*")
HOST_NAME = "a host name such as shop.example.org or *.example.org"
ADDRESS = "an address or a network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"


def _site_name(text: str) -> str:
    return (
        "be another than the built-in site's (leave the entry out to use that one)"
        if text == "default"
        else ""
    )


def _server_name(text: str) -> str:
    if text in ("_", "*"):
        return "be a name; to catch every host is the job of the site default"
    if SERVER_NAME.fullmatch(text.lower()) and len(text) <= 253:
        return ""
    return f"be {HOST_NAME}{'' if text.isascii() else ' (international names in their xn-- form)'}"


def _proxy(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        beside = ", without bits beside the network" if "host bits" in str(error) else ""
        return f"be {ADDRESS}{beside}"
    return ""


def _whole(least: int, most: int, allowed: str = "a whole number") -> Option:
    return Option(
        kind="int", pattern=r"-?[0-9]{1,12}", minimum=least, maximum=most, allowed=allowed
    )


_BUFFER = {
    "pattern": r"|[1-9][0-9]{0,2}k",
    "allowed": "a size such as 16k, at most 999k, or '' for Nginx's own 8k",
}
_PORT = _whole(1, 65535, "the number of a port")

INPUTS: dict[str, Option] = {
    "manage": Option(kind="bool"),
    "default_site_enabled": Option(kind="bool"),
    "required_sites": Option(
        kind="list", elements=Option(strict=True, pattern=NAME, allowed="the name of a site")
    ),
    "http_port": _PORT,
    "ipv6": Option(choices=("auto", "enabled", "disabled")),
    "health_path": Option(
        default="",
        pattern=r"|(?!.*/\.flaskops(?:/|$))(?:/[A-Za-z0-9._~-]+)+",
        allowed="a path such as /healthz, or '' for none",
    ),
    "trusted_proxies": Option(
        kind="list", elements=Option(strict=True, check=_proxy, allowed=ADDRESS)
    ),
    "user": Option(
        pattern=r"[a-z_][a-z0-9_-]{0,31}",
        allowed="the name of a user of the system, such as www-data",
    ),
    "worker_processes": Option(
        pattern=r"auto|[1-9][0-9]{0,3}", allowed="auto or a number of processes"
    ),
    "worker_connections": _whole(64, 1048576),
    "worker_rlimit_nofile": _whole(64, 10485760),
    "worker_shutdown_timeout_seconds": _whole(1, 86400),
    "required_shutdown_timeout_seconds": _whole(0, 1000000),
    "header_buffer_size": Option(default="", **_BUFFER),  # type: ignore[arg-type]
    "client_max_body_size": Option(
        default="",
        pattern=r"|[0-9]{1,12}[kKmMgG]?",
        allowed="a size such as 16m, 0 for no limit, or '' to leave it out",
    ),
    "keepalive_timeout_seconds": _whole(0, 86400),
    "keepalive_requests": _whole(1, 1000000000),
    "gzip_level": _whole(1, 9),
    "gzip_min_length_bytes": _whole(0, 1000000000),
    "gzip_types": Option(
        kind="list",
        elements=Option(
            strict=True, pattern=r"[a-z]+/[a-zA-Z0-9.+*-]+", allowed="a media type such as text/css"
        ),
    ),
    "replace_main_config": Option(kind="bool"),
    "replace_default_site": Option(kind="bool"),
}

SITE: dict[str, Option] = {
    "name": Option(
        required=True,
        strict=True,
        pattern=NAME,
        allowed="1 to 40 of a-z, 0-9 and -, not at the ends, for example shop",
        check=_site_name,
    ),
    "server_names": Option(
        kind="list",
        required=True,
        filled=True,
        allowed="a list of host names, for example [shop.example.org]",
        elements=Option(strict=True, check=_server_name, allowed=HOST_NAME),
    ),
    "http_port": _PORT,
    "header_buffer_size": Option(default="", **_BUFFER),  # type: ignore[arg-type]
}


def read(inputs: Mapping[str, Any]) -> tuple[Inputs, list[str]]:
    """The inputs as the plan uses them, and all problems; a value that does not fit becomes None,
    or a shorter list.
    """
    values, problems = read_inputs(inputs, INPUTS, "nginx_")
    connections, files = values["worker_connections"], values["worker_rlimit_nofile"]
    if connections and files and files < 2 * connections:
        problems.append(
            f"nginx_worker_rlimit_nofile must be at least {2 * connections}, twice"
            f" nginx_worker_connections, for a proxied request needs two files; got {files}."
        )
    values["http_port"] = values["http_port"] or PORTS[SCHEME]
    values["sites"], found = _sites(inputs["sites"], values["http_port"])
    values["trusted_proxies"], believed = _proxies(values["trusted_proxies"])
    return Inputs.from_dict(values), [*found, *problems, *believed]


def _proxies(given: list[str]) -> tuple[list[str], list[str]]:
    """Each as Nginx writes it and once."""
    networks = {text: ipaddress.ip_network(text) for text in given}
    problems = [
        f"nginx_trusted_proxies: {show(text)} is every client, and each could pass for another"
        " address; write those of your proxies alone."
        for text, network in networks.items()
        if network.prefixlen == 0
    ]
    written = (
        str(network.network_address if network.num_addresses == 1 else network)
        for network in networks.values()
    )
    return list(dict.fromkeys(written)), problems


def _sites(given: Any, port: int) -> tuple[list[Site], list[str]]:
    """nginx_sites with every default filled in."""
    if not isinstance(given, (list, tuple)):
        return [], [
            refusal("nginx_sites", "be a list of dictionaries with name and server_names", given)
        ]
    found: list[Site] = []
    problems: list[str] = []
    for position, entry in enumerate(given):
        where = f"nginx_sites[{position}]"
        if not isinstance(entry, Mapping):
            problems.append(refusal(where, "be a dictionary with name and server_names", entry))
            continue
        name = entry.get("name")
        name = name if isinstance(name, str) and re.fullmatch(NAME, name) else ""
        site, wrong = normalize(entry, SITE, f"nginx_sites: {name}" if name else where)
        problems += wrong
        names = [
            text.lower()
            for text in _list(site["server_names"])
            if isinstance(text, str) and not _server_name(text)
        ]
        twice = [text for text in dict.fromkeys(names) if names.count(text) > 1]
        problems += [
            f"nginx_sites: {name}: server_names: {text} is there twice; leave one out."
            for text in twice
        ]
        found.append(
            Site(
                name,
                tuple(dict.fromkeys(names)),
                _fitting(site, "http_port") or port,
                header_buffer_size=_fitting(site, "header_buffer_size") or "",
            )
        )
    return found, problems + _shared(found)


def _shared(sites: list[Site]) -> list[str]:
    """Names that two sites have."""
    names = [site.name for site in sites if site.name]
    problems = [
        f"nginx_sites: {name}: {names.count(name)} entries have this name; names must differ."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    seen: dict[tuple[str, int], str] = {}
    for site in sites:
        for server_name in site.server_names:
            other = seen.setdefault((server_name, site.port), site.name)
            if other != site.name:
                problems.append(
                    f"nginx_sites: {site.name}: server_names: {server_name} belongs to the site"
                    f" {other} already (port {site.port}); a name leads to one site."
                )
    return problems


def _fitting(site: Mapping[str, Any], key: str) -> Any:
    """The value of a normalised site, or None where it does not fit."""
    return None if convert(site[key], SITE[key], "")[1] else site[key]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
