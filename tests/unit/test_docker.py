# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The decisions of the docker role: from inputs and facts to problems and work."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.flaskops.host.plugins.filter.docker import FilterModule
from ansible_collections.flaskops.host.plugins.module_utils.docker import schema
from ansible_collections.flaskops.host.plugins.module_utils.docker.apt import (
    APT_SOURCE,
    DOCKER_PACKAGES,
    parse_apt_sources,
    version_pattern,
)
from ansible_collections.flaskops.host.plugins.module_utils.docker.daemon import (
    DAEMON_DEFAULTS,
    daemon_action,
    daemon_config,
    daemon_differences,
    daemon_text,
    option_problems,
    text_digest,
)

DEFAULT_TEXT = daemon_text(daemon_config({}))

BARE = {
    "root": True,
    "pid1": "systemd",
    "python": "/usr/bin/python3",
    "engine": None,
    "engine_error": "[Errno 2] No such file or directory",
    "swarm": False,
    "service": {
        "active": False,
        "enabled": False,
        "masked": False,
        "sleeping": False,
        "pid": 0,
        "command": "dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
    },
    "packages": {"ca-certificates": "20250419"},
    "architecture": "amd64",
    "snap": False,
    "clis": [],
    "daemon": {
        "exists": False,
        "directory": False,
        "text": "",
        "config": {},
        "error": "",
        "sha256": "",
        "validation": "",
    },
    "record": {},
    "apt": {"sources": [], "key_exists": False},
    "users": {},
    "group": False,
    "limits": {"nofile": 1048576, "may_raise": True, "handled": False},
}
INPUTS = {
    "manage": True,
    "source": "auto",
    "version": "",
    "channel": "stable",
    "apt_url": "",
    "apt_key_url": "",
    "daemon_options": {},
    "users": [],
    "replace_engine": False,
    "replace_daemon_config": False,
    "distribution": "Debian",
    "distribution_version": "13.2",
    "distribution_release": "trixie",
}
UBUNTU = {
    "distribution": "Ubuntu",
    "distribution_version": "24.04",
    "distribution_release": "noble",
}
ENGINE = {
    "version": "26.1.5",
    "api_version": "1.45",
    "podman": False,
    "snap": False,
    "rootless": False,
    "userns_remap": False,
    "live_restore": True,
    "containers_running": 0,
    "storage_driver": "overlay2",
    "root_dir": "/var/lib/docker",
    "swarm": False,
    "pid": 700,
    "started_by": "service",
}
CLI = {"path": "/usr/bin/docker", "kind": "docker", "buildx": "0.13.1", "compose": "2.26.1"}
DEBIAN_13 = ["docker.io", "docker-cli", "docker-buildx", "docker-compose", "apparmor", "iptables"]


def with_file(facts, text, ours=True, applied=True):
    """The facts of a host with this daemon.json."""
    sha256 = text_digest(text)
    try:
        config, error = json.loads(text or "{}"), ""
    except ValueError as problem:
        config, error = {}, str(problem)
    facts["daemon"].update(
        exists=True, directory=True, text=text, config=config, error=error, sha256=sha256
    )
    if ours:
        facts["record"].update(daemon_config=[sha256], applied=sha256 if applied else "")
    return facts


def settled(packages=DEBIAN_13, text=DEFAULT_TEXT, version="26.1.5+dfsg1-9"):
    """The facts of a host on which the role has run before."""
    facts = copy.deepcopy(BARE)
    facts["packages"].update(dict.fromkeys(packages, version))
    facts["service"].update(active=True, enabled=True, pid=700)
    facts.update(engine=dict(ENGINE), engine_error="", clis=[dict(CLI)], group=True)
    return with_file(facts, text)


def settled_ubuntu():
    facts = settled(
        [*DOCKER_PACKAGES, "apparmor", "iptables"], version="5:26.1.5-1~ubuntu.24.04~noble"
    )
    url = "https://download.docker.com/linux/ubuntu"
    entry = {
        "path": APT_SOURCE,
        "uris": [url],
        "suites": ["noble"],
        "components": ["stable"],
        "signed_by": "/k",
    }
    facts["apt"] = {"sources": [entry], "key_exists": True}
    facts["record"]["apt_key"] = f"{url}/gpg"
    return facts


def plan(facts, **inputs):
    """The plan; the distribution of the inputs is a fact of the host."""
    given = {**INPUTS, **inputs}
    name, version, suite = (given.pop(f"distribution{key}") for key in ("", "_version", "_release"))
    system = {
        "id": name.lower(),
        # Debian's os-release has no minor version.
        "version": version.split(".")[0] if name == "Debian" else version,
        "suite": suite,
        "name": f"{name} {version}",
    }
    return FilterModule().filters()["docker_plan"]({**facts, "distribution": system}, given)


def changed(facts, **parts):
    """A copy of the facts with some parts updated."""
    facts = copy.deepcopy(facts)
    for name, value in parts.items():
        if isinstance(value, dict) and isinstance(facts[name], dict):
            facts[name].update(value)
        else:
            facts[name] = value
    return facts


# --- nothing to do, and drift ---------------------------------------------------------------------


@pytest.mark.parametrize(("facts", "inputs"), [(settled(), {}), (settled_ubuntu(), UBUNTU)])
def test_a_settled_host_needs_nothing(facts, inputs):
    result = plan(facts, **inputs)
    assert (result["changed"], result["problems"], result["notes"]) == (False, [], [])
    assert not result["daemon"]["record_after"]
    assert not result["service"]["needed"]


DRIFT = [
    (
        "package removed",
        lambda f: f["packages"].pop("docker-compose"),
        {},
        "install",
        ["install docker-compose"],
    ),
    (
        "service stopped",
        lambda f: (f["service"].update(active=False), f.update(engine=None)),
        {},
        "service",
        ["start Docker"],
    ),
    (
        "service disabled",
        lambda f: f["service"].update(enabled=False),
        {},
        "service",
        ["enable Docker at boot"],
    ),
    (
        "user taken out of the group",
        lambda f: f["users"].update(bob={"exists": True, "member": False}),
        {"users": ["bob"]},
        "users",
        ["add bob to the group docker"],
    ),
    (
        "cut off before the restart",
        lambda f: f["record"].update(applied=""),
        {},
        "daemon",
        ["restart Docker"],
    ),
    (
        "daemon.json removed",
        lambda f: f["daemon"].update(exists=False, text="", config={}, sha256=""),
        {"daemon_options": {"log-driver": "local", "log-opts": None, "userland-proxy": None}},
        "daemon",
        [
            "write /etc/docker/daemon.json",
            "  live-restore: true is wanted and not in the file",
            '  log-driver: "local" is wanted and not in the file',
            "restart Docker",
        ],
    ),
]


@pytest.mark.parametrize(
    ("drift", "inputs", "part", "actions"),
    [row[1:] for row in DRIFT],
    ids=[row[0] for row in DRIFT],
)
def test_drift_is_detected(drift, inputs, part, actions):
    facts = settled()
    drift(facts)
    result = plan(facts, **inputs)
    assert result["problems"] == []
    assert result[part]["actions"] == actions


# --- packages -------------------------------------------------------------------------------------

RASPBIAN = {"distribution": "raspbian", "distribution_version": "13"}
PACKAGES = [
    ({"distribution_version": "12.11", "distribution_release": "bookworm"}, ["docker.io"]),
    ({}, ["docker-buildx", "docker-cli", "docker-compose", "docker.io"]),
    (UBUNTU | {"source": "distribution"}, ["docker-buildx", "docker-compose-v2", "docker.io"]),
    (RASPBIAN, ["docker-buildx", "docker-cli", "docker-compose", "docker.io"]),
    (UBUNTU, sorted(DOCKER_PACKAGES)),
    ({"source": "docker", "version": "27.3"}, [
        "containerd.io", "docker-buildx-plugin", "docker-ce-cli=5:27.3.*", "docker-ce=5:27.3.*",
        "docker-compose-plugin",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "expected"), PACKAGES)
def test_packages_of_a_bare_host(inputs, expected):
    install = plan(BARE, **inputs)["install"]
    companions = {"apparmor", "iptables"}
    assert [name for name in install["packages"] if name not in companions] == expected
    assert companions <= set(install["packages"])


PINS = [
    ("docker", "", ""),
    ("docker", "27", "5:27.*"),
    ("docker", "27.3", "5:27.3.*"),
    ("docker", "27.3.1", "5:27.3.1-*"),
    ("docker", "5:27.3.1", "5:27.3.1-*"),
    ("docker", "5:27.3*", "5:27.3*"),
    ("docker", "5:27.3.1-1~ubuntu.24.04~noble", "5:27.3.1-1~ubuntu.24.04~noble"),
    ("distribution", "26.1", "26.1.*"),
    ("distribution", "26.1.5", "26.1.5*"),
    ("distribution", "26.1.5+dfsg1-9", "26.1.5+dfsg1-9"),
]


@pytest.mark.parametrize(("source", "version", "pattern"), PINS)
def test_a_version_becomes_a_pattern_of_apt(source, version, pattern):
    assert version_pattern(source, version) == pattern


@pytest.mark.parametrize(
    ("version", "packages"),
    [
        ("26.1", []),
        ("26.1.5", []),
        ("5:26.1.5-1~ubuntu.24.04~noble", []),
        ("27.3", ["docker-ce-cli=5:27.3.*", "docker-ce=5:27.3.*"]),
    ],
)
def test_a_pin_moves_only_an_engine_that_it_does_not_match(version, packages):
    assert plan(settled_ubuntu(), **UBUNTU, version=version)["install"]["packages"] == packages


def test_nothing_is_installed_if_docker_is_not_managed():
    facts = changed(settled())
    facts["packages"].pop("iptables")
    assert plan(facts, manage=False)["install"]["actions"] == []
    assert plan(facts)["install"]["actions"] == ["install iptables"]


# --- the APT source -------------------------------------------------------------------------------


def test_a_bare_host_gets_the_apt_source_after_a_check_of_its_suite():
    install = plan(BARE, **UBUNTU)["install"]
    assert install["suite_url"] == "https://download.docker.com/linux/ubuntu/dists/noble/InRelease"
    assert install["tools"] == ["python3-debian"]
    assert install["repository"] == {
        "name": "flaskops-docker",
        "url": "https://download.docker.com/linux/ubuntu",
        "suite": "noble",
        "component": "stable",
        "architecture": "amd64",
        "key": "https://download.docker.com/linux/ubuntu/gpg",
    }


def test_the_suite_cannot_be_checked_over_https_without_certificates():
    facts = changed(BARE)
    facts["packages"] = {}
    assert plan(facts, **UBUNTU)["install"]["suite_url"] == ""
    assert (
        plan(facts, **UBUNTU, apt_url="http://mirror/u")["install"]["suite_url"]
        == "http://mirror/u/dists/noble/InRelease"
    )


SOURCE_DRIFT = [
    ({"key_exists": False}, {}),
    ({}, {"apt_key_url": "https://other/gpg"}),
    ({}, {"apt_url": "https://mirror/ubuntu"}),
    ({}, {"channel": "test"}),
]


@pytest.mark.parametrize(("apt", "inputs"), SOURCE_DRIFT)
def test_a_source_that_differs_is_written_again(apt, inputs):
    facts = settled_ubuntu()
    facts["apt"].update(apt)
    assert plan(facts, **UBUNTU, **inputs)["install"]["repository"]


def test_an_existing_apt_source_is_used():
    facts = settled_ubuntu()
    facts["apt"]["sources"][0]["path"] = "/etc/apt/sources.list.d/docker.list"
    assert plan(facts, **UBUNTU)["install"]["repository"] is None
    assert plan(facts, **UBUNTU, channel="test")["problems"] == [
        "/etc/apt/sources.list.d/docker.list already names https://download.docker.com/linux/ubuntu"
        " noble, without the component test; add it there (docker_channel), or remove that file."
    ]


def test_apt_sources_are_read_in_both_forms():
    line = (
        "# deb http://no/ x y\ndeb [arch=amd64 signed-by=/k.asc] https://d.example/ubuntu/ noble"
        " stable test # mine\n"
    )
    assert [source.to_dict() for source in parse_apt_sources("a.list", line)] == [
        {
            "path": "a.list",
            "uris": ["https://d.example/ubuntu"],
            "suites": ["noble"],
            "components": ["stable", "test"],
            "signed_by": "/k.asc",
        }
    ]
    stanza = (
        "# comment\nTypes: deb\nURIs: https://d.example/ubuntu\nSuites: noble\nComponents:"
        " stable\nSigned-By:\n -----BEGIN\n .\n x\n\nEnabled: no\nURIs: http://off/\n"
    )
    [entry] = parse_apt_sources("a.sources", stanza)
    assert (list(entry.uris), entry.signed_by) == (
        ["https://d.example/ubuntu"],
        "\n-----BEGIN\n.\nx",
    )


# --- daemon.json ----------------------------------------------------------------------------------

SAFE = {
    "live-restore": True,
    "log-driver": "json-file",
    "log-opts": {"max-file": "3", "max-size": "10m"},
    "userland-proxy": False,
}
MERGES = [
    ({}, False, SAFE),
    ({}, True, {key: value for key, value in SAFE.items() if key != "live-restore"}),
    (
        {"log-opts": {"max-file": 5}},
        False,
        SAFE | {"log-opts": {"max-file": "5", "max-size": "10m"}},
    ),
    (
        {"log-opts": {"compress": True}},
        False,
        SAFE | {"log-opts": {**SAFE["log-opts"], "compress": "true"}},
    ),
    (
        {"log-driver": "journald"},
        False,
        {"live-restore": True, "log-driver": "journald", "userland-proxy": False},
    ),
    ({"log-driver": "local"}, False, SAFE | {"log-driver": "local"}),
    (
        {"userland-proxy": None, "live-restore": False},
        False,
        {
            "live-restore": False,
            "log-driver": "json-file",
            "log-opts": SAFE["log-opts"],
        },
    ),
    (
        {"dns": ["1.1.1.1"], "builder": {"gc": {"enabled": True}}},
        False,
        SAFE
        | {
            "dns": ["1.1.1.1"],
            "builder": {"gc": {"enabled": True}},
        },
    ),
    ({"builder": {"gc": None}}, False, SAFE | {"builder": {}}),
]


@pytest.mark.parametrize(("options", "swarm", "expected"), MERGES)
def test_options_are_merged_over_safe_defaults(options, swarm, expected):
    before = copy.deepcopy(options)
    assert daemon_config(options, swarm) == expected
    assert options == before
    assert DAEMON_DEFAULTS == SAFE


ACTIONS = [
    ({"debug": True}, {"debug": True}, "none"),
    ({}, {"debug": True}, "reload"),
    ({"registry-mirrors": ["http://a"], "labels": ["a=b"]}, {"live-restore": True}, "reload"),
    ({}, {"mtu": 1400}, "restart"),
    ({"mtu": 1400}, {}, "restart"),
    ({"log-opts": {"max-size": "1m"}}, {"log-opts": {"max-size": "2m"}, "debug": True}, "restart"),
]


@pytest.mark.parametrize(("have", "want", "action"), ACTIONS)
def test_the_daemon_is_reloaded_where_a_reload_is_enough(have, want, action):
    assert daemon_action(have, want) == action


def test_a_reloadable_option_is_reloaded_and_the_record_has_both_files():
    facts = settled()
    daemon = plan(facts, daemon_options={"debug": True})["daemon"]
    text = daemon_text(SAFE | {"debug": True})
    assert (daemon["text"], daemon["action"], daemon["backup"]) == (text, "reload", False)
    old, new = text_digest(DEFAULT_TEXT), text_digest(text)
    assert json.loads(daemon["record_before"]) == {"applied": old, "daemon_config": [new, old]}
    assert json.loads(daemon["record_after"]) == {"applied": new, "daemon_config": [new, old]}


def test_a_stopped_daemon_is_started_and_not_restarted():
    facts = changed(settled(), engine=None, service={"active": False})
    result = plan(facts, daemon_options={"mtu": 1400})
    assert (result["daemon"]["action"], result["service"]["actions"]) == ("none", ["start Docker"])


def test_a_missing_plugin_does_not_turn_a_reload_into_a_restart():
    facts = settled()
    facts["packages"].pop("docker-buildx")
    assert plan(facts, daemon_options={"debug": True})["daemon"]["action"] == "reload"


def test_live_restore_is_enabled_before_the_restart_that_needs_it():
    facts = changed(settled(), engine={"live_restore": False, "containers_running": 2})
    facts["daemon"] = copy.deepcopy(BARE["daemon"])
    result = plan(facts)
    assert (result["daemon"]["action"], result["daemon"]["keep_containers"]) == ("restart", True)
    result = plan(facts, daemon_options={"live-restore": False})
    assert result["daemon"]["keep_containers"] is False
    assert result["notes"] == [
        "The restart of Docker stops 2 running container(s), because live-restore is off; those"
        " with a restart policy come back with it."
    ]


def test_a_foreign_daemon_file_is_refused_with_the_difference():
    facts = settled()
    facts["record"] = {}
    with_file(
        facts,
        json.dumps({"bip": "10.0.0.1/24", "log-driver": "journald", **{"userland-proxy": False}}),
        ours=False,
    )
    assert (
        plan(facts)["message"]
        == "docker: 1 problem, nothing has been changed:\n- /etc/docker/daemon.json was not written"
        ' by this role and differs from what is wanted:\n    bip: "10.0.0.1/24" is in the file'
        " and not in docker_daemon_options\n    live-restore: true is wanted and not in the"
        ' file\n    log-driver: "journald" is in the file, "json-file" is wanted\n    log-opts:'
        ' {"max-file": "3", "max-size": "10m"} is wanted and not in the file\n  Put what you'
        " want to keep into docker_daemon_options, then set docker_replace_daemon_config: true"
        " to have the file replaced (a backup is kept)."
    )
    daemon = plan(facts, replace_daemon_config=True)["daemon"]
    assert (daemon["write"], daemon["backup"], daemon["action"]) == (True, True, "restart")
    assert json.loads(daemon["record_before"])["daemon_config"] == [text_digest(DEFAULT_TEXT)]


FOREIGN = [
    ("holds all and more", json.dumps(SAFE | {"mtu": 1400}), False, "none", []),
    ("empty", "", True, "restart", []),
    ("an empty dictionary", "{}\n", True, "restart", []),
    ("not JSON", "{", True, "restart", ["it is not valid JSON"]),
]


@pytest.mark.parametrize(
    ("text", "write", "action", "words"),
    [row[1:] for row in FOREIGN],
    ids=[row[0] for row in FOREIGN],
)
def test_other_foreign_daemon_files_are_used_or_refused(text, write, action, words):
    facts = settled()
    facts["record"] = {}
    result = plan(with_file(facts, text, ours=False))
    assert (result["daemon"]["write"], result["daemon"]["action"]) == (write, action)
    assert len(result["problems"]) == len(words)
    assert all(word in result["problems"][0] for word in words)


def test_an_edited_file_of_the_role_is_refused():
    facts = with_file(settled(), DEFAULT_TEXT.replace("10m", "50m"), ours=False)
    [problem] = plan(facts)["problems"]
    assert problem.startswith(
        "/etc/docker/daemon.json was edited after this role wrote it and differs"
    )


COMMAND = "/usr/sbin/dockerd -H fd:// --log-driver=journald -p /var/run/docker.pid"
OPTION_PROBLEMS = [
    (
        {"log_level": "info"},
        "dockerd",
        False,
        False,
        [
            "docker_daemon_options: 'log_level' is not an option of dockerd, which are written"
            " with lower case letters and hyphens; "
            "write 'log-level' if that is meant.",
        ],
    ),
    (
        {"registry-miror": []},
        "dockerd",
        False,
        True,
        [
            "docker_daemon_options: 'registry-miror' is not an option of the Docker Engine"
            " 20.10 of this distribution, which would "
            "not start with it; did you mean 'registry-mirrors'?",
        ],
    ),
    ({"registry-miror": []}, "dockerd", False, False, []),
    (
        {"userns-remap": "default"},
        "dockerd",
        False,
        False,
        [
            "docker_daemon_options: userns-remap must be left out, for its containers run as"
            " other users than their files "
            'belong to, so bind mounts fail silently; got "default".',
        ],
    ),
    (
        {"live-restore": True},
        "dockerd",
        True,
        False,
        [
            (
                "docker_daemon_options: live-restore must be left out on a host of a swarm, for"
                " dockerd refuses the two together; got true."
            ),
        ],
    ),
    (
        {"hosts": ["tcp://127.0.0.1:2375"]},
        "dockerd",
        False,
        False,
        [
            "docker_daemon_options: hosts must keep unix:///var/run/docker.sock, which this"
            " collection uses; "
            'got ["tcp://127.0.0.1:2375"].',
            'docker_daemon_options: hosts has "tcp://127.0.0.1:2375", where a client that connects'
            " is root on this host; take it out, "
            "or write tlsverify: true with tlscacert, tlscert and tlskey. SSH needs neither:"
            " docker -H ssh://user@host.",
        ],
    ),
    (
        {"hosts": ["unix:///var/run/docker.sock"]},
        COMMAND.replace("--log-driver=journald", ""),
        False,
        False,
        [
            "docker_daemon_options: hosts is already given to dockerd by its service as the"
            " flag -H, and dockerd refuses to start "
            "when daemon.json repeats it; take it out, or take the flag out of the service first.",
        ],
    ),
    (
        {},
        COMMAND,
        False,
        False,
        [
            "docker_daemon_options: log-driver is already given to dockerd by its service as"
            " the flag --log-driver, and dockerd "
            "refuses to start when daemon.json repeats it; write 'log-driver: null' to leave it"
            " to the flag, or take the flag out "
            "of the service first.",
        ],
    ),
    ({"log-driver": None}, COMMAND, False, False, []),
]


@pytest.mark.parametrize(("options", "command", "swarm", "old", "expected"), OPTION_PROBLEMS)
def test_invalid_options_are_refused(options, command, swarm, old, expected):
    assert option_problems(options, command, swarm, old) == expected


def test_the_output_of_dockerd_about_the_options_is_reported():
    facts = changed(
        settled(), daemon={"validation": "unable to configure: directives don't match: foo"}
    )
    assert plan(facts, daemon_options={"foo": 1})["problems"] == [
        "docker_daemon_options are refused by dockerd: unable to configure: directives don't"
        " match: foo"
    ]


# --- refused hosts and engines --------------------------------------------------------------------

REFUSED = [
    (
        "an unsupported release",
        BARE,
        {"distribution": "Debian", "distribution_version": "11.9"},
        [
            "Debian 11.9 is not supported: Docker is installed on Ubuntu 22.04, 24.04, 26.04"
            " and Debian 12, 13. Set docker_manage: "
            "false to use a Docker Engine that is already there.",
        ],
    ),
    (
        "an unsupported distribution",
        BARE,
        {"distribution": "Rocky", "distribution_version": "9.4"},
        [
            "Rocky 9.4 is not supported: Docker is installed on Ubuntu 22.04, 24.04, 26.04 and"
            " Debian 12, 13. Set docker_manage: "
            "false to use a Docker Engine that is already there.",
        ],
    ),
    (
        "no root",
        changed(BARE, root=False),
        {},
        [
            "The docker role was not run as root; set become: true in the play.",
        ],
    ),
    (
        "a masked service",
        changed(BARE, service={"masked": True}),
        {},
        [
            "docker.service is masked, so it cannot be started. Unmask it (systemctl"
            " unmask docker.service docker.socket), "
            "or set docker_manage: false.",
        ],
    ),
    (
        "the snap",
        changed(BARE, snap=True),
        {},
        [
            "Docker is installed as a snap: the snap is confined and sees other directories"
            " than the host, so bind mounts fail "
            "silently. Remove it (snap remove docker); its containers go with it.",
        ],
    ),
    (
        "a rootless engine",
        changed(settled(), engine={"rootless": True}),
        {},
        [
            "The Docker Engine at /var/run/docker.sock is rootless: it has other users and"
            " another network than the host, so bind "
            "mounts fail silently. Set it up without that, or move it off this host.",
        ],
    ),
    (
        "userns-remap",
        changed(settled(), engine={"userns_remap": True}),
        {"manage": False},
        [
            "The Docker Engine at /var/run/docker.sock uses userns-remap: its containers run as"
            " other users than their files belong "
            "to, so bind mounts fail silently. Use an ordinary Docker Engine.",
        ],
    ),
    (
        "Podman",
        changed(settled(), engine={"podman": True}),
        {"manage": False},
        [
            (
                "What answers at /var/run/docker.sock is Podman, not Docker. Remove the package"
                " podman-docker first."
            ),
        ],
    ),
    (
        "an old engine",
        changed(settled(), engine={"version": "19.03.8"}),
        {"manage": False},
        [
            "The Docker Engine at /var/run/docker.sock is 19.03.8; 20.10 or newer is needed.",
        ],
    ),
    (
        "no buildx",
        changed(settled(), clis=[{**CLI, "buildx": ""}]),
        {"manage": False},
        [
            "The Docker Engine at /var/run/docker.sock is 26.1.5, and no docker command here"
            " has the plugin buildx, without which those from "
            "23 on build no image. Install Docker's docker-buildx-plugin or the distribution's"
            " docker-buildx.",
        ],
    ),
    (
        "an old engine without buildx",
        changed(settled(), clis=[{**CLI, "buildx": ""}], engine={"version": "20.10.24"}),
        {"manage": False},
        [],
    ),
    (
        "no engine",
        BARE,
        {"manage": False},
        [
            "docker_manage is false and no Docker Engine answers at /var/run/docker.sock"
            " ([Errno 2] No such file or directory). "
            "Start it, or set docker_manage: true to have it installed.",
        ],
    ),
    (
        "an unknown user",
        changed(settled(), users={"bob": {"exists": False, "member": False}}),
        {"users": ["bob"]},
        [
            (
                "docker_users: no user 'bob' on this host; create it first, or take it out of the"
                " list."
            ),
        ],
    ),
    (
        "a bad version",
        BARE,
        {"version": "latest"},
        [
            "docker_version must be a version of the package docker.io, such as 27.3, 27.3.1 or"
            " 5:27.3.1-1~ubuntu.24.04~noble; "
            "got 'latest'.",
        ],
    ),
    (
        "bad addresses",
        BARE,
        {"source": "docker", "apt_url": "mirror/debian", "apt_key_url": "key"},
        [
            "docker_apt_url must be an http:// or https:// address that holds dists/, such as "
            "https://download.docker.com/linux/ubuntu; got 'mirror/debian'.",
            "docker_apt_key_url must be an http:// or https:// address, the path of a key file"
            " on the host, or the armoured "
            "key itself; got 'key'.",
        ],
    ),
    (
        "the distribution's engine",
        changed(settled(["docker.io", "containerd"]), engine={"containers_running": 1}),
        UBUNTU,
        [
            "docker_source is 'auto' (that is 'docker' on Ubuntu), which installs docker-ce and"
            " removes docker.io 26.1.5+dfsg1-9, "
            "containerd 26.1.5+dfsg1-9. Docker Engine 26.1.5 answers, with 1 running container."
            " Set docker_source: distribution to "
            "keep it, or docker_replace_engine: true to replace it (that stops the containers;"
            " they stay, as do images and volumes).",
        ],
    ),
    (
        "Docker's own engine",
        settled(["docker-ce"]),
        {"source": "distribution"},
        [
            "docker_source is 'distribution', which installs docker.io and removes docker-ce"
            " 26.1.5+dfsg1-9. Docker Engine 26.1.5 "
            "answers, with 0 running containers. Set docker_source: docker to keep it, or"
            " docker_replace_engine: true to replace it "
            "(that stops the containers; they stay, as do images and volumes).",
        ],
    ),
    (
        "an engine of no package",
        settled([]),
        {"source": "distribution"},
        [
            "docker_source is 'distribution', which installs docker.io, but no package owns the"
            " engine that is there. Docker Engine "
            "26.1.5 answers, with 0 running containers. Set docker_manage: false to use what is"
            " there as it is, or "
            "docker_replace_engine: true to replace it (that stops the containers; they stay,"
            " as do images and volumes).",
        ],
    ),
]


@pytest.mark.parametrize(
    ("facts", "inputs", "problems"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_hosts_and_inputs_that_do_not_fit_are_refused(facts, inputs, problems):
    assert plan(facts, **inputs)["problems"] == problems


@pytest.mark.parametrize(
    ("inputs", "problems"),
    [
        ({"source": "snap"}, ["docker_source must be auto, docker or distribution; got 'snap'."]),
        (
            {"version": 27.3},
            [
                (
                    "docker_version must be in quotes, as YAML may lose digits of a fraction:"
                    " '27.3'; got 27.3."
                )
            ],
        ),
        ({"version": 27}, ["docker_version must be a string in quotes; got 27."]),
        (
            {"apt_url": None, "channel": "edge"},
            [
                "docker_channel must be stable or test; got 'edge'.",
                "docker_apt_url must be a string in quotes; got None.",
            ],
        ),
        ({"users": "bob"}, ["docker_users must be a list; got 'bob'."]),
        (
            {"users": ["bob", "a b", 7]},
            [
                "docker_users[1] must be the name of a user; got 'a b'.",
                "docker_users[2] must be the name of a user; got 7.",
            ],
        ),
        (
            {"daemon_options": ["x"]},
            [
                (
                    "docker_daemon_options must be a dictionary of what daemon.json holds, such as"
                    " {debug: true}; its value is hidden."
                )
            ],
        ),
        (
            {"daemon_options": {"hosts": "x"}},
            [
                (
                    "docker_daemon_options: hosts must be a list of strings such as"
                    " unix:///var/run/docker.sock; got 'x'."
                ),
            ],
        ),
    ],
)
def test_inputs_of_a_wrong_type_are_refused(inputs, problems):
    assert plan(BARE, **inputs)["problems"] == problems


def test_the_table_and_the_argument_spec_agree():
    file = Path(__file__).resolve().parents[2] / "roles/docker/meta/argument_specs.yml"
    specs = yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"]
    assert {f"docker_{name}" for name in schema.DOCUMENTED} == set(specs)
    for name, option in schema.INPUTS.items():
        spec = specs[f"docker_{name}"]
        assert (option.kind, list(option.choices)) == (spec["type"], spec.get("choices", [])), name


def test_all_problems_are_reported_together():
    message = plan(
        changed(BARE, root=False), users=["bob"], version="x", distribution_version="11"
    )["message"]
    assert message.startswith("docker: 4 problems, nothing has been changed:\n- ")
    assert message.count("\n- ") == 4


def test_a_permitted_replacement_removes_conflicting_packages():
    facts = settled(["docker.io", "docker-compose", "runc"])
    install = plan(facts, **UBUNTU, replace_engine=True)["install"]
    assert install["remove"] == ["docker.io", "docker-compose", "runc"]
    facts["packages"]["docker-compose"] = "1.29.2-3"  # a separate program
    assert plan(facts, **UBUNTU, replace_engine=True)["install"]["remove"] == ["docker.io", "runc"]


# --- third-party engines --------------------------------------------------------------------------


def test_a_dockerd_started_by_hand_is_left_alone_and_used():
    facts = changed(BARE, engine={**ENGINE, "started_by": "hand"}, clis=[CLI])
    result = plan(facts, source="docker", daemon_options={"debug": True})
    assert (result["mode"], result["changed"], result["problems"]) == ("found", False, [])
    assert result["notes"] == [
        "Docker Engine 26.1.5 was started by hand (process 700), not by its service: it is used as"
        " it is; nothing is installed or started, and /etc/docker/daemon.json is not touched."
    ]
    facts["users"]["bob"] = {"exists": True, "member": False}
    assert plan(facts, users=["bob"])["problems"] == [
        "docker_users: this host has no group docker, because the engine that was started by hand"
        " comes from no package; create the group and restart that engine, or empty the list."
    ]


def test_an_unmanaged_engine_needs_no_supported_distribution():
    result = plan(settled([]), manage=False, distribution="Rocky", distribution_version="9")
    assert (result["mode"], result["problems"], result["changed"]) == ("unmanaged", [], False)


FOREIGN_CLIS = [
    (
        {"path": "/usr/local/bin/docker", "kind": "docker", "buildx": "", "compose": ""},
        [
            "The docker command that comes first in PATH is /usr/local/bin/docker and has no"
            " buildx and no compose; "
            "/usr/bin/docker is used instead.",
        ],
    ),
    (
        {"path": "/usr/local/bin/docker", "kind": "podman", "buildx": "", "compose": ""},
        [
            "The docker command that comes first in PATH is Podman's /usr/local/bin/docker and"
            " has no buildx and no compose; "
            "/usr/bin/docker is used instead.",
        ],
    ),
    (
        {
            "path": "/usr/local/bin/docker",
            "kind": "docker",
            "buildx": "0.20.0",
            "compose": "2.30.0",
        },
        [],
    ),
]


@pytest.mark.parametrize(("first", "notes"), FOREIGN_CLIS)
def test_a_foreign_command_that_comes_first_in_the_path_is_reported_and_not_used(first, notes):
    facts = changed(settled(), clis=[first, CLI])
    result = plan(facts)
    assert result["notes"] == notes
    assert result["engine"]["cli"] == "/usr/bin/docker"


# --- init scripts ---------------------------------------------------------------------------------

LIMITS = [
    ("sleep", {"nofile": 20000, "may_raise": False, "handled": False}, True),
    ("sleep", {"nofile": 20000, "may_raise": False, "handled": True}, False),
    ("sleep", {"nofile": 20000, "may_raise": True, "handled": False}, False),
    ("init", {"nofile": 1048576, "may_raise": False, "handled": False}, False),
    ("systemd", {"nofile": 20000, "may_raise": False, "handled": False}, False),
]


@pytest.mark.parametrize(("pid1", "limits", "expected"), LIMITS)
def test_the_init_script_is_changed_only_where_it_would_fail(pid1, limits, expected):
    assert plan(changed(BARE, pid1=pid1, limits=limits))["install"]["limits"] is expected


# --- the output and the filters -------------------------------------------------------------------


def test_the_output_of_a_settled_host():
    assert plan(settled())["engine"] == {
        "version": "26.1.5",
        "api_version": "1.45",
        "buildx": True,
        "buildx_version": "0.13.1",
        "compose": True,
        "cli": "/usr/bin/docker",
        "source": "distribution",
        "swarm": False,
        "predicted": False,
    }


@pytest.mark.parametrize(
    ("inputs", "buildx"), [({}, True), ({"distribution_version": "12"}, False), (UBUNTU, True)]
)
def test_the_output_of_a_bare_host_is_predicted(inputs, buildx):
    output = plan(BARE, **inputs)["engine"]
    assert (output["buildx"], output["compose"], output["predicted"]) == (buildx, buildx, True)


def test_the_filters_report_what_they_expect():
    filters = FilterModule().filters()
    assert plan(BARE)["changed"] is True
    with pytest.raises(
        AnsibleFilterError,
        match=r"docker_plan: got \[\]; expected the value 'docker' that the module",
    ):
        filters["docker_plan"]([], INPUTS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hosts": ["unix://", "tcp://0.0.0.0:2375"]}, 'hosts has "tcp://0.0.0.0:2375"'),
        ({"hosts": ["unix://", "tcp://0.0.0.0:2376"], "tls": True}, "or write tlsverify: true"),
        ({"hosts": ["unix://", "0.0.0.0:2375"]}, "a client that connects is root"),
        ({"hosts": ["unix://", ":2375"], "tlsverify": "yes"}, "a client that connects is root"),
        ({"hosts": ["unix://", "tcp://0.0.0.0:2376"], "tlsverify": True}, ""),
        ({"hosts": ["unix://", "fd://"]}, ""),
        ({"group": "users"}, 'group is "users", and its members would be root'),
        ({"group": 100}, "name who may use Docker in docker_users"),
        ({"group": "docker"}, ""),
        ({"group": "root"}, ""),
    ],
)
def test_options_that_open_the_engine_to_other_users_than_root_are_refused(options, words):
    found = option_problems(options, "dockerd", False)
    assert len(found) == bool(words), found
    assert words in "".join(found)


def test_no_message_shows_the_user_of_a_proxy():
    have = daemon_config({"proxies": {"http-proxy": "http://deploy:hunter2@proxy:3128"}})
    for lines in (
        daemon_differences(have, {}),
        daemon_differences({}, have),
        daemon_differences(have, daemon_config({"proxies": {}})),
    ):
        assert (
            "hunter2" not in "".join(lines)
            and "deploy" not in "".join(lines)
            and "proxy:3128" in "".join(lines)
        )
