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

# A network has 64 addresses of a pool of 4096 or more, else 16.
POOL_PREFIX, PREFIX, SMALL_PREFIX = 20, 26, 28
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
    if network and private and 8 <= network.prefixlen <= SMALL_PREFIX:
        return []
    return [refusal("flask_apps_networks_pool", f"be {POOL}", pool)]


def network_problems(app: App) -> list[str]:
    """What does not fit together in host_access and the keys that give a network."""
    if app.host_access and not (app.internet or app.networks):
        return ["host_access needs a network; write internet: true, or networks."]
    return []


def room_problems(app: App, pool: str) -> list[str]:
    """Whether the containers of an application fit into a network of the pool, with all its jobs at
    once.
    """
    key = "services" if app.services else "internet: true" if app.internet else ""
    needed = containers_of(len(app.processes), len(app.services)) + len(app.jobs)
    room = _room(_prefix(pool))
    if not key or needed <= room:
        return []
    larger = " Or give flask_apps_networks_pool 4096 addresses." if room < _room(PREFIX) else ""
    return [
        f"{key} gives a network with room for {room} containers; with {len(app.processes)}"
        f" processes, {len(app.services)} services and {len(app.jobs)} jobs, {needed} may run while"
        f" a release starts. Put some of them into another application.{larger}"
    ]


def containers_of(processes: int, services: int) -> int:
    """How many containers of an application run at most while a release starts, without jobs: two
    releases side by side, a release command, and its services.
    """
    return 2 * (1 + processes) + 1 + services


def _room(prefix: int) -> int:
    """The addresses of a network for containers: without the first, the last, and the gateway."""
    return int(2 ** (32 - prefix)) - 3


def _prefix(pool: str) -> int:
    return PREFIX if IPv4Network(pool).prefixlen <= POOL_PREFIX else SMALL_PREFIX


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
    containers: int = 1,
) -> bool:
    """Create the network of an application where it is missing. Returns whether it was created.

    Args:
        docker: the engine.
        root: the directory of the releases.
        name: the application.
        pool: what its addresses are taken from.
        network: that of its services; "" for the one of internet: true.
        options: of docker network create.
        containers: how many must fit in.

    Raises:
        HostError: with the key of the entry that asks for it.
    """
    try:
        return _ensure(docker, root, name, pool, network, options, containers)
    except HostError as error:
        raise HostError(f"{'services' if network else 'internet'}: {error}") from error


def _ensure(
    docker: Docker,
    root: str,
    name: str,
    pool: str,
    network: str,
    options: Sequence[str],
    containers: int,
) -> bool:
    has_way_out = not network
    network = network or own_network(name)
    if found := docker.inspect(network, "network"):
        if (found.get("Labels") or {}).get(APP_LABEL) == name:
            _refuse_small(found, network, containers)
            return False
        raise HostError(
            f"there is a Docker network {network} that is not of this collection; rename or remove"
            " it."
        )
    if has_way_out:  # the other one needs no rules
        _refuse_open_firewall()
    with exclusive(root):
        error = ""
        for subnet, _attempt in zip(_free(docker, pool), range(ATTEMPTS), strict=False):
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


def _refuse_small(found: Mapping[str, Any], network: str, containers: int) -> None:
    """Fail where a network, which may be of an earlier pool, has fewer addresses than needed."""
    room = max((_room(each.prefixlen) for each in _subnets(found)), default=containers)
    if room < containers:
        raise HostError(
            f"the Docker network {network} of an earlier deploy has room for {room} containers, and"
            f" {containers} may run while a release starts. Remove the application and deploy it"
            " again; its data stays. Or leave out processes."
        )


def _free(docker: Docker, pool: str) -> Iterator[IPv4Network]:
    """The parts of the pool that neither a route of the host nor a network of Docker has."""
    taken = [*_routes(), *_of_docker(docker)]
    for subnet in IPv4Network(pool).subnets(new_prefix=_prefix(pool)):
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
        f"flask_apps_networks_pool ({pool}) has no {2 ** (32 - _prefix(pool))} free addresses in a"
        " block on this host, where"
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
    return [subnet for network in networks for subnet in _subnets(network)]


def _subnets(network: Mapping[str, Any]) -> list[IPv4Network]:
    given = (network.get("IPAM") or {}).get("Config") or []
    found = [ip_network(each["Subnet"], strict=False) for each in given if each.get("Subnet")]
    return [subnet for subnet in found if isinstance(subnet, IPv4Network)]


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
