# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""bin/flaskops on a real host: with a terminal, without one, and when the connection is cut."""

import json
import os
import re
import subprocess
import time
from datetime import datetime

import pexpect
import pytest
from conftest import FLASKOPS, shows_size

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]
ON = ("-i", os.environ.get("MOLECULE_INVENTORY_FILE", ""), "--limit", HOST)
# The same with the other action is a long case.
EXEC, RUN = (
    pytest.mark.parametrize("action", [plain, pytest.param(other, marks=pytest.mark.long)])
    for plain, other in (("exec", "run"), ("run", "exec"))
)
HOSTILE = ["a b", "$(touch /tmp/read)", "`id`", "'\"\\", "{{ 7*7 }}", "new\nline", "; ls", "-n", ""]
ECHO = "import json, sys; print(json.dumps(sys.argv[1:]))"


def flaskops(*words, stdin=""):
    """Without a terminal."""
    return subprocess.run(
        [FLASKOPS, *words], input=stdin, capture_output=True, text=True, timeout=120
    )


@EXEC
def test_arguments_arrive_as_they_were_written(action):
    done = flaskops(action, "shop", *ON, "--", "python3", "-c", ECHO, *HOSTILE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == HOSTILE


@RUN
def test_the_exit_code_is_that_of_the_command(action):
    done = flaskops(action, "shop", *ON, "--", "sh", "-c", "echo out; exit 37")
    assert (done.returncode, done.stdout) == (37, "out\n"), done.stderr


def test_input_reaches_the_command():
    done = flaskops("exec", "shop", *ON, "--", "python3", "-", stdin="print(6 * 7)")
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


@RUN
def test_a_command_has_user_secrets_and_directory_of_the_application(containers, action):
    code = "import os; print(os.getuid(), os.getcwd(), bool(os.environ['SECRET_KEY']))"
    done = flaskops(action, "shop", *ON, "--", "python3", "-c", code)
    (worker,) = [each for each in containers() if each["Name"].endswith("-worker")]
    uid, _colon, _gid = worker["Config"]["User"].partition(":")
    assert done.stdout.split() == [uid, "/app", "True"], done.stderr


def test_a_container_of_a_command_is_like_a_process_of_the_release(
    host, terminal, one_offs, wait_for
):
    assert wait_for(lambda: one_offs() == [])
    child = terminal("run", "shop", *ON, "--", "sh")
    child.expect(r"\$ ")
    (ours,) = one_offs()
    worker = ours.rpartition("-run-")[0] + "-worker"
    found = [json.loads(host.check_output(f"docker inspect {name}"))[0] for name in (ours, worker)]
    for key in ("Memory", "PidsLimit", "NetworkMode", "Tmpfs", "CapDrop", "SecurityOpt",
                "ReadonlyRootfs", "Init", "NanoCpus", "Sysctls"):  # fmt: skip
        assert found[0]["HostConfig"][key] == found[1]["HostConfig"][key], key
    binds, users, images = (
        [sorted(each["HostConfig"]["Binds"]) for each in found],
        [each["Config"]["User"] for each in found],
        [each["Image"] for each in found],
    )
    assert binds[0] == binds[1] and users[0] == users[1] and images[0] == images[1]
    child.sendline("exit 5")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5
    assert wait_for(lambda: one_offs() == [])


@EXEC
def test_a_terminal_has_its_size_and_its_changes(terminal, action):
    child = terminal(action, "shop", *ON, "--", "sh")
    child.expect(r"\$ ")
    child.sendline("tty; stty size")
    child.expect(r"/dev/(pts/\d+|console)\s+50 123\s")
    child.setwinsize(33, 77)
    shows_size(child, "33 77")
    child.sendline("exit")
    child.expect(pexpect.EOF)


@RUN
def test_ctrl_c_reaches_the_command_and_not_the_connection(terminal, action):
    child = terminal(action, "shop", *ON, "--", "sh")
    child.expect(r"\$ ")
    child.sendline("sleep 1000")
    time.sleep(1)
    child.sendintr()
    child.expect(r"\$ ")
    child.sendline("echo still $((1 + 1))")
    child.expect("still 2")
    child.sendline("exit 9")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 9


@pytest.mark.parametrize("action", ["exec", "run"])
def test_a_killed_client_leaves_nothing_on_the_host(host, action, one_offs, wait_for):
    """This host is reached by docker exec, which tells the other side nothing."""
    assert wait_for(lambda: one_offs() == [])
    stubborn = "trap '' HUP; sleep 98765; :"
    client = subprocess.Popen([FLASKOPS, action, "shop", *ON, "--", "sh", "-c", stubborn])
    count = "pgrep --full --exact --count 'sleep 98765' || true"
    assert wait_for(lambda: host.check_output(count).strip() == "1", 60)
    client.kill()
    client.wait()
    assert wait_for(lambda: host.check_output(count).strip() == "0")
    assert wait_for(lambda: one_offs() == [])


@pytest.mark.long
def test_flask_shell_is_a_shell(terminal):
    child = terminal("exec", "shop", *ON, "--", "flask", "shell")
    child.expect(">>> ")
    child.sendline("app.name")
    child.expect("'shop'")
    child.sendcontrol("p")  # the line before, and not a key that detaches
    child.sendline("")
    child.expect("'shop'")
    child.sendcontrol("d")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_logs_are_escaped_and_have_their_process():
    done = flaskops("logs", "shop", *ON, "-n", "5", "--process", "worker")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r"\d{4}-\S+Z [0-9a-f]{12} worker \| .*", line) for line in lines)


def test_logs_of_the_last_seconds():
    done = flaskops("logs", "shop", *ON, "--since", "20s", "--process", "worker")
    assert done.returncode == 0, done.stderr
    times = [datetime.fromisoformat(line.split()[0][:19]) for line in done.stdout.splitlines()]
    assert 0 <= (times[-1] - times[0]).total_seconds() < 60  # the worker writes each second


def test_the_status_is_that_of_its_playbook():
    done = flaskops("status", "shop", *ON)
    assert done.returncode == 0, done.stderr
    assert re.search(r"shop-[0-9a-f]{12}", done.stdout), done.stdout
    assert "notes" not in done.stdout


def release_with(words):
    """The release of which the table says this."""
    lines = flaskops("releases", "shop", *ON).stdout.splitlines()
    (found,) = (line.split()[1] for line in lines if words in line)
    return found


@pytest.mark.long
def test_a_rollback_goes_to_the_release_before_and_to_a_named_one(entries, wait_for):
    live, back = release_with(" live "), release_with("rollback goes here")
    done = flaskops("rollback", "shop", *ON)
    assert done.returncode == 0, done.stdout
    assert release_with(" live ") == back
    assert wait_for(lambda: entries("beat")[-1]["release"] == back)
    done = flaskops("rollback", "shop", live, *ON)
    assert done.returncode == 0, done.stdout
    assert release_with(" live ") == live
    refused = flaskops("rollback", "shop", "0123456789ab", *ON)
    assert refused.returncode != 0 and release_with(" live ") == live, refused.stdout


def test_logs_follow_until_ctrl_c(terminal, host, wait_for):
    child = terminal("logs", "shop", *ON, "-f", "-n", "1")
    for _ in range(3):
        child.expect(r"worker \| .*tick")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    # docker exec, which was interrupted itself, ends with either of them.
    assert child.exitstatus in (0, 130)
    assert wait_for(lambda: host.run("pgrep --full '[j]ournalctl .*--follow'").rc == 1)


def test_logs_of_containers_that_are_gone_are_there():
    known = set(re.findall("[0-9a-f]{12}", flaskops("releases", "shop", *ON).stdout))
    assert len(known) > 1
    done = flaskops("logs", "shop", *ON, "-n", "all", "--process", "worker")
    assert known <= {line.split()[1] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["exec", "shop"], "write the command after --"),
        (["exec", "a;b", "--", "ls"], "an application's name has"),
        (["exec", "--process", "../x", "shop", "--", "ls"], "the name of a process has"),
        (["exec", "nope", *ON, "--", "ls"], "no host has nope"),
        (["exec", "shop", *ON, "--process", "no", "--", "ls"], "has no process 'no'"),
        (["logs", "shop", "--since", "soon"], "--since must be"),
        (["logs", "shop", "--lines", "-1"], "--lines must be"),
        (["rollback", "shop", "../.."], "a release has 12 hex digits"),
    ],
)
def test_bad_input_is_refused(words, message):
    done = flaskops(*words)
    assert done.returncode in (1, 2)
    assert message in done.stderr
