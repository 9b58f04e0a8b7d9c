# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the Flask application in a directory, reading the source without running it.

The same file is in the runtime image, where the entrypoint looks once more at what the image really holds: it imports nothing but
the standard library.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

LIMIT = 1 << 20  # bytes of a module that is read
# What the Flask documentation and the seeds' images use.
MODULES = ("wsgi", "app", "main", "application", "app.main")
CALLABLES = ("app", "application", "create_app()", "make_app()")


class NotFound(Exception):
    """No application is there; the text says where it was looked for."""


class Unreadable(NotFound):
    """A module that may have it cannot be read by this Python; by a newer one it may be."""


def find(root: Path, module: str = "", callable_name: str = "", name: str = "") -> tuple[str, str]:
    """The module and the callable in it, as V(shop.web) and V(app) or V(create_app(\\)).

    Args:
        root: the directory that imports start from.
        module: the one to look in; empty for those of the convention.
        callable_name: the one to look for; empty for those of the convention.
        name: of the application, tried as a module of the convention too.

    Raises:
        NotFound: when there is none; Unreadable where this Python cannot tell.
    """
    candidates = [module] if module else [*MODULES, *([name.replace("-", "_")] if name else [])]
    wanted = [callable_name] if callable_name else list(CALLABLES)
    looked, unreadable = [], False
    for candidate in dict.fromkeys(candidates):
        file = module_file(root, candidate)
        if file is None:
            continue
        try:
            defined, note = defined_names(file), ""
        except (SyntaxError, ValueError) as error:
            defined, note, unreadable = set(), f" (a syntax error in line {getattr(error, 'lineno', None) or 1})", True
        except (RecursionError, MemoryError, OSError):
            defined, note, unreadable = set(), " (too large or too deeply nested to be read)", True
        found = next((each for each in wanted if each in defined or _with_arguments(each) in defined), None)
        if found or (module and callable_name):
            return candidate, found or callable_name
        looked.append(f"{file.relative_to(root)}{note}")
    if module and callable_name:  # it may come with the requirements
        return module, callable_name
    raise (Unreadable if unreadable else NotFound)(
        f"no Flask application was found in {root}: looked for {', '.join(wanted)} in "
        f"{', '.join(looked) or 'the modules ' + ', '.join(candidates) + ', of which there is none'}; "
        "write module and callable, for example module: shop.web, callable: app."
    )


def _with_arguments(wanted: str) -> str:
    """How defined_names has a factory that is called with arguments; "" for anything else."""
    name, parenthesis, arguments = wanted.partition("(")
    return f"{name}(" if parenthesis and arguments != ")" else ""


def module_file(source: Path, module: str) -> Path | None:
    base = source.joinpath(*module.split("."))
    for file in (base.with_name(base.name + ".py"), base / "__init__.py"):
        try:
            if file.is_file():
                return file
        except OSError:  # a name that no file can have
            continue
    return None


def defined_names(file: Path) -> set[str]:
    """The names that a module binds at its top level; a factory has parentheses, and what is imported may be one.

    One that may be called with arguments has an open parenthesis.
    """
    with file.open("rb") as opened:
        content = opened.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise MemoryError
    tree = ast.parse(content)
    names: set[str] = set()
    for node in _statements(tree.body):
        if isinstance(node, ast.Assign):
            names.update(name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound = {alias.asname or alias.name for alias in node.names}
            names.update(bound, (f"{name}()" for name in bound), (f"{name}(" for name in bound))
        elif isinstance(node, ast.FunctionDef):
            names.add(f"{node.name}(")
            if not _needs_arguments(node.args):
                names.add(f"{node.name}()")
    return names


def _needs_arguments(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional > len(arguments.defaults) or None in arguments.kw_defaults


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, those in if, try and with among them."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                yield from _statements(getattr(node, field, []))
