# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running Nginx: its processes, its own words, the test of a configuration and the reload."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..host.proc import command_line, is_ours, parent, started
from .files import read_text
from .steps import NginxError

LEAVING = "nginx: worker process is shutting down"
# After so many reloads within the time limit of old workers the oldest of them end, and what they
# still hold.
GENERATIONS = 10
TICKS = os.sysconf("SC_CLK_TCK")  # one second

# $1 candidate, $2 real tree, $3 nginx: the namespace is private, so the bind mount is seen by this
# one process only.
MOUNTED = "flaskops:mounted"
IN_NAMESPACE = f'mount --bind "$1" "$2" || exit 1; echo {MOUNTED}; exec "$3" -t -c "$2/nginx.conf"'

# "nginx: [emerg] words" and, once the error log is known, "2026/11/21 08:54:17 [emerg] 92#92:
# words"
SAID = re.compile(
    r"^(?:nginx: |\d{4}/\S+ \S+ )\[(\w+)\] (?:\d+#\d+: )?(?:\*\d+ )?(.*)$", re.MULTILINE
)


def emergencies(text: str) -> str:
    """The error messages of Nginx, without meaningless lines."""
    wrong = [
        f"[{level}] {words}"
        for level, words in SAID.findall(text)
        if level not in ("warn", "notice", "info")
    ]
    lines = [line for line in text.splitlines() if line.strip() and line != MOUNTED]
    return "\n".join(dict.fromkeys(wrong or lines)) or "(no words)"


def nginx_warnings(text: str) -> list[str]:
    """The [warn] lines of a test, each once."""
    return list(dict.fromkeys(words for level, words in SAID.findall(text) if level == "warn"))


def run(command: Sequence[str], seconds: float) -> tuple[int, str]:
    """The exit code of a command and all that it said; OSError when it is not there, TimeoutExpired
    when it did not end.
    """
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        env=environment,
        check=False,
    )
    return result.returncode, result.stdout.decode("utf-8", "replace")


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def own_command_line(pid: int) -> str:
    """The command line of a process of this host; "" for one in a container, whose Nginx is none of
    our business.
    """
    return command_line(pid) if is_ours(pid) else ""


def is_master(pid: int) -> bool:
    return own_command_line(pid).startswith("nginx: master process")


def workers_of(master: int) -> set[int]:
    """The workers that take connections; the ones that are shutting down do not count."""
    return {
        pid
        for pid in processes()
        if parent(pid) == master and own_command_line(pid) == "nginx: worker process"
    }


def generations(master: int) -> list[list[int]]:
    """The workers that finish their requests, by the reload that they are from, oldest first."""
    leaving = [
        pid for pid in processes() if parent(pid) == master and own_command_line(pid) == LEAVING
    ]
    result: list[list[int]] = []
    last = 0
    for began, pid in sorted((started(pid), pid) for pid in leaving):
        if not began:
            continue  # it has ended meanwhile
        # The workers of one configuration begin together.
        if not result or began - last > TICKS:
            result.append([])
        result[-1].append(pid)
        last = began
    return result


def pid_path(main_config: str) -> Path:
    """Where the main configuration puts the pid file; Debian and Ubuntu have /run/nginx.pid."""
    match = re.search(r"^\s*pid\s+([^;\s]+)\s*;", main_config, re.MULTILINE)
    return Path(match[1].strip("\"'")) if match else Path("/run/nginx.pid")


def master_pid(main_config: str, service: str = "") -> int | None:
    """The pid of the running master. The pid file may be old, and its number another process's.

    service: the command of the service's Nginx, which runs on even where the pid file is
    lost.
    """
    try:
        pid = int(pid_path(main_config).read_text().strip() or 0)
    except (OSError, ValueError):
        pid = 0
    if pid > 1 and is_master(pid):
        return pid
    if not service:
        return None
    # The pid file is lost or was emptied; the service is the one master that runs without a
    # another configuration.
    masters = filter(is_master, processes())
    lost = [
        pid
        for pid in masters
        if (words := own_command_line(pid).split())[3:4] == [service] and "-c" not in words
    ]
    return lost[0] if len(lost) == 1 else None


def error_log_path(main_config: str) -> Path:
    match = re.search(r"^\s*error_log\s+(/[^;\s]+)", main_config, re.MULTILINE)
    return Path(match[1]) if match else Path("/var/log/nginx/error.log")


@dataclass
class Host:
    """Everything the transaction asks of the machine; the unit tests replace it."""

    nginx: str = "/usr/sbin/nginx"
    reload_seconds: float = 20.0
    test_seconds: float = 120.0

    def installed(self) -> bool:
        return os.access(self.nginx, os.X_OK)

    def version(self) -> str | None:
        if not self.installed():
            return None
        match = re.search(r"nginx/(\S+)", self._run([self.nginx, "-v"], 30)[1])
        return match[1] if match else None

    def test(self, candidate: Path, root: Path) -> tuple[bool, str]:
        """`nginx -t` with the candidate lying over the root, for this one process only."""
        command = [
            "unshare",
            "--mount",
            "--",
            "sh",
            "-c",
            IN_NAMESPACE,
            "sh",
            str(candidate),
            str(root),
            self.nginx,
        ]
        code, words = self._run(command, self.test_seconds)
        if MOUNTED not in words:
            raise NginxError(
                "The new configuration cannot be tested before it is written: a private mount"
                f" namespace is refused ({words.strip() or f'exit code {code}'}). It needs root"
                " with CAP_SYS_ADMIN; in a container that is --cap-add SYS_ADMIN (and no AppArmor"
                " or seccomp profile that forbids mount). Nothing was changed."
            )
        return code == 0, words

    def master(self, root: Path) -> int | None:
        """The running master that serves this tree."""
        return master_pid(
            read_text(root / "nginx.conf"), self.nginx if str(root) == "/etc/nginx" else ""
        )

    def reload(self, root: Path) -> None:
        """Load the tree into the running Nginx and see its new workers, or say in Nginx's words why
        not.
        """
        master = self.master(root)
        if master is None:
            raise NginxError("Nginx stopped running during the change.")
        log = error_log_path(read_text(root / "nginx.conf"))
        offset = log.stat().st_size if log.is_file() else 0
        before = workers_of(master)
        code, words = self._run(
            [self.nginx, "-s", "reload", "-c", f"{root}/nginx.conf"], self.test_seconds
        )
        if code != 0 and re.search(r"nginx\.pid|PID", words):
            os.kill(
                master, signal.SIGHUP
            )  # the pid file is lost: this is what the command does with its number
        elif code != 0:
            raise NginxError(emergencies(words))
        deadline = time.monotonic() + self.reload_seconds
        while time.monotonic() < deadline:
            now = workers_of(master)
            if (
                now - before and not now & before
            ):  # new ones are there, and no old one takes connections any more
                return
            said = self._log_of(log, offset, master)
            if any(
                "bind() to" not in line for line in said
            ):  # bind() is tried five times, only its last word counts
                raise NginxError("\n".join(dict.fromkeys(said)))
            time.sleep(0.02)
        if workers_of(master) - before:
            return  # an old one is too busy to notice, the new ones serve
        said = self._log_of(log, offset, master)
        raise NginxError(
            "\n".join(dict.fromkeys(said))
            or f"no worker of the new configuration after {self.reload_seconds:g} s (see {log})"
        )

    def end_oldest(self, root: Path) -> list[str]:
        """End the oldest old workers where there are those of too many reloads; says which, and
        what that means.
        """
        master = self.master(root)
        ended = (
            [pid for workers in generations(master)[:-GENERATIONS] for pid in workers]
            if master
            else []
        )
        for pid in ended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if not ended:
            return []
        return [
            f"Nginx was reloaded more than {GENERATIONS} times while connections stayed open. Ended"
            f" its oldest workers {', '.join(map(str, ended))} with the transfers and websockets"
            " that they still held."
        ]

    @staticmethod
    def _log_of(log: Path, offset: int, master: int) -> list[str]:
        """The emergencies that this master has written to the error log since."""
        try:
            with log.open("rb") as stream:
                stream.seek(offset)
                text = stream.read(65536).decode("utf-8", "replace")
        except OSError:
            return []
        return [emergencies(line) for line in text.splitlines() if f"[emerg] {master}#" in line]

    @staticmethod
    def _run(command: Sequence[str], seconds: float) -> tuple[int, str]:
        try:
            return run(command, seconds)
        except subprocess.TimeoutExpired:
            return 124, f"{command[0]} did not end within {seconds:g} s"
        except OSError as error:
            return 127, f"{command[0]}: {error.strerror}"
