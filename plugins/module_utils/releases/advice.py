# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds in a container's log the faults that a key of the application fixes, and the lines that are
only noise.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from ..host.places import APP_LABEL, CONTAINER_SECRETS, is_of_release
from ..images import outdated
from ..images.libraries import of_start
from . import network_advice, programs
from .covers import CODE, DATABASE, OURS, as_volumes, hides_needed, is_inside, place
from .engines.known import DEFAULT, ENGINES, engine_in

# What the application servers log at every start; it would hide the lines of the application.
BANNER = re.compile(f"^({'|'.join(engine.noise for engine in ENGINES.values() if engine.noise)})")
NO_PYTHON = (
    "The image has no python3 on its PATH, which engine: command needs, with secrets_as: file too:"
    " it starts the server and hands the requests and the secrets to it. Install it in the"
    " Dockerfile, such as RUN apk add python3, or choose an image that has it."
)
# The format of flaskops_fork.py in the container.
_FORKED = re.compile(
    r"^flaskops: (?P<kind>thread|connection|scheduler) (?P<what>.+ (?:runs in|is shared by) .+)$",
    re.MULTILINE,
)
_HELD = re.compile(r"^flaskops: (open streams hold all .+)$", re.MULTILINE)
# What flaskops_writes.py in the container would also have written.
_ALSO = "flaskops: it would also be refused "
# How Python and the readers of variables report a missing one; a KeyError of another dictionary
# does not count.
_KEY_ERROR = re.compile(
    r"^(?:.{0,100} )?KeyError: '(?P<name>[A-Za-z_]\w*)'$", re.MULTILINE | re.ASCII
)
_ENVIRON = re.compile(r"environ|<frozen os>|/os\.py")
_UNDEFINED = re.compile(
    r"UndefinedValueError: (?P<decouple>[A-Za-z_]\w*) not found|Environment variable"
    r" \"(?P<environs>[A-Za-z_]\w*)\" not set|"
    r"Set the (?P<environ>[A-Za-z_]\w*) environment variable",
    re.ASCII,
)
# How Docker and its init report that the first program of a container is missing.
_NO_PYTHON = re.compile(r"exec python3 failed: No such file|\"python3\": executable file not found")
_NO_TABLE = re.compile(
    r"no such table: (?P<sqlite>[\w.]{1,80})|relation \"(?P<postgresql>[\w.]{1,80})\" does not"
    r" exist|"
    r"Table '(?P<mysql>[\w.]{1,80})' doesn't exist"
)
_NO_KEY = "The session is unavailable because no secret key was set"
_READ_ONLY = "Read-only file system"
_DENIED = "Permission denied"
_NAMED = r"['\"\u2018](?P<{0}>[^'\"\u2019]+)['\"\u2019]"
# Python has the path behind the words, and of a rename or a link the target behind that; Node has
# it there too, most programs before them.
_BEHIND = (
    r"(?:: b?|, \w+ )" + _NAMED.format("behind") + r"(?: -> b?" + _NAMED.format("target") + r")?"
)
_BEFORE = (
    _NAMED.format("quoted") + r"(?: => ['\"\u2018][^'\"\u2019]*['\"\u2019])?|(?P<plain>/[^\s:'\"]+)"
)
_PATH = r"(?:{words}" + _BEHIND + r"|(?:" + _BEFORE + r"): {words})"
_SQLITE = ("attempt to write a readonly database", "unable to open database file")
# What a traceback shows of the code that opened a database.
_OPENED = re.compile(r"\bconnect\(\s*['\"](?P<path>[^'\"?:{}]+)['\"]")
# The lines of a traceback before its last one show whether it ends at a file, or at a directory
# that could not be created.
_TRACEBACK = 4
_MAKES_DIRECTORY = re.compile(r"\b(mkdir|makedirs)\b")
_MAKES_FILE = re.compile(r"\bopen\(|dbm|shelve|sqlite|mkdtemp")
# The name that Docker gives to a volume without one, which goes with its container.
_NAMELESS = re.compile(r"[0-9a-f]{64}")


def spoken(logs: str) -> list[str]:
    """The lines of a log that come from the application."""
    return [line for line in logs.splitlines() if not BANNER.match(line)]


def advice(logs: str, container: Mapping[str, Any]) -> list[str]:
    """What to write so that the next start succeeds; one sentence for each cause that the log
    shows.

    Args:
        logs: the container's log.
        container: what C(docker inspect) says of it; {} when it is gone.
    """
    missing = [*of_start(logs), *outdated.of_start(logs), *programs.advice(logs, container)]
    missing += [NO_PYTHON] if _NO_PYTHON.search(logs) else []
    said = [*network_advice.advice(logs, container), *_forked(logs, container), *_streams(logs)]
    return [*missing, *_data(logs, container), *said, *_tables(logs), *_not_given(logs, container)]


def lasts(logs: str, container: Mapping[str, Any]) -> bool:
    """Whether a log shows a fault that waiting does not fix: data that cannot be written, or a
    database without tables.
    """
    return bool(_data(logs, container) or _tables(logs))


def _data(logs: str, container: Mapping[str, Any]) -> list[str]:
    return [*_read_only(logs, container), *_sqlite(logs, container), *_denied(logs, container)]


def _tables(logs: str) -> list[str]:
    """Advice on a database that nobody has prepared."""
    names = list(
        dict.fromkeys(next(filter(None, match.groups())) for match in _NO_TABLE.finditer(logs))
    )[:3]
    if not names:
        return []
    return [
        f"Its database has no table {', '.join(names)}: write release_command with what makes the"
        ' tables, such as flask db upgrade, or python3 -c "from app import app, db;'
        ' app.app_context().push(); db.create_all()". No server runs what is under if'
        ' __name__ == "__main__".'
    ]


def _streams(logs: str) -> list[str]:
    """Advice on streams that hold all threads, as the wrapper in the container reports it."""
    return list(dict.fromkeys(match[1].strip() for match in _HELD.finditer(logs)))


def _app_of(container: Mapping[str, Any]) -> str:
    return _labels_of(container).get(APP_LABEL) or "app"


def _labels_of(container: Mapping[str, Any]) -> dict[str, str]:
    return container.get("Config", {}).get("Labels") or {}


def _user_of(container: Mapping[str, Any]) -> str:
    return str(container.get("Config", {}).get("User") or "10001:10001")


def _not_given(logs: str, container: Mapping[str, Any]) -> list[str]:
    """Advice on missing variables that the application requires: of os.environ, python-decouple,
    environs and django-environ, and Flask's SECRET_KEY.
    """
    names = [
        match["name"]
        for match in _KEY_ERROR.finditer(logs)
        if _ENVIRON.search(logs, max(0, match.start() - 600), match.start())
    ]
    names += [
        match["decouple"] or match["environs"] or match["environ"]
        for match in _UNDEFINED.finditer(logs)
    ]
    if _NO_KEY in logs:
        names.append("SECRET_KEY")
    env = container.get("Config", {}).get("Env") or []
    words = []
    for name in list(dict.fromkeys(names))[:5]:
        if f"{name}_FILE={CONTAINER_SECRETS}/{name}" in env and "FLASKOPS_SECRETS=" not in "".join(
            env
        ):
            words.append(
                f"It reads the variable {name}, and has a file of it alone: write secrets_as:"
                " environment."
            )
        else:
            words.append(
                f"It has no {name}: write secrets: {{{name}: …}}, or env: {{{name}: …}} where it is"
                " not secret."
            )
    return words


def _forked(logs: str, container: Mapping[str, Any]) -> list[str]:
    """Advice on what the application started while it was loaded, before its processes were forked
    or in each of them.
    """
    after = f"{(engine_in(container) or DEFAULT).load_late}, so that each process loads it"
    once = "processes: [{name: scheduler, command: ..., overlap: false}]"
    instead = {
        "thread": (
            f"The requests are answered in other processes: where they need it, {after}; what must"
            f" run once belongs in {once}."
        ),
        "connection": (
            f"What one process reads, another misses: connect at the first request, or {after}."
        ),
        "scheduler": (
            "It runs beside the next release's for a moment, or once for each process: give it a"
            f" separate container, {once}."
        ),
    }
    found = dict.fromkeys((match["kind"], match["what"]) for match in _FORKED.finditer(logs))
    return [
        f"While it is loaded, the application starts something: {kind} {what}. {instead[kind]}"
        for kind, what in found
    ]


def _read_only(logs: str, container: Mapping[str, Any]) -> list[str]:
    if _READ_ONLY.lower() not in logs.lower():
        return []
    paths = _paths(logs, _READ_ONLY)
    directories = _directories(paths)
    beside = list(dict.fromkeys(path for directory, path in paths if hides_needed(directory)))
    words = []
    if directories:
        words.append(
            f"The root file system is read-only: write writable: [{', '.join(directories)}], and"
            " for what must outlive the container volumes:"
            f" [{as_volumes(directories, _app_of(container))}]."
        )
    if beside:
        words.append(
            f"The root file system is read-only, and it writes {', '.join(beside)}"
            f" {_instead(beside, container)}"
        )
    if not paths:
        words.append(
            "The root file system is read-only: name the directory that it writes to in writable,"
            " or in volumes for what must outlive the container."
        )
    return words


def _directories(paths: list[tuple[str, str]]) -> list[str]:
    """The directories that a key may name, without those inside another one."""
    named = list(
        dict.fromkeys(directory for directory, _path in paths if not hides_needed(directory))
    )
    return [one for one in named if not any(one.startswith(f"{other}/") for other in named)]


def _instead(files: list[str], container: Mapping[str, Any]) -> str:
    """Where files may go whose directory must stay as it is."""
    app, own = _app_of(container), [file.removeprefix(f"{CODE}/") for file in files]
    if (engine_in(container) or DEFAULT).in_runtime and all(
        file.startswith(f"{CODE}/") for file in files
    ):
        return (
            f"beside the code: write data_files: [{', '.join(own)}], which keeps it on a volume, or"
            " have it write below /tmp."
        )
    return (
        "beside the code: have it write below /tmp, and what must outlive the container to a"
        f" volume, such as volumes: [{app}-data:/data]."
    )


def _paths(logs: str, words: str) -> list[tuple[str, str]]:
    """The directory that is needed, and the path as it was meant, of each place that could not be
    written.
    """
    pattern = re.compile(_PATH.format(words=f"(?i:{words})"))
    lines = logs.splitlines()
    found = []
    for number, line in enumerate(lines):
        if match := pattern.search(line):
            behind = match["target"] or match["behind"]
            path = place(posixpath.join(CODE, behind or match["quoted"] or match["plain"]))
            if match["target"]:  # the target of a rename or a link
                file = True
            elif behind is None:  # a program names what it was about to create
                file = not re.search(r"\b(directory|mkdir)\b", line)
            else:
                before = (
                    [] if line.startswith(_ALSO) else lines[max(0, number - _TRACEBACK) : number]
                )
                file = _is_file(path, "\n".join([*before, line[: match.start("behind")]]))
            found.append((posixpath.dirname(path) if file else path, path))
    return list(dict.fromkeys(found))


def _is_file(path: str, before: str) -> bool:
    """Whether a path is that of a file, by the traceback that ends with it and by its name."""
    if _MAKES_FILE.search(before):
        return True
    return not _MAKES_DIRECTORY.search(before) and bool(posixpath.splitext(path)[1])


def _sqlite(logs: str, container: Mapping[str, Any]) -> list[str]:
    if not any(words in logs for words in _SQLITE):
        return []
    app, user = _app_of(container), _user_of(container)
    targets = [mount["Destination"] for mount in _volumes(container, "")]
    opened = [place(posixpath.join(CODE, match["path"])) for match in _OPENED.finditer(logs)]
    opened = [path for path in dict.fromkeys(opened) if not is_inside(path, ["/tmp", *targets])]
    beside = [path for path in opened if _has_code(posixpath.dirname(path), logs)]
    directories = list(
        dict.fromkeys(posixpath.dirname(path) for path in opened if path not in beside)
    )
    if directories and not any(map(hides_needed, directories)):
        return [
            "SQLite writes its database and files beside it: write volumes:"
            f" [{as_volumes(directories, app)}]."
        ]
    kept = "" if opened else _keep(_labels_of(container).get(DATABASE) or "", app)
    if kept and not targets:
        return [
            "SQLite writes its database and files beside it, which the source has where nothing"
            f" may be written: write {kept}."
        ]
    words = "SQLite writes its database and files beside it: "
    words += (
        f"have it below {' or '.join(targets)}"
        if targets
        else f"keep it on a volume. Write volumes: [{app}-data:/data]"
    )
    words += (
        " where the application reads its place, such as env: {DATABASE_URL:"
        f" 'sqlite:///{(targets or ['/data'])[0]}/app.db'}}, and "
    )
    files = [path.removeprefix(f"{CODE}/") for path in beside if path.startswith(f"{CODE}/")]
    if kept:
        words += f"{kept} where it stays as the source has it."
    else:
        words += (
            f"data_files: [{', '.join(files)}]" if files else "data_files: [app.db], with its name,"
        )
        words += " where it is beside the code."
        if not files:
            words += (
                " One in Flask's instance folder needs volumes:"
                f" [{as_volumes([f'{CODE}/instance'], app)}]."
            )
    if owned := _owned(container, "", user):
        words += (
            f" What is mounted there does not belong to {user}, the user of the container{owned}."
        )
    return [words]


def _denied(logs: str, container: Mapping[str, Any]) -> list[str]:
    for line in programs.not_run(logs, container):
        logs = logs.replace(line[0], "")
    if _DENIED.lower() not in logs.lower():
        return []
    user, words, rest = _user_of(container), [], []
    for directory, path in _paths(logs, _DENIED):
        if not _volumes(container, path):
            rest.append((directory, path))
        elif owned := _owned(container, path, user):
            words.append(
                f"{path} is on a volume that does not belong to {user}, the user of the"
                f" container{owned}."
            )
        else:
            words.append(
                f"{path} is on a volume of {user}, the user of the container, and its own owner or"
                " mode keeps that user out."
            )
    words += [
        f"{path} of the image does not belong to {user}, its user, and lies"
        f" {_instead([path], container)}"
        for directory, path in rest
        if hides_needed(directory)
    ]
    if directories := _directories(rest):
        paths = dict.fromkeys(path for directory, path in rest if not hides_needed(directory))
        words.append(
            f"{', '.join(paths)} of the image does not belong to {user}, its user: where it writes"
            f" there, write writable: [{', '.join(directories)}], or for what must outlive the"
            f" container volumes: [{as_volumes(directories, _app_of(container))}]."
        )
    return words


def _volumes(container: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """The writable mounts that the entry names; with a path only the one that the path is on.

    Mounts of the release itself are left out, and those that Docker made for a VOLUME of the image,
    which are removed with the container.
    """
    app = str(_labels_of(container).get(APP_LABEL))
    found = []
    for mount in container.get("Mounts") or []:
        there = mount["Destination"].rstrip("/")
        own = is_of_release(mount.get("Source", ""), app) or is_inside(there, OURS)
        if mount.get("RW") and not own and not _NAMELESS.fullmatch(mount.get("Name") or ""):
            found += [mount] if not path or is_inside(path, [there]) else []
    return found


def _has_code(directory: str, logs: str) -> bool:
    """Whether a directory has code of the application, as far as a traceback shows."""
    return hides_needed(directory) or f'File "{directory}/' in logs


def _keep(places: str, app: str) -> str:
    """What to write for the places of databases that the source names."""
    named = [path for path in places.split(",") if path]
    directories = [path.rstrip("/") for path in named if path.endswith("/")]
    files = [path.removeprefix(f"{CODE}/") for path in named if not path.endswith("/")]
    keys = [f"volumes: [{as_volumes(directories, app)}]"] if directories else []
    return " and ".join([*keys, *([f"data_files: [{', '.join(files)}]"] if files else [])])


def _owned(container: Mapping[str, Any], path: str, user: str) -> str:
    """How to give the volumes that belong to another user to the user of the container."""
    sources = [mount["Source"] for mount in _volumes(container, path)]
    foreign = [source for source in sources if _owner(source) != user.partition(":")[0]]
    return f"; on the host: chown -R {user} {' '.join(foreign)}" if foreign else ""


def _owner(source: str) -> str:
    try:
        return str(os.stat(source).st_uid)
    except OSError:
        return ""
