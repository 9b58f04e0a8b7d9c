# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a dictionary of a user against a table of options, and says all that is wrong with it at once.

Ansible's own specification check stops at the first error and names neither the entry nor its value; this one names both,
what is allowed, and what to write instead.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TRUE = {"yes", "true", "on", "1"}
FALSE = {"no", "false", "off", "0"}
# An unknown key of such a name may hold what no message may show.
SECRET_NAMES = re.compile("secret|passw|token|key|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Option:
    """One key that a user may write.

    kind: str, int, float, bool, list or dict. pattern: a string has to match it whole. allowed: the words of the error message.
    options: the keys of the dictionary, or of each dictionary in the list. elements: the option that each element of a list is.
    secret: no message shows the value.
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
    secret: bool = False


class _Unfit(ValueError):
    """The value is not of the option's kind; the text says what is allowed."""


def normalize(value: Mapping[str, Any], options: Mapping[str, Option], where: str) -> tuple[dict[str, Any], list[str]]:
    """Fill the defaults of a dictionary and convert its values.

    Args:
        value: what the user wrote.
        options: the table of what may be written.
        where: how the messages name it, for example "flask_apps: shop".

    Returns:
        The complete dictionary, and the problems as sentences (empty when there are none).
    """
    result: dict[str, Any] = {}
    problems: list[str] = []
    for key in value:
        if key not in options:
            near = difflib.get_close_matches(str(key), list(options), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"allowed are {', '.join(sorted(options))}."
            shown = "hidden" if SECRET_NAMES.search(str(key)) else repr(value[key])
            problems.append(f"{where}: {key!r} is not a known key (its value is {shown}); {hint}")
    for key, option in options.items():
        given = value.get(key)
        if given is None:
            if option.required:
                problems.append(f"{where}: {key} is missing; write {key}: {option.allowed or option.kind}")
            given = option.default
            if given is None:
                result[key] = None
                continue
        result[key], found = _convert(given, option, where, key)
        problems.extend(found)
    return result, problems


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one dictionary over another; dictionaries merge, lists and values replace."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = merge(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return result


def _convert(given: Any, option: Option, where: str, key: str) -> tuple[Any, list[str]]:
    shown = "hidden" if option.secret else repr(given)
    if option.kind == "dict":
        if not isinstance(given, Mapping):
            return given, [f"{where}: {key} is {shown}; it has to be a dictionary."]
        if option.options is not None:
            return normalize(given, option.options, f"{where}: {key}")
        return _entries(given, option, where, key)
    if option.kind == "list":
        return _elements(given, option, where, key)
    try:
        value = _scalar(given, option)
    except _Unfit as unfit:
        return given, [f"{where}: {key} is {shown}; {unfit}"]
    return value, []


def _entries(given: Mapping[Any, Any], option: Option, where: str, key: str) -> tuple[dict[str, Any], list[str]]:
    result, problems = {}, []
    for name, value in given.items():
        if not re.fullmatch(option.pattern or r".+", str(name)):
            problems.append(f"{where}: {key} has the name {name!r}; {option.allowed}.")
            continue
        if option.elements:
            result[str(name)], found = _convert(value, option.elements, f"{where}: {key}", str(name))
            problems.extend(found)
        else:
            result[str(name)] = value
    return result, problems


def _elements(given: Any, option: Option, where: str, key: str) -> tuple[Any, list[str]]:
    if not isinstance(given, (list, tuple)):
        return given, [f"{where}: {key} is {given!r}; it has to be a list."]
    result, problems = [], []
    for position, value in enumerate(given):
        if option.options is not None and not isinstance(value, Mapping):
            problems.append(f"{where}: {key}[{position}] is {value!r}; it has to be a dictionary.")
        elif option.options is not None:
            entry, found = normalize(value, option.options, f"{where}: {key}[{position}]")
            result.append(entry)
            problems.extend(found)
        else:
            entry, found = _convert(value, option.elements or Option(), where, f"{key}[{position}]")
            result.append(entry)
            problems.extend(found)
    return result, problems


def _scalar(given: Any, option: Option) -> Any:
    if option.kind == "bool":
        if isinstance(given, bool):
            return given
        if str(given).lower() in TRUE | FALSE:
            return str(given).lower() in TRUE
        raise _Unfit("it has to be true or false.")
    numeric = option.kind in ("int", "float")
    if given is None or isinstance(given, (bool, Mapping, list)):
        raise _Unfit(f"it has to be {option.allowed or ('a number' if numeric else 'a string, so put it in quotes')}.")
    if numeric:
        try:
            number = int(str(given)) if option.kind == "int" else float(str(given))
            if not math.isfinite(number):
                raise ValueError
        except ValueError:
            raise _Unfit(f"it has to be {option.allowed or 'a number'}.") from None
        if number > option.maximum:
            raise _Unfit(f"it has to be {option.allowed or 'a number'}, at most {option.maximum:g}.")
        if option.minimum is not None and number < option.minimum:
            raise _Unfit(f"it has to be {option.allowed or 'a number'}, at least {option.minimum:g}.")
        return number
    if isinstance(given, float):  # 1.10 was written, and 1.1 is left of it
        raise _Unfit(f"it is a number with a fraction, of which YAML may have lost digits; put it in quotes: '{given}'.")
    text = str(given)
    if option.choices and text not in option.choices:
        raise _Unfit(f"choose {' or '.join(option.choices)}.")
    if option.pattern and not re.fullmatch(option.pattern, text, re.ASCII):
        raise _Unfit(f"it has to be {option.allowed}.")
    if option.check and (complaint := option.check(text)):
        raise _Unfit(complaint)
    return text
