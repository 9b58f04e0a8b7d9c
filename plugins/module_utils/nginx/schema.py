# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of the role nginx: the source of their checks and of the argument spec, which bin/docs
writes. Pure.

Every value in a file of Nginx must match a strict pattern, because the templates read the variables
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from ..inputs import addresses
from ..inputs.options import Option, convert, normalize, read_inputs, refusal, show
from .certificates import is_address
from .facts import Inputs
from .site import PORTS, SCHEME, Site
from .tls import PROFILES

NAME = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
SERVER_NAME = re.compile(rf"(?:\*\.)?{LABEL}(?:\.{LABEL})*")
HOST_NAME = "a host name such as shop.example.org or *.example.org"
PLAIN_NAME = "a host name such as www.example.org"


def _server_name(text: str) -> str:
    if text in ("_", "*"):
        return "be a name; to catch every host is the job of the site default"
    # Some other letters are an ASCII one in lower case.
    if text.isascii() and SERVER_NAME.fullmatch(text.lower()) and len(text) <= 253:
        return ""
    return f"be {HOST_NAME}{'' if text.isascii() else ' (international names in their xn-- form)'}"


def _plain_name(text: str) -> str:
    return f"be {PLAIN_NAME}" if "*" in text else _server_name(text)


def _whole(least: int, most: int, allowed: str = "a whole number", about: str = "") -> Option:
    return Option(
        kind="int",
        pattern=r"-?[0-9]{1,12}",
        minimum=least,
        maximum=most,
        allowed=allowed,
        about=about,
    )


_BUFFER = Option(
    default="",
    pattern=r"|[1-9][0-9]{0,2}k",
    allowed="a size such as 16k, at most 999k, or '' for Nginx's own 8k",
)
_PORT = _whole(1, 65535, "the number of a port")

PROGRAM = "the absolute path of a program on the host, such as /usr/local/bin/notify"

TLS = ("acme", "provided", "selfsigned", "none")
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_HSTS = _whole(0, 2 * 63072000, "a number of seconds")
_EMAIL = Option(
    default="",
    pattern=r"|[A-Za-z0-9.!#%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}",
    allowed="an address such as ops@example.org, or '' for none",
)


def _directory(text: str) -> str:
    place = r"https://[A-Za-z0-9.:\[\]-]{1,253}(?:/[A-Za-z0-9._~/?&=%-]*)?"
    if text in DIRECTORIES or re.fullmatch(place, text):
        return ""
    return f"be {', '.join(DIRECTORIES)} or the https address of a directory"


INPUTS: dict[str, Option] = {
    "manage": Option(
        kind="bool",
        about="""
            Whether Nginx is installed and configured.

            V(false) keeps your own Nginx; only C(conf.d/flaskops.*) and the
            directories of the sites are written.
        """,
    ),
    "default_site_enabled": Option(
        kind="bool",
        about="""
            Whether the site C(default) serves applications to hosts that no other
            site names.

            If not, such hosts get no answer (444).
        """,
    ),
    "required_sites": Option(
        kind="list",
        elements=Option(strict=True, pattern=NAME, allowed="the name of a site"),
        about="""
            Sites that must exist; with O(main:nginx_manage=false), the role checks the include line
            of each.
        """,
    ),
    "http_port": replace(
        _PORT,
        about="Port for plain HTTP.",
    ),
    "https_port": replace(
        _PORT,
        about="Port for HTTPS, of sites with C(tls).",
    ),
    "tls_profile": Option(
        choices=PROFILES,
        about="""
            The TLS that sites speak: Mozilla's profile V(intermediate) (TLS 1.2 and 1.3, for all
            browsers in use) or V(modern) (TLS 1.3 alone).
        """,
    ),
    "hsts_seconds": replace(
        _HSTS,
        about="""
            How long browsers remember that a site speaks HTTPS (C(Strict-Transport-Security)); V(0)
            does not send it.

            Only sites whose certificate browsers trust send it. Raise it when HTTPS has worked for
            some days; a site can never go back to plain HTTP before this time is over.
        """,
    ),
    "acme_email": replace(
        _EMAIL,
        about="The address of the account at the certificate authority; it may write to it.",
    ),
    "acme_client": Option(
        choices=("distribution", "pip"),
        about="""
            The certbot that asks the authority: the V(distribution)'s package, or with V(pip) the
            current one of the package index, pinned by hashes, in a virtual environment of root.

            With V(pip), the authority may advise an earlier renewal (ARI, RFC 9773).
        """,
    ),
    "acme_directory": Option(
        check=_directory,
        allowed="letsencrypt, letsencrypt-staging or the address of a directory",
        about="""
            The certificate authority of sites with C(tls: acme): V(letsencrypt),
            V(letsencrypt-staging) for trials (no browser trusts it), or the HTTPS address of
            another ACME directory.
        """,
    ),
    "acme_ca_bundle": Option(
        default="",
        pattern=r"|/[^\x00-\x1f\"';{}$\\]*",
        allowed="the absolute path of a file on the host, or '' for the authorities of the system",
        about="""
            A file on the host with the authorities that the connection to the ACME directory may
            trust, for an authority of one's own.
        """,
    ),
    "ipv6": Option(
        choices=("auto", "enabled", "disabled"),
        about="V(auto) listens on IPv6 where the host has it.",
    ),
    "health_path": Option(
        default="",
        pattern=r"|(?!.*/\.flaskops(?:/|$))(?:/[A-Za-z0-9._~-]+)+",
        allowed="a path such as /healthz, or '' for none",
        about="""
            Path at which every site answers C(ok), whatever its applications do;
            empty for none.
        """,
    ),
    "trusted_proxies": Option(
        kind="list",
        elements=Option(
            strict=True,
            pattern=addresses.PATTERN,
            check=addresses.unreadable,
            allowed=addresses.ADDRESS,
        ),
        about="""
            Addresses and networks of proxies in front, such as one that terminates TLS. Nginx
            trusts their C(X-Forwarded-For) and C(X-Forwarded-Proto), so that applications, C(allow)
            and C(deny), and the log have the client's address and scheme. It trusts no other
            client.

            The client is the last address in C(X-Forwarded-For) that is not one of these.

            A proxy on the host itself is V(127.0.0.1), or V(::1) if it connects by IPv6. Networks
            should contain only proxies.

            With O(main:nginx_manage=false), this sets only the scheme; your server block needs
            C(set_real_ip_from) for each of them, C(real_ip_header X-Forwarded-For) and
            C(real_ip_recursive on).
        """,
    ),
    "user": Option(
        pattern=r"[a-z_][a-z0-9_-]{0,31}",
        allowed="the name of a user of the system, such as www-data",
        about="User and group of the workers.",
    ),
    "worker_processes": Option(
        pattern=r"auto|[1-9][0-9]{0,3}",
        allowed="auto or a number of processes",
        about="Number of workers, or V(auto) for one per processor.",
    ),
    "worker_connections": _whole(
        64,
        1048576,
        about="Connections of one worker, to clients and applications together.",
    ),
    "worker_rlimit_nofile": _whole(
        64,
        10485760,
        about="Open files of one worker; at least twice O(main:nginx_worker_connections).",
    ),
    "worker_shutdown_timeout_seconds": _whole(
        1,
        86400,
        about="""
            How long an old worker may finish its transfers and websockets after a reload. It serves
            all applications, so this is not the drain of one of them.

            Old workers of at most ten reloads stay; then the oldest are ended, and the run names
            them.
        """,
    ),
    "required_shutdown_timeout_seconds": _whole(
        0,
        1000000,
        about="""
            An old worker may finish its requests for at least so long, even if
            O(nginx_worker_shutdown_timeout_seconds) is less.

            The role P(flaskops.host.flask_apps#role) gives the longest
            C(drain_seconds) of its applications.
        """,
    ),
    "header_buffer_size": replace(
        _BUFFER,
        about="""
            Space for one header of a request, such as a large cookie, or for its first line, for
            example V(32k). Nginx has four such buffers. Empty is Nginx's default V(8k), or the
            value of a file in C(conf.d).

            Longer headers get 400 or 414. Under uWSGI all headers together must fit into
            C(uwsgi.buffer_size) of the application.
        """,
    ),
    "client_max_body_size": Option(
        default="",
        pattern=r"|[0-9]{1,12}[kKmMgG]?",
        allowed="a size such as 16m, 0 for no limit, or '' to leave it out",
        about="""
            Largest request body; V(0) removes the limit, empty leaves it to a file in
            C(conf.d).
        """,
    ),
    "keepalive_timeout_seconds": _whole(
        0,
        86400,
        about="How long an idle connection of a client stays open.",
    ),
    "keepalive_requests": _whole(
        1,
        1000000000,
        about="Requests on one connection before it is closed.",
    ),
    "gzip_level": _whole(
        1,
        9,
        about="Effort of the compression, 1 to 9.",
    ),
    "gzip_min_length_bytes": _whole(
        0,
        1000000000,
        about="Smaller answers are not compressed.",
    ),
    "gzip_types": Option(
        kind="list",
        elements=Option(
            strict=True, pattern=r"[a-z]+/[a-zA-Z0-9.+*-]+", allowed="a media type such as text/css"
        ),
        about="Media types that are compressed, besides C(text/html).",
    ),
    "replace_main_config": Option(
        kind="bool",
        about="""
            Permits replacing an C(nginx.conf) that somebody changed, or that runs
            other sites; a copy is kept.
        """,
    ),
    "notify": Option(
        default="",
        pattern=r"|(?!.*/\.\.?(/|$))(/[A-Za-z0-9._@+-]+)+",
        allowed=PROGRAM,
        about="""
            A program on the host that gets an event when a certificate was not issued or renewed,
            and when one expires. For the role C(nginx) alone: the role C(flask_apps) replaces it
            with C(flask_apps_notify), which describes it.
        """,
    ),
    "replace_default_site": Option(
        kind="bool",
        about="""
            Permits disabling a default site that somebody changed; a copy is kept.
        """,
    ),
}

SITE: dict[str, Option] = {
    "name": Option(
        required=True,
        strict=True,
        pattern=NAME,
        allowed="1 to 40 of a-z, 0-9 and -, not at the ends, for example shop",
    ),
    "server_names": Option(
        kind="list",
        required=True,
        filled=True,
        allowed="a list of host names, for example [shop.example.org]",
        elements=Option(strict=True, check=_server_name, allowed=HOST_NAME),
    ),
    "redirect_from": Option(
        kind="list",
        elements=Option(strict=True, check=_plain_name, allowed=PLAIN_NAME),
    ),
    "tls": Option(choices=TLS, default="none"),
    "certificate": Option(default="", secret=True),
    "certificate_key": Option(default="", secret=True),
    "acme_email": _EMAIL,
    "hsts_seconds": _HSTS,
    "http_port": _PORT,
    "https_port": _PORT,
    "header_buffer_size": _BUFFER,
}

# The argument spec also has the variables that only the templates read, and the sites. It does not
# have the keys of a site: Ansible would check them before this collection does, and its message
# names neither the site nor the value.
DOCUMENTED: dict[str, Option] = {
    **INPUTS,
    "sites": Option(
        kind="list",
        elements=Option(kind="dict"),
        about="""
            Named server blocks; the built-in site C(default) needs no entry. With one, the site
            answers to all names that no other site has, also by HTTPS.

            Each has C(name), a label used in file names and by applications that
            belong to the site, and C(server_names), its host names, where
            C(*.example.org) stands for all names below it.

            C(redirect_from) has further host names, such as the one with C(www.) or an old domain;
            they are redirected to the first of C(server_names).

            C(tls) is where the certificate comes from: V(acme) gets and renews one, V(provided)
            uses C(certificate) (with its intermediate certificates) and C(certificate_key), each a
            file on the controller or its text, such as a variable of Ansible Vault; V(selfsigned)
            creates one that no browser trusts; V(none) serves plain HTTP. With any other than
            V(none), plain HTTP is redirected.

            C(acme_email), C(hsts_seconds), C(http_port), C(https_port) and C(header_buffer_size)
            replace the variables of these names for one site.
        """,
    ),
    "gzip_enabled": Option(
        kind="bool",
        about="Whether answers are compressed.",
    ),
    "access_log_enabled": Option(
        kind="bool",
        about="Whether requests are logged.",
    ),
    "access_log_format": Option(
        choices=("combined", "json"),
        about="""
            V(combined) is the well-known format with more fields at its end, V(json) one object of
            JSON in each line. Both have the id of the request, the application and its release.
        """,
    ),
    "error_log_level": Option(
        choices=("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"),
        about="Least severity of messages in the error log.",
    ),
}


def read(inputs: Mapping[str, Any]) -> tuple[Inputs, list[str]]:
    """The inputs as the plan uses them, and all problems; an invalid value becomes None, or a
    shorter list.
    """
    values, problems = read_inputs(inputs, INPUTS, "nginx_")
    connections, files = values["worker_connections"], values["worker_rlimit_nofile"]
    if connections and files and files < 2 * connections:
        problems.append(
            f"nginx_worker_rlimit_nofile must be at least {2 * connections}, twice"
            f" nginx_worker_connections, for a proxied request needs two files; got {files}."
        )
    values["http_port"] = values["http_port"] or PORTS[SCHEME]
    values["https_port"] = values["https_port"] or PORTS["https"]
    values["sites"], found = _sites(inputs["sites"], values)
    if values["manage"]:
        found += _locked_out(values["sites"])
    values["trusted_proxies"], believed = _proxies(values["trusted_proxies"])
    return Inputs.from_dict(values), [*found, *problems, *believed]


def _proxies(given: list[str]) -> tuple[list[str], list[str]]:
    """Each as Nginx writes it and once."""
    problems = [
        f"nginx_trusted_proxies: {show(text)} is every client, and each could pass for another"
        " address; write those of your proxies alone."
        for text in dict.fromkeys(given)
        if addresses.is_everyone(text)
    ]
    return list(addresses.as_nginx_writes(given)), problems


def _sites(given: Any, values: Mapping[str, Any]) -> tuple[list[Site], list[str]]:
    """nginx_sites with every default filled in, from the variables for all sites."""
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
        where = f"nginx_sites: {name}" if name else where
        site, wrong = normalize(entry, SITE, where)
        problems += wrong
        names, aside = (
            [text.lower() for text in _list(site[key]) if isinstance(text, str) and not unfit(text)]
            for key, unfit in (("server_names", _server_name), ("redirect_from", _plain_name))
        )
        both = [*names, *aside]
        problems += [
            f"{where}: {'redirect_from' if text in aside else 'server_names'}: {text} is there"
            " twice; leave one out."
            for text in dict.fromkeys(both)
            if both.count(text) > 1
        ]
        tls = _fitting(site, "tls")
        if tls:
            problems += [f"{where}: {words}" for words in _tls_problems(site, tls, both)]
        hsts = _fitting(site, "hsts_seconds")
        read_site = Site(
            name,
            tuple(dict.fromkeys(names)),
            tuple(dict.fromkeys(aside)),
            tls or "none",
            _fitting(site, "http_port") or values["http_port"],
            _fitting(site, "https_port") or values["https_port"],
            trusted=is_trusted(tls or "none", values["acme_directory"] or ""),
            hsts_seconds=(values["hsts_seconds"] or 0) if hsts is None else hsts,
            acme_email=_fitting(site, "acme_email") or values["acme_email"] or "",
            header_buffer_size=_fitting(site, "header_buffer_size") or "",
        )
        if aside and names and (names[0].startswith("*") or not read_site.origin):
            problems.append(
                f"{where}: redirect_from leads to the first of server_names, which must be"
                f" {PLAIN_NAME}; got {show(names[0])}."
            )
        found.append(read_site)
    return found, problems + _shared(found, values["http_port"])


def is_trusted(tls: str, directory: str) -> bool:
    """Whether browsers trust the certificate of a site; of a certificate authority of one's own
    only the owner knows.
    """
    return tls == "provided" or (tls == "acme" and directory != "letsencrypt-staging")


def _tls_problems(site: Mapping[str, Any], tls: str, names: list[str]) -> list[str]:
    """Keys of a site that do not belong to its tls, and names that it cannot have."""
    problems = []
    for key in ("certificate", "certificate_key"):
        if tls == "provided" and not site[key]:
            problems.append(
                f"{key} is missing; with tls: provided, write {key}: a file on the controller, or"
                " its text."
            )
        if tls != "provided" and site[key]:
            problems.append(f"{key} is for tls: provided; got tls: {tls}. Leave one out.")
    if tls != "acme" and _fitting(site, "acme_email"):
        problems.append(f"acme_email is for tls: acme; got tls: {tls}. Leave one out.")
    if tls in ("none", "selfsigned") and _fitting(site, "hsts_seconds"):
        problems.append(
            f"hsts_seconds is for tls: acme or provided; got tls: {tls}. Browsers would refuse"
            " the site."
        )
    patterns = [name for name in names if "*" in name]
    if tls == "acme" and patterns:
        problems.append(
            f"server_names must be names without * for tls: acme; got {show(patterns[0])}. Write"
            " each name, or use tls: provided with a certificate for all of them."
        )
    addresses = [name for name in names if is_address(name)]
    if tls != "none" and addresses:
        problems.append(
            f"server_names must be host names for TLS; got the address {show(addresses[0])}, for"
            " which clients send no name. Write a name, or tls: none."
        )
    return problems


def _shared(given: list[Site], default_port: int) -> list[str]:
    """Names and ports that two sites have; the site default has a port too."""
    sites = [site for site in given if site.name]
    names = [site.name for site in sites]
    problems = [
        f"nginx_sites: {name}: {names.count(name)} entries have this name; names must differ."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    seen: dict[tuple[str, int], str] = {}
    for site in sites:
        for server_name, port in product(site.names, site.ports):
            other = seen.setdefault((server_name, port), site.name)
            if other != site.name:
                problems.append(
                    f"nginx_sites: {site.name}: {_key(site, server_name)}: {server_name} belongs to"
                    f" the site {other} already (port {port}); a name leads to one site."
                )
    plain = {default_port: "the site default (nginx_http_port)"}
    plain |= {site.http_port: site.name for site in sites}
    problems += [
        f"nginx_sites: {site.name}: https_port {site.https_port} is the http_port of"
        f" {plain[site.https_port]}; a port speaks one of both."
        for site in sites
        if site.tls != "none" and site.https_port in plain
    ]
    return problems


def _locked_out(sites: list[Site]) -> list[str]:
    """Sites that browsers cannot open, because another site of the same name sends HSTS: it is for
    all ports of a name.
    """
    return [
        f"nginx_sites: {site.name}: {_key(site, name)}: browsers that have been at {name} of the"
        f" site {other.name} by https "
        + (
            "open it by https alone, and this site has tls: none"
            if site.tls == "none"
            else f"refuse a certificate that they do not trust, and this site has tls: {site.tls}"
        )
        + f". Write hsts_seconds: 0 for the site {other.name}, or another name."
        for site in sites
        for other in sites
        if other.hsts_sent and other is not site and (site.tls == "none" or not site.trusted)
        for name in [next((name for name in site.names if _answers(other, name)), "")]
        if name
    ]


def _key(site: Site, name: str) -> str:
    """Where one of its names is written."""
    return "server_names" if name in site.server_names else "redirect_from"


def _answers(site: Site, name: str) -> bool:
    """Whether a site answers to a name, or redirects it, also by a pattern."""
    return any(
        name == own or (own.startswith("*.") and name.endswith(own[1:])) for own in site.names
    )


def _fitting(site: Mapping[str, Any], key: str) -> Any:
    """The value of a normalised site, or None where it does not fit."""
    return None if convert(site[key], SITE[key], "")[1] else site[key]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
