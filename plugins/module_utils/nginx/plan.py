# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the role nginx on a host, and its obstacles. Pure: inputs and facts in, plan out."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ..host.places import ACME_WEBROOT, CERTBOT, HOST_PROGRAMS, NGINX_BACKUPS, NGINX_SITES
from ..host.places import NGINX_ROOT as ROOT
from ..host.typed import Typed, plain
from ..inputs.options import convert
from . import provided, renew, schema
from .acme import Order
from .certificates import (
    Certificate,
    Wanted,
    at,
    days_left,
    expiry,
    is_ending,
    link_path,
    same_names,
)
from .config import DEFAULT_SITES
from .facts import Facts, Inputs, OurFile, Tree, TreeFile
from .site import DEFAULT, Site
from .tls import PROFILES, Abilities, version

SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}
LINES_SHOWN = 40


# --- the sites ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ServerBlock(Typed):
    """The file of a site.

    catch_all: it is the default server of its ports, and speaks plain http. listens: of the server
    that has the applications. plain_listens: where a site with TLS redirects plain http.
    redirect_from, redirect_listens, origin: the hosts that are redirected, from which ports, and
    where to. https_port_shown: what an address on its port has after the host. tls: the directives
    of TLS, without the certificate. reject: what a catch-all does with a handshake for an unknown
    name: "" (it has none), reject, or certificate, where this Nginx needs one to refuse.
    challenges: whether a certificate authority may ask it.
    """

    name: str
    catch_all: bool
    enabled: bool
    server_names: tuple[str, ...]
    ports: tuple[int, ...]
    listens: tuple[str, ...]
    header_buffer_size: str
    plain_listens: tuple[str, ...] = ()
    redirect_from: tuple[str, ...] = ()
    redirect_listens: tuple[str, ...] = ()
    origin: str = ""
    https_port_shown: str = ""
    tls: tuple[str, ...] = ()
    hsts_seconds: int = 0
    challenges: bool = False
    reject_listens: tuple[str, ...] = ()
    reject: str = ""


def server_blocks(inputs: Inputs, ipv6: bool, abilities: Abilities) -> list[ServerBlock]:
    """The site files, the catch-all first. It answers on every port, or Nginx would choose another
    one for that.
    """

    def listens(ports: Iterable[int], words: str = "") -> tuple[str, ...]:
        return tuple(
            f"{address}{number}{words}"
            for number in ports
            for address in (["", "[::]:"] if ipv6 else [""])
        )

    sites = inputs.sites
    own = inputs.header_buffer_size or ""
    tls = (
        *abilities.directives(inputs.tls_profile or PROFILES[0]),
        *(["http2 on"] if abilities.http2_directive else []),
    )
    ssl = " ssl" if abilities.http2_directive else " ssl http2"
    plain = sorted({inputs.http_port, *(site.http_port for site in sites)})
    encrypted = sorted({site.https_port for site in sites if site.tls != "none"})
    # Nginx reads everything before Host with the settings of the catch-all, for any site.
    largest = max(
        [own, *(site.header_buffer_size for site in sites)],
        key=lambda size: int(size.rstrip("k") or 8),
    )

    def block(site: Site) -> ServerBlock:
        """A site of the user's. The site default listens on all ports, for all other names too."""
        catch = site.name == DEFAULT
        words = " default_server" if catch else ""
        http, https = (plain, encrypted) if catch else ([site.http_port], [site.https_port])
        secure = site.tls != "none"
        return ServerBlock(
            site.name,
            catch_all=catch and not secure,
            enabled=True,
            server_names=site.server_names,
            ports=(*plain, *encrypted) if catch else site.ports,
            listens=listens(https, f"{ssl}{words}") if secure else listens(http, words),
            header_buffer_size=largest if catch else site.header_buffer_size or own,
            plain_listens=listens(http, words) if secure else (),
            redirect_from=site.redirect_from,
            redirect_listens=(*listens(http), *(listens(https, ssl) if secure else ())),
            origin=site.origin,
            https_port_shown=site.port_shown,
            tls=tls if secure else (),
            hsts_seconds=site.hsts_sent,
            challenges=site.tls == "acme",
        )

    listed = {site.name: block(site) for site in sites}
    default = listed.pop(DEFAULT, None) or ServerBlock(
        DEFAULT,
        catch_all=True,
        enabled=bool(inputs.default_site_enabled),
        server_names=("_",),
        ports=(*plain, *encrypted),
        listens=listens(plain, " default_server"),
        header_buffer_size=largest,
    )
    if default.catch_all and encrypted:
        default = replace(
            default,
            tls=tls,
            reject_listens=listens(encrypted, f"{ssl} default_server"),
            reject="reject" if abilities.rejects_handshakes else "certificate",
        )
    return [default, *listed.values()]


def addresses(names: Sequence[str], inputs: Inputs) -> tuple[Site, ...]:
    """Under which names and on which port each site is reached; an Nginx of the user's own may have
    sites that nginx_sites does not name.

    Clients may come by https through a trusted proxy, or to an Nginx of the user's own.
    """
    known = {site.name: site for site in inputs.sites}
    https = bool(inputs.trusted_proxies) or not inputs.manage
    return tuple(
        replace(known.get(name, Site(name, http_port=inputs.http_port)), https_in_front=https)
        for name in names
    )


# --- the certificates -----------------------------------------------------------------------------

NOBODY = "flaskops.invalid"  # the name of the certificate that refuses unknown names
SELFSIGNED_DAYS = 30  # before its end a self-signed certificate is replaced


def provided_pairs(
    facts: Facts, given: Mapping[str, Any], sites: Iterable[Site], now: float
) -> tuple[dict[str, provided.Pair], list[str]]:
    """What the user provides, by site, and all problems of those that do not serve yet."""
    entries = {
        entry["name"]: entry
        for entry in (given["sites"] if isinstance(given["sites"], (list, tuple)) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
    }
    pairs, problems = {}, []
    moment = datetime.fromtimestamp(now, timezone.utc)
    for site in sites:
        entry = entries.get(site.name, {})
        texts = [
            convert(entry.get(key) or "", schema.SITE[key], "")
            for key in ("certificate", "certificate_key")
        ]
        # The schema reports what is missing or no text.
        if site.tls != "provided" or not all(text.value and not text.problems for text in texts):
            continue
        certificate, key = (text.value for text in texts)
        try:
            pair = provided.load(certificate, key, str(given.get("directory", ".")))
            there = facts.certificates.get(site.name)
            serves = (
                there is not None and there.source == pair.digest and same_names(there, site.names)
            )
            found = [] if serves else provided.problems(pair, site.names, moment)
        except provided.Unusable as error:
            found = [str(error)]
        else:
            pairs[site.name] = pair
        problems += [f"nginx_sites: {site.name}: {words}" for words in found]
    return pairs, problems


def certificates_to_create(
    facts: Facts,
    sites: Iterable[Site],
    pairs: Mapping[str, provided.Pair],
    fallback: bool,
    now: float,
) -> list[Wanted]:
    """Those that are written before the sites that use them. A site with tls: acme gets a
    placeholder, unless it has a certificate of any kind.

    Args:
        facts: of the host.
        sites: all of them.
        pairs: what the user provides, by site.
        fallback: whether this Nginx needs a certificate to refuse unknown names.
        now: seconds since 1970.
    """
    wanted = [Wanted("default", "selfsigned", (NOBODY,))] if fallback else []
    for site in sites:
        if site.tls == "provided" and site.name in pairs:
            source = pairs[site.name].digest
            wanted.append(Wanted(site.name, "provided", site.names, source))
        elif site.tls == "selfsigned":
            wanted.append(Wanted(site.name, "selfsigned", site.names))
        elif site.tls == "acme":
            wanted.append(Wanted(site.name, "placeholder", site.names))
    return [each for each in wanted if not _serves(facts.certificates.get(each.site), each, now)]


def _serves(found: Certificate | None, wanted: Wanted, now: float) -> bool:
    if not found or wanted.kind == "placeholder":
        return found is not None
    return (
        (found.kind, found.source) == (wanted.kind, wanted.source)
        and same_names(found, wanted.names)
        and (wanted.kind != "selfsigned" or days_left(found, now) > SELFSIGNED_DAYS)
    )


def orders(inputs: Inputs) -> list[Order]:
    """The certificates that an authority is asked for, now or when they are due."""
    name = inputs.acme_directory or ""
    directory = schema.DIRECTORIES.get(name, name)
    path = str(CERTBOT / "bin/certbot") if inputs.acme_client == "pip" else ""
    return [
        Order(
            site.name,
            site.names,
            directory,
            site.acme_email,
            inputs.acme_ca_bundle or "",
            site.http_port,
            inputs.notify or "",
            path,
        )
        for site in inputs.sites
        if site.tls == "acme"
    ]


@dataclass(frozen=True)
class Renewal(Typed):
    """What renews certificates between two runs. program: the name of its file. orders: the content
    of its list.
    """

    program: str
    orders: str


def _renewal(facts: Facts, orders: Sequence[Order], program: Callable[[], str]) -> Renewal | None:
    """The renewal to be installed; None where the host has it, or has nothing to renew."""
    there = facts.renewal
    if not orders:
        return None
    text = json.dumps([plain(order) for order in orders], indent=2, sort_keys=True) + "\n"
    wanted = Renewal(program(), text)
    same = there.orders == hashlib.sha256(text.encode()).hexdigest()
    return None if same and there.program == wanted.program else wanted


def expiring(facts: Facts, sites: Iterable[Site], managed: bool, now: float) -> list[str]:
    """The certificates in use whose lifetime is nearly over, as sentences."""
    known = {site.name: site for site in sites if site.tls in ("acme", "provided")}
    return [
        expiry(name, there, known[name].host, now, managed)
        for name, there in sorted(facts.certificates.items())
        if name in known and is_ending(there, now)
    ]


CLOCK_SECONDS = 3600


def clocks(facts: Facts, now: float) -> list[str]:
    """What is wrong with the clock of the host, as a sentence. An authority has a good one."""
    if not facts.clock or not facts.certificates:
        return []
    off = facts.clock - now
    whose, other = "that of the controller", at(now)
    for name, there in sorted(facts.certificates.items()):
        if there.kind == "acme" and there.true_time(facts.clock) != facts.clock:
            off, other = float(there.skew), at(there.true_time(facts.clock))
            whose = f"that of the authority of the site {name}"
    if abs(off) < CLOCK_SECONDS:
        return []
    return [
        f"The clock of this host says {at(facts.clock)}, and {whose} {other}. By a wrong clock"
        " certificates are renewed at a wrong time, and seem to be invalid; `timedatectl` shows"
        " whether it is set by the network."
    ]


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


def common_problems(facts: Facts) -> list[str]:
    problems = []
    if not facts.administrator:
        problems.append(
            "nginx: the tasks do not run as root on this host; add become: true to the play."
        )
    elif facts.namespace_error:
        problems.append(
            "nginx: this host refuses a private mount namespace, in which every change of the"
            f" Nginx configuration is tested ({facts.namespace_error}). In a container give it"
            " CAP_SYS_ADMIN (--cap-add SYS_ADMIN)."
        )
    return problems


def port_keys(port: int, inputs: Inputs) -> str:
    """What sets a port: a variable, or a key of sites."""
    keys = ["nginx_http_port"] if port == inputs.http_port else []
    sites = [site for site in inputs.sites if port in site.ports]
    if port == inputs.https_port and any(site.tls != "none" for site in sites):
        keys.append("nginx_https_port")
    keys += [
        f"{'http_port' if port == site.http_port else 'https_port'} of the site {site.name}"
        for site in sites
        if port not in (inputs.http_port, inputs.https_port)
    ]
    return " and ".join(keys)


def managed_problems(
    facts: Facts, inputs: Inputs, ports: Sequence[int], rendered: str
) -> list[str]:
    """The problems that prevent the role from managing the Nginx of this host."""
    problems = []
    system = facts.distribution
    if system.version not in SUPPORTED.get(system.id, ()):
        known = "; ".join(
            f"{name.capitalize()} {', '.join(versions)}" for name, versions in SUPPORTED.items()
        )
        problems.append(
            f"nginx: this host runs {system.name}, which is not supported; supported are"
            f" {known}. With nginx_manage: false your own Nginx is used."
        )
    if facts.service == "masked":
        problems.append(
            "nginx: the service is masked on this host; run `systemctl unmask nginx`, or set"
            " nginx_manage: false."
        )
    for holder in facts.port_holders:
        process = f" (process {holder.pid})" if holder.pid else ""
        problems.append(
            f"nginx: port {holder.port} is held by {holder.program}{process}; stop it, or choose"
            f" another port with {port_keys(holder.port, inputs)}."
        )
    main = facts.main_config.state
    foreign = [item.path for item in facts.foreign]
    if not inputs.replace_main_config and main == "changed":
        problems.append(
            f"nginx: {ROOT}/nginx.conf was changed by somebody and would be"
            f" replaced:\n{difference(facts.main_config.content, rendered, 'nginx.conf')}\n "
            " Set nginx_replace_main_config: true to replace it (a copy is kept in"
            f" {NGINX_BACKUPS}), or nginx_manage: false to keep your own."
        )
    elif not inputs.replace_main_config and main == "untouched" and foreign:
        problems.append(
            f"nginx: {ROOT}/nginx.conf would be replaced under somebody else's configuration"
            f" ({', '.join(foreign)}). Set nginx_replace_main_config: true if they may run under"
            " ours (they stay as they are and included), or nginx_manage: false to keep your own."
        )
    for site in facts.default_sites:
        if site.state == "changed" and not inputs.replace_default_site:
            problems.append(
                f"nginx: {ROOT}/{site.path} is not the distribution's default site any more and"
                f" would be switched off:\n{active_lines(site.content)}\n  Set"
                " nginx_replace_default_site: true to switch it off (a copy of a file is kept in"
                f" {NGINX_BACKUPS}), or rename it."
            )
    for item in facts.foreign:
        problems.extend(
            f"nginx: {ROOT}/{item.path} is the default server of port {port}, and so is our site"
            " default; Nginx starts with one only. Take default_server away from its listen line,"
            f" or choose another port with {port_keys(port, inputs)}."
            for port in item.default_ports
            if port in ports
        )
    problems.extend(broken_by_others(facts))
    return problems


def refused(error: str) -> str:
    words = error.replace("\n", "\n    ")
    return (
        f"nginx: the configuration on this host is refused by Nginx:\n    {words}\n"
        "  Fix or move what it names (`nginx -t` shows it), then run again."
    )


def broken_by_others(facts: Facts) -> list[str]:
    """A configuration that is already broken, unless the role replaces the broken part."""
    error = facts.configuration_error
    match = re.search(rf" in {ROOT}/(\S+?):\d+", error)
    taken_over = facts.main_config.state == "ours"
    if not error or (not match and not taken_over):
        return []
    if match and match[1] in {*facts.files, *DEFAULT_SITES, "nginx.conf"}:
        return []
    if f"{ROOT}/{NGINX_SITES}/" in error and ".certificate/" in error:  # it is created again
        return []
    return [refused(error)]


def _include(site: Site) -> str:
    """What the user's Nginx needs for the applications of a site."""
    line = f"    include {ROOT}/{NGINX_SITES}/{site.name}/*.conf;"
    missing = f"nginx: no server block includes the applications of the site {site.name}; add"
    where = "(`nginx -T` shows where it is)"
    if site.tls == "none":
        return f"{missing} this line to the server block that is to serve them {where}:\n{line}"
    hsts = f'    set $flaskops_hsts "max-age={site.hsts_sent}";\n' if site.hsts_sent else ""
    return (
        f"{missing} to the server block that has the certificate of {site.host} {where}:\n{hsts}"
        f"{line}\n  and to the one that serves it by plain HTTP:\n"
        f"    return 308 https://$host{site.port_shown}$request_uri;"
    )


def own_nginx_problems(facts: Facts, required: Iterable[Site]) -> list[str]:
    """What the user's Nginx (nginx_manage: false) lacks."""
    if not facts.installed:
        return [
            "nginx: nginx_manage is false and Nginx is not installed on this host"
            " (/usr/sbin/nginx); install it, or set nginx_manage: true."
        ]
    if facts.configuration_error:
        return [refused(facts.configuration_error)]
    problems = []
    if not facts.running:
        problems.append(
            "nginx: nginx_manage is false and Nginx does not run on this host; start it."
        )
    if not facts.gzip_static:
        problems.append(
            "nginx: this Nginx was built without --with-http_gzip_static_module, which static files"
            " need (`nginx -V` shows it); the packages of Debian, Ubuntu and nginx.org have it."
        )
    if not facts.conf_d_included:
        problems.append(
            f"nginx: nothing includes {ROOT}/conf.d/flaskops.conf; add this line to the http block"
            f" of {ROOT}/nginx.conf:\n    include {ROOT}/conf.d/*.conf;"
        )
    problems += [_include(site) for site in required if site.name not in facts.included_sites]
    return problems


# --- the plan -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostOutput(Typed):
    """The output nginx_host."""

    managed: bool
    version: str | None
    root: str
    user: str
    group: str
    ipv6: bool
    sites: tuple[Site, ...]
    health_path: str


@dataclass(frozen=True)
class Plan(Typed):
    """problems: what prevents it, and message, the same as one text. sites: the server blocks that
    are written. ports: those that Nginx listens on. host: None where only the inputs were checked.
    unused: sites whose certificate is no longer used. obsolete: the files of a renewal that has
    nothing to renew. certbot_new, certbot_old: the names of the one of the package index that is
    installed, and of the one that is removed. programs: the directory of both.
    """

    problems: tuple[str, ...]
    managed: bool
    sites: tuple[ServerBlock, ...]
    site_names: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    ports: tuple[int, ...]
    directories: tuple[str, ...]
    host: HostOutput | None = None
    absent: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    rotate_logs: bool = False
    boot_guard: bool = False
    start: bool = False
    enable: bool = False
    create: tuple[Wanted, ...] = ()
    issue: tuple[Order, ...] = ()
    unused: tuple[str, ...] = ()
    renewal: Renewal | None = None
    obsolete: tuple[str, ...] = ()
    certbot_new: str = ""
    certbot_old: str = ""
    programs: str = str(HOST_PROGRAMS)
    webroot: str = str(ACME_WEBROOT)
    warnings: tuple[str, ...] = ()
    message: str = ""


def make_plan(
    facts: Facts | None,
    given: Mapping[str, Any],
    rendered: str = "",
    now: float | None = None,
    program: Callable[[], str] = str,
) -> Plan:
    """The work on a host. Without facts only the inputs are checked, which gives the ports to look
    at.

    Args:
        facts: of the host.
        given: the variables of the role without their prefix, as the user wrote them.
        rendered: the main configuration, for the difference in an error.
        now: seconds since 1970.
        program: returns the name of the program on the host.
    """
    moment = time.time() if now is None else now
    inputs, problems = schema.read(given)
    pairs, unusable = (
        provided_pairs(facts, given, inputs.sites, moment)
        if inputs.manage and facts and given.get("writes", True)
        else ({}, [])
    )
    problems += unusable
    ipv6 = inputs.ipv6 == "enabled" or (inputs.ipv6 == "auto" and bool(facts and facts.ipv6))
    # An Nginx with another library than OpenSSL names no version of it.
    unknown = "1" if facts and facts.installed else None
    abilities = Abilities(
        version(facts.version if facts else None),
        version((facts.openssl if facts else None) or unknown),
    )
    blocks, names = server_blocks(inputs, ipv6, abilities), inputs.required_sites
    if inputs.manage:
        names = tuple(block.name for block in blocks)
        problems.extend(
            f"nginx_required_sites: no site {name!r}; defined sites: {', '.join(names)}."
            for name in inputs.required_sites
            if name not in names
        )
    else:
        blocks = []
    ports = blocks[0].ports if blocks else ()
    if facts:
        problems += common_problems(facts)
        problems += (
            managed_problems(facts, inputs, ports, rendered)
            if inputs.manage
            else own_nginx_problems(facts, addresses(names, inputs))
        )
    plan = Plan(
        tuple(problems),
        managed=bool(inputs.manage),
        sites=tuple(blocks),
        site_names=names,
        trusted_proxies=inputs.trusted_proxies,
        ports=ports,
        directories=(NGINX_SITES, *(f"{NGINX_SITES}/{name}" for name in names)),
        message="\n".join(problems),
    )
    if facts:
        plan = replace(plan, host=_output(facts, inputs, ipv6, addresses(names, inputs)))
    if not facts:
        return plan
    renewed = orders(inputs) if inputs.manage else []
    wanted = str(given.get("certbot_name", "")) if renewed and inputs.acme_client == "pip" else ""
    plan = replace(
        plan,
        obsolete=() if renewed else facts.renewal.files,
        certbot_new=wanted if wanted != facts.certbot_there else "",
        certbot_old=facts.certbot_there if wanted != facts.certbot_there else "",
        warnings=(
            *expiring(facts, inputs.sites, bool(inputs.manage), moment),
            *clocks(facts, moment),
        ),
    )
    if not inputs.manage:
        return plan
    fallback = bool(blocks) and blocks[0].reject == "certificate"
    plan = replace(
        plan,
        create=tuple(certificates_to_create(facts, inputs.sites, pairs, fallback, moment)),
        issue=tuple(
            order
            for order in renewed
            if renew.is_due(facts.certificates.get(order.site), order, moment)
        ),
        renewal=_renewal(facts, renewed, program),
    )
    return _with_work(plan, facts, inputs.sites, fallback, inputs.acme_client == "pip")


def _output(facts: Facts, inputs: Inputs, ipv6: bool, sites: tuple[Site, ...]) -> HostOutput:
    return HostOutput(
        bool(inputs.manage),
        facts.version,
        ROOT,
        user=inputs.user if inputs.manage else facts.user,
        group=inputs.user if inputs.manage else facts.group,
        ipv6=ipv6,
        sites=sites,
        health_path=(inputs.health_path or "") if inputs.manage else "",
    )


def _with_work(plan: Plan, facts: Facts, sites: Iterable[Site], fallback: bool, pip: bool) -> Plan:
    """What is installed, removed and started on a host that the role manages."""
    encrypted = {site.name: site.tls for site in sites if site.tls != "none"}
    linked = {*encrypted, *(["default"] if fallback else [])}
    gone = [name for name in facts.certificates if name not in linked]
    unlinked = [link_path(name) for name in gone]
    site_files = {f"{NGINX_SITES}/{name}.conf" for name in plan.site_names}
    stale = [
        name
        for name in facts.files
        if name.startswith(f"{NGINX_SITES}/") and name not in site_files
    ]
    packages = {
        "nginx": facts.installed,
        "logrotate": facts.log_rotation.installed,
        "openssl": "openssl" in facts.programs or not linked,
        "certbot": "certbot" in facts.programs or "acme" not in encrypted.values() or pip,
        # For a virtual environment, and for the connection to the package index.
        "python3-venv": not plan.certbot_new,
        "ca-certificates": not plan.certbot_new,
        "cron": "cron" in facts.programs
        or "acme" not in encrypted.values()
        or facts.boot_guard != "none",
    }
    return replace(
        plan,
        absent=(*DEFAULT_SITES, *stale, *unlinked),
        unused=(*gone, *(name for name in facts.forgotten if name not in linked)),
        packages=tuple(name for name, there in packages.items() if not there),
        # A package that is installed now brings its own file.
        rotate_logs=facts.installed and facts.log_rotation.by != "theirs",
        boot_guard=facts.boot_guard == "missing",
        start=not facts.running,
        enable=facts.service != "enabled",
    )


def split_files(text: str) -> list[TreeFile]:
    """One rendered text with several files in it, each after a line '=== path'."""
    parts = re.split(r"^=== (\S+)\n", text, flags=re.MULTILINE)
    return [
        TreeFile(path, content.strip("\n") + "\n")
        for path, content in zip(parts[1::2], parts[2::2], strict=True)
    ]


def is_current(facts: Facts, tree: Tree) -> bool:
    """Whether the host already has everything, so that nothing is sent to it."""
    there = {
        *facts.files,
        *(site.path for site in facts.default_sites),
        *map(link_path, facts.certificates),
    }
    return (
        not facts.reload_pending
        and all(
            path == NGINX_SITES or path.removeprefix(f"{NGINX_SITES}/") in facts.directories
            for path in tree.directories
        )
        and not there & set(tree.absent)
        and all(facts.files.get(file.path) == _wanted(file) for file in tree.files)
    )


def _wanted(file: TreeFile) -> OurFile:
    return OurFile(hashlib.sha256(file.content.encode()).hexdigest(), "0644")
