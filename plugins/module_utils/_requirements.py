# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python packages an application needs, and which of its files say so.

Only these files go into the layer that installs, so that a change of code installs nothing again.
"""

from __future__ import annotations

import codecs
import os
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.flaskops.host.plugins.module_utils._source import SourceError, read_inside, size

# Bytes of what is read: of a lock, of a project, and of the requirements files together, which may include each other.
LOCK_BYTES, PROJECT_BYTES, PIP_BYTES = 32 * 2**20, 2**20, 8 * 2**20
NOTHING: dict[str, Any] = {"kind": "", "file": "", "files": [], "packages": [], "whole": False, "git": False, "left_out": []}
# Application servers that the runtime image takes the place of. Old ones do not even compile for the Python of today.
_SERVER = re.compile(r"(uwsgi|meinheld)(?![\w.-])", re.IGNORECASE)
# Locks that are not read here, and the command that writes what is.
FOREIGN = {
    "Pipfile.lock": "pipenv requirements > requirements.txt",
    "poetry.lock": "poetry export --format requirements.txt --output requirements.txt",
    "pdm.lock": "pdm export --format requirements --output requirements.txt",
}
# What a requirement of this distribution looks like; the rest of the line is pip's.
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S.*)")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_LOCAL = re.compile(r"(?:-e|--editable|-f|--find-links)[\s=]*(\S.*)")


def find(source: Path, files: Iterable[str], wanted: str = "") -> tuple[dict[str, Any], list[str]]:
    """What is to be installed, and how it is known.

    Args:
        source: the directory of the application.
        files: those of it that the build will see.
        wanted: the file that the user names; empty for the first of the convention.

    Returns:
        C(kind) pip (C(file), and in C(files) what it includes), uv (C(uv.lock)) or list (C(packages) of C(pyproject.toml));
        C(whole) when the requirements refer to the application itself; C(left_out) the application servers that are not installed.
        And the problems as sentences.
    """
    known = set(files)
    name = wanted or next((name for name in ("requirements.txt", "uv.lock") if name in known), "")
    if not name:
        if foreign := next((each for each in FOREIGN if each in known), ""):
            return NOTHING, [f"source has a {foreign}, which is not read here; write a requirements.txt: {FOREIGN[foreign]}"]
        name = "pyproject.toml" if "pyproject.toml" in known else "requirements.txt"
    if name not in known:
        odd = " that is a regular file" if os.path.lexists(source / name) else ""
        ignored = " that .dockerignore lets through" if (source / name).is_file() else odd
        if wanted:
            return NOTHING, [f"requirements is {wanted!r}; source has no such file{ignored}: {source / wanted}."]
        return NOTHING, [f"source has no {name}{ignored}: {source}. Write one; at least Flask has to be in it."]
    try:
        if posixpath.basename(name) == "uv.lock":
            return _uv(source, name, known)
        if posixpath.basename(name) == "pyproject.toml":
            return _project(source, name)
        return _pip(source, name, known)
    except RecursionError:
        return NOTHING, [f"{source / name} cannot be read: it is too deeply nested."]
    except (OSError, ValueError) as error:
        return NOTHING, [f"{source / name} cannot be read: {error}"]


def arguments(requirements: Mapping[str, Any]) -> str:
    """What pip is told to install, for a shell; in the directory of the application."""
    if requirements["kind"] == "list":
        return shlex.join(package for package in requirements["packages"] if not requirements["left_out"] or not _SERVER.match(package))
    return f"-r {shlex.quote('/run/requirements.txt' if requirements['kind'] == 'uv' else requirements['file'])}"


def _uv(source: Path, name: str, known: set[str]) -> tuple[dict[str, Any], list[str]]:
    project = posixpath.join(posixpath.dirname(name), "pyproject.toml")
    if project not in known:
        return NOTHING, [f"source has a {name} and no {project} beside it, which uv needs; add it, or name another file in requirements."]
    # Members of a workspace and packages beside the application are in it by their paths.
    lock = read_inside(source, name, LOCK_BYTES).decode()
    places = re.findall(r"(?:editable|directory|path) = \"([^\"]*)\"", lock)
    whole = any("://" not in place and place != "." for place in places)
    git = bool(re.search(r"(?m)^source = \{ git = ", lock))
    servers = sorted({match[1] for match in re.finditer(r'(?m)^name = "(uwsgi|meinheld)"$', lock)})
    return {**NOTHING, "kind": "uv", "file": name, "files": sorted([name, project]), "whole": whole, "git": git, "left_out": servers}, []


def _project(source: Path, name: str) -> tuple[dict[str, Any], list[str]]:
    import tomllib  # of the controller's Python; that of a host, where modules run, may be older

    project = tomllib.loads(read_inside(source, name, PROJECT_BYTES).decode()).get("project", {})
    command = "write a requirements.txt, for example with: pip-compile pyproject.toml"
    if not isinstance(project, dict) or not project:
        return NOTHING, [f"{name} has no [project], so it does not say what to install; {command}"]
    dynamic, packages = project.get("dynamic"), project.get("dependencies")
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        return NOTHING, [f"{name} says that its dependencies are dynamic, so only a build of it knows them; {command}"]
    words = packages if isinstance(packages, list) else []
    if not words or not all(isinstance(package, str) and package.strip() and "\n" not in package for package in words):
        return NOTHING, [
            f"{name} names no dependencies in [project]; write at least dependencies = ['flask'] there, or a requirements.txt."
        ]
    git = any("git+" in package for package in words)
    return {**NOTHING, "kind": "list", "file": name, "packages": sorted(words), "git": git, "left_out": _servers(words)}, []


def _pip(source: Path, name: str, known: set[str]) -> tuple[dict[str, Any], list[str]]:
    files, problems, whole, git, ahead, servers = {name: None}, [], False, False, [name], set[str]()
    places, left = known | _directories(known), PIP_BYTES
    while ahead:
        file = ahead.pop(0)
        content = read_inside(source, file, PIP_BYTES)
        left -= len(content)
        if left < 0:
            raise SourceError(f"with {file} the requirements are too large; they have to be at most {size(PIP_BYTES)}.")
        text, utf8 = _decoded(content)
        lines = list(_lines(text))
        servers.update(_servers(lines) if utf8 else [])  # they are taken out with sed
        for line in lines:
            git = git or "git+" in line
            if match := _INCLUDE.fullmatch(line):
                target = next(iter(shlex.split(match[1])), "")
                if "://" in target or not target:
                    continue
                path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
                if path not in known:
                    problems.append(f"{file} includes {target}, which is not in the source: {source / path}.")
                elif path not in files:
                    files[path] = None
                    ahead.append(path)
            elif match := _LOCAL.fullmatch(line):
                whole = whole or "://" not in match[1]
            else:
                whole = whole or _is_local(line, places)
    found = {"file": name, "files": list(files), "whole": whole, "git": git, "left_out": sorted(servers)}
    return {**NOTHING, "kind": "pip", **found}, problems


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
    """A requirements file as pip reads it, by the mark at its beginning; and whether it is UTF-8."""
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
                           (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
        if content.startswith(mark):
            return content.decode(encoding), encoding == "utf-8-sig"
    return content.decode(), True


def _servers(requirements: Iterable[str]) -> list[str]:
    return sorted({match[1].lower() for requirement in requirements if (match := _SERVER.match(requirement.strip()))})


def _lines(text: str) -> Iterator[str]:
    """The lines as pip reads them: continued ones as one, without comments."""
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if line:
            yield line
