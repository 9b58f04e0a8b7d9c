# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""An application with `internet: true` has a separate network, from which it reaches no neighbour;
one without has no network.
"""

import json
from ipaddress import ip_address, ip_network

import pytest

ASKS = ("keeps", "keeps-too")
PORT = 7777
# Prints the result of a connection: what it received, or the error.
KNOCK = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1) as line:
        print(line.recv(9).decode() if sys.argv[2] == "7777" else "open")
except OSError as error:
    print(type(error).__name__ if error.errno is None else error.errno)
"""
REFUSED, UNREACHABLE = "111", "101"


def inspect(host, *words):
    return json.loads(host.check_output("docker " + " ".join(words)))


@pytest.fixture(scope="module")
def networks(host):
    names = host.check_output(
        "docker network ls --filter label=host.flaskops.app --format '{{.Name}}'"
    ).split()
    return {network["Name"]: network for network in inspect(host, "network inspect", *names)}


@pytest.fixture(scope="module")
def containers(host):
    names = host.check_output(
        "docker ps --filter label=host.flaskops.app --format '{{.Names}}'"
    ).split()
    return {
        container["Name"].strip("/"): container for container in inspect(host, "inspect", *names)
    }


@pytest.fixture(scope="module")
def knock(host, containers):
    """Connect from the container that serves an application."""

    def one(name, address, port=PORT):
        (inside,) = [found for found in containers if found.rpartition("-")[0] == name]
        return host.check_output(
            "docker exec %s python3 -c %s %s %s", inside, KNOCK, str(address), str(port)
        )

    return one


def address_of(containers, name):
    own = [
        facts
        for facts in containers.values()
        if facts["Config"]["Labels"]["host.flaskops.app"] == name
    ]
    (listener,) = [
        facts
        for facts in own
        if facts["Config"]["Labels"].get("host.flaskops.process") == "listener"
    ]
    return listener["NetworkSettings"]["Networks"][f"flaskops-{name}"]["IPAddress"]


def gateway_of(networks, name):
    """The first address of a network is the host's."""
    return ip_network(networks[f"flaskops-{name}"]["IPAM"]["Config"][0]["Subnet"])[1]


def test_only_an_application_that_asks_for_it_has_a_network(networks, containers):
    assert sorted(networks) == sorted(f"flaskops-{name}" for name in ASKS)
    names = {
        container["Config"]["Labels"]["host.flaskops.app"]: container
        for container in containers.values()
    }
    assert names["subpath-blog"]["HostConfig"]["NetworkMode"] == "none"


def test_each_has_sixty_four_addresses_of_the_pool(networks):
    subnets = [
        ip_network(networks[f"flaskops-{name}"]["IPAM"]["Config"][0]["Subnet"]) for name in ASKS
    ]
    assert [subnet.prefixlen for subnet in subnets] == [26, 26]
    assert all(subnet.subnet_of(ip_network("10.201.0.0/16")) for subnet in subnets)
    assert not subnets[0].overlaps(subnets[1])


def test_it_is_in_no_other_network(containers):
    for container in containers.values():
        name = container["Config"]["Labels"]["host.flaskops.app"]
        if name in ASKS:
            assert list(container["NetworkSettings"]["Networks"]) == [f"flaskops-{name}"], (
                container["Name"]
            )


def test_its_own_port_is_reached_and_no_neighbours(knock, containers):
    """The first two show that the listeners can be reached."""
    first, second = ASKS
    assert knock(first, address_of(containers, first)) == "hello"
    assert knock(second, address_of(containers, second)) == "hello"
    assert knock(first, address_of(containers, second)) == "TimeoutError"
    assert knock(second, address_of(containers, first)) == "TimeoutError"


def test_no_neighbour_is_reached_through_the_addresses_of_the_host(knock, networks):
    first, second = ASKS
    for address in (gateway_of(networks, first), gateway_of(networks, second)):
        assert knock(first, address) == REFUSED


def test_servers_elsewhere_are_reached(host, knock):
    """The default gateway answers, if only with a refusal."""
    way_out = host.check_output("ip route show default").split()[2]
    assert ip_address(way_out)
    assert knock("keeps", way_out, 9) == REFUSED
    assert knock("subpath-blog", way_out, 9) == UNREACHABLE


def test_the_host_has_a_name_for_an_application_with_the_key(knock):
    assert knock("keeps-too", "host.docker.internal", 80) == "open"
    assert knock("keeps", "host.docker.internal", 80) != "open"
