# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be said of an application, and what follows from it before any host is asked."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.flaskops.host.plugins.module_utils._options import Option, merge, normalize
from ansible_collections.flaskops.host.plugins.module_utils._source import source_files

NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
# Segments of a URL that mean nothing to Nginx, a shell or a file system; none starts with a dot.
PATH = r"/|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?"
PATH_WORDS = "a path such as /shop: letters, digits and . _ ~ -, each part after a slash, no part beginning with a dot"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
NAME_LIMIT = 40
ROOT = r"(/[A-Za-z0-9._-]+)+"
SOCKET_LIMIT = 107  # bytes of sun_path that Linux leaves to a name, unix(7)


def _one_line(text: str) -> str:
    if set(text) & set("\n\r\0"):
        return "it has to be one line; put longer values into secrets."
    # What reads the env file strips its lines.
    return "spaces at its end would be lost; put it into secrets." if text != text.rstrip() else ""


def _inside(text: str) -> str:
    return "'..' is not allowed in it." if ".." in text.split("/") else ""


_ABSOLUTE = {"pattern": r"(/[A-Za-z0-9._-]+)+", "allowed": "an absolute path such as /app/cache", "check": _inside}
_SECONDS = {"kind": "int", "minimum": 1, "allowed": "a number of seconds"}

OPTIONS: dict[str, Option] = {
    "name": Option(required=True, pattern=NAME, allowed="1 to 40 of a-z, 0-9 and -, not at the ends, for example shop"),
    "source": Option(required=True, allowed="the directory of the application, for example files/shop"),
    "path": Option(required=True, pattern=PATH, allowed=PATH_WORDS),
    "site": Option(default="default", pattern=NAME, allowed="the name of an entry of nginx_sites, or default"),
    "path_mode": Option(default="domain", choices=("domain",)),
    "engine": Option(default="uwsgi", choices=("uwsgi",)),
    "module": Option(pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", allowed="a Python module such as main or shop.web"),
    "callable": Option(pattern=r"[A-Za-z_]\w*(\(\))?", allowed="a name in the module such as app or create_app()"),
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
        },
    ),
    "env": Option(
        kind="dict",
        default={},
        pattern=VARIABLE,
        allowed="names are made of letters, digits and _",
        elements=Option(check=_one_line),
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
            "status": Option(
                kind="list",
                default=["2xx", "3xx", "401", "403"],
                elements=Option(pattern=r"[1-5](xx|\d\d)", allowed="a status such as 200 or 2xx"),
            ),
            "deadline_seconds": Option(default=60, **_SECONDS),
            "interval_seconds": Option(kind="float", default=0.5, minimum=0.1, allowed="a number of seconds"),
        },
    ),
    "release_command": Option(default="", check=_one_line),
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
        },
    ),
    "proxy": Option(
        kind="dict",
        default={},
        options={
            "connect_timeout_seconds": Option(default=60, **_SECONDS),
            "read_timeout_seconds": Option(default=60, **_SECONDS),
            "body_size": Option(default="", pattern=r"(\d+[kmg]?)?", allowed="a size such as 20m, 0 for no limit, or '' for the host's"),
            "buffering": Option(kind="bool", default=True),
        },
    ),
    "state": Option(default="present", choices=("present", "maintenance", "stopped", "absent")),
    "maintenance": Option(
        kind="dict",
        default={},
        options={
            "page": Option(default="", allowed="an HTML file on the controller, such as files/maintenance.html"),
            "retry_after_seconds": Option(default=120, **_SECONDS),
        },
    ),
}

# Of an application that must not be there, its name is enough.
ABSENT_OPTIONS = {**OPTIONS, **{key: replace(OPTIONS[key], required=False) for key in ("source", "path")}}

# Set by us in every container; the application's own may not contradict them.
# Beside flaskops/<name> there are flaskops/base and flaskops/runtime.
RESERVED_NAMES = ("base", "runtime")
RESERVED_ENV = {"DOMAIN": "path", "FLASKOPS_APP": "name", "FLASKOPS_RELEASE": "the release"}


def normalize_apps(
    apps: Any,
    defaults: Any = None,
    sites: Iterable[str] = ("default",),
    source_root: str = ".",
    root: str = "/var/lib/flaskops",
    taken_paths: Iterable[str] = (),
    uid: int = 10001,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Complete the entries of flask_apps and check them, each alone and against each other.

    Args:
        apps: flask_apps as the user wrote it.
        defaults: flask_apps_defaults, laid under every entry.
        sites: the names of the server blocks there are.
        source_root: the directory that relative sources start from, on the controller.
        root: the directory of the releases on the host; the length of socket paths depends on it.
        taken_paths: where the sites themselves answer.
        uid: the user that the containers run as.

    Returns:
        The complete entries, and all problems as sentences.
    """
    if not isinstance(apps, (list, tuple)):
        return [], [f"flask_apps: it is {apps!r}; it has to be a list of dictionaries with name, source and path."]
    if not isinstance(defaults or {}, Mapping):
        return [], [f"flask_apps_defaults: it is {defaults!r}; it has to be a dictionary of keys as in an entry of flask_apps."]
    problems = [
        f"flask_apps_defaults: {key!r} belongs to one application; write it into its entry of flask_apps."
        for key in ("name", "source", "path")
        if key in (defaults or {})
    ]
    if not re.fullmatch(ROOT, root) or ".." in root.split("/"):
        words = "an absolute path of letters, digits and . _ -, such as /var/lib/flaskops"
        problems.append(f"flask_apps_root: it is {root!r}; it has to be {words}.")
    if uid < 1:
        problems.append(f"flask_apps_uid: it is {uid}; it has to be 1 or more, for no container runs as root.")
    result: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for position, entry in enumerate(apps):
        if not isinstance(entry, Mapping):
            problems.append(f"flask_apps[{position}]: it is {entry!r}; it has to be a dictionary with name, source and path.")
            continue
        where = f"flask_apps: {entry['name']}" if isinstance(entry.get("name"), str) else f"flask_apps[{position}]"
        absent = entry.get("state") == "absent"
        app, found = normalize(merge(defaults or {}, entry), ABSENT_OPTIONS if absent else OPTIONS, where)
        problems.extend(found)
        if absent:
            gone.append(app)
            continue
        problems.extend(f"{where}: {problem}" for problem in _against_host(app, list(sites), root, set(taken_paths)))
        problems.extend(f"{where}: {problem}" for problem in _against_source(app, source_root))
        if not found:
            _finish(app)
        result.append(app)
    names = [str(app["name"]) for app in gone]
    problems += [f"flask_apps: {name}: it is absent and listed twice; keep one entry." for name in _twice(names, result)]
    return result + gone, problems + _collisions(result)


def _twice(names: list[str], others: list[dict[str, Any]]) -> list[str]:
    taken = [*names, *(str(app["name"]) for app in others)]
    return [name for name in dict.fromkeys(names) if taken.count(name) > 1]


def _finish(app: dict[str, Any]) -> None:
    """One way to write each path, and the path as a prefix."""
    app["path"] = app["path"].rstrip("/") or "/"
    app["prefix"] = app["path"].rstrip("/")
    for static in app["static"]:
        static["url"] = static["url"].rstrip("/")


def _against_host(app: dict[str, Any], sites: list[str], root: str, taken_paths: set[str]) -> list[str]:
    """What an entry says, checked against what the host has and what we set ourselves. It may be malformed."""
    problems = []
    site, path, name = app["site"], app["path"], app["name"]
    if isinstance(site, str) and site not in sites:
        problems.append(f"site is {site!r}; there are {', '.join(sites)}. Add it to nginx_sites or choose one of these.")
    if isinstance(path, str) and path.rstrip("/") in taken_paths:
        problems.append(f"path is {path!r}, where the site itself answers (nginx_health_path); choose another.")
    if name in RESERVED_NAMES:
        problems.append(f"name is {name!r}, which one of our own images has; choose another.")
    env = app["env"] if isinstance(app["env"], Mapping) else {}
    secrets = app["secrets"] if isinstance(app["secrets"], Mapping) else {}
    problems += [f"env sets {name}, which we set from {meaning}; leave it out." for name, meaning in RESERVED_ENV.items() if name in env]
    problems += [
        f"env sets {name}, which we set from secrets; leave it out." for name in sorted(set(env) & {f"{secret}_FILE" for secret in secrets})
    ]
    socket = f"{root}/apps/{name}/releases/{'0' * 12}/run/app.sock"
    if isinstance(name, str) and len(name) <= NAME_LIMIT and len(socket.encode()) > SOCKET_LIMIT:
        problems.append(
            f"the socket {socket} has {len(socket.encode())} bytes and Linux allows {SOCKET_LIMIT}; "
            "choose a shorter name or a shorter flask_apps_root."
        )
    return problems


def _against_source(app: dict[str, Any], source_root: str) -> list[str]:
    """What an entry says, checked against the controller's files. It may be malformed."""
    if not isinstance(app["source"], str):
        return []
    source = Path(source_root, os.path.expanduser(app["source"])).absolute()
    app["source"] = str(source)
    problems = _maintenance_page(app, source_root)
    if not source.is_dir():
        return [*problems, f"source is not a directory: {source}. Relative sources start from flask_apps_source_root."]
    try:
        files = set(source_files(str(source)))
    except (OSError, UnicodeError) as error:
        return [*problems, f"source {source} cannot be read: {error}. File names and .dockerignore have to be UTF-8."]
    if not files:
        return [*problems, f"source is an empty directory: {source}."]
    if "requirements.txt" not in files:
        ignored = " that .dockerignore lets through" if (source / "requirements.txt").exists() else ""
        problems.append(f"source has no requirements.txt{ignored}: {source}. Write one; at least Flask has to be in it.")
    if all(app[key] is None or re.fullmatch(OPTIONS[key].pattern, str(app[key])) for key in ("name", "module", "callable")):
        problems += _find_callable(app, source)
    return problems


def _maintenance_page(app: dict[str, Any], source_root: str) -> list[str]:
    page = app["maintenance"].get("page") if isinstance(app["maintenance"], Mapping) else ""
    if not isinstance(page, str) or not page:
        return []
    file = Path(source_root, os.path.expanduser(page)).absolute()
    app["maintenance"]["page"] = str(file)
    return [] if file.is_file() else [f"maintenance.page is not a file: {file}. It starts from flask_apps_source_root."]


def _collisions(apps: list[dict[str, Any]]) -> list[str]:
    """Names and places that are taken twice. What is of a wrong kind has been answered already."""
    problems = []
    names = [app["name"] for app in apps if isinstance(app["name"], str)]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.append(f"flask_apps: {name}: {names.count(name)} entries have this name; names have to differ.")
    # Nginx knows each location of a site once: path and static files of all applications share them.
    places: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for app in (app for app in apps if isinstance(app["path"], str)):
        site, path = str(app["site"]), app["path"].rstrip("/")
        known = any(use == "path" for _name, use in places.get((site, f"{path}/"), []))
        # Where the paths are the same, it goes without saying that what is below is too.
        below = [] if known else [("static", f"{path}{url}/") for url in _static_urls(app)]
        for use, location in [("path", f"{path}/"), *below]:
            places.setdefault((site, location), []).append((str(app["name"]), use))
    for (site, location), users in places.items():
        where = " and ".join(dict.fromkeys(name for name, _use in users))
        if len(users) == 1:
            continue
        if {use for _name, use in users} == {"path"}:
            where = " and ".join(name for name, _use in users)
            problems.append(f"flask_apps: {where}: path is {location.rstrip('/') or '/'!r} on site {site!r} in each; give each its own.")
        else:
            told = "static twice" if where == users[0][0] else " and ".join(f"{use} of {name}" for name, use in users)
            problems.append(f"flask_apps: {where}: {location!r} on site {site!r} is {told}; change one of them.")
    return problems


def _static_urls(app: Mapping[str, Any]) -> list[str]:
    """Of an entry that may be malformed."""
    static = app["static"] if isinstance(app["static"], list) else []
    return [entry["url"].rstrip("/") for entry in static if isinstance(entry.get("url"), str)]


# Where an application is looked for when the entry does not say: what the Flask documentation and the seeds' images use.
MODULES = ("wsgi", "app", "main", "application", "app.main")
CALLABLES = ("app", "application", "create_app()", "make_app()")


def _find_callable(app: dict[str, Any], source: Path) -> list[str]:
    """Fill module and callable by convention, reading the source without running it."""
    candidates = [app["module"]] if app["module"] else [*MODULES, str(app["name"] or "").replace("-", "_")]
    wanted = [app["callable"]] if app["callable"] else list(CALLABLES)
    looked = []
    for module in dict.fromkeys(candidates):
        file = _module_file(source, module)
        if file is None:
            continue
        try:
            defined, note = _defined(file), ""
        except (SyntaxError, ValueError) as error:
            defined, note = set(), f" (a syntax error in line {getattr(error, 'lineno', None) or 1})"
        found = next((name for name in wanted if name in defined), None)
        if found or (app["module"] and app["callable"]):
            app["module"], app["callable"] = module, found or app["callable"]
            return []
        looked.append(f"{file.relative_to(source)}{note}")
    if app["module"] and app["callable"]:  # it may come with the requirements
        return []
    return [
        f"no Flask application was found in {source}: looked for {', '.join(wanted)} in "
        f"{', '.join(looked) or 'the modules ' + ', '.join(candidates) + ', of which there is none'}; "
        "write module and callable, for example module: shop.web, callable: app."
    ]


def _module_file(source: Path, module: str) -> Path | None:
    base = source.joinpath(*module.split("."))
    return next((file for file in (base.with_name(base.name + ".py"), base / "__init__.py") if file.is_file()), None)


def _defined(file: Path) -> set[str]:
    """The names that a module binds at its top level; a factory has parentheses, and what is imported may be one."""
    tree = ast.parse(file.read_bytes())
    names: set[str] = set()
    for node in _statements(tree.body):
        if isinstance(node, ast.Assign):
            names.update(name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound = {alias.asname or alias.name for alias in node.names}
            names.update(bound, (f"{name}()" for name in bound))
        elif isinstance(node, ast.FunctionDef) and not _needs_arguments(node.args):
            names.add(f"{node.name}()")
    return names


def _needs_arguments(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional > len(arguments.defaults) or None in arguments.kw_defaults


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, those in if, try and with among them."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody"):
            if isinstance(node, (ast.If, ast.Try, ast.With)):
                yield from _statements(getattr(node, field, []))
