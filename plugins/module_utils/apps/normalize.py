# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from what is said of applications, before any host is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..host.size import bytes_of
from ..host.places import ROOT as PLACES_ROOT
from ..host.places import Place
from ..images import dockerfile
from ..images.base import complete as complete_base
from ..images.base import problem_of, python_of
from ..inputs.options import merge, normalize, plain_text, refusal, show
from ..releases.app_path import AppPath
from ..releases.covers import add_data_files, cover_problems
from ..releases.engines.known import engine_of
from ..releases.networks import network_problems, pool_problem
from ..releases.processes import process_problems, twice
from ..releases.secrets import is_setting
from ..releases.secrets import notes as secret_notes
from ..releases.secrets import problems as secret_problems
from . import dotenv, origin
from .schema import ABSENT_OPTIONS, NAME, OPTIONS, PATH, ROOT, SOCKET_LIMIT
from .sources.source import controller_path, file_problem, is_directory, source_files

# Set by us in every container; the application's own may not contradict them.
# Beside flaskops/<name> there are flaskops/base and flaskops/runtime.
RESERVED_NAMES = ("base", "runtime")
RESERVED_ENV = {"DOMAIN": "path", "FLASKOPS_APP": "name", "FLASKOPS_RELEASE": "the release"}
RESERVED_ENV_PREFIX = "FLASKOPS_"
ARCHIVES = (".tar", ".tar.gz", ".tgz")
OWN_FILE_BYTES = 2**20  # of a template or a page, which are part of a release
REPOSITORY = r"([a-z0-9][A-Za-z0-9._-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._/-]*|"


def normalize_apps(
    apps: Any,
    defaults: Any = None,
    sites: Sequence[str] | None = ("default",),
    source_root: Any = ".",
    root: Any = PLACES_ROOT,
    taken_paths: Iterable[str] = (),
    uids: Any = "70000-99999",
    checkout: origin.Checkout = lambda git: {},
    base_refresh: Any = "",
    runtime_image: Any = "",
    base_image: Any = "python:3.13-slim-trixie",
    bootstrapped: str = "",
    free_space: Any = "0",
    networks_pool: Any = "10.201.0.0/16",
) -> tuple[list[dict[str, Any]], list[str]]:
    """Complete the entries of flask_apps and check them, each alone and against each other.

    Args:
        apps: flask_apps as the user wrote it.
        defaults: flask_apps_defaults, laid under every entry.
        sites: the names of the server blocks there are; None where only the host knows them.
        source_root: the directory that relative sources start from, on the controller.
        root: the directory of the releases on the host; the length of socket paths depends on it.
        taken_paths: where the sites themselves answer.
        uids: the range that the users of containers are taken from.
        checkout: fetches what the C(git) of an entry names.
        base_refresh: flask_apps_base_refresh.
        runtime_image: flask_apps_runtime_image.
        base_image: flask_apps_base_image.
        bootstrapped: the version of the distribution's Python where the base is bootstrapped from
        it; else "". free_space: flask_apps_free_space. networks_pool: flask_apps_networks_pool.

    Returns:
        The complete entries, each with C(notes) of what was understood, and all problems; both as
        sentences.
    """
    if not isinstance(apps, (list, tuple)):
        return [], [
            refusal("flask_apps", "be a list of dictionaries with name, source and path", apps)
        ]
    if defaults is not None and not isinstance(defaults, Mapping):
        return [], [
            refusal(
                "flask_apps_defaults",
                "be a dictionary of keys as in an entry of flask_apps",
                defaults,
            )
        ]
    problems = [
        f"flask_apps_defaults: {key!r} belongs to one application; write it into its entry of"
        " flask_apps."
        for key in ("name", "source", "path")
        if key in (defaults or {})
    ]
    if not isinstance(source_root, str):
        problems.append(
            refusal("flask_apps_source_root", "be a directory on the controller", source_root)
        )
        source_root = "."
    if not isinstance(root, str) or not re.fullmatch(ROOT, root) or ".." in root.split("/"):
        words = f"an absolute path of letters, digits and . _ -, such as {PLACES_ROOT}"
        problems.append(refusal("flask_apps_root", f"be {words}", root))
        root = "/"
    problems += _images(base_refresh, runtime_image, base_image, source_root)
    first, _dash, last = (plain_text(uids) or "").partition("-")
    if not re.fullmatch(r"[1-9]\d{3,8}-[1-9]\d{3,8}", plain_text(uids) or "", re.ASCII) or int(
        first
    ) >= int(last):
        problems.append(
            refusal(
                "flask_apps_uids", "be a range of user ids from 1000 on, such as 70000-99999", uids
            )
        )
    try:
        bytes_of(plain_text(free_space) or "")
    except ValueError:
        must = "be a size such as 1g or 500m, or 0 for no check"
        problems.append(refusal("flask_apps_free_space", must, free_space))
    problems += pool_problem(networks_pool)
    result: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for position, entry in enumerate(apps):
        if not isinstance(entry, Mapping):
            problems.append(
                refusal(
                    f"flask_apps[{position}]", "be a dictionary with name, source and path", entry
                )
            )
            continue
        where = (
            f"flask_apps: {entry['name']}"
            if isinstance(entry.get("name"), str)
            else f"flask_apps[{position}]"
        )
        absent = entry.get("state") == "absent"
        given = merge(defaults or {}, entry)
        app, found = normalize(given, ABSENT_OPTIONS if absent else OPTIONS, where)
        problems.extend(found)
        if absent:
            gone.append(app)
            continue
        problems.extend(f"{where}: {problem}" for problem in _env_file(app, source_root))
        problems.extend(
            f"{where}: {problem}" for problem in _against_host(app, sites, root, set(taken_paths))
        )
        problems.extend(f"{where}: {problem}" for problem in _files_of(app, source_root))
        made = origin.complete(app, given, entry, source_root, checkout, sound=not found)
        if not found:
            made += complete_base(
                app, entry, _text(base_image), bootstrapped, origin.is_on_runtime(app)
            )
            made += origin.python_problems(
                app,
                bootstrapped or python_of(app["build"]["base"] or _text(base_image)),
                bool(bootstrapped),
            )
        problems.extend(f"{where}: {problem}" for problem in made)
        if not found:
            _finish(app)
            problems.extend(
                f"{where}: {problem}"
                for problem in (*engine_of(app).problems(app), *secret_problems(app))
            )
            app["notes"] += [*secret_notes(app), *([] if made else _env_file_in_image(app))]
        result.append(app)
    names = [_text(app["name"]) for app in (*gone, *result)]
    gone_names = names[: len(gone)]
    problems += [
        f"flask_apps: {name}: it is absent and listed twice; keep one entry."
        for name in twice(names)
        if name in gone_names
    ]
    return result + gone, problems + _uids_of_others(result, plain_text(uids) or "") + _collisions(
        result
    )


def _uids_of_others(apps: list[dict[str, Any]], uids: str) -> list[str]:
    """Of the range each application gets one of its own; who writes one of it may mean another's,
    and shares it with an entry that does.
    """
    first, _dash, last = uids.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        return []
    given = [app["uid"] for app in apps]
    return [
        f"flask_apps: {app['name']}: uid must be outside of flask_apps_uids ({uids}), of which each"
        f" application gets one of its own, or be written for all that share it; got {app['uid']}."
        for app in apps
        if isinstance(app["uid"], int)
        and int(first) <= app["uid"] <= int(last)
        and given.count(app["uid"]) == 1
    ]


def _images(refresh: Any, image: Any, base: Any, source_root: str) -> list[str]:
    """What is wrong with what is said of the runtime image."""
    problems = []
    if not isinstance(refresh, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{0,40}", refresh):
        words = "a word of letters, digits, - _ and ., such as 2026-12"
        problems.append(refusal("flask_apps_base_refresh", f"be {words}", refresh))
    if wrong_base := problem_of(base) if isinstance(base, str) else "be the reference of an image":
        problems.append(refusal("flask_apps_base_image", wrong_base, base))
    if isinstance(image, str) and image.endswith(ARCHIVES):
        file = controller_path(source_root, image)
        if wrong := file_problem(file, origin.ARCHIVE_BYTES):
            said = (
                f"there is no file {file}" if wrong.startswith("is not a file") else f"it {wrong}"
            )
            problems.append(
                f"flask_apps_runtime_image: {said}. It starts from flask_apps_source_root."
            )
    elif not isinstance(image, str) or not re.fullmatch(REPOSITORY, image):
        words = (
            "a repository without a tag, such as registry.example.org/flaskops/runtime, or a file"
            " that ends with .tar, .tar.gz or .tgz"
        )
        problems.append(refusal("flask_apps_runtime_image", f"be {words}", image))
    return problems


def _text(value: Any) -> str:
    """A value that may be of a wrong kind, which has been answered already."""
    return value if isinstance(value, str) else show(value)


def _finish(app: dict[str, Any]) -> None:
    """One way to write each path, and the path as a prefix."""
    app["path"] = app["path"].rstrip("/") or "/"
    app["script_name"] = ""
    app["script_name"] = _script_name(app) if AppPath.of(app).stripped else ""
    app.update(AppPath.of(app).words())
    for static in app["static"]:
        static["url"] = static["url"].rstrip("/")
    app["proxy"]["websocket_paths"] = [path.rstrip("/") for path in app["proxy"]["websocket_paths"]]
    add_data_files(app)


def _env_file(app: dict[str, Any], source_root: str) -> list[str]:
    """Give what is in its env_file to the entry, which may be malformed: settings to env, the rest
    to private_env.
    """
    app["private_env"] = {}
    given, env, secrets = app["env_file"], app["env"], app["secrets"]
    if (
        not isinstance(given, str)
        or not given
        or not isinstance(env, dict)
        or not isinstance(secrets, Mapping)
    ):
        return []
    file = controller_path(source_root, given)
    app["env_file"] = str(file)
    try:
        found = dotenv.read(file)
    except (OSError, ValueError) as error:
        return [f"env_file {error} It starts from flask_apps_source_root."]
    problems = []
    for name, value in found.items():
        if name in env or name in secrets:
            continue
        if name in RESERVED_ENV or name.startswith(RESERVED_ENV_PREFIX):
            meaning = f"set from {RESERVED_ENV[name]}" if name in RESERVED_ENV else "ours"
            problems.append(f"env_file sets {name}, which is {meaning}; take it out of {file}.")
        elif not is_setting(name):
            app["private_env"][name] = value
        elif "\n" in value or "\r" in value or value != value.rstrip():
            problems.append(
                f"env_file sets {name} to more than one line, or with spaces at its end; correct it"
                f" in {file}."
            )
        else:
            env[name] = value
    return problems


def _env_file_in_image(app: Mapping[str, Any]) -> list[str]:
    """A note, where the env_file of a complete entry is part of its source, which can be read."""
    file, source = Path(app["env_file"]), app["source"]
    if (
        not app["env_file"]
        or app["build"]["kind"] == "image"
        or not file.is_relative_to(source)
        or not is_directory(Path(source))
    ):
        return []
    name = str(file.relative_to(source))
    return (
        [f"env_file is in the source, so that the image has it: list {name} in .dockerignore."]
        if name in source_files(source)
        else []
    )


def _script_name(app: dict[str, Any]) -> str:
    """What a Gunicorn that is the image's own is told of its path: it takes that off itself. ""
    where Nginx does it for another server.
    """
    server = dockerfile.server_of(app["command"]) if app["command"] else app["build"]["server"]
    return str(
        app["env"].get("SCRIPT_NAME", AppPath.of(app).prefix if server == "gunicorn" else "")
    )


def _against_host(
    app: dict[str, Any], sites: Sequence[str] | None, root: str, taken_paths: set[str]
) -> list[str]:
    """What an entry says, checked against what the host has and what we set ourselves. It may be
    malformed.
    """
    problems = []
    site, path, name = app["site"], app["path"], app["name"]
    if sites is not None and isinstance(site, str) and site not in sites:
        problems.append(
            f"no site {show(site)}; defined sites: {', '.join(sites)}. Add it to nginx_sites or"
            " choose one of these."
        )
    if isinstance(path, str) and AppPath(path).prefix in taken_paths:
        problems.append(
            f"path must not be {show(path)}, where the site itself answers (nginx_health_path)."
        )
    if name in RESERVED_NAMES:
        problems.append(
            f"name must not be {name!r}, which is reserved for this collection's images."
        )
    problems += process_problems(app["processes"])
    problems += cover_problems(app)
    problems += network_problems(app)
    env = app["env"] if isinstance(app["env"], Mapping) else {}
    secrets = app["secrets"] if isinstance(app["secrets"], Mapping) else {}
    problems += _against_proxy(app)
    problems += _against_locations(app, taken_paths)
    problems += [
        f"env sets {name}, which we set from {meaning}; leave it out."
        for name, meaning in RESERVED_ENV.items()
        if name in env
    ]
    problems += [
        f"env sets {name}; names that begin with {RESERVED_ENV_PREFIX} are ours; leave it out."
        for name in env
        if isinstance(name, str)
        and re.fullmatch(rf"{RESERVED_ENV_PREFIX}\w*", name, re.ASCII)
        and name not in RESERVED_ENV
    ]
    files = {f"{secret}_FILE" for secret in secrets if isinstance(secret, str)}
    problems += [
        f"env sets {name}, which we set from secrets; leave it out."
        for name in sorted(files & set(env))
    ]
    if isinstance(name, str) and re.fullmatch(NAME, name):
        socket = str(Place(root).app(name).release("0" * 12).socket)
        if len(socket.encode()) > SOCKET_LIMIT:
            problems.append(
                f"the socket {socket} has {len(socket.encode())} bytes and Linux allows"
                f" {SOCKET_LIMIT}; choose a shorter name or a shorter flask_apps_root."
            )
    return problems


def _against_proxy(app: dict[str, Any]) -> list[str]:
    """What of an entry Nginx would not do together. It may be malformed."""
    problems = []
    static = (
        [entry for entry in app["static"] if isinstance(entry, Mapping)]
        if isinstance(app["static"], list)
        else []
    )
    for key in ("index", "fallback"):
        urls = [show(entry.get("url")).strip("'") for entry in static if entry.get(key) is True]
        if len(urls) > 1:
            problems.append(
                f"static: {key} is set for {' and '.join(urls)}; keep it for one of them."
            )
    proxy = app["proxy"] if isinstance(app["proxy"], Mapping) else {}
    if proxy.get("cache_seconds") and proxy.get("buffering") is False:
        problems.append(
            "proxy.cache_seconds needs what proxy.buffering: false takes away; leave one of them"
            " out."
        )
    return problems


def _against_locations(app: dict[str, Any], taken_paths: set[str]) -> list[str]:
    """What an entry has where the site, or the role itself, answers. It may be malformed."""
    problems = []
    prefix = AppPath(app["path"]).prefix if isinstance(app["path"], str) else ""
    for url in _websocket_urls(app):
        if f"{prefix}{url}" in taken_paths:
            problems.append(
                f"proxy.websocket_paths must not have {url!r}, where the site itself answers"
                " (nginx_health_path)."
            )
    health = app["health"].get("path") if isinstance(app["health"], Mapping) else ""
    if isinstance(health, str) and re.match(r"/+\.flaskops([/?]|$)", health):
        problems.append(
            f"health.path must be a page of the application; got {health!r}, where the role itself"
            " answers. Choose another."
        )
    return problems


def _files_of(app: dict[str, Any], source_root: str) -> list[str]:
    """The user's own files for Nginx, by their absolute paths from here on."""
    problems = []
    for section, key in (("maintenance", "page"), ("proxy", "fragment")):
        options = app[section] if isinstance(app[section], Mapping) else {}
        given = options.get(key)
        if not isinstance(given, str) or not given:
            continue
        file = controller_path(source_root, given)
        app[section][key] = str(file)
        if wrong := file_problem(file, OWN_FILE_BYTES):
            problems.append(f"{section}.{key} {wrong}. It starts from flask_apps_source_root.")
    return problems


def _collisions(apps: list[dict[str, Any]]) -> list[str]:
    """Names and places that are taken twice. What is of a wrong kind has been answered already."""
    problems = []
    names = [app["name"] for app in apps if isinstance(app["name"], str)]
    problems += [
        f"flask_apps: {name}: {names.count(name)} entries have this name; names have to differ."
        for name in twice(names)
    ]
    # Nginx knows each location of a site once: path and static files of all applications share
    # them.
    places: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for app in (
        app for app in apps if isinstance(app["path"], str) and re.fullmatch(PATH, app["path"])
    ):
        site, path = _text(app["site"]), AppPath(app["path"]).prefix
        known = any(use == "path" for _name, use in places.get((site, f"{path}/"), []))
        # Where the paths are the same, it goes without saying that what is below is too.
        below = [] if known else [("static", f"{path}{url}/") for url in _static_urls(app)]
        below += [] if known else [("websocket", f"{path}{url}/") for url in _websocket_urls(app)]
        for use, location in [("path", f"{path}/"), *below]:
            places.setdefault((site, location), []).append((_text(app["name"]), use))
    for (site, location), users in places.items():
        where = " and ".join(dict.fromkeys(name for name, _use in users))
        if len(users) == 1:
            continue
        if {use for _name, use in users} == {"path"}:
            where = " and ".join(name for name, _use in users)
            problems.append(
                f"flask_apps: {where}: path is {location.rstrip('/') or '/'!r} on site {site!r} in"
                " each; give each its own."
            )
        else:
            uses = [use for _name, use in users]
            told = f"{uses[0]} twice" if len(set(uses)) == 1 else " and ".join(uses)
            told = (
                told
                if where == users[0][0]
                else " and ".join(f"{use} of {name}" for name, use in users)
            )
            problems.append(
                f"flask_apps: {where}: {location!r} on site {site!r} is {told}; change one of them."
            )
    return problems


def _websocket_urls(app: Mapping[str, Any]) -> list[str]:
    """Of an entry that may be malformed."""
    paths = app["proxy"].get("websocket_paths") if isinstance(app["proxy"], Mapping) else []
    return (
        [path.rstrip("/") for path in paths if isinstance(path, str)]
        if isinstance(paths, list)
        else []
    )


def _static_urls(app: Mapping[str, Any]) -> list[str]:
    """Of an entry that may be malformed."""
    static = app["static"] if isinstance(app["static"], list) else []
    return [
        entry["url"].rstrip("/")
        for entry in static
        if isinstance(entry, Mapping) and isinstance(entry.get("url"), str)
    ]
