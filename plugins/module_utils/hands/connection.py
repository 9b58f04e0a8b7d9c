# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that starts another command on a host, by the connection that the inventory names."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

DOCKER = "community.docker.docker"
# By kind of connection, as its plugin names them: the options that are read.
OPTIONS: dict[str, tuple[str, ...]] = {
    "ssh": (
        "host",
        "port",
        "remote_user",
        "private_key_file",
        "host_key_checking",
        "timeout",
        "ssh_executable",
        "ssh_args",
        "ssh_common_args",
        "ssh_extra_args",
    ),
    DOCKER: ("remote_addr", "remote_user", "docker_extra_args"),
    "local": (),
}
# How root is reached, by the name of the become plugin.
BECOME = ("sudo", "doas")


class Refused(Exception):
    """The command cannot be started this way; the text says why, and what is allowed."""


@dataclass(frozen=True)
class Connection:
    """The connection to a host, by the names of the options of Ansible's plugins."""

    kind: str
    host: str = ""
    port: int | None = None
    remote_user: str | None = None
    private_key_file: str | None = None
    host_key_checking: bool = True
    timeout: int | None = None
    ssh_executable: str = "ssh"
    ssh_args: str | None = None
    ssh_common_args: str | None = None
    ssh_extra_args: str | None = None
    remote_addr: str = ""
    docker_extra_args: str | None = None
    become: str = ""
    become_user: str | None = None
    become_exe: str | None = None

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Connection:
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in found.items() if key in known})

    @property
    def is_silent(self) -> bool:
        """Whether nothing tells a command on the host that the connection is cut: docker exec goes
        on there. Only its standard input ends.
        """
        return self.kind == DOCKER

    def command(self, words: Sequence[str], terminal: bool) -> list[str]:
        """The words of the command on this machine.

        Args:
            words: those of the command on the host, which runs as root; no shell reads them.
            terminal: whether it gets the terminal of this process.

        Raises:
            Refused: neither the kind of connection nor become is known.
        """
        if self.kind not in OPTIONS:
            raise Refused(
                f"its connection is {self.kind}; with a terminal or a log, flaskops can use"
                f" {', '.join(OPTIONS)}. Set ansible_connection to one of them."
            )
        words = self._as_root(words, terminal)
        if self.kind == "local":
            return words
        return self._ssh(words, terminal) if self.kind == "ssh" else self._docker(words, terminal)

    def _as_root(self, words: Sequence[str], terminal: bool) -> list[str]:
        if not self.become:
            return list(words)
        name = self.become.removeprefix("ansible.builtin.").removeprefix("community.general.")
        if name not in BECOME:
            raise Refused(
                f"its become method is {self.become}; flaskops can use {', '.join(BECOME)}. Set"
                " ansible_become_method to one of them, or connect as root."
            )
        if self.become_user not in (None, "", "root"):
            raise Refused(f"become_user must be root; got {self.become_user}.")
        # Without a terminal nobody can type a password.
        flags = [] if terminal else ["-n"]
        program = [self.become_exe or name, *flags]
        # Root needs no sudo, which may be missing.
        shell = 'if [ "$(id -u)" != 0 ]; then exec "$@"; fi; shift "$0"; exec "$@"'
        return ["/bin/sh", "-c", shell, str(len(program)), *program, *words]

    def _ssh(self, words: Sequence[str], terminal: bool) -> list[str]:
        command = [self.ssh_executable or "ssh"]
        for given in (self.ssh_args, self.ssh_common_args, self.ssh_extra_args):
            command += shlex.split(given or "")
        options = {
            "Port": self.port,
            "User": self.remote_user,
            "ConnectTimeout": self.timeout,
            "StrictHostKeyChecking": None if self.host_key_checking else "no",
        }
        for name, value in options.items():
            command += ["-o", f"{name}={value}"] if value else []
        command += ["-i", self.private_key_file] if self.private_key_file else []
        # "Connection to … closed" is not of the command.
        command += ["-o", "LogLevel=ERROR"] if terminal else []
        # The other side joins the words, and its shell reads them once.
        return [*command, "-t" if terminal else "-T", "--", self.host, shlex.join(words)]

    def _docker(self, words: Sequence[str], terminal: bool) -> list[str]:
        command = ["docker", *shlex.split(self.docker_extra_args or ""), "exec", "--interactive"]
        command += ["--tty"] if terminal else []
        command += ["--user", self.remote_user] if self.remote_user else []
        return [*command, "--", self.remote_addr, *words]
