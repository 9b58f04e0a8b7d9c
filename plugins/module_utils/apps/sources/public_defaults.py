# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets that an application takes from a default in its source, which everybody can read.
No code of the source is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from ...releases.app import App
from . import own_code

SHOWN = 5  # names in the warning

_WORDS = {"SECRET", "KEY", "TOKEN", "PASSWORD"}
_JOINED = re.compile(r"(API|SECRET|ACCESS|PRIVATE|AUTH|DB)(KEY|TOKEN|PASSWORD)")
# Words of names that are about a secret, or about other keys, but are not secret.
_ABOUT = frozenset(
    ("FILE", "PATH", "DIR", "DIRECTORY", "FOLDER", "URL", "URI", "HOST", "PORT", "PREFIX", "SUFFIX")
)
_ABOUT |= {
    "NAME",
    "HEADER",
    "FIELD",
    "PARAM",
    "LOCATION",
    "TYPE",
    "FORMAT",
    "ALGORITHM",
    "METHOD",
    "LENGTH",
}
_ABOUT |= {
    "SIZE",
    "MIN",
    "MAX",
    "COUNT",
    "LIMIT",
    "TTL",
    "AGE",
    "EXPIRE",
    "EXPIRES",
    "EXPIRY",
    "EXPIRATION",
}
_ABOUT |= {
    "LIFETIME",
    "TIMEOUT",
    "SECONDS",
    "MINUTES",
    "HOURS",
    "DAYS",
    "DELTA",
    "ENABLED",
    "REQUIRED",
    "ROUNDS",
}
_ABOUT |= {"ID", "FUNC", "HASH", "PUBLIC", "SITE", "SORT", "PRIMARY", "FOREIGN", "CACHE"}
_CALL = re.compile(rb"environ|getenv|\b(config|env)\b")
_NAME = re.compile(rb"(?i)secret|key|token|password")
# What is not a secret: nothing, a number, a word for yes or no, a place.
_HARMLESS = re.compile(
    r"(?is)\s*(\d+(\.\d+)?|true|false|yes|no|on|off|none|null|[./~].*|\w+://.*)?\s*"
)


# Methods of Flask's configuration that read a file over its defaults.
_READS = ("from_pyfile", "from_file", "from_envvar", "from_json")
# Code that reads variables without writing their names: all variables, or those that its
# configuration names.
_ENVIRON = rb"\b(?:os\s*\.\s*)?environ\b"
_MADE = (
    rb"\s*(?:[fF]['\"]|['\"][^'\"]{0,80}['\"]\s*[+%.]|[A-Za-z_][\w.]{0,80}\s*[\]),+]"
    rb"|[A-Za-z_][\w.]{0,80}\()"
)
_WHOLE = re.compile(
    _ENVIRON + rb"\s*(?:\[|\.(?:get|pop)\()" + _MADE + rb"|\bgetenv\(" + _MADE
    + rb"|\bfor\s+\w[\w, ()]{0,80}\sin\s+" + _ENVIRON + rb"|" + _ENVIRON + rb"\.items\("
    + rb"|\b(?:from_mapping|update|from_dict|load)\(\s*(?:\*\*)?" + _ENVIRON + rb"|\bBaseSettings\b"
)  # fmt: skip
# Code that reads one variable by its name.
_BY_NAME = re.compile(rb"(?:environ|getenv)\W{1,9}(?:(?:get|pop|setdefault)\W{1,4})?(\w+)")
# Code that reads variables with a prefix before the name.
_PREFIXED = re.compile(
    rb"\bfrom_prefixed_env\b|\bprefixed\(|\benv(?:vars?)?_prefix\b|\bprefix\s*=\s*['\"]\w+_['\"]|\b[Dd]ynaconf\b"
)


class Default(NamedTuple):
    """A name, where its default is, and whether only a settings file overrides it."""

    name: str
    file: str
    line: int
    of_file: bool


def warning(app: App) -> str:
    """The warning about a complete entry without problems; "" if the entry sets all such names, or
    has no source.
    """
    if app.build.kind == "image":
        return ""
    found: dict[str, Default] = {}
    for default in _of_source(app):
        found.setdefault(default.name, default)
    if not found:
        return ""
    places = [
        f"{each.name} ({each.file}, line {each.line})" for each in list(found.values())[:SHOWN]
    ]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    first = next(iter(found.values()))
    key = f"secrets: {{{first.name}: …}}, with a value that only you know"
    if first.name in app.secrets and not first.of_file:
        key = (
            "secrets_as: environment, for the secret of that name is a file alone, which is not"
            " read there"
        )
    if first.of_file:
        key = (
            f"config_files: [{{path: …, content: …}}] with the file that it reads, and {first.name}"
            " in it"
        )
    return (
        f"{app.name}: the source has a public default for {', '.join(places)}{more}, and the"
        f" entry gives no other. Write {key}, or env: {{{first.name}: …}} if the default is not"
        " a secret."
    )


def _of_source(app: App) -> Iterator[Default]:
    """The defaults that the entry does not override where the application reads them."""
    files = {f"{name}_FILE".encode(): name.upper() for name in app.secrets}
    words = {word for entry in app.config_files for word in re.findall(r"\w+", entry.content)}
    in_files = {name.upper() for name in (*words, *app.env)}
    secrets = app.secrets if app.secrets_as == "environment" else ()
    variables = {name.upper() for name in (*app.private_env, *secrets, *app.env)}
    given = in_files | variables
    found: list[Default] = []
    for file, content, tree in own_code.modules(app.source, _CALL, _NAME):
        # A module that also reads the file of a secret has it, with secrets_as: file too.
        here = given | {name for word, name in files.items() if word in content}
        for name, line, of_file in (*_of_environment(tree), *_of_configuration(tree)):
            if name.upper() not in (in_files if of_file else here):
                found.append(Default(name, file, line, of_file))
    if not found:
        return
    read = _Read.of(app.source, {each.name for each in found})
    for each in found:
        of_file = each.of_file and not read.takes(each.name, each.name)
        if not any(read.takes(each.name, variable) for variable in variables):
            yield each._replace(of_file=of_file)


class _Read(NamedTuple):
    """How a source reads variables: all, those with a prefix, and these by name."""

    whole: bool
    prefixed: bool
    named: frozenset[str]

    @classmethod
    def of(cls, source: str, names: Collection[str]) -> _Read:
        """How the source reads those of these names that have a default."""
        whole = prefixed = False
        named: set[str] = set()
        for _file, content in own_code.contents(source):
            whole = whole or bool(_WHOLE.search(content))
            prefixed = prefixed or bool(_PREFIXED.search(content))
            named.update(match[1].decode(errors="replace") for match in _BY_NAME.finditer(content))
        return cls(whole, prefixed, frozenset(named.intersection(names)))

    def takes(self, name: str, variable: str) -> bool:
        """Whether a variable may override the default of a name."""
        if variable.upper() == name.upper():
            return self.whole or name in self.named
        return (self.whole or self.prefixed) and variable.upper().endswith(f"_{name.upper()}")


def _of_environment(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """The names of secret variables that are read with a default that is a string."""
    for node in ast.walk(tree):
        name, default = "", None
        if isinstance(node, ast.Call):
            name, default = own_code.variable(node), _default_of(node)
        elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            name, default = own_code.variable(node.values[0]), node.values[-1]
        elif isinstance(node, ast.IfExp):
            name, default = own_code.variable(node.body), node.orelse
        if name and _is_secret(name) and _is_public(default):
            yield name, node.lineno, False  # type: ignore[attr-defined]


def _of_configuration(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """The defaults in Flask's configuration that prefixed variables, or a file, can override."""
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    named = {
        call.func.attr: call  # type: ignore[attr-defined]
        for call in calls
        if own_code.ends_with(call.func.value, "config")  # type: ignore[attr-defined]
    }
    prefixed = named.get("from_prefixed_env")
    prefix = "FLASK"
    if prefixed:
        given = [
            *prefixed.args[:1],
            *(keyword.value for keyword in prefixed.keywords if keyword.arg == "prefix"),
        ]
        prefix = own_code.text(given[0]) if given else prefix
    whole = not prefixed and own_code.takes_all(tree)
    if not prefixed and not whole and not set(named) & {*_READS}:
        return
    for call in calls:
        for keyword in call.keywords if call.func.attr in own_code.SETS else ():  # type: ignore[attr-defined]
            if keyword.arg and _is_secret(keyword.arg) and _is_public(keyword.value):
                name = f"{prefix}_{keyword.arg}" if prefixed else keyword.arg
                yield name, keyword.value.lineno, not prefixed and not whole


def _default_of(call: ast.Call) -> ast.expr | None:
    if len(call.args) == 2:
        return call.args[1]
    return next((keyword.value for keyword in call.keywords if keyword.arg == "default"), None)


def _is_secret(name: str) -> bool:
    """Whether a name is a secret's: it contains one of the words, and no part shows that it is only
    about a secret.
    """
    parts = [part for part in re.split(r"_|(?<=[a-z])(?=[A-Z])", name) if part]
    words = [part.upper().rstrip("0123456789") for part in parts]
    return not set(words) & _ABOUT and any(
        word in _WORDS or _JOINED.fullmatch(word) for word in words
    )


def _is_public(node: ast.expr | None) -> bool:
    """Whether an expression is a string that may be a secret."""
    value = node.value if isinstance(node, ast.Constant) else None
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return isinstance(text, str) and not _HARMLESS.fullmatch(text)
