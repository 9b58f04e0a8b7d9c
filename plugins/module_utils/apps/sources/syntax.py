# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that no Python would load, found before a host is touched: the application's own, and
what they import when they are loaded.

The Python of the images may be newer than the controller's: code that may be its syntax is left to
the container, which checks with its own Python.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import find

FILES = 200  # modules that are followed
# Which syntax came with which Python, as patterns that rather match too much than too little. An
# f-string of 3.12 may have its own quotes, or the end of a line, within braces.
_NEWER = (
    (
        (3, 12),
        r"""[fF][rR]?(?P<quote>["'])(?:(?!(?P=quote))[^\n]){0,300}\{(?:(?!(?P=quote))[^}\n]){0,300}(?:(?P=quote)|$)""",
    ),
    ((3, 12), r"^[ \t]*type[ \t]+\w+[ \t]*[\[=]"),
    ((3, 13), r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+\w+[ \t]*\["),
    ((3, 14), r"""^[ \t]*except\*?[ \t]+[^(\n:]{0,300},|\b(?:[tT][rR]?|[rR][tT])["']"""),
    ((3, 15), r"^[ \t]*lazy[ \t]+(?:import|from)\b|[\[({][ \t]*\*.{0,300}\bfor\b"),
)


def problem(root: Path, files: Iterable[str], python: str) -> str:
    """What is wrong with the first of these modules, or of those that they import, that is not
    Python; "" where that is not sure.

    Args:
        root: the source.
        files: modules below it.
        python: the version of Python that the application asks for, such as 3.12; "" where that is
        not known.
    """
    for file, error in _broken(root, files):
        if not _may_be_newer(file.read_bytes(), str(getattr(error, "msg", error)), python):
            return find.fault(root, file, error)
    return ""


def _may_be_newer(content: bytes, words: str, python: str) -> bool:
    if (
        re.fullmatch(r"3\.\d{1,2}", python)
        and tuple(map(int, python.split("."))) <= sys.version_info[:2]
    ):
        return False
    if words.startswith("too many") or (b"\0" in content and find.not_utf8(content) < 0):
        return True  # a limit of this Python, or a file that is not text
    text = content.decode(errors="replace")
    newer = any(
        version > sys.version_info[:2] and re.search(pattern, text, re.MULTILINE)
        for version, pattern in _NEWER
    )
    return newer or (sys.version_info < (3, 12) and words.startswith("f-string"))


def _broken(root: Path, files: Iterable[str]) -> Iterator[tuple[Path, SyntaxError | ValueError]]:
    """The modules that do not parse, of these and what their own statements import from the source,
    packages before what is in them.
    """
    ahead, seen = [root / file for file in files], set[Path]()
    while ahead and len(seen) < FILES:
        file = ahead.pop(0)
        if file in seen:
            continue
        seen.add(file)
        try:
            tree = find.parse(file)
        except (SyntaxError, ValueError) as error:
            yield file, error
        except (OSError, RecursionError, MemoryError):
            continue
        else:
            ahead += _imported(root, file, tree)


def _imported(root: Path, file: Path, tree: ast.Module) -> list[Path]:
    found = []
    for node in tree.body:  # not below if, try and functions: it may never be loaded
        names = [alias.name for alias in getattr(node, "names", [])]
        if isinstance(node, ast.Import):
            found += [each for name in names for each in _files(_bases(root, file), name)]
        elif isinstance(node, ast.ImportFrom):
            bases = (
                [file.parents[node.level - 1]]
                if 0 < node.level <= len(file.parents)
                else _bases(root, file)
            )
            module = f"{node.module}." if node.module else ""
            found += [each for name in names for each in _files(bases, f"{module}{name}")]
    return [each for each in found if root in each.parents]


def _bases(root: Path, file: Path) -> list[Path]:
    """Where absolute imports of a module start: beside it where it is in no package, else beside
    its outermost one.
    """
    top = file.parent
    while top != root and (top / "__init__.py").is_file():
        top = top.parent
    return list(dict.fromkeys((top, root)))


def _files(bases: list[Path], module: str) -> list[Path]:
    """The files that are loaded for a module; the last word may be a name within one."""
    words = module.split(".")
    for base in bases:
        if find.module_file(base, words[0]):
            found = (
                find.module_file(base, ".".join(words[: number + 1]))
                for number in range(len(words))
            )
            return [file for file in found if file]
    return []
