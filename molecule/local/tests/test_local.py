import time

import pytest


def test_the_first_process_is_not_systemd(host):
    """Otherwise this scenario proves nothing."""
    assert host.file("/proc/1/comm").content_string.strip() == "sleep"


def test_docker_runs_without_systemd(host):
    assert host.run("docker info").rc == 0


def test_the_engine_is_the_distributions(host):
    assert host.package("docker.io").is_installed
    assert not host.file("/etc/apt/sources.list.d/docker.sources").exists


def test_the_container_has_no_port_and_no_network(container):
    found = container("pc-builder-app")
    assert not found["HostConfig"]["PortBindings"]
    assert found["HostConfig"]["NetworkMode"] == "none"


def test_the_application_sees_the_machine_itself_as_its_client(http):
    assert http("/pc-builder-app/api/whoami").json["remote_addr"] == "127.0.0.1"


def test_a_developer_sees_a_changed_file_at_the_next_request(host):
    """bin/dev, as a new user types it, with the entry of the inventory and a copy of the sample
    application.
    """
    host.check_output("cp -r /srv/flaskops.host/files/pc-builder-app /srv/builder")
    command = (
        "bin/dev /srv/builder name=pc-builder-app --path /dev --port 5055 -i inventories/local"
        " >/root/dev.log 2>&1 </dev/null"
    )
    host.check_output(f"cd /srv/flaskops.host && setsid {command} & echo $! >/root/dev.pid")
    address = "http://127.0.0.1:5055/dev/health"
    ask = (
        f"python3 -c 'import urllib.request as u; print(u.urlopen(\"{address}\").read().decode())'"
    )
    try:
        deadline = time.monotonic() + 300
        while host.run(ask).rc:
            assert time.monotonic() < deadline, host.run("cat /root/dev.log").stdout
            time.sleep(1)
        host.check_output(
            'sed -i \'s/"status": "ok"/"status": "changed"/\' /srv/builder/app.py && grep changed'
            " /srv/builder/app.py"
        )
        assert '"changed"' in host.check_output(ask)
        assert host.check_output("docker port dev-pc-builder-app").split() == [
            "5000/tcp",
            "->",
            "127.0.0.1:5055",
        ]
    finally:
        host.run("kill -TERM $(cat /root/dev.pid)")
    deadline = time.monotonic() + 20
    while (
        host.check_output("docker ps --all --quiet --filter name=dev-")
        and time.monotonic() < deadline
    ):
        time.sleep(0.5)
    assert not host.check_output("docker ps --all --quiet --filter name=dev-")
    # The deployed application is not affected.
    assert host.run(ask.replace(":5055/dev", "/pc-builder-app")).rc == 0


@pytest.mark.long
def test_transactions_of_the_nginx_configuration_hold_with_a_real_nginx(host):
    """The unit tests that are skipped on a machine without Nginx. This host has one, and the clone
    has pytest.
    """
    run = host.run(
        "cd /srv/flaskops.host && .venv/bin/python -m pytest tests/unit/test_nginx_tree_real.py"
    )
    assert run.rc == 0, run.stdout
    assert "skipped" not in run.stdout, run.stdout
