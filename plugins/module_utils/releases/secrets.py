# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of an application, which only its own container may read: which files hold them, and
which of them become variables.

The container gets only names, in FLASKOPS_SECRETS; the entrypoint and the relay read the values
from the files.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

from ..host.places import CONTAINER_SECRETS
from . import replaced
from .app import App
from .covers import OURS, is_inside

PLACE = CONTAINER_SECRETS
# No file of the user is mounted there.
_CLOSED = (*OURS, "/proc", "/sys", "/dev", "/opt/runtime")
# Bytes of one value, and of all values of a process: the limits of Linux are 128 kB and 2 MB.
VARIABLE_BYTES = 100_000
ALL_BYTES = 2**20
# Variables that decide what a process loads, runs or finds: those of the loader, the C library,
# interpreters, shells, servers, the role.
STEERING = frozenset(
    ("PATH", "HOME", "SHELL", "TMPDIR", "ENV", "IFS", "PS4", "BASH_ENV", "BASHOPTS", "SHELLOPTS")
)
STEERING |= {
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
}
STEERING |= {
    "VIRTUAL_ENV",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYLIB",
    "RUBYOPT",
}
STEERING |= {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"}
STEERING_PREFIXES = ("LD_", "MALLOC_", "PYTHON", "UWSGI_", "GUNICORN_", "FLASKOPS_")

# What the role itself reads from an application's environment, before a container exists.
READ = frozenset(
    ("APP_MODULE", "MODULE_NAME", "VARIABLE_NAME", "FLASK_APP", "FLASK_ENV", "FLASK_DEBUG")
)
READ |= {*replaced.VARIABLES, *replaced.VARIABLES_OF_PRESETS, *replaced.READ}
READ_PREFIX = "NGINX_"


def is_setting(name: str) -> bool:
    """Whether a variable of an env_file belongs in env."""
    return steers(name) or name in READ or name.startswith(READ_PREFIX)


def steers(name: str) -> bool:
    """Whether a variable of this name has an effect beyond what the application reads from it."""
    return name in STEERING or name.startswith(STEERING_PREFIXES)


def fits(value: str) -> bool:
    """Whether a variable can hold the value."""
    return "\0" not in value and len(value.encode()) <= VARIABLE_BYTES


def laid(app: App) -> dict[str, str]:
    """The files of a release that hold secrets, by their names in its directory."""
    config = {config_name(entry.path): entry.content for entry in app.config_files}
    return {**app.private_env, **app.secrets, **config}


def config_name(path: str) -> str:
    """The name of a file of config_files there; no variable has such a name."""
    return f"config-{sha256(path.encode()).hexdigest()[:12]}"


def config_mounts(app: App, directory: str) -> list[str]:
    """The mounts that put them where the application reads them."""
    return [f"{directory}/{config_name(entry.path)}:{entry.path}:ro" for entry in app.config_files]


def _values(app: App) -> dict[str, str]:
    """The secrets that may become variables."""
    return {**app.private_env, **(app.secrets if app.secrets_as == "environment" else {})}


def of_services(app: App) -> list[str]:
    """The names of the secrets that its services give; their values are only on the host."""
    return [service.variable for service in app.services if service.variable]


def variables(app: App, taken: Collection[str]) -> list[str]:
    """The names that become variables, without those that the environment has already."""
    given = of_services(app) if app.secrets_as == "environment" else []
    return sorted(
        name
        for name, value in {**_values(app), **dict.fromkeys(given, "")}.items()
        if name not in taken and not steers(name) and fits(value)
    )


def problems(app: App) -> list[str]:
    """What does not fit together in a complete, well-formed entry."""
    found = _config_problems(app)
    if (
        sum(len(name) + len(value) for name, value in _values(app).items() if fits(value))
        > ALL_BYTES
    ):
        found.append(
            "secrets and env_file have together more than 1 MB, too much for an environment; write"
            " secrets_as: file."
        )
    return found


def _config_problems(app: App) -> list[str]:
    paths = [entry.path for entry in app.config_files]
    volumes = {volume.split(":")[1].rstrip("/"): volume for volume in app.volumes}
    read_only = {target: volume for target, volume in volumes.items() if volume.endswith(":ro")}
    found = []
    for path in dict.fromkeys(paths):
        where = f"config_files has the path {path!r}"
        if paths.count(path) > 1:
            found.append(f"{where} twice; keep one.")
        if is_inside(path, _CLOSED):
            found.append(
                f"{where}, where the role or the kernel has its own files; choose another."
            )
        if path in volumes or path in app.writable:
            found.append(f"{where}, where volumes or writable have a directory; choose a file.")
        elif inside := [
            volume for target, volume in read_only.items() if is_inside(path, [target])
        ]:
            found.append(
                f"{where} inside of the volume {inside[0]!r}, which is read-only; choose another."
            )
    return found


def notes(app: App) -> list[str]:
    """Which secrets stay only files, and why."""
    if app.secrets_as == "file":
        return []
    both = sorted(set(app.secrets) & set(app.env))
    steering = sorted(name for name in app.secrets if steers(name) and name not in both)
    large = sorted(
        name
        for name, value in app.secrets.items()
        if not fits(value) and name not in (*both, *steering)
    )
    said = (
        [
            f"{', '.join(both)}: the variable is what env says, the secret of the same name is a"
            " file."
        ]
        if both
        else []
    )
    if steering:
        why = "because its name controls processes; env sets such a name"
        said.append(f"{', '.join(steering)}: stays a file below {PLACE}, {why}.")
    if large:
        said.append(
            f"{', '.join(large)}: stays a file below {PLACE}, because a variable has at most 100 kB"
            " and no NUL."
        )
    return said
