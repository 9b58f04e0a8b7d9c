"""bin/flaskops through ssh, as a user who becomes root by sudo; and connections that are cut."""

import json
import subprocess
import time

import pexpect
import pytest
from conftest import FLASKOPS, shows_size

pytestmark = pytest.mark.long

INSTALL = (
    "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq"
    " --no-install-recommends openssh-server"
)


@pytest.fixture(scope="module")
def on(host, tmp_path_factory):
    """The words of bin/flaskops for a host that is reached by ssh."""
    place = tmp_path_factory.mktemp("ssh")
    key, inventory = place / "key", place / "hosts.json"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    host.check_output(INSTALL)
    host.check_output(
        "id ops 2>/dev/null || useradd --create-home --shell /bin/bash ops;"
        " install -d -m 0700 -o ops -g ops /home/ops/.ssh;"
        " echo %s > /home/ops/.ssh/authorized_keys; chown ops: /home/ops/.ssh/authorized_keys;"
        " echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops; systemctl restart ssh",
        key.with_suffix(".pub").read_text().strip(),
    )
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    run = subprocess.run(
        ["docker", "inspect", "-f", address, host.backend.host],
        capture_output=True,
        text=True,
        check=True,
    )
    variables = {
        "ansible_host": run.stdout.strip(),
        "ansible_user": "ops",
        "ansible_become": True,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    inventory.write_text(json.dumps({"all": {"hosts": {"web1": variables}}}))
    return ("-i", str(inventory))


@pytest.fixture
def runs(host):
    """Whether the host has a process, in a container or not."""
    return lambda words: host.run(f"ps -eo args | grep '^{words}'").rc == 0


@pytest.fixture
def session(terminal, on):
    return lambda action, *words: terminal(action, "shop", *on, "--", *words)


@pytest.mark.parametrize("action", ["exec", "run"])
def test_a_shell_has_a_terminal(session, action, one_offs, wait_for):
    child = session(action, "sh")
    child.expect(r"\$ ")
    child.sendline("tty; stty size")
    child.expect(r"/dev/(pts/\d+|console)\s+50 123\s")
    child.setwinsize(33, 77)
    shows_size(child, "33 77")
    child.sendline("sleep 1000")
    time.sleep(1)
    child.sendintr()
    child.expect(r"\$ ")
    child.sendline("exit 9")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 9
    assert wait_for(lambda: one_offs() == [])


def test_flask_shell_is_a_shell(session):
    child = session("exec", "flask", "shell")
    child.expect(">>> ")
    child.sendline("app.name")
    child.expect("'shop'")
    child.sendcontrol("d")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("signal", [1, 9], ids=["hangup", "kill"])
def test_a_container_is_removed_when_the_connection_is_cut(
    session, signal, one_offs, wait_for, measured
):
    child = session("run", "sh", "-c", "trap '' HUP TERM; sleep 998")
    assert wait_for(one_offs)
    begun = time.monotonic()
    child.kill(signal)
    assert wait_for(lambda: one_offs() == [])
    measured(f"its container was removed after {time.monotonic() - begun:.1f} s")


def test_no_process_is_left_of_a_command_with_a_terminal(session, runs, wait_for, measured):
    child = session("exec", "sh", "-c", "trap '' HUP; sleep 996")
    assert wait_for(lambda: runs("sleep 996"))
    begun = time.monotonic()
    child.kill(9)
    assert wait_for(lambda: not runs("sleep 996"))
    measured(f"its process ended after {time.monotonic() - begun:.1f} s")


@pytest.mark.parametrize("action", ["exec", "run"])
def test_nothing_is_left_of_a_command_without_a_terminal(action, on, runs, one_offs, wait_for):
    command = [FLASKOPS, action, "shop", *on, "--", "sleep", "997"]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert wait_for(lambda: runs("sleep 997"))
    child.kill()
    child.wait()
    assert wait_for(lambda: not runs("sleep 997"))
    assert wait_for(lambda: one_offs() == [])


def test_logs_follow_until_the_connection_is_cut(on, runs, wait_for, host):
    command = [FLASKOPS, "logs", "shop", *on, "-f", "--process", "worker"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert any("tick" in line for line in iter(child.stdout.readline, ""))
        host.run("pkill -u ops sshd")
        assert child.wait(30) == 255
        assert wait_for(lambda: not runs("journalctl .*HOST_FLASKOPS_APP=shop"))
    finally:
        child.kill()
