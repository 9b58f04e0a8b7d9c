# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""bin/flaskops: the command for each connection, what runs on the host, and its messages."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.hands import attached, cli
from ansible_collections.flaskops.host.plugins.module_utils.hands.connection import (
    Connection,
    Refused,
)

HOSTILE = ["a b", "$(touch read)", "`id`", "'\"\\", "{{ 7*7 }}", "new\nline", "; ls", "-n", "", "*"]
ECHO = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *HOSTILE]
PROGRAM = Path(attached.__file__).read_text()


def command(words=("ls", "-l"), terminal=False, **options):
    return Connection.from_dict(options).command(list(words), terminal)


# --- the command for each connection --------------------------------------------------------------


def test_ssh_gets_what_the_inventory_has():
    found = command(
        kind="ssh",
        host="10.0.0.1",
        port=2222,
        remote_user="ops",
        private_key_file="/k ey",
        host_key_checking=False,
        timeout=10,
        ssh_args="-C -o ControlMaster=auto",
        ssh_common_args='-o "ProxyCommand=ssh -W %h:%p jump"',
        ssh_extra_args="-v",
        terminal=True,
    )
    assert found == [
        *("ssh", "-C", "-o", "ControlMaster=auto", "-o", "ProxyCommand=ssh -W %h:%p jump", "-v"),
        *("-o", "Port=2222", "-o", "User=ops", "-o", "ConnectTimeout=10"),
        *(
            "-o",
            "StrictHostKeyChecking=no",
            "-i",
            "/k ey",
            "-o",
            "LogLevel=ERROR",
            "-t",
            "--",
            "10.0.0.1",
            "ls -l",
        ),
    ]


def test_ssh_without_options_and_without_a_terminal():
    assert command(kind="ssh", host="web1") == ["ssh", "-T", "--", "web1", "ls -l"]


def test_the_docker_connection():
    assert command(kind="community.docker.docker", remote_addr="web1") == [
        *("docker", "exec", "--interactive", "--", "web1", "ls", "-l")
    ]
    found = command(
        kind="community.docker.docker",
        remote_addr="web1",
        remote_user="ops",
        docker_extra_args="--context far",
        terminal=True,
    )
    words = "docker --context far exec --interactive --tty --user ops -- web1 ls -l"
    assert found == words.split()


def test_the_local_connection_needs_no_program():
    assert command(kind="local") == ["ls", "-l"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "paramiko_ssh"},
            "its connection is paramiko_ssh; with a terminal or a log, flaskops can use ssh,"
            " community.docker.docker, local. Set ansible_connection to one of them.",
        ),
        (
            {"kind": "ssh", "become": "ansible.builtin.su"},
            "its become method is ansible.builtin.su; flaskops can use sudo, doas. Set"
            " ansible_become_method to one of them, or connect as root.",
        ),
        (
            {"kind": "ssh", "become": "sudo", "become_user": "app"},
            "become_user must be root; got app.",
        ),
    ],
)
def test_another_connection_is_refused_by_name(options, message):
    with pytest.raises(Refused) as refused:
        command(**options)
    assert str(refused.value) == message


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A sudo that notes that it was used, and an id that says who asks."""

    def make(uid, sudo="sudo"):
        noted = tmp_path / "used"
        for name, text in (
            ("id", f"echo {uid}"),
            (sudo, f'printf "%s\\n" "$1" > {noted}; [ "$1" != -n ] || shift; exec "$@"'),
        ):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return noted

    return make


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("become", ["sudo", "community.general.doas"])
def test_no_shell_reads_the_words_of_the_user(programs, tmp_path, monkeypatch, shell, uid, become):
    noted = programs(uid, become.rpartition(".")[2])
    monkeypatch.chdir(tmp_path)
    words = command(ECHO, kind="ssh", host="web1", become=become, become_user="root")
    # sshd gives the last word to the shell of the user.
    done = subprocess.run([shell, "-c", words[-1]], capture_output=True, text=True)
    assert json.loads(done.stdout) == HOSTILE, done.stderr
    assert noted.exists() is (uid != 0)
    assert not Path("read").exists()


def test_without_a_terminal_sudo_asks_for_no_password(programs):
    noted = programs(1000)
    for terminal, first in ((False, "-n\n"), (True, "/bin/true\n")):
        words = command(["/bin/true"], terminal, kind="local", become="sudo")
        subprocess.run(words, check=True)
        assert noted.read_text() == first


# --- what runs on the host ------------------------------------------------------------------------


@pytest.fixture
def docker(tmp_path):
    """A program that notes its arguments and runs those after --."""
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n[ "$1" != -- ] || {{ shift; exec "$@"; }}\n'
        '[ "$1" != fail ] || { echo no >&2; exit 3; }\n'
    )
    program.chmod(0o755)
    return program


def on_host(task, **how):
    words = [sys.executable, "-c", PROGRAM, json.dumps(task)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def attach(words, before=(), container="", mark=""):
    return {"words": words, "before": list(before), "container": container, "mark": mark}


def calls(docker):
    return (docker.parent / "calls").read_text().splitlines()


def test_a_command_gets_input_and_gives_its_exit_code(docker):
    words = [str(docker), "--", "sh", "-c", "cat; exit 37"]
    task = attach(words, [[str(docker), "create"]], "shop-1-run-2")
    child = on_host(task, stdin=subprocess.PIPE)
    out, _error = child.communicate(b"given")
    assert (out, child.returncode) == (b"given", 37)
    assert calls(docker) == [
        "create",
        "-- sh -c cat; exit 37",
        "rm --force --volumes shop-1-run-2",
    ]


def test_a_command_that_a_signal_ends_has_the_exit_code_of_a_shell(docker):
    child = on_host(attach(["sh", "-c", "kill -9 $$"]))
    child.communicate()
    assert child.returncode == 128 + signal.SIGKILL


def test_what_fails_before_is_shown_and_nothing_is_started(docker):
    child = on_host(attach([str(docker), "--", "echo"], [[str(docker), "fail"]], "shop-1-run-2"))
    out, error = child.communicate()
    assert (out, error, child.returncode) == (b"", b"no\n", 3)
    assert calls(docker) == ["fail", "rm --force --volumes shop-1-run-2"]


@pytest.mark.parametrize("how", ["reader", signal.SIGHUP, signal.SIGTERM])
def test_a_cut_connection_removes_the_container_and_ends_the_process(docker, how):
    mark = f"FLASKOPS_ATTACHED={os.urandom(8).hex()}"
    stubborn = ["env", mark, "sh", "-c", "trap '' HUP TERM; while :; do sleep 0.1; done"]
    child = on_host(attach([str(docker), "--", *stubborn], (), "shop-1-run-2", mark))
    deadline = time.monotonic() + 20
    while not attached.marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert attached.marked(mark)
    if how == "reader":
        child.stdout.close()
    else:
        child.send_signal(how)
    assert child.wait(20) == attached.CUT
    assert attached.marked(mark) == []
    assert "rm --force --volumes shop-1-run-2" in calls(docker)


def test_docker_exec_which_says_nothing_is_watched_from_beside(docker):
    """The process that has the terminal is killed; the one beside it ends what runs on the host."""
    mark = f"FLASKOPS_ATTACHED={os.urandom(8).hex()}"
    task = {**attach([str(docker), "x"], (), "shop-1-run-2", mark), "watch": True}
    beside = [sys.executable, "-c", PROGRAM, json.dumps(task)]
    become = f"from {cli.__name__} import watch; import os, sys; watch({beside!r});"
    become += "os.execvp('sleep', ['sleep', '60'])"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[6])}
    with (
        # Not as under nohup, which tests may run under.
        subprocess.Popen(["env", "--default-signal=HUP", mark, "sleep", "60"]) as left,
        subprocess.Popen([sys.executable, "-c", become], env=environment) as client,
    ):
        command = Path(f"/proc/{client.pid}/comm")
        while command.read_text() != "sleep\n":  # the last thing that it does
            assert client.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        assert left.poll() is None and client.poll() is None
        client.kill()
        assert left.wait(20) == -signal.SIGHUP
    assert calls(docker) == ["rm --force --volumes shop-1-run-2"]


def test_ctrl_c_is_the_commands_own(docker):
    code = (
        "import signal, sys, time\nsignal.signal(2, lambda *_: sys.exit(9))\nprint(1, flush=True)"
    )
    words = [sys.executable, "-c", f"{code}\ntime.sleep(60)"]
    child = on_host(attach(words), start_new_session=True)
    assert child.stdout.readline() == b"1\n"
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(20) == 9


def log(lines, name="0123456789ab", journal=False):
    text = "".join(f"{line}\n" for line in lines)
    return {"words": ["printf", "%s", text], "journal": journal, "name": name}


def entry(second, message, **more):
    known = {"__REALTIME_TIMESTAMP": f"{second}000000", "MESSAGE": message, **more}
    return json.dumps(known)


def shown(*sources, lines=0, since="", follow=False):
    task = {"sources": list(sources), "lines": lines, "since": since, "follow": follow}
    child = on_host(task)
    out, error = child.communicate(timeout=30)
    assert (child.returncode, error) == (0, b"")
    return out.decode(errors="backslashreplace").splitlines()


OLD = log(["1970-01-01T00:00:01.5Z one", "1970-01-01T00:00:03.5Z three"], "a worker")
NEW = log(
    [
        entry(2, "two", HOST_FLASKOPS_RELEASE="b"),
        entry(4, [0xFF, 0x34], HOST_FLASKOPS_RELEASE="b", HOST_FLASKOPS_PROCESS="worker"),
        entry(5, None),
    ],
    journal=True,
)
LINES = [
    "1970-01-01T00:00:01Z a worker | one",
    "1970-01-01T00:00:02Z b | two",
    "1970-01-01T00:00:03Z a worker | three",
    "1970-01-01T00:00:04Z b worker | \\xff4",
    "1970-01-01T00:00:05Z  | ",
]


def test_several_logs_are_shown_by_time():
    assert shown(OLD, NEW) == LINES
    assert shown(OLD, NEW, lines=2) == LINES[-2:]
    assert shown(OLD, NEW, since="1970-01-01T00:00:03Z") == LINES[2:]


def test_followed_logs_are_shown_as_they_come():
    assert sorted(shown(OLD, NEW, follow=True)) == LINES


@pytest.mark.parametrize("what", ["reader", "pulse"])
def test_a_log_that_is_followed_ends_with_its_reader(tmp_path, what):
    source = {**OLD, "words": ["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"]}
    task = {"sources": [source], "lines": 0, "since": "", "follow": True}
    child = on_host(task, stdin=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (child.stdout if what == "reader" else child.stdin).close()
    assert child.wait(20) == attached.CUT
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 20
    while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not state.exists() or state.read_text().split()[2] == "Z"


# --- the command line -----------------------------------------------------------------------------


def run(*words):
    program = Path(cli.__file__).parents[3].resolve() / "bin/flaskops"
    return subprocess.run([program, *words], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["exec", "shop"], "write the command after --: flaskops exec shop -- flask shell"),
        (["run", "shop", "--"], "write the command after --: flaskops run shop -- flask shell"),
        (["logs", "shop", "--", "ls"], "flaskops logs takes no command after --."),
        (["logs", "a;b"], "an application's name has a-z, 0-9 and -, at most 40; got 'a;b'."),
        (["status", "a,b"], "an application's name has a-z, 0-9 and -, at most 40; got 'a,b'."),
        (
            ["exec", "shop", "--process", "{{ x }}", "--", "ls"],
            "the name of a process has a-z, 0-9 and -; got '{{ x }}'.",
        ),
        (
            ["logs", "shop", "--since", "soon"],
            "--since must be 30s, 10m, 2h, 3d, or a time such as 2026-12-01T08:00; got 'soon'.",
        ),
        (["logs", "shop", "--lines", "0"], "--lines must be a number, or all; got '0'."),
        (["rollback", "shop", "HEAD"], "a release has 12 hex digits; got 'HEAD'."),
    ],
)
def test_bad_input_is_refused_before_a_host_is_asked(words, message):
    # As a user without Ansible.
    done = run(*words)
    assert (done.returncode, done.stderr) == (2, f"flaskops: {message}\n")


@pytest.mark.parametrize("action", ["logs", "exec", "run", "status", "releases", "rollback"])
def test_the_help_of_every_command_has_an_example(action):
    assert f"flaskops {action} shop" in run("--help").stdout or action == "status"
    assert f"flaskops {action} shop" in run(action, "--help").stdout


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("0s", 1)])
def test_a_time_is_counted_from_now(text, seconds):
    assert cli.seconds_since(text) == seconds


def test_a_date_is_in_the_time_zone_of_the_user(monkeypatch):
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    ago = cli.seconds_since("2026-01-01T02:00") - cli.seconds_since("2026-01-01T00:00:00+00:00")
    monkeypatch.undo()
    time.tzset()
    assert abs(ago) < 1


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            [{"host": "web1", "found": True}, {"host": "web2", "found": True}],
            "shop is on web1, web2; choose one with --limit.",
        ),
        (
            [
                {"host": "web1", "found": False, "apps": ["a", "b"]},
                {"host": "web2", "found": False, "apps": []},
            ],
            "no host has shop.\nweb1 has a, b.\nweb2 has none.",
        ),
        (
            [{"host": "web1", "found": True, "failed": True, "msg": "it is \x1b[31mstopped"}],
            "web1: it is \\x1b[31mstopped",
        ),
    ],
)
def test_which_host_is_meant(answers, message, capsys):
    with pytest.raises(SystemExit):
        cli.only_one(answers, "shop")
    assert capsys.readouterr().err == f"flaskops: {message}\n"


def test_the_only_host_with_the_application_is_meant():
    answers = [{"host": "web1", "found": False, "apps": []}, {"host": "web2", "found": True}]
    assert cli.only_one(answers, "shop")["host"] == "web2"


def test_lines_of_an_application_cannot_steer_the_terminal(capsys):
    cli.show_log(["printf", "%b", "a\\033[31mb\\rc\\377\\n"])
    assert capsys.readouterr().out == "a\\x1b[31mb\\x0dc\\xff\n"


def test_what_a_host_says_instead_of_an_answer_cannot_either(tmp_path, monkeypatch, capsys):
    program = tmp_path / "ansible-playbook"
    program.write_text(
        '#!/bin/sh\nprintf "fatal: [web1]: \\033[31mgone $ANSIBLE_FORCE_COLOR\\n" >&2\nexit 4\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("ANSIBLE_FORCE_COLOR", "true")
    options = cli.parser().parse_args(["releases", "shop", "-i", "prod"])
    ansible = cli.Ansible(options, None, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)  # where it finds programs
    ansible.environment["PATH"] = os.environ["PATH"]
    with pytest.raises(SystemExit) as stopped:
        ansible.ask({})
    assert stopped.value.code == 4
    assert capsys.readouterr().err == (
        "fatal: [web1]: \\x1b[31mgone false\nflaskops: no host answered.\n"
    )
