# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the Nginx configuration as steps: what is asked for, what differs, and in which order
it is done. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class NginxError(Exception):
    """A problem for the user; the message says what to do next."""


@dataclass(frozen=True)
class Entry:
    """What a path is. kind: absent, file, link or directory."""

    kind: str = "absent"
    content: bytes = b""
    mode: int = 0o644
    target: str = ""

    def shown(self) -> str:
        """The entry as one side of a diff."""
        if self.kind == "link":
            return f"-> {self.target}\n"
        return self.content.decode("utf-8", "replace")


ABSENT = Entry()


@dataclass(frozen=True)
class Step:
    """One rename or removal: the path (relative to the root) and what it is before and after."""

    path: str
    before: Entry
    after: Entry


@dataclass(frozen=True)
class Wanted:
    """A change as it was asked for; all paths relative to the root."""

    directories: tuple[str, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    backups: frozenset[str] = frozenset()


def parents(path: str) -> list[str]:
    """The directories on the way to a path, outermost first."""
    return [path[:end] for end, letter in enumerate(path) if letter == "/"]


def relative_path(root: Path, path: str, label: str) -> str:
    """A path below the root in its one canonical form."""
    text = path
    if text.startswith("/"):
        prefix = f"{root}/"
        if not text.startswith(prefix):
            raise NginxError(
                f"{label}: {path!r} is not below {root}; give a path relative to {root} or"
                " below it."
            )
        text = text[len(prefix) :]
    parts = text.split("/")
    if not text or any(part in ("", ".", "..") for part in parts) or "\0" in text or "\n" in text:
        raise NginxError(
            f"{label}: {path!r} is not a plain path; leave out empty parts, '.' and '..'."
        )
    return text


def parse_wanted(root: Path, params: Mapping[str, Any]) -> Wanted:
    """The module's parameters as a Wanted; every problem is reported at once."""
    problems: list[str] = []
    entries: dict[str, Entry] = {}
    backups: set[str] = set()

    def canonical(path: str, label: str) -> str:
        try:
            return relative_path(root, path, label)
        except NginxError as error:
            problems.append(str(error))
            return ""

    def unnamed(path: str, label: str) -> str:
        relative = canonical(path, label)
        if relative in entries:
            problems.append(
                f"{label}: {relative} is named twice; a path is either a file, a link or absent."
            )
            return ""
        return relative

    for item in params.get("files") or []:
        relative = unnamed(item["path"], "files")
        mode = str(item.get("mode") or "0644")
        if not re.fullmatch(r"0?[0-7]{3}", mode):
            problems.append(f'files: {item["path"]}: mode is {mode!r}; write it as "0644".')
        elif relative:
            entries[relative] = Entry("file", item["content"].encode(), int(mode, 8))
            if item.get("backup"):
                backups.add(relative)
    for item in params.get("links") or []:
        relative = unnamed(item["path"], "links")
        if not item["target"].startswith("/"):
            problems.append(
                f"links: {item['path']}: target is {item['target']!r}; give an absolute path."
            )
        elif relative:
            entries[relative] = Entry("link", target=item["target"])
    for path in params.get("absent") or []:
        relative = unnamed(path, "absent")
        if relative:
            entries[relative] = ABSENT
            backups.add(relative)
    directories = tuple(canonical(path, "directories") for path in params.get("directories") or [])
    if problems:
        raise NginxError("\n".join(problems))
    return Wanted(directories, entries, frozenset(backups))


def missing_directories(wanted: Wanted, exists: Callable[[str], bool]) -> list[str]:
    """Directories to make, parents first: the ones asked for and those that new files and links
    need.
    """
    paths = [f"{path}/" for path in wanted.directories]
    paths += [path for path, entry in wanted.entries.items() if entry.kind != "absent"]
    return [
        parent
        for parent in dict.fromkeys(parent for path in paths for parent in parents(path))
        if not exists(parent)
    ]


def plan_steps(wanted: Wanted, read: Callable[[str], Entry]) -> list[Step]:
    """What differs, in the order that is right for most changes: new things, removals, the main
    file last.
    """
    steps = [
        Step(path, before, after)
        for path, after in wanted.entries.items()
        if (before := read(path)) != after
    ]
    return sorted(
        steps,
        key=lambda step: (
            step.path == "nginx.conf",
            step.after.kind == "absent",
            step.before.kind == "directory",
            -step.path.count("/") if step.before.kind == "directory" else 0,
        ),
    )


def check_steps(steps: Sequence[Step], root: Path, names: Callable[[str], Iterable[str]]) -> None:
    """Refuse to replace what this collection cannot have written. `names` lists a directory."""
    problems = []
    gone = {step.path for step in steps if step.after.kind == "absent"}
    for step in steps:
        path = root / step.path
        if step.before.kind == "directory" and step.after.kind != "absent":
            problems.append(
                f"{path} is a directory; move it away, a {step.after.kind} belongs there."
            )
        elif step.before.kind == "special":
            problems.append(f"{path} is a socket, pipe or device; move it away.")
        elif step.after.kind == "link" and step.before.kind == "file":
            problems.append(
                f"{path} is a file that flaskops.host did not put there; move it away, a link"
                " belongs there."
            )
        elif step.before.kind == "directory":
            left = sorted(name for name in names(step.path) if f"{step.path}/{name}" not in gone)
            if left:
                problems.append(
                    f"{path} is to be removed but holds {', '.join(left)}; move that away."
                )
    if problems:
        raise NginxError("\n".join(problems))


def safe_order(
    steps: Sequence[Step], accepted: Callable[[Sequence[Step]], bool]
) -> list[Step] | None:
    """An order in which Nginx accepts the tree after every single step, or None.

    `accepted` applies the given steps, in their order, to an unchanged candidate and tests it. A
    step that only fits together with another (two apps that swap their paths) is split: first its
    old state is taken away, then its new one is put there.
    """
    return _order(steps, accepted) or _order(
        [half for step in steps for half in _halves(step)], accepted
    )


def _order(steps: Sequence[Step], accepted: Callable[[Sequence[Step]], bool]) -> list[Step] | None:
    """Always the first of the steps left that is accepted. The last one needs no test: the final
    state is known to be good.
    """
    todo = list(steps)
    done: list[Step] = []
    while todo:
        for number, step in enumerate(todo):
            first_of_its_path = all(other.path != step.path for other in todo[:number])
            if first_of_its_path and (len(todo) == 1 or accepted([*done, step])):
                done.append(todo.pop(number))
                break
        else:
            return None
    return done


def _halves(step: Step) -> list[Step]:
    """Taking the old state away, and putting the new one there; one step where that cannot be
    parted.
    """
    if step.path == "nginx.conf" or "absent" in (step.before.kind, step.after.kind):
        return [step]
    return [Step(step.path, step.before, ABSENT), Step(step.path, ABSENT, step.after)]


def describe(steps: Sequence[Step], directories: Sequence[str], root: Path) -> list[str]:
    """One sentence for each thing that is done."""
    words = [f"Create the directory {root / path}" for path in directories]
    for step in steps:
        if step.after.kind == "file":
            words.append(f"Write {root / step.path}")
        elif step.after.kind == "link":
            words.append(f"Link {root / step.path} to {step.after.target}")
        else:
            words.append(f"Remove {root / step.path}")
    return words


def make_diff(steps: Sequence[Step], root: Path) -> list[dict[str, str]]:
    """The steps as Ansible shows them with --diff."""
    result = []
    for step in steps:
        name = str(root / step.path)
        before, after = step.before, step.after
        entry = {
            "before_header": name if before.kind != "absent" else f"{name} (absent)",
            "after_header": name if after.kind != "absent" else f"{name} (absent)",
            "before": before.shown(),
            "after": after.shown(),
        }
        if before.kind == after.kind == "file" and before.content == after.content:
            entry["before"], entry["after"] = (
                f"mode {before.mode:04o}\n",
                f"mode {after.mode:04o}\n",
            )
        result.append(entry)
    return result
