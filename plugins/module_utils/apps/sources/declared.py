# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project says that it depends on: in pyproject.toml, setup.cfg or setup.py, or as an
archive of PyPI says of itself.

All of it is read and none of it is run. A value that only running it would show is None.
"""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .find import load_toml
from .source import read_inside

FILE_BYTES = 2**20  # of each file that is read
# in the expressions of a setup.py, where a name may stand for many others, and lines of files that
# it reads
STEPS = 20_000
# Methods that turn the content of a file into a list.
_OF_A_FILE = {"read", "read_text", "readlines", "splitlines", "split", "strip"}
_CHANGES = {
    "append",
    "extend",
    "insert",
    "remove",
    "pop",
    "clear",
    "update",
    "setdefault",
    "add",
    "sort",
    "reverse",
}
_WANTED = (
    "install_requires",
    "extras_require",
    "setup_requires",
    "python_requires",
    "name",
)  # of the arguments of setup()
_FLIT = ("tool", "flit", "metadata")
_WITH_EXTRAS = re.compile(r"([\w.-]+)\s*\[([\w\s,.-]*)\]\s*(.*)")
_OF_AN_EXTRA = re.compile(
    r"(?P<package>[^;]+);\s*(?:(?P<marker>.+?)\s+and\s+)?extra\s*==\s*['\"](?P<extra>[\w.-]+)['\"]\s*"
)


class Declared(NamedTuple):
    """What a project declares; None if only a build of it shows it."""

    file: str  # that declares it; "" without a project
    packages: list[str] | None = None
    extras: dict[str, list[str]] | None = None
    setup: tuple[str, ...] = ()  # requirements of its setup.py itself
    python: str = ""  # the versions that it requires
    name: str = ""

    def with_extras(self, extras: Iterable[str]) -> list[str] | None:
        """The packages with those of these extras, and of those that they name; KeyError for one
        that there is not.
        """
        wanted = dict.fromkeys(canonical(extra) for extra in extras)
        if self.packages is None or (wanted and self.extras is None):
            return None
        found, ahead = {*self.packages}, list(wanted)
        while ahead:
            for package in (self.extras or {})[ahead.pop()]:
                # all = ["shop[postgres]"]: the project itself comes from no index, where anybody
                # may have taken its name.
                own = _WITH_EXTRAS.fullmatch(package)
                if not own or not self.name or canonical(own[1]) != canonical(self.name):
                    found.add(package)
                    continue
                if own[3]:  # on a condition
                    return None
                more = [
                    extra
                    for extra in map(canonical, re.findall(r"[\w.-]+", own[2]))
                    if extra not in wanted
                ]
                wanted.update(dict.fromkeys(more))
                ahead += more
        return sorted(found)


def canonical(extra: str) -> str:
    """The name of an extra, which may be written in more than one way."""
    return re.sub(r"[-_.]+", "-", extra).lower()


def at(data: Any, *keys: str) -> Any:
    """The value in nested tables; None if it does not exist."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def lines_of(text: str) -> list[str]:
    """The lines as pip reads them: continued ones as one, without comments."""
    lines = (
        re.sub(r"(^|\s)#.*$", "", line).strip()
        for line in re.sub(r"\\\r?\n", " ", text).splitlines()
    )
    return [line for line in lines if line]


class Project:
    """The project of a source according to its files; each file is read once.

    Args:
        source: the directory of the application.
        known: its files.
    """

    def __init__(self, source: Path, known: Iterable[str]) -> None:
        self.source, self.known = source, set(known)
        self._files = _Files(source, self.known)

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The content of pyproject.toml; {} if it cannot be read."""
        try:
            return self.toml("pyproject.toml") if "pyproject.toml" in self.known else {}
        except (OSError, ValueError, RecursionError):
            return {}

    def toml(self, name: str) -> dict[str, Any]:
        """The content of such a file; raises if it cannot be read."""
        return load_toml(_text(self.source, name))

    @cached_property
    def setup(self) -> Declared:
        """What setup.cfg and setup.py declare."""
        return self._completed(self._setup)

    @cached_property
    def said(self) -> Declared:
        """What pyproject.toml declares, and setup.cfg and setup.py if it leaves that to them."""
        return self.in_tables(self.pyproject)

    def in_tables(self, pyproject: Mapping[str, Any]) -> Declared:
        """The same, from the content of such a file."""
        said, table = self._setup, pyproject.get("project")
        if isinstance(table, dict):
            dynamic = table["dynamic"] if isinstance(table.get("dynamic"), list) else []
            packages = (
                table.get("dependencies", [])
                if "dependencies" not in dynamic
                else _dynamic(self._files, pyproject) or said.packages
            )
            extras = (
                table.get("optional-dependencies", {})
                if "optional-dependencies" not in dynamic
                else said.extras
            )
            name = table["name"] if isinstance(table.get("name"), str) else ""
            said = Declared(
                "pyproject.toml", _packages(packages), _extras(extras), said.setup, name=name
            )
        elif (
            not said.file
            and "build-system" in pyproject
            and (at(pyproject, "tool", "poetry") or at(pyproject, *_FLIT))
        ):
            said = Declared("pyproject.toml")
        return self._completed(said)

    @cached_property
    def _setup(self) -> Declared:
        return _of_setup(self._files)

    def _completed(self, said: Declared) -> Declared:
        """Completed with the metadata of a PyPI archive where the other files lack a value."""
        if (
            not said.file
            or (said.packages is not None and said.extras is not None)
            or "PKG-INFO" not in self.known
        ):
            return said
        packages, extras = _of_archive(self.source, self.known)
        return said._replace(
            packages=packages if said.packages is None else said.packages,
            extras=extras if said.extras is None else said.extras,
        )


def _text(source: Path, name: str) -> str:
    return read_inside(source, name, FILE_BYTES).decode("utf-8-sig")


def _spaced(text: str) -> str:
    """A text with one space between words: many of them keep a pattern busy for minutes."""
    return re.sub(r"(?<=\S)[ \t]+", " ", text)


class _Files:
    """The files of a source that others of its files name: 1 MB in all, each counted once."""

    def __init__(self, source: Path, known: set[str]) -> None:
        self.source, self.known, self.left = source, known, FILE_BYTES

    def lines(self, name: str) -> list[str]:
        text = _text(self.source, name)
        self.left -= len(text) + 100
        if self.left < 0:
            raise ValueError(f"{name} and others are more than 1 MB")
        return lines_of(text)


def _packages(listed: Any) -> list[str] | None:
    """A list of packages; None if it is not one, or contains anything else."""
    good = isinstance(listed, list) and all(
        isinstance(each, str) and each.isprintable() for each in listed
    )
    packages = [each.strip() for each in listed if each.strip()] if good else []
    return (
        packages
        if good and not any(each.startswith(("-", ".", "/")) for each in packages)
        else None
    )


def _extras(tables: Any) -> dict[str, list[str]] | None:
    if not isinstance(tables, dict):
        return None
    found = {canonical(str(extra)): _packages(listed) for extra, listed in tables.items()}
    return (
        {extra: packages for extra, packages in found.items() if packages is not None}
        if None not in found.values()
        else None
    )


def _dynamic(known: _Files, pyproject: Mapping[str, Any]) -> list[str] | None:
    """The files that setuptools reads for [project]."""
    files = at(pyproject, "tool", "setuptools", "dynamic", "dependencies", "file")
    files = [files] if isinstance(files, str) else files
    if not isinstance(files, list) or not all(
        isinstance(file, str) and file in known.known for file in files
    ):
        return None
    try:
        return [line for file in files for line in known.lines(file)]
    except (OSError, ValueError):
        return None


def _of_setup(files: _Files) -> Declared:
    """What setup.cfg declares, else setup.py."""
    options, described = _configuration(files.source, files.known)
    arguments = _arguments(files)
    if arguments is None and not described:
        return Declared("")
    arguments, table = arguments or {}, "options.extras_require"
    packages = (
        _list(files, options["options"]["install_requires"])
        if "install_requires" in options["options"]
        else None
    )
    if packages is None and "install_requires" not in options["options"]:
        packages = arguments.get("install_requires", [])
    extras = (
        {extra: _list(files, text) for extra, text in options[table].items()}
        if table in options
        else None
    )
    if table not in options:
        extras = arguments.get("extras_require", {})
    own, extras = _unconditional(packages, extras)
    needed = _packages(arguments.get("setup_requires")) or []
    needed += _list(files, options["options"].get("setup_requires", "")) or []
    python = options["options"].get("python_requires") or arguments.get("python_requires")
    file = (
        "setup.py"
        if "setup.py" in files.known and "install_requires" not in options["options"]
        else "setup.cfg"
    )
    name = options.get("metadata", {}).get("name") or arguments.get("name")
    python, name = (said if isinstance(said, str) else "" for said in (python, name))
    return Declared(file, _packages(own), _extras(extras), tuple(needed), python, name)


def _unconditional(packages: Any, extras: Any) -> tuple[Any, Any]:
    """Packages and extras, if names in extras_require contain conditions."""
    if not isinstance(extras, dict) or not all(
        isinstance(name, str) and isinstance(listed, list) for name, listed in extras.items()
    ):
        return packages, None
    found: dict[str, list[Any]] = {}
    for section, listed in extras.items():
        name, _colon, marker = section.partition(":")
        found.setdefault(name, []).extend(
            _marked(each, marker) if isinstance(each, str) and marker else each for each in listed
        )
    always = found.pop("", [])
    return [*packages, *always] if isinstance(packages, list) else packages, found


def _marked(package: str, marker: str) -> str:
    name, semicolon, own = package.partition(";")
    return (
        f"{name.strip()}; ({own.strip()}) and ({marker})"
        if semicolon
        else f"{name.strip()}; {marker}"
    )


def _configuration(source: Path, known: set[str]) -> tuple[dict[str, dict[str, str]], bool]:
    """The sections of setup.cfg, and whether it describes a project that pip would install."""
    read = configparser.RawConfigParser()
    try:
        read.read_string(_spaced(_text(source, "setup.cfg")) if "setup.cfg" in known else "")
    except (OSError, ValueError, configparser.Error):
        return {"options": {}}, False
    sections = {name: dict(read[name]) for name in read.sections()}
    described = bool(
        sections.get("metadata", {}).get("name")
    ) or "install_requires" in sections.get("options", {})
    return {"options": {}, **sections}, described


def _list(known: _Files, text: str) -> list[str] | None:
    """A list of setup.cfg, which may be in files."""
    if text.startswith("file:"):
        files = [file.strip() for file in text[5:].split(",")]
        try:
            return (
                [line for file in files for line in known.lines(file)]
                if known.known.issuperset(files)
                else None
            )
        except (OSError, ValueError):
            return None
    return [
        each.strip()
        for each in (text.splitlines() if "\n" in text else text.split(";"))
        if each.strip()
    ]


def _of_archive(
    source: Path, known: set[str]
) -> tuple[list[str] | None, dict[str, list[str]] | None]:
    """What PKG-INFO or, beside an older one, requires.txt says. Who has no PKG-INFO may have left
    an old requires.txt behind.
    """
    try:
        head = _spaced(_text(source, "PKG-INFO").partition("\n\n")[0])
        packages: list[str] = []
        extras: dict[str, list[str]] = {
            canonical(name): [] for name in re.findall(r"(?m)^Provides-Extra: (\S+)$", head)
        }
        for line in re.findall(r"(?m)^Requires-Dist: (.+)$", head):
            if match := _OF_AN_EXTRA.fullmatch(line):
                marker = f"; {match['marker']}" if match["marker"] else ""
                extras.setdefault(canonical(match["extra"]), []).append(
                    match["package"].strip() + marker
                )
            elif "extra" in line.partition(";")[2]:
                return None, None
            else:
                packages.append(line.strip())
        if packages or extras:
            return _packages(packages), _extras(extras)
        file = next(
            (
                name
                for name in sorted(known)
                if re.fullmatch(r"(?:src/)?[^/]+\.egg-info/requires\.txt", name)
            ),
            "",
        )
        sections: dict[str, list[str]] = {"": []}
        section = ""
        for line in lines_of(_text(source, file)) if file else []:
            if line.startswith("["):
                section = line.strip("[]")
                sections.setdefault(section, [])
            else:
                sections[section].append(line)
        own, more = _unconditional([], sections)
        return (_packages(own), _extras(more)) if file else (None, None)
    except (OSError, ValueError):
        return None, None


# --- setup.py -------------------------------------------------------------------------------------


class _UnknownError(Exception):
    """Only running the code would show the value."""


def _arguments(files: _Files) -> dict[str, Any] | None:
    """The arguments of setup(), each None if only running it would show it; None where there is no
    such call of setuptools.
    """
    try:
        text = _text(files.source, "setup.py") if "setup.py" in files.known else ""
        if "setuptools" not in text and "distutils" not in text:
            return None
        tree = ast.parse(text)
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and _name(node.func) == "setup"
        ]
        return _Reader(files, tree).arguments(calls[-1]) if calls else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _name(node: ast.AST) -> str:
    return (
        node.attr
        if isinstance(node, ast.Attribute)
        else node.id
        if isinstance(node, ast.Name)
        else ""
    )


class _Reader:
    """Constants of a setup.py, also by their names, and the lines of files that it opens."""

    def __init__(self, files: _Files, tree: ast.Module) -> None:
        self.files, self.steps = files, STEPS
        self.names: dict[str, ast.expr] = {}
        stored: Counter[str] = Counter()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                stored[node.id] += 1
            if isinstance(node, ast.AugAssign) or (
                isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
            ):
                stored[_name(node.target if isinstance(node, ast.AugAssign) else node.value)] += 2
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _CHANGES
            ):
                stored[_name(node.func.value)] += 2
        for node in tree.body:
            self._assigned(node)
        self.names = {name: value for name, value in self.names.items() if stored[name] == 1}

    def _assigned(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            self.names[_name(node.targets[0])] = node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            self.names[_name(node.target)] = node.value
        elif isinstance(node, ast.With):
            self.names.update(
                (_name(item.optional_vars), item.context_expr)
                for item in node.items
                if item.optional_vars
            )
            for each in node.body:
                self._assigned(each)

    def arguments(self, call: ast.Call) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for keyword in call.keywords:
            if keyword.arg and keyword.arg not in _WANTED:
                continue
            value = self._or_none(keyword.value)
            if keyword.arg:
                found[keyword.arg] = value
            elif isinstance(value, dict):
                found.update(value)
            else:
                found = {**dict.fromkeys(_WANTED), **found}
        return found

    def _or_none(self, node: ast.expr) -> Any:
        try:
            return self.value(node)
        except (_UnknownError, OSError, ValueError, RecursionError):
            return None

    def _step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            raise _UnknownError

    def value(self, node: ast.AST) -> Any:
        self._step()
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            parts = [
                self.value(each.value) if isinstance(each, ast.Starred) else [self.value(each)]
                for each in node.elts
            ]
            self._step(sum(len(self._is(part, list)) for part in parts) // 100)
            return [each for part in parts for each in part]
        if isinstance(node, ast.Dict):
            return self._dictionary(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = self._is(self.value(node.left), list, str)
            right = self._is(self.value(node.right), type(left))
            self._step((len(left) + len(right)) // 100)
            return left + right
        if isinstance(node, ast.Name) and node.id in self.names:
            return self.value(self.names[node.id])
        if (
            isinstance(node, ast.Call)
            and _name(node.func) in ("list", "tuple", "dict")
            and len(node.args) == 1
            and not node.keywords
        ):
            return self.value(node.args[0])
        if isinstance(node, ast.Subscript):
            return self._is(self.value(node.value), dict).get(self._is(self.value(node.slice), str))
        return self._lines(node)

    @staticmethod
    def _is(value: Any, *kinds: type) -> Any:
        if not isinstance(value, kinds):
            raise _UnknownError
        return value

    def _dictionary(self, node: ast.Dict) -> dict[str, Any]:
        """With None for each value that only running the code would show."""
        found: dict[str, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self._is(self.value(value), dict))
            else:
                found[self._is(self.value(key), str)] = self._or_none(value)
        return found

    def _lines(self, node: ast.AST) -> list[str]:
        """open(FILE).read().splitlines() and the like."""
        whole = node
        while (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _OF_A_FILE
        ):
            self._step()  # text = text.strip(), of what is imported, leads to itself
            node = node.func.value
            node = self.names.get(node.id, node) if isinstance(node, ast.Name) else node
        if isinstance(node, ast.Call) and _name(node.func) == "open" and node.args:
            node = node.args[0]
        elif node is whole:  # a path alone
            raise _UnknownError
        file = posixpath.normpath(self._path(node))
        if file not in self.files.known:
            raise _UnknownError
        lines = self.files.lines(file)
        self._step(len(lines))
        return lines

    def _path(self, node: ast.AST) -> str:
        """The constants at the end of a path; before them is the directory of the setup.py, in
        whatever way it is found.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.Call) and _name(node.func) == "join" and node.args:
            parts = [
                self._is(each.value, str) for each in node.args if isinstance(each, ast.Constant)
            ]
            if any(
                isinstance(each, ast.Constant) for each in node.args[: len(node.args) - len(parts)]
            ):
                raise _UnknownError
            joined: str = posixpath.join("", *parts)
            return joined
        if isinstance(node, ast.Call) and _name(node.func) == "Path" and node.args:
            return self._path(node.args[0])
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and isinstance(node.right, ast.Constant)
        ):
            return str(self._is(node.right.value, str))
        raise _UnknownError
