# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry of flask_apps while it is completed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..releases.app import App

Noun = TypeVar("Noun")


def _with(noun: Noun, values: Mapping[str, Any]) -> Noun:
    """A copy with other values; dataclasses.replace takes ten times as long for an entry."""
    made = copy(noun)
    if unknown := values.keys() - vars(made).keys():
        raise TypeError(f"{type(noun).__name__} has no {', '.join(sorted(unknown))}")
    vars(made).update(values)
    return made


@dataclass
class Draft:
    """One entry, and its problems and notes.

    Args:
        app: the entry so far. A value that was refused has its default, or "".
        given: the entry as it was written, over flask_apps_defaults.
        own: the entry alone.
        refused: the keys that are missing, or whose values were refused.
        sound: whether it has no problems of this kind.
    """

    app: App
    given: Mapping[str, Any]
    own: Mapping[str, Any]
    refused: Collection[str] = ()
    sound: bool = True
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def set(self, **values: Any) -> None:
        """Set fields of the entry."""
        self.app = _with(self.app, values)

    def set_build(self, **values: Any) -> None:
        """Set fields of its build."""
        self.app = _with(self.app, {"build": _with(self.app.build, values)})

    def refuse(self, *problems: str) -> None:
        """Report problems, as sentences."""
        self.problems += problems

    def note(self, *notes: str) -> None:
        """Report what was understood, as sentences."""
        self.notes += notes

    def is_refused(self, *keys: str) -> bool:
        """Whether one of these keys has an invalid value."""
        return any(key in self.refused for key in keys)

    def written(self, keys: Iterable[str]) -> list[str]:
        """Those of these keys that the entry itself sets, without flask_apps_defaults."""
        return [key for key in keys if self.own.get(key)]
