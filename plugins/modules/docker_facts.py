#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: docker_facts
short_description: Say in one call all that the docker role wants to know of a host
version_added: 0.1.0
description:
  - Looks at the engine, the packages, the configuration, the service and the users of a host, and
    changes nothing.
  - It needs neither the Docker SDK for Python nor C(requests), so it works on a bare host.
author: flaskops contributors (@flaskops)
options:
  users:
    description: Users whose existence and membership in the group C(docker) are to be told.
    type: list
    elements: str
    default: []
  daemon_options:
    description:
      - What V(docker_daemon_options) of the role holds.
      - When the file that comes of it differs from the one on the host, its C(dockerd) is asked to
        validate it.
    type: dict
    default: {}
  wake:
    description: Ask the engine also when that makes systemd start it (its socket listens, its
      service is stopped).
    type: bool
    default: false
  wait_seconds:
    description: How long to wait for an engine that does not answer yet.
    type: int
    default: 0
  live_restore:
    description: With O(wait_seconds), wait until the engine says that live-restore is on, too.
    type: bool
    default: false
extends_documentation_fragment:
  - flaskops.host.attributes.info
"""

EXAMPLES = r"""
- name: Look at the Docker Engine of this host
  flaskops.host.docker_facts:
    users: [deploy]
  register: __docker_gathered
"""

RETURN = r"""
docker:
  description: What was found, as the filter P(flaskops.host.docker_plan#filter) wants it.
  returned: always
  type: dict
  sample:
    engine: {version: 26.1.5, api_version: "1.45", containers_running: 2, started_by: service}
    packages: {docker.io: 26.1.5+dfsg1-9}
"""

import contextlib
import glob
import grp
import http.client
import json
import os
import pwd
import resource
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.docker.apt import APT_SOURCE, INTERESTING_PACKAGES, parse_apt_sources
from ..module_utils.docker.daemon import LIMIT_FILE, SOCKET, daemon_config, daemon_text, text_digest
from ..module_utils.host.engine import DAEMON_FILE
from ..module_utils.host.places import DOCKER_RECORD
from ..module_utils.host.proc import command_line

ARGUMENTS: dict[str, Any] = {
    "users": {"type": "list", "elements": "str", "default": []},
    "daemon_options": {"type": "dict", "default": {}},
    "wake": {"type": "bool", "default": False},
    "wait_seconds": {"type": "int", "default": 0},
    "live_restore": {"type": "bool", "default": False},
}
LIMIT_MARKER = "FLASKOPS: LIMITS"
CAP_SYS_RESOURCE = 24
PLUGIN_DIRECTORIES = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    str(Path.home() / ".docker/cli-plugins"),
]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_PID_FILE = "/var/run/docker-ssd.pid"  # start-stop-daemon's, written by Docker's init script
LOG_LINES = 15


class EngineConnection(http.client.HTTPConnection):
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
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            errors="replace", timeout=20, check=False, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


class DockerFacts:
    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.pid1 = read("/proc/1/comm").strip()

    def gather(self) -> dict[str, Any]:
        deadline = time.monotonic() + self.params["wait_seconds"]
        service = self.service()
        engine, error = self.engine(service)
        while time.monotonic() < deadline and not self.satisfied(engine):
            time.sleep(0.25)
            service = self.service()
            engine, error = self.engine(service)
        packages, architecture = self.packages()
        swarm = bool(engine["swarm"]) if engine else self.was_in_swarm()
        return {
            "root": os.geteuid() == 0,
            "pid1": self.pid1,
            "engine": engine,
            "engine_error": error,
            "log": "" if engine or not self.params["wait_seconds"] else self.log(),
            "swarm": swarm,
            "service": service,
            "packages": packages,
            "architecture": architecture,
            "snap": bool(glob.glob("/var/lib/snapd/snaps/docker_*.snap")),
            "clis": self.clis(),
            "daemon": self.daemon(swarm),
            "record": self.record(),
            "record_file": DOCKER_RECORD,
            "apt": self.apt(),
            "users": {name: self.user(name) for name in self.params["users"]},
            "group": self.group() is not None,
            "limits": self.limits(),
        }

    def satisfied(self, engine: dict[str, Any] | None) -> bool:
        return engine is not None and (engine["live_restore"] or not self.params["live_restore"])

    # --- engine and service

    def engine(self, service: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        if service["sleeping"] and not self.params["wake"]:
            return None, "its service is stopped"
        connection = EngineConnection()
        try:
            version = connection.ask("/version")
            info = connection.ask("/info")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return None, str(error)
        finally:
            connection.close()
        security = [option.split(",")[0] for option in info.get("SecurityOptions") or []]
        by_service = connection.peer_pid in (
            (1, service["pid"]) if self.pid1 == "systemd" else (service["pid"],)
        )
        return {
            "version": version.get("Version", ""),
            "api_version": version.get("ApiVersion", ""),
            "podman": any(
                "Podman" in part.get("Name", "") for part in version.get("Components") or []
            ),
            "snap": info.get("DockerRootDir", "").startswith("/var/snap/"),
            "rootless": "name=rootless" in security,
            "userns_remap": "name=userns" in security,
            "live_restore": bool(info.get("LiveRestoreEnabled")),
            "containers_running": info.get("ContainersRunning", 0),
            "storage_driver": info.get("Driver", ""),
            "root_dir": info.get("DockerRootDir", ""),
            "swarm": (
                info.get("Swarm", {}).get("LocalNodeState", "inactive") not in ("", "inactive")
            ),
            "pid": connection.peer_pid if connection.peer_pid != 1 else service["pid"],
            "started_by": "service" if by_service else "hand",
        }, ""

    def service(self) -> dict[str, Any]:
        if self.pid1 == "systemd":
            return self.systemd_service()
        pid = int(read(INIT_PID_FILE).strip() or 0)
        command = command_line(pid) if pid else ""
        active = os.path.basename(command.partition(" ")[0]) == "dockerd"
        return {
            "active": active,
            "enabled": bool(glob.glob("/etc/rc[2345].d/S??docker")),
            "masked": False,
            "sleeping": False,
            "pid": pid if active else 0,
            "command": command if active else "",
        }

    def systemd_service(self) -> dict[str, Any]:
        output = run(
            "systemctl", "show", "docker.service", "docker.socket",
            "--property=LoadState,ActiveState,UnitFileState,MainPID,ExecStart",
        )[1]  # fmt: skip
        blocks = [
            dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            for block in output.split("\n\n")
        ]
        unit, listener = [*blocks, {}, {}][:2]
        pid = int(unit.get("MainPID") or 0)
        active = unit.get("ActiveState") in ("active", "reloading", "activating", "deactivating")
        command = command_line(pid) if pid else ""
        if not command and "argv[]=" in unit.get("ExecStart", ""):
            command = unit["ExecStart"].split("argv[]=", 1)[1].split(" ; ", 1)[0]
        return {
            "active": active,
            "enabled": (
                unit.get("UnitFileState")
                in ("enabled", "enabled-runtime", "static", "alias", "linked")
            ),
            "masked": unit.get("LoadState") == "masked",
            "sleeping": not active and listener.get("ActiveState") == "active",
            "pid": pid,
            # A service that is not there yet will be the packages' own.
            "command": command or "dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
        }

    def log(self) -> str:
        if self.pid1 == "systemd":
            return run(
                "journalctl",
                "--unit=docker.service",
                f"--lines={LOG_LINES}",
                "--no-pager",
                "--output=cat",
            )[1]
        return "\n".join(read("/var/log/docker.log").splitlines()[-LOG_LINES:])

    def was_in_swarm(self) -> bool:
        """What a stopped engine left behind: a node keeps its state in this file."""
        try:
            root = json.loads(read(DAEMON_FILE) or "{}").get("data-root", "/var/lib/docker")
        except (ValueError, AttributeError):
            root = "/var/lib/docker"
        return bool(read(f"{root}/swarm/docker-state.json").strip())

    # --- packages and programs

    def packages(self) -> tuple[dict[str, str], str]:
        output = run(
            "dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture} ${db:Status-Status}\n",
            "dpkg", *INTERESTING_PACKAGES,
        )[1]  # fmt: skip
        rows = [line.split() for line in output.splitlines() if line.endswith(" installed")]
        found = {row[0]: row for row in rows if len(row) == 4}
        architecture = found.pop("dpkg", ["", "", "", ""])[2]
        return {name: row[1] for name, row in found.items()}, architecture

    def clis(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        seen = set()
        for directory in [
            *os.environ.get("PATH", "").split(":"),
            *SYSTEM_PATH.split(":"),
            "/snap/bin",
        ]:
            path = os.path.join(directory, "docker")
            real = os.path.realpath(path)
            if (
                not directory.startswith("/")
                or real in seen
                or not os.access(path, os.X_OK)
                or os.path.isdir(path)
            ):
                continue
            seen.add(real)
            kind = self.cli_kind(real)
            plugins = kind == "docker"
            found.append(
                {
                    "path": path,
                    "kind": kind,
                    "buildx": self.plugin(path, "buildx") if plugins else "",
                    "compose": self.plugin(path, "compose") if plugins else "",
                }
            )
        return found

    def cli_kind(self, path: str) -> str:
        if path.startswith("/snap/") or os.path.basename(path) == "snap":
            return "snap"
        with open(path, "rb") as file:
            head = file.read(4096)
        if head.startswith(b"\x7fELF"):
            return "docker"
        return "podman" if b"podman" in head else "other"

    def plugin(self, cli: str, name: str) -> str:
        """The version of a plugin as this command finds it, or nothing."""
        if not any(
            os.access(f"{directory}/docker-{name}", os.X_OK) for directory in PLUGIN_DIRECTORIES
        ):
            return ""
        code, output = run(cli, name, "version")
        words = [word.lstrip("v") for word in output.split() if word.lstrip("v")[:1].isdigit()]
        return words[0] if code == 0 and words else ""

    # --- configuration

    def record(self) -> dict[str, Any]:
        try:
            return dict(json.loads(read(DOCKER_RECORD) or "{}"))
        except ValueError:
            return {}

    def daemon(self, swarm: bool) -> dict[str, Any]:
        exists = os.path.exists(DAEMON_FILE)
        text = read(DAEMON_FILE)
        config, error = {}, ""
        try:
            config = json.loads(text or "{}")
            if not isinstance(config, dict):
                config, error = {}, "it holds no dictionary"
        except ValueError as problem:
            error = str(problem)
        wanted = daemon_text(daemon_config(self.params["daemon_options"], swarm))
        return {
            "exists": exists,
            "directory": os.path.isdir(os.path.dirname(DAEMON_FILE)),
            "text": text,
            "config": config,
            "error": error,
            "sha256": text_digest(text) if exists else "",
            "validation": self.validate(wanted) if wanted != text else "",
        }

    def validate(self, text: str) -> str:
        """What dockerd has against this file; nothing when it has none, is absent, or too old to
        say (before 23).
        """
        dockerd = next(
            (
                path
                for path in ("/usr/bin/dockerd", "/usr/sbin/dockerd")
                if os.access(path, os.X_OK)
            ),
            "",
        )
        if not dockerd:
            return ""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text)
            file.flush()
            code, output = run(dockerd, "--validate", "--config-file", file.name)
        if code == 0 or "unknown flag: --validate" in output:
            return ""
        return output.replace(file.name, DAEMON_FILE)

    def apt(self) -> dict[str, Any]:
        paths = ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]
        sources = [
            entry
            for path in paths
            if path.endswith((".list", ".sources"))
            for entry in parse_apt_sources(path, read(path))
        ]
        keys = [entry["signed_by"] for entry in sources if entry["path"] == APT_SOURCE]
        return {
            "sources": sources,
            "key_exists": (
                bool(keys) and all(not key.startswith("/") or os.path.exists(key) for key in keys)
            ),
        }

    def limits(self) -> dict[str, Any]:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        effective = next(
            (
                line.split()[1]
                for line in read("/proc/self/status").splitlines()
                if line.startswith("CapEff:")
            ),
            "0",
        )
        return {
            "nofile": hard if hard != resource.RLIM_INFINITY else 2**31,
            "may_raise": bool(int(effective, 16) >> CAP_SYS_RESOURCE & 1),
            "handled": LIMIT_MARKER in read(LIMIT_FILE),
        }

    # --- users

    def group(self) -> grp.struct_group | None:
        with contextlib.suppress(KeyError):
            return grp.getgrnam("docker")
        return None

    def user(self, name: str) -> dict[str, bool]:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            return {"exists": False, "member": False}
        group = self.group()
        return {
            "exists": True,
            "member": bool(group and (name in group.gr_mem or account.pw_gid == group.gr_gid)),
        }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, docker=DockerFacts(module.params).gather())


if __name__ == "__main__":
    main()
