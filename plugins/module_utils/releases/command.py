# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command line of a user is run; the same for command, release_command and the command of a
process.
"""

from __future__ import annotations

import re

# What a shell does not split: quotes, and a substitution within which no command ends.
_INNER = r"\$\([^()`'\";|&\n]*\)|\$\{[^{}'\"\\]*\}"
_OPAQUE = (
    rf"'[^']*'|\"(?:\\.|{_INNER}|[^\"\\`$]|\$(?![({{]))*\"|\\.|\$\(\([^()`;|&\n]*\)\)|{_INNER}"
)
_COMMENT = re.compile(rf"({_OPAQUE})|(?<![^\s;&|()])#[^\n]*", re.DOTALL)
# More than one command, or something that needs a shell; 2>&1 is neither.
_COMPOUND = re.compile(r"[;|`()\n]|(?<![<>])&|^[{!]\s|^\d*[<>]")
_ASSIGNMENTS = re.compile(
    rf"(?:[A-Za-z_]\w*=(?:{_OPAQUE}|[^\s'\"\\`;|&<>(){{}}$]|\$(?!['\"({{]))*[ \t]+)*", re.DOTALL
)
_OPAQUE_WORDS = re.compile(_OPAQUE, re.DOTALL)
# Reserved words and built-in commands of sh and bash. Some of them are also programs; those end at
# once.
_OF_THE_SHELL = re.compile(
    r"""\.|:|\[\[?|alias|bg|bind|break|builtin|case|cd|command|continue|coproc|declare|dirs|disown|
    echo|enable|eval|exec|exit|export|false|fc|fg|for|function|getopts|hash|help|history|if|jobs|
    kill|let|local|logout|mapfile|popd|printf|pushd|pwd|read|readarray|readonly|return|select|set|
    shift|shopt|source|suspend|test|times?|trap|true|type|typeset|ulimit|umask|unalias|unset|
    until|wait|while""",
    re.VERBOSE,
)


# Bytes of a value; docker does not read lines of an env file longer than 64 KiB.
LONGEST = 60_000


def one_line(text: str) -> str:
    """What a value of an environment, or a command line, must be; "" when it is valid."""
    if set(text) & set("\n\r\0"):
        return "be one line (longer values go into secrets)"
    if len(text.encode(errors="replace")) > LONGEST:
        return f"have at most {LONGEST} bytes (longer values go into secrets)"
    return ""


def shell_line(command: str) -> str:
    """A command line whose program replaces the shell, so that the program gets the signal to stop.

    A line with more than one command is left as it is: only its author can decide which of them
    gets the signal, by C(exec).
    """
    line = command.strip()
    bare = _OPAQUE_WORDS.sub("q", _COMMENT.sub(lambda match: match[1] or "", line)).strip()
    assigned = _ASSIGNMENTS.match(line)[0]  # type: ignore[index]  # of none it is ""
    rest = line[len(assigned) :]
    first = re.sub(r"['\"\\]", "", rest.split(maxsplit=1)[0]) if rest else "#"
    if (
        not bare
        or _COMPOUND.search(bare)
        or _OF_THE_SHELL.fullmatch(first)
        or re.match(r"#|[A-Za-z_]\w*(\+?=|\[)", first)
    ):
        return line
    # After the assignments: a shell reads A=$B differently where it is an argument.
    return f"{assigned}exec {rest}"


def shell_words(command: str) -> list[str]:
    """The words that a container starts for a command line."""
    return ["sh", "-c", shell_line(command)]
