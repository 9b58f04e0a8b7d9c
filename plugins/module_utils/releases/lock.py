# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of an application: one run at a time changes it, and a run that has lost it changes
nothing more.

A run keeps it for longer than any process on the host lives, so it is a file: who, from which
controller and process, since when, and a token that every changing module shows. Only the
controller knows whether that process still lives.

A step on the host outlives its controller: a module goes on when the connection is gone. So every
step also holds a kernel lock on the directory of each application until its process ends, and the
next step waits for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..host.disk import no_room
from ..host.files import HostError, now, write_file
from ..host.places import Place
from ..host.typed import plain, read

WAIT_SECONDS, PAUSE = 120.0, 0.1
# What undoes the half of a restore or an upgrade that was interrupted, by the action of its lock.
AGAIN = {"restore": "playbooks/restore.yml", "upgrade": "playbooks/upgrade_service.yml"}
# Who replaces the data of an application; what writes to it meanwhile would be lost.
RESTORE, UPGRADE = "a restore", "an upgrade of a service"
# The directories that this process works on, with their descriptors; the kernel unlocks them when
# the process ends.
HELD: dict[str, int] = {}


@dataclass(frozen=True)
class Owner:
    """A run: who started it, on which controller, and in which process there."""

    token: str
    who: str = ""
    controller: str = ""
    boot: str = ""
    node: str = ""
    pid: int | None = None
    started: str = ""


@dataclass(frozen=True)
class Held(Owner):
    """The lock of an application: the run that holds it, and what that run does."""

    app: str = ""
    action: str = ""
    since: str = ""
    clock: float | None = None
    phase: str = ""
    renewed: str = ""

    @property
    def sentence(self) -> str:
        return (
            f"{self.app} is locked by {self.who} (process {self.pid or '?'}) since"
            f" {self.since or '?'}, last active at {self.renewed or '?'}, in the phase"
            f" '{self.phase or '?'}'."
        )


@dataclass(frozen=True)
class Lock:
    """The applications that a run has locked."""

    token: str = ""
    names: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Empty where nothing is locked."""
        return plain(self) if self.names else {}


class Locked(HostError):
    """Another run holds the lock."""

    def __init__(self, message: str, holders: Iterable[Held]) -> None:
        super().__init__(message)
        self.holders = list(holders)


def lock_path(root: str, name: str) -> Path:
    """The path of the lock of an application."""
    return Place(root).app(name).lock


def refuse_moving(root: str, app: str) -> None:
    """
    Raises:
        HostError: the data of the application is replaced now, or an interrupted run has left that.
    """
    if (held := holder(root, app)) and held.who in (RESTORE, UPGRADE):
        raise HostError(f"its data is being replaced: {held.sentence} Nothing was started.")


def holder(root: str, name: str) -> Held | None:
    """The holder of the lock of an application; None when it is not locked."""
    try:
        found = json.loads(lock_path(root, name).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.get("token"):
        found = {"token": "unreadable", "who": "somebody (the file is unreadable)"}
    return replace(read(Held, found), app=name)


def acquire(
    root: str,
    names: Iterable[str],
    owner: Owner,
    break_tokens: Iterable[str] = (),
    seconds: float = WAIT_SECONDS,
    action: str = "deploy",
) -> dict[str, Held]:
    """Take the locks of all these applications, or none of them.

    Args:
        root: the directory of the releases.
        names: the applications.
        owner: this run.
        break_tokens: locks with one of these tokens are taken over.
        seconds: how long to wait for a step of an earlier run that still works on the host.
        action: what this run does.

    Returns:
        The lock of an interrupted run that was taken over, by application.

    Raises:
        Locked: somebody else holds one of them.
    """
    names, broken = sorted(names), set(break_tokens)
    held = Held(**plain(owner), action=action, phase="begin")
    deadline = time.monotonic() + seconds
    while True:
        busy, taken_over = _try_to_acquire(root, names, held, broken)
        if not busy:
            return taken_over
        _give_up_at(deadline, busy, "This run changed nothing. ")
        time.sleep(PAUSE)


def _try_to_acquire(
    root: str, names: list[str], own: Held, broken: set[str]
) -> tuple[list[str], dict[str, Held]]:
    """The applications that a step of another run works on. When the list is empty, all locks are
    taken; some may be taken over from other runs.
    """
    with exclusive(root):
        found = {
            name: held for name in names if (held := holder(root, name)) and held.token != own.token
        }
        if taken := [held for held in found.values() if held.token not in broken]:
            raise Locked(_message(taken), {held.token: held for held in taken}.values())
        for name in names:
            lock_path(root, name).parent.mkdir(mode=0o710, exist_ok=True)
        if busy := [name for name in names if not _hold(root, name)]:
            _let_go(root, names)
            return busy, {}
        try:
            for name in names:
                _write(root, replace(own, app=name, since=now(), clock=time.time()))
        except OSError:
            _give_back(root, names, own.token)
            raise
    return [], found


def renew(
    root: str, names: Iterable[str], token: str, phase: str, seconds: float = WAIT_SECONDS
) -> None:
    """Record that the run is alive, and what it does; fail when another run has the lock.

    Until this process ends, no other run changes these applications. On a full disk the lock stays
    as it is: it still belongs to this run, which must be able to undo what it has begun.
    """
    names = list(names)
    deadline = time.monotonic() + seconds
    while busy := [name for name in names if not _hold(root, name)]:
        for name in names:
            _own(root, name, token)
        _give_up_at(deadline, busy)
        time.sleep(PAUSE)
    with exclusive(root):
        for name in names:
            try:
                _write(root, replace(_own(root, name, token), phase=phase))
            except OSError as error:
                if not no_room(error):
                    raise


def _own(root: str, name: str, token: str) -> Held:
    """The lock, which must be this run's."""
    held = holder(root, name)
    if not held or held.token != token:
        by = f"{held.who} has broken it" if held else "it was removed"
        raise HostError(
            f"this run does not hold the lock of {name} any more ({by}), so it changes nothing"
            " more. Run again."
        )
    return held


def _hold(root: str, name: str) -> bool:
    """Whether only this process works on an application from now on."""
    directory = str(lock_path(root, name).parent)
    if directory in HELD:
        return True
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True  # without a directory no run can hold it
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    HELD[directory] = handle
    return True


def _let_go(root: str, names: Iterable[str]) -> None:
    for name in names:
        if (handle := HELD.pop(str(lock_path(root, name).parent), None)) is not None:
            os.close(handle)


def _give_up_at(deadline: float, busy: list[str], changed: str = "") -> None:
    if time.monotonic() >= deadline:
        raise HostError(
            f"an earlier step still works on {', '.join(busy)}: a step goes on when its controller"
            f" is gone, and may drain or build. {changed}Wait until it has ended and run again."
        )


def release(root: str, names: Iterable[str], token: str) -> None:
    """Unlock the applications; a lock that another run holds by now stays."""
    with exclusive(root):
        _give_back(root, names, token)


def _give_back(root: str, names: Iterable[str], token: str) -> None:
    for name in names:
        held = holder(root, name)
        if held and held.token == token:
            with suppress(FileNotFoundError):
                lock_path(root, name).unlink()


def _write(root: str, held: Held) -> None:
    text = json.dumps(plain(replace(held, renewed=now())), indent=2, sort_keys=True)
    write_file(lock_path(root, held.app), f"{text}\n".encode(), 0o600)


def _message(taken: Sequence[Held]) -> str:
    lines = [held.sentence for held in taken]
    tokens = ",".join(dict.fromkeys(held.token for held in taken))
    again = sorted({AGAIN[held.action] for held in taken if held.action in AGAIN})
    undo = f"run {' and '.join(again)} again, or " if again else ""
    lines.append(
        "Nothing was changed. Wait until that run has ended and run again. When it is certainly"
        f" dead, {undo}break its lock: -e flask_apps_break_lock={tokens}"
    )
    return "\n".join(lines)


@contextmanager
def exclusive(root: str) -> Iterator[None]:
    """Make reading and writing one step for all runs on this host."""
    apps = Place(root).apps
    for path in (apps.parent, apps):
        # The first release opens them to the group of Nginx.
        path.mkdir(mode=0o710, exist_ok=True)
    handle = os.open(apps, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
