# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one client of restic: a repository, opened with its password."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from ..host.disk import with_advice
from ..host.files import HostError
from ..releases.app import Keep

TAG = "flaskops-app="
SECONDS = 24 * 3600
# How long another host may keep a repository locked, such as while it removes old backups.
LOCK_SECONDS, PAUSE = 900.0, 5.0
ALL_HOURS = 48  # of which all backups stay, so that the last one does not replace a better one
_LOCKED = re.compile(r"already locked", re.IGNORECASE)
# What restic says where there is no repository yet; its exit code says so only since 0.17.
_MISSING = re.compile(r"unable to open config file|Is there a repository", re.IGNORECASE)
_WRONG = re.compile(r"wrong password", re.IGNORECASE)
# What restic says of an ssh that did not connect, and the words of ssh itself.
_NOT_CONNECTED, _SSH = "unable to start the sftp session", re.compile("(?m)^subprocess ssh: (.*)$")


class NoRepository(HostError):
    """Nothing was saved to this place yet."""


@dataclass(frozen=True)
class Snapshot:
    """One saved state. app: whose it is, by its tag; "" where it has none."""

    id: str
    time: str
    host: str
    app: str

    @classmethod
    def of(cls, found: dict[str, Any]) -> Snapshot:
        tags = [str(tag) for tag in found.get("tags") or []]
        app = next((tag[len(TAG) :] for tag in tags if tag.startswith(TAG)), "")
        return cls(str(found["id"]), str(found["time"]), str(found.get("hostname", "")), app)

    @property
    def short(self) -> str:
        return self.id[:8]

    @property
    def second(self) -> datetime:
        """When it was saved, in UTC, as C(at) of a restore may name it."""
        return moment_of(self.time).astimezone(timezone.utc).replace(microsecond=0)

    @property
    def moment(self) -> str:
        return f"{self.second:%Y-%m-%dT%H:%M:%SZ}"


def moment_of(text: str) -> datetime:
    """A time; one without a zone is UTC. Before Python 3.11 fractions must have six digits."""
    whole, dot, rest = text.strip().replace("Z", "+00:00").partition(".")
    zone = rest.lstrip("0123456789") if dot else ""
    found = datetime.fromisoformat(f"{whole}{zone}")
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


class Restic:
    """One repository.

    Args:
        repository: its place, in the words of restic.
        password: the file with its password, which only root may read.
        app: the application that it belongs to.
    """

    def __init__(self, repository: str, password: Path, app: str) -> None:
        self.repository, self.password, self.app = repository, password, app
        self.host = os.uname().nodename

    def ensure(self, create: bool = True) -> bool:
        """Open it, and create it where it is missing; returns whether it was missing. A lock, such
        as of a restic that was killed, does not matter.

        Raises:
            HostError: neither is possible, or it holds data of another application.
        """
        missing = False
        try:
            self._run("cat", "config", "--no-lock")
        except NoRepository:
            missing = True
        if missing and create:
            self._make()
        if not missing:
            self.snapshots()
        return missing

    def _make(self) -> None:
        if self.repository.startswith("/"):
            # restic would create the directories above open to all.
            place = Path(self.repository)
            try:
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise HostError(f"{place.parent} cannot be written: {error.strerror}") from error
        self._run("init")

    def snapshots(self) -> list[Snapshot]:
        """What it holds, the newest last.

        Raises:
            HostError: a part of it belongs to another application.
        """
        found = [
            Snapshot.of(each)
            for each in json.loads(self._run("snapshots", "--no-lock", "--json")) or []
        ]
        for each in found:
            if each.app != self.app:
                whose = f"belongs to {each.app}" if each.app else "was not made by a backup of this"
                raise HostError(
                    f"{self.repository}: the snapshot {each.short} {whose}, not to {self.app}."
                    " Nothing of it is used. Give each application its own place."
                )
        # As text, times of different zones do not sort.
        return sorted(found, key=lambda each: moment_of(each.time))

    def save(self, directory: Path, keep: Keep) -> tuple[str, int]:
        """Save a directory; returns the id of the snapshot, and how many bytes of data it has."""
        words = ("--tag", f"{TAG}{self.app}", "--host", self.host, "--ignore-inode")
        said = self._run("backup", "--json", *words, "--ignore-ctime", ".", cwd=directory)
        summary = next(
            each
            for text in reversed(said.splitlines())
            for each in [json.loads(text)]
            if each.get("message_type") == "summary"
        )
        kept = {"daily": keep.daily, "weekly": keep.weekly, "monthly": keep.monthly}
        policy = [f"--keep-{name}={number}" for name, number in kept.items() if number]
        policy.append(f"--keep-within={ALL_HOURS}h")
        self._run("forget", "--host", self.host, "--group-by", "host", "--prune", *policy)
        return str(summary["snapshot_id"]), int(summary["total_bytes_processed"])

    def size(self, snapshot: Snapshot) -> int:
        """The bytes that a snapshot needs when it is restored."""
        said = json.loads(self._run("stats", "--json", "--mode", "restore-size", snapshot.id))
        return int(said["total_size"])

    def read(self, snapshot: Snapshot, file: str) -> str:
        """The content of a file of a snapshot."""
        return self._run("dump", snapshot.id, file)

    def restore(self, snapshot: Snapshot, target: Path, only: str = "") -> None:
        """Write a snapshot, or what is below one path of it, below a directory."""
        only_this = ("--include", only) if only else ()
        self._run("restore", snapshot.id, "--target", str(target), *only_this)

    def unlock(self) -> None:
        """Remove the locks that a killed restic of this host has left, and those of others that
        have not renewed theirs for half an hour.
        """
        self._run("unlock")

    def _run(self, *words: str, cwd: Path | None = None) -> str:
        """Run it, and return its output; while another process has locked the repository, wait."""
        deadline = time.monotonic() + LOCK_SECONDS
        while (done := self._once(words, cwd)).returncode:
            said = done.stderr.strip() or done.stdout.strip()[-500:]
            if not _LOCKED.search(said) or time.monotonic() > deadline:
                self._fail(words, said)
            time.sleep(PAUSE)
            self._once(("unlock",), None)
        return done.stdout

    def _once(self, words: Sequence[str], cwd: Path | None) -> subprocess.CompletedProcess[str]:
        command = shutil.which("restic")
        if not command:
            raise HostError("restic is not installed on this host; deploy again.")
        try:
            return subprocess.run(
                [command, "--no-cache", "--quiet", *words]
                if words[0] != "backup"
                else [command, "--no-cache", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=cwd or "/",
                timeout=SECONDS,
                check=False,
                env={
                    "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                    "HOME": "/root",
                    "LC_ALL": "C.UTF-8",
                    "RESTIC_REPOSITORY": self.repository,
                    "RESTIC_PASSWORD_FILE": str(self.password),
                },
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"restic {words[0]}: {error}") from error

    def _fail(self, words: Sequence[str], said: str) -> NoReturn:
        if _WRONG.search(said):
            raise HostError(
                f"{self.repository} does not open with this password. Write the one that it was"
                " made with into backup.password, or choose another place."
            )
        if _NOT_CONNECTED in said:
            whom = self.repository.split(":")[1]
            why = _SSH.findall(said)
            raise HostError(
                f"{self.repository} cannot be reached by ssh: {why[-1] if why else said[-500:]} As"
                f" root on this host, ssh {whom} must connect without a question: with a key that"
                " the other host accepts, and with that host in ~/.ssh/known_hosts."
            )
        if words[0] in ("cat", "snapshots") and _MISSING.search(said):
            if re.search(r"permission denied|not a directory", said, re.IGNORECASE):
                raise HostError(f"{self.repository} cannot be read: {said.splitlines()[0]}")
            raise NoRepository(f"{self.repository}: nothing was saved there yet.")
        raise HostError(with_advice(f"restic {words[0]} {self.repository}: {said[-1000:]}"))
