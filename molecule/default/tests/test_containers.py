"""An application's container has nothing that it does not need."""

import pytest

APPS = ["pc-builder-app", "hello"]
pytestmark = pytest.mark.parametrize("app", APPS)


def test_no_port_is_published(container, app):
    found = container(app)
    assert not found["HostConfig"]["PortBindings"]
    assert not any(found["NetworkSettings"]["Ports"].values())


def test_the_container_has_no_network(container, app):
    assert container(app)["HostConfig"]["NetworkMode"] == "none"


def test_the_process_is_not_root(host, container, app):
    found = container(app)
    assert found["Config"]["User"].split(":")[0] not in ("", "0", "root")
    uids = host.check_output("ps -o uid= -p %s", str(found["State"]["Pid"])).split()
    assert uids and "0" not in uids


def test_the_root_file_system_is_read_only(container, app):
    assert container(app)["HostConfig"]["ReadonlyRootfs"] is True


def test_the_application_cannot_write_over_its_own_code(host, container, app):
    result = host.run("docker exec %s sh -c 'echo x > /app/app.py'", container(app)["Id"])
    assert result.rc != 0
    assert "Read-only file system" in result.stderr


def test_all_capabilities_are_dropped(host, container, app):
    found = container(app)
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert not found["HostConfig"]["CapAdd"]
    status = host.file(f"/proc/{found['State']['Pid']}/status").content_string
    assert "CapEff:\t0000000000000000" in status


def test_no_new_privileges_can_be_gained(container, app):
    options = container(app)["HostConfig"]["SecurityOpt"]
    assert any(option.split(":")[0] == "no-new-privileges" for option in options)


def test_it_is_not_privileged(container, app):
    assert container(app)["HostConfig"]["Privileged"] is False


def test_memory_is_limited(container, app):
    assert container(app)["HostConfig"]["Memory"] > 0


def test_the_number_of_processes_is_limited(container, app):
    assert container(app)["HostConfig"]["PidsLimit"] > 0


def test_it_starts_again_after_a_restart_of_the_host(container, app):
    assert container(app)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_its_log_is_rotated(container, app):
    log = container(app)["HostConfig"]["LogConfig"]
    assert log["Type"] in ("local", "journald") or int(log["Config"].get("max-file", 0)) > 1


def test_the_docker_socket_is_not_inside(container, app):
    assert not any("docker.sock" in mount["Source"] for mount in container(app)["Mounts"])


def test_the_environment_contains_the_path_and_production(container, app):
    environment = container(app)["Config"]["Env"]
    assert f"DOMAIN=/{app}" in environment
    assert "ENV=PROD" in environment


def test_the_socket_is_reached_by_nginx_and_the_application_only(host, container, app):
    source = next(m["Source"] for m in container(app)["Mounts"] if m["Source"].endswith("/run"))
    directory = host.file(source)
    assert directory.is_directory
    # Root's and sticky, so that no link in it is followed; the parent directory restricts access.
    assert (directory.user, directory.mode) == ("root", 0o1777)
    release = host.file(source.removesuffix("/run"))
    assert (release.user, release.mode) == ("root", 0o710)
    assert (
        release.group == host.check_output("ps -o group= -C nginx | grep -v root | sort -u").strip()
    )
