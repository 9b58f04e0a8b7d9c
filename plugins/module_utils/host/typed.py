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


def _fields_of(noun: Any) -> list[tuple[str, Any]]:
    hints = get_type_hints(noun)
    return [(field.name, hints[field.name]) for field in fields(noun)]


_fields: Callable[[Any], list[tuple[str, Any]]] = cache(_fields_of)


def read(noun: type[Noun], given: Mapping[str, Any]) -> Noun:
    """A dataclass from a dictionary. A missing key gets the default of its field; a key that the
    dataclass does not have is ignored.
    """
    return noun(**{name: _read(hint, given[name]) for name, hint in _fields(noun) if name in given})


def _read(hint: Any, value: Any) -> Any:
    """A value as its field has it: a dataclass, a tuple or a dictionary of them, or as it is."""
    origin, inner = get_origin(hint), get_args(hint)
    if value is None:
        return None
    if is_dataclass(hint):
        return read(hint, value) if isinstance(value, Mapping) else value  # type: ignore[arg-type]
    if origin is tuple:
        return tuple(_read(inner[0], each) for each in value)
    if origin is dict:
        return {name: _read(inner[1], each) for name, each in value.items()}
    return _read(inner[0], value) if type(None) in inner else value


def plain(noun: Any) -> dict[str, Any]:
    """A dataclass as a dictionary of what JSON has."""
    return {name: _plain(getattr(noun, name)) for name, _hint in _fields(type(noun))}


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
        """From what Ansible has."""
        return read(cls, given)

    def to_dict(self) -> dict[str, Any]:
        """For Ansible."""
        return plain(self)
