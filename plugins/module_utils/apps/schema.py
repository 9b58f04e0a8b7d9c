# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option schema of one entry of flask_apps, the source of its checks; bin/docs writes its argument
spec and its reference from it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ..host.places import BACKUP, DRILL, RESTORE
from ..images.base import problem_of
from ..inputs import addresses
from ..inputs.options import Option, one_of
from ..releases.command import one_line
from ..releases.engines.known import ENGINES, options_of
from ..releases.services.engines import ENGINES as SERVICE_ENGINES
from ..releases.services.engines import PASSWORD_PATTERN
from . import schedule
from .sources.find import is_constant

NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
# Segments of a URL that are not special to Nginx, a shell or a file system; none starts with a dot.
PATH = r"/|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?"
PATH_WORDS = (
    "a path such as /shop: letters, digits and . _ ~ -, each part after a slash, no part beginning"
    " with a dot"
)
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
ROOT = r"(/[A-Za-z0-9._-]+)+"
PATH_LIMIT = 3000  # of a path on the controller; Linux has 4096 for it and what is below
FILE_NAME_LIMIT = 255
CONFIG_BYTES = 2**20  # of one of config_files
SOCKET_LIMIT = 107  # bytes of sun_path that Linux leaves to a name, unix(7)


def _command(text: str) -> str:
    if "<<" in text:
        return "have no here-document (put it into a script of the source)"
    return (
        "be one line (put a longer one into a script of the source)"
        if set(text) & set("\n\r\0")
        else ""
    )


def _literal_arguments(text: str) -> str:
    return (
        "" if is_constant(text) else "have constants as arguments, such as create_app('production')"
    )


def _path(text: str) -> str:
    """What a path on the controller must be, if no file system allows it."""
    too_long = len(text.encode()) > PATH_LIMIT or any(
        len(part.encode()) > FILE_NAME_LIMIT for part in text.split("/")
    )
    if too_long:
        return f"be a path of at most {PATH_LIMIT} bytes, and {FILE_NAME_LIMIT} in each part"
    return "" if text.isprintable() else "be a path without control characters"


def _file_path(text: str) -> str:
    return _path(text) or _inside(text)


def _config(text: str) -> str:
    return (
        f"be at most {CONFIG_BYTES // 2**20} MB"
        if len(text.encode(errors="replace")) > CONFIG_BYTES
        else ""
    )


def _port(text: str) -> str:
    """What the port of an address must be, if Nginx refuses it."""
    found = re.match(r"\w+://(?:\[[^\]]*\]|[^/:]*):(\d+)", text)
    return "have a port of 1 to 65535" if found and not 1 <= int(found[1]) <= 65535 else ""


def _verifier(text: str) -> str:
    host = text.removeprefix("http://").split("/")[0]
    host = host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
    if text and addresses.unreadable(host):
        return "have an address such as 127.0.0.1 or [::1] as its host"
    return _port(text)


def _login(text: str) -> str:
    _path, _mark, after = text.partition("?")
    if "?" in after or (text.endswith("=") and not re.search(r"[?&][A-Za-z0-9_.-]+=$", text)):
        return "have one ?, and a name before a last ="
    return _port(text)


def _schedule(text: str) -> str:
    return schedule.problem(text) if text else ""


def _inside(text: str) -> str:
    return "have no '..' in it" if ".." in text.split("/") else ""


# A file or directory below a source, or an empty string.
BELOW = r"([A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?"
_ABSOLUTE: dict[str, Any] = {
    "pattern": r"(/[A-Za-z0-9._-]+)+",
    "allowed": "an absolute path such as /app/cache",
    "check": _inside,
}
# A name within an application.
_SHORT_NAME = r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?"
# A volume or a directory of the host, and where it is mounted.
_VOLUME = r"(/[A-Za-z0-9._/-]*|[A-Za-z0-9][A-Za-z0-9_.-]+):/[A-Za-z0-9._/-]+(:ro)?"
_TIMEZONE: dict[str, Any] = {
    "default": "",
    "pattern": rf"({schedule.ZONE})?",
    "allowed": "a time zone such as Europe/Berlin or UTC",
    "check": schedule.zone_problem,
}
# The reference of an image, or an empty string.
_IMAGE = (
    r"([a-z0-9][A-Za-z0-9._-]*(:\d+)?/)?[a-z0-9][a-z0-9._/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?"
    r"(@sha256:[0-9a-f]{64})?|"
)
# One word of a directive of Nginx, which has ; { and } only in quotes.
_QUOTED = r"""\"(\\.|[^\"\\\r\n])*\"|'(\\.|[^'\\\r\n])*'"""
_PLAIN = r"""([^\s{};\"'#\\]|\\\S)([^\s{};\\]|\\\S)*"""
_V4, _V6 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}", r"\[[0-9A-Fa-f:.]+\]"
_OF_BODY = (
    "content-(type|length|encoding|range)|etag|last-modified|date|connection|transfer-encoding"
)
# Headers that a site, Nginx or the role sets itself.
_OF_OTHERS = (
    "accept-ranges|age|allow|cache-control|expires|keep-alive|location|pragma|refresh|retry-after"
    "|server|set-cookie|strict-transport-security|te|trailer|upgrade|vary|www-authenticate"
    "|x-accel-.*"
)
# A header of an answer, except those that describe the body.
_HEADER = rf"(?i:(?!({_OF_BODY})$)[a-z][a-z0-9-]*)"
_SECURITY_HEADER = rf"(?i:(?!({_OF_BODY}|{_OF_OTHERS})$)[a-z][a-z0-9-]{{0,63}})"
# A path with a query, none of whose characters Nginx reads as more than itself.
_PAGE = r"/[A-Za-z0-9._~/?&=,:@+%-]*"
# Headers that Nginx sets itself, or that belong to a connection and not to a user.
_VERIFIED = (
    r"(?i:(?!(host|connection|upgrade|proxy|forwarded|cookie|x-real-ip|x-request-id|http2-settings"
    r"|transfer-encoding|te|trailer|keep-alive|expect|(content|x-forwarded|x-original|if)-.*"
    r"|proxy-.*)$)[a-z][a-z0-9-]{0,62})"
)
# Of proxy.limits. Nginx has one zone for each (roles/nginx/templates/flaskops.conf.j2).
RATES = ("1", "2", "5", "10", "20", "50", "100", "200", "500", "1000")
_SECONDS: dict[str, Any] = {"kind": "int", "minimum": 1, "allowed": "a number of seconds"}

OPTIONS: dict[str, Option] = {
    "name": Option(
        required=True,
        pattern=NAME,
        allowed="1 to 40 of a-z, 0-9 and -, not at the ends, for example shop",
        about="""
            The name of the application on this host, for directories, containers, labels and file
            names.

            1 to 40 of a-z, 0-9 and -, not at the ends. Different for each application.
        """,
    ),
    "source": Option(
        default="",
        allowed="the directory of the application, for example files/shop",
        check=_path,
        about="""
            The directory of the application on the controller; relative to
            O(flask_apps_source_root#main:flask_apps_source_root).

            What to install comes from its C(requirements.txt), a lock or C(pyproject.toml), see
            O(requirements). C(.dockerignore) is honoured; C(.git), C(.venv), C(__pycache__) and the
            like never become part of the image.

            One of O(source), O(git) and O(image) is needed.
        """,
    ),
    "git": Option(
        kind="dict",
        default={},
        options={
            "repo": Option(
                default="",
                pattern=r"((https?|ssh|git|file)://[^\s'\"]+|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^\s'\"]+|/[^\s'\"]+)?",
                allowed=(
                    "the address of a repository, such as https://git.example.org/shop.git or"
                    " git@git.example.org:shop.git"
                ),
                about="""
                    The address of the repository, such as V(https://git.example.org/shop.git) or
                    V(git@git.example.org:shop.git).

                    Do not write credentials into it; use O(git.key_file), or Git's own credential
                    helpers on the controller.
                """,
            ),
            "version": Option(
                default="HEAD",
                pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]*",
                allowed="a branch, a tag or a commit, such as main or v1.2",
                check=_inside,
                about="""
                    A branch, a tag or a commit, in quotes if it looks like a number. Each run looks
                    up a branch again.
                """,
            ),
            "directory": Option(
                default="",
                pattern=BELOW,
                allowed="a directory of the repository",
                about=(
                    "The directory of the repository that holds the application; empty for its"
                    " root."
                ),
            ),
            "key_file": Option(
                default="",
                allowed="the file of a private key on the controller, such as ~/.ssh/deploy",
                check=_path,
                about="The file of the private key for SSH. It stays on the controller.",
            ),
        },
        about="""
            A repository with the source, instead of O(source). The controller fetches it.
        """,
    ),
    "image": Option(
        default="",
        pattern=_IMAGE,
        allowed=(
            "the reference of an image, such as registry.example.org/shop@sha256:… or"
            " registry.example.org/shop:1.2"
        ),
        about="""
            The reference of a prebuilt image, instead of O(source). With a digest, such as
            V(registry.example.org/shop@sha256:…), the image never changes. An image that is pushed
            again under the same tag is not noticed.

            O(engine=uwsgi) and O(engine=gunicorn) need an image that is built on the runtime image
            of this collection; any other image runs its own server with O(engine=command).
        """,
    ),
    "image_archive": Option(
        default="",
        allowed="a tar archive on the controller that docker save has written",
        check=_path,
        about="""
            A tar archive on the controller, written by C(docker save). O(image) is loaded from it
            instead of being pulled.

            Relative to O(flask_apps_source_root#main:flask_apps_source_root).
        """,
    ),
    "registry": Option(
        kind="dict",
        default={},
        secret=True,
        options={
            "username": Option(
                default="",
                check=one_line,
                secret=True,
                about="The name of the account.",
            ),
            "password": Option(
                default="",
                check=one_line,
                secret=True,
                about="Its password or token, preferably from Ansible Vault.",
            ),
        },
        about="""
            The login for the registry of O(image). It is used while the image is pulled and is not
            kept on the host.
        """,
    ),
    "dockerfile": Option(
        default="",
        pattern=BELOW,
        allowed="a file of the source, such as Dockerfile",
        about="""
            A Dockerfile of the source that builds the image, instead of the one of the role.

            It may begin with V(ARG FLASKOPS_RUNTIME) and V(FROM ${FLASKOPS_RUNTIME}) to use the
            application servers of the role; any other base runs its own server, see
            O(engine=command).

            A Dockerfile that begins with one of the images tiangolo/uwsgi-nginx-flask,
            tiangolo/meinheld-gunicorn-flask or hellt/nginx-uwsgi-flask-alpine-docker is found
            without this key, and built on a runtime that keeps the conventions of that image.
            V(none) uses the Dockerfile of the role instead.
        """,
    ),
    "python": Option(
        default="",
        pattern=r"(3\.[1-9][0-9])?",
        allowed='a version of Python from 3.10 on, in quotes, such as "3.12"',
        about="""
            The version of Python, in quotes, such as V("3.12"), if the application needs another
            one than O(flask_apps_base_image#main:flask_apps_base_image) has. It replaces the
            version in the tag of that image, for example V(python:3.12-slim-trixie).

            The host builds one runtime image for each base of its applications, once; each takes
            about a minute and the disk space of a Python. A bootstrapped base has only the Python
            of the distribution.
        """,
    ),
    "base_image": Option(
        default="",
        pattern=_IMAGE,
        allowed="the reference of an image, such as registry.example.org/python:3.12-slim",
        check=problem_of,
        about="""
            The image that the runtime of this application is built on. The default is
            O(flask_apps_base_image#main:flask_apps_base_image).

            It must be a Debian or Ubuntu with Python and APT. O(python) is shorter if only the
            version differs.
        """,
    ),
    "requirements": Option(
        default="",
        pattern=rf"{BELOW}|\.(\[[A-Za-z0-9][A-Za-z0-9 ,._-]*\])?",
        allowed=(
            "a file of the source, such as requirements/production.txt, or the project itself with"
            " extras, such as .[postgres]"
        ),
        about="""
            The file of the source with the Python requirements, for pip; or V(.[postgres]), the
            dependencies of the project itself with those of its extras.

            The default is C(requirements.txt) with all that it includes, else C(uv.lock),
            C(pylock.toml), C(poetry.lock), C(pdm.lock) or C(Pipfile.lock), which their tools read
            while the image is built, else the dependencies of C(pyproject.toml), C(setup.cfg) or
            C(setup.py).
        """,
    ),
    "apt_packages": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=r"[a-z0-9][a-z0-9.+-]+", allowed="the name of a Debian package such as libpq5"
        ),
        about="""
            Debian packages that the application needs at run time, such as V(libpq5). They are also
            installed while its requirements are built.
        """,
    ),
    "build_command": Option(
        default="",
        check=_command,
        about="""
            A shell command that builds something from the source while the image is built, such as
            V(flask translate compile) or V(npm ci && npm run build) with O(apt_packages=[npm]).

            It runs in a copy of the source with the requirements installed, without root and
            without O(secrets) and O(env). The files that it writes in the source become part of the
            image; C(node_modules) and packages for Node (C(nodejs), C(npm)) do not.

            It runs again when any file of the source changes, see O(build_inputs).
        """,
    ),
    "build_inputs": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=BELOW[:-1], allowed="a file or a directory of the source, such as package.json"
        ),
        about="""
            The files and directories of the source that O(build_command) reads, such as
            V([package.json, package-lock.json, frontend]). A change of other files does not run it
            again. The default is the whole source.
        """,
    ),
    "path": Option(
        required=True,
        pattern=PATH,
        allowed=PATH_WORDS,
        about="""
            The path under which users reach the application, such as V(/shop), or V(/) for the
            whole site.

            Letters, digits and C(. _ ~ -), each part after a slash, no part beginning with a dot.
            Different for each application of a site.
        """,
    ),
    "site": Option(
        default="default",
        pattern=NAME,
        allowed="the name of an entry of nginx_sites, or default",
        about="""
            The server block that the application belongs to; V(default) or the name of an entry of
            C(nginx_sites).
        """,
    ),
    "path_mode": Option(
        default="domain",
        choices=("domain", "script_name"),
        about="""
            How the application learns its path. V(domain) passes the path unchanged, and the
            application puts C(DOMAIN) of its environment before its routes, for example with
            V(Blueprint(..., url_prefix=os.environ.get("DOMAIN") or None\\)).

            V(script_name) is for applications that do not know their path. The application server
            strips the path and passes it as C(SCRIPT_NAME), so that C(url_for) and redirects are
            correct. A cookie for C(/) becomes one for the path, and a redirect to V(/x) on the same
            host leads below the path, unless another application of the site answers there.

            With O(engine=command), Nginx strips the path and passes it to the server in the image
            as C(X-Forwarded-Prefix). The server must use that header for correct links and
            redirects, as C(ProxyFix(x_prefix=1\\)) does. Gunicorn gets the whole path, and the
            prefix as C(SCRIPT_NAME). The role finds Gunicorn in O(command), and in the Dockerfile
            and the scripts that it runs; where it cannot, as in an O(image), set V(SCRIPT_NAME) in
            O(env).
        """,
    ),
    "engine": Option(
        choices=tuple(ENGINES),
        about="""
            The application server in the container. V(command) runs the server that is in your
            image, with O(command) and O(port).

            The default is V(uwsgi), or V(command) for an O(image) or a O(dockerfile) that is not
            built on the runtime image of this collection.
        """,
    ),
    **options_of(in_runtime=False),
    "module": Option(
        pattern=r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*",
        allowed="a Python module such as main or shop.web",
        about="""
            The Python module with the application, such as V(main) or V(shop.web).

            The default is what C(Procfile) starts, what C(FLASK_APP) names (in O(env), C(.env) or
            C(.flaskenv)), C(wsgi), one of C(app), C(main), C(application), C(app.main) and the name
            of the application, or a package that C(pyproject.toml) names; in the source, in its
            C(src) or in its C(app).
        """,
    ),
    "callable": Option(
        pattern=r"[A-Za-z_]\w*(\(.*\))?",
        allowed="a name in the module such as app, create_app() or create_app('production')",
        check=_literal_arguments,
        about="""
            The name of the application in the module, or of a factory with its parentheses, such as
            V(create_app(\\)).

            The default is the first of C(app), C(application), V(create_app(\\)) and
            V(make_app(\\)) that the module has.
        """,
    ),
    "websocket": Option(
        kind="bool",
        default=False,
        about="""
            Whether the application speaks websockets. V(true) serves each connection in a greenlet
            (gevent) instead of a thread, so that an open websocket, or an event stream, holds no
            process.
        """,
    ),
    **options_of(in_runtime=True),
    "env": Option(
        kind="dict",
        default={},
        pattern=VARIABLE,
        allowed="names are made of letters, digits and _",
        elements=Option(check=one_line, secret=True),
        secret=True,
        about="""
            Environment variables of the container, each value one line.

            The role sets C(DOMAIN), C(FLASKOPS_APP) and C(FLASKOPS_RELEASE); they are refused here.
            C(ENV) is V(PROD) unless you set it.
        """,
    ),
    "secrets": Option(
        kind="dict",
        default={},
        pattern=VARIABLE,
        allowed="names are made of letters, digits and _",
        elements=Option(secret=True),
        secret=True,
        about="""
            Secrets by name, best taken from Ansible Vault. Each is a variable C(<NAME>) of the
            processes of the application, of O(release_command) and of O(processes), and a file
            C(/run/secrets/<NAME>) that only the user of the container can read; C(<NAME>_FILE) is
            its path. C(docker inspect), images, labels and command lines do not contain them.

            Names that change how a process runs (C(PATH), C(HOME), C(TMPDIR), C(LD_*), C(PYTHON*),
            C(UWSGI_*), C(GUNICORN_*), C(FLASKOPS_*) and the like), values with a NUL and values of
            more than 100 kB stay files. A variable of the same name in O(env) takes precedence.
        """,
    ),
    "secrets_as": Option(
        default="environment",
        choices=("environment", "file"),
        about="""
            V(file) keeps O(secrets) out of the environment, for an application that reads
            C(<NAME>_FILE): child processes and crash reporters see the environment.
        """,
    ),
    "env_file": Option(
        default="",
        allowed="a file of lines NAME=VALUE on the controller, such as files/shop.env",
        check=_path,
        about="""
            A file on the controller with lines C(NAME=VALUE), relative to
            O(flask_apps_source_root#main:flask_apps_source_root), whose variables the application
            gets. They are kept like O(secrets), without C(<NAME>_FILE); those that change how a
            process runs or that the role reads, such as C(FLASK_APP), become part of O(env). O(env)
            and O(secrets) take precedence.

            C(export), comments, and quotes as in a shell are understood. An expansion such as
            C(${NAME}), a name that is set twice, and a file that Ansible Vault has encrypted are
            refused.
        """,
    ),
    "config_files": Option(
        kind="list",
        default=[],
        options={
            "path": Option(
                required=True,
                pattern=r"(/[A-Za-z0-9._-]+)+",
                allowed="an absolute path in the container, such as /app/instance/config.py",
                check=_file_path,
                about="The absolute path in the container where the application reads it.",
            ),
            "content": Option(
                required=True,
                allowed='text, such as "{{ vault_shop_config }}"',
                check=_config,
                secret=True,
                about="""
                    Its content, at most 1 MB. It is kept like O(secrets), so it may contain values
                    of Ansible Vault.
                """,
            ),
        },
        about="""
            Files with settings that the application reads at its own paths, such as
            C(/app/instance/config.py). They belong to root, are read-only, and only the user of the
            container can read them.
        """,
    ),
    "health": Option(
        kind="dict",
        default={},
        options={
            "path": Option(
                default="/",
                pattern=r"/[A-Za-z0-9._~/?&=%-]*",
                allowed="a path below the application's own, such as /health",
                about="""
                    The path of the health check, below the application's own path. Choose one that
                    fails when the application cannot work.
                """,
            ),
            "host": Option(
                default="",
                pattern=r"([A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?(:[1-9]\d{0,4})?)?",
                allowed=(
                    "a name that the application answers to, such as shop.example.org, or '' for"
                    " the name of its site"
                ),
                about="""
                    The name that the health check sends as C(Host), for an application that answers
                    only to its own names (C(TRUSTED_HOSTS), C(ALLOWED_HOSTS)). Empty for the first
                    name of its site, or C(localhost) if the site has no name.

                    The public check, through Nginx after the switch, also uses it if Nginx routes
                    this name to the application.
                """,
            ),
            "status": Option(
                kind="list",
                filled=True,
                default=["2xx", "3xx", "401", "403"],
                elements=Option(pattern=r"[1-5](xx|\d\d)", allowed="a status such as 200 or 2xx"),
                about="""
                    The statuses of a healthy application, such as V(200) or V(2xx). A redirect is
                    followed as long as it stays below the path. A redirect that leads to an answer
                    of 5xx fails, unless its exact status is listed, such as V(302).
                """,
            ),
            "deadline_seconds": Option(
                default=60,
                **_SECONDS,
                about="""
                    How long a new release may take until it passes, in seconds. Increase it for a
                    slow start.
                """,
            ),
            "interval_seconds": Option(
                kind="float",
                default=0.5,
                minimum=0.1,
                allowed="a number of seconds",
                about="The pause between two requests, in seconds.",
            ),
        },
        about="The health check of a new release, before it gets traffic.",
    ),
    "release_command": Option(
        default="",
        check=one_line,
        secret=True,
        about="""
            A shell command such as V(flask db upgrade) that runs before a new release starts, in a
            separate container with the new image, environment, secrets, volumes and networks.
            If it fails, the release is abandoned and the previous one continues to serve.

            It may run again after a failed release, so it must be repeatable; the previous release
            serves during it, and briefly after it. A rollback does not run it. It runs on each
            host.
        """,
    ),
    "release_command_seconds": Option(
        default=600,
        **_SECONDS,
        about="How long the release command may take, in seconds.",
    ),
    "drain_seconds": Option(
        kind="int",
        default=30,
        minimum=0,
        allowed="a number of seconds",
        about="""
            How long the previous release may take to finish requests and websockets after the
            switch, in seconds, and how long running requests may take when its container is
            stopped. Increase it for long downloads.
        """,
    ),
    "keep_releases": Option(
        kind="int",
        default=5,
        minimum=2,
        allowed="a number of releases, including the live one",
        about="How many releases are kept for a rollback, including the live one.",
    ),
    "resources": Option(
        kind="dict",
        default={},
        options={
            "memory": Option(
                default="512m",
                pattern=r"[1-9]\d*[bkmg]",
                allowed="a size such as 512m or 2g",
                about="""
                    Memory, with a unit of V(b), V(k), V(m) or V(g). Swap is not used. Above the
                    limit, the kernel kills a process.
                """,
            ),
            "pids": Option(
                kind="int",
                default=512,
                minimum=16,
                allowed="a number of processes and threads",
                about="The maximum number of processes and threads.",
            ),
            "cpus": Option(
                kind="float",
                default=0,
                minimum=0,
                allowed="a number of processors, 0 for all",
                about="How many processors may be used, such as V(1.5); 0 for all of the host.",
            ),
            "tmp": Option(
                default="64m",
                pattern=r"[1-9]\d*[bkmg]",
                allowed="a size such as 64m",
                about="""
                    The size of C(/tmp), and of each directory in O(writable), with a unit; it is in
                    memory.

                    Temporary files of Python, such as large uploads, are in C(/var/tmp)
                    (C(TMPDIR)), which is on the disk.
                """,
            ),
        },
        about="The limits of the container.",
    ),
    "uid": Option(
        kind="int",
        default=0,
        minimum=0,
        maximum=2**31 - 2,
        allowed="a user id such as 20001, or 0 for its own",
        about="""
            The user id, and group id, of the container.

            Set it for applications that share a volume, or whose data already has an owner.

            V(0) gives the application its own uid.
        """,
    ),
    "writable": Option(
        kind="list",
        default=[],
        elements=Option(**_ABSOLUTE),
        about="""
            Directories of the container that the application may write to; they are in memory and
            empty at every start.

            The rest of its file system is read-only. For data that must last, use O(volumes). What
            the container needs, such as V(/app) and V(/usr), is refused. The run warns of a
            directory that hides files of the image.
        """,
    ),
    "volumes": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=_VOLUME,
            allowed=(
                "a volume or an absolute path, a colon, and where it is mounted, such as"
                " shop-data:/data or /srv/media:/media:ro"
            ),
            check=_inside,
        ),
        about="""
            Volumes or directories of the host, written as V(shop-data:/data) or
            V(/srv/media:/media:ro).

            A new volume starts with the files that the image has in that place, and belongs to the
            container's user. A volume with somebody else's data stays unchanged, and the run
            reports it.

            A directory of the host must be accessible to the container's user, which is O(uid) or
            the application's own. The unix socket of a database on the host is such a directory, as
            in V(/run/postgresql:/run/postgresql).
        """,
    ),
    "data_files": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=r"(/app/)?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*",
            allowed="a file below /app, such as app.db or instance/app.db",
            check=_inside,
        ),
        about="""
            Files beside the code that the application writes and that must be kept, such as an
            SQLite database, V(app.db). They are on the volume C(<name>-data-files), and links lead
            to them. A file of the source is their first content.

            For a whole directory, use O(volumes). A custom O(dockerfile) must create such links
            itself.
        """,
    ),
    "networks": Option(
        kind="list",
        default=[],
        elements=Option(
            pattern=r"(?!host$|none$)[A-Za-z0-9][A-Za-z0-9_.-]*",
            allowed="the name of a Docker network such as backend, not host or none",
        ),
        about="""
            Docker networks that the container joins, such as V(backend). Without a network,
            O(internet) and O(services), the container has no network access.

            No port is published in any case. The network must exist; V(host) and V(none) are
            refused. In one network, applications reach each other's ports directly, without Nginx.
        """,
    ),
    "internet": Option(
        kind="bool",
        default=False,
        about="""
            Whether the application can connect to other servers. It gets a separate Docker network,
            called C(flaskops-<name>), with addresses of
            O(flask_apps_networks_pool#main:flask_apps_networks_pool): no other application can be
            reached through it.

            It can also reach servers that listen on the addresses of the host. The network is
            removed with the application. Rules of Docker separate such networks: restart Docker
            when something has removed these, such as C(nft flush ruleset).
        """,
    ),
    "host_access": Option(
        kind="bool",
        default=False,
        about="""
            Whether C(host.docker.internal) is the address of the host, for a server that listens on
            it there. Needs O(internet) or O(networks).

            A unix socket in O(volumes) is simpler, and only this application can use it.
        """,
    ),
    "static": Option(
        kind="list",
        default=[{"url": "/static", "path": "static", "required": False}],
        options={
            "url": Option(
                required=True,
                pattern=r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?",
                allowed="a path below the application's own, such as /static",
                about="The path below the application's own.",
            ),
            "path": Option(
                required=True,
                pattern=r"/?[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?",
                allowed="a directory of the image, absolute or below /app, such as static",
                about="The directory in the image, absolute or below C(/app).",
            ),
            "required": Option(
                kind="bool",
                default=True,
                about="Whether a missing directory in the image is an error.",
            ),
            "index": Option(
                kind="bool",
                default=False,
                about="""
                    Whether the application's own path shows C(index.html) of the directory, as for
                    a single-page application.
                """,
            ),
            "fallback": Option(
                kind="bool",
                default=False,
                about="""
                    Whether C(index.html) of the directory is served where the application answers
                    404, for the routes that a single-page application has in the browser. Only
                    requests for pages (C(Accept) has C(text/html)) get it.
                """,
            ),
            "immutable": Option(
                kind="bool",
                default=False,
                about="""
                    Whether every file has a name that changes with its content, so that browsers
                    may keep it for a year.

                    Without it, this applies only to names with a hash, such as C(app.3f2a9c41.js);
                    browsers check other files each time. A hash is 8 or more of 0-9 and a-f before
                    a dot, with both digits and letters in it.
                """,
            ),
        },
        about="""
            Files that Nginx serves directly from the release, without the application. Requests for
            other files go to the application.

            An empty list turns this off, for example for files behind a login.
        """,
    ),
    "proxy": Option(
        kind="dict",
        default={},
        options={
            "connect_timeout_seconds": Option(
                default=60,
                **_SECONDS,
                about=(
                    "How long Nginx waits for the application to accept a connection, in seconds."
                ),
            ),
            "read_timeout_seconds": Option(
                default=60,
                **_SECONDS,
                about="""
                    How long the application may be silent, in seconds; after that Nginx answers
                    504, or closes a websocket.

                    Increase it for slow answers and for websockets that are silent for long.
                """,
            ),
            "temp_file_size": Option(
                default="256m",
                pattern=r"0|[1-9]\d{0,5}[mg]",
                allowed="a size such as 256m or 1g, or 0 for no file",
                about="""
                    How much of an answer Nginx stores in a file for a client that reads slower than
                    the application writes; V(0) for no file.

                    The application can write a larger answer only as fast as the client reads.
                """,
            ),
            "body_size": Option(
                default="",
                pattern=r"(\d+[kmg]?)?",
                allowed="a size such as 20m, 0 for no limit, or '' for the host's",
                about="""
                    The largest request body, such as V(20m); V(0) for no limit, empty for what the
                    host allows.

                    It limits the disk space of uploads; they may be larger than
                    O(resources.memory).
                """,
            ),
            "buffering": Option(
                kind="bool",
                default=True,
                about="""
                    Whether Nginx buffers answers, so that slow clients do not occupy the
                    application; V(false) for answers that are streamed.
                """,
            ),
            "header_buffer_size": Option(
                default="16k",
                pattern=r"[1-9]\d{0,2}k",
                allowed="a size such as 16k, at most 999k",
                about="""
                    Space for all headers of an answer, such as V(64k). For larger headers, Nginx
                    answers 502, and its error log has "upstream sent too big header". For headers
                    of requests, see P(flaskops.host.nginx#role).
                """,
            ),
            "static_headers": Option(
                kind="dict",
                default={},
                pattern=_HEADER,
                allowed=(
                    "a header such as Access-Control-Allow-Origin, except those that describe the"
                    " body, such as Content-Type or ETag"
                ),
                elements=Option(
                    pattern=r"[^$\x00-\x1f\x7f]+", allowed="one line without $, such as '*'"
                ),
                about="""
                    Headers of static files, such as C(Access-Control-Allow-Origin) for fonts or
                    C(X-Content-Type-Options). C(Cache-Control) replaces the one of the role.
                """,
            ),
            "security_headers": Option(
                kind="dict",
                default={},
                pattern=_SECURITY_HEADER,
                allowed=(
                    "a header such as Permissions-Policy, except those that describe the body or"
                    " that others set, such as Set-Cookie, or Strict-Transport-Security, which is"
                    " hsts_seconds of the site"
                ),
                elements=Option(
                    pattern=r"([!-#%-~]([ -#%-~]{0,1998}[!-#%-~])?)?",
                    allowed=(
                        "one line of at most 2000 ASCII characters without $, such as DENY, or ''"
                        " for none"
                    ),
                ),
                about="""
                    Headers of all answers, also of static files and of the pages of the role. These
                    are merged over V({X-Content-Type-Options: nosniff, Referrer-Policy:
                    strict-origin-when-cross-origin, X-Frame-Options: SAMEORIGIN}); an empty string
                    takes one away.

                    If the application sends one of these itself, or C(Content-Security-Policy),
                    C(Permissions-Policy) or one of C(Cross-Origin-…-Policy), only its own is sent.
                    A header of any other name replaces the one of the application.
                    O(proxy.static_headers) and C(add_header) in O(proxy.directives) take
                    precedence.
                """,
            ),
            "cookie_path": Option(
                default="app",
                choices=("app", "keep"),
                about="""
                    V(app) replaces C(Path=/) of a cookie with the path of the application, so that
                    applications of one host do not overwrite each other's session. Other paths stay
                    unchanged.

                    V(keep) leaves all paths unchanged, for a cookie that is meant for the whole
                    host or whose name begins with C(__Host-).
                """,
            ),
            "accel_redirect": Option(
                kind="bool",
                default=False,
                about="""
                    Whether Nginx follows C(X-Accel-Redirect) in answers of the application. The
                    header gives access to every location of the site, also internal and named ones
                    and those of other applications, without their C(deny) and passwords.
                """,
            ),
            "websocket_paths": Option(
                kind="list",
                default=[],
                elements=Option(
                    pattern=r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?",
                    allowed="a path below the application's own, such as /ws",
                ),
                about="""
                    Paths of websockets below the application's own that may be silent for
                    O(proxy.websocket_timeout_seconds).
                """,
            ),
            "websocket_timeout_seconds": Option(
                default=3600,
                **_SECONDS,
                about="How long a websocket of O(proxy.websocket_paths) may be silent, in seconds.",
            ),
            "cache_seconds": Option(
                kind="int",
                default=0,
                minimum=0,
                allowed="a number of seconds, 0 for no cache",
                about="""
                    How long Nginx keeps answers to GET and HEAD and serves them to all clients, in
                    seconds; 0 for no cache. Even one second relieves the application of a page that
                    many clients request at once.

                    Answers that set a cookie or forbid it (C(Cache-Control)) are not kept, nor are
                    requests with C(Authorization). A lifetime in C(Cache-Control) or C(Expires) of
                    an answer takes precedence.

                    An answer that is not requested for ten minutes is dropped. A new release starts
                    with an empty cache.
                """,
            ),
            "cache_bypass_cookies": Option(
                kind="list",
                default=["session"],
                elements=Option(pattern=VARIABLE, allowed="the name of a cookie such as session"),
                about="""
                    Requests with one of these cookies are personal: they get nothing from the cache
                    and leave nothing in it.
                """,
            ),
            "allow": Option(
                kind="list",
                filled=True,
                allowed="the clients that may reach the application, such as [192.0.2.0/24]",
                elements=Option(
                    strict=True,
                    pattern=addresses.PATTERN,
                    allowed=addresses.ADDRESS,
                    check=addresses.problem_of,
                ),
                about="""
                    The addresses and networks of the clients that may reach the application and its
                    static files; all others get 403. Without this key, every client may.

                    The client is the one that the proxies in C(nginx_trusted_proxies)
                    report. The host itself is allowed only if V(127.0.0.1) is listed; the check
                    after a deploy takes its 403 for a login.
                """,
            ),
            "basic_auth": Option(
                kind="dict",
                default={},
                secret=True,
                options={
                    "users": Option(
                        kind="dict",
                        default={},
                        secret=True,
                        pattern=r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}",
                        allowed="1 to 64 of letters, digits and . _ @ + -, for example ann",
                        elements=Option(
                            strict=True,
                            secret=True,
                            pattern=r"[^\x00-\x1f\x7f]{1,255}",
                            allowed="a password in quotes, one line of 1 to 255 characters",
                        ),
                        about="""
                            The password of each user, preferably from Ansible Vault. The host gets
                            only hashes. A changed password is a new release.
                        """,
                    ),
                    "realm": Option(
                        default="",
                        pattern=r"|(?!off$)[A-Za-z0-9][A-Za-z0-9 ._:,()/@+-]{0,79}",
                        allowed=(
                            "1 to 80 of letters, digits, spaces and . _ : , ( ) / @ + -, and not"
                            " off"
                        ),
                        about=(
                            "What browsers show when they ask for the password; the default is"
                            " V(Login to NAME)."
                        ),
                    ),
                },
                about="""
                    A login by name and password for the application and its static files. Use it
                    only on a site with HTTPS: a browser sends the password with every request.

                    The application does not get the password (C(Authorization)).
                """,
            ),
            "forward_auth": Option(
                kind="dict",
                default={},
                options={
                    "url": Option(
                        default="",
                        pattern=rf"|http://({_V4}|{_V6})(:[0-9]{{1,5}})?{_PAGE}",
                        check=_verifier,
                        allowed=(
                            "an address of plain HTTP with a path, such as"
                            " http://127.0.0.1:4180/oauth2/auth"
                        ),
                        about="""
                            Where Nginx asks, such as V(http://127.0.0.1:4180/oauth2/auth). Plain
                            HTTP and an address: Nginx would look up a name when it starts, and not
                            start without it.
                        """,
                    ),
                    "app": Option(
                        default="",
                        pattern=rf"|{NAME}",
                        allowed="the name of another application of this host",
                        about="""
                            Another application of this host that decides, instead of
                            O(proxy.forward_auth.url). It is asked through its socket, and need not
                            be on the same site.
                        """,
                    ),
                    "path": Option(
                        default="",
                        pattern=rf"|{_PAGE}",
                        allowed="a path below that application's own, such as /verify",
                        about="With O(proxy.forward_auth.app), the path below its own to ask.",
                    ),
                    "login": Option(
                        default="",
                        pattern=(
                            rf"|(https?://[A-Za-z0-9]([A-Za-z0-9.-]{{0,251}}[A-Za-z0-9])?"
                            rf"(:[0-9]{{1,5}})?)?(?!//){_PAGE}"
                        ),
                        check=_login,
                        allowed=(
                            "an address such as https://login.example.org/start, or a path of the"
                            " site such as /oauth2/start"
                        ),
                        about="""
                            The login page: an address, or a path of the same site. A browser that
                            requests a page without a login is redirected there, with the address
                            of the page in the parameter C(rd), or in another one if the value ends
                            with C(?NAME=) or C(&NAME=).

                            Without it, the browser is redirected to C(Location) of the verifier's
                            401, if it sends one, and else gets the 401.
                        """,
                    ),
                    "headers": Option(
                        kind="list",
                        default=[],
                        maximum=20,
                        elements=Option(
                            strict=True,
                            pattern=_VERIFIED,
                            allowed=(
                                "the name of a header such as X-Auth-Request-User, none that Nginx"
                                " sets itself or that describes a request"
                            ),
                        ),
                        about="""
                            Headers of the verifier's answer that the application gets, such as
                            V(X-Auth-Request-User), at most 20. A client cannot send them.
                        """,
                    ),
                },
                about="""
                    A verifier that decides about each request to the application and its static
                    files, such as oauth2-proxy, Authelia, Authentik or your own application.
                    Nginx asks it with the headers of the request, without its body: 2xx lets the
                    request in, 401 and 403 do not. If the verifier does not answer, nobody gets in,
                    and the status is 500.
                """,
            ),
            "limits": Option(
                kind="dict",
                default={},
                options={
                    "requests_per_second": Option(
                        choices=RATES,
                        about="How many requests a client may send each second, on average.",
                    ),
                    "burst": Option(
                        kind="int",
                        default=20,
                        minimum=0,
                        maximum=10_000,
                        allowed="a number of requests",
                        about="""
                            How many requests beyond O(proxy.limits.requests_per_second) a client
                            may send at once.
                        """,
                    ),
                    "connections": Option(
                        kind="int",
                        minimum=1,
                        maximum=10_000,
                        allowed="a number of requests",
                        about="""
                            How many requests of a client, websockets too, may be in progress at
                            once.
                        """,
                    ),
                },
                about="""
                    What one client may request of the application; beyond it, Nginx answers 429
                    with C(Retry-After). Static files do not count. Without this key, there is no
                    limit.

                    A client is one IPv4 address, or a network of 64 bits of IPv6. The host itself
                    has no limit.
                """,
            ),
            "streamed_uploads": Option(
                kind="list",
                default=[],
                elements=Option(
                    pattern=r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?",
                    allowed="a path below the application's own, such as /upload",
                ),
                about="""
                    Paths below the application's own where Nginx passes uploads on while they
                    arrive, instead of receiving them first. A slow client then occupies the
                    application.
                """,
            ),
            "error_pages": Option(
                kind="bool",
                default=False,
                about="""
                    Whether a page of the role, with C(Retry-After), replaces Nginx's own for 502,
                    503 and 504, when the application does not answer. Answers of the application
                    stay as they are.
                """,
            ),
            "error_page": Option(
                default="",
                pattern=r"|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\.html",
                allowed="the path of a static file of the application, such as /static/sorry.html",
                about="""
                    A page of the application instead of that of the role: one of its static files,
                    by its path below the application's own. It turns on
                    O(proxy.error_pages). Where the release lacks the file, the page of the role is
                    sent.
                """,
            ),
            "directives": Option(
                kind="list",
                default=[],
                elements=Option(
                    pattern=rf"[a-z][a-z0-9_]*([ \t]+({_QUOTED}|{_PLAIN}))*[ \t]*",
                    allowed=(
                        "a directive of Nginx without its semicolon, words with ; { } or # in"
                        " quotes, such as add_header Content-Security-Policy \"default-src 'self';"
                        ' img-src *" always'
                    ),
                    secret=True,
                ),
                about="""
                    Further directives of Nginx for the locations where the application answers,
                    each without its semicolon. Quote a word that contains C(;), C({), C(}) or C(#),
                    as in Nginx itself.

                    Each replaces the role's directive of the same name; a C(proxy_set_header)
                    replaces the one for the same header. Only directives that Nginx combines are
                    added: C(proxy_ignore_headers), C(proxy_cache_bypass) and C(proxy_no_cache).

                    Those that restrict access (C(allow), C(deny), C(satisfy), C(auth_…)) also apply
                    to static files; the others do not. O(proxy.fragment) does not get them.
                """,
            ),
            "fragment": Option(
                default="",
                allowed="a template on the controller, such as files/shop.nginx.conf.j2",
                check=_path,
                about="""
                    A template on the controller for all locations of the application, such as
                    V(files/shop.nginx.conf.j2), instead of the one of the role. Nginx tests it
                    before it serves.

                    Its variables are C(app), C(socket), C(directory), C(before) (the static files
                    of the previous release), C(release) and C(backlog). The role adds the location
                    of the public check. A location needs only the macro C(proxy) of the role's
                    C(macros.j2) to forward requests; C(docs/proxy.md) has an example.

                    Relative to O(flask_apps_source_root#main:flask_apps_source_root).
                """,
            ),
        },
        about="How Nginx forwards requests to the application.",
    ),
    "processes": Option(
        kind="list",
        default=[],
        options={
            "name": Option(
                required=True,
                pattern=_SHORT_NAME,
                allowed="1 to 20 of a-z, 0-9 and -, such as worker",
                about="The name of the process within the application.",
            ),
            "command": Option(
                required=True,
                check=one_line,
                secret=True,
                about="""
                    Its command line, such as V(celery --app tasks worker). A shell runs it and is
                    replaced by the program, so that the program gets SIGTERM when it is stopped. In
                    a line of several commands, write C(exec) before the one that must get the
                    signal.
                """,
            ),
            "overlap": Option(
                kind="bool",
                default=True,
                about="""
                    Whether the process of the previous release may run beside it for a moment;
                    V(false) for a scheduler: the previous one stops first.
                """,
            ),
            "ready_seconds": Option(
                kind="int",
                default=2,
                minimum=0,
                allowed="a number of seconds",
                about="""
                    How long it must run before the release may serve, in seconds; if it ends
                    sooner, the release is refused.
                """,
            ),
            "stop_seconds": Option(
                kind="int",
                default=30,
                minimum=1,
                allowed="a number of seconds",
                about="How long it may take to finish its work when it is stopped, in seconds.",
            ),
        },
        about="""
            Further containers of the same image without a route, such as a Celery worker. They have
            the environment, secrets, volumes, networks and limits of the application, are started
            before it serves, and stop with their release.
        """,
    ),
    "jobs": Option(
        kind="list",
        default=[],
        options={
            "name": Option(
                required=True,
                pattern=_SHORT_NAME,
                allowed="1 to 20 of a-z, 0-9 and -, such as nightly",
                check=lambda name: (
                    f"not be {name}, which belongs to the key backup; such as {name}-own"
                    if name in (BACKUP, DRILL, RESTORE)
                    else ""
                ),
                about="The name of the job within the application.",
            ),
            "schedule": Option(
                required=True,
                check=schedule.problem,
                about="""
                    When it runs: a calendar event of systemd, such as V(*-*-* 03:00) or V(Mon..Fri
                    *:0/15), or the five fields of a crontab, such as V(0 3 * * *), which are
                    converted. One that never comes is refused.
                """,
            ),
            "command": Option(
                required=True,
                check=lambda text: one_line(text) if text.strip() else "have a command",
                secret=True,
                about="Its command line, such as V(flask cleanup), which a shell runs.",
            ),
            "seconds": Option(
                default=3600,
                **_SECONDS,
                about="""
                    How long it may take, in seconds. Then it gets SIGTERM, ten seconds later
                    SIGKILL, and counts as failed.
                """,
            ),
            "catch_up": Option(
                kind="bool",
                default=False,
                about="""
                    Whether it runs once, as soon as the host is up, if the host was down when it
                    should have run.
                """,
            ),
            "timezone": Option(
                **_TIMEZONE,
                about="The time zone of its schedule; empty for that of the host.",
            ),
        },
        about="""
            Commands that timers of systemd start, each in its own container of the release that
            serves: with its image, environment, secrets, volumes, networks and limits. A job never
            runs twice at once, and no deploy or rollback ends it. They are not part of a release.

            With O(state=stopped) they are not run. A host without systemd is refused.
        """,
    ),
    "services": Option(
        kind="list",
        default=[],
        options={
            "name": Option(
                required=True,
                pattern=_SHORT_NAME,
                allowed="1 to 20 of a-z, 0-9 and -, such as db",
                about="Its name within the application, and its host name in the network.",
            ),
            "engine": Option(
                default="",
                pattern=rf"({'|'.join(SERVICE_ENGINES)})?",
                allowed=one_of(list(SERVICE_ENGINES)),
                about="""
                    V(postgresql) or V(redis): the role knows the image, its data, its password, its
                    health check, and settings that fit the memory. Empty for another O(image) or
                    O(of).
                """,
            ),
            "of": Option(
                default="",
                pattern=rf"({NAME})?",
                allowed="the name of another application of flask_apps",
                about="""
                    The application whose service of this name is used too. Both then have the same
                    database and the same user.
                """,
            ),
            "version": Option(
                default="",
                pattern=r"(\d+(\.\d+)*)?",
                allowed="a version such as '17'",
                about="""
                    The version of the engine. By default that of the distribution with
                    O(flask_apps_base_source#main:flask_apps_base_source=bootstrap), which has no
                    other one; otherwise PostgreSQL 17 and Redis 8.0.
                """,
            ),
            "image": Option(
                default="",
                pattern=_IMAGE,
                allowed="the reference of an image, such as postgis/postgis:17-3.5",
                about="""
                    An image of the engine instead of the official one, such as
                    V(postgis/postgis:17-3.5); without an engine, the image of a service of any
                    other kind. A present image is not pulled again.
                """,
            ),
            "password": Option(
                default="",
                pattern=PASSWORD_PATTERN,
                allowed="8 to 128 letters, digits and . _ ~ -",
                secret=True,
                about="""
                    The password of an engine, best taken from Ansible Vault. Empty for one that the
                    host creates once and keeps with the data. Another password is set in the
                    running service, and the container of the application is created again.
                """,
            ),
            "variable": Option(
                default="",
                pattern=rf"({VARIABLE})?",
                allowed="a name of letters, digits and _, such as REPORTS_URL",
                about="""
                    The variable that the application gets; by default C(DATABASE_URL) for
                    PostgreSQL and C(REDIS_URL) for Redis. It is given like O(secrets): as a
                    variable, and as the file that C(<NAME>_FILE) names.
                """,
            ),
            "command": Option(
                default="",
                check=one_line,
                secret=True,
                about="The command of another image; empty for its own.",
            ),
            "env": Option(
                kind="dict",
                default={},
                pattern=VARIABLE,
                allowed="names are made of letters, digits and _",
                elements=Option(check=one_line, secret=True),
                secret=True,
                about="Environment variables of another image, each value one line.",
            ),
            "secrets": Option(
                kind="dict",
                default={},
                pattern=VARIABLE,
                allowed="names are made of letters, digits and _",
                elements=Option(secret=True),
                secret=True,
                about="Secrets of another image by name, each a file C(/run/secrets/<NAME>).",
            ),
            "volumes": Option(
                kind="list",
                default=[],
                elements=Option(
                    pattern=_VOLUME,
                    allowed=(
                        "a volume or an absolute path, a colon, and where it is mounted, such as"
                        " shop-queue:/var/lib/rabbitmq"
                    ),
                    check=_inside,
                ),
                about="""
                    Volumes of another image, such as V(shop-queue:/var/lib/rabbitmq). An engine has
                    its own, C(<app>-service-<name>).
                """,
            ),
            "health": Option(
                kind="dict",
                default={},
                options={
                    "command": Option(
                        default="",
                        check=one_line,
                        about="""
                            A command that ends with 0 in the container of another image when it
                            works. Empty if it must only run for two seconds.
                        """,
                    ),
                    "deadline_seconds": Option(
                        default=60, **_SECONDS, about="How long it may take until then, in seconds."
                    ),
                },
                about="When another image is healthy.",
            ),
            "resources": Option(
                kind="dict",
                default={},
                options={
                    "memory": Option(
                        default="",
                        pattern=r"([1-9]\d*[bkmg])?",
                        allowed="a size such as 512m or 2g",
                        about="""
                            Memory, with a unit; by default V(512m) for PostgreSQL and V(256m) for
                            others. The buffers of PostgreSQL and the limit of Redis follow it.
                        """,
                    ),
                    "pids": Option(
                        kind="int",
                        default=512,
                        minimum=16,
                        allowed="a number of processes and threads",
                        about="The maximum number of processes and threads.",
                    ),
                    "cpus": Option(
                        kind="float",
                        default=0,
                        minimum=0,
                        allowed="a number of processors, 0 for all",
                        about="How many processors may be used; 0 for all of the host.",
                    ),
                },
                about="The limits of its container.",
            ),
        },
        about="""
            Databases and other servers of the application, such as
            V([{name: db, engine: postgresql}]). Each is a container that is started before the
            application, outlives its releases, and is reached only by this application, in a
            network without a way out. No port is published.

            Its data is on a volume that stays when the service, or the application, is removed.
        """,
    ),
    "backup": Option(
        kind="dict",
        default={},
        options={
            "to": Option(
                default="",
                pattern=r"|/[\w.-]+(/[\w.-]+)*|sftp:([\w.-]+@)?[\w.-]+:/?[\w.-]+(/[\w.-]+)*",
                check=lambda text: "not contain .." if ".." in text.split("/") else "",
                allowed="a directory, such as /srv/backups, or sftp:user@host:/srv/backups",
                about="""
                    Where to: a directory of the host, or with V(sftp:) one of another host, which
                    root of this host must reach by ssh without a password. Each application has
                    its own restic repository below it. Empty for no backup.
                """,
            ),
            "schedule": Option(
                default="",
                check=_schedule,
                about="When, as in O(jobs.schedule). A missed one is caught up.",
            ),
            "timezone": Option(
                **_TIMEZONE,
                about="The time zone of the schedules; empty for that of the host.",
            ),
            "password": Option(
                default="",
                pattern=r"|[!-~]([ -~]{6,254}[!-~])",
                allowed="8 to 256 printable characters of ASCII",
                secret=True,
                about="""
                    What encrypts the backups, from your vault. Without it nobody can restore them,
                    so keep it where the host is not.
                """,
            ),
            "keep": Option(
                kind="dict",
                default={},
                options={
                    "daily": Option(
                        kind="int",
                        default=7,
                        allowed="a number of snapshots, 1 to 3650",
                        minimum=1,
                        maximum=3650,
                        about="Of so many days.",
                    ),
                    "weekly": Option(
                        kind="int",
                        default=4,
                        allowed="a number of snapshots, 0 to 520",
                        minimum=0,
                        maximum=520,
                        about="Of so many weeks.",
                    ),
                    "monthly": Option(
                        kind="int",
                        default=0,
                        allowed="a number of snapshots, 0 to 120",
                        minimum=0,
                        maximum=120,
                        about="Of so many months.",
                    ),
                },
                about="""
                    How many backups stay: the last one of each day, week or month, and all of the
                    last 48 hours.
                """,
            ),
            "before": Option(
                default="",
                check=one_line,
                secret=True,
                about="""
                    A command in the container that serves, before its volumes are copied, such as
                    one that writes a dump to a volume. If it fails, so does the backup.
                """,
            ),
            "after": Option(
                default="",
                check=one_line,
                secret=True,
                about="A command in that container after the copy, also if it failed.",
            ),
            "pause": Option(
                kind="bool",
                default=False,
                about="""
                    Whether the application, and services without O(services.engine), are paused
                    while the files are copied that changed during a first copy; for data that must
                    be of one moment and is not SQLite.
                """,
            ),
            "seconds": Option(
                default=21600,
                **_SECONDS,
                about="How long a backup or a drill may take, in seconds.",
            ),
            "drill": Option(
                kind="dict",
                default={},
                options={
                    "schedule": Option(
                        default="",
                        check=_schedule,
                        about="When; empty for never.",
                    ),
                    "secrets": Option(
                        kind="list",
                        default=[],
                        elements=Option(pattern=VARIABLE, allowed="the name of one of secrets"),
                        about="""
                            The names of O(secrets) that the application needs for its health. In
                            the trial all others are random text, so that it cannot act with them.
                        """,
                    ),
                },
                about="""
                    A trial on a schedule: the newest backup is restored into a separate directory,
                    and the release that serves is started against it, without a network but that of
                    throwaway services, and asked for its health.
                """,
            ),
        },
        about="""
            Saves the volumes and the services of the application on a schedule, encrypted, with
            restic of the distribution. Databases of SQLite in volumes are saved whole while they
            are used. It is not part of a release. C(docs/backups.md) describes the backup and the
            way back.
        """,
    ),
    "state": Option(
        default="present",
        choices=("present", "maintenance", "stopped", "absent"),
        about="""
            V(present) serves. V(maintenance) runs, and answers 503 with a page and C(Retry-After)
            to all requests; O(health.path), unless it is V(/), still reports the health of the
            application.

            V(stopped) answers 503, and its container is stopped. V(absent) removes everything of
            this application and nothing else; such an entry needs only O(name). Named volumes stay.
        """,
    ),
    "maintenance": Option(
        kind="dict",
        default={},
        options={
            "page": Option(
                default="",
                allowed="an HTML file on the controller, such as files/maintenance.html",
                check=_path,
                about="""
                    An HTML file on the controller, relative to
                    O(flask_apps_source_root#main:flask_apps_source_root); empty for the default
                    page.
                """,
            ),
            "retry_after_seconds": Option(
                default=120,
                **_SECONDS,
                about="When clients may try again, in seconds, as C(Retry-After).",
            ),
        },
        about="The answer with O(state=maintenance).",
    ),
}

# An application with state absent needs only its name.
ABSENT_OPTIONS = {**OPTIONS, **{key: replace(OPTIONS[key], required=False) for key in ("path",)}}
