# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the Flask application in a directory, reading the source without running it.

The order: what the entry writes, the Procfile, FLASK_APP, wsgi.py, the modules of the convention,
the packages of pyproject.toml and src/, and at last the only module that makes a Flask application.
Two applications of one rank are refused with the lines to write. Dockerfiles and compose files only
give hints in messages, and so do programs that start their own server.

The same file is in the runtime image, where the entrypoint looks once more at what the image really
holds: it imports nothing but the standard library, and runs on Python 3.9.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import TypeGuard

LIMIT = 1 << 20  # bytes of a file that is read
# What the Flask documentation and the images of the presets use; wsgi takes precedence.
MODULES = ("wsgi", "app", "main", "application", "app.main")
CALLABLES = ("app", "application", "create_app()", "make_app()")
# Where in a package an application is, when the package itself has none.
BELOW = ("wsgi", "app", "main", "application")
# Where imports may start from: the source, its src/, and code in app/ with the requirements beside
# it.
BASES = ("", "src", "app")
TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::([A-Za-z_]\w*(?:\(.*\))?))?", re.ASCII)
SERVERS = (
    "gunicorn",
    "waitress-serve",
    "uwsgi",
    "hypercorn",
    "uvicorn",
    "granian",
    "flask",
    "python",
    "python3",
)
# Options of servers whose value looks like a module.
_VALUES = (
    "-c",
    "--config",
    "-b",
    "--bind",
    "-k",
    "--worker-class",
    "--logger-class",
    "--host",
    "--listen",
    "-A",
    "--app",
)
_HINTS = ("Dockerfile", "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
# Directories of a source without code of the application: output of tools, tests and documentation.
# own_code.py has more.
MADE = (
    r"node_modules|bower_components|site-packages|dist-packages|v?env|virtualenv|build|dist"
    r"|__pycache__|\.[^/]*"
)
TESTS = r"tests?|docs?"
_NO_APPLICATION = re.compile(rf"{MADE}|{TESTS}|migrations", re.IGNORECASE)
LONGEST = 500  # characters of what names an application
CANDIDATES, PROGRAMS = 5, 2  # that a message lists
FILES, DEPTH, READ_BYTES = 400, 4, 1 << 23  # that are searched: their number, depth and total size
NAMES = 6  # of a module that are examined more closely
KEY_PARTS = 1000  # of a key, or words between dots, of a TOML file
ONLY = "the only Flask application that its modules make"
# Modules that are rarely meant, by a part of their names.
_ASIDE = re.compile(
    r"(?i)(.*_)?(tests?|testing|conftest|examples?|samples?|demos?|bench\w*|profil\w*|docs?|migrations?|scripts?|tools?|contrib)(_.*)?"
)
_BUILDS = {"setup", "noxfile", "versioneer"}  # they build a project, and never are its server
_PORT = re.compile(
    r"(?i)port\b['\"]?\s{0,20}[=:,]\s{0,20}(?:(?:type ?= ?int,\s{0,20})?default ?="
    r" ?)?['\"]?(\d{4,5})\b"
)
_FACTORY = re.compile(r"(?!.*celery)(create|make|build|get)_(\w+_)?app(lication)?")
# Functions that start a server; .run and .start are examined more closely.
_STARTS = (
    "serve",
    "serve_forever",
    "run_simple",
    "make_server",
    "WSGIServer",
    "HTTPServer",
    "ThreadedWSGIServer",
)
_RUN = ("app", "application", "server", "socketio", "sio", "uvicorn", "hypercorn", "web")


class NotFound(Exception):
    """No application was found. The text says where it was looked for; program is set if the text
    names a program that starts its own server.
    """

    program = False


class Unreadable(NotFound):
    """This Python cannot read a module that may have the application; a newer one may. broken:
    modules with a fault, below the root.
    """

    def __init__(self, words: str, broken: Iterable[str] = ()) -> None:
        super().__init__(words)
        self.broken = list(broken)


class Place(NamedTuple):
    """An application, such as V(shop.web) and V(app) or V(create_app(\\)).

    directory: where it is started. path: where its imports also start from. Both are below the
    root. said: the file or variable that names it.
    """

    module: str
    callable: str
    directory: str = ""
    path: str = ""
    said: str = ""

    @property
    def base(self) -> str:
        return posixpath.normpath(posixpath.join(self.directory, self.path))


def find(
    root: Path, module: str = "", callable_name: str = "", name: str = "", flask_app: str = ""
) -> Place:
    """The application of a source.

    Args:
        root: the directory that imports start from.
        module: the one to search; empty for those of the order above. callable_name: the one to
        find; empty for those of the convention. name: of the application, also tried as a module of
        the convention. flask_app: the value of FLASK_APP; empty for the value in C(.env) and
        C(.flaskenv).

    Raises:
        NotFound: if there is no application, or more than one. Unreadable: if this Python cannot
        read the modules.
    """
    search = _Search(root, callable_name)
    if module:
        return search.written(module)
    named = name.replace("-", "_")
    ranks: list[Callable[[], list[_Hit]]] = [
        lambda: search.named(procfile(root), "its Procfile"),
        lambda: search.named(_flask_app(root, flask_app), "FLASK_APP"),
        *(lambda base=base: search.look("wsgi", base) for base in BASES),
        *(partial(search.convention, [*MODULES[1:], named], base) for base in BASES),
        lambda: search.packages([*_of_pyproject(root), *_below_src(root), named]),
    ]
    for rank in ranks:
        if found := search.best(rank()):
            return found
    if found := search.only():
        return found
    raise search.failure([*MODULES, *([named] if name else [])])


class _Hit(NamedTuple):
    place: Place
    file: Path
    own: bool  # whether the module creates it, not only imports it


class _Candidate(NamedTuple):
    """A name of a module that may be the application, if no convention finds it."""

    file: Path
    module: str
    base: str
    name: str
    first: bool  # whether it is found if only the module is written
    # 0: run by a script of the source, 1: serves something, 2: serves nothing itself, 3: a test, an
    # example and the like
    rank: int


class _Search:
    """Searches one module after the other and remembers where it has searched."""

    def __init__(self, root: Path, callable_name: str) -> None:
        self.root, self.callable = root, callable_name
        self.wanted = [callable_name] if callable_name else list(CALLABLES)
        self.looked: dict[str, None] = {}
        self.passed: list[str] = []  # files that name an application that does not exist
        self.unreadable = False
        self.broken: dict[str, str] = {}  # the faults of modules that are not Python

    @cached_property
    def modules(self) -> list[_Facts]:
        return _survey(self.root)

    def written(self, module: str) -> Place:
        """The module that the entry names, wherever imports may start from. With a callable, it is
        not verified.
        """
        hits = (hit.place for base in BASES for hit in self.look(module, base, "", self.callable))
        found = next(hits, None)
        if found and module.startswith("app.") and found.module != module:
            return Place(module, found.callable, path=found.directory)
        if found or self.callable:  # the requirements may bring the module
            return found or Place(module, self.callable)
        raise self.failure([module])

    def look(
        self, module: str, base: str = "", said: str = "", callable_name: str = ""
    ) -> list[_Hit]:
        """The application of one module, if it has one. A named callable is not verified."""
        file = module_file(self.root / base, module)
        if file is None:
            return []
        try:
            names, note = defined_names(file), ""
        except (SyntaxError, ValueError) as error:
            names, note, self.unreadable = {}, "", True
            self.broken.setdefault(str(file.relative_to(self.root)), fault(self.root, file, error))
        except (RecursionError, MemoryError, OSError):
            names, note, self.unreadable = {}, " (too large or too deeply nested to be read)", True
        found = _named(names, callable_name) if callable_name else self._pick(names)
        if not found:
            self.looked[f"{file.relative_to(self.root)}{note}"] = None
            return []
        own = names.get(found.partition("(")[0] if found not in names else found) != "import"
        return [_Hit(_placed(self.root, base, module, file, found, said), file, own)]

    def _pick(self, names: dict[str, str]) -> str:
        found = next(
            (each for each in self.wanted if each in names or _with_arguments(each) in names), ""
        )
        if self.callable:
            return found
        # Like Flask itself: whatever its name, if it is the only one. An application that a factory
        # has created here takes precedence over the factory.
        for kind in ("made",) if found.endswith(")") else () if found else ("flask", "made"):
            if len(instances := [name for name in names if names[name] == kind]) == 1:
                found = instances[0]
                break
        return _inner(names, found)

    def named(self, targets: Iterable[Place], said: str) -> list[_Hit]:
        """The applications that a file of the source names, if they are in the source."""
        found: list[_Hit] = []
        for target in targets:
            bases = [target.base] if target.base != "." else BASES
            wanted = "" if self.callable else target.callable
            hits = [hit for base in bases for hit in self.look(target.module, base, said, wanted)][
                :1
            ]
            if not hits:
                self.passed.append(
                    f"{said} names {target.module}{target.callable and ':'}{target.callable}"
                )
            for hit in hits:
                moved = (
                    target._replace(callable=hit.place.callable, said=said)
                    if target.base != "."
                    else hit.place
                )
                found.append(hit._replace(place=moved, own=True))
        return found

    def convention(self, modules: Iterable[str], base: str) -> list[_Hit]:
        hits = [
            hit for module in dict.fromkeys(modules) if module for hit in self.look(module, base)
        ]
        # Modules that are started in app/ are found with the others there.
        hits = [hit for hit in hits if base == "app" or not hit.place.directory]
        return list({hit.file: hit for hit in reversed(hits)}.values())[::-1]

    def packages(self, names: Iterable[str]) -> list[_Hit]:
        found: list[_Hit] = []
        for name in dict.fromkeys(name for name in names if name):
            for base in ("", "src"):
                hits = self.look(name, base) or [
                    hit for each in BELOW for hit in self.look(f"{name}.{each}", base)
                ]
                found += hits
        return list({hit.file: hit for hit in reversed(found)}.values())[::-1]

    def best(self, hits: list[_Hit]) -> Place | None:
        """The one of a rank: the module that imports the others takes precedence."""
        if len(hits) < 2:
            return hits[0].place if hits else None
        imports = {hit.file: _imports(hit.file) for hit in hits}
        top = _importing(hits, imports) or hits
        own = list({hit.place[:2]: hit for hit in top if hit.own}.values())
        circle = all(
            any(_has(imports[other.file], hit) for other in own if other is not hit) for hit in own
        )
        if len(own) > 1 and not circle:
            raise NotFound(
                f"{len(own)} Flask applications were found in {self.root}: "
                + " and ".join(
                    f"{hit.file.relative_to(self.root)} has {hit.place.callable}" for hit in own
                )
                + "; write one of these lines:"
                f" {', or '.join(_line(hit.place) for hit in own)}.{self._hints()}"
            )
        return (own or top)[0].place

    def only(self) -> Place | None:
        """The only module of the source that creates an application; None if it is not certain that
        this one is to be served.
        """
        found = [
            each
            for each in _candidates(self.modules)
            if each.rank < 3 and self.callable in ("", each.name)
        ]
        found = [each for each in found if each.rank == min(other.rank for other in found)]
        hits = [self._hit(each) for each in found]
        top = _importing(hits, {file: _imports(file) for file in {hit.file for hit in hits}})
        if self.unreadable or self.passed or len(top) != 1 or found[0].rank > 1 or self._commands():
            return None
        return top[0].place if top[0].place.said else None

    def _hit(self, candidate: _Candidate) -> _Hit:
        """A candidate; said is empty if it is not certain how it is imported or called."""
        outermost = candidate.module.partition(".")[0]
        there = outermost == candidate.module or module_file(self.root / candidate.base, outermost)
        called = "(" not in candidate.name or candidate.name in CALLABLES
        name = "" if candidate.first else candidate.name
        hits = self.look(candidate.module, candidate.base, ONLY, name) if there and called else []
        return (
            hits[0]
            if hits
            else _Hit(
                Place(candidate.module, candidate.name, path=candidate.base), candidate.file, True
            )
        )

    def failure(self, modules: list[str]) -> NotFound:
        if self.broken:
            return Unreadable(" ".join(self.broken.values()), self.broken)
        looked = ", ".join(self.looked) or f"the modules {', '.join(modules)}, none of which exists"
        words = (
            f"no Flask application was found in {self.root}: looked for {', '.join(self.wanted)} in"
            f" {looked}; "
        )
        passed = f" {' and '.join(self.passed)}, which the source has not." if self.passed else ""
        kind = Unreadable if self.unreadable else NotFound
        candidates = _candidates(self.modules)
        programs = self._programs(scripts=not candidates)
        said = programs[:PROGRAMS] + [_says(self.root, each) for each in candidates[:CANDIDATES]]
        said = said or ["write module and callable, for example module: shop.web, callable: app"]
        error = kind(words + "; ".join(said) + "." + passed + self._hints())
        error.program = bool(programs)
        return error

    def _commands(self, scripts: bool = False) -> list[str]:
        """The commands of a source that start their own server.

        scripts: also those that only run an application for its developer, such as C(if __name__ ==
        "__main__": app.run()).
        """
        starting = {each.module for each in self.modules if each.starts}
        own = [
            each
            for each in self.modules
            if each.program and (scripts if each.develops else starting)
        ]
        found = [f"python3 {each.file.name}" for each in own]
        if not found and starting:
            found = [command for command, module in self._entry_points if module in starting]
            found = found or [command for command, _module in self._entry_points]
        return found

    @cached_property
    def _entry_points(self) -> list[tuple[str, str]]:
        return _entry_points(self.root)

    def _programs(self, scripts: bool) -> list[str]:
        """The same with the port that the source names, as lines to write."""
        commands = self._commands(scripts)
        texts = (
            [_text(self.root, str(each.file.relative_to(self.root))) for each in self.modules]
            if commands
            else []
        )
        ports = dict.fromkeys(port for text in texts for port in _PORT.findall(text))
        return [
            _says_program(command, next(iter(ports)) if len(ports) == 1 else "")
            for command in commands
        ]

    def _hints(self) -> str:
        """What a Dockerfile or a compose file starts, if it is in the source."""
        found = []
        for name in _HINTS:
            for target in _of_hint(_text(self.root, name), self.root):
                bases = [target.base] if target.base != "." else BASES
                if any(module_file(self.root / base, target.module) for base in bases):
                    found.append(
                        f" Its {name} starts"
                        f" {target.module}{target.callable and ':'}{target.callable}: write"
                        f" {_line(target)}."
                    )
        return "".join(dict.fromkeys(found))


def _importing(hits: list[_Hit], imports: dict[Path, set[str]]) -> list[_Hit]:
    """Those that no other one imports, or that import each other."""
    return [
        hit
        for hit in hits
        if not any(
            _has(imports[other.file], hit) and not _has(imports[hit.file], other)
            for other in hits
            if other is not hit
        )
    ]


def _line(place: Place) -> str:
    return f"module: {place.module}" + (
        f", callable: {place.callable}" if place.callable not in ("", *CALLABLES) else ""
    )


def _placed(root: Path, base: str, module: str, file: Path, found: str, said: str) -> Place:
    """Where a module is imported from. Code in app/ whose modules import each other by their short
    names is started there.
    """
    if base == "src":
        return Place(module, found, path="src", said=said)
    inside = f"app.{module}" if base == "app" else module
    if not inside.startswith("app.") or base not in ("", "app"):
        return Place(module, found, path=base, said=said)
    short = inside[len("app.") :]
    imported = _imports(file)
    siblings = {
        path.stem for path in (root / "app").glob("*") if path.suffix == ".py" or path.is_dir()
    } - {"app"}
    alone = not (root / "app/__init__.py").exists() and "app" not in {
        each.partition(".")[0] for each in imported
    }
    by_name = any(
        each in siblings and module_file(root, each) is None
        for each in (name.partition(".")[0] for name in imported)
    )
    if by_name or (alone and "." not in imported):
        return Place(short, found, directory="app", said=said)
    return Place(inside, found, said=said)


def _named(names: dict[str, str], wanted: str) -> str:
    """A callable as it is written. A factory without parentheses gets them, as in Flask."""
    if "(" not in wanted and f"{wanted}()" in names and names.get(wanted) is None:
        return f"{wanted}()"
    return wanted


def _has(imported: set[str], hit: _Hit) -> bool:
    return any(
        name == hit.place.module or name.startswith(f"{hit.place.module}.") for name in imported
    )


def _inner(names: dict[str, str], found: str) -> str:
    """The Flask application inside an object of Dash or Connexion, which takes precedence; the Dash
    object itself answers no request.
    """
    return next((name for name, kind in names.items() if kind == f"of {found}"), found)


def _with_arguments(wanted: str) -> str:
    """How defined_names lists a factory that is called with arguments; "" for anything else."""
    name, parenthesis, arguments = wanted.partition("(")
    return f"{name}(" if parenthesis and arguments != ")" else ""


def module_file(source: Path, module: str) -> Path | None:
    base = source.joinpath(*module.split("."))
    for file in (base.with_name(base.name + ".py"), base / "__init__.py"):
        try:
            if file.is_file():
                return file
        except OSError:  # an impossible file name
            continue
    return None


# --- what a module contains -----------------------------------------------------------------------


def parse(file: Path) -> ast.Module:
    with file.open("rb") as opened:
        content = opened.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise MemoryError
    return ast.parse(content)


def fault(root: Path, file: Path, error: Exception) -> str:
    """Why Python cannot parse a module of the root, and what to do."""
    name, words = file.relative_to(root), str(getattr(error, "msg", error))
    content = file.read_bytes()
    if (start := not_utf8(content)) >= 0 and (b"\0" in content or "codec can't decode" in words):
        line = content.count(b"\n", 0, start) + 1
        return (
            f"{name} is not UTF-8 in line {line}. Save it as UTF-8, or write its encoding in the"
            " first line: # -*- coding: latin-1 -*-."
        )
    kind = "wrong indentation" if isinstance(error, IndentationError) else "a syntax error"
    return f"{name} has {kind} in line {getattr(error, 'lineno', None) or 1}: {words}. Correct it."


def not_utf8(content: bytes) -> int:
    """The position of the first byte that is not UTF-8, or -1."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return -1


def defined_names(file: Path) -> dict[str, str]:
    """The names that a module binds at its top level, and their kinds: those of _kind, import,
    factory or arguments.

    A factory has parentheses; an imported name may be one. A factory that can be called with
    arguments has an open parenthesis.
    """
    return _names(parse(file))


def _names(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in _statements(tree.body):
        if isinstance(node, ast.Assign):
            # A name that is only changed (app.debug = True) is not bound here.
            bound = [
                name.id for target in node.targets for name in ast.walk(target) if _is_stored(name)
            ]
            names.update(dict.fromkeys(bound, _kind(node.value)))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            names[node.target.id] = _kind(node.value)
        elif isinstance(node, ast.ImportFrom):
            imported = {alias.asname or alias.name for alias in node.names}
            names.update(
                dict.fromkeys(
                    (form for name in imported for form in (name, f"{name}()", f"{name}(")),
                    "import",
                )
            )
        elif isinstance(node, ast.FunctionDef):
            names[f"{node.name}("] = "arguments"
            if not _needs_arguments(node.args):
                names[f"{node.name}()"] = "factory"
    return names


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _kind(value: ast.expr) -> str:
    """What a name is bound to: flask, made (by a factory), "of app" for app.server, none, or name
    for anything else.
    """
    if (
        isinstance(value, ast.Attribute)
        and isinstance(value.value, ast.Name)
        and value.attr in ("server", "app")
    ):
        return f"of {value.value.id}"
    if isinstance(value, ast.Constant) and value.value is None:
        return "none"
    return "flask" if _is_flask(value) else "made" if _FACTORY.fullmatch(_called(value)) else "name"


def _called(node: ast.AST) -> str:
    """The name of the called function, without its object; "" if it is not a call."""
    function = node.func if isinstance(node, ast.Call) else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name if isinstance(name, str) else ""


def _is_flask(value: ast.AST | None) -> bool:
    """Whether it is a call of Flask, or of a class with a similar name."""
    return value is not None and (
        _called(value).endswith("Flask") or _called(value) in ("Dash", "FlaskApp", "OpenAPI", "Eve")
    )


def _imports(file: Path) -> set[str]:
    """The modules that a module imports at its top level, including names of a package that may be
    modules; "." if an import is relative.
    """
    try:
        return _imports_of(parse(file), file.parent.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return set()


def _imports_of(tree: ast.Module, package: str) -> set[str]:
    found: set[str] = set()
    for node in _statements(tree.body):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                found.add(".")
            if node.level == 1:
                module = ".".join(filter(None, (package, module)))
            if node.level < 2:
                found.update({module, *(f"{module}.{alias.name}" for alias in node.names)})
    return found


def _needs_arguments(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional > len(arguments.defaults) or None in arguments.kw_defaults


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, those in if, try and with among them."""
    for node in body:
        if isinstance(node, ast.If) and _is_main(node.test):
            yield from _statements(node.orelse)
            continue
        yield node
        for field in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                yield from _statements(getattr(node, field, []))


def _is_main(test: ast.expr) -> bool:
    """Whether it is __name__ == "__main__": what is below does not run on import of the module."""
    sides = (
        [test.left, *test.comparators]
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq)
        else []
    )
    names = {
        side.id if isinstance(side, ast.Name) else getattr(side, "value", None) for side in sides
    }
    return names == {"__name__", "__main__"}


def _modules(root: Path) -> Iterator[tuple[Path, str, str, ast.Module]]:
    """The readable modules of a source: file, name, where its imports start, and tree."""
    for file in _python_files(root):
        parts = file.relative_to(root).with_suffix("").parts
        base = "src" if parts[0] == "src" else ""
        parts = parts[1:] if base else parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts and all(part.isidentifier() for part in parts):
            try:
                tree = parse(file)
            except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
                continue
            above = "" if base or parts[0] == "app" else _start(root, file, tree)
            yield (
                file,
                ".".join(parts[above.count("/") + 1 :] if above else parts),
                above or base,
                tree,
            )


def _start(root: Path, file: Path, tree: ast.Module) -> str:
    """The directory below the root that a file's imports start from, if the file imports its
    neighbours by their short names; else "".
    """
    directory = file.parent
    while directory != root and (directory / "__init__.py").is_file():
        directory = directory.parent
    if directory == root:
        return ""
    first = {name.partition(".")[0] for name in _imports_of(tree, file.parent.name)} - {"", "."}
    by_name = any(module_file(directory, name) and not module_file(root, name) for name in first)
    return str(directory.relative_to(root)) if by_name else ""


class _Facts(NamedTuple):
    """The facts about a module, without its tree, which needs much more memory than its text."""

    file: Path
    module: str
    candidates: list[_Candidate]
    uses: list[_Candidate]  # an application that it imports and does something with
    starts: bool  # a server, when one of its functions is called
    program: bool  # whether something runs only when it is started as a script
    develops: bool  # whether that is a server


def _survey(root: Path) -> list[_Facts]:
    """The modules of a source, read once."""
    found = []
    for file, module, base, tree in _modules(root):
        aside = any(_ASIDE.fullmatch(part) for part in module.split("."))
        names = _names(tree)
        imported = [
            name
            for name in CALLABLES
            if not aside and names.get(name) == "import" and _uses(tree, name)
        ]
        main = [node for node in tree.body if is_program(node)]
        found.append(
            _Facts(
                file,
                module,
                _candidates_of(
                    file,
                    module,
                    base,
                    tree,
                    names,
                    aside,
                    _run_here(main) if file.parent == root else set(),
                ),
                [_Candidate(file, module, base, name, True, 1) for name in imported],
                not aside and _starts(node for node in tree.body if not _is_development(node)),
                not aside and file.parent == root and bool(main) and module not in _BUILDS,
                _starts(main),
            )
        )
    return found


def _candidates_of(
    file: Path,
    module: str,
    base: str,
    tree: ast.Module,
    names: dict[str, str],
    aside: bool,
    run: set[str],
) -> list[_Candidate]:
    defined = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and not _starts([node])
    ]
    factories = {node.name for node in defined if any(_is_flask(part) for part in ast.walk(node))}
    factories |= {"create_app", "make_app"} & {
        name[:-1] for name, kind in names.items() if kind == "arguments"
    }
    listed = [
        name
        for name, kind in names.items()
        if kind == "flask" or (name in CALLABLES and kind in ("name", "made"))
    ]
    listed += [name for name in names if name in run and name not in listed]
    listed += sorted(f"{name}()" if f"{name}()" in names else f"{name}('…')" for name in factories)
    alone = listed[0] if len(listed) == 1 and "(" not in listed[0] else ""
    picked = next((name for name in CALLABLES if name in listed), alone)

    def rank(name: str) -> int:
        if aside or name in run:
            return 3 if aside else 0
        return 1 if "(" in name or names[name] == "made" or _uses(tree, name) else 2

    return [
        _Candidate(file, module, base, _inner(names, name), name == picked, rank(name))
        for name in listed[:NAMES]
    ]


def _candidates(facts: list[_Facts]) -> list[_Candidate]:
    """What may be meant, the most likely first. A candidate that serves nothing is left out if
    another one does.
    """
    found = [each for module in facts for each in module.candidates]
    users = [each for module in facts for each in module.uses]
    ranks = {each.rank for each in found}
    if 2 in ranks and not ranks & {0, 1} and len(users) == 1:
        return users
    found = [each for each in found if each.rank < 2 or not ranks & {0, 1}]
    return sorted(found, key=lambda each: each.rank)


def _run_here(main: list[ast.stmt]) -> set[str]:
    """What a script runs when it is started: app in app.run()."""
    functions = [
        call.func for node in main for call in ast.walk(node) if isinstance(call, ast.Call)
    ]
    values = [
        function.value
        for function in functions
        if isinstance(function, ast.Attribute) and function.attr == "run"
    ]
    return {value.id for value in values if isinstance(value, ast.Name) and value.id in CALLABLES}


def _uses(tree: ast.Module, name: str) -> bool:
    """Whether a module does more with its application than bind it: routes, extensions, or later
    imports that add routes.
    """
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    bound = min((node.lineno for node in named if isinstance(node.ctx, ast.Store)), default=None)
    behind = [
        node
        for node in tree.body
        if bound and node.lineno > bound and isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    return bool(behind) or any(isinstance(node.ctx, ast.Load) for node in named)


def _says(root: Path, found: _Candidate) -> str:
    place = Place(
        found.module, "" if found.first and found.name in CALLABLES else found.name, path=found.base
    )
    line = f"module: {place.module}" + (f", callable: {place.callable}" if place.callable else "")
    if found.base not in BASES:
        target = f"{found.base}/{found.module.replace('.', '/')}"
        target += ".py" if (root / f"{target}.py").is_file() else ""
        line = f"env: {{FLASK_APP: '{target}{place.callable and ':'}{place.callable}'}}"
    return f"{found.file.relative_to(root)} has {found.name.split('(')[0]}: write {line}"


# --- programs with their own server
# ------------------------------------------------------------------------


def _starts(nodes: Iterable[ast.AST]) -> bool:
    """Whether it starts its own server."""
    for node in (part for each in nodes for part in ast.walk(each)):
        function = node.func if isinstance(node, ast.Call) else None
        owner = function.value if isinstance(function, ast.Attribute) else None
        of = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
        if _called(node) in _STARTS or (_called(node) == "run" and of in _RUN):
            return True
    return False


def is_program(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and _is_main(node.test)


def _is_development(node: ast.stmt) -> bool:
    body = node.body if isinstance(node, ast.FunctionDef) else []
    body = (
        body[1:]
        if len(body) > 1
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        else body
    )
    return is_program(node) or (len(body) == 1 and isinstance(body[0], ast.Expr) and _starts(body))


def _entry_points(root: Path) -> list[tuple[str, str]]:
    """The commands that are installed with a source, and the module of each."""
    pyproject, configuration, setup = (
        _text(root, name) for name in ("pyproject.toml", "setup.cfg", "setup.py")
    )
    texts = [re.search(rf"(?ms)^\[{re.escape(table)}\]\s*$(.*?)(?=^\[|\Z)", pyproject)
             for table in ("project.scripts", "tool.poetry.scripts")]  # fmt: skip
    texts += [
        re.search(r"(?s)console_scripts(.*?)(?:\]|\n\[|\n\S|\Z)", text)
        for text in (configuration, setup)
    ]
    pattern = re.compile(
        r"([A-Za-z][\w.-]{0,80})['\"]?\s*=\s*['\"]?([A-Za-z_][\w.]{0,200}):(\w{1,80})", re.ASCII
    )
    found = dict.fromkeys(found for text in texts if text for found in pattern.findall(text[1]))
    installed = "[build-system]" in pyproject or "setuptools" in setup
    return [
        (name if installed else f'python3 -c "from {module} import {call}; {call}()"', module)
        for name, module, call in found
    ]


def _says_program(command: str, port: str) -> str:
    where = f"port: {port}" if port else "port: the one that it listens on"
    return f"{command} starts its own server: write engine: command, command: {command}, {where}"


def _python_files(root: Path) -> Iterator[Path]:
    """The files that may have the application, the least deep first."""
    ahead, read, left = [(root, 0)], 0, READ_BYTES
    while ahead:
        directory, depth = ahead.pop(0)
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth < DEPTH and not _NO_APPLICATION.fullmatch(entry.name):
                    ahead.append((Path(entry.path), depth + 1))
            elif (
                entry.name.endswith(".py")
                and entry.is_file(follow_symlinks=False)
                and (size := _size(entry)) <= LIMIT
            ):
                read, left = read + 1, left - size
                if read > FILES or left < 0:
                    return
                yield Path(entry.path)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # it was removed
        return LIMIT + 1


# --- what other files say -------------------------------------------------------------------------


def _text(root: Path, name: str) -> str:
    """The text of a regular file of the source, at most LIMIT bytes of UTF-8; "" for anything else.
    Links out of the source are not followed.
    """
    try:
        file = (root / name).resolve(strict=True)
        if not file.is_file() or root.resolve() not in file.parents:
            return ""
        with file.open("rb") as opened:
            content = opened.read(LIMIT + 1)
        return content.decode("utf-8-sig") if len(content) <= LIMIT else ""
    except (OSError, ValueError, RuntimeError):
        return ""


def procfile(root: Path) -> list[Place]:
    """The applications that the web process of the Procfile starts, or else its other processes."""
    lines = [
        match.groups()
        for match in re.finditer(r"(?m)^([\w-]+)[ \t]*:[ \t]*(\S.*)", _text(root, "Procfile"))
    ]
    web = [command for process, command in lines if process == "web"] or [
        command for _process, command in lines
    ]
    return list(dict.fromkeys(place for command in web for place in of_command(command, root)))


def gunicorn_conf(root: Path) -> str:
    """The configuration that the Procfile passes to Gunicorn, as a path below the root; else ""."""
    web = re.search(r"(?m)^web[ \t]*:.*?\bgunicorn\b(.*)", _text(root, "Procfile"))
    match = re.search(
        r"\s(?:-c|--config)[\s=]+['\"]?(?:file:|\./)?([\w./-]+\.py)", web[1] if web else ""
    )
    return (
        match[1]
        if match and ".." not in match[1].split("/") and (root / match[1]).is_file()
        else ""
    )


def of_command(command: str, root: Path) -> list[Place]:
    """The application that a command line serves."""
    try:
        words = shlex.split(command.replace(";", " ; "))
    except ValueError:
        return []
    directory, part, found = "", list[str](), list[Place]()
    for word in [*words, ";"]:
        if word not in (";", "&&", "||", "|"):
            part.append(word)
            continue
        if len(part) == 2 and part[0] == "cd":
            directory = _below(directory, part[1])
        found += _served(part, directory, root)
        part = []
    return found[:1]


def _served(words: list[str], directory: str, root: Path) -> list[Place]:
    server = next(
        (number for number, word in enumerate(words) if word.rpartition("/")[2] in SERVERS), None
    )
    if server is None:
        return []
    # python3 -m gunicorn is gunicorn.
    server = next(
        (
            number
            for number in range(server, len(words))
            if words[number].rpartition("/")[2] in SERVERS[:6]
        ),
        server,
    )
    program = words[server].rpartition("/")[2]
    after = [
        part
        for word in words[server + 1 :]
        for part in (word.split("=", 1) if word.startswith("--") else [word])
    ]
    options = dict(zip(after, after[1:]))  # noqa: B905, RUF007 - Python 3.9 knows neither strict nor pairwise
    path = options.get("--pythonpath", "")
    directory = _below(directory, options.get("--chdir", ""))
    if program.startswith("python"):
        named = options.get("-m") or next((word for word in after if word.endswith(".py")), "")
        return _imported(named, directory, root) if named else []
    if program == "flask":
        named = options.get("--app") or options.get("-A") or ""
        return _imported(named, directory, root) if named else []
    if program == "uwsgi":
        file = options.get("--wsgi-file") or options.get("--file") or ""
        named = options.get("--module") or options.get("-w") or options.get("--wsgi") or ""
        if file and not named:
            return [
                place._replace(callable=options.get("--callable", "application"))
                for place in _imported(file, directory, root)
            ]
        after = [named]
    targets = [
        (match[1], match[2] or "")
        for before, word in zip(["", *after], after)  # noqa: B905 - Python 3.9 knows no strict
        if (match := TARGET.fullmatch(word)) and before not in _VALUES
    ]
    whole = [(module, name) for module, name in targets if name and is_constant(name)]
    there = [
        (module, name)
        for module, name in targets
        if not name and module_file(root / directory / path, module)
    ]
    return [
        Place(module, name or options.get("--callable", ""), directory, _below("", path))
        for module, name in [*whole, *there[-1:]][:1]
    ]


def is_constant(name: str) -> bool:
    """Whether a callable has no arguments, or only constants."""
    try:
        call = ast.parse(name, mode="eval").body
        for argument in (
            [*call.args, *(keyword.value for keyword in call.keywords)]
            if isinstance(call, ast.Call)
            else []
        ):
            ast.literal_eval(argument)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _below(directory: str, path: str) -> str:
    """A directory of the source; one outside of it, or one that a variable names, is ignored."""
    joined = (
        posixpath.normpath(posixpath.join(directory, path.removeprefix("/app/")))
        if path and "$" not in path
        else directory
    )
    return "" if joined.startswith(("/", "..")) or joined == "." else joined


def _flask_app(root: Path, given: str) -> list[Place]:
    """The value of FLASK_APP in the environment, in .env or in .flaskenv, in Flask's own order."""
    pattern = re.compile(
        r"""^(?:export[ \t]+)?FLASK_APP[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#]+))""",
        re.MULTILINE,
    )
    said = (
        match for name in (".env", ".flaskenv") for match in pattern.finditer(_text(root, name))
    )
    value = given or next((match[1] or match[2] or match[3] or "" for match in said), "")
    return _imported(value, "", root) if value else []


def _imported(value: str, directory: str, root: Path) -> list[Place]:
    """What FLASK_APP and flask --app name: a module or its file. Its imports start above its
    outermost package.
    """
    place, _colon, name = value.partition(":")
    if len(value) > LONGEST or (name and not is_constant(name)):
        return []
    path = ""
    if "/" in place or place.endswith(".py"):
        relative = posixpath.normpath(place.removeprefix("/app/"))
        if relative.startswith(("/", "..")):
            return []
        parts = list(
            Path(relative).with_suffix("").parts
            if relative.endswith(".py")
            else Path(relative).parts
        )
        parts = parts[:-1] if parts[-1:] == ["__init__"] else parts
        first = len(parts) - 1
        while first > 0 and (root / directory).joinpath(*parts[:first], "__init__.py").is_file():
            first -= 1
        path, place = "/".join(parts[:first]), ".".join(parts[first:])
    match = TARGET.fullmatch(f"{place}:{name}" if name else place)
    return [Place(match[1], match[2] or "", directory, path)] if match else []


def _of_hint(text: str, root: Path) -> list[Place]:
    """What the last CMD or ENTRYPOINT of a Dockerfile starts, or the commands of a compose file; no
    YAML is read.
    """
    commands = re.findall(
        r"(?m)^[ \t]*(?:CMD|ENTRYPOINT|command:|entrypoint:)(.*(?:\\\n.*|\n[ \t]*- .*)*)", text
    )
    found = []
    for command in commands:
        plain = re.sub(r"(?m)\\$|^[ \t]*- |[\[\]\",]|(?<!\w)'|'(?!\w)", " ", command).replace(
            "\n", " "
        )
        found += of_command(plain, root)
    found += [
        place
        for value in re.findall(r"FLASK_APP[ \t]*[=:][ \t]*[\"']?([\w./:]+)", text)
        for place in _imported(value, "", root)
    ]
    return list(dict.fromkeys(found))


def load_toml(text: str) -> dict[str, Any]:
    """The content of a TOML file. The memory of tomllib grows with the square of the parts of a
    key: 10 GB for a key of 100 kB.
    """
    import tomllib  # Python 3.10 and older, in containers and on hosts, do not have it

    if any(
        sum(map(bool, map(str.strip, part.split(".")))) > KEY_PARTS
        for part in re.split(r"[=\n]", text)
    ):
        raise ValueError(f"it has a key of more than {KEY_PARTS} parts")
    found: dict[str, Any] = tomllib.loads(text)
    return found


def _of_pyproject(root: Path) -> list[str]:
    """The packages that pyproject.toml names; none if this Python cannot read it."""
    try:
        data = load_toml(_text(root, "pyproject.toml"))
    except (ImportError, ValueError, RecursionError):
        return []

    def of(*keys: str) -> object:
        found: object = data
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    names: list[object] = [
        of("project", "name"),
        of("tool", "poetry", "name"),
        of("tool", "flit", "module", "name"),
    ]
    for place in (("setuptools", "packages"), ("setuptools", "py-modules"), ("poetry", "packages"),
                  ("hatch", "build", "targets", "wheel", "packages")):  # fmt: skip
        listed = of("tool", *place)
        names += (
            [each.get("include") if isinstance(each, dict) else each for each in listed]
            if isinstance(listed, list)
            else []
        )
    words = [
        name.removeprefix("src/").replace("-", "_").strip()
        for name in names
        if isinstance(name, str)
    ]
    return [
        form
        for word in words
        for form in dict.fromkeys((word, word.lower()))
        if TARGET.fullmatch(form) and ":" not in form
    ]


def _below_src(root: Path) -> list[str]:
    try:
        return sorted(
            path.name
            for path in (root / "src").iterdir()
            if path.name.isidentifier() and (path / "__init__.py").is_file()
        )
    except OSError:
        return []
