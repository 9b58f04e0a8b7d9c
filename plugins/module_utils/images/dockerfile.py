# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a Dockerfile: what it begins with, what it sets, what it copies; and puts other bases and
mounts into it.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]{0,1000}))?\})")
LIMIT = 128 * 1024  # bytes of a Dockerfile
INSTRUCTIONS = 1000
_GUNICORN = re.compile(r"(?:^|[\s/\"'=])gunicorn(?=$|[\s\"'])")
LONGEST = 65536  # characters of a text with its variables put in
# Only as a separate word: << in an expression of a shell, and <<<, begin no here-document.
_HEREDOC = re.compile(r"(?<!\S)\d*<<(-?)([\"']?)([A-Za-z_]\w*)\2(?!\S)")


@dataclass(frozen=True)
class Instruction:
    """One instruction; first and last are the numbers of its lines, counted from 0."""

    word: str
    text: str
    first: int
    last: int
    flags: tuple[str, ...] = ()


@dataclass
class Stage:
    """The stage that begins with one FROM. Build arguments in base are expanded; name is "" if the
    stage has no name.
    """

    base: str
    name: str
    start: Instruction
    instructions: list[Instruction] = field(default_factory=list)


def instructions(text: str) -> list[Instruction]:
    """The instructions, each with its continued lines as one and without its comments; a heredoc
    belongs to its own.
    """
    lines = text.splitlines()
    escape = _escape(lines)
    found: list[Instruction] = []
    number = 0
    while number < len(lines):
        if not lines[number].strip() or lines[number].lstrip().startswith("#"):
            number += 1
            continue
        first = number
        parts: list[str] = []
        while number < len(lines):
            line = lines[number].rstrip()
            number += 1
            if parts and (not line.strip() or line.lstrip().startswith("#")):
                continue  # inside a continued instruction they are left out
            continued = line.endswith(escape)
            parts.append(line[:-1] if continued else line)
            if not continued:
                break
        whole = " ".join(part.strip() for part in parts).strip()
        word, rest = [*whole.split(None, 1), "", ""][:2]
        if word.upper() in ("RUN", "COPY", "ADD"):
            for dash, _quote, end in _HEREDOC.findall(rest):
                while (
                    number < len(lines)
                    and (lines[number].lstrip("\t") if dash else lines[number]) != end
                ):
                    number += 1
                number += 1
        flags, rest = _flags(rest.strip())
        if len(found) == INSTRUCTIONS:
            raise ValueError(
                f"line {first + 1} begins one instruction too many; at most {INSTRUCTIONS} are"
                " allowed."
            )
        found.append(Instruction(word.upper(), rest, first, min(number, len(lines)) - 1, flags))
    return found


def stages(text: str, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """The stages in their order.

    Args:
        text: of the Dockerfile.
        arguments: build arguments, before the defaults that ARG gives them.
    """
    known, found = dict(arguments or {}), []
    for instruction in instructions(text):
        if instruction.word == "FROM":
            words = substitute(instruction.text, known).split()
            name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
            found.append(Stage(words[0] if words else "", name, instruction))
        elif found:
            found[-1].instructions.append(instruction)
        elif instruction.word == "ARG":
            _arguments(instruction.text, known, arguments or {})
    return found


def last_chain(found: list[Stage]) -> list[Stage]:
    """The stages that the image is made of, the last of the file at the end; its first begins with
    a foreign image.
    """
    chain: list[Stage] = []
    stage: Stage | None = found[-1] if found else None
    while stage is not None:
        chain.insert(0, stage)
        earlier = found[: found.index(stage)]
        stage = next(
            (
                other
                for other in reversed(earlier)
                if other.name and other.name.lower() == chain[0].base.lower()
            ),
            None,
        )
    return chain


def environment(
    chain: Iterable[Stage], arguments: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables that ENV sets in the image."""
    values: dict[str, str] = {}
    for stage in chain:
        known: dict[str, str] = {}
        for instruction in stage.instructions:
            if instruction.word == "ARG":
                _arguments(instruction.text, known, arguments or {})
            elif instruction.word == "ENV":
                values.update(_pairs(substitute(instruction.text, {**known, **values})))
    return values


def copied(
    chain: Iterable[Stage], files: Iterable[str], values: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Where the files of the source are in the image: the path there, and the file.

    Args:
        chain: the stages of the image.
        files: those of the source.
        values: for variables in the paths.
    """
    files, place = list(files), "/"
    result: dict[str, str] = {}
    for stage in chain:
        for instruction in stage.instructions:
            text = substitute(instruction.text, values or {})
            if instruction.word == "WORKDIR":
                place = posixpath.join(place, text.strip())
            elif instruction.word in ("COPY", "ADD") and not any(
                flag.startswith("--from") for flag in instruction.flags
            ):
                words = _words(text)
                for source in words[:-1]:
                    target = posixpath.join(place, words[-1])
                    result.update(
                        _copy(
                            source, target, words[-1].endswith(("/", ".")) or len(words) > 2, files
                        )
                    )
    return result


def exposed(chain: Iterable[Stage], values: Mapping[str, str] | None = None) -> list[int]:
    """The TCP ports of EXPOSE, as they are written."""
    words = [
        word.removesuffix("/tcp")
        for stage in chain
        for instruction in stage.instructions
        if instruction.word == "EXPOSE"
        for word in substitute(instruction.text, values or {}).split()
    ]
    return [int(word) for word in dict.fromkeys(words) if word.isdecimal()]


def started(chain: Iterable[Stage]) -> str:
    """The command of ENTRYPOINT and CMD, as one string."""
    found = {
        instruction.word: instruction.text for stage in chain for instruction in stage.instructions
    }
    return " ".join(
        word
        for text in (found.get("ENTRYPOINT"), found.get("CMD"))
        if text
        for word in _words(text)
    )


def server_of(command: str) -> str:
    """The server that a command line starts, where its arguments matter: gunicorn, or ""."""
    lines = (line for line in command.splitlines() if not line.lstrip().startswith("#"))
    return "gunicorn" if any(_GUNICORN.search(line) for line in lines) else ""


def reserved_labels(found: Iterable[Stage]) -> list[str]:
    """The labels that LABEL sets, or ONBUILD LABEL would set, and that are reserved for this
    collection.
    """
    names: list[str] = []
    for stage in found:
        known: dict[str, str] = {}
        for instruction in stage.instructions:
            word, text = instruction.word, instruction.text
            if word == "ONBUILD":
                word, _space, text = text.partition(" ")
            if word == "ARG":
                _arguments(text, known, {})
            elif word == "ENV":
                known.update(_pairs(substitute(text, known)))
            elif word.upper() == "LABEL":
                names += [
                    name for name, _value in _pairs(substitute(text, known)) if is_reserved(name)
                ]
    return list(dict.fromkeys(names))


def is_reserved(label: str) -> bool:
    """Whether a label is one of those by which this collection knows its containers."""
    return label == "host.flaskops" or label.startswith("host.flaskops.")


def replace_bases(text: str, replacement: Callable[[str], str]) -> str:
    """The Dockerfile with other images behind its FROMs.

    Args:
        text: of the Dockerfile.
        replacement: gives for an image the one to take, "" for itself.
    """
    lines = text.splitlines()
    found = stages(text)
    names = {stage.name.lower() for stage in found if stage.name}
    for stage in reversed(found):
        new = "" if stage.base.lower() in names else replacement(stage.base)
        if new:
            name = f" AS {stage.name}" if stage.name else ""
            lines[stage.start.first : stage.start.last + 1] = [
                f"# instead of {stage.base}",
                f"FROM {new}{name}",
            ]
    return "\n".join(lines) + "\n"


def mount(text: str, mounts: Iterable[str], arguments: Mapping[str, str]) -> str:
    """The Dockerfile with mounts at every RUN, and build arguments that every RUN has in its
    environment.

    A mount is in no layer, and an argument is not in the environment of the image: the image keeps
    neither.
    """
    lines = text.splitlines()
    flags = " ".join(f"--mount={each}" for each in mounts)
    runs = False  # whether the stage has one below
    for instruction in reversed(instructions(text)):
        if instruction.word == "RUN" and flags:
            runs = True
            lines[instruction.first] = re.sub(
                r"^(\s*\w+)", lambda match: f"{match[1]} {flags}", lines[instruction.first], count=1
            )
        elif instruction.word == "FROM":
            at = instruction.last + 1
            lines[at:at] = (
                [f"ARG {name}={value}" for name, value in arguments.items()] if runs else []
            )
            runs = False
    return "\n".join(lines) + "\n"


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put variables in, as Docker does: $NAME, ${NAME}, ${NAME:-else} and ${NAME:+then}."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return match[0]
        known = values.get(name, "")
        if match[3] == "-":
            return known or match[4]
        if match[3] == "+":
            return match[4] if known else ""
        return known

    length, parts, end = 0, [], 0
    for match in _VARIABLE.finditer(text):
        parts += [text[end : match.start()], value(match)]
        length, end = length + len(parts[-1]) + len(parts[-2]), match.end()
        if length > LONGEST:  # each of a few lines may double what the one before says
            raise ValueError(
                f"an instruction has more than {LONGEST} characters, its variables put in."
            )
    return "".join([*parts, text[end:]])


def _escape(lines: list[str]) -> str:
    for line in lines:
        if not line.startswith("#"):
            break
        if match := re.fullmatch(r"#\s*escape\s*=\s*([\\`])\s*", line, re.IGNORECASE):
            return match[1]
    return "\\"


def _flags(text: str) -> tuple[tuple[str, ...], str]:
    flags = []
    while match := re.match(r"(--[a-z][a-z-]*(?:=\S+)?)\s+", text):
        flags.append(match[1])
        text = text[match.end() :]
    return tuple(flags), text


def _arguments(text: str, known: dict[str, str], given: Mapping[str, str]) -> None:
    for name, value in _pairs(text, single=True):
        known[name] = given.get(name, substitute(value, known) if value else known.get(name, ""))


def _pairs(text: str, single: bool = False) -> Iterator[tuple[str, str]]:
    """NAME=value pairs, or the old form NAME value; with single, a name alone too."""
    first = text.split(None, 1)
    if not first:
        return
    if "=" not in first[0] and not single:
        yield first[0], first[1].strip() if len(first) > 1 else ""
        return
    for word in _words(text):
        name, _equals, value = word.partition("=")
        yield name, value


def _words(text: str) -> list[str]:
    """In the JSON form or as a shell would split them."""
    if text.startswith("["):
        try:
            return [str(word) for word in json.loads(text)]
        except (ValueError, RecursionError, TypeError):
            pass
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _copy(source: str, target: str, directory: bool, files: list[str]) -> Iterator[tuple[str, str]]:
    clean = posixpath.normpath(source.lstrip("/") or ".")
    below = "" if clean == "." else f"{clean}/"
    # With one star the time stays in proportion to the name; with more of them the files are not
    # looked for.
    parts = re.split(r"([*?])", clean if clean.count("*") < 2 else "?")
    pattern = re.compile(
        "".join(
            "[^/]*" if part == "*" else "[^/]" if part == "?" else re.escape(part) for part in parts
        )
    )
    for file in files:
        if file.startswith(below):
            yield posixpath.normpath(posixpath.join(target, file[len(below) :])), file
        elif pattern.fullmatch(file):
            yield (
                posixpath.normpath(
                    posixpath.join(target, posixpath.basename(file))
                    if directory or "*" in clean
                    else target
                ),
                file,
            )
