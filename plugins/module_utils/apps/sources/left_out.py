# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds tables that a module creates only if it is run as a program, which no server does. No code
of the source is run.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from . import find
from .source import read_inside

_MAKES = re.compile(
    r"create_all|create_tables|(init|create|setup|initiali[sz]e|make)_(the_)?(db|database|tables)"
)


def note(source: Path, place: find.Place) -> str:
    """What to write for an application whose tables nothing creates, as a sentence; else ""."""
    try:
        file = find.module_file(source / place.base, place.module)
        name = file.relative_to(source).as_posix() if file else ""
        tree = ast.parse(read_inside(source, name, find.LIMIT)) if name else None
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ""  # the search for the application reports it
    for block in tree.body if tree else ():
        if isinstance(block, ast.If) and find.is_program(block):
            for node in (part for each in block.body for part in ast.walk(each)):
                if isinstance(node, ast.Call) and (made := _made(node)):
                    return _sentence(name, node.lineno, made, place)
    return ""


def _made(call: ast.Call) -> tuple[str, str] | None:
    """The name to import, and the call of it, where that makes tables; only one without arguments
    can be written elsewhere.
    """
    if call.args or call.keywords:
        return None
    if isinstance(call.func, ast.Name) and _MAKES.fullmatch(call.func.id):
        return call.func.id, f"{call.func.id}()"
    if (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and _MAKES.fullmatch(call.func.attr)
    ):
        return call.func.value.id, f"{call.func.value.id}.{call.func.attr}()"
    return None


def _sentence(file: str, line: int, made: tuple[str, str], place: find.Place) -> str:
    name, call = made
    words = (
        f'{file}, line {line}: {call} is under if __name__ == "__main__", which no server runs.'
        " Where it makes the tables, write "
    )
    if "(" in place.callable:
        return words + "release_command with what does the same."
    begin = f"{place.callable}.app_context().push(); "
    return (
        words + f"release_command: python3 -c 'from {place.module} import {place.callable}, {name};"
        f" {begin}{call}'."
    )
