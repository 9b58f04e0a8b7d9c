# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nginx has to do on a host, and what stands against it. Pure: inputs and facts in, a
plan out.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..host.places import NGINX_BACKUPS, NGINX_SITES
from ..host.places import NGINX_ROOT as ROOT
from . import schema
from .config import DEFAULT_SITES
from .site import Site

SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}
LINES_SHOWN = 40


# --- the sites ------------------------------------------------------------------------------------


def server_blocks(
    sites: Sequence[Site], inputs: Mapping[str, Any], ipv6: bool, port: int
) -> list[dict[str, Any]]:
    """The site files, the catch-all first. It answers on every port, or Nginx would choose another
    one for that.
    """

    def listens(ports: list[int], words: str) -> list[str]:
        return [
            f"{address}{number}{words}"
            for number in ports
            for address in (["", "[::]:"] if ipv6 else [""])
        ]

    ports = sorted({port, *(site.port for site in sites)})
    own = inputs["header_buffer_size"] or ""
    # What comes before Host is read as the catch-all has it, whichever site it is for.
    largest = max(
        [own, *(site.header_buffer_size for site in sites)],
        key=lambda size: int(size.rstrip("k") or 8),
    )
    default = {
        "name": "default",
        "catch_all": True,
        "enabled": bool(inputs["default_site_enabled"]),
        "server_names": ["_"],
        "ports": ports,
        "listens": listens(ports, " default_server"),
        "header_buffer_size": largest,
    }
    named = [
        {
            "name": site.name,
            "catch_all": False,
            "enabled": True,
            "server_names": list(site.server_names),
            "ports": [site.port],
            "listens": listens([site.port], ""),
            "header_buffer_size": site.header_buffer_size or own,
        }
        for site in sites
    ]
    return [default, *named]


def addresses(
    names: Sequence[str], sites: Sequence[Site], port: int, tls: bool
) -> list[dict[str, Any]]:
    """Under which names and on which port each site is reached; an Nginx of the user's own may know
    more than we are told.

    Args:
        names: of the sites.
        sites: those of nginx_sites.
        port: that of the others.
        tls: whether clients may come by https: through a proxy that is believed, or to an Nginx of
        the user's own.
    """
    told = {site.name: site for site in sites}
    return [replace(told.get(name, Site(name, port=port)), tls=tls).to_dict() for name in names]


# --- the host -------------------------------------------------------------------------------------


def difference(theirs: str, ours: str, name: str) -> str:
    """What would change, short enough for an error."""
    names = (f"{name} (on the host)", f"{name} (ours)")
    lines = list(
        difflib.unified_diff(theirs.splitlines(), ours.splitlines(), *names, n=1, lineterm="")
    )
    more = len(lines) - LINES_SHOWN
    return "\n".join(
        [f"    {line}" for line in lines[:LINES_SHOWN]]
        + ([f"    ... {more} more lines"] if more > 0 else [])
    )


def active_lines(text: str) -> str:
    """A configuration without its comments."""
    lines = [
        line.rstrip()
        for line in text.expandtabs(4).splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    more = len(lines) - LINES_SHOWN
    return "\n".join(
        [f"    {line}" for line in lines[:LINES_SHOWN]]
        + ([f"    ... {more} more lines"] if more > 0 else [])
    )


def common_problems(facts: Mapping[str, Any]) -> list[str]:
    problems = []
    if not facts["administrator"]:
        problems.append(
            "nginx: the tasks do not run as root on this host; add become: true to the play."
        )
    elif facts["namespace_error"]:
        problems.append(
            "nginx: this host refuses a private mount namespace, in which every change of the"
            f" Nginx configuration is tested ({facts['namespace_error']}). In a container give it"
            " CAP_SYS_ADMIN (--cap-add SYS_ADMIN)."
        )
    return problems


def managed_problems(
    facts: Mapping[str, Any], inputs: Mapping[str, Any], sites: list[dict[str, Any]], rendered: str
) -> list[str]:
    """What keeps us from taking the Nginx of this host over."""
    problems = []
    system = facts["distribution"]
    if system["version"] not in SUPPORTED.get(system["id"], ()):
        known = "; ".join(
            f"{name.capitalize()} {', '.join(versions)}" for name, versions in SUPPORTED.items()
        )
        problems.append(
            f"nginx: this host runs {system['name']}, which is not supported; supported are"
            f" {known}. With nginx_manage: false an Nginx of your own is used."
        )
    if facts["service"] == "masked":
        problems.append(
            "nginx: the service is masked on this host; run `systemctl unmask nginx`, or set"
            " nginx_manage: false."
        )
    for holder in facts["port_holders"]:
        process = f" (process {holder['pid']})" if holder["pid"] else ""
        problems.append(
            f"nginx: port {holder['port']} is held by {holder['program']}{process}; stop it,"
            " or choose another port with nginx_http_port (and http_port of the sites)."
        )
    main = facts["main_config"]["state"]
    foreign = [item["path"] for item in facts["foreign"]]
    if not inputs["replace_main_config"] and main == "changed":
        problems.append(
            f"nginx: {ROOT}/nginx.conf was changed by somebody and would be"
            f" replaced:\n{difference(facts['main_config']['content'], rendered, 'nginx.conf')}\n "
            " Set nginx_replace_main_config: true to replace it (a copy is kept in"
            f" {NGINX_BACKUPS}), or nginx_manage: false to keep your own."
        )
    elif not inputs["replace_main_config"] and main == "untouched" and foreign:
        problems.append(
            f"nginx: {ROOT}/nginx.conf would be replaced under configuration of somebody else"
            f" ({', '.join(foreign)}). Set nginx_replace_main_config: true if they may run under"
            " ours (they stay as they are and included), or nginx_manage: false to keep your own."
        )
    for site in facts["default_sites"]:
        if site["state"] == "changed" and not inputs["replace_default_site"]:
            problems.append(
                f"nginx: {ROOT}/{site['path']} is not the distribution's default site any more and"
                f" would be switched off:\n{active_lines(site['content'])}\n  Set"
                " nginx_replace_default_site: true to switch it off (a copy of a file is kept in"
                f" {NGINX_BACKUPS}), or rename it."
            )
    ports = sites[0]["ports"]
    for item in facts["foreign"]:
        problems.extend(
            f"nginx: {ROOT}/{item['path']} is the default server of port {port}, and so is our site"
            " default; Nginx starts with one only. Take default_server away from its listen line,"
            " or set nginx_http_port."
            for port in item["default_ports"]
            if port in ports
        )
    problems.extend(broken_by_others(facts))
    return problems


def refused(error: str) -> str:
    words = error.replace("\n", "\n    ")
    return (
        f"nginx: the configuration on this host is refused by Nginx:\n    {words}\n"
        "  Mend or move what it names (`nginx -t` shows it), then run again."
    )


def broken_by_others(facts: Mapping[str, Any]) -> list[str]:
    """A configuration that is broken already, unless what is broken is replaced by us anyway."""
    error = facts["configuration_error"]
    match = re.search(rf" in {ROOT}/(\S+?):\d+", error)
    taken_over = facts["main_config"]["state"] == "ours"
    if not error or (not match and not taken_over):
        return []
    if match and match[1] in {*facts["files"], *DEFAULT_SITES, "nginx.conf"}:
        return []
    return [refused(error)]


def own_nginx_problems(facts: Mapping[str, Any], required: Sequence[str]) -> list[str]:
    """What an Nginx of the user's own (nginx_manage: false) lacks."""
    if not facts["installed"]:
        return [
            "nginx: nginx_manage is false and Nginx is not installed on this host"
            " (/usr/sbin/nginx); install it, or set nginx_manage: true."
        ]
    if facts["configuration_error"]:
        return [refused(facts["configuration_error"])]
    problems = []
    if not facts["running"]:
        problems.append(
            "nginx: nginx_manage is false and Nginx does not run on this host; start it."
        )
    if not facts["gzip_static"]:
        problems.append(
            "nginx: this Nginx was built without --with-http_gzip_static_module, which static files"
            " need (`nginx -V` shows it); the packages of Debian, Ubuntu and nginx.org have it."
        )
    if not facts["conf_d_included"]:
        problems.append(
            f"nginx: nothing includes {ROOT}/conf.d/flaskops.conf; add this line to the http block"
            f" of {ROOT}/nginx.conf:\n    include {ROOT}/conf.d/*.conf;"
        )
    problems.extend(
        f"nginx: no server block includes the applications of the site {site}; add this line to the"
        " server block that is to serve them (`nginx -T` shows where it is):\n    include"
        f" {ROOT}/{NGINX_SITES}/{site}/*.conf;"
        for site in required
        if site not in facts["included_sites"]
    )
    return problems


# --- the plan -------------------------------------------------------------------------------------


def make_plan(
    facts: Mapping[str, Any] | None, inputs: Mapping[str, Any], rendered: str = ""
) -> dict[str, Any]:
    """Without facts: only the inputs are checked (that is how the ports to look at are known)."""
    inputs, problems = schema.read(inputs)
    port, sites, proxies = inputs["http_port"], inputs["sites"], inputs["trusted_proxies"]
    ipv6 = inputs["ipv6"] == "enabled" or (
        inputs["ipv6"] == "auto" and bool(facts and facts["ipv6"])
    )
    blocks = server_blocks(sites, inputs, ipv6, port)
    managed = bool(inputs["manage"])
    required = inputs["required_sites"]
    names = [block["name"] for block in blocks]
    if managed:
        problems.extend(
            f"nginx_required_sites: no site {name!r}; defined sites: {', '.join(names)}."
            for name in required
            if name not in names
        )
    else:
        names = required
    plan = {
        "managed": managed,
        "sites": blocks if managed else [],
        "site_names": names,
        "addresses": addresses(names, sites, port, tls=bool(proxies) or not managed),
        "trusted_proxies": proxies,
        "ports": blocks[0]["ports"] if managed else [],
        "directories": [NGINX_SITES, *(f"{NGINX_SITES}/{name}" for name in names)],
        "absent": [],
        "ipv6": ipv6,
        "packages": [],
        "rotate_logs": False,
        "boot_guard": False,
        "start": False,
        "enable": False,
    }
    if facts:
        problems += common_problems(facts)
        if managed:
            problems += managed_problems(facts, inputs, blocks, rendered)
            site_files = {f"{NGINX_SITES}/{name}.conf" for name in names}
            stale = [
                name
                for name in facts["files"]
                if name.startswith(f"{NGINX_SITES}/") and name not in site_files
            ]
            plan["absent"] = [*DEFAULT_SITES, *stale]
            plan["packages"] = [
                name
                for name, there in (
                    ("nginx", facts["installed"]),
                    ("logrotate", facts["log_rotation"]["installed"]),
                )
                if not there
            ]
            # A package that is installed now brings its own file.
            plan["rotate_logs"] = facts["installed"] and facts["log_rotation"]["by"] != "theirs"
            plan["boot_guard"] = facts["boot_guard"] == "missing"
            plan["start"] = not facts["running"]
            plan["enable"] = facts["service"] != "enabled"
        else:
            problems += own_nginx_problems(facts, required)
    plan["problems"] = problems
    plan["message"] = "\n".join(problems)
    return plan


def split_files(text: str) -> list[dict[str, str]]:
    """One rendered text with several files in it, each after a line '=== path'."""
    parts = re.split(r"^=== (\S+)\n", text, flags=re.MULTILINE)
    return [
        {"path": path, "content": content.strip("\n") + "\n"}
        for path, content in zip(parts[1::2], parts[2::2], strict=True)
    ]


def is_current(facts: Mapping[str, Any], tree: Mapping[str, Any]) -> bool:
    """Whether the host has all of it already, so that nobody has to go there."""
    there = {*facts["files"], *(site["path"] for site in facts["default_sites"])}
    return (
        not facts["reload_pending"]
        and all(
            path == NGINX_SITES or path.removeprefix(f"{NGINX_SITES}/") in facts["directories"]
            for path in tree["directories"]
        )
        and not there & set(tree["absent"])
        and all(
            facts["files"].get(item["path"])
            == {
                "sha256": hashlib.sha256(item["content"].encode()).hexdigest(),
                "mode": "0644",
            }
            for item in tree["files"]
        )
    )
