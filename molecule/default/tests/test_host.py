"""The host: what runs, what starts at boot, what listens."""

import json

import pytest


def test_systemd_reports_no_failed_unit(host):
    assert host.check_output("systemctl is-system-running || systemctl --failed") == "running"


@pytest.mark.parametrize("name", ["docker", "nginx"])
def test_the_service_runs_and_starts_at_boot(host, name):
    service = host.service(name)
    assert service.is_running, host.run("journalctl --no-pager --unit %s | tail -n 30", name).stdout
    assert service.is_enabled


def test_only_nginx_listens_to_the_world(host):
    """Neither the applications (unix sockets) nor the Docker API over TCP. The fixtures listen on
    loopback.
    """
    listening = host.check_output(
        "ss --no-header --listening --tcp --numeric --processes"
    ).splitlines()
    world = [
        line
        for line in listening
        if line.split()[3].rsplit(":", 1)[0] not in ("127.0.0.1", "[::1]")
    ]
    assert world
    assert [line for line in world if '"nginx"' not in line] == []


def test_nginx_answers_over_ipv6_too(host, http):
    if not host.file("/proc/net/if_inet6").content_string:
        pytest.skip("this machine gives its containers no IPv6")
    assert http("/healthz", address="::1").status == 200


def test_the_nginx_configuration_is_valid(host):
    assert host.run("nginx -t").rc == 0


def test_the_link_of_each_application_leads_to_its_live_release(host, container):
    for app in ("pc-builder-app", "hello"):
        release = container(app)["Config"]["Labels"]["host.flaskops.release"]
        link = host.file(f"/etc/nginx/flaskops/default/{app}.conf")
        assert link.is_symlink
        assert link.linked_to == f"/var/lib/flaskops/apps/{app}/releases/{release}/nginx.conf"


def test_the_files_of_a_release_are_closed_to_other_users(host, container):
    release = container("hello")["Config"]["Labels"]["host.flaskops.release"]
    assert host.file("/var/lib/flaskops/apps/hello/state.json").mode == 0o600
    assert host.file(f"/var/lib/flaskops/apps/hello/releases/{release}/container.env").mode == 0o600


def test_the_daemon_configuration_is_ours_and_valid(host):
    options = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert options["live-restore"] is True
    assert options["userland-proxy"] is False
    assert "max-size" in options["log-opts"]


def test_docker_comes_from_dockers_own_repository_on_ubuntu_and_from_the_distribution_on_debian(
    host,
):
    ubuntu = host.system_info.distribution == "ubuntu"
    assert host.package("docker-ce").is_installed is ubuntu
    assert host.package("docker.io").is_installed is not ubuntu


def test_the_compiler_of_the_runtime_image_is_not_in_the_applications(host, container):
    image = container("hello")["Image"]
    assert (
        host.run("docker run --rm --network none --entrypoint sh %s -c 'command -v gcc'", image).rc
        != 0
    )
