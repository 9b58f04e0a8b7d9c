# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an application keeps its SQLite database in the container, according to its source:
SQLite's own message names no file.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ...releases.covers import CODE, hides_needed, is_inside
from . import own_code
from .source import source_files

PLACES = 3  # that are named
# A module that sets the place of a database contains one of these.
_WORDS = re.compile(rb"sqlite|instance_path|\.db\b")
_FILE = re.compile(r".*\.(?:db3?|sqlite3?)")
_URL = re.compile(r"sqlite(?:\+\w+)?://(?:/(?P<path>[^?]*).*)?", re.DOTALL)
_PLACE = re.compile(r"/[\w./-]{1,200}", re.ASCII)
_SAME = (
    "abspath",
    "realpath",
    "normpath",
    "str",
    "fspath",
    "Path",
    "PurePath",
    "resolve",
    "absolute",
    "as_posix",
)
DEPTH = 30  # of an expression
LONGEST = 4096  # characters of a text, as Linux has it for a path


def places(source: str, base: str = "") -> list[str]:
    """Where the databases of an application are: a directory that may be a volume, with a slash at
    its end, or a file beside the code.

    Args:
        source: the directory of the application.
        base: where in it the imports of the application start.
    """
    try:
        files = list(source_files(source))
    except (OSError, ValueError):
        return []  # what is wrong with it is reported elsewhere
    modules = list(own_code.modules(source, _WORDS, files=files))
    start = posixpath.normpath(posixpath.join(CODE, base))
    known = {"instance": f"{start}/instance", "start": start, "code": start}
    for _file, _content, tree in modules:
        known["instance"] = _given_instance(tree) or known["instance"]
    relative = (
        known["instance"]
        if any(
            b"flask_sqlalchemy" in content for _file, content in own_code.contents(source, files)
        )
        else start
    )
    found: dict[str, None] = {}
    for file, _content, tree in modules:
        with suppress(RecursionError, MemoryError):  # of an expression without end
            for path in _Reader(file, {**known, "file": f"{CODE}/{file}"}).paths(tree, relative):
                found[_to_keep(path, files)] = None
    return [path for path in found if path][:PLACES]


def _to_keep(path: str, files: Iterable[str]) -> str:
    """What must be kept: the directory of a database, or only the file if the directory has code;
    "" for none that can be named.
    """
    directory = posixpath.dirname(path)
    code = any(
        f"{CODE}/{file}".startswith(f"{directory}/") and file.endswith(".py") for file in files
    )
    if not _PLACE.fullmatch(path) or (
        (code or hides_needed(directory)) and not is_inside(path, [CODE])
    ):
        return ""
    return path if code or hides_needed(directory) else f"{directory}/"


def _given_instance(tree: ast.AST) -> str:
    """The folder that instance_path names."""
    keywords = (
        keyword
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    )
    given = (
        keyword.value.value
        for keyword in keywords
        if keyword.arg == "instance_path" and isinstance(keyword.value, ast.Constant)
    )
    return next(
        (value.rstrip("/") for value in given if isinstance(value, str) and value.startswith("/")),
        "",
    )


class _Reader:
    """Evaluates strings of a module that consist of constants and paths of Flask and Python."""

    def __init__(self, file: str, known: dict[str, str]) -> None:
        self.known = known
        self.names: dict[str, str] = {"__file__": known["file"]}

    def paths(self, tree: ast.Module, relative: str) -> Iterator[str]:
        """The paths of all databases; relative: the directory of a relative address."""
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and (text := self.text(node.value)) is not None
            ):
                self.names.setdefault(node.targets[0].id, text)
        for text, opened in self._texts(tree, False):
            url = _URL.fullmatch(text)
            path = (url["path"] or "") if url else text
            plain = opened or path.startswith("/")
            if (
                (url or (plain and _FILE.fullmatch(path)))
                and path
                and ":memory:" not in path
                and not path.endswith("/")
            ):
                yield posixpath.normpath(
                    posixpath.join(relative if url else self.known["start"], path)
                )

    def _texts(self, node: ast.AST, opened: bool) -> Iterator[tuple[str, bool]]:
        """The longest strings, each with whether sqlite3.connect opens it."""
        if isinstance(node, ast.expr) and (text := self.text(node)) is not None:
            yield text, opened
            return
        opens = isinstance(node, ast.Call) and own_code.ends_with(node.func, "connect")
        for child in ast.iter_child_nodes(node):
            yield from self._texts(child, opens)

    def text(self, node: ast.AST, depth: int = 0) -> str | None:
        if depth > DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.JoinedStr):
            return self._joined(
                [
                    part.value if isinstance(part, ast.FormattedValue) else part
                    for part in node.values
                ],
                depth,
                "",
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
            return self._joined(
                [node.left, node.right], depth, "" if isinstance(node.op, ast.Add) else "/"
            )
        if isinstance(node, ast.Attribute):
            return self._attribute(node, depth)
        return self._called(node, depth) if isinstance(node, ast.Call) else None

    def _joined(self, nodes: Iterable[ast.AST], depth: int, between: str) -> str | None:
        texts = [self.text(node, depth + 1) for node in nodes]
        parts = [text for text in texts if text is not None]
        if len(parts) != len(texts) or not parts or sum(map(len, parts)) > LONGEST:
            return None
        return posixpath.join(*parts) if between else "".join(parts)

    def _attribute(self, node: ast.Attribute, depth: int) -> str | None:
        if node.attr == "instance_path":
            return self.known["instance"]
        above = self.text(node.value, depth + 1) if node.attr == "parent" else None
        return posixpath.dirname(above) if above else None

    def _called(self, node: ast.Call, depth: int) -> str | None:
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        if name in ("getcwd", "cwd") and not node.args:
            return self.known["start"]
        if name in ("join", "joinpath") and node.args:
            own = isinstance(node.func, ast.Attribute) and name == "joinpath"
            return self._joined([*([node.func.value] if own else []), *node.args], depth, "/")  # type: ignore[attr-defined]
        if name == "dirname" and node.args:
            return posixpath.dirname(self.text(node.args[0], depth + 1) or "") or None
        if name in _SAME:
            inner = (
                node.args[0]
                if node.args
                else node.func.value
                if isinstance(node.func, ast.Attribute)
                else node
            )
            return self.text(inner, depth + 1) if inner is not node else None
        return None
