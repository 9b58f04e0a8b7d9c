# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of bin/flaskops."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from ..apps.schema import NAME
from ..host.shown import shown, shown_line
from ..releases.report import table
from . import attached
from .connection import Connection, Refused

HELP = """Hands on the applications of your hosts, through your Ansible inventory.

  flaskops status                          what runs where, and its health
  flaskops logs shop -f                    its log; follows until Ctrl-C
  flaskops exec shop -- flask shell        a shell in the container that serves
  flaskops run shop -- flask db upgrade    a command in a new container of the live release
  flaskops releases shop                   its releases
  flaskops rollback shop                   back to the release before

flaskops COMMAND --help shows more. The inventory is that of ansible-playbook: -i, or the one of
ansible.cfg. The exit code is that of the command."""
EPILOGS = {
    "logs": """examples:
  flaskops logs shop                       the last 200 lines, of all its containers
  flaskops logs shop -f --process worker   follows one of its processes
  flaskops logs shop --process web         only the container that answers requests
  flaskops logs shop --since 2h            all lines of the last two hours
  flaskops logs shop --since 2026-12-01T08:00

Each line has its time (UTC), its release and its process. With systemd's journal, the lines of
containers that are gone are there too.""",
    "exec": """examples:
  flaskops exec shop -- flask shell
  flaskops exec shop -- sh -c 'ls -l /data | head'
  flaskops exec shop --process worker -- python3 -m celery inspect active
  flaskops exec shop -- python3 - < script.py

The command runs next to the server, as its user, with its environment and secrets, and counts
against its memory. With a terminal here, it has one there.""",
    "run": """examples:
  flaskops run shop -- flask db upgrade
  flaskops run shop -- flask shell
  flaskops run shop -l web2 -- python3 -c 'import app'

The command gets a new container of the live release: its image, user, environment, secrets,
volumes, networks and limits. It is removed when the command ends, or when the connection is cut. A
deploy does not disturb it.""",
    "status": "example:\n  flaskops status shop -i prod",
    "releases": "example:\n  flaskops releases shop -i prod",
    "rollback": """examples:
  flaskops rollback shop                   to the release before
  flaskops rollback shop 0123456789ab      to this one; flaskops releases shop shows them""",
}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LINES = 200


def stop(text: str, code: int = 2) -> NoReturn:
    _complain(f"flaskops: {text}")
    raise SystemExit(code)


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _show(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("flaskops", description=HELP, formatter_class=raw)
    ansible = argparse.ArgumentParser(add_help=False)
    group = ansible.add_argument_group("as for ansible-playbook")
    group.add_argument("-i", "--inventory", action="append", default=[], help="the inventory")
    group.add_argument("-l", "--limit", help="only these hosts, where several have the application")
    group.add_argument("-e", "--extra-vars", action="append", default=[], help="further variables")
    group.add_argument("-u", "--user", help="the user of the connection")
    group.add_argument("--private-key", help="its key")
    group.add_argument("-K", "--ask-become-pass", action="store_true", help="ask for sudo's")
    group.add_argument(
        "-J", "--ask-vault-password", action="store_true", help="ask for the vault's"
    )
    group.add_argument("--vault-password-file", help="a file with it")
    commands = top.add_subparsers(dest="action", metavar="COMMAND", required=True)

    def command(name: str, words: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
            epilog=EPILOGS[name],
            parents=[ansible],
            formatter_class=raw,
            usage=f"flaskops {name} {'[APP ...]' if name == 'status' else 'APP'} [options]"
            + (" -- COMMAND" if name in ("exec", "run") else ""),
        )

    for name, words in (
        ("logs", "show the logs of an application"),
        ("exec", "run a command in a container of an application"),
        ("run", "run a command in a new container of the live release"),
    ):
        each = command(name, words)
        each.add_argument("app", metavar="APP")
        if name != "run":
            each.add_argument("--process", default="", help="one of its processes, or web")
        if name == "logs":
            each.add_argument("-f", "--follow", action="store_true", help="follow until Ctrl-C")
            each.add_argument(
                "--since", help="30s, 10m, 2h, 3d, or a time such as 2026-12-01T08:00"
            )
            each.add_argument("-n", "--lines", help=f"the last lines, or all ({LINES})")
    each = command("status", "show what runs where")
    each.add_argument("apps", metavar="APP", nargs="*")
    command("releases", "show the releases of an application").add_argument("app", metavar="APP")
    each = command("rollback", "go back to an earlier release")
    each.add_argument("app", metavar="APP")
    each.add_argument("release", metavar="RELEASE", nargs="?", default="")
    return top


def main(arguments: Sequence[str], clone: Path | None, collection: Path) -> int:
    """Run one command.

    Args:
        clone: the clone that the command is in; None for an installed collection.
        collection: the directory of the collection.
    """
    ours, dashes, command = list(arguments), "", []
    if "--" in ours:
        cut = ours.index("--")
        ours, dashes, command = ours[:cut], "--", ours[cut + 1 :]
    options = parser().parse_args(ours)
    takes = options.action in ("exec", "run")
    if takes and not command:
        stop(f"write the command after --: flaskops {options.action} {options.app} -- flask shell")
    if dashes and not takes:
        stop(f"flaskops {options.action} takes no command after --.")
    for name in [*getattr(options, "apps", []), getattr(options, "app", None)]:
        if name is not None and not re.fullmatch(NAME, name):
            stop(f"an application's name has a-z, 0-9 and -, at most 40; got {name!r}.")
    process = getattr(options, "process", "")
    if process and not re.fullmatch(NAME, process):
        stop(f"the name of a process has a-z, 0-9 and -; got {process!r}.")
    ansible = Ansible(options, clone, collection)
    if options.action == "status":
        return ansible.show("status", {"flask_apps_only": ",".join(options.apps)})
    if options.action == "rollback":
        if not re.fullmatch("[0-9a-f]{12}|", options.release):
            stop(f"a release has 12 hex digits; got {options.release!r}.")
        known = {"flask_apps_only": options.app, "flask_apps_release": options.release}
        return ansible.show("rollback", known)
    if options.action == "releases":
        return show_releases(ansible.ask(question(options)), options.app)
    terminal = takes and sys.stdin.isatty() and sys.stdout.isatty()
    answer = only_one(ansible.ask(question(options, terminal)), options.app)
    return start(answer, command, terminal)


def question(options: argparse.Namespace, terminal: bool = False) -> dict[str, Any]:
    """What each host is asked."""
    since = getattr(options, "since", None)
    lines = getattr(options, "lines", None) or ("all" if since else str(LINES))
    if lines != "all" and not re.fullmatch("[1-9][0-9]{0,6}", lines):
        stop(f"--lines must be a number, or all; got {lines!r}.")
    return {
        "name": options.app,
        "action": options.action,
        "process": getattr(options, "process", ""),
        "terminal": terminal,
        "seconds": seconds_since(since) if since else 0,
        "lines": 0 if lines == "all" else int(lines),
        "follow": getattr(options, "follow", False),
    }


def seconds_since(text: str) -> float:
    """How long ago; the host counts from its own clock."""
    if found := re.fullmatch("([0-9]{1,9})([smhd])", text):
        return max(1, int(found[1]) * UNITS[found[2]])
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.astimezone()
    except ValueError:
        stop(f"--since must be 30s, 10m, 2h, 3d, or a time such as 2026-12-01T08:00; got {text!r}.")
    return max(1.0, (datetime.now(timezone.utc) - moment).total_seconds())


class Ansible:
    """ansible-playbook with the options of the command line."""

    def __init__(self, options: argparse.Namespace, clone: Path | None, collection: Path) -> None:
        self.collection, self.clone = collection, clone
        places = [*([clone / ".venv/bin"] if clone else []), Path(sys.executable).parent]
        path = os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)])
        self.environment = {**os.environ, "PATH": path, "ANSIBLE_LOCALHOST_WARNING": "false"}
        self.environment["ANSIBLE_DISPLAY_FAILED_STDERR"] = "true"
        if clone and "ANSIBLE_CONFIG" not in os.environ and not Path("ansible.cfg").exists():
            self.environment["ANSIBLE_CONFIG"] = str(clone / "ansible.cfg")
        self.words = [word for each in options.inventory for word in ("-i", each)]
        if not self.words and clone and not self._has_inventory():
            self.words = ["-i", str(clone / "inventories/local")]  # as bin/deploy does
        for option, value in (
            ("--limit", options.limit),
            ("--user", options.user),
            ("--private-key", options.private_key),
            ("--vault-password-file", options.vault_password_file),
        ):
            self.words += [option, value] if value else []
        self.words += ["--ask-become-pass"] if options.ask_become_pass else []
        self.words += ["--ask-vault-password"] if options.ask_vault_password else []
        self.words += [word for each in options.extra_vars for word in ("-e", each)]

    def _has_inventory(self) -> bool:
        """Whether the configuration names one."""
        command = ["ansible-config", "dump", "--only-changed", "--format", "json"]
        said = self._run(command, read=True).stdout
        try:
            return any(each.get("name") == "DEFAULT_HOST_LIST" for each in json.loads(said))
        except ValueError:
            return False

    def show(self, playbook: str, variables: dict[str, str]) -> int:
        """Run a playbook of the collection, with its output."""
        with tempfile.TemporaryDirectory(prefix="flaskops.") as place:
            return self._run(self._playbook(Path(place), playbook, variables)).returncode

    def ask(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers of the hosts."""
        with tempfile.TemporaryDirectory(prefix="flaskops.") as place:
            answers = Path(place, "answers")
            answers.mkdir()
            variables = {"flask_apps_attach": {**asked, "answers": str(answers)}}
            done = self._run(self._playbook(Path(place), "attach", variables), read=True)
            found = [json.loads(file.read_text()) for file in answers.iterdir()]
        if not found:
            _complain(shown((done.stderr or done.stdout).strip()))
            stop("no host answered.", done.returncode or 1)
        silent = set(re.findall(r"(?m)^fatal: \[([^\]]+)\]", done.stdout + done.stderr))
        if silent := silent - {answer["host"] for answer in found}:
            _complain(f"flaskops: {', '.join(map(shown_line, sorted(silent)))} did not answer.")
        return sorted(found, key=lambda answer: str(answer["host"]))

    def _playbook(self, place: Path, name: str, variables: dict[str, Any]) -> list[str]:
        """The command for a playbook of this very collection, wherever it is: Ansible looks beside
        the playbook first.
        """
        link = place / "collections/ansible_collections/flaskops/host"
        link.parent.mkdir(parents=True)
        link.symlink_to(self.collection)
        playbook, given = place / "flaskops.yml", place / "variables.json"
        playbook.write_text(f"- import_playbook: flaskops.host.{name}\n")
        given.write_text(json.dumps(variables))
        return ["ansible-playbook", str(playbook), *self.words, "-e", f"@{given}"]

    def _run(self, words: list[str], read: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a program of Ansible. Where its output is read, it has no colors."""
        plain = {"ANSIBLE_FORCE_COLOR": "false"} if read else {}
        environment = {**self.environment, **plain}
        try:
            return subprocess.run(
                words, env=environment, text=True, check=False, capture_output=read
            )
        except FileNotFoundError:
            stop(
                f"there is no {words[0]} here. Activate the environment that has Ansible; in a"
                " clone, bin/deploy --version installs it.",
                127,
            )


def only_one(answers: list[dict[str, Any]], app: str) -> dict[str, Any]:
    """The answer of the only host that has the application."""
    found = [answer for answer in answers if answer.get("found")]
    hosts = ", ".join(answer["host"] for answer in found)
    if len(found) > 1:
        stop(f"{app} is on {hosts}; choose one with --limit.")
    if not found:
        stop("\n".join([f"no host has {app}.", *map(what_is_there, answers)]))
    if found[0].get("failed"):
        stop(f"{hosts}: {shown(found[0].get('msg'))}", 1)
    return found[0]


def what_is_there(answer: dict[str, Any]) -> str:
    if answer.get("failed"):
        return f"{answer['host']}: {shown(answer.get('msg'))}"
    return f"{answer['host']} has {', '.join(map(shown_line, answer['apps'])) or 'none'}."


def show_releases(answers: list[dict[str, Any]], app: str) -> int:
    """A table of the releases on all hosts."""
    rows: list[tuple[str, ...]] = [("host", "release", "state", "since", "")]
    for answer in answers:
        for release in answer.get("releases", []):
            words = "rollback goes here" if release["back"] else release["reason"]
            known = (release["id"], release["state"], release["since"], words)
            rows.append((answer["host"], *known))
    if len(rows) == 1:
        stop("\n".join([f"no host has {app}.", *map(what_is_there, answers)]))
    _show("\n".join(table(rows)))
    return 0


def start(answer: dict[str, Any], command: list[str], terminal: bool) -> int:
    """Start what the host says; a command of the user becomes this process, so that the terminal is
    its own.
    """
    task = answer["task"]
    if note := task.get("note"):
        _complain(f"flaskops: {shown_line(note)}")
    if "own" in task:
        if task["own"] == "create":
            task["before"][0] += command
        else:
            task["words"] += command
    connection = Connection.from_dict(answer["connection"])
    program = [answer["python"], "-c", Path(attached.__file__).read_text()]
    try:
        words = connection.command([*program, json.dumps(task)], terminal)
        watching = connection.command([*program, json.dumps({**task, "watch": True})], False)
    except Refused as refused:
        stop(f"{answer['host']}: {refused}")
    sys.stdout.flush()
    if "own" in task:
        try:
            if connection.is_silent:
                watch(watching)
            os.execvp(words[0], words)
        except OSError as error:
            stop(f"{words[0]} cannot be started: {error.strerror}.", 127)
    return show_log(words)


def watch(words: list[str]) -> None:
    """Start a command whose standard input ends with this process, and with what it becomes."""
    reads, writes = os.pipe()
    nothing = subprocess.DEVNULL
    subprocess.Popen(words, stdin=reads, stdout=nothing, stderr=nothing, start_new_session=True)
    os.close(reads)
    os.set_inheritable(writes, True)


def show_log(words: list[str]) -> int:
    """Pass the lines on, escaped: an application must not steer the terminal."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            for line in child.stdout or ():
                text = line.decode(errors="backslashreplace")
                _show(shown(text.rstrip("\r\n")))
        except KeyboardInterrupt:
            child.terminate()
            return 130
        except BrokenPipeError:
            child.terminate()
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
    return child.returncode
