# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what could not run: a program or a module that is not in the image, or a file that is not a
program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..images import outdated

# Programs whose Debian package has another name, and those whose names cannot be those of files.
PACKAGES = {
    **{
        name: name
        for name in (
            "git",
            "curl",
            "wget",
            "npm",
            "ffmpeg",
            "pandoc",
            "make",
            "bash",
            "unzip",
            "rsync",
            "wkhtmltopdf",
            "jq",
        )
    },
    **{
        "node": "nodejs",
        "npx": "npm",
        "yarn": "yarnpkg",
        "psql": "postgresql-client",
        "pg_isready": "postgresql-client",
    },
    **{
        "pg_dump": "postgresql-client",
        "mysql": "default-mysql-client",
        "mysqldump": "default-mysql-client",
        "redis-cli": "redis-tools",
    },
    **{
        "sqlite3": "sqlite3",
        "convert": "imagemagick",
        "nc": "netcat-openbsd",
        "ssh": "openssh-client",
        "msgfmt": "gettext",
    },
    **{
        "dot": "graphviz",
        "tesseract": "tesseract-ocr",
        "pdftotext": "poppler-utils",
        "gs": "ghostscript",
        "ps": "procps",
    },
}
# Packages with another name than their module; and those that are built from source, with what that
# needs.
CALLED = {
    **{
        "psycopg2": "psycopg2-binary",
        "MySQLdb": "mysqlclient",
        "ldap": "python-ldap",
        "PIL": "Pillow",
        "yaml": "PyYAML",
        "jwt": "PyJWT",
    },
    **{
        "bs4": "beautifulsoup4",
        "dotenv": "python-dotenv",
        "dateutil": "python-dateutil",
        "cv2": "opencv-python-headless",
    },
    **{
        "sklearn": "scikit-learn",
        "Crypto": "pycryptodome",
        "magic": "python-magic",
        "jose": "python-jose",
    },
    **{
        "flask_wtf": "Flask-WTF",
        "socketio": "python-socketio",
        "engineio": "python-engineio",
        "git": "GitPython",
        "attr": "attrs",
    },
}
BUILT = {
    "psycopg2": "libpq-dev",
    "MySQLdb": "default-libmysqlclient-dev, pkg-config",
    "ldap": "libldap-dev, libsasl2-dev",
}
TOLD = 3  # of each kind
_WORD = r"(?P<{0}>[\w./+-]+)"
_QUOTE = "['\"\u2018\u2019]?"
# The messages of shells, env, our entrypoint and relay, and Python.
_MISSING = re.compile(
    r"^(?:\S*sh: |\S+: (?:line )?\d+: )(?:line )?(?:\d+: )?(?:exec: )?"
    + _WORD.format("shell")
    + r": (?:command )?not found$|"
    r"^\S*env: " + _QUOTE + _WORD.format("env") + _QUOTE + r": No such file or directory$|"
    r"^flaskops: "
    + _WORD.format("ours")
    + r" cannot be started: (?:\[Errno 2\] )?No such file or directory|"
    r"^FileNotFoundError: \[Errno 2\] No such file or directory: '(?P<python>[\w.+-]+)'$",
    re.MULTILINE,
)
# The last lines of tracebacks. The modules that setuptools had get separate advice.
_NO_MODULE = re.compile(
    r"^ModuleNotFoundError: No module named"
    rf" '(?!(?:{'|'.join(outdated.OF_SETUPTOOLS)})\b)(?P<name>[\w.]+)'",
    re.MULTILINE,
)
_THERE = re.compile(
    r"^flaskops: (?P<words>programs that its packages brought: [\w., +-]+)$", re.MULTILINE
)
_DENIED = re.compile(
    r"^(?:\S*sh|\S+\.sh): (?:line )?(?:\d+: )?(?:exec: )?"
    + _WORD.format("file")
    + r": Permission denied$",
    re.MULTILINE,
)
_NOT_STARTED = re.compile(
    r"^flaskops: "
    + _WORD.format("file")
    + r" cannot be started: (?:\[Errno 13\] )?Permission denied",
    re.MULTILINE,
)
_FORMAT = re.compile(
    r"^flaskops: "
    + _WORD.format("file")
    + r" cannot be started: (?:\[Errno 8\] )?Exec format error|"
    r"^(?!flaskops: )(?:.{0,200}\s)?" + _WORD.format("plain") + r": [Ee]xec format error",
    re.MULTILINE,
)


def advice(logs: str, container: Mapping[str, Any]) -> list[str]:
    """What to write for each program that could not run, by the log and the exit code of the
    container.
    """
    words = [_absent(name, logs) for name in _missing(logs)]
    words += [
        _no_module(name) for name in _first(match["name"] for match in _NO_MODULE.finditer(logs))
    ]
    words += [
        f"{name} is not executable: write chmod +x for it in the source (git update-index"
        f" --chmod=+x), or the program that reads it before it, such as command: sh {name}."
        for name in _first(match["file"] for match in not_run(logs, container))
    ]
    words += [
        f"{name} is not a program for this processor: a script must begin with a line such as"
        f" #!/bin/sh, or name the program that reads it before it, such as command: sh {name}; a"
        " program must be built for the processor of the host."
        for name in _first(match["file"] or match["plain"] for match in _FORMAT.finditer(logs))
    ]
    return words


def not_run(logs: str, container: Mapping[str, Any]) -> list[re.Match[str]]:
    """The lines that report that a file may not be run. A shell reports the same for a file that it
    may not write, and goes on.
    """
    ended = container.get("State", {}).get("ExitCode") == 126
    return [*_NOT_STARTED.finditer(logs), *(_DENIED.finditer(logs) if ended else ())]


def _missing(logs: str) -> list[str]:
    names: list[str] = []
    for match in _MISSING.finditer(logs):
        # For Python it may also be a file.
        if match["python"] is None or match["python"] in PACKAGES:
            names.append(next(name for name in match.groups() if name))
    return _first(names)


def _first(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:TOLD]


def _no_module(name: str) -> str:
    if words := outdated.of_module(name):
        return words
    outer = name.partition(".")[0]
    if outer != name:  # Python searches the package that exists
        return (
            f"The Python module {name} is not in the image, and {outer} is: its package may be"
            " newer or older than what imports it, so write the version that goes with it in its"
            " requirements, or add the package that has this part. The application's own module"
            " belongs in the source, where .dockerignore lets it through."
        )
    package = CALLED.get(name, "the package that has it")
    built = (
        f"; with apt_packages: [{BUILT[name]}] where it is built from its source"
        if name in BUILT
        else ""
    )
    return (
        f"The Python module {name} is not in the image: add {package} to its requirements (a line"
        " of requirements.txt, "
        "dependencies in pyproject.toml, install_requires in setup.py), or take the extra of the"
        " project that has it, such as "
        f'requirements: ".[postgres]"{built}.'
        " The application's own module is imported by its path below the source."
    )


def _absent(name: str, logs: str) -> str:
    if "/" in name:
        return (
            f"{name} is not in the image, or the program that its first line (#!) names is not; an"
            " editor on Windows leaves CR LF there. Write the program that reads it before it,"
            f" such as command: sh {name}, or a path that exists."
        )
    if package := PACKAGES.get(name):
        return f"The program {name} is not in the image: write apt_packages: [{package}]."
    if name in ("python", "pip"):
        return (
            f"The program {name} is not in the image: write"
            f" python3{' -m pip' if name == 'pip' else ''}, or the image's own path of it."
        )
    found = _THERE.search(logs)
    there = f"; {found[1].strip()}" if found else ""
    return (
        f"The program {name} is not in the image{there}. Write one that exists, or python3 -m"
        f" with its module; a package that brings {name} belongs in its requirements, one of Debian"
        " in apt_packages; a command of the project itself is there when the project could be"
        " built, else a warning of its build says why not."
    )
