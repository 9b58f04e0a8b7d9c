# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matches paths against the patterns of a .dockerignore; no pattern can make that slow.

All patterns together are one automaton without backtracking: each has a row of bits, one for each
of its tokens and one for its end, and each character of a path moves the bits of all patterns at
once. A pattern covers what it matches and all that is below.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# A token is a set of characters, or one of these: any of a name, any part of a path, and no or more
# whole directories.
STAR, ALL, DIRECTORIES = "*", "**", "**/"


@dataclass(frozen=True)
class CharacterSet:
    """Matches one character: one of these, or with inverse, any other. Each range has its first and
    last character.
    """

    ranges: tuple[tuple[str, str], ...]
    inverse: bool = False

    def takes(self, character: str) -> bool:
        return any(first <= character <= last for first, last in self.ranges) != self.inverse


# Like filepath.Match of Go, which Docker uses: [^ is any other character, and a backslash escapes
# the next one; [! also works.
_WORD = re.compile(r"\*+|\[[!^]?(?:\\.|[^\\])(?:\\.|[^\\\]])*\]|\\?.", re.DOTALL)
NO_SLASH = CharacterSet((("/", "/"),), inverse=True)


@dataclass(frozen=True)
class State:
    """How far the patterns are in a path, and the ends of those that matched a directory above."""

    bits: int
    matched: int = 0


class Patterns:
    """Patterns in their order. The last one that covers a path decides; one that begins with !
    keeps it.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._sets: list[tuple[int, CharacterSet]] = []
        # Bits that stay in place, at any character or at any but a slash; that move at a slash;
        # that move without a character.
        self._any = self._name = self._slash = self._one = self._two = 0
        self._ends = self._drops = starts = position = 0
        self._known: dict[str, int] = {}
        kept = []
        for line in lines:
            clean = _clean(line.removeprefix("!"))
            if not clean:
                continue
            starts |= 1 << position
            position = self._add(clean, position)
            if line.startswith("!"):
                kept.append(clean)
            else:
                self._drops |= 1 << (position - 1)
        self._kept = sorted(kept)
        self.start = State(self._settle(starts))

    def _add(self, pattern: str, position: int) -> int:
        """Lay a pattern from this bit on; returns the first bit after it."""
        for token in _tokens(pattern):
            bit = 1 << position
            if token == DIRECTORIES:  # two bits: before any directory, and inside of one
                self._one |= bit
                self._two |= bit
                self._any |= bit << 1
                self._slash |= bit << 1
                position += 1
            elif isinstance(token, CharacterSet):
                self._sets.append((bit, token))
            else:
                self._one |= bit
                self._any |= bit if token == ALL else 0
                self._name |= bit if token == STAR else 0
            position += 1
        self._ends |= 1 << position
        return position + 1

    def step(self, state: State, name: str) -> State:
        """The state after one more name."""
        bits = state.bits
        for character in name:
            bits = self._move(bits, character)
        return State(bits, state.matched)

    def enter(self, state: State) -> State:
        """The state of a directory for what is in it."""
        return State(self._move(state.bits, "/"), state.matched | (state.bits & self._ends))

    def drops(self, state: State) -> bool:
        """Whether a path of this state is left out."""
        covering = state.matched | (state.bits & self._ends)
        return bool(covering and self._drops >> (covering.bit_length() - 1) & 1)

    def keeps_below(self, directory: str) -> bool:
        """Whether a pattern with ! may name something below a directory that is left out."""
        at = bisect_left(self._kept, directory)
        return at < len(self._kept) and self._kept[at].startswith(directory)

    def _move(self, bits: int, character: str) -> int:
        takes = self._known.get(character)
        if takes is None:
            takes = sum(bit for bit, each in self._sets if each.takes(character)) | (
                self._slash if character == "/" else 0
            )
            self._known[character] = takes
        stays = self._any if character == "/" else self._any | self._name
        return self._settle((bits & takes) << 1 | (bits & stays))

    def _settle(self, bits: int) -> int:
        while True:
            more = bits | (bits & self._one) << 1 | (bits & self._two) << 2
            if more == bits:
                return bits
            bits = more


def _clean(pattern: str) -> str:
    """Without what has no meaning: slashes at the ends, parts that are "." and what ".." takes
    back.
    """
    parts: list[str] = []
    for part in pattern.strip().split("/"):
        if part == "..":
            del parts[-1:]
        elif part and part != "." and not (part == "**" and parts[-1:] == ["**"]):
            parts.append(part)
    return "/".join(parts)


def _tokens(pattern: str) -> Iterator[CharacterSet | str]:
    position, last = 0, ""
    while word := _WORD.match(pattern, position):
        text, position = word[0], word.end()
        if text[0] != "*":
            last = ""
            yield NO_SLASH if text == "?" else _set(text)
            continue
        pairs, single = divmod(len(text), 2)
        if pairs and not single:
            position += pattern[position : position + 1] == "/"
        if pairs and position == len(pattern) and not single:
            yield ALL
        elif pairs and last != DIRECTORIES:
            last = DIRECTORIES
            yield DIRECTORIES
        if single:
            last = STAR
            yield STAR


def _set(text: str) -> CharacterSet:
    """Of a character, or of what is in brackets."""
    if len(text) < 3:  # an escaped one has two
        return CharacterSet(((text[-1], text[-1]),))
    inverse = text[1] in "!^"
    ranges = re.findall(
        r"(\\.|[^\\])-(\\.|[^\\])|(\\.|[^\\])", text[2 if inverse else 1 : -1], re.DOTALL
    )
    return CharacterSet(
        tuple(((first or one)[-1], (last or one)[-1]) for first, last, one in ranges), inverse
    )
