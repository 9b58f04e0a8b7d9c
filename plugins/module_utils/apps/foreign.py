# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dockerfiles for a known image whose place our runtime takes: what in them another distribution
has, and code that they do not copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..images import dockerfile
from ..images.dockerfile import Stage

# A word of a shell or of a JSON array; between them are spaces, quotes and commas.
_GAP = r"[\s\"',\[]+"
_MANAGER = re.compile(
    rf"(?:^|[\s;&|(\"'\[])(?:/[\w/]*/)?(apk|yum|dnf|microdnf|zypper|pacman){_GAP}(?:-[\w=./:-]+{_GAP})*"
    r"(add|del|fix|install|remove|erase|update|upgrade|makecache|clean|groupinstall|-S\w*)\b",
)
_BUSYBOX = re.compile(r"(?:^|[\s;&|(\"'\[])(?:/[\w/]*/)?(adduser|addgroup)[ \t]+(?:-[SDHGgu]\b)")
_TAKES_WORD = ("-t", "--virtual", "-X", "--repository", "--root", "-p", "--arch")
# Debian's names of Alpine packages; "" for those that the build image has.
_DEBIAN = {
    **dict.fromkeys(
        (
            "bash",
            "build-base",
            "ca-certificates",
            "g++",
            "gcc",
            "libc-dev",
            "libgcc",
            "libstdc++",
            "linux-headers",
            "musl-dev",
            "py-pip",
            "py3-pip",
            "pcre-dev",
            "pcre2-dev",
            "python3",
            "python3-dev",
        ),
        "",
    ),
    **dict.fromkeys(("uwsgi", "uwsgi-python3", "nginx", "supervisor"), ""),
    **dict.fromkeys(("postgresql-dev", "libpq-dev", "postgresql-libs"), "libpq-dev"),
    **dict.fromkeys(("mariadb-dev", "mariadb-connector-c-dev", "mysql-dev"), "libmariadb-dev"),
    **dict.fromkeys(("jpeg-dev", "libjpeg-turbo-dev"), "libjpeg-dev"),
    "openssl-dev": "libssl-dev",
    "zlib-dev": "zlib1g-dev",
    "libxslt-dev": "libxslt1-dev",
    "freetype-dev": "libfreetype-dev",
    "openldap-dev": "libldap-dev",
    "libressl-dev": "libssl-dev",
}  # fmt: skip
_BRINGS = re.compile(r"\b(git\s+clone|curl|wget|svn)\b|--mount=type=bind")
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")


def commands(text: str, stage: Stage) -> Iterator[tuple[int, str, str]]:
    """Of each RUN of a stage that Debian cannot run: the number of its line, the program, and the
    whole command.
    """
    lines = text.splitlines()
    for instruction in stage.instructions:
        if instruction.word != "RUN":
            continue
        # Only the lines contain a heredoc.
        said = [
            line
            for line in lines[instruction.first : instruction.last + 1]
            if not line.lstrip().startswith("#")
        ]
        whole = re.sub(r"[\\`]\n", " ", "\n".join(said))
        found = _MANAGER.search(whole) or _BUSYBOX.search(whole)
        if found and not re.search(r"\b(apt|apt-get)\b", whole):  # one that looks which there is
            yield instruction.first + 1, found[1], whole


def packages(command: str) -> list[str]:
    """The packages of apk add, by Debian's names if they are known to differ."""
    names: dict[str, None] = {}
    for part in re.split(r"[;&|()\n]+", command):
        words = [word for word in re.split(_GAP, part.rstrip("] \t")) if word]
        if "apk" not in [word.rpartition("/")[2] for word in words] or "add" not in words:
            continue
        ahead = words[words.index("add") + 1 :]
        while ahead:
            word = ahead.pop(0)
            if word in _TAKES_WORD and ahead:
                ahead.pop(0)
            name = re.split(r"[=<>~@]", word)[0]
            if (
                not word.startswith((".", "-", "$"))
                and (name := _DEBIAN.get(name, name))
                and _NAME.fullmatch(name)
            ):
                names[name] = None
    return list(names)


def copies_code(chain: Iterable[Stage], files: list[str]) -> bool:
    """Whether a Dockerfile has the code of the application from anywhere; where that cannot be
    seen, it has.
    """
    for stage in chain:
        for instruction in stage.instructions:
            if instruction.word == "RUN" and _BRINGS.search(
                " ".join([*instruction.flags, instruction.text])
            ):
                return True
            if instruction.word not in ("COPY", "ADD"):
                continue
            copied = dockerfile.copied([Stage("", "", instruction, [instruction])], files)
            if not copied or any(file.endswith(".py") for file in copied.values()):
                return True
    return False


def code_of(files: Iterable[str]) -> str:
    """What of the source becomes /app of such an image: as its documents have it, app/, else the
    whole.
    """
    known = set(files)
    return "app" if "app/main.py" in known and not {"main.py", "app/__init__.py"} & known else "."
