# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Compile each template once for all tests. Ansible compiles it again for each rendering, which
takes most of the time of a test that renders.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

import jinja2

_codes: dict[tuple[Any, ...], str | CodeType] = {}
_compile = jinja2.Environment.compile


def _compile_once(
    self: jinja2.Environment, source: Any, *args: Any, **kwargs: Any
) -> str | CodeType:
    # Ansible has one lexer for each set of delimiters and options. It also decides for each
    # rendering whether a backslash is one or two, which nothing here shows.
    if not isinstance(source, str) or "\\" in source:
        return _compile(self, source, *args, **kwargs)
    key = (str(source), self.lexer, args, tuple(sorted(kwargs.items())))
    if key not in _codes:
        _codes[key] = _compile(self, source, *args, **kwargs)
    return _codes[key]


def compile_each_template_once() -> None:
    jinja2.Environment.compile = _compile_once  # type: ignore[method-assign]
