# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an application comes from (a directory, a repository or an image), and how its image is
built from it.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from ..images import dockerfile
from ..images.pull import is_reserved
from ..inputs.options import hidden
from ..releases.app import App, Git, Requirements
from ..releases.engines.engine import Engine
from ..releases.engines.known import DEFAULT, ENGINES, OF_IMAGE
from . import foreign, presets
from .draft import Draft
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

# The variable of a Dockerfile for the runtime image, whose tag the user does not know.
RUNTIME = "FLASKOPS_RUNTIME"
NO_DOCKERFILE = "none"  # instead of its name
_DESCRIBE = ("pyproject.toml", "setup.py", "setup.cfg")  # a project
# Files of a source with its requirements. A source for a known image may rely on the Flask of that
# image.
_REQUIREMENTS = {
    "requirements.txt",
    "pyproject.toml",
    "uv.lock",
    "pylock.toml",
    *requirements.LOCKS,
}
# Keys that only the Dockerfile of the role uses.
_OURS_ALONE = ("requirements", "apt_packages", "build_command", "build_inputs")
ARCHIVE_BYTES = 64 * 2**30  # of an image
KEY_BYTES = 65536
INI_BYTES, INI_LINE = 65536, 1000  # of a uwsgi.ini that is read for module and callable
SCRIPTS = 10  # that may start the server of an image
NOTED_FILES = 5000  # of which a note says that their place in the image has no effect
Checkout = Callable[[Git], Mapping[str, str]]


def complete(draft: Draft, source_root: str, checkout: Checkout) -> None:
    """Determine how the image of an application is built: source, build, preset, engine, module and
    callable.

    Args:
        draft: the entry.
        source_root: where relative paths start from.
        checkout: fetches what a complete C(git) names.
    """
    app = draft.app
    if draft.is_refused("source", "git", "image"):
        return
    ways = [
        key
        for key, value in (("source", app.source), ("git", app.git.repo), ("image", app.image))
        if value
    ]
    if not ways and draft.given.get("git"):
        words = OPTIONS["git"].options or {}
        draft.refuse(f"git: repo is missing; write repo: {words['repo'].allowed}")
    elif not ways:
        draft.refuse(
            f"source is missing; write source: {OPTIONS['source'].allowed}; or git: {{repo: …}}; or"
            " image: …"
        )
    elif len(ways) > 1:
        draft.refuse(
            f"{' and '.join(ways)} are written; an application comes from one of source, git and"
            " image, so keep one."
        )
    else:
        _missing_files(draft, source_root)
        if ways == ["image"]:
            _image(draft)
        elif ways == ["git"]:
            _repository(draft, checkout)
        else:
            _directory(draft, controller_path(source_root, app.source))


def _image(draft: Draft) -> None:
    app = draft.app
    if is_reserved(app.image):
        draft.refuse(
            f"image is {app.image!r}; names that begin with flaskops/ are reserved for images of"
            " this collection."
        )
    draft.set_build(kind="image", image=app.image, archive=app.image_archive)
    if draft.sound:
        draft.set(engine=app.engine or OF_IMAGE.name)
        _senseless(draft)
        presets.translate(draft, {})


def _repository(draft: Draft, checkout: Checkout) -> None:
    git = draft.app.git
    has_key = not git.key_file or Path(git.key_file).is_file()
    found = checkout(git) if has_key else {}
    if "path" not in found:
        if draft.sound and has_key:
            draft.refuse(found.get("problem", f"git: {hidden(git.repo)} has not been fetched."))
        return
    source = Path(found["path"], git.directory)
    draft.set_build(origin=found["origin"])
    if is_directory(source):
        _directory(draft, source)
    else:
        draft.refuse(
            f"git: directory is {git.directory!r}; there is no such directory in {found['origin']}."
        )


def _directory(draft: Draft, source: Path) -> None:
    draft.set(source=str(source))
    if not is_directory(source):
        return draft.refuse(
            f"source is not a directory: {source}. Relative sources start from"
            " flask_apps_source_root."
        )
    try:
        files = list(source_files(str(source)))
    except OSError as error:
        return draft.refuse(f"source {source} cannot be read: {error}")
    if not files:
        return draft.refuse(f"source is an empty directory: {source}.")
    env = _own_dockerfile(draft, source, files)
    ours = draft.app.build.kind == "source"
    if ours:
        _requirements(draft, source, files)
    if draft.sound:
        _senseless(draft)
        presets.translate(draft, env)
        if draft.app.preset:
            _path_mode(draft, source, files)
    if ours and draft.app.server.in_runtime:
        _find_callable(draft, source)
        draft.note(*_settings_of_another(draft.app.server, files))
    return None


def _requirements(draft: Draft, source: Path, files: list[str]) -> None:
    """What the Dockerfile of the role installs, and builds."""
    app = draft.app
    problems: list[str] = []
    if (
        app.preset
        and not app.requirements
        and not _REQUIREMENTS & set(files)
        and not requirements.is_project(source, files)
    ):
        needs = Requirements(kind="list", packages=("flask",))
        draft.note(
            "it has no requirements.txt, so Flask alone is installed, which its image brought"
            " along."
        )
    else:
        needs, problems = requirements.find(source, files, app.requirements)
    draft.set(engine=app.engine or DEFAULT.name)
    if not draft.app.server.in_runtime:
        needs = replace(needs, left_out=())
    draft.set_build(
        requirements=needs,
        apt_packages=app.apt_packages,
        command=app.build_command,
        inputs=app.build_inputs,
    )
    _build_step(draft, files)
    draft.refuse(*problems)
    if needs.left_out:
        draft.note(
            f"{' and '.join(needs.left_out)} of its requirements is not installed; the runtime"
            " image has the server."
        )
    below = {file: file.removeprefix("/app/") for file in app.data_files}
    draft.refuse(
        *(
            f"data_files has {file}, a directory of the source; write volumes:"
            f" [{app.name}-{PurePosixPath(file).name}:/app/{path}]."
            for file, path in below.items()
            if is_directory(source / path)
        )
    )
    if needs.frozen:
        draft.note("pkg-resources==0.0.0 of its requirements is left out; it is not a package.")
    if needs.kind == "list" and needs.whole:
        draft.note(
            f"what it depends on follows from a build of it alone ({needs.file}), so a change of"
            " code installs all of it again; a requirements.txt would not."
        )
    elif needs.whole:
        draft.note(
            "its requirements name files of the source, so a change of code installs all of"
            " them again."
        )


def _settings_of_another(engine: Engine, files: list[str]) -> list[str]:
    """A note for each server that the application has settings for, but that does not run it."""
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


def _build_step(draft: Draft, files: list[str]) -> None:
    """The problems of the keys of the build step, or notes if they seem to be missing."""
    app = draft.app
    draft.refuse(
        *(
            f"build_inputs must be files and directories of the source; got {path!r}, which is not"
            " there."
            for path in app.build_inputs
            if not any(file == path or file.startswith(f"{path.rstrip('/')}/") for file in files)
        )
    )
    if app.build_inputs and not app.build_command:
        draft.refuse("build_inputs is written without build_command; leave it out.")
    if not app.build_command:
        draft.note(*_unbuilt(Path(app.source), files))


def _unbuilt(source: Path, files: list[str]) -> Iterator[str]:
    """Files of the source that seem to need a build step."""
    known = set(files)
    if "package.json" in known and re.search(rb'"build"\s*:\s*"', _content(source, "package.json")):
        install = "npm ci" if "package-lock.json" in known else "npm install"
        yield (
            "its package.json has a build script, which is not run; where its files are needed"
            f" write build_command: {install} && npm run build, with apt_packages: [npm]."
        )
    yield from _uncompiled(files, known)


def _uncompiled(files: list[str], known: set[str]) -> Iterator[str]:
    """A directory with translations, none of which is compiled; if some are, the others are left
    out on purpose.
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


def _own_dockerfile(draft: Draft, source: Path, files: list[str]) -> dict[str, str]:
    """The environment of the image, as the Dockerfile of the source sets it."""
    wanted = draft.app.dockerfile
    if ignored := wanted == NO_DOCKERFILE:
        wanted = ""
    name = wanted or "Dockerfile"
    try:
        text = read_inside(source, name, dockerfile.LIMIT).decode()
        chain = dockerfile.last_chain(dockerfile.stages(text, {RUNTIME: RUNTIME}))
        env = dockerfile.environment(chain)
        ports = dockerfile.exposed(chain, env)
    except (FileNotFoundError, NotADirectoryError):
        if wanted:
            draft.refuse(f"dockerfile is {wanted!r}; there is no such file: {source / wanted}.")
        return {}
    except (OSError, ValueError) as error:
        if wanted:
            draft.refuse(f"dockerfile {source / name} cannot be read: {error}")
        return {}
    if not chain:
        if wanted:
            draft.refuse(f"dockerfile {source / name} has no FROM, so it makes no image.")
        return {}
    base = chain[0].base
    preset = presets.preset_of(base)
    if ignored:  # its instructions; what such an image does at its start is done all the same
        draft.set(preset=preset, engine=draft.app.engine or presets.PRESETS.get(preset, ""))
        return {}
    if not wanted and not preset:
        draft.note(
            f"its Dockerfile is not used; write dockerfile: {name} to have the image made by it."
        )
        return {}
    draft.set(preset=preset)
    draft.set_build(kind="dockerfile", dockerfile=name)
    if labels := dockerfile.reserved_labels(dockerfile.stages(text, {RUNTIME: RUNTIME})):
        draft.refuse(
            f"dockerfile {source / name} sets the label {', '.join(labels)}; labels that begin with"
            " host.flaskops are reserved for the containers of this collection, so remove it."
        )
        return {}
    if preset:
        draft.set(engine=draft.app.engine or presets.PRESETS[preset])
        python = "the Python is that of python, base_image or flask_apps_base_image"
        draft.note(
            f"its {name} begins with {base}; our runtime replaces it and keeps its conventions,"
            f" and {python}.",
            *presets.nginx_notes(dockerfile.copied(chain, files[:NOTED_FILES], env)),
        )
    else:
        server = DEFAULT if base.startswith(RUNTIME) else OF_IMAGE
        draft.set(engine=draft.app.engine or server.name)
        draft.set_build(server=_server(source, files, dockerfile.started(chain)))
        app = draft.app
        if not app.server.in_runtime and not app.port and not app.command and len(ports) == 1:
            draft.set(port=ports[0])
            draft.note(f"its server listens on port {ports[0]}, as EXPOSE says.")
    ours = preset or base.startswith(RUNTIME)
    problem = _old_name(source / name, text) or (_for_another(source / name, text) if ours else "")
    if problem:
        draft.refuse(problem)
    elif (
        preset
        and not foreign.copies_code(chain, files[:NOTED_FILES])
        and any(file.endswith(".py") for file in files)
    ):
        code = foreign.code_of(files)
        what = "the source" if code == "." else "app/ of the source"
        draft.set_build(code=code)
        draft.note(f"its {name} copies no code, so {what} is copied to /app.")
    return env


def _old_name(file: Path, text: str) -> str:
    """The compatibility image was called -seed in earlier versions."""
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


def _for_another(file: Path, text: str) -> str:
    """Commands of a Dockerfile that the runtime does not have, because it is another distribution;
    with what to write.
    """
    found = dockerfile.stages(text, {RUNTIME: RUNTIME})
    problem, names = "", dict[str, None]()
    for number, stage in enumerate(found):
        base = dockerfile.last_chain(found[: number + 1])[0].base
        if not (presets.preset_of(base) or base.startswith(RUNTIME)):
            continue
        for line, program, command in foreign.commands(text, stage):
            place = f"which replaces {base}, " if presets.preset_of(base) else ""
            problem = (
                problem
                or f"dockerfile {file}, line {line}, runs {program} of another distribution; our"
                f" runtime, {place}is Debian."
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
        f"{problem} Write {written} to use the Dockerfile of the role instead, or change it"
        " to apt-get, groupadd and useradd."
    )


def is_on_runtime(app: App) -> bool:
    """Whether the image of a complete entry begins with our runtime."""
    if app.build.kind != "dockerfile":
        return app.build.kind == "source"
    return bool(app.preset) or RUNTIME.encode() in _content(Path(app.source), app.build.dockerfile)


def _server(source: Path, files: list[str], command: str) -> str:
    """The server that an image starts: from its command, or from the files of the source that the
    command runs, such as entrypoint.sh.
    """
    names = {PurePosixPath(word).name for word in command.split()}
    scripts = [
        file for file in files if PurePosixPath(file).name in names and not file.endswith(".py")
    ][:SCRIPTS]
    texts = [command, *(_content(source, file).decode(errors="replace") for file in scripts)]
    return next((server for server in map(dockerfile.server_of, texts) if server), "")


def check_python(draft: Draft, python: str, bootstrapped: bool) -> None:
    """Check the Python that the source requires against the version of its image; "" if that is not
    known.
    """
    source = Path(draft.app.source)
    if draft.app.build.kind != "source" or not is_directory(source):
        return
    if found := requirements.python_problem(source, _DESCRIBE, python):
        instead = (
            "set flask_apps_base_source: registry, and write python"
            if bootstrapped
            else "write python"
        )
        draft.refuse(
            f"{found}; {instead} with a version that it takes, such as python: '3.12', or a wider"
            " requires-python."
        )


def _senseless(draft: Draft) -> None:
    """Refuse keys that make no sense beside others."""
    app, kind = draft.app, draft.app.build.kind
    by = {"image": "image", "dockerfile": f"the {app.build.dockerfile} of the source"}.get(kind)
    if by:
        where = "the Dockerfile" if kind == "dockerfile" else "what builds the image"
        draft.refuse(
            *(
                f"{key} is written, and {by} makes the image; write it into {where}."
                for key in draft.written(_OURS_ALONE)
            )
        )
    if by and draft.written(["data_files"]):
        draft.refuse(
            f"data_files is written, and {by} makes the image; have what builds it make a link, as"
            " RUN ln -s /data/app.db /app/app.db does, and write volumes:"
            f" [{app.name}-data:/data]."
        )
    if kind == "image" and draft.written(["dockerfile"]):
        draft.refuse(
            "dockerfile is written beside image; keep dockerfile with source or git, or keep image."
        )
    if kind != "image":
        draft.refuse(
            *(
                f"{key} is written without image; leave it out."
                for key in draft.written(["image_archive", "registry"])
            )
        )
    login = app.registry
    if bool(login.username) != bool(login.password):
        missing = "password" if login.username else "username"
        draft.refuse(f"registry: {missing} is missing; a login has username and password.")
    if draft.written(["registry"]) and app.image_archive:
        draft.refuse(
            "registry is written beside image_archive, which is loaded and not pulled; leave it"
            " out."
        )
    if app.server.in_runtime:
        draft.refuse(
            *(
                f"{key} is written, and only engine: command has it; write engine: command too, or"
                " leave it out."
                for key, value in (("command", app.command), ("port", app.port))
                if value
            )
        )
        return
    draft.refuse(
        *(
            f"{key} is written, and with engine: command the server in the image knows it; leave it"
            " out."
            for key in draft.written(["module", "callable"])
        )
    )
    if kind == "source" and not app.command:
        draft.refuse(
            "engine is command; write command: the command line of the server, such as gunicorn"
            " --bind unix:$FLASKOPS_SOCKET main:app"
        )
    elif not app.command and not app.port:
        draft.note(
            "port and command are not written, so the server of the image must listen on"
            " $FLASKOPS_SOCKET."
        )


def _path_mode(draft: Draft, source: Path, files: list[str]) -> None:
    """These images have no prefix, nor do most applications that were made for them."""
    app = draft.app
    if (
        app.app_path.prefix
        and not draft.given.get("path_mode")
        and not _reads_domain(source, files)
    ):
        draft.set(path_mode="script_name")
        draft.note(
            "it does not read DOMAIN, so it gets path_mode: script_name and answers below"
            f" {app.path} all the same."
        )


def _reads_domain(source: Path, files: list[str]) -> bool:
    return any(
        re.search(rb"[\"']DOMAIN[\"']", _content(source, file))
        for file in files
        if file.endswith(".py")
    )


def _content(source: Path, file: str) -> bytes:
    """The content of a file that is only searched; empty if it cannot be read."""
    try:
        return read_inside(source, file, BLOCK)
    except OSError:
        return b""


def _find_callable(draft: Draft, source: Path) -> None:
    """Set module and callable: as written, else as the entrypoint would find them in the
    container.
    """
    app = draft.app
    if draft.is_refused("name", "module", "callable"):
        return
    module, name = _named(app, source)
    if app.callable is None and (problem := _unfit_name(app)):
        draft.refuse(problem)
        return
    try:
        place = find.find(
            source,
            app.module or module,
            app.callable or name,
            app.name,
            app.env.get("FLASK_APP", ""),
        )
    except find.Unreadable as error:
        if problem := syntax.problem(source, error.broken, app.python):
            draft.refuse(problem)
            return
        # The Python of the images may be newer than the controller's; the entrypoint looks with
        # that one.
        draft.set(module=app.module or module, callable=app.callable or name)
        words = "is not Python that this controller reads; the container looks with its own"
        draft.note(
            f"what may hold its Flask application {words}. Write module and callable where it does"
            " not start."
        )
    except find.NotFound as error:
        hint = (
            own_prefix.of_program(str(source), app.app_path.prefix, app.path_mode)
            if error.program
            else ""
        )
        draft.refuse(f"{error} {hint}".rstrip())
    else:
        _found_callable(draft, source, place)


def _found_callable(draft: Draft, source: Path, place: find.Place) -> None:
    app = draft.app
    given = app.module and app.callable  # even if this Python cannot read them
    draft.set(module=place.module, callable=place.callable)
    draft.set_build(
        directory=place.directory,
        path=place.path,
        database=tuple(database.places(str(source), place.base)),
    )
    file = None if given else find.module_file(source / place.base, place.module)
    if file and (problem := syntax.problem(source, [str(file.relative_to(source))], app.python)):
        draft.refuse(problem)
        return
    if place.said:
        words = place.said if place.said == find.ONLY else f"as {place.said} says"
        draft.note(f"its application is {place.module}:{place.callable}, {words}.")
    if not app.release_command and (left := left_out.note(source, place)):
        draft.note(left)


def _unfit_name(app: App) -> str:
    module, _colon, name = app.env.get("APP_MODULE", "").partition(":")
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


def _named(app: App, source: Path) -> tuple[str, str]:
    """What the variables of the known images name, else the application's own uwsgi.ini; "" for
    what they do not name.
    """
    env = app.env
    module, _colon, name = env.get("APP_MODULE", "").partition(":")
    module, name = module or env.get("MODULE_NAME", ""), name or env.get("VARIABLE_NAME", "")
    if not (module or name) and app.engine == "uwsgi":
        ini = env.get("UWSGI_INI", "uwsgi.ini").removeprefix("/app/")
        module, name = _of_uwsgi_ini(_content(source, ini))
    return module if _fits("module", module) else "", name if _fits("callable", name) else ""


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


def _missing_files(draft: Draft, source_root: str) -> None:
    """Files on the controller that keys name, made absolute."""
    app = draft.app
    for key, value, limit in (
        ("image_archive", app.image_archive, ARCHIVE_BYTES),
        ("git.key_file", app.git.key_file, KEY_BYTES),
    ):
        if not value:
            continue
        file = controller_path(source_root, value)
        if key == "image_archive":
            draft.set(image_archive=str(file))
        else:
            draft.set(git=replace(app.git, key_file=str(file)))
        if wrong := file_problem(file, limit):
            draft.refuse(f"{key} {wrong}. It starts from flask_apps_source_root.")


def own_dockerfile(app: App, runtime: str) -> str:
    """The Dockerfile of the source as it is built: with our runtime where it names one of the known
    images, or FLASKOPS_RUNTIME.
    """
    text = read_inside(app.source, app.build.dockerfile, dockerfile.LIMIT).decode()
    if app.preset:
        text = dockerfile.replace_bases(
            text, lambda image: f"{runtime}-compat" if presets.preset_of(image) else ""
        )
    if code := app.build.code:
        text += (
            f"{'' if text.endswith(chr(10)) else chr(10)}# It copies no code itself.\nCOPY {code}"
            " /app\n"
        )
    if re.search(rf"(?m)^[ \t]*ARG[ \t]+{RUNTIME}\b", text):
        return re.sub(
            rf"(?m)^[ \t]*ARG[ \t]+{RUNTIME}\b.*$", f"ARG {RUNTIME}={runtime}", text, count=1
        )
    return text


def image_parts(app: App) -> dict[str, str]:
    """The parts of a prebuilt image that identify the release: its reference, and its archive."""
    archive = app.build.archive
    return {
        "reference": app.build.image,
        "archive": _file_digest(Path(archive)) if archive else "",
    }


def _file_digest(path: Path) -> str:
    total = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()
