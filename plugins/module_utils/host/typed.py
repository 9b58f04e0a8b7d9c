# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses out of dictionaries, and back: the border between the types of this collection
and Ansible or JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Noun = TypeVar("Noun")


def _shape_of(noun: Any) -> list[tuple[str, Any, bool]]:
    """Each field: its name, the dataclass that is in it, and whether it is a tuple."""
    hints = get_type_hints(noun)
    shape = []
    for field in fields(noun):
        many = get_origin(hints[field.name]) is tuple
        inner = get_args(hints[field.name])[0] if many else hints[field.name]
        shape.append((field.name, inner if is_dataclass(inner) else None, many))
    return shape


_shape: Callable[[Any], list[tuple[str, Any, bool]]] = cache(_shape_of)


def read(noun: type[Noun], given: Mapping[str, Any]) -> Noun:
    """A dataclass from a dictionary. A missing key gets the default of its field; a key that the
    dataclass does not have is ignored.
    """
    values = {}
    for name, inner, many in _shape(noun):
        if name in given:
            value = given[name]
            if inner is None:
                values[name] = tuple(value) if many else value
            elif many:
                values[name] = tuple(read(inner, each) for each in value)
            else:
                values[name] = read(inner, value)
    return noun(**values)


def plain(noun: Any) -> dict[str, Any]:
    """A dataclass as a dictionary of what JSON has."""
    values: dict[str, Any] = {}
    for name, inner, many in _shape(type(noun)):
        value = getattr(noun, name)
        if many:
            values[name] = [plain(each) for each in value] if inner else list(value)
        else:
            values[name] = plain(value) if inner else value
    return values
