# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Fixtures that deploy from the controller while the host is under load, and count. The scenario
recovery and sites have a link to this file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(os.environ.get("MOLECULE_PROJECT_DIRECTORY", Path(__file__).parents[3]))
SCENARIO = PROJECT / "molecule/releases"
DRAIN = 4  # seconds; a slow answer takes three
# For a shell on the host: the user of the container of the shop.
OWNER = (
    "$(docker inspect -f '{{.Config.User}}' $(docker ps --quiet --filter"
    " label=host.flaskops.app=shop) | head -n 1)"
)
TABLE: list[tuple[str, dict[str, int], float]] = []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    columns = (
        "requests",
        "http2",
        "slow",
        "upload",
        "websockets",
        "echoes",
        "failed",
        "refused",
        "truncated",
    )
    terminalreporter.section("under load")
    terminalreporter.write_line(
        "".join(f"{column:>11}" for column in columns) + "   longest s  case"
    )
    for case, counts, longest in TABLE:
        terminalreporter.write_line(
            "".join(f"{counts.get(column, 0):>11}" for column in columns)
            + f"{longest:>12.3f}  {case}"
        )


def shop(version: Any = 1, **more: Any) -> dict[str, Any]:
    """The application under load; versions differ in their environment."""
    env = {"VERSION": str(version), **more.pop("env", {})}
    entry = {
        "name": "shop",
        "source": str(SCENARIO / "app"),
        "path": "/shop",
        "websocket": True,
        "drain_seconds": DRAIN,
        "env": env,
    }
    health = {"path": "/health", "interval_seconds": 0.1, **more.pop("health", {})}
    return {**entry, "health": health, **more}


@pytest.fixture
def version(http: Callable[..., Any]) -> Callable[[], str]:
    """The version that answers; "" without an answer."""

    def ask() -> str:
        try:
            answer = http("/shop/")
        except AssertionError:
            return ""  # not even Nginx
        return str(answer.body).removeprefix("version ").strip() if answer.status == 200 else ""

    return ask


@pytest.fixture(scope="session")
def listed() -> list[dict[str, Any]]:
    """The applications of the last run, if it was a successful deploy; a status changes nothing."""
    return []


@pytest.fixture(scope="session")
def start(start: Callable[..., Any], listed: list[dict[str, Any]]) -> Callable[..., Any]:
    def run(*words: Any, **variables: Any) -> Any:
        if words[0] != "status":
            listed.clear()
        return start(*words, **variables)

    return run


@pytest.fixture(scope="session")
def deploy(deploy: Callable[..., Any], listed: list[dict[str, Any]]) -> Callable[..., Any]:
    def run(*entries: dict[str, Any], **variables: Any) -> Any:
        result = deploy(*entries, **variables)
        if result.code == 0:
            listed[:] = [entry for entry in entries if entry.get("state") != "absent"]
        return result

    return run


@pytest.fixture
def restored(
    deploy: Callable[..., Any], version: Callable[[], str], listed: list[dict[str, Any]]
) -> Callable[..., str]:
    """Restore the plain entry of the version that serves, beside other applications, whatever the
    previous test left; return the version.
    """

    def restore(*others: dict[str, Any]) -> str:
        serves = version() or "1"
        wanted = [shop(serves), *others]
        if listed != wanted:
            deploy(*wanted).ok()
            assert version() == serves
        return serves

    return restore


@pytest.fixture
def serving(restored: Callable[..., str]) -> str:
    """The version that serves, with its plain entry. Each test gives its versions unique names."""
    return restored()


@pytest.fixture
def load(host: Any, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Generate load on an application, /shop/ by default, while the block runs; its counts are
    available afterwards, and are shown in the table at the end.
    """

    @contextmanager
    def under(url: str = "http://localhost/shop/") -> Iterator[dict[str, Any]]:
        found: dict[str, Any] = {}
        host.run("rm -f /root/out.*")
        host.check_output(
            "setsid python3 /root/load.py %s /root/out.json >/root/out.log 2>&1 </dev/null &"
            " echo $!",
            url,
        )
        wait_for(lambda: host.file("/root/out.started").exists, 10, "the load to start")
        time.sleep(1)
        try:
            yield found
            time.sleep(1)
        finally:
            host.run("pkill -TERM -f '[l]oad.py http'")
            wait_for(
                lambda: host.file("/root/out.json").exists,
                90,
                f"the counts: {host.run('cat /root/out.log').stdout}",
            )
        found.update(json.loads(host.check_output("cat /root/out.json")))
        TABLE.append((request.node.name.removeprefix("test_"), found["counts"], found["longest"]))

    return under


def audit(host: Any) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in host.check_output("cat /var/lib/flaskops/apps/shop/audit.jsonl").splitlines()
    ]


def nothing_lost(found: dict[str, Any]) -> None:
    """Check: 0 failed, 0 refused, 0 truncated; and there were requests of each kind. HTTP/2 is a
    kind of https only.
    """
    counts = found["counts"]
    assert (counts["failed"], counts["refused"], counts["truncated"]) == (0, 0, 0), found
    assert min(counts["requests"], counts["slow"], counts["upload"], counts["echoes"]) > 0, counts
    assert counts.get("http2") != 0, counts


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """Wait for a condition; return the seconds that it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return time.monotonic() - start


class Disk:
    """A small disk for Docker's data and the releases: a separate file system that really becomes
    full.
    """

    DIRECTORIES = ("/var/lib/docker", "/var/lib/flaskops")

    def __init__(self, host: Any) -> None:
        self.host = host

    def room(self, mebibytes: float) -> None:
        """Resize it so that so many mebibytes are free."""
        used = int(self.host.check_output("df --output=used -k /run/disk | tail -n 1"))
        self.host.check_output(f"mount -o remount,size={used + int(mebibytes * 1024)}k /run/disk")

    def begin(self) -> None:
        with self._engine_stopped():
            self.host.check_output(
                "mkdir -p /run/disk && mount -t tmpfs -o size=6g,mode=0755 disk /run/disk"
            )
            for directory in self.DIRECTORIES:
                self.host.check_output(
                    f"cp -a {directory} /run/disk/ && mount --bind /run/disk/{Path(directory).name}"
                    f" {directory}"
                )

    def end(self) -> None:
        with self._engine_stopped():
            for directory in self.DIRECTORIES:
                copy = f"/run/disk/{Path(directory).name}"
                self.host.check_output(
                    f"umount {directory} && find {directory} -mindepth 1 -delete && cp -a {copy}/."
                    f" {directory}/"
                )
            self.host.check_output("umount /run/disk")

    @contextmanager
    def _engine_stopped(self) -> Iterator[None]:
        """Stop the containers too: their mounts stay where they were when they started."""
        running = self.host.check_output("docker ps --quiet").split()
        self.host.check_output(
            f"docker stop {' '.join(running)} && systemctl stop docker.socket docker"
        )
        yield
        self.host.check_output(f"systemctl start docker && docker start {' '.join(running)}")


@pytest.fixture
def disk(host: Any, serving: str, version: Callable[[], str]) -> Iterator[Disk]:
    """A small disk, from which the version serves."""
    disk = Disk(host)
    disk.begin()
    wait_for(lambda: version() == serving, 30, "the service from the small disk")
    yield disk
    disk.end()
    wait_for(version, 30, "the service from the disk that it had before")


@pytest.fixture
def left(host: Any) -> Callable[[], dict[str, list[str]]]:
    """Everything that the host has of the application."""

    def look() -> dict[str, list[str]]:
        lines = {
            "running": "docker ps --format '{{.Names}}'",
            "containers": "docker ps --all --format '{{.Names}}'",
            "images": "docker image ls --format '{{.Tag}}' flaskops/shop",
            "dangling": "docker image ls --quiet --filter dangling=true",
            "releases": "ls -A /var/lib/flaskops/apps/shop/releases",
            "app": "ls -A /var/lib/flaskops/apps/shop",
            "builds": "ls -A /var/lib/flaskops/build | grep -v '^runtime.tar$' || true",
            "links": "ls -A /etc/nginx/flaskops/default",
            "workers": "pgrep -f '^nginx: worker process is shutting down' || true",
        }
        return {name: sorted(host.check_output(command).split()) for name, command in lines.items()}

    return look
