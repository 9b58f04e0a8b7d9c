# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate a dictionary of a user against an option schema, and report all problems together.

Ansible's argument validation stops at the first error and names neither the entry nor its value;
this one names both, what is allowed, and what to write instead.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from ..host.shown import shown

TRUE = {"yes", "true", "on", "1"}
FALSE = {"no", "false", "off", "0"}
SHOWN = 120  # characters of a value in a message
LONGEST = 65536  # characters of a text that is not secret
LONGEST_MESSAGE = 8000  # characters
DEEPEST = 10  # no option is deeper; aliases of YAML may form a cycle

# What a user wrote, and the same with defaults and converted values. The schema determines the
# types of the values.
Given = Mapping[str, Any]
Values = dict[str, Any]


class Entry(NamedTuple):
    """A validated dictionary."""

    values: Values
    problems: list[str]


class Checked(NamedTuple):
    """A validated value."""

    value: Any
    problems: list[str]


@dataclass(frozen=True)
class Option:
    """One key that a user may write.

    Args:
        kind: str, int, float, bool, list or dict.
        pattern: a string must match it as a whole.
        allowed: the words of the error message.
        options: the keys of the dictionary, or of each dictionary in the list.
        elements: the option of each element of a list.
        check: returns what a string must be, in the words after "must", or "" when it is valid.
        maximum: of a number, or of the elements of a list.
        strict: a number is not accepted as a string.
        secret: no message shows the value.
        filled: a list must not be empty.
        about: its documentation, in Ansible's markup, with an empty line between paragraphs.
    """

    kind: str = "str"
    default: Any = None
    required: bool = False
    pattern: str = ""
    allowed: str = ""
    minimum: float | None = None
    maximum: float = 1_000_000
    choices: tuple[str, ...] = ()
    options: Mapping[str, Option] | None = None
    elements: Option | None = None
    check: Callable[[Any], str] | None = None
    strict: bool = False
    secret: bool = False
    filled: bool = False
    about: str = ""

    def spec(self) -> dict[str, object]:
        """The option as an entry of an argument spec."""
        kept: dict[str, object] = {
            "description": [" ".join(text.split()) for text in re.split(r"\n\s*\n", self.about)]
        }
        kept["type"] = self.kind
        if self.kind == "list":
            kept["elements"] = (
                "dict" if self.options is not None else (self.elements or Option()).kind
            )
        if self.required:
            kept["required"] = True
        if self.choices:
            kept["choices"] = list(self.choices)
        if self.default is not None:
            kept["default"] = self.default
        if self.options is not None:
            kept["options"] = {name: option.spec() for name, option in self.options.items()}
        return kept


def _deeper(key: Any, options: Mapping[str, Option]) -> list[str]:
    """The places of a key that was written one level too high."""
    return [
        f"{name}.{key}"
        for name, option in options.items()
        if option.kind == "dict" and option.options and key in option.options
    ]


class _Unfit(ValueError):
    """The value is not valid; the text says what it must be, in the words after "must"."""


def without_user(address: str) -> str:
    """An address without its user and password; the digest of an image is kept."""
    return re.sub(r"^(\w+://)?.*@(?!sha256:)", r"\1***@", address, flags=re.DOTALL)


def hidden(text: str) -> str:
    """A text without the user parts and the queries of its addresses."""
    return "".join(_hidden(word) for word in re.split(r"([\s'\"]+)", text))


def _hidden(word: str) -> str:
    before, scheme, rest = word.partition("://")
    if not scheme:
        return re.sub(
            r"^(?:[\w.+-]+:[^/@]*@(?!sha256:)|[\w.+-]+@(?!sha256:)(?=[\w.-]+:))", "***@", word
        )
    _user, at, place = rest.rpartition("@")
    place, mark, _query = place.partition("?")
    return f"{before}://{'***@' if at else ''}{place}{'?***' if mark else ''}"


def printable(text: str) -> str:
    """A message with its control characters escaped; a very long one is cut in the middle."""
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE // 2]} … {text[-LONGEST_MESSAGE // 4 :]}"
    return shown(text)


def show(value: Any) -> str:
    """A value for a message: a number, a word or a path; for anything else its kind, as it may
    contain a secret.
    """
    if isinstance(value, str):
        text = without_user(str(value))
        return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return str(int(value)) if abs(value) < 10**SHOWN else "a huge number"
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a value of the type {type(value).__name__.lstrip('_')}"


def one_of(words: Sequence[str]) -> str:
    """The choices as a part of a sentence."""
    return " or ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def show_name(name: Any) -> str:
    """An unknown name for a message; of NAME=VALUE only the name."""
    begin = re.split(r"[=:\s]", name, maxsplit=1)[0] if isinstance(name, str) else name
    return show(begin) if begin == name else show(f"{begin}…")


def normalize(value: Given, options: Mapping[str, Option], where: str) -> Entry:
    """Fill the defaults of a dictionary and convert its values.

    Args:
        value: what the user wrote.
        options: the schema.
        where: its name in messages, for example "flask_apps: shop".

    Returns:
        The complete dictionary, and the problems as sentences.
    """
    result: Values = {}
    problems: list[str] = []
    place = f"{where}: " if where else ""
    for key in value:
        if key not in options:
            near = (
                difflib.get_close_matches(key[:SHOWN], list(options), n=1)
                if isinstance(key, str)
                else []
            )
            near = _deeper(key, options) or [repr(name) for name in near]
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"allowed are {', '.join(sorted(options))}."
            )
            problems.append(
                f"{place}{show_name(key)} is not a known key (its value is hidden); {hint}"
            )
    for key, option in options.items():
        given = value.get(key)
        if given is None:
            if option.required:
                problems.append(
                    f"{place}{key} is missing; write {key}: {option.allowed or option.kind}"
                )
            given = option.default
            if given is None:
                result[key] = None
                continue
        result[key], found = convert(given, option, f"{place}{key}")
        problems.extend(found)
    return Entry(result, problems)


def read_inputs(inputs: Given, options: Mapping[str, Option], prefix: str) -> Entry:
    """The variables of a role, which have its prefix, and the problems as sentences.

    Ansible has filled their defaults, so a null was written by the user: it is refused, unless the
    default is "". An invalid value becomes None; a list keeps its valid elements.
    """
    values: Values = {}
    problems: list[str] = []
    for key, option in options.items():
        given = "" if inputs[key] is None and option.default == "" else inputs[key]
        values[key], found = convert(given, option, f"{prefix}{key}")
        if found:
            problems.extend(found)
            values[key] = (
                _fitting(given, option.elements or Option()) if option.kind == "list" else None
            )
    return Entry(values, problems)


def _fitting(given: Any, option: Option) -> list[Any]:
    converted = (
        [convert(value, option, "") for value in given] if isinstance(given, (list, tuple)) else []
    )
    return [value for value, found in converted if not found]


def fitting(value: Given, options: Mapping[str, Option]) -> tuple[Values, list[str]]:
    """The valid part of a dictionary with problems, and the keys that are missing or invalid. Those
    get their defaults; a list or a dictionary keeps its valid part.
    """
    result: Values = {}
    refused: list[str] = []
    for key, option in options.items():
        given = option.default if value.get(key) is None else value[key]
        if given is None:
            result[key] = None
            found = option.required
        else:
            result[key], problems = convert(given, option, "")
            found = bool(problems)
            if found:
                result[key] = _what_fits(given, option)
        refused += [key] if found else []
    return result, refused


def _what_fits(given: Any, option: Option) -> Any:
    if option.kind == "dict" and option.options is not None:
        return fitting(given if isinstance(given, Mapping) else {}, option.options)[0]
    if option.kind == "dict":
        pairs = given.items() if isinstance(given, Mapping) else ()
        each = [_entries({name: value}, option, "") for name, value in pairs]
        return {name: value for entry, found in each if not found for name, value in entry.items()}
    if option.kind == "list":
        return _fitting(given, _each(option))
    return option.default


def merge(below: Given, above: Given, depth: int = 0) -> Values:
    """Merge one dictionary into another: dictionaries merge, lists and values replace."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping) and depth < DEEPEST
        result[key] = merge(under, value, depth + 1) if both else value  # type: ignore[arg-type]
    return result


def convert(given: Any, option: Option, where: str) -> Checked:
    """Convert one value to the type of its option; the problems name it by where."""
    if option.kind == "dict":
        if not isinstance(given, Mapping):
            return Checked(given, [refusal(where, "be a dictionary", given, option.secret)])
        if option.options is not None:
            return Checked(*normalize(given, option.options, where))
        return _entries(given, option, where)
    if option.kind == "list":
        return _elements(given, option, where)
    try:
        value = _scalar(given, option)
    except _Unfit as unfit:
        return Checked(given, [refusal(where, str(unfit), given, option.secret)])
    return Checked(value, [])


def refusal(where: str, must: str, given: Any, secret: bool = False) -> str:
    """The message about an invalid value: what it must be, and what it is."""
    return f"{where} must {must}; {'its value is hidden' if secret else f'got {show(given)}'}."


def _entries(given: Mapping[Any, Any], option: Option, where: str) -> Checked:
    result: Values = {}
    problems: list[str] = []
    for name, value in given.items():
        # NO and ON are booleans in YAML.
        if (
            not isinstance(name, str)
            or len(name) > LONGEST
            or not re.fullmatch(option.pattern or r".+", name, re.ASCII)
        ):
            problems.append(
                f"{where} has the name {show_name(name)}; {option.allowed or 'names are strings'}."
            )
            continue
        if option.elements:
            result[str(name)], found = convert(value, option.elements, f"{where}: {name}")
            problems.extend(found)
        else:
            result[str(name)] = value
    return Checked(result, problems)


def _each(option: Option) -> Option:
    """The option of one element of a list."""
    return option.elements or Option(
        kind="dict" if option.options is not None else "str", options=option.options
    )


def _elements(given: Any, option: Option, where: str) -> Checked:
    each = _each(option)
    if not isinstance(given, (list, tuple)):
        return Checked(given, [refusal(where, "be a list", given, option.secret or each.secret)])
    if option.filled and not given:
        words = "write" if option.required else "leave it out, or write"
        allowed = (option.elements or option).allowed or "an element"
        return Checked(given, [f"{where} is an empty list; {words} {allowed}."])
    if len(given) > option.maximum:
        must = f"have at most {option.maximum:.15g} elements"
        return Checked(given, [refusal(where, must, len(given))])
    result: list[Any] = []
    problems: list[str] = []
    for position, value in enumerate(given):
        entry, found = convert(value, each, f"{where}[{position}]")
        if option.options is None or isinstance(value, Mapping):
            result.append(entry)
        problems.extend(found)
    return Checked(result, problems)


def _scalar(given: Any, option: Option) -> Any:
    if option.kind == "bool":
        return _truth(given)
    if option.kind in ("int", "float"):
        return _number(given, option)
    if isinstance(given, float):  # YAML reads 1.10 as 1.1
        fits = re.fullmatch(option.pattern or ".*", str(given), re.ASCII)
        quoted = f": '{given}'" if fits else f", and be {option.allowed}"
        raise _Unfit(
            f"be in quotes, as YAML may lose digits of a fraction{'' if option.secret else quoted}"
        )
    text = plain_text(given)
    if text is None or isinstance(given, bool) or (option.strict and not isinstance(given, str)):
        raise _Unfit(f"be {option.allowed or 'a string in quotes'}")
    return _text(text, option)


def plain_text(given: Any) -> str | None:
    """A scalar of YAML as text, a string of Ansible Vault too; None for anything else, and for a
    scalar that can be written in several ways.
    """
    if given is None or isinstance(given, (Mapping, list, tuple, set, frozenset, bytes, date)):
        return None
    try:
        return str(given)
    except ValueError:  # a number with more digits than Python writes
        return None


def _truth(given: Any) -> bool:
    word = (plain_text(given) or "").lower()
    if word not in TRUE | FALSE:
        raise _Unfit("be true or false")
    return word in TRUE


def _number(given: Any, option: Option) -> int | float:
    what, text = option.allowed or "a number", plain_text(given)
    try:
        if (
            text is None
            or isinstance(given, bool)
            or not re.fullmatch(option.pattern or r"(?s:.*)", text, re.ASCII)
        ):
            raise ValueError
        number = int(text) if option.kind == "int" else float(text)
        if not math.isfinite(number):
            raise ValueError
    except (ValueError, OverflowError):  # more digits than Python reads are a ValueError too
        raise _Unfit(f"be {what}") from None
    if number > option.maximum:
        raise _Unfit(f"be {what}, at most {option.maximum:.15g}")
    if option.minimum is not None and number < option.minimum:
        raise _Unfit(f"be {what}, at least {option.minimum:.15g}")
    return number


def _text(text: str, option: Option) -> str:
    if option.choices and text not in option.choices:
        raise _Unfit(f"be {one_of(option.choices)}")
    if len(text) > LONGEST and not option.secret:
        raise _Unfit(f"be {option.allowed or 'a string'}, of at most {LONGEST} characters")
    if re.search("[\ud800-\udfff]", text):
        raise _Unfit("be text that UTF-8 can write")
    if option.pattern and not re.fullmatch(option.pattern, text, re.ASCII):
        raise _Unfit(f"be {option.allowed}")
    if option.check and (complaint := option.check(text)):
        raise _Unfit(complaint)
    return text
