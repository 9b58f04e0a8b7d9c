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


_Reader = Callable[[Any], Any]


def _fields_of(noun: Any) -> list[tuple[str, _Reader | None]]:
    hints = get_type_hints(noun)
    return [(field.name, _reader(hints[field.name])) for field in fields(noun)]


def _reader(hint: Any) -> _Reader | None:
    """What makes a value one of its field: a dataclass, or a tuple or dictionary of them. None for
    a value that stays as it is.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return lambda value: read(hint, value) if isinstance(value, Mapping) else value  # type: ignore[arg-type]
    if origin is tuple:
        each = _reader(inner[0])
        return (lambda value: tuple(map(each, value))) if each else tuple
    if origin is dict:
        one = _reader(inner[1])
        return (lambda value: {name: one(each) for name, each in value.items()}) if one else dict
    return _reader(inner[0]) if type(None) in inner else None


_fields: Callable[[Any], list[tuple[str, _Reader | None]]] = cache(_fields_of)


def read(noun: type[Noun], given: Mapping[str, Any]) -> Noun:
    """A dataclass from a dictionary. A missing key gets the default of its field; a key that the
    dataclass does not have is ignored.
    """
    values = {}
    for name, reader in _fields(noun):
        if name in given:
            value = given[name]
            values[name] = reader(value) if reader and value is not None else value
    return noun(**values)


def plain(noun: Any) -> dict[str, Any]:
    """A dataclass as a dictionary of JSON types."""
    return {name: _plain(getattr(noun, name)) for name, _reader in _fields(type(noun))}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if is_dataclass(value):
        return value.to_dict() if hasattr(value, "to_dict") else plain(value)
    return value


class Typed:
    """A dataclass that reads and writes itself."""

    @classmethod
    def from_dict(cls: type[Noun], given: Mapping[str, Any]) -> Noun:
        """From a dictionary of Ansible."""
        return read(cls, given)

    def to_dict(self) -> dict[str, Any]:
        """For Ansible."""
        return plain(self)
