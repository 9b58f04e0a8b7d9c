# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nginx has to do on a host, and what stands against it. Pure: inputs and facts in, a plan out."""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.flaskops.host.plugins.module_utils._options import plain_text, show

ROOT = "/etc/nginx"
DEFAULT_SITES = ("sites-enabled/default", "conf.d/default.conf")
SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}
SITE_KEYS = ("name", "server_names", "http_port", "header_buffer_size")
SITE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
BUFFER = r"|[1-9][0-9]{0,2}k"
BUFFER_WORDS = "a size such as 16k, at most 999k, or '' for Nginx's own 8k"
SERVER_NAME = re.compile(rf"(?:\*\.)?{LABEL}(?:\.{LABEL})*")
LINES_SHOWN = 40


def describe(value: Any) -> str:
    """A value as it looks in YAML, short enough for a sentence."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, Mapping):
        text = f"a dictionary ({', '.join(_word(key) for key in list(value)[:10]) or 'empty'})"
    else:
        text = "nothing" if value is None else show(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _word(value: Any) -> str:
    """A value that names something, without quotes around it."""
    text = describe(value)
    return text[1:-1] if isinstance(value, str) and len(value) < 60 else text


def whole_number(value: Any) -> int | None:
    """An integer, also one that came from the command line as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value) if abs(value) < 10**12 else None
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) else None


# --- the inputs ------------------------------------------------------------------------------------------------------


def read_sites(sites: Any, http_port: int, problems: list[str]) -> list[dict[str, Any]]:
    """nginx_sites with every value checked and every default filled in."""
    if not isinstance(sites, Sequence) or isinstance(sites, (str, bytes)):
        problems.append(f"nginx_sites: is {describe(sites)}; give a list of dictionaries with name and server_names.")
        return []
    found: list[dict[str, Any]] = []
    for index, site in enumerate(sites):
        label = f"nginx_sites[{index}]"
        if not isinstance(site, Mapping):
            problems.append(f"{label}: is {describe(site)}; give a dictionary with name and server_names.")
            continue
        name = site.get("name")
        if "name" not in site:
            problems.append(f"{label}: name is missing; give a short label such as shop.")
        elif not isinstance(name, str) or not SITE_NAME.fullmatch(name):
            problems.append(f"{label}: name is {describe(name)}; use a-z, 0-9 and - (at most 40, no - at either end).")
        elif name == "default":
            problems.append(
                f"{label}: name is 'default', which is the built-in site; choose another name,"
                " or leave the entry out and use the built-in one."
            )
        elif name in [other["name"] for other in found]:
            problems.append(f"nginx_sites: {name}: there are two sites of this name; give each its own.")
        if isinstance(name, str):
            label = f"nginx_sites: {_word(name)}"
        problems.extend(f"{label}: unknown key {describe(key)}; known are {', '.join(SITE_KEYS)}." for key in site if key not in SITE_KEYS)
        port = whole_number(site.get("http_port", http_port))
        if port is None or not 1 <= port <= 65535:
            problems.append(f"{label}: http_port is {describe(site.get('http_port', http_port))}; give a port from 1 to 65535.")
            port = http_port
        buffer = plain_text(site.get("header_buffer_size", ""))
        if buffer is None or not re.fullmatch(BUFFER, buffer):
            problems.append(f"{label}: header_buffer_size is {describe(site['header_buffer_size'])}; give {BUFFER_WORDS}.")
            buffer = ""
        names = read_server_names(label, site.get("server_names"), problems)
        label = name if isinstance(name, str) else ""
        found.append({"name": label, "server_names": names, "http_port": port, "header_buffer_size": buffer})
    seen: dict[tuple[str, int], str] = {}
    for site in found:
        for server_name in site["server_names"]:
            other = seen.setdefault((server_name, site["http_port"]), site["name"])
            if other != site["name"]:
                problems.append(
                    f"nginx_sites: {site['name']}: server_names: {server_name} belongs to the site {other} already"
                    f" (port {site['http_port']}); a name leads to one site."
                )
    return found


def read_server_names(label: str, names: Any, problems: list[str]) -> list[str]:
    if not isinstance(names, Sequence) or isinstance(names, (str, bytes)) or not names:
        what = "is missing" if names is None else f"is {describe(names) if names else 'empty'}"
        problems.append(f"{label}: server_names {what}; give a list of host names, for example [shop.example.org].")
        return []
    found: list[str] = []
    for name in names:
        text = name.lower() if isinstance(name, str) else ""
        if text in ("_", "*"):
            problems.append(f"{label}: server_names: {describe(name)} would catch every host; that is the job of the site default.")
        elif not SERVER_NAME.fullmatch(text) or len(text) > 253:
            hint = " (write international names in their xn-- form)" if text and not text.isascii() else ""
            problems.append(
                f"{label}: server_names: {describe(name)} is not a host name; give names like shop.example.org or *.example.org{hint}."
            )
        elif text in found:
            problems.append(f"{label}: server_names: {text} is there twice; leave one out.")
        else:
            found.append(text)
    return found


def check_settings(inputs: Mapping[str, Any], problems: list[str]) -> None:
    """Everything that goes into a file of Nginx is held against a strict pattern."""
    ranges = {
        "http_port": (1, 65535),
        "worker_connections": (64, 1048576),
        "worker_rlimit_nofile": (64, 10485760),
        "worker_shutdown_timeout_seconds": (1, 86400),
        "required_shutdown_timeout_seconds": (0, 1000000),
        "keepalive_timeout_seconds": (0, 86400),
        "keepalive_requests": (1, 1000000000),
        "gzip_level": (1, 9),
        "gzip_min_length_bytes": (0, 1000000000),
    }
    for key, (least, most) in ranges.items():
        number = whole_number(inputs[key])
        if number is None or not least <= number <= most:
            problems.append(f"nginx_{key}: is {describe(inputs[key])}; give a whole number from {least} to {most}.")
    patterns = {
        "worker_processes": (r"auto|[1-9][0-9]{0,3}", "auto or a number of processes"),
        "user": (r"[a-z_][a-z0-9_-]{0,31}", "the name of a user of the system, such as www-data"),
        "header_buffer_size": (BUFFER, BUFFER_WORDS),
        "client_max_body_size": (r"|[0-9]{1,12}[kKmMgG]?", "a size such as 16m, 0 for no limit, or '' to leave it out"),
        "health_path": (r"|(?!.*/\.flaskops(?:/|$))(?:/[A-Za-z0-9._~-]+)+", "a path such as /healthz, or '' for none"),
    }
    for key, (pattern, allowed) in patterns.items():
        value = inputs[key]
        text = "" if value is None else plain_text(value)
        if isinstance(value, bool) or text is None or not re.fullmatch(pattern, text):
            problems.append(f"nginx_{key}: is {describe(value)}; give {allowed}.")
    types = inputs["gzip_types"]
    if not isinstance(types, Sequence) or isinstance(types, (str, bytes)):
        problems.append(f"nginx_gzip_types: is {describe(types)}; give a list of media types.")
        types = []
    for kind in types:
        if not isinstance(kind, str) or not re.fullmatch(r"[a-z]+/[a-zA-Z0-9.+*-]+", kind):
            problems.append(f"nginx_gzip_types: {describe(kind)} is not a media type; give one such as text/css.")
    connections, files = whole_number(inputs["worker_connections"]), whole_number(inputs["worker_rlimit_nofile"])
    if connections and files and files < 2 * connections:
        problems.append(
            f"nginx_worker_rlimit_nofile: is {files}, too few for nginx_worker_connections: {connections} (a proxied"
            f" request needs two files); give at least {2 * connections}."
        )
    required = inputs["required_sites"]
    if not isinstance(required, Sequence) or isinstance(required, (str, bytes)):
        problems.append(f"nginx_required_sites: is {describe(required)}; give a list of site names.")
        required = []
    for name in required:
        if not isinstance(name, str) or not SITE_NAME.fullmatch(name):
            problems.append(f"nginx_required_sites: {describe(name)} is not the name of a site.")


def read_proxies(proxies: Any, problems: list[str]) -> list[str]:
    """nginx_trusted_proxies, each as Nginx writes it and once."""
    if not isinstance(proxies, Sequence) or isinstance(proxies, (str, bytes)):
        problems.append(f"nginx_trusted_proxies: must be a list of addresses; got {describe(proxies)}.")
        return []
    found = []
    for proxy in proxies:
        try:
            network = ipaddress.ip_network(proxy if isinstance(proxy, str) else "")
        except ValueError as error:
            hint = " (bits beside the network are set)" if "host bits" in str(error) else ""
            words = "must be addresses or networks such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
            problems.append(f"nginx_trusted_proxies: {words}; got {describe(proxy)}{hint}.")
            continue
        if network.prefixlen == 0:
            problems.append(
                f"nginx_trusted_proxies: {describe(proxy)} is every client, and each could pass for another address; write those of your"
                " proxies alone."
            )
        found.append(str(network.network_address if network.num_addresses == 1 else network))
    return list(dict.fromkeys(found))


def server_blocks(sites: list[dict[str, Any]], inputs: Mapping[str, Any], ipv6: bool, port: int) -> list[dict[str, Any]]:
    """The site files, the catch-all first. It answers on every port, or Nginx would choose another one for that."""

    def listens(ports: list[int], words: str) -> list[str]:
        return [f"{address}{number}{words}" for number in ports for address in (["", "[::]:"] if ipv6 else [""])]

    ports = sorted({port, *(site["http_port"] for site in sites)})
    own = plain_text(inputs["header_buffer_size"]) or ""
    own = own if re.fullmatch(BUFFER, own) else ""
    # What comes before Host is read as the catch-all has it, whichever site it is for.
    largest = max([own, *(site["header_buffer_size"] for site in sites)], key=lambda size: int(size.rstrip("k") or 8))
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
            "name": site["name"],
            "catch_all": False,
            "enabled": True,
            "server_names": site["server_names"],
            "ports": [site["http_port"]],
            "listens": listens([site["http_port"]], ""),
            "header_buffer_size": site["header_buffer_size"] or own,
        }
        for site in sites
    ]
    return [default, *named]


def addresses(names: Sequence[str], blocks: Sequence[Mapping[str, Any]], port: int, tls: bool) -> list[dict[str, Any]]:
    """Under which names and on which port each site is reached; an Nginx of the user's own may know more than we are told.

    Args:
        names: of the sites.
        blocks: the server blocks, as server_blocks gives them.
        port: where no block says another one.
        tls: whether clients may come by https: through a proxy that is believed, or to an Nginx of the user's own.
    """
    told = {block["name"]: block for block in blocks}
    return [
        {"name": name, "server_names": told[name]["server_names"], "port": told[name]["ports"][0], "tls": tls}
        if name in told and name != "default"
        else {"name": name, "server_names": [], "port": port, "tls": tls}
        for name in names
    ]


# --- the host --------------------------------------------------------------------------------------------------------


def difference(theirs: str, ours: str, name: str) -> str:
    """What would change, short enough for an error."""
    names = (f"{name} (on the host)", f"{name} (ours)")
    lines = list(difflib.unified_diff(theirs.splitlines(), ours.splitlines(), *names, n=1, lineterm=""))
    more = len(lines) - LINES_SHOWN
    return "\n".join([f"    {line}" for line in lines[:LINES_SHOWN]] + ([f"    ... {more} more lines"] if more > 0 else []))


def active_lines(text: str) -> str:
    """A configuration without its comments."""
    lines = [line.rstrip() for line in text.expandtabs(4).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    more = len(lines) - LINES_SHOWN
    return "\n".join([f"    {line}" for line in lines[:LINES_SHOWN]] + ([f"    ... {more} more lines"] if more > 0 else []))


def common_problems(facts: Mapping[str, Any]) -> list[str]:
    problems = []
    if not facts["administrator"]:
        problems.append("nginx: the tasks do not run as root on this host; add become: true to the play.")
    elif facts["namespace_error"]:
        problems.append(
            "nginx: this host refuses a private mount namespace, in which every change of the Nginx configuration is"
            f" tested ({facts['namespace_error']}). In a container give it CAP_SYS_ADMIN (--cap-add SYS_ADMIN)."
        )
    return problems


def managed_problems(facts: Mapping[str, Any], inputs: Mapping[str, Any], sites: list[dict[str, Any]], rendered: str) -> list[str]:
    """What keeps us from taking the Nginx of this host over."""
    problems = []
    system = facts["distribution"]
    if system["version"] not in SUPPORTED.get(system["id"], ()):
        known = "; ".join(f"{name.capitalize()} {', '.join(versions)}" for name, versions in SUPPORTED.items())
        problems.append(
            f"nginx: this host runs {system['name']}, which is not supported; supported are {known}."
            " With nginx_manage: false an Nginx of your own is used."
        )
    if facts["service"] == "masked":
        problems.append("nginx: the service is masked on this host; run `systemctl unmask nginx`, or set nginx_manage: false.")
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
            f"nginx: {ROOT}/nginx.conf was changed by somebody and would be replaced:\n"
            f"{difference(facts['main_config']['content'], rendered, 'nginx.conf')}\n"
            "  Set nginx_replace_main_config: true to replace it (a copy is kept in /var/backups/flaskops/nginx),"
            " or nginx_manage: false to keep your own."
        )
    elif not inputs["replace_main_config"] and main == "untouched" and foreign:
        problems.append(
            f"nginx: {ROOT}/nginx.conf would be replaced under configuration of somebody else ({', '.join(foreign)})."
            " Set nginx_replace_main_config: true if they may run under ours (they stay as they are and included),"
            " or nginx_manage: false to keep your own."
        )
    for site in facts["default_sites"]:
        if site["state"] == "changed" and not inputs["replace_default_site"]:
            problems.append(
                f"nginx: {ROOT}/{site['path']} is not the distribution's default site any more and would be switched"
                f" off:\n{active_lines(site['content'])}\n"
                "  Set nginx_replace_default_site: true to switch it off (a copy of a file is kept in"
                " /var/backups/flaskops/nginx), or rename it."
            )
    ports = sites[0]["ports"]
    for item in facts["foreign"]:
        problems.extend(
            f"nginx: {ROOT}/{item['path']} is the default server of port {port}, and so is our site default; Nginx"
            f" starts with one only. Take default_server away from its listen line, or set nginx_http_port."
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
            "nginx: nginx_manage is false and Nginx is not installed on this host (/usr/sbin/nginx); install it, or set nginx_manage: true."
        ]
    if facts["configuration_error"]:
        return [refused(facts["configuration_error"])]
    problems = []
    if not facts["running"]:
        problems.append("nginx: nginx_manage is false and Nginx does not run on this host; start it.")
    if not facts["gzip_static"]:
        problems.append(
            "nginx: this Nginx was built without --with-http_gzip_static_module, which static files need (`nginx -V` shows it);"
            " the packages of Debian, Ubuntu and nginx.org have it."
        )
    if not facts["conf_d_included"]:
        problems.append(
            f"nginx: nothing includes {ROOT}/conf.d/flaskops.conf; add this line to the http block of"
            f" {ROOT}/nginx.conf:\n    include {ROOT}/conf.d/*.conf;"
        )
    problems.extend(
        f"nginx: no server block includes the applications of the site {site}; add this line to the server block that"
        f" is to serve them (`nginx -T` shows where it is):\n    include {ROOT}/flaskops/{site}/*.conf;"
        for site in required
        if site not in facts["included_sites"]
    )
    return problems


# --- the plan --------------------------------------------------------------------------------------------------------


def make_plan(facts: Mapping[str, Any] | None, inputs: Mapping[str, Any], rendered: str = "") -> dict[str, Any]:
    """Without facts: only the inputs are checked (that is how the ports to look at are known)."""
    problems: list[str] = []
    port = whole_number(inputs["http_port"]) or 80
    sites = read_sites(inputs["sites"], port, problems)
    check_settings(inputs, problems)
    proxies = read_proxies(inputs["trusted_proxies"], problems)
    ipv6 = inputs["ipv6"] == "enabled" or (inputs["ipv6"] == "auto" and bool(facts and facts["ipv6"]))
    blocks = server_blocks(sites, inputs, ipv6, port)
    managed = bool(inputs["manage"])
    required = inputs["required_sites"]
    given = required if isinstance(required, Sequence) and not isinstance(required, (str, bytes)) else []
    required = [name for name in given if isinstance(name, str) and SITE_NAME.fullmatch(name)]
    names = [block["name"] for block in blocks]
    if managed:
        problems.extend(
            f"nginx_required_sites: there is no site {name}; known are {', '.join(names)}." for name in required if name not in names
        )
    else:
        names = required
    plan = {
        "managed": managed,
        "sites": blocks if managed else [],
        "site_names": names,
        "addresses": addresses(names, blocks, port, tls=bool(proxies) or not managed),
        "trusted_proxies": proxies,
        "ports": blocks[0]["ports"] if managed else [],
        "directories": ["flaskops", *(f"flaskops/{name}" for name in names)],
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
            site_files = {f"flaskops/{name}.conf" for name in names}
            stale = [name for name in facts["files"] if name.startswith("flaskops/") and name not in site_files]
            plan["absent"] = [*DEFAULT_SITES, *stale]
            plan["packages"] = [
                name for name, there in (("nginx", facts["installed"]), ("logrotate", facts["log_rotation"]["installed"])) if not there
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
    return [{"path": path, "content": content.strip("\n") + "\n"} for path, content in zip(parts[1::2], parts[2::2], strict=True)]


def is_current(facts: Mapping[str, Any], tree: Mapping[str, Any]) -> bool:
    """Whether the host has all of it already, so that nobody has to go there."""
    there = {*facts["files"], *(site["path"] for site in facts["default_sites"])}
    return (
        not facts["reload_pending"]
        and all(path == "flaskops" or path.removeprefix("flaskops/") in facts["directories"] for path in tree["directories"])
        and not there & set(tree["absent"])
        and all(
            facts["files"].get(item["path"]) == {"sha256": hashlib.sha256(item["content"].encode()).hexdigest(), "mode": "0644"}
            for item in tree["files"]
        )
    )
