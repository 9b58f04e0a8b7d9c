# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets that an application takes from a default of its source, which everybody can read. Reads the source, runs nothing of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.flaskops.host.plugins.module_utils._source import read_inside, source_files

FILE_BYTES = 2**19  # of a module that is read; a longer one was not written by hand
READ_BYTES = 2**24  # of all modules that are looked into
PARSED_BYTES = 2**22  # of those that are parsed: such a name and such a call are in them
SHOWN = 5  # names in the warning

# Not run by the application, or not its own.
_ELSEWHERE = re.compile(
    r"(^|/)((tests?|testing|docs?|examples?|samples?|node_modules|bower_components|site-packages|dist-packages|vendor(ed)?|_vendor|"
    r"third_?party|extern(al)?|migrations|v?env|virtualenv|build|dist|\.[^/]*)/|(test_[^/]*|[^/]*_test|conftest|setup|noxfile)\.py$)",
    re.IGNORECASE,
)
_WORDS = {"SECRET", "KEY", "TOKEN", "PASSWORD"}
_JOINED = re.compile(r"(API|SECRET|ACCESS|PRIVATE|AUTH|DB)(KEY|TOKEN|PASSWORD)")
# What is about a secret, or about keys of another kind, and is none.
_ABOUT = frozenset(("FILE", "PATH", "DIR", "DIRECTORY", "FOLDER", "URL", "URI", "HOST", "PORT", "PREFIX", "SUFFIX", "NAME"))
_ABOUT |= {"HEADER", "FIELD", "PARAM", "LOCATION", "TYPE", "FORMAT", "ALGORITHM", "METHOD", "LENGTH", "SIZE", "MIN", "MAX", "COUNT", "LIMIT", "TTL", "AGE"}
_ABOUT |= {"EXPIRE", "EXPIRES", "EXPIRY", "EXPIRATION", "LIFETIME", "TIMEOUT", "SECONDS", "MINUTES", "HOURS", "DAYS", "DELTA", "ENABLED"}
_ABOUT |= {"REQUIRED", "ROUNDS", "ID", "FUNC", "HASH", "PUBLIC", "SITE", "SORT", "PRIMARY", "FOREIGN", "CACHE"}
_CALL = re.compile(rb"environ|getenv|\b(config|env)\b")
_NAME = re.compile(rb"(?i)secret|key|token|password")
# What is no secret: nothing, a number, a word for yes or no, a place.
_HARMLESS = re.compile(r"\s*(\d+(\.\d+)?|true|false|yes|no|on|off|none|null|[./~].*|\w+://.*)?\s*", re.IGNORECASE | re.DOTALL)


class Default(NamedTuple):
    """A name, and where its default is."""

    name: str
    file: str
    line: int


def warning(app: Mapping[str, Any]) -> str:
    """What to say of a complete entry without problems; "" where all such names were given, or there is no source."""
    if app["build"]["kind"] == "image":
        return ""
    found: dict[str, Default] = {}
    for default in _of_source(app["source"], _given(app), app["secrets"]):
        found.setdefault(default.name, default)
    if not found:
        return ""
    places = [f"{each.name} ({each.file}, line {each.line})" for each in list(found.values())[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    first = next(iter(found))
    return (
        f"{app['name']}: the source has a public default for {', '.join(places)}{more}, and the entry gives no other. Write "
        f"secrets: {{{first}: …}}, with a value that only you know, or env: {{{first}: …}} where the default is no secret."
    )


def _given(app: Mapping[str, Any]) -> set[str]:
    """The names that have a value where the application looks: of secrets that are files alone none."""
    names = {*app["env"], *app["private_env"], *(app["secrets"] if app["secrets_as"] == "environment" else ())}
    words = {word for entry in app["config_files"] for word in re.findall(r"\w+", entry["content"])}
    return {name.upper() for name in (*names, *words)}


def _of_source(source: str, given: Iterable[str], secrets: Iterable[str]) -> Iterator[Default]:
    files = {f"{name}_FILE".encode(): name.upper() for name in secrets}
    known, read, parsed = set(given), 0, 0
    for file in source_files(source):
        if not file.endswith(".py") or _ELSEWHERE.search(file):
            continue
        try:
            content = read_inside(source, file, FILE_BYTES)
            read += len(content)
            if not (_CALL.search(content) and _NAME.search(content)):
                continue
            parsed += len(content)
            if read > READ_BYTES or parsed > PARSED_BYTES:
                return
            found = list(_of_module(ast.parse(content)))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        # Who reads the file of a secret too has got it, with secrets_as: file as well.
        here = known | {name for word, name in files.items() if word in content}
        yield from (Default(name, file, line) for name, line in found if name.upper() not in here)


def _of_module(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The names of variables that are read with a default that is a text, and is a secret's."""
    for node in ast.walk(tree):
        name, default = "", None
        if isinstance(node, ast.Call):
            name, default = _name_of(node), _default_of(node)
        elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            name, default = _name_of(node.values[0]), node.values[-1]
        elif isinstance(node, ast.IfExp):
            name, default = _name_of(node.body), node.orelse
        if name and _is_secret(name) and isinstance(default, ast.Constant) and _is_public(default.value):
            yield name, node.lineno  # type: ignore[attr-defined]


def _name_of(node: ast.expr) -> str:
    """The name of the variable that an expression reads from the environment; "" where it reads none."""
    if isinstance(node, ast.Subscript):
        return _text(node.slice) if _ends_with(node.value, "environ") else ""
    if not isinstance(node, ast.Call) or not node.args:
        return ""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr in ("get", "setdefault", "pop"):
        return _text(node.args[0]) if _ends_with(function.value, "environ", "env") else ""
    # os.getenv; config and env of python-decouple, environs and django-environ, with or without a kind such as env.str.
    if _ends_with(function, "getenv", "config", "env") or (isinstance(function, ast.Attribute) and _ends_with(function.value, "env")):
        return _text(node.args[0])
    return ""


def _default_of(call: ast.Call) -> ast.expr | None:
    if len(call.args) == 2:
        return call.args[1]
    return next((keyword.value for keyword in call.keywords if keyword.arg == "default"), None)


def _ends_with(node: ast.expr, *names: str) -> bool:
    return (node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else "") in names


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier() else ""


def _is_secret(name: str) -> bool:
    """Whether a name is that of a secret: one of the words is a part of it, or ends one, and it does not say what is about one."""
    parts = [part for part in re.split(r"_|(?<=[a-z])(?=[A-Z])", name) if part]
    words = [part.upper().rstrip("0123456789") for part in parts]
    return not set(words) & _ABOUT and any(word in _WORDS or _JOINED.fullmatch(word) for word in words)


def _is_public(value: object) -> bool:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return isinstance(text, str) and not _HARMLESS.fullmatch(text)
