def test_the_first_process_is_not_systemd(host):
    """Else this scenario would prove nothing."""
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


def test_the_application_sees_a_client_that_is_the_machine_itself(http):
    assert http("/pc-builder-app/api/whoami").json["remote_addr"] == "127.0.0.1"


def test_transactions_of_the_nginx_configuration_hold_with_a_real_nginx(host):
    """The unit tests that are skipped on a machine without Nginx; here there is one, and the clone has its pytest."""
    run = host.run("cd /srv/flaskops.host && .venv/bin/python -m pytest tests/unit/test_nginx_tree_real.py")
    assert run.rc == 0, run.stdout
    assert "skipped" not in run.stdout, run.stdout
