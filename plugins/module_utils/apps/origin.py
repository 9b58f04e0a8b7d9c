# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an application comes from, a directory, a repository or an image, and how its image is made
of it.

What is said of an application may be malformed here; that has been answered already and is passed
over.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from ..images import dockerfile
from ..images.pull import is_reserved
from ..inputs.options import hidden, normalize, plain_text
from ..releases.app_path import AppPath
from ..releases.engines.engine import Engine
from ..releases.engines.known import DEFAULT, ENGINES, OF_IMAGE, engine_of
from . import foreign, presets
from .schema import OPTIONS
from .sources import database, find, left_out, own_prefix, requirements, syntax
from .sources.own_code import NOT_RUN
from .sources.source import (
    BLOCK,
    controller_path,
    file_problem,
    is_directory,
    read_inside,
    source_files,
)

# Stands in a Dockerfile for the runtime image, whose tag the user does not know.
RUNTIME = "FLASKOPS_RUNTIME"
# kind: source (our Dockerfile), dockerfile (its own) or image. code: what of the source a
# Dockerfile without it gets. base: what the runtime is built on, "" for that of the host.
BUILD: dict[str, Any] = {
    "kind": "source",
    "dockerfile": "",
    "requirements": requirements.NOTHING,
    "apt_packages": [],
    "image": "",
    "archive": "",
    "origin": "",
    "code": "",
    "base": "",
    "server": "",
    # The command that builds something of the source, and what it reads; without them all of the
    # source.
    "command": "",
    "inputs": [],
    # Below /app: where the application is started, and where its imports start from too.
    "directory": "",
    "path": "",
    # Where SQLite has its databases, as the source says.
    "database": [],
}
NO_DOCKERFILE = "none"  # in the place of its name
_DESCRIBE = ("pyproject.toml", "setup.py", "setup.cfg")  # a project
# Of a source that says what it needs. One of a known image may have Flask from there.
_REQUIREMENTS = {
    "requirements.txt",
    "pyproject.toml",
    "uv.lock",
    "pylock.toml",
    *requirements.LOCKS,
}
# Keys that say how our Dockerfile makes an image, and where it is said instead.
_OURS_ALONE = ("requirements", "apt_packages", "build_command", "build_inputs")
ARCHIVE_BYTES = 64 * 2**30  # of an image
KEY_BYTES = 65536
INI_BYTES, INI_LINE = 65536, 1000  # of a uwsgi.ini that is read for module and callable
SCRIPTS = 10  # that may start the server of an image
NOTED_FILES = 5000  # of which a note says that their place in the image has no effect
Checkout = Callable[[Mapping[str, str]], Mapping[str, str]]


def complete(
    app: dict[str, Any],
    given: Mapping[str, Any],
    own: Mapping[str, Any],
    source_root: str,
    checkout: Checkout,
    sound: bool,
) -> list[str]:
    """Work out how the image of an application is made; fills source, build, preset, engine,
    module, callable and notes.

    Args:
        app: the entry with its defaults.
        given: the entry as it was written, over flask_apps_defaults.
        own: the entry alone; a default that has no sense for it is left aside.
        source_root: where relative paths start from.
        checkout: fetches what a complete C(git) names.
        sound: whether all its values are of the right kinds.

    Returns:
        The problems, as sentences.
    """
    app.update(preset="", notes=[], build={**BUILD})
    if not isinstance(app["git"], Mapping):
        return []
    git = app["git"]
    if not all(
        isinstance(value, str) for value in (app["source"], app["image"], git.get("repo", ""))
    ):
        return []
    ways = [
        key
        for key, value in (
            ("source", app["source"]),
            ("git", git.get("repo")),
            ("image", app["image"]),
        )
        if value
    ]
    if not ways:
        if git.get("repo") == "" and isinstance(given.get("git"), Mapping) and given["git"]:
            words = OPTIONS["git"].options or {}
            return [f"git: repo is missing; write repo: {words['repo'].allowed}"]
        return [
            f"source is missing; write source: {OPTIONS['source'].allowed}; or git: {{repo: …}}; or"
            " image: …"
        ]
    if len(ways) > 1:
        return [
            f"{' and '.join(ways)} are written; an application comes from one of source, git and"
            " image, so keep one."
        ]
    problems = _missing_files(app, source_root)
    if ways == ["image"]:
        if is_reserved(app["image"]):
            problems.append(
                f"image is {app['image']!r}; names that begin with flaskops/ are reserved for"
                " images of this collection."
            )
        app["build"].update(kind="image", image=app["image"], archive=app["image_archive"])
        if sound:
            app["engine"] = app["engine"] or OF_IMAGE.name
            problems += _senseless(app, own) + _translated(app, given, {})
        return problems
    if ways == ["git"]:
        words = OPTIONS["git"].options or {}
        known = (
            isinstance(given.get("git"), Mapping) and not normalize(given["git"], words, "git")[1]
        )
        found = (
            checkout(git)
            if known and (not git["key_file"] or Path(git["key_file"]).is_file())
            else {}
        )
        if "path" not in found:
            wrong = found.get("problem", f"git: {hidden(git['repo'])} has not been fetched.")
            return problems or ([wrong] if sound else [])
        source = Path(found["path"], plain_text(git.get("directory")) or "")
        app["build"]["origin"] = found["origin"]
        if not is_directory(source):
            return [
                *problems,
                (
                    f"git: directory is {git['directory']!r}; there is no such directory in"
                    f" {found['origin']}."
                ),
            ]
    else:
        source = controller_path(source_root, app["source"])
    app["source"] = str(source)
    return problems + _directory(app, given, own, source, sound)


def _directory(
    app: dict[str, Any], given: Mapping[str, Any], own: Mapping[str, Any], source: Path, sound: bool
) -> list[str]:
    if not is_directory(source):
        return [
            f"source is not a directory: {source}. Relative sources start from"
            " flask_apps_source_root."
        ]
    try:
        files = list(source_files(str(source)))
    except OSError as error:
        return [f"source {source} cannot be read: {error}"]
    if not files:
        return [f"source is an empty directory: {source}."]
    env, problems = _own_dockerfile(app, source, files)
    ours = app["build"]["kind"] == "source"
    found: list[str]
    if ours:
        wanted = app["requirements"] if isinstance(app["requirements"], str) else ""
        if (
            app["preset"]
            and not wanted
            and not _REQUIREMENTS & set(files)
            and not requirements.is_project(source, files)
        ):
            app["build"]["requirements"], found = (
                {**requirements.NOTHING, "kind": "list", "packages": ["flask"]},
                [],
            )
            app["notes"].append(
                "it has no requirements.txt, so Flask alone is installed, which its image brought"
                " along."
            )
        else:
            app["build"]["requirements"], found = requirements.find(source, files, wanted)
        app["build"].update(
            apt_packages=app["apt_packages"],
            command=app["build_command"],
            inputs=app["build_inputs"],
        )
        problems += _build_step(app, files)
        problems += found
        app["engine"] = app["engine"] or DEFAULT.name
        if not engine_of(app).in_runtime:
            app["build"]["requirements"]["left_out"] = []
        if servers := app["build"]["requirements"]["left_out"]:
            app["notes"].append(
                f"{' and '.join(servers)} of its requirements is not installed; the runtime image"
                " has the server."
            )
        wrong = [
            file
            for file in app["data_files"]
            if isinstance(file, str) and is_directory(source / file.removeprefix("/app/"))
        ]
        problems += [
            f"data_files has {file}, a directory of the source; write volumes: [{app['name']}-{PurePosixPath(file).name}:/app/"
            f"{file.removeprefix('/app/')}]."
            for file in wrong
        ]  # fmt: skip
        if app["build"]["requirements"]["frozen"]:
            app["notes"].append(
                "pkg-resources==0.0.0 of its requirements is left out; it is no package."
            )
        built = app["build"]["requirements"]
        if built["kind"] == "list" and built["whole"]:
            app["notes"].append(
                f"what it depends on follows from a build of it alone ({built['file']}), so a"
                " change of code installs all of it again; a requirements.txt would not."
            )
        elif built["whole"]:
            app["notes"].append(
                "its requirements name files of its own, so a change of code installs all of them"
                " again."
            )
    if sound:
        problems += _senseless(app, own) + _translated(app, given, env)
        if app["preset"]:
            _path_mode(app, given, source, files)
    if ours and engine_of(app).in_runtime:
        problems += _find_callable(app, source)
        app["notes"] += _settings_of_another(engine_of(app), files)
    return problems


def _settings_of_another(engine: Engine, files: list[str]) -> list[str]:
    """A note for each server that the application has settings for, and that does not run it."""
    found = [
        (other, next((file for file in files if file in other.own_settings), ""))
        for other in ENGINES.values()
        if other != engine
    ]
    return [
        f"its {file} has no effect with engine: {engine.name}; write engine: {other.name} where its"
        " settings are needed."
        for other, file in found
        if file
    ]


def _build_step(app: dict[str, Any], files: list[str]) -> list[str]:
    """What is wrong with the keys of the build step, or would be right with them."""
    inputs = app["build_inputs"] if isinstance(app["build_inputs"], list) else []
    places = [path for path in inputs if isinstance(path, str)]
    problems = [
        f"build_inputs must be files and directories of the source; got {path!r}, which is not"
        " there."
        for path in places
        if not any(file == path or file.startswith(f"{path.rstrip('/')}/") for file in files)
    ]
    if inputs and not app["build_command"]:
        problems.append("build_inputs is written without build_command; leave it out.")
    if not app["build_command"]:
        app["notes"] += _unbuilt(app, files)
    return problems


def _unbuilt(app: Mapping[str, Any], files: list[str]) -> Iterator[str]:
    """What of the source looks as if somebody had to build it first."""
    source, known = Path(app["source"]), set(files)
    if "package.json" in known and re.search(rb'"build"\s*:\s*"', _content(source, "package.json")):
        install = "npm ci" if "package-lock.json" in known else "npm install"
        yield (f"its package.json has a build script, which is not run; where its files are needed write build_command: {install} && "
               "npm run build, with apt_packages: [npm].")  # fmt: skip
    yield from _uncompiled(files, known)


def _uncompiled(files: list[str], known: set[str]) -> Iterator[str]:
    """A directory of translations of which none is compiled; where some are, who made the source
    has left the others out.
    """
    catalogs: dict[str, list[str]] = {}
    for file in files:
        if file.endswith(".po") and "/LC_MESSAGES/" in f"/{file}" and not NOT_RUN.search(file):
            catalogs.setdefault(
                file.split("/LC_MESSAGES/")[0].rpartition("/")[0] or ".", []
            ).append(file)
    for place, found in catalogs.items():
        if not any(f"{file[:-3]}.mo" in known for file in found):
            yield (
                f"{found[0]} is not compiled; write build_command: pybabel compile -d {place}, or"
                " what else compiles translations."
            )
            return


def _own_dockerfile(
    app: dict[str, Any], source: Path, files: list[str]
) -> tuple[dict[str, str], list[str]]:
    """What the Dockerfile of the source says: the environment of the image, and problems."""
    wanted = app["dockerfile"] if isinstance(app["dockerfile"], str) else ""
    if ignored := wanted == NO_DOCKERFILE:
        wanted = ""
    name = wanted or "Dockerfile"
    try:
        text = read_inside(source, name, dockerfile.LIMIT).decode()
        chain = dockerfile.last_chain(dockerfile.stages(text, {RUNTIME: RUNTIME}))
        env, ports = (
            dockerfile.environment(chain),
            dockerfile.exposed(chain, dockerfile.environment(chain)),
        )
    except (FileNotFoundError, NotADirectoryError):
        return {}, (
            [f"dockerfile is {wanted!r}; there is no such file: {source / wanted}."]
            if wanted
            else []
        )
    except (OSError, ValueError) as error:
        return {}, [f"dockerfile {source / name} cannot be read: {error}"] if wanted else []
    if not chain:
        return {}, (
            [f"dockerfile {source / name} has no FROM, so it makes no image."] if wanted else []
        )
    base = chain[0].base
    preset = presets.preset_of(base)
    if ignored:  # its instructions; what such an image does by itself stays
        app["preset"] = preset
        app["engine"] = app["engine"] or presets.PRESETS.get(preset, "")
        return {}, []
    if not wanted and not preset:
        app["notes"].append(
            f"its Dockerfile is not used; write dockerfile: {name} to have the image made by it."
        )
        return {}, []
    app["build"].update(kind="dockerfile", dockerfile=name)
    app["preset"] = preset
    if labels := dockerfile.reserved_labels(dockerfile.stages(text, {RUNTIME: RUNTIME})):
        return {}, [
            f"dockerfile {source / name} sets the label {', '.join(labels)}; labels that begin with"
            " host.flaskops are reserved for the containers of this collection, so remove it."
        ]
    if preset:
        app["engine"] = app["engine"] or presets.PRESETS[preset]
        python = "the Python is that of python, base_image or flask_apps_base_image"
        app["notes"].append(
            f"its {name} begins with {base}; our runtime takes its place and keeps its conventions,"
            f" and {python}."
        )
        app["notes"] += presets.nginx_notes(dockerfile.copied(chain, files[:NOTED_FILES], env))
    else:
        app["engine"] = app["engine"] or (DEFAULT if base.startswith(RUNTIME) else OF_IMAGE).name
        app["build"]["server"] = _server(source, files, dockerfile.started(chain))
        if (
            not engine_of(app).in_runtime
            and not app["port"]
            and not app["command"]
            and len(ports) == 1
        ):
            app["port"] = ports[0]
            app["notes"].append(f"its server listens on port {ports[0]}, as EXPOSE says.")
    if problem := _old_name(source / name, text):
        return env, [problem]
    if preset or base.startswith(RUNTIME):
        if problem := _for_another(app, source / name, text):
            return env, [problem]
        if (
            preset
            and not foreign.copies_code(chain, files[:NOTED_FILES])
            and any(file.endswith(".py") for file in files)
        ):
            app["build"]["code"] = foreign.code_of(files)
            what = "the source" if app["build"]["code"] == "." else "app/ of the source"
            app["notes"].append(f"its {name} copies no code, so {what} is copied to /app.")
    return env, []


def _old_name(file: Path, text: str) -> str:
    """The compatibility image was called -seed before it had a name that says what it is."""
    for instruction in dockerfile.instructions(text):
        if found := re.search(
            rf"\$(?:{RUNTIME}|\{{{RUNTIME}\}})-seed\b",
            " ".join((*instruction.flags, instruction.text)),
        ):
            return (
                f"dockerfile {file}, line {instruction.first + 1}, names {found[0]}; write"
                f" {found[0].removesuffix('seed')}compat, the name of the compatibility image."
            )
    return ""


def _for_another(app: dict[str, Any], file: Path, text: str) -> str:
    """What a Dockerfile does that our runtime cannot, for its distribution is another; with what to
    write.
    """
    found = dockerfile.stages(text, {RUNTIME: RUNTIME})
    problem, names = "", dict[str, None]()
    for number, stage in enumerate(found):
        base = dockerfile.last_chain(found[: number + 1])[0].base
        if not (presets.preset_of(base) or base.startswith(RUNTIME)):
            continue
        for line, program, command in foreign.commands(text, stage):
            place = f"which takes the place of {base}, " if presets.preset_of(base) else ""
            problem = (
                problem
                or f"dockerfile {file}, line {line}, runs {program} of another distribution; our runtime, {place}is Debian."
            )
            names.update(dict.fromkeys(foreign.packages(command)))
    if not problem:
        return ""
    keys = [
        f"dockerfile: {NO_DOCKERFILE}",
        *([f"apt_packages: [{', '.join(names)}]"] if names else []),
    ]
    written = f"{' and '.join(keys)}{' (by the names of Debian)' if names else ''}"
    return (
        f"{problem} Write {written} to have our Dockerfile in its place, or change it to apt-get,"
        " groupadd and useradd."
    )


def is_on_runtime(app: Mapping[str, Any]) -> bool:
    """Whether the image of a complete entry begins with our runtime."""
    if app["build"]["kind"] != "dockerfile":
        return bool(app["build"]["kind"] == "source")
    return bool(app["preset"]) or RUNTIME.encode() in _content(
        Path(app["source"]), app["build"]["dockerfile"]
    )


def _server(source: Path, files: list[str], command: str) -> str:
    """The server that an image starts: by its command, or by the files of the source that this
    runs, such as entrypoint.sh.
    """
    names = {PurePosixPath(word).name for word in command.split()}
    scripts = [
        file for file in files if PurePosixPath(file).name in names and not file.endswith(".py")
    ][:SCRIPTS]
    texts = [command, *(_content(source, file).decode(errors="replace") for file in scripts)]
    return next((server for server in map(dockerfile.server_of, texts) if server), "")


def python_problems(app: Mapping[str, Any], python: str, bootstrapped: bool) -> list[str]:
    """What the application says of Python, against the version that its image will have; "" where
    nobody knows it.
    """
    if app["build"]["kind"] != "source" or not is_directory(Path(app["source"])):
        return []
    found = requirements.python_problem(Path(app["source"]), _DESCRIBE, python)
    if not found:
        return []
    instead = (
        "set flask_apps_base_source: registry, and write python" if bootstrapped else "write python"
    )
    return [
        f"{found}; {instead} with a version that it takes, such as python: '3.12', or a wider"
        " requires-python."
    ]


def _senseless(app: dict[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Keys that have no sense beside others."""
    kind, problems = app["build"]["kind"], []
    origin = {
        "image": "image",
        "dockerfile": f"the {app['build']['dockerfile']} of the source",
    }.get(kind, "")
    if origin:
        where = (
            "it into the Dockerfile" if kind == "dockerfile" else "it into what builds the image"
        )
        problems += [
            f"{key} is written, and {origin} makes the image; write {where}."
            for key in _OURS_ALONE
            if own.get(key)
        ]
    if origin and own.get("data_files"):
        problems.append(
            f"data_files is written, and {origin} makes the image; have what builds it make a link,"
            " as RUN ln -s /data/app.db /app/app.db does, and write volumes:"
            f" [{app['name']}-data:/data]."
        )
    if kind == "image" and own.get("dockerfile"):
        problems.append(
            "dockerfile is written beside image; keep dockerfile with source or git, or keep image."
        )
    if kind != "image":
        problems += [
            f"{key} is written without image; leave it out."
            for key in ("image_archive", "registry")
            if own.get(key)
        ]
    login = app["registry"]
    if bool(login["username"]) != bool(login["password"]):
        missing = "password" if login["username"] else "username"
        problems.append(f"registry: {missing} is missing; a login has username and password.")
    if own.get("registry") and app["image_archive"]:
        problems.append(
            "registry is written beside image_archive, which is loaded and not pulled; leave it"
            " out."
        )
    if not engine_of(app).in_runtime:
        problems += [f"{key} is written, and with engine: command the server in the image knows it; leave it out."
                     for key in ("module", "callable") if own.get(key)]  # fmt: skip
        if kind == "source" and not app["command"]:
            problems.append(
                "engine is command; write command: the command line of the server, such as gunicorn"
                " --bind unix:$FLASKOPS_SOCKET main:app"
            )
        elif not app["command"] and not app["port"]:
            app["notes"].append(
                "port and command are not written, so the server of the image has to listen on"
                " $FLASKOPS_SOCKET."
            )
    else:
        problems += [f"{key} is written, and only engine: command has it; write engine: command too, or leave it out."
                     for key in ("command", "port") if app[key]]  # fmt: skip
    return problems


def _translated(app: dict[str, Any], given: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    notes, problems = presets.translate(app, given, {**env, **app["env"]})
    app["notes"] += notes
    return problems


def _path_mode(
    app: dict[str, Any], given: Mapping[str, Any], source: Path, files: list[str]
) -> None:
    """These images know nothing of a prefix, so neither do most applications that were made for
    them.
    """
    if (
        AppPath(app["path"]).prefix
        and not given.get("path_mode")
        and not _reads_domain(source, files)
    ):
        app["path_mode"] = "script_name"
        app["notes"].append(
            "it does not read DOMAIN, so it gets path_mode: script_name and answers below"
            f" {app['path']} all the same."
        )


def _reads_domain(source: Path, files: list[str]) -> bool:
    return any(
        re.search(rb"[\"']DOMAIN[\"']", _content(source, file))
        for file in files
        if file.endswith(".py")
    )


def _content(source: Path, file: str) -> bytes:
    """Of a file that is only looked into; nothing where it cannot be read."""
    try:
        return read_inside(source, file, BLOCK)
    except OSError:
        return b""


def _find_callable(app: dict[str, Any], source: Path) -> list[str]:
    """Fill module and callable: as written, else as the entrypoint would find them in the
    container.
    """
    keys = ("name", "module", "callable")
    if not all(
        app[key] is None
        or (isinstance(app[key], str) and re.fullmatch(OPTIONS[key].pattern, app[key]))
        for key in keys
    ):
        return []
    module, name = _named(app, source)
    if app["callable"] is None and (problem := _unfit_name(app)):
        return [problem]
    env = app["env"] if isinstance(app["env"], Mapping) else {}
    flask_app = plain_text(env.get("FLASK_APP", "")) or ""
    python = app["python"] if isinstance(app["python"], str) else ""
    try:
        place = find.find(
            source, app["module"] or module, app["callable"] or name, app["name"] or "", flask_app
        )
    except find.Unreadable as error:
        if problem := syntax.problem(source, error.broken, python):
            return [problem]
        # The Python of the images may be newer than the controller's; the entrypoint looks with
        # that one.
        app["module"], app["callable"] = app["module"] or module, app["callable"] or name
        words = "is not Python that this controller reads; the container looks with its own"
        app["notes"].append(
            f"what may hold its Flask application {words}. Write module and callable where it does"
            " not start."
        )
    except find.NotFound as error:
        prefix = AppPath(app["path"]).prefix if isinstance(app["path"], str) else ""
        told = (
            own_prefix.of_program(str(source), prefix, str(app["path_mode"]))
            if error.program
            else ""
        )
        return [f"{error} {told}".rstrip()]
    else:
        believed = app["module"] and app["callable"]  # whatever this Python reads of it
        app["module"], app["callable"] = place.module, place.callable
        app["build"].update(directory=place.directory, path=place.path)
        app["build"]["database"] = database.places(str(source), place.base)
        file = None if believed else find.module_file(source / place.base, place.module)
        if file and (problem := syntax.problem(source, [str(file.relative_to(source))], python)):
            return [problem]
        if place.said:
            words = place.said if place.said == find.ONLY else f"as {place.said} says"
            app["notes"].append(f"its application is {place.module}:{place.callable}, {words}.")
        if not app["release_command"] and (left := left_out.note(source, place)):
            app["notes"].append(left)
    return []


def _unfit_name(app: Mapping[str, Any]) -> str:
    env = app["env"] if isinstance(app["env"], Mapping) else {}
    given = plain_text(env.get("APP_MODULE", "")) or ""
    module, _colon, name = given.partition(":")
    if (module and not _fits("module", module)) or (name and not _fits("callable", name)):
        return (
            f"env: APP_MODULE must be a module and {OPTIONS['callable'].allowed}, such as main:app;"
            " its value is hidden."
        )
    return ""


def _fits(key: str, value: str) -> bool:
    option = OPTIONS[key]
    return bool(re.fullmatch(option.pattern, value, re.ASCII)) and not (
        option.check and option.check(value)
    )


def _named(app: Mapping[str, Any], source: Path) -> tuple[str, str]:
    """What the variables of the known images name, else the application's own uwsgi.ini; "" for
    what they do not say.
    """
    env = app["env"] if isinstance(app["env"], Mapping) else {}
    module, _colon, name = (plain_text(env.get("APP_MODULE", "")) or "").partition(":")
    found = (
        module or (plain_text(env.get("MODULE_NAME", "")) or ""),
        name or (plain_text(env.get("VARIABLE_NAME", "")) or ""),
    )
    if not any(found) and app["engine"] == "uwsgi":
        found = _of_uwsgi_ini(
            _content(
                source, (plain_text(env.get("UWSGI_INI", "uwsgi.ini")) or "").removeprefix("/app/")
            )
        )
    fits = zip(found, ("module", "callable"), strict=True)
    return tuple(value if _fits(key, value) else "" for value, key in fits)  # type: ignore[return-value]


def _of_uwsgi_ini(content: bytes) -> tuple[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    if len(content) > INI_BYTES or max(map(len, content.splitlines()), default=0) > INI_LINE:
        return "", ""
    try:
        parser.read_string(content.decode())
    except (
        UnicodeError,
        configparser.Error,
        AttributeError,
    ):  # the last for a line that goes on after a name without a value
        return "", ""
    values = dict(parser["uwsgi"]) if parser.has_section("uwsgi") else {}
    module, _colon, name = (values.get("module") or values.get("wsgi") or "").partition(":")
    file_name = values.get("wsgi-file") or values.get("file") or ""
    if not module and file_name.endswith(".py"):
        module = ".".join(PurePosixPath(file_name.removeprefix("/app/")).with_suffix("").parts)
    return (
        module.strip(),
        (name or values.get("callable") or ("application" if file_name else "")).strip(),
    )


def _missing_files(app: dict[str, Any], source_root: str) -> list[str]:
    """Files on the controller that keys name, made absolute."""
    problems = []
    for place, key in ((app, "image_archive"), (app["git"], "key_file")):
        value = place.get(key) if isinstance(place, dict) else ""
        if not isinstance(value, str) or not value:
            continue
        file = controller_path(source_root, value)
        place[key] = str(file)
        if wrong := file_problem(file, KEY_BYTES if key == "key_file" else ARCHIVE_BYTES):
            outer = "git." if key == "key_file" else ""
            problems.append(f"{outer}{key} {wrong}. It starts from flask_apps_source_root.")
    return problems


def own_dockerfile(app: Mapping[str, Any], runtime: str) -> str:
    """The Dockerfile of the source as it is built: with our runtime where it names one of the known
    images, or FLASKOPS_RUNTIME.
    """
    text = read_inside(app["source"], app["build"]["dockerfile"], dockerfile.LIMIT).decode()
    if app["preset"]:
        text = dockerfile.replace_bases(
            text, lambda image: f"{runtime}-compat" if presets.preset_of(image) else ""
        )
    if code := app["build"]["code"]:
        text += (
            f"{'' if text.endswith(chr(10)) else chr(10)}# It copies no code itself.\nCOPY {code}"
            " /app\n"
        )
    if re.search(rf"(?m)^[ \t]*ARG[ \t]+{RUNTIME}\b", text):
        return re.sub(
            rf"(?m)^[ \t]*ARG[ \t]+{RUNTIME}\b.*$", f"ARG {RUNTIME}={runtime}", text, count=1
        )
    return text


def image_parts(app: Mapping[str, Any]) -> dict[str, str]:
    """What of a ready image makes the release: its reference, and the archive that it comes in."""
    archive = app["build"]["archive"]
    return {
        "reference": app["build"]["image"],
        "archive": _file_digest(Path(archive)) if archive else "",
    }


def _file_digest(path: Path) -> str:
    total = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()
