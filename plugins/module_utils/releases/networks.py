# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker networks of an application: with internet: true a separate bridge, which Docker
isolates from all others.

Docker's default networks are large and few; a host with many applications would run out of them. So
each network gets a few addresses of a pool.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

from ..host.engine import DAEMON_FILE, Docker
from ..host.files import HostError
from ..host.places import APP_LABEL
from ..inputs.options import refusal
from .app import App
from .lock import exclusive
from .release import own_network

PREFIX = 28
# The network of services has the jobs too, each in a container: 64 addresses, or 16 where the pool
# has no more.
PREFIXES_OF_SERVICES = (26, PREFIX)
# Of 16 addresses 13 are left for containers: two releases side by side, and a release command.
MOST_PROCESSES = 5
ATTEMPTS = 20
# Routes as wide as this lead everywhere; a narrower one takes precedence.
EVERYWHERE = 1
POOL = "a private IPv4 network of at least 16 addresses, such as 10.201.0.0/16"


def pool_problem(pool: Any) -> list[str]:
    """What is wrong with flask_apps_networks_pool."""
    try:
        network = ip_network(pool) if isinstance(pool, str) and "/" in pool else None
    except ValueError:
        network = None
    private = (
        isinstance(network, IPv4Network)
        and network.is_private
        and not (network.is_loopback or network.is_link_local)
    )
    if network and private and 8 <= network.prefixlen <= PREFIX:
        return []
    return [refusal("flask_apps_networks_pool", f"be {POOL}", pool)]


def network_problems(app: App) -> list[str]:
    """What does not fit together in internet, host_access and networks."""
    problems = []
    if app.host_access and not (app.internet or app.networks):
        problems.append("host_access needs a network; write internet: true, or networks.")
    if app.internet and len(app.processes) > MOST_PROCESSES:
        problems.append(
            f"internet: true has room for {MOST_PROCESSES} processes; got {len(app.processes)}."
            " Write networks: [NAME] with a Docker network that you create instead."
        )
    return problems


def asks_for_own(container: Mapping[str, Any], name: str) -> bool:
    """Whether the options of a container name its application's own network."""
    return any(network["name"] == own_network(name) for network in container.get("networks") or [])


def ensure(
    docker: Docker,
    root: str,
    name: str,
    pool: str,
    network: str = "",
    options: Sequence[str] = (),
) -> bool:
    """Create the network of an application where it is missing. Returns whether it was created.

    Args:
        docker: the engine.
        root: the directory of the releases.
        name: the application.
        pool: what its addresses are taken from.
        network: that of its services; "" for the one of internet: true.
        options: of docker network create.

    Raises:
        HostError: with the key of the entry that asks for it.
    """
    try:
        return _ensure(docker, root, name, pool, network, options)
    except HostError as error:
        raise HostError(f"{'services' if network else 'internet'}: {error}") from error


def _ensure(
    docker: Docker, root: str, name: str, pool: str, network: str, options: Sequence[str]
) -> bool:
    has_way_out = not network
    network = network or own_network(name)
    if found := docker.inspect(network, "network"):
        if (found.get("Labels") or {}).get(APP_LABEL) == name:
            return False
        raise HostError(
            f"there is a Docker network {network} that is not of this collection; rename or remove"
            " it."
        )
    if has_way_out:  # the other one needs no rules
        _refuse_open_firewall()
    with exclusive(root):
        error = ""
        prefixes = (PREFIX,) if has_way_out else PREFIXES_OF_SERVICES
        for subnet, _attempt in zip(_free(docker, pool, prefixes), range(ATTEMPTS), strict=False):
            words = (
                "--driver",
                "bridge",
                "--subnet",
                str(subnet),
                "--label",
                f"{APP_LABEL}={name}",
                *options,
                network,
            )
            try:
                docker.run("network", "create", *words)
                return True
            except HostError as refused:  # networks that only the engine knows
                error = str(refused)
    raise HostError(
        f"no network could be made in flask_apps_networks_pool: {error}"
        if error
        else _full(docker, pool)
    )


def remove(docker: Docker, name: str, network: str = "") -> bool:
    """Remove the network of an application, or that of its services; no container may be in it.
    Returns whether there was one.
    """
    network = network or own_network(name)
    found = docker.inspect(network, "network")
    if (found.get("Labels") or {}).get(APP_LABEL) != name:
        return False
    docker.run("network", "rm", network)
    return True


def _free(docker: Docker, pool: str, prefixes: Sequence[int]) -> Iterator[IPv4Network]:
    """The parts of the pool that neither a route of the host nor a network of Docker has."""
    taken, whole = [*_routes(), *_of_docker(docker)], IPv4Network(pool)
    for prefix in prefixes:
        for subnet in whole.subnets(new_prefix=prefix) if prefix >= whole.prefixlen else ():
            if not any(subnet.overlaps(other) for other in taken):
                yield subnet


def _full(docker: Docker, pool: str) -> str:
    whole = IPv4Network(pool)
    by = list(
        dict.fromkeys(
            str(other) for other in (*_routes(), *_of_docker(docker)) if other.overlaps(whole)
        )
    )
    return (
        f"flask_apps_networks_pool ({pool}) has no 16 free addresses on this host, where"
        f" routes and Docker networks have {', '.join(by[:5])}{' and more' if len(by) > 5 else ''}."
        " Set it to a private network that nobody uses."
    )


def _routes() -> list[IPv4Network]:
    """Where the routes of all tables of the host lead, without those that lead everywhere."""
    try:
        command = ["ip", "-4", "-oneline", "route", "show", "table", "all"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"the routes of this host cannot be read: {error}") from error
    if done.returncode:
        raise HostError(f"the routes of this host cannot be read: {done.stderr.strip()}")
    return routes_of(done.stdout)


def routes_of(text: str) -> list[IPv4Network]:
    """The same, from the output of C(ip route): a type may precede the address."""
    found = []
    for line in text.splitlines():
        for word in line.split()[:2]:
            try:
                network = ip_network(word, strict=False)
            except ValueError:
                continue
            if isinstance(network, IPv4Network) and network.prefixlen > EVERYWHERE:
                found.append(network)
            break
    return found


def _of_docker(docker: Docker) -> list[IPv4Network]:
    names = docker.run("network", "ls", "--quiet", "--filter", "scope=local").split()
    networks = (
        json.loads(docker.run("network", "inspect", *names, check=False) or "[]") if names else []
    )
    subnets = [
        each.get("Subnet")
        for network in networks
        for each in (network.get("IPAM") or {}).get("Config") or []
    ]
    return [
        network
        for network in (ip_network(subnet, strict=False) for subnet in subnets if subnet)
        if isinstance(network, IPv4Network)
    ]


def _refuse_open_firewall(file: str = DAEMON_FILE) -> None:
    """Fail where Docker sets no firewall rules: without them, each network reaches all others."""
    try:
        settings = json.loads(Path(file).read_text())
    except (OSError, ValueError):
        return
    if isinstance(settings, dict) and settings.get("iptables") is False:
        raise HostError(
            f"{file} has iptables: false, so that Docker keeps no networks apart. Leave"
            " that out (docker_daemon_options), or write networks: [NAME] with a network that your"
            " own firewall guards."
        )
