# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate and normalise `flask_apps`, before any host is asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..host.places import ROOT as PLACES_ROOT
from ..host.places import Place
from ..host.size import bytes_of
from ..images import dockerfile
from ..images.base import choose, problem_of, python_of
from ..inputs.addresses import as_nginx_writes
from ..inputs.options import Option, fitting, merge, normalize, plain_text, refusal, show
from ..releases.app import App, Backup
from ..releases.command import one_line
from ..releases.covers import cover_problems, with_data_files
from ..releases.networks import network_problems, pool_problem, room_problems
from ..releases.processes import process_problems, twice
from ..releases.secrets import is_setting
from ..releases.secrets import notes as secret_notes
from ..releases.secrets import problems as secret_problems
from . import dotenv, origin, schedule
from . import services as entry_services
from .collisions import collisions
from .draft import Draft
from .proxy import proxy_problems
from .schema import ABSENT_OPTIONS, OPTIONS, ROOT, SOCKET_LIMIT
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
    suite: str = "",
) -> tuple[list[App], list[str]]:
    """Complete the entries of flask_apps and check them, each alone and against each other.

    Args:
        apps: flask_apps as the user wrote it.
        defaults: flask_apps_defaults, laid under every entry.
        sites: the names of the server blocks; None where only the host knows them.
        source_root: the directory that relative sources start from, on the controller.
        root: the directory of the releases on the host; the length of socket paths depends on it.
        taken_paths: where the sites themselves answer.
        uids: the range that the users of containers are taken from.
        checkout: fetches what the C(git) of an entry names.
        base_refresh: flask_apps_base_refresh.
        runtime_image: flask_apps_runtime_image.
        base_image: flask_apps_base_image.
        bootstrapped: the version of the distribution's Python where the base is bootstrapped from
            it; else "".
        free_space: flask_apps_free_space.
        networks_pool: flask_apps_networks_pool.
        suite: the distribution whose packages services are made of; "" where a registry has them.

    Returns:
        The complete entries, those that are absent last, each with notes of what was understood;
        and all problems, as sentences.
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
    host = _Host(
        sites,
        source_root,
        root,
        set(taken_paths),
        checkout,
        _text(base_image),
        bootstrapped,
        suite,
        _text(base_refresh),
    )
    result: list[App] = []
    gone: list[App] = []
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
        draft, found = _draft(defaults or {}, entry, ABSENT_OPTIONS if absent else OPTIONS, where)
        problems += found
        if not absent:
            _complete(draft, host)
        problems += [f"{where}: {problem}" for problem in draft.problems]
        (gone if absent else result).append(replace(draft.app, notes=tuple(draft.notes)))
    names = [app.name for app in gone]
    result, found = entry_services.shared(result)
    problems += found
    if not pool_problem(networks_pool):
        problems += [
            f"flask_apps: {app.name}: {words}"
            for app in result
            for words in room_problems(app, networks_pool)
        ]
    return result + gone, problems + collisions(result, names, plain_text(uids) or "")


@dataclass(frozen=True)
class _Host:
    """The common settings of all entries of one host: the arguments of normalize_apps."""

    sites: Sequence[str] | None
    source_root: str
    root: str
    taken_paths: Collection[str]
    checkout: origin.Checkout
    base_image: str
    bootstrapped: str
    suite: str
    refresh: str


def _draft(
    defaults: Mapping[str, Any],
    entry: Mapping[str, Any],
    options: Mapping[str, Option],
    where: str,
) -> tuple[Draft, list[str]]:
    """An entry with its defaults, without its invalid values, and their problems."""
    given = merge(defaults, entry)
    values, problems = normalize(given, options, where)
    refused: list[str] = []
    if problems:
        values, refused = fitting(given, options)
    known = {**values, **{key: "" for key in ("name", "path", "engine") if values[key] is None}}
    return Draft(App.from_dict(known), given, entry, refused, not problems), problems


def _complete(draft: Draft, host: _Host) -> None:
    """Everything derived from one entry, and its problems, except those with other entries."""
    _env_file(draft, host.source_root)
    if draft.app.services and not draft.is_refused("services"):
        services, found = entry_services.complete(draft.app, host.suite, host.refresh)
        draft.set(services=services)
        draft.refuse(*found)
    _check_host(draft, host)
    _own_files(draft, host.source_root)
    before = len(draft.problems)
    origin.complete(draft, host.source_root, host.checkout)
    if not draft.sound:
        return
    _base(draft, host)
    base = draft.app.build.base or host.base_image
    origin.check_python(draft, host.bootstrapped or python_of(base), bool(host.bootstrapped))
    is_made = len(draft.problems) == before
    _finish(draft)
    draft.refuse(*draft.app.server.problems(draft.app), *secret_problems(draft.app))
    draft.note(*secret_notes(draft.app))
    if is_made:
        draft.note(*_env_file_in_image(draft.app))


def _base(draft: Draft, host: _Host) -> None:
    """The base of its runtime image."""
    written = draft.written(("base_image", "python"))
    if not origin.is_on_runtime(draft.app):
        where = (
            "the image has its own"
            if draft.app.build.kind == "image"
            else "write it into the FROM of its Dockerfile"
        )
        draft.refuse(
            *(
                f"{key} is written, and the image is not built on our runtime; {where}, and leave"
                f" {key} out."
                for key in written
            )
        )
        return
    if len(written) == 2:
        draft.refuse("base_image and python are written; keep one.")
        return
    if written == ["python"]:  # it overrides the other key of flask_apps_defaults
        draft.set(base_image="")
    elif written:
        draft.set(python="")
    app = draft.app
    base, problem = choose(app.base_image, app.python, host.base_image, host.bootstrapped)
    draft.set_build(base=base)
    if problem:
        draft.refuse(problem)


def _finish(draft: Draft) -> None:
    """Normalise each path, and derive what a Gunicorn of the image gets."""
    app, proxy = draft.app, draft.app.proxy
    if paths := proxy.websocket_paths:
        proxy = replace(proxy, websocket_paths=tuple(path.rstrip("/") for path in paths))
    if paths := proxy.streamed_uploads:
        proxy = replace(proxy, streamed_uploads=tuple(path.rstrip("/") for path in paths))
    if proxy.allow is not None:
        proxy = replace(proxy, allow=as_nginx_writes(proxy.allow))
    static = tuple(
        replace(each, url=each.url.rstrip("/")) if each.url.endswith("/") else each
        for each in app.static
    )
    jobs = tuple(replace(job, schedule=schedule.calendar(job.schedule)) for job in app.jobs)
    draft.note(
        *(
            f"the schedule of its job {job.name}, {job.schedule!r}, is {made.schedule!r}."
            for job, made in zip(app.jobs, jobs, strict=True)
            if schedule.is_cron(job.schedule)
        )
    )
    app = replace(app, path=app.path.rstrip("/") or "/", static=static, proxy=proxy, jobs=jobs)
    app = replace(app, backup=_backup(draft))
    if app.app_path.stripped:
        app = replace(app, script_name=_script_name(app))
    draft.app = with_data_files(app)


def _backup(draft: Draft) -> Backup:
    """The backup of an entry, with its schedules in systemd's words."""
    backup = draft.app.backup
    if not backup.to:
        if draft.app.backup != Backup():
            draft.refuse("backup is written without to; write where to, or leave it out.")
        return backup
    missing = [key for key in ("schedule", "password") if not getattr(backup, key)]
    draft.refuse(*(f"backup.{key} is missing; a backup needs it." for key in missing))
    if not draft.app.volumes and all(each.of for each in draft.app.services):
        draft.refuse(
            "backup is written, and the entry has no volumes and no own services, so nothing"
            " would be saved."
        )
    if unknown := sorted({*backup.drill.secrets} - {*draft.app.secrets}):
        draft.refuse(
            f"backup.drill.secrets must be names of secrets; got {', '.join(unknown)}. The entry"
            f" has {', '.join(sorted(draft.app.secrets)) or 'no secrets'}."
        )
    drill = replace(backup.drill, schedule=_calendar(backup.drill.schedule))
    return replace(backup, schedule=_calendar(backup.schedule), drill=drill)


def _calendar(text: str) -> str:
    return schedule.calendar(text) if text else ""


def _script_name(app: App) -> str:
    """SCRIPT_NAME for a Gunicorn that is the image's own: it strips the path itself. "" where Nginx
    does it for another server.
    """
    server = dockerfile.server_of(app.command) if app.command else app.build.server
    return app.env.get("SCRIPT_NAME", app.app_path.prefix if server == "gunicorn" else "")


def _env_file(draft: Draft, source_root: str) -> None:
    """Add the variables of env_file to the entry: settings to env, the rest to private_env."""
    app = draft.app
    if not app.env_file or draft.is_refused("env", "secrets"):
        return
    file = controller_path(source_root, app.env_file)
    draft.set(env_file=str(file))
    try:
        found = dotenv.read(file)
    except (OSError, ValueError) as error:
        draft.refuse(f"env_file {error} It starts from flask_apps_source_root.")
        return
    env, private = dict(app.env), {}
    for name, value in found.items():
        if name in app.env or name in app.secrets:
            continue
        if name in RESERVED_ENV or name.startswith(RESERVED_ENV_PREFIX):
            meaning = f"set from {RESERVED_ENV[name]}" if name in RESERVED_ENV else "ours"
            draft.refuse(f"env_file sets {name}, which is {meaning}; take it out of {file}.")
        elif not is_setting(name):
            private[name] = value
        elif words := one_line(value):
            draft.refuse(f"env_file: {name} must {words}; correct it in {file}.")
        else:
            env[name] = value
    draft.set(env=env, private_env=private)


def _env_file_in_image(app: App) -> list[str]:
    """A note if the env_file of a complete entry is part of its source, and so of the image."""
    file, source = Path(app.env_file), app.source
    if (
        not app.env_file
        or app.build.kind == "image"
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


def _check_host(draft: Draft, host: _Host) -> None:
    """Check an entry against the host, and against the variables that this collection sets."""
    app = draft.app
    if host.sites is not None and app.site not in host.sites:
        draft.refuse(
            f"no site {show(app.site)}; defined sites: {', '.join(host.sites)}. Add it to"
            " nginx_sites or choose one of these."
        )
    if app.path and app.app_path.prefix in host.taken_paths:
        draft.refuse(
            f"path must not be {show(app.path)}, where the site itself answers (nginx_health_path)."
        )
    if app.name in RESERVED_NAMES:
        draft.refuse(
            f"name must not be {app.name!r}, which is reserved for this collection's images."
        )
    draft.refuse(
        *(
            f"jobs has {name!r} more than once; names must differ."
            for name in twice([job.name for job in app.jobs])
        )
    )
    draft.refuse(*process_problems(app.processes), *cover_problems(app), *network_problems(app))
    _check_proxy(draft)
    _check_locations(draft, host.taken_paths)
    draft.refuse(
        *(
            f"env sets {name}, which we set from {meaning}; leave it out."
            for name, meaning in RESERVED_ENV.items()
            if name in app.env
        ),
        *(
            f"env sets {name}; names that begin with {RESERVED_ENV_PREFIX} are ours; leave it out."
            for name in app.env
            if name.startswith(RESERVED_ENV_PREFIX) and name not in RESERVED_ENV
        ),
        *(
            f"env sets {name}, which we set from secrets; leave it out."
            for name in sorted({f"{secret}_FILE" for secret in app.secrets} & {*app.env})
        ),
        *(
            f"services: {service.name}: variable must not be {service.variable}, which we set from"
            f" {RESERVED_ENV[service.variable]}."
            for service in app.services
            if service.variable in RESERVED_ENV
        ),
    )
    socket = str(Place(host.root).app(app.name).release("0" * 12).socket)
    if app.name and len(socket.encode()) > SOCKET_LIMIT:
        draft.refuse(
            f"the socket {socket} has {len(socket.encode())} bytes and Linux allows"
            f" {SOCKET_LIMIT}; choose a shorter name or a shorter flask_apps_root."
        )


def _check_proxy(draft: Draft) -> None:
    """Refuse keys that Nginx cannot combine."""
    static, proxy = draft.app.static, draft.app.proxy
    for key, urls in (
        ("index", [each.url for each in static if each.index]),
        ("fallback", [each.url for each in static if each.fallback]),
    ):
        if len(urls) > 1:
            draft.refuse(f"static: {key} is set for {' and '.join(urls)}; keep it for one of them.")
    if proxy.cache_seconds and not proxy.buffering:
        draft.refuse(
            "proxy.cache_seconds needs what proxy.buffering: false takes away; leave one of them"
            " out."
        )
    if not draft.is_refused("proxy"):
        draft.refuse(*proxy_problems(draft.app, draft.given.get("proxy") or {}))


def _check_locations(draft: Draft, taken_paths: Collection[str]) -> None:
    """Refuse paths at which the site, or the role itself, answers."""
    app = draft.app
    draft.refuse(
        *(
            f"proxy.{key} must not have {url!r}, where the site itself answers (nginx_health_path)."
            for key in ("websocket_paths", "streamed_uploads")
            for url in (path.rstrip("/") for path in getattr(app.proxy, key))
            if f"{app.app_path.prefix}{url}" in taken_paths
        )
    )
    if re.match(r"/+\.flaskops([/?]|$)", app.health.path):
        draft.refuse(
            f"health.path must be a page of the application; got {app.health.path!r}, where the"
            " role itself answers. Choose another."
        )


def _own_files(draft: Draft, source_root: str) -> None:
    """Set the absolute paths of the user's files for Nginx."""
    app = draft.app

    def absolute(key: str, given: str) -> str:
        file = controller_path(source_root, given)
        if wrong := file_problem(file, OWN_FILE_BYTES):
            draft.refuse(f"{key} {wrong}. It starts from flask_apps_source_root.")
        return str(file)

    if page := app.maintenance.page:
        page = absolute("maintenance.page", page)
        draft.set(maintenance=replace(app.maintenance, page=page))
    if fragment := app.proxy.fragment:
        fragment = absolute("proxy.fragment", fragment)
        draft.set(proxy=replace(app.proxy, fragment=fragment))


def _images(refresh: Any, image: Any, base: Any, source_root: str) -> list[str]:
    """The problems of the options of the runtime image."""
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
    """A value of any type; a wrong type was already reported."""
    return value if isinstance(value, str) else show(value)
