# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Nginx configuration as far as the preflight needs it: blocks, listen, include. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..host.places import NginxPlace

# The sites of Nginx packages that answer to every name.
DEFAULT_SITES = ("sites-enabled/default", "conf.d/default.conf")
TOKEN = re.compile(
    r"""
      \s+ | \#[^\n]*
    | (?P<quoted>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
    | (?P<mark>[{};])
    | (?P<word>(?:\\.|\$\{[^}]*\}|[^\s;{}"'\#\\]|(?<=\S)[\#"'])+)
    | (?P<rest>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Directive:
    """name arguments; or name arguments { block }"""

    name: str
    arguments: list[str]
    block: list[Directive] = field(default_factory=list)

    def walk(self, context: str = "") -> Iterator[tuple[str, Directive]]:
        """This directive and all below it, each with the name of its block."""
        yield context, self
        for inner in self.block:
            yield from inner.walk(self.name)


def parse(text: str) -> list[Directive]:
    """The directives of a file. What is broken is read as far as it makes sense: Nginx itself is
    the judge.
    """
    top: list[Directive] = []
    stack = [top]
    words: list[str] = []
    for match in TOKEN.finditer(text):
        if match["quoted"]:
            words.append(re.sub(r"\\(.)", r"\1", match["quoted"][1:-1]))
        elif match["word"]:
            words.append(match["word"])
        elif match["mark"] == ";" and words:
            stack[-1].append(Directive(words[0], words[1:]))
            words = []
        elif match["mark"] == "{":
            directive = Directive(words[0] if words else "", words[1:])
            stack[-1].append(directive)
            stack.append(directive.block)
            words = []
        elif match["mark"] == "}":
            words = []
            if len(stack) > 1:
                stack.pop()
    return top


def walk(directives: list[Directive]) -> Iterator[tuple[str, Directive]]:
    for directive in directives:
        yield from directive.walk()


def split_dump(dump: str) -> dict[str, str]:
    """The files of an `nginx -T`, by path."""
    parts = re.split(r"^# configuration file (/.*):\n", dump, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def glob_covers(pattern: str, path: str) -> bool:
    """Whether an include with this pattern reads this path; as in glob(), a star stays within its
    directory.
    """
    ours, theirs = path.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(map(fnmatch.fnmatchcase, ours, theirs))


def includes(files: dict[str, str], root: str) -> list[tuple[str, str]]:
    """All include lines of a configuration: the block of each, and its absolute pattern."""
    found = []
    for text in files.values():
        for context, directive in walk(parse(text)):
            if directive.name == "include" and directive.arguments:
                pattern = directive.arguments[0]
                found.append((context, pattern if pattern.startswith("/") else f"{root}/{pattern}"))
    return found


def included_sites(files: dict[str, str], root: str, sites: list[str]) -> list[str]:
    """The sites whose directory is included from a server block (or from a file that one may
    include).
    """
    lines = includes(files, root)
    return [
        site
        for site in sites
        if any(
            context in ("server", "")
            and glob_covers(pattern, str(NginxPlace(root).link(site, "any")))
            for context, pattern in lines
        )
    ]


def default_ports(text: str) -> list[int]:
    """The ports on which a file claims to be the default server for all addresses."""
    ports = set()
    for _path, directive in walk(parse(text)):
        if directive.name == "listen" and {"default_server", "default"} & set(
            directive.arguments[1:]
        ):
            match = re.fullmatch(
                r"(?:(?:\*|0\.0\.0\.0|\[::\]):)?(\d+)|\*|0\.0\.0\.0|\[::\]", directive.arguments[0]
            )
            if match:
                ports.add(int(match[1] or 80))
    return sorted(ports)


def worker_user(files: dict[str, str]) -> tuple[str, str] | None:
    """User and group of the workers, where the configuration names them."""
    for text in files.values():
        for context, directive in walk(parse(text)):
            if directive.name == "user" and context == "" and directive.arguments:
                return directive.arguments[0], directive.arguments[-1]
    return None
