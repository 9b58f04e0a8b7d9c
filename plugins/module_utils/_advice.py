# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's log says that a key of the application can put right, and what of it is only noise."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

# What uWSGI and Gunicorn say at every start; it would hide what the application said.
BANNER = re.compile(
    r"^(\[uWSGI\]|\*\*\* (Starting|dumping|end of|Operational)|compiled with|os: |nodename|machine|clock source|pcre jit|detected |"
    r"current working|chdir|your (processes|memory|server|mercy)|- async|lock engine|thunder lock|uwsgi socket|Python (version|main)|"
    r"PEP 405|Set PythonHome|python threads|mapped |added /app|\[rule: |VACUUM|"
    r"\[[-+: \d]+\] \[\d+\] \[(INFO|DEBUG)\] (Starting gunicorn|Listening at|Control socket|Using worker|Booting worker|Worker exiting|"
    r"Handling signal|Shutting down))"
)
# As flaskops_fork.py in the container says it.
_FORKED = re.compile(r"^flaskops: (?P<kind>thread|connection|scheduler) (?P<what>.+ (?:runs in|is shared by) .+)$", re.MULTILINE)
_HELD = re.compile(r"^flaskops: (open streams hold all .+)$", re.MULTILINE)
# Of the image, and never to be covered by an empty directory.
CODE = "/app"
_READ_ONLY = "Read-only file system"
_DENIED = "Permission denied"
_NAMED = r"['\"\u2018](?P<{0}>[^'\"\u2019]+)['\"\u2019]"
# Python has the path behind the words, most programs before them.
_PATH = r"(?:{words}: b?" + _NAMED.format("behind") + r"|(?:" + _NAMED.format("quoted") + r"|(?P<plain>/[^\s:'\"]+)): {words})"
_SQLITE = ("attempt to write a readonly database", "unable to open database file")
# The lines of a traceback before its last tell whether it ends with a file, or with a directory that could not be made.
_TRACEBACK = 4
_MAKES_DIRECTORY = re.compile(r"\b(mkdir|makedirs)\b")
_MAKES_FILE = re.compile(r"\bopen\(|dbm|shelve|sqlite|mkdtemp")


def spoken(logs: str) -> list[str]:
    """The lines of a log that the application has said."""
    return [line for line in logs.splitlines() if not BANNER.match(line)]


def advice(logs: str, container: Mapping[str, Any]) -> list[str]:
    """What to write so that the next start is better; one sentence for each cause that the log shows.

    Args:
        logs: the container's log.
        container: what C(docker inspect) says of it; {} when it is gone.
    """
    words = [*_read_only(logs, _app_of(container)), *_sqlite(logs, container), *_denied(logs, container), *_forked(logs, container)]
    return words + _streams(logs)


def _streams(logs: str) -> list[str]:
    """Against streams that hold all threads, as the wrapper in the container says it."""
    return list(dict.fromkeys(match[1].strip() for match in _HELD.finditer(logs)))


def _app_of(container: Mapping[str, Any]) -> str:
    labels = container.get("Config", {}).get("Labels") or {}
    return str(labels.get("host.flaskops.app") or "app")


def _user_of(container: Mapping[str, Any]) -> str:
    return str(container.get("Config", {}).get("User") or "10001:10001")


def _forked(logs: str, container: Mapping[str, Any]) -> list[str]:
    """Against what the application began while it was loaded, before its processes were forked or in each of them."""
    gunicorn = "FLASKOPS_ENGINE=gunicorn" in (container.get("Config", {}).get("Env") or [])
    after = f"{'leave out preload_app' if gunicorn else 'write uwsgi.lazy_apps: true'}, so that each process loads it"
    once = "processes: [{name: scheduler, command: ..., overlap: false}]"
    instead = {
        "thread": f"The requests are answered in other processes: where they need it, {after}; what must run once belongs into {once}.",
        "connection": f"What one process reads, another misses: connect at the first request, or {after}.",
        "scheduler": f"It runs beside the next release's for a moment, or once for each process: give it a container of its own, {once}.",
    }
    found = dict.fromkeys((match["kind"], match["what"]) for match in _FORKED.finditer(logs))
    return [f"While it is loaded, the application starts something: {kind} {what}. {instead[kind]}" for kind, what in found]


def _read_only(logs: str, app: str) -> list[str]:
    if _READ_ONLY not in logs:
        return []
    paths = _paths(logs, _READ_ONLY)
    named = list(dict.fromkeys(directory for directory, _path in paths if _may_be_covered(directory)))
    directories = [one for one in named if not any(one.startswith(f"{other}/") for other in named)]
    beside = list(dict.fromkeys(path for directory, path in paths if not _may_be_covered(directory)))
    words = []
    if directories:
        volumes = ", ".join(f"{app}-{posixpath.basename(path)}:{path}" for path in directories)
        words.append(
            f"The root file system is read-only: write writable: [{', '.join(directories)}], and for what has to outlive the container "
            f"volumes: [{volumes}]."
        )
    if beside:
        words.append(
            f"The root file system is read-only, and it writes {', '.join(beside)} beside the code: have it write below /tmp, and what has "
            f"to outlive the container to a volume, such as volumes: [{app}-data:/data]."
        )
    if not paths:
        words.append(
            "The root file system is read-only: name the directory that it writes to in writable, or in volumes for what has to outlive "
            "the container."
        )
    return words


def _paths(logs: str, words: str) -> list[tuple[str, str]]:
    """The directory to be had, and the path as it was meant, of each place that could not be written."""
    pattern = re.compile(_PATH.format(words=words))
    lines = logs.splitlines()
    found = []
    for number, line in enumerate(lines):
        if match := pattern.search(line):
            path = posixpath.normpath(posixpath.join(CODE, match["behind"] or match["quoted"] or match["plain"]))
            if match["behind"] is None:  # a program says what it was about to make
                file = "directory" not in line
            else:
                file = _is_file(path, "\n".join(lines[max(0, number - _TRACEBACK) : number]))
            found.append((posixpath.dirname(path) if file else path, path))
    return list(dict.fromkeys(found))


def _is_file(path: str, before: str) -> bool:
    """Whether a path is a file's, by the traceback that ends with it and by how it is called."""
    if _MAKES_FILE.search(before):
        return True
    return not _MAKES_DIRECTORY.search(before) and bool(posixpath.splitext(path)[1])


def _may_be_covered(directory: str) -> bool:
    return directory not in ("/", CODE) and not f"{CODE}/".startswith(f"{directory}/")


def _sqlite(logs: str, container: Mapping[str, Any]) -> list[str]:
    if not any(words in logs for words in _SQLITE):
        return []
    user = _user_of(container)
    return [
        f"SQLite writes its database and files beside it: keep it on a volume, such as volumes: [{_app_of(container)}-data:/data], in a "
        f"directory that belongs to {user}, the user of the container{_owned(container, '', user)}."
    ]


def _denied(logs: str, container: Mapping[str, Any]) -> list[str]:
    if _DENIED not in logs:
        return []
    user = _user_of(container)
    words = []
    for path in dict.fromkeys(path for _directory, path in _paths(logs, _DENIED)):
        if owned := _owned(container, path, user):
            words.append(f"{path} is on a volume that does not belong to {user}, the user of the container{owned}.")
        else:
            words.append(f"{path} of the image does not belong to {user}, its user: name the place in writable or volumes.")
    return words


def _owned(container: Mapping[str, Any], path: str, user: str) -> str:
    """How to give the volumes to the user of the container; only the one that a path is on, where there is a path."""
    ours = ("/run/flaskops", "/etc/flaskops", "/run/secrets")
    mounts = [mount for mount in container.get("Mounts") or [] if mount.get("RW") and not mount["Destination"].startswith(ours)]
    sources = [mount["Source"] for mount in mounts if not path or f"{path}/".startswith(f"{mount['Destination'].rstrip('/')}/")]
    return f"; on the host: chown {user} {' '.join(sources)}" if sources else ""
