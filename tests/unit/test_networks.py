# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A separate network for an application: from a free range, never a foreign network, and only if
the entry sets the key.
"""

import json
from ipaddress import IPv4Network

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import describe
from ansible_collections.flaskops.host.plugins.module_utils.releases import networks as _networks
from ansible_collections.flaskops.host.plugins.module_utils.releases.processes import (
    process_containers,
)
from entries import normalize_apps, typed

ROUTES = """default via 192.168.1.1 dev eth0
0.0.0.0/1 via 10.8.0.1 dev tun0
10.201.0.0/28 dev br-1 proto kernel scope link src 10.201.0.1 linkdown
10.201.0.16 dev wg0 table 51820
local 10.201.0.33 dev br-1 table local proto kernel scope host src 10.201.0.33
unreachable 10.201.0.48/29 metric 7
"""


class Engine:
    def __init__(self, *networks, refuses=()):
        self.networks, self.refuses, self.made = (
            {network["Name"]: network for network in networks},
            list(refuses),
            [],
        )

    def inspect(self, name, kind):
        return self.networks.get(name, {}) if kind == "network" else {}

    def run(self, *words, **_how):
        if words[1] == "ls":
            return "\n".join(self.networks)
        if words[1] == "inspect":
            return json.dumps(list(self.networks.values()))
        if words[1] == "rm":
            del self.networks[words[-1]]
        if words[1] == "create":
            subnet = words[words.index("--subnet") + 1]
            self.made.append(subnet)
            if subnet in self.refuses:
                raise HostError("Pool overlaps with other one on this address space")
        return ""


def network(name, subnet, **labels):
    return {
        "Name": name,
        "IPAM": {"Config": [{"Subnet": subnet}, {"Subnet": "fd00::/64"}]},
        "Labels": labels,
    }


@pytest.fixture
def ensure(monkeypatch, tmp_path):
    def run(engine, pool="10.201.0.0/16", routes=ROUTES, called=""):
        monkeypatch.setattr(_networks, "_routes", lambda: _networks.routes_of(routes))
        monkeypatch.setattr(_networks, "_refuse_open_firewall", lambda: None)
        return _networks.ensure(engine, str(tmp_path), "shop", pool, called)

    return run


def test_routes_of_all_tables_count_except_default_routes():
    found = ["10.201.0.0/28", "10.201.0.16/32", "10.201.0.33/32", "10.201.0.48/29"]
    assert _networks.routes_of(ROUTES) == [IPv4Network(each) for each in found]


@pytest.mark.parametrize("called", ["", "flaskops-shop.services"])
@pytest.mark.parametrize(
    ("pool", "block"),
    [
        ("10.201.0.0/16", "10.201.0.128/26"),  # 0 has routes, and 64 is of another network
        ("10.201.0.0/20", "10.201.0.128/26"),
        ("10.201.0.0/21", "10.201.0.96/28"),
        ("10.202.0.0/28", "10.202.0.0/28"),
    ],
)
def test_the_first_free_block_is_used(ensure, pool, block, called):
    engine = Engine(network("other", "10.201.0.64/27"))
    assert ensure(engine, pool, called=called) is True
    assert engine.made == [block]


@pytest.mark.parametrize(
    ("subnet", "containers", "refused"),
    [("10.201.0.0/28", 13, False), ("10.201.0.0/28", 14, True), ("10.201.0.0/26", 61, False)],
)
def test_a_network_of_an_earlier_deploy_must_have_room(tmp_path, subnet, containers, refused):
    engine = Engine(network("flaskops-shop", subnet, **{"host.flaskops.app": "shop"}))
    how = {"pool": "10.201.0.0/16", "containers": containers}
    if not refused:
        assert _networks.ensure(engine, str(tmp_path), "shop", **how) is False
        return
    words = "has room for 13 containers, and 14 may run while a release starts. Remove the applic"
    with pytest.raises(HostError, match=words):
        _networks.ensure(engine, str(tmp_path), "shop", **how)


def test_a_block_that_the_engine_refuses_is_skipped(ensure):
    engine = Engine(refuses=["10.201.0.64/26"])
    assert ensure(engine) is True
    assert engine.made == ["10.201.0.64/26", "10.201.0.128/26"]


def test_the_network_of_an_application_is_reused(ensure):
    engine = Engine(network("flaskops-shop", "10.201.0.64/28", **{"host.flaskops.app": "shop"}))
    assert ensure(engine) is False
    assert engine.made == []


def test_a_foreign_network_is_neither_used_nor_removed(ensure):
    engine = Engine(network("flaskops-shop", "10.9.0.0/16"))
    with pytest.raises(HostError, match="not of this collection"):
        ensure(engine)
    assert _networks.remove(engine, "shop") is False
    assert "flaskops-shop" in engine.networks


def test_a_network_is_removed_with_its_application():
    engine = Engine(network("flaskops-shop", "10.201.0.64/28", **{"host.flaskops.app": "shop"}))
    assert _networks.remove(engine, "shop") is True
    assert _networks.remove(engine, "shop") is False


def test_a_pool_that_is_in_use_is_reported_with_its_user(ensure):
    with pytest.raises(
        HostError,
        match=(
            r"flask_apps_networks_pool \(10.201.0.0/16\) has no 64 free addresses in a block .*"
            r" 10.0.0.0/8\. Set it"
        ),
    ):
        ensure(Engine(), routes="10.0.0.0/8 via 10.1.1.1 dev tun0\n")


@pytest.mark.parametrize(
    ("called", "key"), [("", "internet"), ("flaskops-shop.services", "services")]
)
def test_a_failure_names_the_key_that_asks_for_the_network(monkeypatch, tmp_path, called, key):
    def unreadable():
        raise HostError("the routes of this host cannot be read: no such program")

    def ensure(engine):
        monkeypatch.setattr(_networks, "_refuse_open_firewall", lambda: None)
        with pytest.raises(HostError, match=f"^{key}: ") as failed:
            _networks.ensure(engine, str(tmp_path), "shop", "10.201.0.0/28", called)
        return str(failed.value)

    assert ensure(Engine(network(called or "flaskops-shop", "10.9.0.0/16"))).count(": ") == 1
    monkeypatch.setattr(_networks, "_routes", unreadable)
    assert "routes" in ensure(Engine())
    monkeypatch.setattr(_networks, "_routes", lambda: [])
    assert "Pool overlaps" in ensure(Engine(refuses=["10.201.0.0/28"]))
    assert "no 16 free addresses in a block" in ensure(Engine(network("other", "10.201.0.0/16")))


def test_a_network_is_refused_without_the_firewall_of_docker(tmp_path):
    file = tmp_path / "daemon.json"
    _networks._refuse_open_firewall(str(file))
    file.write_text('{"iptables": false}')
    with pytest.raises(HostError, match="iptables: false"):
        _networks._refuse_open_firewall(str(file))


@pytest.mark.parametrize("pool", ["10.201.0.0/16", "172.31.255.0/28", "192.168.0.0/16"])
def test_valid_pools_are_accepted(pool):
    assert _networks.pool_problem(pool) == []


@pytest.mark.parametrize(
    "pool",
    [
        "",
        5,
        None,
        "10.0.0.0",
        "10.201.0.1/16",
        "8.8.0.0/16",
        "127.0.0.0/8",
        "10.0.0.0/29",
        "fd00::/64",
        ["10.0.0.0/8"],
    ],
)
def test_invalid_pools_are_refused(pool):
    (words,) = _networks.pool_problem(pool)
    assert words.startswith(
        "flask_apps_networks_pool must be a private IPv4 network of at least 16 addresses"
    )


@pytest.fixture
def entry(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")

    def make(**keys):
        (app,), problems = normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}]
        )
        return app, [problem.removeprefix("flask_apps: shop: ") for problem in problems]

    return make


def container(app):
    return typed(describe.container)(app, "1", "flaskops/shop:1", "/var/lib/flaskops")


def test_an_entry_without_the_key_has_no_network(entry):
    found = container(entry()[0])
    assert (found["network_mode"], "networks" in found) == ("none", False)
    assert not _networks.asks_for_own(found, "shop")


def test_an_entry_with_the_key_has_its_network_and_never_the_bridge_of_docker(entry):
    found = container(entry(internet=True)[0])
    assert (found["network_mode"], found["networks"], "etc_hosts" in found) == (
        "flaskops-shop",
        [{"name": "flaskops-shop"}],
        False,
    )
    assert _networks.asks_for_own(found, "shop")
    assert not _networks.asks_for_own(found, "blog")


def test_the_network_can_be_combined_with_others(entry):
    found = container(entry(internet=True, networks=["backend"])[0])
    assert found["networks"] == [{"name": "flaskops-shop"}, {"name": "backend"}]


def test_a_key_gives_the_host_a_name_in_web_and_process_containers(entry):
    app, problems = entry(
        internet=True, host_access=True, processes=[{"name": "worker", "command": "work"}]
    )
    assert problems == []
    found = container(app)
    (worker,) = typed(process_containers)(app, found)
    assert found["etc_hosts"] == worker["etc_hosts"] == {"host.docker.internal": "host-gateway"}
    assert worker["network_mode"] == "flaskops-shop"


def test_keys_that_conflict_are_reported(entry):
    assert entry(host_access=True)[1] == [
        "host_access needs a network; write internet: true, or networks."
    ]
    assert entry(host_access=True, networks=["backend"])[1] == []


@pytest.mark.parametrize(
    ("pool", "processes", "jobs", "said"),
    [
        ("10.201.0.0/16", 20, 18, ""),
        ("10.201.0.0/16", 20, 19, "room for 61 containers; with 20 processes, 0 services and 19"),
        ("10.201.0.0/24", 5, 0, ""),
        ("10.201.0.0/24", 5, 1, "Or give flask_apps_networks_pool 4096 addresses."),
    ],
)
def test_what_does_not_fit_into_a_network_is_refused(entry, pool, processes, jobs, said):
    app, _problems = entry(
        internet=True,
        processes=[{"name": f"p{n}", "command": "x"} for n in range(processes)],
        jobs=[{"name": f"j{n}", "command": "x", "schedule": "daily"} for n in range(jobs)],
    )
    found = typed(_networks.room_problems)(app, pool)
    assert (said in found[0]) if said else found == []
    assert typed(_networks.room_problems)({**app, "internet": False}, pool) == []
