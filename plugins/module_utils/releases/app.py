# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type of an entry of flask_apps, and the types of its parts, some of which a release keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..host.typed import plain, read
from .app_path import AppPath
from .engines.engine import Engine
from .engines.known import engine_named
from .services.service import Service


@dataclass(frozen=True)
class Health:
    """The health check of an application."""

    path: str = "/"
    host: str = ""
    status: tuple[str, ...] = ("2xx", "3xx", "401", "403")
    deadline_seconds: int = 60
    interval_seconds: float = 0.5


@dataclass(frozen=True)
class Static:
    """A directory that Nginx serves."""

    url: str
    path: str
    required: bool = True
    index: bool = False
    fallback: bool = False
    immutable: bool = False


@dataclass(frozen=True)
class Process:
    """A further container of the same image."""

    name: str
    command: str = field(default="", repr=False)
    overlap: bool = True
    ready_seconds: int = 2
    stop_seconds: int = 30


@dataclass(frozen=True)
class Job:
    """A command that a timer starts, in a container of the release that serves.

    schedule: in systemd's words. timezone: that of the schedule; "" for the host's.
    """

    name: str
    schedule: str = ""
    command: str = field(default="", repr=False)
    seconds: int = 3600
    catch_up: bool = False
    timezone: str = ""


@dataclass(frozen=True)
class Keep:
    """How many snapshots of a backup stay."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 0


@dataclass(frozen=True)
class Drill:
    """When the newest backup is restored on trial; schedule: "" for never.

    secrets: the names of those of the application that it gets; others are random text there.
    """

    schedule: str = ""
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backup:
    """Where and when the data of an application is saved; to: "" for an application without one.

    before, after: commands in its container around the copy. pause: whether it is paused for it.
    seconds: how long all of it may take.
    """

    to: str = ""
    schedule: str = ""
    password: str = field(default="", repr=False)
    timezone: str = ""
    keep: Keep = Keep()
    before: str = field(default="", repr=False)
    after: str = field(default="", repr=False)
    pause: bool = False
    seconds: int = 6 * 3600
    drill: Drill = Drill()


@dataclass(frozen=True)
class Requirements:
    """What is installed, and which files name it.

    kind: pip (file, and in files what it includes), uv, list (packages of a project), pylock, or
    lock, which its exporter reads; "" for nothing. whole: whether they refer to the application
    itself, so that all of its source is needed. git: whether something comes from a repository.
    left_out: the application servers that are not installed. exporter: the tool that reads a lock.
    frozen: whether pip freeze listed a package that does not exist. own: whether they name the
    application itself, which is built separately. project: how the application is built as a
    package; {} when it is not one. old: what its own modules import from setuptools.
    """

    kind: str = ""
    file: str = ""
    files: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    whole: bool = False
    git: bool = False
    left_out: tuple[str, ...] = ()
    exporter: str = ""
    frozen: bool = False
    own: bool = False
    project: Mapping[str, Any] = field(default_factory=dict)
    old: tuple[str, ...] = ()


@dataclass(frozen=True)
class Build:
    """How the image of an application is made.

    kind: source (our Dockerfile), dockerfile (its own) or image. code: the part of the source that
    a Dockerfile without it gets. base: what the runtime is built on; "" for the base of the host.
    command: builds something from the source; inputs: what it reads; empty for all of the source.
    directory, path: below /app, where the application is started, and where its imports also start.
    database: where SQLite has its databases, as the source shows.
    """

    kind: str = "source"
    dockerfile: str = ""
    requirements: Requirements = Requirements()
    apt_packages: tuple[str, ...] = ()
    image: str = ""
    archive: str = ""
    origin: str = ""
    code: str = ""
    base: str = ""
    server: str = ""
    command: str = ""
    inputs: tuple[str, ...] = ()
    directory: str = ""
    path: str = ""
    database: tuple[str, ...] = ()


@dataclass(frozen=True)
class Login:
    """The login of a registry; both empty for none."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Git:
    """The repository of a source; repo is "" for none."""

    repo: str
    version: str
    directory: str
    key_file: str


@dataclass(frozen=True)
class ConfigFile:
    """A file that the application reads at its own path."""

    path: str
    content: str = field(repr=False)


@dataclass(frozen=True)
class Resources:
    """What the container may use."""

    memory: str
    pids: int
    cpus: float
    tmp: str


@dataclass(frozen=True)
class BasicAuth:
    """Who may log in at Nginx; no users for no login."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    realm: str = ""


@dataclass(frozen=True)
class ForwardAuth:
    """Who decides about each request, by a URL, or by another application and its path; nothing of
    both for nobody.
    """

    url: str = ""
    app: str = ""
    path: str = ""
    login: str = ""
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one client may request; None for no limit."""

    requests_per_second: str | None = None
    burst: int = 20
    connections: int | None = None


@dataclass(frozen=True)
class Proxy:
    """How Nginx passes requests on.

    allow: the clients that may reach the application; None for all.
    """

    connect_timeout_seconds: int
    read_timeout_seconds: int
    temp_file_size: str
    body_size: str
    buffering: bool
    header_buffer_size: str
    static_headers: Mapping[str, str]
    cookie_path: str
    accel_redirect: bool
    websocket_paths: tuple[str, ...]
    websocket_timeout_seconds: int
    cache_seconds: int
    cache_bypass_cookies: tuple[str, ...]
    directives: tuple[str, ...] = field(repr=False)
    fragment: str = ""
    allow: tuple[str, ...] | None = None
    basic_auth: BasicAuth = BasicAuth()
    limits: Limits = Limits()
    streamed_uploads: tuple[str, ...] = ()
    error_pages: bool = False
    error_page: str = ""
    security_headers: Mapping[str, str] = field(default_factory=dict)
    forward_auth: ForwardAuth = ForwardAuth()

    @property
    def sends_error_page(self) -> bool:
        """Whether Nginx sends a page where the application does not answer."""
        return self.error_pages or bool(self.error_page)


@dataclass(frozen=True)
class Maintenance:
    """The answer of state: maintenance."""

    page: str
    retry_after_seconds: int


@dataclass(frozen=True)
class Uwsgi:
    """The settings of uWSGI."""

    processes: str
    threads: int
    gevent: int
    harakiri_seconds: int
    cheaper: int
    cheaper_algorithm: str
    max_requests: int
    buffer_size: int
    offload_threads: int
    lazy_apps: bool
    stats: bool
    options: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Gunicorn:
    """The settings of Gunicorn."""

    workers: str
    threads: int
    gevent: int
    timeout_seconds: int
    max_requests: int
    max_requests_jitter: int
    log_level: str


@dataclass(frozen=True)
class App:
    """One complete entry of flask_apps, as apps/normalize.py makes it from what the user wrote.

    The fields are the keys of apps/schema.py, and at the end what the normalisation adds: the
    preset, the notes, how the image is made, and the variables of the env_file that are kept as
    secrets.
    """

    name: str
    source: str
    git: Git
    image: str
    image_archive: str
    registry: Login
    dockerfile: str
    python: str
    base_image: str
    requirements: str
    apt_packages: tuple[str, ...]
    build_command: str = field(repr=False)
    build_inputs: tuple[str, ...]
    path: str
    site: str
    path_mode: str
    engine: str
    command: str = field(repr=False)
    port: int
    module: str | None
    callable: str | None
    websocket: bool
    uwsgi: Uwsgi
    gunicorn: Gunicorn
    env: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    secrets_as: str
    env_file: str
    config_files: tuple[ConfigFile, ...]
    health: Health
    release_command: str = field(repr=False)
    release_command_seconds: int
    drain_seconds: int
    keep_releases: int
    resources: Resources
    uid: int
    writable: tuple[str, ...]
    volumes: tuple[str, ...]
    data_files: tuple[str, ...]
    networks: tuple[str, ...]
    internet: bool
    host_access: bool
    static: tuple[Static, ...]
    proxy: Proxy
    processes: tuple[Process, ...]
    jobs: tuple[Job, ...]
    services: tuple[Service, ...]
    state: str
    maintenance: Maintenance
    script_name: str = ""
    preset: str = ""
    notes: tuple[str, ...] = ()
    build: Build = Build()
    backup: Backup = Backup()
    private_env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> App:
        """A complete entry as P(flaskops.host.normalize_apps#filter) gives it."""
        return read(cls, given)

    def to_dict(self) -> dict[str, Any]:
        """The fields, and what templates read of the path and the proxy."""
        sends = {"sends_error_page": self.proxy.sends_error_page}
        return {**plain(self), **self.app_path.words(), **sends}

    @property
    def app_path(self) -> AppPath:
        """Its path: what strips it, and which path is requested."""
        return AppPath(self.path, self.path_mode, self.engine, self.script_name)

    @property
    def server(self) -> Engine:
        """The application server that answers its requests."""
        return engine_named(self.engine)
