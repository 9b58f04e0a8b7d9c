# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a file of lines NAME=VALUE as python-dotenv, Compose and a shell agree on it; where they do
not, it is refused.

No message shows what is in it, only the numbers of lines.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..releases.secrets import VARIABLE_BYTES
from .sources.source import file_problem

LIMIT = 2**20  # bytes of the file
MOST = 1000  # variables
SHOWN = 5  # problems of one file

_BLANK = re.compile(r"[^\S\n]*(#[^\n]*)?(\n|\Z)")
_NAME = re.compile(r"[^\S\n]*(?:export[^\S\n]+)?([A-Za-z_][A-Za-z0-9_]*)[^\S\n]*=", re.ASCII)
_QUOTED = re.compile(
    r"""[^\S\n]*(?:'(?P<literal>[^']*)'|"(?P<escaped>(?:[^"\\]|\\.)*)")""", re.DOTALL
)
_PLAIN = re.compile(r"[^\n]*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}
_EXPANDS = re.compile(r"(?<!\\)(?:\\\\)*(\$[{(]|`)")


class DotenvError(ValueError):
    """The file cannot be used; the text says why, without its content."""


def read(file: Path) -> dict[str, str]:
    """The variables of a file, in its order.

    Raises:
        DotenvError: all that is wrong with it.
    """
    if wrong := file_problem(file, LIMIT):
        raise DotenvError(f"{wrong}.")
    content = file.read_bytes()
    if content.startswith(b"$ANSIBLE_VAULT;"):
        words = "write its values into secrets, in an encrypted file of variables"
        raise DotenvError(f"is encrypted by Ansible Vault: {file}; {words}.")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DotenvError(f"must be text in UTF-8: {file}.")
    values, wrong_lines = parse(text)
    if wrong_lines:
        more = (
            f" There are {len(wrong_lines) - SHOWN} more such lines."
            if len(wrong_lines) > SHOWN
            else ""
        )
        raise DotenvError(f"cannot be read: {file}: {'; '.join(wrong_lines[:SHOWN])}.{more}")
    if len(values) > MOST:
        raise DotenvError(f"must have at most {MOST} variables: {file}; got {len(values)}.")
    return values


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """The variables, and the problems with their lines."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    position, counted, line = 0, 0, 1
    while position < len(text) and len(problems) <= MOST:
        line, counted = line + text.count("\n", counted, position), position
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        name, value, position, wrong = _assignment(text, position)
        if not wrong and name in lines:
            wrong = f"{name} is also set in line {lines[name]}; keep one"
        if wrong:
            problems.append(f"line {line}: {wrong}")
        else:
            values[name], lines[name] = value, line
    return values, problems


def _assignment(text: str, position: int) -> tuple[str, str, int, str]:
    """The name, the value, the start of the next line, and the problem."""
    next_line = _PLAIN.match(text, position).end() + 1  # type: ignore[union-attr]
    begin = _NAME.match(text, position)
    if not begin:
        return "", "", next_line, "must be NAME=VALUE, with a name of letters, digits and _"
    name, after = begin[1], begin.end()
    if quoted := _QUOTED.match(text, after):
        end = _BLANK.match(text, quoted.end())
        if not end:
            return (
                name,
                "",
                next_line,
                f"the value of {name} has text after its closing quote; put all of it in quotes",
            )
        value, expands = quoted["literal"], False
        if value is None:
            expands = bool(_EXPANDS.search(quoted["escaped"]))
            value = re.sub(
                r"\\(.)",
                lambda found: _ESCAPES.get(found[1], found[0]),
                quoted["escaped"],
                flags=re.DOTALL,
            )
        position = end.end()
    else:
        plain = text[after : next_line - 1]
        value, position, expands = (
            re.sub(r"\s#.*", "", plain).strip(),
            next_line,
            bool(_EXPANDS.search(plain)),
        )
        if value[:1] in ("'", '"'):
            return (
                name,
                "",
                next_line,
                f"the quote that the value of {name} begins with is not closed",
            )
    if expands:
        words = "has ${…}, $(…) or `…`, which is not expanded; put it in single quotes to keep it"
        return name, "", position, f"the value of {name} {words}"
    if len(value.encode()) > VARIABLE_BYTES:
        return (
            name,
            "",
            position,
            f"the value of {name} has more than 100 kB; write it into secrets",
        )
    return name, value, position, ""
