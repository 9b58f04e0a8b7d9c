# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host is looked at: files, commands, and the socket of the engine."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

from .daemon import SOCKET

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Connection(http.client.HTTPConnection):
    """HTTP over the engine's unix socket."""

    def __init__(self) -> None:
        super().__init__("localhost", timeout=10)
        self.peer_pid = 0

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)
        credentials = self.sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        self.peer_pid = struct.unpack("3i", credentials)[0]

    def ask(self, path: str) -> dict[str, Any]:
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(
                f"{path} answered {answer.status}: {body[:200].decode(errors='replace').strip()}"
            )
        return dict(json.loads(body))


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def run(*command: str) -> tuple[int, str]:
    environment = {"PATH": SYSTEM_PATH, "HOME": str(Path.home()), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()
