# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers everything that the role docker needs to know of a host. Changes nothing."""

from __future__ import annotations

import contextlib
import glob
import grp
import http.client
import json
import os
import pwd
import resource
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from ..host import distribution
from ..host.engine import DAEMON_FILE
from ..host.places import DOCKER_RECORD
from .apt import APT_SOURCE, parse_apt_sources
from .daemon import LIMIT_FILE, daemon_config, daemon_text, text_digest
from .facts import Apt, Config, DaemonFile, Engine, Facts, Limits, Record, Service, User
from .look import Connection, read, run
from .programs import clis, packages
from .service import last_words, service

LIMIT_MARKER = "FLASKOPS: LIMITS"
CAP_SYS_RESOURCE = 24
DOCKERDS = ("/usr/bin/dockerd", "/usr/sbin/dockerd")


@dataclass(frozen=True)
class Question:
    """What is asked.

    users: those that may become members of the group docker. daemon_options: of the role. wake:
    ask the engine also when that starts it. wait_seconds: for an engine that does not answer yet.
    live_restore: wait until that is on, too.
    """

    users: tuple[str, ...] = ()
    daemon_options: Config | None = None
    wake: bool = False
    wait_seconds: int = 0
    live_restore: bool = False

    def is_answered(self, found: Engine | None) -> bool:
        return found is not None and (found.live_restore or not self.live_restore)


def gather(question: Question) -> Facts:
    """The whole look."""
    deadline = time.monotonic() + question.wait_seconds
    pid1 = read("/proc/1/comm").strip()
    unit = service(pid1)
    found, error = engine(unit, pid1, question.wake)
    while time.monotonic() < deadline and not question.is_answered(found):
        time.sleep(0.25)
        unit = service(pid1)
        found, error = engine(unit, pid1, question.wake)
    installed, architecture = packages()
    swarm = found.swarm if found else was_in_swarm()
    return Facts(
        root=os.geteuid() == 0,
        pid1=pid1,
        engine=found,
        engine_error=error,
        log="" if found or not question.wait_seconds else last_words(pid1),
        swarm=swarm,
        service=unit,
        packages=installed,
        architecture=architecture,
        snap=bool(glob.glob("/var/lib/snapd/snaps/docker_*.snap")),
        clis=tuple(clis()),
        daemon=daemon_file(question.daemon_options or {}, swarm),
        record=record(),
        record_file=DOCKER_RECORD,
        apt=apt(),
        users={name: user(name) for name in question.users},
        group=group() is not None,
        limits=limits(),
        distribution=distribution.Distribution.parse(read(distribution.FILE)),
    )


def engine(unit: Service, pid1: str, wake: bool) -> tuple[Engine | None, str]:
    """The engine, or why none answers."""
    if unit.sleeping and not wake:
        return None, "its service is stopped"
    connection = Connection()
    try:
        version, info = connection.ask("/version"), connection.ask("/info")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return None, str(error)
    finally:
        connection.close()
    peer = connection.peer_pid
    by_service = peer == unit.pid or (pid1 == "systemd" and peer == 1)
    return _engine(version, info, peer if peer != 1 else unit.pid, by_service), ""


def _engine(version: Config, info: Config, pid: int, by_service: bool) -> Engine:
    security = [option.split(",")[0] for option in info.get("SecurityOptions") or []]
    parts = [part.get("Name", "") for part in version.get("Components") or []]
    return Engine(
        version=version.get("Version", ""),
        api_version=version.get("ApiVersion", ""),
        podman=any("Podman" in name for name in parts),
        snap=info.get("DockerRootDir", "").startswith("/var/snap/"),
        rootless="name=rootless" in security,
        userns_remap="name=userns" in security,
        live_restore=bool(info.get("LiveRestoreEnabled")),
        containers_running=info.get("ContainersRunning", 0),
        storage_driver=info.get("Driver", ""),
        root_dir=info.get("DockerRootDir", ""),
        swarm=info.get("Swarm", {}).get("LocalNodeState", "inactive") not in ("", "inactive"),
        pid=pid,
        started_by="service" if by_service else "hand",
    )


def was_in_swarm() -> bool:
    """Whether a stopped engine is a node of a swarm, which keeps its state in this file."""
    root = _dictionary(read(DAEMON_FILE)).get("data-root", "/var/lib/docker")
    return bool(read(f"{root}/swarm/docker-state.json").strip())


def _dictionary(text: str) -> dict[str, Any]:
    """The content of a JSON file; {} if it is broken."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def record() -> Record:
    """The record of this role."""
    return Record.from_dict(_dictionary(read(DOCKER_RECORD)))


def daemon_file(options: Config, swarm: bool) -> DaemonFile:
    """daemon.json, and why dockerd refuses the wanted one."""
    exists, text = os.path.exists(DAEMON_FILE), read(DAEMON_FILE)
    config, error = {}, ""
    try:
        config = json.loads(text or "{}")
        if not isinstance(config, dict):
            config, error = {}, "it holds no dictionary"
    except ValueError as problem:
        error = str(problem)
    wanted = daemon_text(daemon_config(options, swarm))
    return DaemonFile(
        exists,
        directory=os.path.isdir(os.path.dirname(DAEMON_FILE)),
        text=text,
        config=config,
        error=error,
        sha256=text_digest(text) if exists else "",
        validation=validate(wanted) if wanted != text else "",
    )


def validate(text: str) -> str:
    """Why dockerd refuses this file; "" where it accepts it, is absent, or is older than 23 and has
    no such check.
    """
    dockerd = next((path for path in DOCKERDS if os.access(path, os.X_OK)), "")
    if not dockerd:
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text)
        file.flush()
        code, output = run(dockerd, "--validate", "--config-file", file.name)
    if code == 0 or "unknown flag: --validate" in output:
        return ""
    return output.replace(file.name, DAEMON_FILE)


def apt() -> Apt:
    """The APT sources."""
    paths = ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]
    sources = [
        source
        for path in paths
        if path.endswith((".list", ".sources"))
        for source in parse_apt_sources(path, read(path))
    ]
    keys = [source.signed_by for source in sources if source.path == APT_SOURCE]
    there = all(not key.startswith("/") or os.path.exists(key) for key in keys)
    return Apt(tuple(sources), bool(keys) and there)


def limits() -> Limits:
    """How many files a process may open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    lines = [line for line in read("/proc/self/status").splitlines() if line.startswith("CapEff:")]
    effective = lines[0].split()[1] if lines else "0"
    return Limits(
        nofile=hard if hard != resource.RLIM_INFINITY else 2**31,
        may_raise=bool(int(effective, 16) >> CAP_SYS_RESOURCE & 1),
        handled=LIMIT_MARKER in read(LIMIT_FILE),
    )


def group() -> grp.struct_group | None:
    """The group docker."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam("docker")
    return None


def user(name: str) -> User:
    """A user of the system."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return User(exists=False, member=False)
    found = group()
    return User(True, bool(found and (name in found.gr_mem or account.pw_gid == found.gr_gid)))
