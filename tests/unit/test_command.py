# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a command line from an entry runs: one rule for command, release_command, build_command and
processes.
"""

import shutil
import subprocess

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.command import (
    LONGEST,
    one_line,
    shell_line,
    shell_words,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.describe import environment
from ansible_collections.flaskops.host.plugins.module_utils.releases.processes import (
    one_off_command,
    process_containers,
)
from entries import typed

SHELLS = [shell for shell in map(shutil.which, ("dash", "bash", "busybox")) if shell]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("celery --app tasks worker", "exec celery --app tasks worker"),
        (" celery -Q 'a;b' -n \"x|y\" ", "exec celery -Q 'a;b' -n \"x|y\""),
        ("worker >&2 2>&1", "exec worker >&2 2>&1"),
        ("python worker.py --name $HOSTNAME", "exec python worker.py --name $HOSTNAME"),
        ("A=1 python3 serve.py", "A=1 exec python3 serve.py"),
        (
            "QUEUE='a b' B=\"$QUEUE c\" C=${D:-d e} python worker.py",
            "QUEUE='a b' B=\"$QUEUE c\" C=${D:-d e} exec python worker.py",
        ),
        ("STARTED=$(date +%s) worker", "STARTED=$(date +%s) exec worker"),
        ("job $(cat list)", "exec job $(cat list)"),
        ("'my server' 1", "exec 'my server' 1"),
        ("/bin/sh server.sh", "exec /bin/sh server.sh"),
        ("worker # don't stop; it 'works'", "exec worker # don't stop; it 'works'"),
        ("worker a#b", "exec worker a#b"),
        ("worker \\\n --all", "exec worker \\\n --all"),
        ('worker "it costs $5"', 'exec worker "it costs $5"'),
    ],
)
def test_a_program_replaces_the_shell(command, line):
    assert shell_line(command) == line


@pytest.mark.parametrize(
    "command",
    [
        "cd jobs && exec celery worker", "cd jobs", "exec celery worker", "exit 7", "export A=1",
        "A=1", "A=1 cd x", "A=1 exec x", "A+=1 x", "while true; do job; sleep 5; done",
        "job | tee log", "(job)", "{ job; }", "! job", "sleep 5 &", "job `cat list`",
        "f() { job; }", "job $(cat a; cat b)", "migrate\nserve", "# nothing", "A=1 # nothing",
        ">log job", ">log A=1 job", 'A="$(echo "a b")" job', "A=${B:-${C} d} job",
        "A=$'a\\' b' job", '"cd" x', "time job", "",
    ],
)  # fmt: skip
def test_a_line_that_needs_a_shell_stays_in_the_shell(command):
    assert shell_line(command) == command


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "command",
    [
        "A='1 2' printenv A", "A=$GIVEN printenv A", "A=1 B=$A printenv B", "A=~ printenv A",
        "A=$GIVEN printf '[%s]' \"$A\" $GIVEN", "printf '%s' \"1 2\n\"", "echo '1 2' >&1",
        "cd / && pwd", "exit 7", "false", "ls /none", "printenv HOME # 'not; this", "pwd\npwd",
        "env printf '%s' $(echo 1 2)", "A=$(echo 1 2) printenv A", 'A="$(echo "a b")" printenv A',
        "A=${NONE:-a b} printenv A", "A=1", "true || printenv HOME", "env printf '%s-' * | wc -c",
        "none-such", "env printf 'a\\\nb'", "! true", "A=1 >/dev/null printenv A",
    ],
)  # fmt: skip
def test_a_line_runs_as_written(shell, command):
    shell = [shell, "sh", "-c"] if shell.endswith("busybox") else [shell, "-c"]

    def run(line):
        done = subprocess.run(
            [*shell, line],
            env={"PATH": "/usr/bin:/bin", "HOME": "/", "GIVEN": "a *  b"},
            capture_output=True,
            text=True,
        )
        return done.stdout, done.returncode

    assert run(shell_line(command)) == run(command)


@pytest.mark.parametrize("engine", ["uwsgi", "command"])
def test_every_key_runs_its_command_in_the_same_way(engine):
    worker = {"name": "w", "command": "A=1 job", "stop_seconds": 1}
    app = {"name": "shop", "engine": engine, "release_command": "A=1 job", "processes": [worker]}
    container = {"name": "shop-1", "labels": {"host.flaskops.release": "1"}, "volumes": []}
    words = ["sh", "-c", "A=1 exec job"]
    assert shell_words("A=1 job") == words
    assert typed(one_off_command)(app)[-3:] == words
    assert (typed(one_off_command)(app)[0] == "--run") == (engine == "command")
    for variables in (False, True):
        (process,) = typed(process_containers)(app, container, variables)
        assert [*process.get("entrypoint", []), *process["command"]][-3:] == words
    given = {"path": "/", "path_mode": "domain", "prefix": "", "script_name": "", "port": 0}
    given |= {
        "secrets": {},
        "secrets_as": "file",
        "private_env": {},
        "env": {},
        "engine": "command",
        "command": "A=1 job",
    }
    assert typed(environment)({**app, **given})["FLASKOPS_COMMAND"] == words[-1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", ""),
        ("x ", ""),  # docker reads a line of an env file literally
        ("\tx\u00a0", ""),
        ("x" * LONGEST, ""),
        ("\u00e4" * (LONGEST // 2), ""),
        (
            "\u00e4" * (LONGEST // 2) + "x",
            "have at most 60000 bytes (longer values go into secrets)",
        ),
        ("x\ny", "be one line (longer values go into secrets)"),
        ("x\r", "be one line (longer values go into secrets)"),
        ("x\0", "be one line (longer values go into secrets)"),
    ],
)
def test_an_environment_value_must_be_one_line_that_docker_reads(value, words):
    assert one_line(value) == words
