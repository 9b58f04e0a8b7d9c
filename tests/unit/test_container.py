# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a container is created, and when an existing one is kept, updated or replaced; with a fake
engine.
"""

import copy
import json
import os
import subprocess
import time
from dataclasses import replace

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import disk, engine
from ansible_collections.flaskops.host.plugins.module_utils.host.container import (
    ENV_LINE,
    Container,
    env_lines,
    settle,
)
from ansible_collections.flaskops.host.plugins.module_utils.host.engine import Docker
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError

IMAGE = {"Id": "sha256:1", "Config": {"Entrypoint": ["/entry"], "Cmd": ["serve", "now"]}}
ENVIRONMENT = "A=1\nB=a=b # \"x\" 'y' $z ${w}\nC=  before\nD=\nE=größe\tx\x0by\x85z\n"


def options(env_file, **more):
    """The options as in release.json."""
    return {
        "name": "shop-1",
        "image": "flaskops/shop:1",
        "hostname": "shop-1",
        "user": "70000:70000",
        "init": True,
        "read_only": True,
        "tmpfs": ["/tmp:rw,nosuid,nodev,size=64m,mode=1777", "/app/cache:rw,size=64m"],
        "cap_drop": ["ALL"],
        "security_opts": ["no-new-privileges"],
        "memory": "512m",
        "memory_swap": "512m",
        "pids_limit": 512,
        "cpus": 1.5,
        "sysctls": {"net.core.somaxconn": "1024"},
        "network_mode": "flaskops-shop",
        "networks": [{"name": "flaskops-shop"}, {"name": "db"}],
        "aliases": ["shop"],
        "etc_hosts": {"host.docker.internal": "host-gateway"},
        "env_file": str(env_file),
        "volumes": [
            "/r/run:/run/flaskops/1",
            "/r/uwsgi.ini:/etc/flaskops/uwsgi.ini:ro",
            "shop-data:/data:nocopy",
        ],
        "stop_signal": "SIGTERM",
        "stop_timeout": 9,
        "labels": {"host.flaskops.app": "shop", "host.flaskops.release": "1"},
        **more,
    }


# Docker 26.1's inspect output of a container that community.docker.docker_container created.
FOUND = {
    "Name": "/shop-1",
    "Image": "sha256:1",
    "State": {"Running": True, "Paused": False},
    "Config": {
        "Hostname": "shop-1",
        "User": "70000:70000",
        "Image": "flaskops/shop:1",
        "Env": [*ENVIRONMENT.strip("\n").split("\n"), "PATH=/bin", "LANG=C.UTF-8"],
        "Entrypoint": ["/entry"],
        "Cmd": ["serve", "now"],
        "Labels": {"host.flaskops.app": "shop", "host.flaskops.release": "1", "of.the.image": "x"},
        "StopSignal": "SIGTERM",
        "StopTimeout": 9,
    },
    "HostConfig": {
        "Binds": [
            "shop-data:/data:nocopy",
            "/r/run:/run/flaskops/1:rw",
            "/r/uwsgi.ini:/etc/flaskops/uwsgi.ini:ro",
        ],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        "NetworkMode": "flaskops-shop",
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "CapDrop": ["ALL"],
        "ExtraHosts": ["host.docker.internal:host-gateway"],
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": {"/tmp": "rw,nosuid,nodev,size=64m,mode=1777", "/app/cache": "rw,size=64m"},
        "Sysctls": {"net.core.somaxconn": "1024"},
        "Memory": 536870912,
        "MemorySwap": 536870912,
        "NanoCpus": 1500000000,
        "PidsLimit": 512,
        "Init": True,
    },
    "NetworkSettings": {"Networks": {"flaskops-shop": {"Aliases": ["shop"]}, "db": {}}},
}


class Engine(Docker):
    """A fake engine with an image and perhaps a container; it records its calls."""

    def __init__(self, found=None, image=IMAGE):
        self.command, self.found, self.image, self.calls, self.how = "docker", found, image, [], {}

    def inspect(self, name, kind="container"):
        if kind == "image":
            return self.image
        return copy.deepcopy(self.found or {})

    def run(self, *words, **how):
        self.calls.append(words)
        if words[0] == "create":
            self.how = how
            self.found = changed("State.Running", False)
            self.found["NetworkSettings"]["Networks"].pop("db")
        return ""


def changed(place, value, found=FOUND):
    """The inspect output of a container that differs in one point."""
    result = copy.deepcopy(found)
    *path, last = place.split(".")
    inner = result
    for key in path:
        inner = inner[key]
    inner[last] = value
    return result


@pytest.fixture
def wanted(tmp_path):
    (tmp_path / "container.env").write_text(ENVIRONMENT)
    return Container.from_dict(options(tmp_path / "container.env"))


def calls(engine, wanted, restart="unless-stopped", start=True, **how):
    settle(engine, wanted, restart, start=start, **how)
    return [
        " ".join(
            words[:-1] if words[0] in ("stop", "start", "unpause", "rm", "update") else words[:1]
        )
        for words in engine.calls
    ]


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_of_a_container(wanted):
    words = wanted.words
    joined = " ".join(words)
    assert words[-1] == "flaskops/shop:1"
    for each in (
        "--name shop-1", "--user 70000:70000", "--read-only --init",
        "--memory 512m --memory-swap 512m --pids-limit 512", "--cpus 1.5", "--hostname shop-1",
        "--network flaskops-shop", "--cap-drop ALL --security-opt no-new-privileges",
        "--sysctl net.core.somaxconn=1024", "--add-host host.docker.internal:host-gateway",
        "--stop-signal SIGTERM --stop-timeout 9", "--tmpfs /app/cache:rw,size=64m",
        "--network-alias shop",
        "--volume /r/run:/run/flaskops/1", "--volume shop-data:/data:nocopy",
        "--label host.flaskops.app=shop", f"--env-file {wanted.env_file}",
    ):  # fmt: skip
        assert f"{each} " in f"{joined} ", each
    assert "--network db" not in joined  # engines before Docker 25 accept only one
    assert "A=1" not in joined  # only the file contains it


def test_an_entrypoint_of_several_words_starts_the_command(wanted):
    words = replace(
        wanted, entrypoint=["python3", "/relay.py"], command=["--run", "sh", "-c", "x y"]
    ).words
    assert words[-8:] == [
        "--entrypoint",
        "python3",
        "flaskops/shop:1",
        "/relay.py",
        "--run",
        "sh",
        "-c",
        "x y",
    ]


def test_disabled_options_are_written(wanted):
    words = replace(wanted, init=False, read_only=False).words
    assert {"--init=false", "--read-only=false"} <= set(words)


def test_a_release_of_an_older_collection_lacks_some_options(wanted):
    kept = {
        key: value
        for key, value in options("/e").items()
        if key not in ("hostname", "etc_hosts", "networks", "cpus")
    }
    words = Container.from_dict({**kept, "network_mode": "none", "of_a_newer_one": 1}).words
    assert not {"--hostname", "--add-host", "--cpus"} & set(words)
    assert words[words.index("--network") + 1] == "none"


def test_an_invalid_size_is_refused():
    with pytest.raises(HostError, match="must be a size such as 512m or 2g; got 'much'"):
        Container.from_dict(options("/e", memory="much"))


def test_reading_and_writing_a_container_gives_the_same_options():
    kept = json.loads(json.dumps(options("/e", entrypoint=["python3", "x"])))
    assert Container.from_dict(kept).to_dict() == kept
    assert Container.from_dict({**kept, "cpus": None, "networks": []}).to_dict() == {
        key: value for key, value in kept.items() if key not in ("cpus", "networks")
    }


# --- a missing container --------------------------------------------------------------------------


def test_a_container_is_created_connected_and_started(wanted):
    engine = Engine()
    assert settle(engine, wanted, "no", log=["--log-opt", "max-size=10m"], start=True)
    create, *rest = engine.calls
    assert create[:7] == (
        "create",
        "--pull",
        "never",
        "--restart",
        "no",
        "--log-opt",
        "max-size=10m",
    )
    assert rest == [("network", "connect", "db", "shop-1"), ("start", "shop-1")]
    assert (engine.how["given"], engine.how["environment"]) == (
        None,
        {"DOCKER_CONFIG": "/nonexistent"},
    )


@pytest.mark.parametrize(("own", "context"), [("", "default"), ("desktop-linux", "desktop-linux")])
def test_every_call_uses_the_same_engine(tmp_path, monkeypatch, own, context):
    """For any docker context of root; only docker create ignores the settings of root."""
    script = tmp_path / "docker"
    script.write_text('#!/bin/sh\necho "$1 $DOCKER_CONTEXT"\n')
    script.chmod(0o755)
    monkeypatch.setattr(engine, "DOCKER", (str(script),))
    monkeypatch.setenv("DOCKER_CONTEXT", "rootless")
    if own:
        monkeypatch.setenv("FLASKOPS_DOCKER_CONTEXT", own)
    docker = Docker()
    calls = [
        docker.run("create", environment={"DOCKER_CONFIG": "/nonexistent"}),
        docker.run("inspect"),
        docker.run("logs", last=100),
        subprocess.run([docker.command, "load"], capture_output=True, text=True).stdout,
    ]
    assert calls == [f"{word} {context}\n" for word in ("create", "inspect", "logs", "load")]


@pytest.mark.parametrize(
    ("program", "out", "error"),
    [
        ("echo out; echo error >&2", "out\n", ""),
        ("cat", "given", ""),
        ("head -c 5000000 /dev/zero | tr '\\0' x", "x" * engine.OUTPUT_BYTES, ""),
        ("head -c 5000000 /dev/zero | tr '\\0' x >&2; echo last >&2; exit 3", "", "xxxx\nlast"),
    ],
    ids=["both", "input", "much output", "many errors"],
)
def test_what_a_program_in_a_container_writes_is_bounded(
    tmp_path, monkeypatch, program, out, error
):
    script = tmp_path / "docker"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr(engine, "DOCKER", (str(script),))
    if not error:
        assert Docker().run("exec", "shop-1", "cat", given="given") == out
        return
    with pytest.raises(HostError) as failed:
        Docker().run("exec", "shop-1", "cat")
    assert len(str(failed.value)) < 3000 and str(failed.value).endswith("xlast")


def test_a_program_in_a_container_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    script = tmp_path / "docker"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr(engine, "DOCKER", (str(script),))
    begin = time.monotonic()
    with pytest.raises(engine.NoAnswer):
        Docker().run("exec", "shop-1", "sleep", seconds=0.5)
    assert time.monotonic() - begin < 30


def test_the_container_of_a_process_is_created_and_not_started(wanted):
    engine = Engine()
    assert settle(engine, wanted, "no")
    assert [words[0] for words in engine.calls] == ["create", "network"]


def test_a_variable_that_an_env_file_cannot_hold_is_a_separate_argument(wanted, tmp_path):
    long = f"LONG={'x' * ENV_LINE}"
    (tmp_path / "container.env").write_text(f"{ENVIRONMENT}{long}\n")
    engine = Engine()
    settle(engine, wanted)
    create = engine.calls[0]
    assert create[create.index("--env") + 1] == long
    assert create[create.index("--env-file") + 1] == "/dev/stdin"
    assert engine.how["given"] == ENVIRONMENT


def test_without_its_image_nothing_is_done(wanted):
    engine = Engine(FOUND, image={})
    with pytest.raises(
        HostError,
        match="there is no image flaskops/shop:1 on this host; deploy the application again",
    ):
        settle(engine, wanted, recreate=True)
    assert engine.calls == []


def test_the_first_process_of_a_foreign_image_gets_what_the_image_starts(wanted):
    relay = replace(wanted, entrypoint=["python3", "/relay.py"])
    engine = Engine()
    settle(engine, relay)
    assert engine.calls[0][-5:] == ("flaskops/shop:1", "/relay.py", "/entry", "serve", "now")
    settle(engine := Engine(), replace(relay, command=["--run", "x"]))
    assert engine.calls[0][-4:] == ("flaskops/shop:1", "/relay.py", "--run", "x")


# --- an existing container ------------------------------------------------------------------------


def test_a_container_made_by_docker_container_is_unchanged(wanted):
    engine = Engine(FOUND)
    assert not settle(
        engine, wanted, "unless-stopped", log=["--log-opt", "max-size=99m"], start=True
    )
    assert engine.calls == []


def test_a_container_with_its_entrypoint_in_the_command_is_unchanged(wanted):
    relay = replace(wanted, entrypoint=["python3", "/relay.py"], command=["--run", "x"])
    for entrypoint, command in (
        (["python3", "/relay.py"], ["--run", "x"]),
        (["python3"], ["/relay.py", "--run", "x"]),
    ):
        found = changed("Config.Entrypoint", entrypoint, changed("Config.Cmd", command))
        assert relay.differences(found, IMAGE, env_lines(ENVIRONMENT)) == []
    assert relay.differences(FOUND, IMAGE, env_lines(ENVIRONMENT)) == ["command"]


DRIFT = {
    "image": ("Image", "sha256:2"),
    "image (its name)": ("Config.Image", "flaskops/shop:2"),
    "hostname": ("Config.Hostname", "x"),
    "user": ("Config.User", "0"),
    "command": ("Config.Cmd", ["serve", "later"]),
    "env_file": (
        "Config.Env",
        [line for line in FOUND["Config"]["Env"] if not line.startswith("C=")] + ["C=before"],
    ),
    "labels": ("Config.Labels", {"host.flaskops.app": "shop"}),
    "stop_signal": ("Config.StopSignal", "SIGINT"),
    "stop_timeout": ("Config.StopTimeout", None),
    "init": ("HostConfig.Init", None),
    "read_only": ("HostConfig.ReadonlyRootfs", False),
    "tmpfs": ("HostConfig.Tmpfs", {"/tmp": "rw"}),
    "cap_drop": ("HostConfig.CapDrop", None),
    "security_opts": ("HostConfig.SecurityOpt", None),
    "pids_limit": ("HostConfig.PidsLimit", 100),
    "cpus": ("HostConfig.NanoCpus", 500000000),
    "sysctls": ("HostConfig.Sysctls", {"net.core.somaxconn": "128"}),
    "network_mode": ("HostConfig.NetworkMode", "bridge"),
    "aliases": ("NetworkSettings.Networks", {"flaskops-shop": {"Aliases": None}, "db": {}}),
    "dns": ("HostConfig.Dns", ["10.0.0.53"]),
    "etc_hosts": ("HostConfig.ExtraHosts", []),
    "volumes": ("HostConfig.Binds", [*FOUND["HostConfig"]["Binds"], "/:/host"]),
    "volumes (written to)": (
        "HostConfig.Binds",
        [each.replace(":ro", "") for each in FOUND["HostConfig"]["Binds"]],
    ),
}


@pytest.mark.parametrize("option", DRIFT)
def test_a_container_that_differs_is_replaced(wanted, option):
    found = changed(*DRIFT[option])
    assert wanted.differences(found, IMAGE, env_lines(ENVIRONMENT)) == [option.split(" ")[0]]
    assert calls(Engine(found), wanted) == [
        "stop",
        "logs",
        "rm --force --volumes",
        "create",
        "network",
        "start",
    ]


def test_every_option_is_compared_except_those_that_are_updated(wanted):
    known = set(Container.__dataclass_fields__) - {"name", "networks", "entrypoint"}
    assert {option.split(" ")[0] for option in DRIFT} | {"memory", "memory_swap"} == known


def test_a_container_is_replaced_on_request(wanted):
    assert calls(Engine(FOUND), wanted, recreate=True) == [
        "stop",
        "logs",
        "rm --force --volumes",
        "create",
        "network",
        "start",
    ]


@pytest.mark.parametrize("option", ["HostConfig.Memory", "HostConfig.MemorySwap"])
def test_memory_limits_are_updated_while_the_container_runs(wanted, option):
    assert calls(Engine(changed(option, 2**28)), wanted) == [
        "update --memory 512m --memory-swap 512m --restart unless-stopped"
    ]


def test_the_restart_policy_is_updated_while_the_container_runs(wanted):
    assert calls(Engine(FOUND), wanted, restart="no") == ["update --restart no"]


@pytest.mark.parametrize("start", [True, False])
def test_a_paused_container_is_resumed(wanted, start):
    assert calls(
        Engine(changed("State", {"Running": True, "Paused": True})), wanted, start=start
    ) == ["unpause"]


def test_a_stopped_container_is_started_and_a_process_waits_for_the_switch(wanted):
    assert calls(Engine(changed("State.Running", False)), wanted) == ["start"]
    assert calls(Engine(changed("State.Running", False)), wanted, start=False) == []


def test_a_lost_network_is_connected_again(wanted):
    assert calls(
        Engine(changed("NetworkSettings.Networks", {"flaskops-shop": {"Aliases": ["shop"]}})),
        wanted,
    ) == ["network"]


def test_a_file_is_the_input_or_the_output_of_a_command(tmp_path):
    """With a real process in place of docker."""
    docker, source, target = Docker(), tmp_path / "source", tmp_path / "target"
    docker.command = "sh"
    source.write_bytes(b"\0\xff dump")
    docker.pipe("-c", "tr a-z A-Z", source=source, target=target)
    assert target.read_bytes() == b"\0\xff DUMP"
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(HostError, match=r"^docker -c .*: it is full$"):
        docker.pipe("-c", "echo it is full >&2; exit 1")


def test_a_command_that_fills_the_disk_is_stopped(tmp_path, monkeypatch):
    docker, target = Docker(), tmp_path / "target"
    docker.command = "sh"
    room = os.statvfs(tmp_path)
    monkeypatch.setattr(disk, "RESERVE", room.f_bavail * room.f_frsize - (64 << 20))
    begun = time.monotonic()
    with pytest.raises(HostError, match=r"MiB are free\. docker -c .* was stopped\.$"):
        docker.pipe("-c", "exec yes", target=target)
    assert time.monotonic() - begun < 60
