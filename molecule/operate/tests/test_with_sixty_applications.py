"""Sixty applications on one host: what each of them reaches of the others, of the host and of the
outside, also after a restart of Docker and after somebody has emptied the firewall.
"""

import json
import os
import time

import pytest
from conftest import seconds_until

pytestmark = pytest.mark.long

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]
COUNT, AT_ONCE = 60, 20
BACK = 240  # all of them start at once, on two processors
# By the first letter of the name: without a network, with a way out, and with a service.
LISTENER = {"processes": [{"name": "listener", "command": "python3 -m http.server 7777"}]}
KINDS = {
    "a": {},
    "b": {"internet": True, **LISTENER},
    "c": {"services": [{"name": "cache", "engine": "redis"}], **LISTENER},
}
SMALL = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"small"]
"""
# Prints the addresses that answer at one of their ports, if only with a refusal.
SCAN = """
import asyncio, json, sys

async def answers(address, port):
    try:
        async with few:
            await asyncio.wait_for(asyncio.open_connection(address, port), 5)
    except ConnectionRefusedError:
        pass
    except (OSError, asyncio.TimeoutError):
        return None
    return address

async def scan():
    global few
    few = asyncio.Semaphore(100)
    found = await asyncio.gather(*(answers(*target) for target in json.loads(sys.argv[1])))
    print(json.dumps(sorted({address for address in found if address})))

asyncio.run(scan())
"""


# Fails unless all paths answer.
ASK = """
import sys, urllib.request
for path in sys.argv[1].split():
    urllib.request.urlopen(f"http://localhost/{path}", timeout=60)
"""


def names():
    letters = sorted(KINDS)
    return [f"{letters[number % len(letters)]}{number:02}" for number in range(COUNT)]


def listed(source, first):
    """The entries of the next twenty."""
    return [
        {
            "name": name,
            "source": str(source),
            "path": f"/{name}",
            "path_mode": "script_name",
            "module": "small",
            "callable": "application",
            **KINDS[name[0]],
        }
        for name in names()[first : first + AT_ONCE]
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    source = tmp_path_factory.mktemp("small")
    (source / "small.py").write_text(SMALL)
    (source / "requirements.txt").write_text("flask\n")
    return source


@pytest.fixture
def outside(host):
    """Keeps the packets for closed networks, to which the host has no route, on the host: somewhere
    outside, another server may have their addresses.
    """
    route = "blackhole 10.201.0.0/16"
    host.check_output(f"ip route add {route}")
    yield
    host.check_output(f"ip route del {route}")


@pytest.fixture(scope="module")
def sixty(play, small):
    """Deploys them, and removes them at the end, also after a failure."""
    here = ["--limit", HOST]
    try:
        for first in range(0, COUNT, AT_ONCE):
            play("deploy", listed(small, first), arguments=here, seconds=1800).ok()
        yield names()
    finally:
        gone = [{"name": name, "state": "absent"} for name in names()]
        every = ",".join(names())
        play("deploy", gone, arguments=here, seconds=1800, flask_apps_remove_data=every).ok()


class Host:
    """What is on the host now, and what is reached from a container on it."""

    def __init__(self, host):
        self.host = host
        running = host.check_output("docker ps --format '{{.Names}}'").split()
        ours = [each for each in running if each.partition("-")[0] in names()]
        self.containers = json.loads(host.check_output("docker inspect " + " ".join(ours)))
        shown = json.loads(host.check_output("ip -json -4 address show"))
        self.addresses = {info["local"] for each in shown for info in each["addr_info"]} - {
            "127.0.0.1"
        }
        self.way_out = host.check_output("ip route show default").split()[2]

    def of(self, app):
        """The addresses of an application, of its processes and of its services."""
        ours = [each for each in self.containers if each["Name"].startswith(f"/{app}-")]
        return {
            network["IPAddress"]
            for each in ours
            for network in each["NetworkSettings"]["Networks"].values()
        } - {""}

    def reached_from(self, app):
        """Which of all these addresses answer."""
        (web,) = [
            each["Name"][1:]
            for each in self.containers
            if each["Name"].startswith(f"/{app}-") and each["Name"].count("-") == 1
        ]
        everybody = {address for name in names() for address in self.of(name)}
        targets = [(address, port) for address in everybody for port in (6379, 7777)]
        listening = self.host.check_output("ss -Hltn").splitlines()
        ports = {int(line.split()[3].rpartition(":")[2]) for line in listening}
        targets += [(address, port) for address in self.addresses for port in ports]
        targets += [(self.way_out, 9)]
        said = self.host.check_output(
            "docker exec %s python3 -c %s %s", web, SCAN, json.dumps(targets)
        )
        return set(json.loads(said))


def all_answer(host):
    paths = [*names(), "shop/health", "notes/"]
    return host.run("python3 -c %s %s", ASK, " ".join(paths)).rc == 0


def closed_are_closed(now):
    for app in ("a00", "a57"):
        assert now.of(app) == set()
        assert now.reached_from(app) == set()
    for app in ("c02", "c59"):
        assert len(now.of(app)) == 3
        assert now.reached_from(app) == now.of(app)


def with_a_way_out_no_neighbour_is_reached(now):
    for app in ("b01", "b58"):
        reached = now.reached_from(app)
        assert now.way_out in reached and now.of(app) <= reached
        assert reached <= now.of(app) | now.addresses | {now.way_out}


def test_sixty_applications_serve_and_are_apart(host, sixty, outside, measured):
    seconds_until(lambda: all_answer(host), BACK, "sixty applications")
    now = Host(host)
    networks = host.check_output("docker network ls --format '{{.Name}}'").split()
    assert len([each for each in networks if each.startswith("flaskops-")]) >= 2 * COUNT // 3
    closed_are_closed(now)
    with_a_way_out_no_neighbour_is_reached(now)
    measured(f"{len(now.containers)} containers of {COUNT} applications, {len(networks)} networks")


def test_an_emptied_firewall_and_a_restart_of_docker(host, sixty, outside, measured):
    """The former as the reload of nftables.service does with the file that Debian has for it: those
    without a way out need no rule. The latter brings all rules back.
    """
    host.check_output("command -v nft || apt-get install -y -qq --no-install-recommends nftables")
    try:
        host.check_output("nft flush ruleset")
        assert all_answer(host)
        closed_are_closed(Host(host))
    finally:
        begin = time.monotonic()
        host.check_output("systemctl restart docker")
        seconds_until(lambda: all_answer(host), BACK, "sixty applications")
    measured(f"all of them answer {time.monotonic() - begin:.1f} s after a restart of Docker")
    now = Host(host)
    closed_are_closed(now)
    with_a_way_out_no_neighbour_is_reached(now)
