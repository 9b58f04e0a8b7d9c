# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of this collection on a host and in containers, each written once.

Place(root).app("shop").release("0123456789ab").socket
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The default of flask_apps_root, and where the role docker keeps its record.
ROOT = "/var/lib/flaskops"
DOCKER_RECORD = f"{ROOT}/docker.json"
NGINX_ROOT = "/etc/nginx"
NGINX_SITES = "flaskops"  # below it
CERTIFICATES = Path("/etc/flaskops/certificates")
CERTIFICATES_LOCK = Path("/run/flaskops-certificates.lock")
# Programs on the host that belong to root, and among them a link to a newer certbot.
HOST_PROGRAMS = Path("/usr/local/lib/flaskops")
CERTBOT = HOST_PROGRAMS / "certbot"
# Units of systemd that this collection writes.
UNITS = Path("/etc/systemd/system")
# Where Nginx finds the answers to an ACME authority.
ACME_WEBROOT = Path("/var/lib/flaskops-acme")
# Only root may write here: in /run/lock every user of the host may create a file first.
NGINX_RUNTIME = Path("/run/flaskops-nginx")
NGINX_LOCK = NGINX_RUNTIME / "lock"
# Logs of containers that are gone, where the host has no journal.
KEPT_LOGS = Path("/var/log/flaskops")
NGINX_BACKUPS = Path("/var/backups/flaskops/nginx")

# In a container: the run directory of its release, the settings of its engine, its secrets, and
# temporary files (on disk: /tmp is in memory and counts against the limit of the container).
CONTAINER_RUN = "/run/flaskops"
CONTAINER_SETTINGS = "/etc/flaskops"
CONTAINER_SECRETS = "/run/secrets"
CONTAINER_SPOOL = "/var/tmp"
# The labels of this collection's containers.
LABEL = "host.flaskops"
APP_LABEL, RELEASE_LABEL, PROCESS_LABEL, PIN_LABEL, ONE_OFF_LABEL = LABELS = tuple(
    f"{LABEL}.{name}" for name in ("app", "release", "process", "pin", "one-off")
)
# The label of a service, APP/SERVICE, and of its network and volumes. It has none of the labels
# above: it does not belong to a release.
SERVICE_LABEL = f"{LABEL}.service"
ACCOUNTS = ("passwd", "group")  # of a release, mounted below /etc

# Files of a release that more than one step uses.
ENVIRONMENT = "container.env"
RELEASE_TEXT = "release.txt"
MAINTENANCE_PAGE = "maintenance.html"
PASSWORDS = "nginx.passwords"  # hashes, for Nginx alone
# The build context of a release, and its index.
CONTEXT, IMAGE_ARCHIVE = "context.tar", "image.tar"
CONTEXT_INDEX = "context.json"

_APPS, _RELEASES, _RUN = "apps", "releases", "run"
_JOB_UNIT = "flaskops-job-"
# Timers of an application beside those of its jobs; no job has one of these names.
BACKUP, DRILL = "backup", "drill"
# Nor this one, the name of the file beside theirs that an interrupted restore leaves.
RESTORE = "restore"
_SOCKET, _RECORD, _ROUTE = "app.sock", "release.json", "route-"


def job_kind(job: str) -> str:
    """What a container of a job is, for ONE_OFF_LABEL and its name."""
    return f"job_{job}"


@dataclass(frozen=True)
class ReleaseName:
    """One release in the engine: its image, and the containers that are named after it."""

    app: str
    id: str

    @property
    def image(self) -> str:
        return f"{repository(self.app)}:{self.id}"

    @property
    def container(self) -> str:
        """The container that answers requests."""
        return f"{self.app}-{self.id}"

    @property
    def pin(self) -> str:
        """A container that never starts, and keeps the image through C(docker image prune)."""
        return f"{self.container}-pin"

    @property
    def command(self) -> str:
        """The container of the release command."""
        return f"{self.container}-command"

    def process(self, process: str) -> str:
        """The container of one of its processes."""
        return f"{self.container}-{process}"

    def one_off(self, kind: str, token: str) -> str:
        """A container that runs one command of the live release, and is removed at its end."""
        return f"{self.container}-{kind}-{token}"

    def job(self, job: str) -> str:
        """The container of one of its jobs. No process has a name with this character."""
        return f"{self.container}-{job_kind(job)}"

    def has(self, container: str) -> bool:
        """Whether a container is named after it."""
        return f"{container}-".startswith(f"{self.container}-")


@dataclass(frozen=True)
class ServiceName:
    """A service of an application in the engine."""

    app: str
    service: str

    @property
    def label(self) -> str:
        return f"{SERVICE_LABEL}={self.app}/{self.service}"

    @property
    def container(self) -> str:
        return f"{self.app}-service-{self.service}"

    @property
    def before(self) -> str:
        """The container that another one is about to replace."""
        return f"{self.container}.before"

    @property
    def filling(self) -> str:
        """A throwaway container that fills a new data directory from a dump."""
        return f"{self.container}.new"

    @property
    def drill(self) -> str:
        """The one that a restore drill fills, and uses."""
        return f"{self.container}.drill"

    @property
    def volume(self) -> str:
        """The volume of its data."""
        return self.container


@dataclass(frozen=True)
class ServicePlace:
    """The files of one service. They are not below the application, so that its data and the
    password of the data outlive it.
    """

    directory: Path

    @property
    def record(self) -> Path:
        return self.directory / "service.json"

    @property
    def before(self) -> Path:
        """The password that it had, until the application works with another one."""
        return self.directory / "before.json"

    @property
    def journal(self) -> Path:
        """How far an upgrade came that was interrupted."""
        return self.directory / "upgrade.json"

    @property
    def unfinished(self) -> Path:
        """The names of the volumes that a first start has created, until it is healthy."""
        return self.directory / "unfinished"

    @property
    def environment(self) -> Path:
        return self.directory / ENVIRONMENT

    @property
    def secrets(self) -> Path:
        return self.directory / "secrets"


@dataclass(frozen=True)
class ReleasePlace:
    """The files of one release, by its directory or by a link to it."""

    directory: Path

    @property
    def run(self) -> Path:
        return self.directory / _RUN

    @property
    def socket(self) -> Path:
        return self.run / _SOCKET

    @property
    def spool(self) -> Path:
        """Temporary files of the application, such as uploads."""
        return self.directory / "spool"

    @property
    def written(self) -> list[Path]:
        """The directories that its containers may write to."""
        return [self.run, self.spool]

    @property
    def secrets(self) -> Path:
        return self.directory / "secrets"

    @property
    def own_secrets(self) -> Path:
        """Its secrets as deployed, while a rollback uses those of another release."""
        return self.directory / "secrets.own"

    @property
    def static(self) -> Path:
        return self.directory / "static"

    @property
    def record(self) -> Path:
        return self.directory / _RECORD

    @property
    def context(self) -> Path:
        return self.directory / CONTEXT

    @property
    def image_archive(self) -> Path:
        return self.directory / IMAGE_ARCHIVE

    def file(self, name: str) -> Path:
        """One of its rendered files."""
        return self.directory / name


@dataclass(frozen=True)
class JobPlace:
    """The files of one job of an application."""

    directory: Path
    name: str

    @property
    def order(self) -> Path:
        """What is run, and how."""
        return self.directory / f"{self.name}.json"

    @property
    def result(self) -> Path:
        """How it ended the last time."""
        return self.directory / f"{self.name}.last.json"

    @property
    def lock(self) -> Path:
        """It is locked while the job runs."""
        return self.directory / f"{self.name}.lock"

    @property
    def password(self) -> Path:
        """Of the repository of a backup."""
        return self.directory / f"{self.name}.password"

    @property
    def work(self) -> Path:
        """What is on its way to a backup, or back from one; removed in the end."""
        return self.directory / f"{self.name}.work"

    @property
    def journal(self) -> Path:
        """How far a restore came that was interrupted."""
        return self.directory / f"{RESTORE}.json"


@dataclass(frozen=True)
class AppPlace:
    """One application: its lock, its records and its releases."""

    directory: Path

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @property
    def record(self) -> Path:
        return self.directory / "state.json"

    @property
    def audit(self) -> Path:
        return self.directory / "audit.jsonl"

    @property
    def before(self) -> Path:
        """The link to the static files of the previous release."""
        return self.directory / "before"

    @property
    def jobs(self) -> Path:
        """What its jobs are, and the last result of each; closed to all but root."""
        return self.directory / "jobs"

    @property
    def releases(self) -> Path:
        return self.directory / _RELEASES

    def job(self, name: str) -> JobPlace:
        return JobPlace(self.jobs, name)

    def release(self, identity: str) -> ReleasePlace:
        return ReleasePlace(self.releases / identity)

    def all_releases(self) -> list[ReleasePlace]:
        return [ReleasePlace(path) for path in sorted(self.releases.glob("*"))]

    def route(self, name: str) -> Path:
        """The link through which Nginx reaches the live release."""
        return self.directory / name

    def routes(self) -> Iterator[Path]:
        return self.directory.glob(f"{_ROUTE}*")


@dataclass(frozen=True)
class Place:
    """The directories and files below flask_apps_root."""

    root: str | os.PathLike[str]

    @property
    def directory(self) -> Path:
        return Path(self.root)

    @property
    def apps(self) -> Path:
        return self.directory / _APPS

    @property
    def trash(self) -> Path:
        """Trees that are to be deleted. It is on the mount of the releases, so that trees of
        releases can be moved here.
        """
        return self.apps / ".trash"

    @property
    def uids(self) -> Path:
        return self.directory / "uids.json"

    def app(self, name: str) -> AppPlace:
        return AppPlace(self.apps / name)

    def all_apps(self) -> list[AppPlace]:
        """The applications that have a directory; the trash beside them is not one."""
        return [AppPlace(path) for path in self.apps.glob("[!.]*") if path.is_dir()]

    @property
    def drills(self) -> Path:
        """It is locked while a restore drill of any application runs."""
        return self.directory / "drills.lock"

    @property
    def services(self) -> Path:
        return self.directory / "services"

    def service(self, app: str, name: str) -> ServicePlace:
        return ServicePlace(self.services / app / name)

    def services_of(self, app: str) -> list[str]:
        """The names of the services that an application has, or had."""
        return sorted(path.name for path in self.services.glob(f"{app}/*"))

    def service_places(self) -> list[ServicePlace]:
        """Those of all applications."""
        return [ServicePlace(path) for path in sorted(self.services.glob("*/*"))]

    @property
    def builds(self) -> Path:
        return self.directory / "build"

    def build(self, name: str, identity: str) -> Path:
        """A separate path for each release: BuildKit identifies files by path, size and time."""
        return self.builds / f"{name}-{identity}"

    def builds_of(self, name: str) -> list[Path]:
        return sorted(
            path for path in self.builds.glob(f"{name}-*") if path.name.rpartition("-")[0] == name
        )


@dataclass(frozen=True)
class NginxPlace:
    """This collection's part of the Nginx configuration: one directory for each site, with a link
    for each application.
    """

    root: str | os.PathLike[str] = NGINX_ROOT

    @property
    def sites(self) -> Path:
        return Path(self.root, NGINX_SITES)

    def link(self, site: str, app: str) -> Path:
        return self.sites / site / f"{app}.conf"

    def links(self) -> list[Path]:
        return sorted(self.sites.glob("*/*.conf"))

    def refused(self, app: str) -> list[Path]:
        """Links that the guard put aside when Nginx started (roles/nginx/files/boot-guard.sh)."""
        return sorted(self.sites.glob(f"*/{app}.conf.refused"))


def is_pin(container: str) -> bool:
    """Whether a container of this collection is the pin of an image."""
    return container.endswith("-pin")


def repository(app: str) -> str:
    """The repository of the images of an application."""
    return f"flaskops/{app}"


def container_socket(release: str) -> str:
    """The socket of a release, in its container."""
    return f"{CONTAINER_RUN}/{release}/{_SOCKET}"


def container_statistics(release: str) -> str:
    """The socket of uWSGI's statistics, beside it."""
    return f"{CONTAINER_RUN}/{release}/stats.sock"


def route_name(digest: str) -> str:
    """The name of the link for one set of Nginx locations."""
    return f"{_ROUTE}{digest}"


def is_of_release(source: str, app: str) -> bool:
    """Whether the source of a mount is in a release of an application, whatever the root is."""
    return f"/{_APPS}/{app}/{_RELEASES}/" in source


@dataclass(frozen=True)
class JobUnit:
    """The units of systemd of one job. Names of applications and jobs have no _."""

    app: str
    job: str

    @property
    def name(self) -> str:
        return f"{_JOB_UNIT}{self.app}_{self.job}"

    @property
    def service(self) -> Path:
        return UNITS / f"{self.name}.service"

    @property
    def timer(self) -> Path:
        return UNITS / f"{self.name}.timer"


def job_units() -> list[JobUnit]:
    """The jobs that have a unit on this host, of all applications."""
    names = {
        path.stem.removeprefix(_JOB_UNIT)
        for suffix in ("service", "timer")
        for path in UNITS.glob(f"{_JOB_UNIT}*_*.{suffix}")
    }
    return [JobUnit(*name.split("_", 1)) for name in sorted(names)]


@dataclass(frozen=True)
class DataPlace:
    """Where the data of one volume is on the host, and beside it what a restore moves."""

    directory: Path

    @property
    def new(self) -> Path:
        """What a restore has read."""
        return self.directory.with_name(f".flaskops-new-{self.directory.name}")

    @property
    def filled(self) -> Path:
        """Of that, the directory that replaces the present one."""
        return self.new / "data"

    @property
    def kept(self) -> Path:
        """What was there before a restore."""
        return self.directory.with_name(f".flaskops-before-{self.directory.name}")

    def aside(self, moment: str) -> Path:
        """What was there until a restore was undone, which nobody but the operator removes."""
        return self.directory.with_name(f".flaskops-undone-{self.directory.name}-{moment}")

    @property
    def undone(self) -> list[str]:
        """All of these directories."""
        parent, name = self.directory.parent, self.aside("*").name
        return sorted(str(path) for path in parent.glob(name))
