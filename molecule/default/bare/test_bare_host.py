"""Run after check mode and before the first converge: check mode must change nothing."""

import pytest


@pytest.mark.parametrize("command", ["docker", "nginx", "containerd"])
def test_check_mode_on_a_bare_host_installs_nothing(host, command):
    assert not host.exists(command)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/nginx",
        "/etc/docker/daemon.json",
        "/var/lib/flaskops",
        "/etc/apt/sources.list.d/docker.sources",
    ],
)
def test_check_mode_on_a_bare_host_writes_nothing(host, path):
    assert not host.file(path).exists
