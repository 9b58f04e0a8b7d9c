# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the modules that are the application's own, within bounds, and what they take from the
environment. Nothing of them is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from .find import MADE, TESTS
from .source import read_inside, source_files

FILE_BYTES = 2**19  # of a module that is read; a longer one was not written by hand
READ_BYTES = 2**24  # of all modules that are looked into
PARSED_BYTES = 2**22  # of those that are parsed, as they have the words that are looked for

# In addition to those that are not searched for an application.
_SAMPLES = r"testing|examples?|samples?"
_OF_OTHERS = r"_?vendor(ed)?|third_?party|extern(al)?"  # which the application runs
_TOOLS = r"conftest|setup|noxfile|versioneer"  # modules that only tools run


def _pattern(directories: str, modules: str) -> re.Pattern[str]:
    return re.compile(rf"(^|/)(({directories})/|({modules})\.py$)", re.IGNORECASE)


# Paths below a source that the application does not run, and these with third-party code.
NOT_RUN = _pattern(f"{MADE}|{TESTS}|{_SAMPLES}", _TOOLS)
NOT_OWN = _pattern(
    f"{MADE}|{TESTS}|{_SAMPLES}|{_OF_OTHERS}|migrations", rf"{_TOOLS}|test_[^/]*|[^/]*_test"
)
# Methods of a configuration that set several values at once.
SETS = ("from_mapping", "update")


def contents(
    source: str, files: Iterable[str] | None = None, but: re.Pattern[str] = NOT_OWN
) -> Iterator[tuple[str, bytes]]:
    """The text of each, as far as they are read. files: those of the source, where they are known;
    but: those that are left aside.
    """
    read = 0
    for file in source_files(source) if files is None else files:
        if not file.endswith(".py") or but.search(file):
            continue
        try:
            content = read_inside(source, file, FILE_BYTES)
        except (OSError, ValueError):
            continue
        read += len(content)
        if read > READ_BYTES:
            return
        yield file, content


def modules(
    source: str,
    *words: re.Pattern[bytes],
    files: Iterable[str] | None = None,
    but: re.Pattern[str] = NOT_OWN,
) -> Iterator[tuple[str, bytes, ast.Module]]:
    """The modules that contain all these words, parsed."""
    parsed = 0
    for file, content in contents(source, files, but):
        if not all(pattern.search(content) for pattern in words):
            continue
        parsed += len(content)
        if parsed > PARSED_BYTES:
            return
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        yield file, content, tree


def takes_all(tree: ast.AST) -> bool:
    """Whether variables go over the configuration whatever their names are: in a loop over it, or
    all at once.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            target = node.targets[0]
            made = ends_with(target.value, "config") and not isinstance(target.slice, ast.Constant)
            if made and any(ends_with(part, "environ", "getenv") for part in ast.walk(node.value)):
                return True
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in SETS
        ):
            values = [*node.args, *(keyword.value for keyword in node.keywords if not keyword.arg)]
            if ends_with(node.func.value, "config") and any(
                ends_with(value, "environ") for value in values
            ):
                return True
    return False


def variable(node: ast.expr) -> str:
    """The name of the variable that an expression reads from the environment; "" where it reads
    none.
    """
    if isinstance(node, ast.Subscript):
        return text(node.slice) if ends_with(node.value, "environ") else ""
    if not isinstance(node, ast.Call) or not node.args:
        return ""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr in ("get", "setdefault", "pop"):
        return text(node.args[0]) if ends_with(function.value, "environ", "env") else ""
    # os.getenv; config and env of python-decouple, environs and django-environ, with or without a
    # kind such as env.str.
    typed = isinstance(function, ast.Attribute) and ends_with(function.value, "env")
    return text(node.args[0]) if typed or ends_with(function, "getenv", "config", "env") else ""


def ends_with(node: ast.AST, *names: str) -> bool:
    return (
        node.attr
        if isinstance(node, ast.Attribute)
        else node.id
        if isinstance(node, ast.Name)
        else ""
    ) in names


def text(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) and value.isidentifier() else ""
