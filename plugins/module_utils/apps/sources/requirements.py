# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python packages an application needs, and which of its files say so.

Only these files go into the layer that installs, so that a change of code installs nothing again.
"""

from __future__ import annotations

import ast
import codecs
import os
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...images.outdated import OF_SETUPTOOLS, SETUPTOOLS
from ...releases.app import Requirements
from . import own_code
from .declared import FILE_BYTES, Declared, Project, at, lines_of
from .source import SourceError, read_inside, size

# Bytes of what is read: of a lock, and of the requirements files together, which may include each
# other.
LOCK_BYTES, PIP_BYTES = 32 * 2**20, 8 * 2**20
NOTHING = Requirements()
# Application servers that the runtime image replaces. Old ones do not even compile for a current
# Python.
_SERVER = re.compile(r"(uwsgi|meinheld)(?![\w.-])", re.IGNORECASE)
# What pip freeze on Debian and Ubuntu lists, although no such package exists.
_FROZEN = re.compile(r"pkg[_-]resources\s*==\s*0\.0\.0(?![\w.])", re.IGNORECASE)
# The application itself, of which a package is made, with its extras.
_OWN = re.compile(r"(?:(?:-e|--editable)[\s=]*)?\.(?:\[([\w\s,.-]*)\])?")
# What builds a project without a [build-system]: such projects are old.
_LEGACY = (SETUPTOOLS, "wheel")
_OF_SETUPTOOLS = re.compile("|".join(OF_SETUPTOOLS).encode())
# Locks that their own tools read while the image is built, and the files that these need beside
# them.
LOCKS = {
    "poetry.lock": ("poetry", "pyproject.toml"),
    "pdm.lock": ("pdm", "pyproject.toml"),
    "Pipfile.lock": ("pipenv", ""),
}
_PYLOCK = re.compile(r"pylock(\.[^./]+)?\.toml")
_ORDER = ("requirements.txt", "uv.lock", "pylock.toml", *LOCKS)
# What in a lock is a directory or a file of the source, and what comes from a repository.
_LOCAL_IN_LOCK = {
    "poetry": r'(?m)^type = "(?:directory|file)"$',
    "pdm": r'(?m)^path = "',
    "pipenv": r'"(?:path|file)": "(?!https?://)',
    "pylock": r"(?m)^(?:directory|archive) = \{ *path|^\[packages\.(?:directory|archive)\]\npath",
}
_GIT_IN_LOCK = {
    "poetry": r'(?m)^type = "git"$',
    "pdm": r'(?m)^git = "',
    "pipenv": r'"git": "',
    "pylock": r"(?m)^(?:vcs = |\[packages\.vcs\])",
}
_EXPORT = {
    "poetry": (
        "POETRY_VIRTUALENVS_CREATE=false /opt/exporter/bin/poetry export --no-interaction --format"
        " requirements.txt{}"
    ),
    "pdm": (
        "PDM_USE_VENV=0 PDM_CHECK_UPDATE=0 PDM_IGNORE_SAVED_PYTHON=1 /opt/exporter/bin/pdm export"
        " --format requirements --prod{}"
    ),
    "pipenv": "PIPENV_IGNORE_VIRTUALENVS=1 /opt/exporter/bin/pipenv requirements{}",
}
_WITHOUT_HASHES = {"poetry": " --without-hashes", "pdm": " --no-hashes", "pipenv": ""}
# What a requirement of this distribution looks like; the rest of the line is pip's.
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S.*)")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_LOCAL = re.compile(r"(?:-e|--editable|-f|--find-links)[\s=]*(\S.*)")


class Found(NamedTuple):
    """What is installed, the problems as sentences, and the extras of the application that its
    requirements name; None if they do not name the application.
    """

    needs: Requirements
    problems: Sequence[str] = ()
    extras: list[str] | None = None


def _refused(*problems: str) -> Found:
    return Found(NOTHING, problems)


def find(source: Path, files: Iterable[str], wanted: str = "") -> tuple[Requirements, list[str]]:
    """What is installed, and the problems as sentences.

    Args:
        source: the directory of the application.
        files: those of it that the build will see.
        wanted: the file that the user names; empty for the first of the convention.
    """
    project, own = Project(source, files), _OWN.fullmatch(wanted)
    needs, problems, extras = (
        _of_project(project.said, project.pyproject, _words(own[1]))
        if own
        else _named(project, wanted)
    )
    if not needs.kind:
        return needs, [*problems]
    made = _package(project)
    if extras is not None:
        packages = _with_extras(project.said, extras) if made and not needs.whole else None
        needs = (
            replace(needs, whole=True)
            if packages is None
            else replace(needs, own=True, packages=tuple(packages))
        )
    return replace(needs, project={} if needs.whole else made, old=_old(project)), [*problems]


def is_project(source: Path, files: Iterable[str]) -> bool:
    """Whether a setup.py or a setup.cfg describes a project."""
    return bool(Project(source, files).setup.file)


def _words(extras: str | None) -> list[str]:
    return [extra for extra in re.split(r"[\s,]+", extras or "") if extra]


def _with_extras(said: Declared, extras: Iterable[str]) -> list[str] | None:
    """What a project and these extras of it depend on; None where only a build of it knows."""
    try:
        return said.with_extras(extras)
    except KeyError:
        return None


def _of_project(said: Declared, data: Mapping[str, Any], extras: list[str]) -> Found:
    """What the project itself depends on."""
    if not said.file:
        return _refused(
            "requirements is the project itself (.); source has no pyproject.toml, setup.py or"
            " setup.cfg that describes one. Write the name of a file of the source, such as"
            " requirements: requirements/production.txt."
        )
    try:
        packages = said.with_extras(extras)
    except KeyError as error:
        there = ", ".join(sorted(said.extras or {})) or "none"
        words = f"requirements: no extra {error.args[0]!r} in {said.file}; defined extras: {there}"
        return _refused(
            f'{words}. Write defined ones alone, as in requirements: ".[NAME]", or requirements:'
            ' ".".'
        )
    if packages is None:
        # Where nothing builds it, pip would take setuptools for what may be no package at all.
        if said.file == "pyproject.toml" and "build-system" not in data and not said.setup:
            words = "says that its dependencies are dynamic, so only a build of it knows them"
            return _refused(
                f"{said.file} {words}; write a requirements.txt, for example with: pip-compile"
                f" {said.file}"
            )
        own = f".[{','.join(extras)}]" if extras else "."
        return Found(Requirements(kind="list", file=said.file, packages=(own,), whole=True))
    if not packages:
        if said.file == "pyproject.toml":
            words = (
                "names no dependencies in [project]; write at least dependencies = ['flask'] there,"
                " or a requirements.txt."
            )
            return _refused(f"{said.file} {words}")
        return _refused(
            f"{said.file} names no dependencies in install_requires; write at least flask there, or"
            " a requirements.txt."
        )
    git = any("git+" in package for package in packages)
    return Found(
        Requirements(
            kind="list",
            file=said.file,
            packages=tuple(packages),
            git=git,
            left_out=tuple(_servers(packages)),
        )
    )


def _old(project: Project) -> tuple[str, ...]:
    """What of setuptools the modules that the application runs import, in no try."""
    modules = own_code.modules(
        str(project.source), _OF_SETUPTOOLS, files=sorted(project.known), but=own_code.NOT_RUN
    )
    imported = set().union(*(_imported(tree.body) for _file, _content, tree in modules))
    return tuple(sorted(imported & {*OF_SETUPTOOLS}))


def _imported(body: Iterable[ast.AST]) -> set[str]:
    """The packages that statements import, also those in functions, except where a failure is
    expected or only types are wanted.
    """
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.stmt) and not isinstance(node, (ast.Try, ast.If)):
            found |= _imported(
                each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)
            )
    return found


def _named(project: Project, wanted: str) -> Found:
    source, known = project.source, project.known
    name = wanted or next((name for name in _ORDER if name in known), "")
    if not name and project.said.file:
        return _of_project(project.said, project.pyproject, [])
    if not name:
        if "Pipfile" in known and "pyproject.toml" not in known:
            return _refused(
                "source has a Pipfile and no Pipfile.lock, which says what to install; write one"
                " with: pipenv lock"
            )
        name = "pyproject.toml" if "pyproject.toml" in known else "requirements.txt"
    if name not in known:
        odd = " that is a regular file" if os.path.lexists(source / name) else ""
        ignored = " that .dockerignore lets through" if (source / name).is_file() else odd
        above = (
            ""
            if wanted or ignored
            else next((each for each in _ORDER if (source.parent / each).is_file()), "")
        )
        if above:
            return _refused(
                f"source has no {name}: {source}, and the directory above it has {above}; write"
                " that directory as source (or git.directory), and the application is found in it."
            )
        if wanted:
            return _refused(
                f"requirements is {wanted!r}; source has no such file{ignored}: {source / wanted}."
            )
        return _refused(
            f"source has no {name}{ignored}: {source}. Write one; it must name at least Flask."
        )
    try:
        if posixpath.basename(name) == "uv.lock":
            return _uv(source, name, known)
        if posixpath.basename(name) == "pyproject.toml":
            return _project(project, name)
        if posixpath.basename(name) in LOCKS:
            return _lock(source, name, known)
        if _PYLOCK.fullmatch(posixpath.basename(name)):
            return _pylock(source, name)
        return _pip(source, name, known)
    except RecursionError:
        return _refused(f"{source / name} cannot be read: it is too deeply nested.")
    except (OSError, ValueError) as error:
        return _refused(f"{source / name} cannot be read: {error}")


def arguments(needs: Requirements) -> str:
    """The arguments of pip install, for a shell in the directory of the application."""
    if needs.kind == "list":
        return shlex.join(
            package
            for package in needs.packages
            if not needs.left_out or not _SERVER.match(package)
        )
    own = f" {shlex.join(needs.packages)}" if needs.own and needs.packages else ""
    file = "/run/requirements.txt" if needs.kind in ("uv", "lock") else needs.file
    return f"-r {shlex.quote(file)}{own}"


def export(needs: Requirements) -> str:
    """The shell command that writes the content of a lock to /run/requirements.txt; "" without a
    lock.
    """
    tool = needs.exporter
    if not tool:
        return ""
    # pip takes hashes for all packages or for none; a directory and a repository have none.
    bare = needs.git or needs.whole
    words = _EXPORT[tool].format(
        _WITHOUT_HASHES[tool] if bare else " --hash" if tool == "pipenv" else ""
    )
    return (
        f"{words} > /run/requirements.txt"
        if tool == "pipenv"
        else f"{words} --output /run/requirements.txt"
    )


def _lock(source: Path, name: str, known: set[str]) -> Found:
    tool, beside = LOCKS[posixpath.basename(name)]
    needed = posixpath.join(posixpath.dirname(name), beside) if beside else ""
    if needed and needed not in known:
        words = f"source has a {name} and no {needed} beside it, which {tool} needs"
        return _refused(f"{words}; add it, or name another file in requirements.")
    text = read_inside(source, name, LOCK_BYTES).decode()
    pattern = (
        r'(?m)^\s*"(uwsgi|meinheld)": \{'
        if tool == "pipenv"
        else r'(?m)^name = "(uwsgi|meinheld)"$'
    )
    return Found(
        Requirements(
            kind="lock",
            file=name,
            files=tuple(sorted(filter(None, (name, needed)))),
            exporter=tool,
            whole=bool(re.search(_LOCAL_IN_LOCK[tool], text)),
            git=bool(re.search(_GIT_IN_LOCK[tool], text)),
            left_out=tuple(
                sorted({match[1].lower() for match in re.finditer(pattern, text, re.IGNORECASE)})
            ),
        )
    )


def _pylock(source: Path, name: str) -> Found:
    """pip itself reads it."""
    text = read_inside(source, name, LOCK_BYTES).decode()
    whole, git = (
        bool(re.search(patterns["pylock"], text)) for patterns in (_LOCAL_IN_LOCK, _GIT_IN_LOCK)
    )
    return Found(
        Requirements(
            kind="pylock",
            file=name,
            files=(name,),
            whole=whole,
            git=git,
        )
    )


def _package(project: Project) -> dict[str, Any]:
    """What the application needs to be built as a package, and its version, which a repository
    would know; {} if it is not a package.
    """
    data, known = project.pyproject, project.known
    requires, setup = at(data, "build-system", "requires"), ""
    if at(data, "build-system") is None:
        # pip does not accept setup.cfg alone as a project.
        setup = project.setup.file if known & {"setup.py", "pyproject.toml"} else ""
        requires = [*_LEGACY, *project.setup.setup] if setup else None
    requires = [*requires, *_of_hooks(data)] if isinstance(requires, list) else None
    if not isinstance(requires, list) or not all(
        isinstance(each, str) and each.strip() and each.isprintable() for each in requires
    ):
        return {}
    described = any(
        isinstance(at(data, *keys), dict)
        for keys in (("project",), ("tool", "poetry"), ("tool", "flit", "metadata"))
    )
    kept_out = (
        ("tool", "poetry", "package-mode"),
        ("tool", "uv", "package"),
        ("tool", "pdm", "distribution"),
    )
    if any(at(data, *keys) is False for keys in kept_out) or not (
        described or setup or known & {"setup.py", "setup.cfg"}
    ):
        return {}
    if any("file:" in each for each in requires):
        return {}
    return {
        "requires": sorted({each.strip() for each in requires}),
        "version": _released(project.source, known),
    }


def _of_hooks(data: Mapping[str, Any]) -> list[str]:
    """What the hooks and targets of Hatch need, which Hatch itself reports only when it runs."""
    build = at(data, "tool", "hatch", "build")
    wheel = at(build, "targets", "wheel")
    hooks = [
        hook
        for table in (build, wheel)
        if isinstance(named := at(table, "hooks"), dict)
        for hook in named.values()
    ]
    lists = [at(place, "dependencies") for place in (wheel, *hooks)]
    return [
        each
        for listed in lists
        if isinstance(listed, list)
        for each in listed
        if isinstance(each, str)
    ]


def _released(source: Path, known: Iterable[str]) -> str:
    """The version of an archive of PyPI."""
    try:
        text = read_inside(source, "PKG-INFO", FILE_BYTES).decode() if "PKG-INFO" in known else ""
    except (OSError, ValueError):
        return ""
    found = re.search(r"(?m)^Version: ([0-9][0-9A-Za-z.!+_-]{0,60})$", text)
    return found[1] if found else ""


def python_problem(source: Path, known: Iterable[str], python: str) -> str:
    """Why this application does not support the Python of the images, as a sentence; "" if it does,
    or does not say.

    Args:
        source: the directory of the application.
        known: its files.
        python: the version of the images' Python, such as V(3.13); empty when it is not known.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # ansible-core comes with it

    project = Project(source, known)
    data = project.pyproject
    wanted, key = at(data, "project", "requires-python"), "requires-python"
    if not isinstance(wanted, str):
        wanted, key = (
            at(data, "tool", "poetry", "dependencies", "python"),
            "python of tool.poetry.dependencies",
        )
    file = "pyproject.toml"
    if not isinstance(wanted, str):
        wanted, key, file = project.setup.python, "python_requires", project.setup.file
    if not python or not wanted:
        return ""
    version = python if python.count(".") > 1 else f"{python}.99"  # the newest of it
    try:
        if any(
            SpecifierSet(_plain(part)).contains(version, prereleases=True)
            for part in re.split(r"\|\|?", wanted)
        ):
            return ""
    except (InvalidSpecifier, ValueError):
        return ""
    return f"{key} in {file} is {wanted!r}, and the Python of the images is {python}"


def _plain(wanted: str) -> str:
    """Poetry's ^3.10 and ~3.10 in the standard form."""
    parts = []
    for part in filter(None, (each.strip() for each in wanted.split(","))):
        sign, numbers = part[0], part[1:].strip().split(".")
        if sign == "^":
            part = f">={'.'.join(numbers)},<{int(numbers[0]) + 1}"
        elif sign == "~" and part[1:2] != "=":
            part = f">={'.'.join(numbers)}," + (
                f"=={'.'.join(numbers[:2])}.*" if len(numbers) > 1 else f"=={numbers[0]}.*"
            )
        elif part[0].isdigit():
            part = f"=={part}" if part.endswith("*") or part.count(".") > 1 else f"=={part}.*"
        parts.append("" if part == "*" else part)
    return ",".join(filter(None, parts))


def _uv(source: Path, name: str, known: set[str]) -> Found:
    project = posixpath.join(posixpath.dirname(name), "pyproject.toml")
    if project not in known:
        return _refused(
            f"source has a {name} and no {project} beside it, which uv needs; add it, or name"
            " another file in requirements."
        )
    # Members of a workspace and packages beside the application are in it by their paths.
    lock = read_inside(source, name, LOCK_BYTES).decode()
    places = re.findall(r"(?:editable|directory|path) = \"([^\"]*)\"", lock)
    whole = any("://" not in place and place != "." for place in places)
    git = bool(re.search(r"(?m)^source = \{ git = ", lock))
    servers = sorted({match[1] for match in re.finditer(r'(?m)^name = "(uwsgi|meinheld)"$', lock)})
    return Found(
        Requirements(
            kind="uv",
            file=name,
            files=tuple(sorted([name, project])),
            whole=whole,
            git=git,
            left_out=tuple(servers),
        )
    )


def _project(project: Project, name: str) -> Found:
    content = (
        project.toml(name)
        if name != "pyproject.toml" or not project.pyproject
        else project.pyproject
    )
    if name != "pyproject.toml":
        return _of_project(Project(project.source, ()).in_tables(content), content, [])
    if project.said.file:
        return _of_project(project.said, content, [])
    command = "write a requirements.txt, for example with: pip-compile pyproject.toml"
    return _refused(f"{name} has no [project], so it does not say what to install; {command}")


def _pip(source: Path, name: str, known: set[str]) -> Found:
    files, problems, whole, git, ahead, servers = {name: None}, [], False, False, [name], set[str]()
    frozen, extras = False, None
    places, left = known | _directories(known), PIP_BYTES
    while ahead:
        file = ahead.pop(0)
        content = read_inside(source, file, PIP_BYTES)
        left -= len(content)
        if left < 0:
            raise SourceError(
                f"with {file} the requirements are too large; they must be at most"
                f" {size(PIP_BYTES)}."
            )
        text, utf8 = _decoded(content)
        lines = lines_of(text)
        servers.update(_servers(lines) if utf8 else [])  # they are taken out with sed
        for line in lines:
            frozen = frozen or (utf8 and bool(_FROZEN.match(line)))
            git = git or "git+" in line
            if match := _INCLUDE.fullmatch(line):
                target = next(iter(shlex.split(match[1])), "")
                if "://" in target or not target:
                    continue
                path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
                if path not in known:
                    problems.append(
                        f"{file} includes {target}, which is not in the source: {source / path}."
                    )
                elif path not in files:
                    files[path] = None
                    ahead.append(path)
            elif (match := _OWN.fullmatch(line)) and utf8 and file == posixpath.basename(file):
                extras = [*(extras or []), *_words(match[1])]
            elif match := _LOCAL.fullmatch(line):
                whole = whole or "://" not in match[1]
            else:
                whole = whole or _is_local(line, places)
    needs = Requirements(
        kind="pip",
        file=name,
        files=tuple(files),
        whole=whole,
        git=git,
        left_out=tuple(sorted(servers)),
        frozen=frozen,
    )
    return Found(needs, problems, extras)


def _directories(files: Iterable[str]) -> set[str]:
    """The directories of files, each with a slash at its end."""
    found: set[str] = set()
    for file in files:
        directory = posixpath.dirname(file)
        while directory and f"{directory}/" not in found:
            found.add(f"{directory}/")
            directory = posixpath.dirname(directory)
    return found


def _is_local(line: str, places: set[str]) -> bool:
    """Whether a requirement is a file or a directory of the source, as pip sees it."""
    if re.match(r"(\.{0,2}/|\.{1,2}(\[|$| )|file:)", line) or re.search(r"@\s*file:", line):
        return True
    path = posixpath.normpath(re.split(r"[\s;\[]", line, maxsplit=1)[0])
    return (path in places and path.endswith(_ARCHIVES)) or ("/" in path and f"{path}/" in places)


def _decoded(content: bytes) -> tuple[str, bool]:
    """A requirements file as pip reads it, by its byte order mark; and whether it is UTF-8."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding), encoding == "utf-8-sig"
    return content.decode(), True


def _servers(requirements: Iterable[str]) -> list[str]:
    return sorted(
        {
            match[1].lower()
            for requirement in requirements
            if (match := _SERVER.match(requirement.strip()))
        }
    )
