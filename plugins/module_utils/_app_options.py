# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what may be said of an application."""

from __future__ import annotations

import ast
from dataclasses import replace

from ansible_collections.flaskops.host.plugins.module_utils._options import Option

NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
# Segments of a URL that mean nothing to Nginx, a shell or a file system; none starts with a dot.
PATH = r"/|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?"
PATH_WORDS = "a path such as /shop: letters, digits and . _ ~ -, each part after a slash, no part beginning with a dot"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
ROOT = r"(/[A-Za-z0-9._-]+)+"
PATH_LIMIT = 3000  # of a path on the controller; Linux has 4096 for it and what is below
FILE_NAME_LIMIT = 255
SOCKET_LIMIT = 107  # bytes of sun_path that Linux leaves to a name, unix(7)


def _one_line(text: str) -> str:
    if set(text) & set("\n\r\0"):
        return "it has to be one line; put longer values into secrets."
    # What reads the env file strips its lines.
    return "spaces at its end would be lost; put it into secrets." if text != text.rstrip() else ""


def _literal_arguments(text: str) -> str:
    """Of a factory only what can be written down without running anything."""
    try:
        call = ast.parse(text, mode="eval").body
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)] if isinstance(call, ast.Call) else []:
            ast.literal_eval(argument)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "the arguments of a factory have to be constants, such as create_app('production')."
    return ""


def _path(text: str) -> str:
    """Of a path on the controller what no file system has."""
    too_long = len(text.encode()) > PATH_LIMIT or any(len(part.encode()) > FILE_NAME_LIMIT for part in text.split("/"))
    if too_long:
        return f"a path has at most {PATH_LIMIT} bytes, and {FILE_NAME_LIMIT} in each part."
    return "" if text.isprintable() else "a path has no control characters."


def _inside(text: str) -> str:
    return "'..' is not allowed in it." if ".." in text.split("/") else ""


# A file or directory below a source, or nothing.
BELOW = r"([A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?"
_ABSOLUTE = {"pattern": r"(/[A-Za-z0-9._-]+)+", "allowed": "an absolute path such as /app/cache", "check": _inside}
# One word of a directive of Nginx, which has ; { and } only in quotes.
_QUOTED = r"""\"(\\.|[^\"\\\r\n])*\"|'(\\.|[^'\\\r\n])*'"""
_PLAIN = r"""([^\s{};\"'#\\]|\\\S)([^\s{};\\]|\\\S)*"""
# A header of an answer, except those that say what its body is.
_HEADER = r"(?i:(?!(content-(type|length|encoding|range)|etag|last-modified|date|connection|transfer-encoding)$)[a-z][a-z0-9-]*)"
_SECONDS = {"kind": "int", "minimum": 1, "allowed": "a number of seconds"}

OPTIONS: dict[str, Option] = {
    "name": Option(required=True, pattern=NAME, allowed="1 to 40 of a-z, 0-9 and -, not at the ends, for example shop"),
    "source": Option(default="", allowed="the directory of the application, for example files/shop", check=_path),
    "git": Option(
        kind="dict",
        default={},
        options={
            "repo": Option(
                default="",
                pattern=r"((https?|ssh|git|file)://[^\s'\"]+|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^\s'\"]+|/[^\s'\"]+)?",
                allowed="the address of a repository, such as https://git.example.org/shop.git or git@git.example.org:shop.git",
            ),
            "version": Option(
                default="HEAD",
                pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]*",
                allowed="a branch, a tag or a commit, such as main or v1.2",
                check=_inside,
            ),
            "directory": Option(default="", pattern=BELOW, allowed="a directory of the repository"),
            "key_file": Option(default="", allowed="the file of a private key on the controller, such as ~/.ssh/deploy", check=_path),
        },
    ),
    "image": Option(
        default="",
        pattern=r"([a-z0-9][A-Za-z0-9._-]*(:\d+)?/)?[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?|",
        allowed="the reference of an image, such as registry.example.org/shop@sha256:… or registry.example.org/shop:1.2",
    ),
    "image_archive": Option(default="", allowed="a tar archive on the controller that docker save has written", check=_path),
    "registry": Option(
        kind="dict",
        default={},
        secret=True,
        options={
            "username": Option(default="", check=_one_line, secret=True),
            "password": Option(default="", check=_one_line, secret=True),
        },
    ),
    "dockerfile": Option(default="", pattern=BELOW, allowed="a file of the source, such as Dockerfile"),
    "requirements": Option(
        default="",
        pattern=BELOW,
        allowed="a file of the source, such as requirements/production.txt",
    ),
    "apt_packages": Option(
        kind="list",
        default=[],
        elements=Option(pattern=r"[a-z0-9][a-z0-9.+-]+", allowed="the name of a Debian package such as libpq5"),
    ),
    "path": Option(required=True, pattern=PATH, allowed=PATH_WORDS),
    "site": Option(default="default", pattern=NAME, allowed="the name of an entry of nginx_sites, or default"),
    "path_mode": Option(default="domain", choices=("domain", "script_name")),
    "engine": Option(choices=("uwsgi", "gunicorn", "command")),
    "command": Option(default="", check=_one_line, secret=True),
    "port": Option(kind="int", default=0, minimum=0, maximum=65535, allowed="the TCP port of the server in the image, 0 for none"),
    "module": Option(pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", allowed="a Python module such as main or shop.web"),
    "callable": Option(
        pattern=r"[A-Za-z_]\w*(\(.*\))?",
        allowed="a name in the module such as app, create_app() or create_app('production')",
        check=_literal_arguments,
    ),
    "websocket": Option(kind="bool", default=False),
    "uwsgi": Option(
        kind="dict",
        default={},
        options={
            "processes": Option(
                default="auto", pattern=r"auto|[1-9]\d{0,2}", allowed="auto (from the CPU limit) or a number from 1 to 999"
            ),
            "threads": Option(kind="int", default=4, minimum=1, allowed="a number of threads"),
            "gevent": Option(kind="int", default=100, minimum=1, allowed="a number of greenlets in each process"),
            "harakiri_seconds": Option(kind="int", default=0, minimum=0, allowed="a number of seconds, 0 for none"),
            "cheaper": Option(kind="int", default=0, minimum=0, allowed="a number of processes below processes, 0 for none"),
            "cheaper_algorithm": Option(default="spare", choices=("spare", "spare2", "backlog", "busyness")),
            "max_requests": Option(kind="int", default=0, minimum=0, allowed="a number of requests, 0 for no limit"),
            "buffer_size": Option(kind="int", default=65535, minimum=4096, maximum=65535, allowed="a number of bytes from 4096 to 65535"),
            "offload_threads": Option(kind="int", default=0, minimum=0, allowed="a number of threads, 0 for none"),
            "lazy_apps": Option(kind="bool", default=False),
            "stats": Option(kind="bool", default=False),
            "options": Option(
                kind="dict",
                default={},
                pattern=r"[a-z][a-z0-9-]*",
                allowed="options are written as uWSGI writes them, such as max-worker-lifetime",
                elements=Option(check=_one_line, secret=True),
            ),
        },
    ),
    "gunicorn": Option(
        kind="dict",
        default={},
        options={
            "workers": Option(default="auto", pattern=r"auto|[1-9]\d{0,2}", allowed="auto (from the CPU limit) or a number from 1 to 999"),
            "threads": Option(kind="int", default=4, minimum=1, allowed="a number of threads"),
            "gevent": Option(kind="int", default=100, minimum=1, allowed="a number of greenlets in each worker"),
            "timeout_seconds": Option(kind="int", default=60, minimum=0, allowed="a number of seconds, 0 for none"),
            "max_requests": Option(kind="int", default=0, minimum=0, allowed="a number of requests, 0 for no limit"),
            "max_requests_jitter": Option(kind="int", default=0, minimum=0, allowed="a number of requests"),
            "log_level": Option(default="info", choices=("debug", "info", "warning", "error", "critical")),
        },
    ),
    "env": Option(
        kind="dict",
        default={},
        pattern=VARIABLE,
        allowed="names are made of letters, digits and _",
        elements=Option(check=_one_line, secret=True),
        secret=True,
    ),
    "secrets": Option(
        kind="dict",
        default={},
        pattern=VARIABLE,
        allowed="names are made of letters, digits and _",
        elements=Option(secret=True),
        secret=True,
    ),
    "health": Option(
        kind="dict",
        default={},
        options={
            "path": Option(default="/", pattern=r"/[A-Za-z0-9._~/?&=%-]*", allowed="a path below the application's own, such as /health"),
            "host": Option(
                default="",
                pattern=r"([A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?(:[1-9]\d{0,4})?)?",
                allowed="a name that the application answers to, such as shop.example.org, or '' for the name of its site",
            ),
            "status": Option(
                kind="list",
                filled=True,
                default=["2xx", "3xx", "401", "403"],
                elements=Option(pattern=r"[1-5](xx|\d\d)", allowed="a status such as 200 or 2xx"),
            ),
            "deadline_seconds": Option(default=60, **_SECONDS),
            "interval_seconds": Option(kind="float", default=0.5, minimum=0.1, allowed="a number of seconds"),
        },
    ),
    "release_command": Option(default="", check=_one_line, secret=True),
    "release_command_seconds": Option(default=600, **_SECONDS),
    "drain_seconds": Option(kind="int", default=30, minimum=0, allowed="a number of seconds"),
    "keep_releases": Option(kind="int", default=5, minimum=2, allowed="a number of releases, the one that serves among them"),
    "resources": Option(
        kind="dict",
        default={},
        options={
            "memory": Option(default="512m", pattern=r"[1-9]\d*[bkmg]", allowed="a size such as 512m or 2g"),
            "pids": Option(kind="int", default=512, minimum=16, allowed="a number of processes and threads"),
            "cpus": Option(kind="float", default=0, minimum=0, allowed="a number of processors, 0 for all"),
            "tmp": Option(default="64m", pattern=r"[1-9]\d*[bkmg]", allowed="a size such as 64m"),
        },
    ),
    "uid": Option(kind="int", default=0, minimum=0, maximum=2**31 - 2, allowed="a user id such as 20001, 0 for one of its own"),
    "writable": Option(kind="list", default=[], elements=Option(**_ABSOLUTE)),
    "volumes": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=r"(/[A-Za-z0-9._/-]*|[A-Za-z0-9][A-Za-z0-9_.-]+):/[A-Za-z0-9._/-]+(:ro)?",
            allowed="a volume or an absolute path, a colon, and where it is mounted, such as shop-data:/data or /srv/media:/media:ro",
            check=_inside,
        ),
    ),
    "networks": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=r"(?!host$|none$)[A-Za-z0-9][A-Za-z0-9_.-]*", allowed="the name of a Docker network such as bridge, not host or none"
        ),
    ),
    "static": Option(
        kind="list",
        default=[{"url": "/static", "path": "static", "required": False}],
        options={
            "url": Option(
                required=True,
                pattern=r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?",
                allowed="a path below the application's own, such as /static",
            ),
            "path": Option(
                required=True,
                pattern=r"/?[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?",
                allowed="a directory of the image, absolute or below /app, such as static",
            ),
            "required": Option(kind="bool", default=True),
            "index": Option(kind="bool", default=False),
            "fallback": Option(kind="bool", default=False),
            "immutable": Option(kind="bool", default=False),
        },
    ),
    "proxy": Option(
        kind="dict",
        default={},
        options={
            "connect_timeout_seconds": Option(default=60, **_SECONDS),
            "read_timeout_seconds": Option(default=60, **_SECONDS),
            "temp_file_size": Option(default="256m", pattern=r"0|[1-9]\d{0,5}[mg]", allowed="a size such as 256m or 1g, or 0 for no file"),
            "body_size": Option(default="", pattern=r"(\d+[kmg]?)?", allowed="a size such as 20m, 0 for no limit, or '' for the host's"),
            "buffering": Option(kind="bool", default=True),
            "header_buffer_size": Option(default="16k", pattern=r"[1-9]\d{0,2}k", allowed="a size such as 16k, at most 999k"),
            "static_headers": Option(
                kind="dict",
                default={},
                pattern=_HEADER,
                allowed="a header such as Access-Control-Allow-Origin, and none that says what the body is, such as Content-Type or ETag",
                elements=Option(pattern=r"[^$\x00-\x1f\x7f]+", allowed="one line without $, such as '*'"),
            ),
            "cookie_path": Option(default="app", choices=("app", "keep")),
            "accel_redirect": Option(kind="bool", default=False),
            "websocket_paths": Option(
                kind="list",
                default=[],
                elements=Option(pattern=r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?", allowed="a path below the application's own, such as /ws"),
            ),
            "websocket_timeout_seconds": Option(default=3600, **_SECONDS),
            "cache_seconds": Option(kind="int", default=0, minimum=0, allowed="a number of seconds, 0 for no cache"),
            "cache_bypass_cookies": Option(
                kind="list", default=["session"], elements=Option(pattern=VARIABLE, allowed="the name of a cookie such as session")
            ),
            "directives": Option(
                kind="list",
                default=[],
                elements=Option(
                    pattern=rf"[a-z][a-z0-9_]*([ \t]+({_QUOTED}|{_PLAIN}))*[ \t]*",
                    allowed="a directive of Nginx without its semicolon, what has ; { } or # in it in quotes, such as "
                    'add_header Content-Security-Policy "default-src \'self\'; img-src *" always',
                    secret=True,
                ),
            ),
            "fragment": Option(default="", allowed="a template on the controller, such as files/shop.nginx.conf.j2", check=_path),
        },
    ),
    "processes": Option(
        kind="list",
        default=[],
        options={
            "name": Option(
                required=True, pattern=r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", allowed="1 to 20 of a-z, 0-9 and -, such as worker"
            ),
            "command": Option(required=True, check=_one_line, secret=True),
            "overlap": Option(kind="bool", default=True),
            "ready_seconds": Option(kind="int", default=2, minimum=0, allowed="a number of seconds"),
            "stop_seconds": Option(kind="int", default=30, minimum=1, allowed="a number of seconds"),
        },
    ),
    "state": Option(default="present", choices=("present", "maintenance", "stopped", "absent")),
    "maintenance": Option(
        kind="dict",
        default={},
        options={
            "page": Option(default="", allowed="an HTML file on the controller, such as files/maintenance.html", check=_path),
            "retry_after_seconds": Option(default=120, **_SECONDS),
        },
    ),
}

# Of an application that must not be there, its name is enough.
ABSENT_OPTIONS = {**OPTIONS, **{key: replace(OPTIONS[key], required=False) for key in ("path",)}}
