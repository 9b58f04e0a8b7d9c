# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of an application: one run at a time changes it, and a run that has lost it changes
nothing more.

A run keeps it for longer than any process on the host lives, so it is a file: who, from which
controller and process, since when, and a token that every changing module shows. The controller
alone can say whether that process still lives.

A step on the host outlives its controller: a module goes on when the connection is gone. So every
step also holds, until its process ends, a lock of the kernel's on the directory of each
application, and whoever comes next waits for that.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..host.disk import no_room
from ..host.files import HostError, now, write_file
from ..host.places import Place

WAIT_SECONDS, PAUSE = 120.0, 0.1
# The directories that this process works on, with their descriptors; the kernel lets go of them
# when it ends.
HELD: dict[str, int] = {}


class Locked(HostError):
    """Another run holds the lock."""

    def __init__(self, message: str, holders: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.holders = holders


def lock_path(root: str, name: str) -> Path:
    """Where the lock of an application lies."""
    return Place(root).app(name).lock


def holder(root: str, name: str) -> dict[str, Any]:
    """Who holds the lock of an application; {} for nobody."""
    try:
        found = json.loads(lock_path(root, name).read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    return (
        found
        if isinstance(found, dict) and found.get("token")
        else {"token": "unreadable", "who": "somebody (the file is unreadable)"}
    )


def acquire(
    root: str,
    names: Iterable[str],
    owner: Mapping[str, Any],
    break_tokens: Iterable[str] = (),
    seconds: float = WAIT_SECONDS,
) -> dict[str, dict[str, Any]]:
    """Take the locks of all these applications, or of none.

    Args:
        root: the directory of the releases.
        names: the applications.
        owner: C(who), C(controller), C(boot), C(pid), C(started), C(token) of this run.
        break_tokens: locks with one of these tokens are taken over.
        seconds: how long to wait for a step of an earlier run that still works on the host.

    Returns:
        By application the lock of a run that was cut off, which was taken over.

    Raises:
        Locked: somebody else holds one of them.
    """
    names, broken = sorted(names), set(break_tokens)
    deadline = time.monotonic() + seconds
    while True:
        busy, taken_over = _try_to_acquire(root, names, owner, broken)
        if not busy:
            return taken_over
        _give_up_at(deadline, busy, "This run changed nothing. ")
        time.sleep(PAUSE)


def _try_to_acquire(
    root: str, names: list[str], owner: Mapping[str, Any], broken: set[str]
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Those that a step of another run works on; if there are none, all locks are taken, some of
    them over from other runs.
    """
    with exclusive(root):
        found = {
            name: held
            for name in names
            if (held := holder(root, name)) and held["token"] != owner["token"]
        }
        taken = {name: held for name, held in found.items() if held["token"] not in broken}
        if taken:
            raise Locked(
                _message(taken), list({held["token"]: held for held in taken.values()}.values())
            )
        for name in names:
            lock_path(root, name).parent.mkdir(mode=0o710, exist_ok=True)
        if busy := [name for name in names if not _hold(root, name)]:
            _let_go(root, names)
            return busy, {}
        try:
            for name in names:
                _write(
                    root,
                    name,
                    {**owner, "app": name, "since": now(), "clock": time.time(), "phase": "begin"},
                )
        except OSError:
            _give_back(root, names, owner["token"])
            raise
    return [], found


def renew(
    root: str, names: Iterable[str], token: str, phase: str, seconds: float = WAIT_SECONDS
) -> None:
    """Say that the run lives, and what it does; refuse to go on when the lock is another's.

    From here on until the end of this process nobody else changes these applications. On a full
    disk the lock stays as it is: it is still this run's, which has to be able to undo what it has
    begun.
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
                _write(root, name, {**_own(root, name, token), "phase": phase})
            except OSError as error:
                if not no_room(error):
                    raise


def _own(root: str, name: str, token: str) -> dict[str, Any]:
    """The lock, which has to be this run's."""
    held = holder(root, name)
    if held.get("token") != token:
        by = f"{held['who']} has broken it" if held else "it was removed"
        raise HostError(
            f"this run does not hold the lock of {name} any more ({by}), so it changes nothing"
            " more. Run again."
        )
    return held


def _hold(root: str, name: str) -> bool:
    """Whether nobody but this process works on an application from now on."""
    directory = str(lock_path(root, name).parent)
    if directory in HELD:
        return True
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True  # and nobody can
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
    """Give the locks back; what another run holds by now stays."""
    with exclusive(root):
        _give_back(root, names, token)


def _give_back(root: str, names: Iterable[str], token: str) -> None:
    for name in names:
        if holder(root, name).get("token") == token:
            with suppress(FileNotFoundError):
                lock_path(root, name).unlink()


def _write(root: str, name: str, content: Mapping[str, Any]) -> None:
    text = json.dumps({**content, "renewed": now()}, indent=2, sort_keys=True)
    write_file(lock_path(root, name), f"{text}\n".encode(), 0o600)


def _message(taken: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for name, held in taken.items():
        lines.append(
            f"{name} is locked by {held['who']} (process {held.get('pid', '?')}) since"
            f" {held.get('since', '?')}, last heard of at {held.get('renewed', '?')}, in the phase"
            f" '{held.get('phase', '?')}'."
        )
    tokens = ",".join(dict.fromkeys(str(held["token"]) for held in taken.values()))
    lines.append(
        "Nothing was changed. Wait until that run has ended and run again."
        f" When it is surely dead, break its lock: -e flask_apps_break_lock={tokens}"
    )
    return "\n".join(lines)


@contextmanager
def exclusive(root: str) -> Iterator[None]:
    """Looking and writing are one step for all runs on this host."""
    apps = Place(root).apps
    for path in (apps.parent, apps):
        # Whom they are open to beside root is said with the first release.
        path.mkdir(mode=0o710, exist_ok=True)
    handle = os.open(apps, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
