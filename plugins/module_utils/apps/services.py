# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completes the services of entries, and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from ..host.places import ServiceName
from ..host.size import bytes_of
from ..inputs.options import one_of, show
from ..releases.app import App
from ..releases.processes import twice
from ..releases.secrets import steers
from ..releases.services.engines import ENGINES, PACKAGED
from ..releases.services.service import Service

# The default memory of a service that is another image.
MEMORY = "256m"
# The keys of a service of another application, of an engine, and of another image.
_SHARED = ("name", "of", "variable")
_OF_ENGINE = ("name", "engine", "version", "image", "password", "variable", "resources")
_OF_IMAGE = ("name", "image", "command", "env", "secrets", "volumes", "health", "resources")


def complete(app: App, suite: str, refresh: str) -> tuple[tuple[Service, ...], list[str]]:
    """The services of an entry with their defaults, and their problems.

    Args:
        app: the entry.
        suite: the distribution whose packages their images are made of; "" for a registry.
        refresh: flask_apps_base_refresh.
    """
    services, problems = [], []
    for service in app.services:
        where = f"services: {service.name}"
        done, found = _service(service, suite, refresh)
        services.append(done)
        problems += [f"{where}: {problem}" for problem in found]
    return tuple(services), problems + _collisions(app)


def _service(service: Service, suite: str, refresh: str) -> tuple[Service, list[str]]:
    if service.of:
        return service, _only(service, _SHARED, f"it is the service of {service.of}")
    if not service.engine:
        if not service.image:
            return service, [
                f"write engine: {one_of(list(ENGINES))}, or image, or of: APPLICATION."
            ]
        memory = service.resources.memory or MEMORY
        done = replace(service, resources=replace(service.resources, memory=memory))
        return done, _only(service, _OF_IMAGE, "it has no engine")
    engine = ENGINES[service.engine]
    problems = _only(service, _OF_ENGINE, f"its engine is {engine.name}")
    packaged = suite if not service.image else ""
    version = service.version or engine.version
    if service.image and service.version:
        problems.append("version and image are written; keep one.")
    if packaged:
        there = PACKAGED.get(suite, {}).get(service.engine, "")
        version = service.version or there
        if version != there or not there:
            problems.append(
                f"version must be {there}, the one that {suite} has in its packages (with"
                f" flask_apps_base_source: bootstrap); got {show(version)}. Leave it out, or write"
                " an image that the host can pull."
                if there
                else f"{suite} has no packages of {engine.name} that this collection knows; write"
                " an image that the host can pull."
            )
    elif must := engine.problem(version):
        problems.append(f"version must {must}; got {show(version)}.")
    resources = replace(service.resources, memory=service.resources.memory or engine.memory)
    if bytes_of(resources.memory) < bytes_of(engine.least_memory):
        problems.append(
            f"resources.memory must be at least {engine.least_memory} for {engine.name}; got"
            f" {show(resources.memory)}."
        )
    return replace(
        service,
        version="" if service.image else version,
        variable=service.variable or engine.variable,
        resources=resources,
        suite=packaged,
        refresh=refresh if packaged else "",
    ), problems


def _only(service: Service, keys: Sequence[str], why: str) -> list[str]:
    """The problems of keys that do not belong to a service of this kind."""
    plain = Service(service.name)
    written = [
        key
        for key in Service.__dataclass_fields__
        if key not in (*keys, "suite", "refresh") and getattr(service, key) != getattr(plain, key)
    ]
    return [f"{key} cannot be written, because {why}; leave it out." for key in written]


def _collisions(app: App) -> list[str]:
    names = [service.name for service in app.services]
    problems = [
        f"services has {name!r} {names.count(name)} times; names must differ."
        for name in twice(names)
    ]
    problems += [
        f"services: {name}: an application finds something else by this name; choose another."
        for name in names
        if name == "localhost" or name.isdigit()
    ]
    problems += [
        f"services: {process.name}: a process has this name; choose another."
        for process in app.processes
        if process.name in names
    ]
    return problems


def shared(apps: Sequence[App]) -> tuple[list[App], list[str]]:
    """The entries with the variables of services that they share, and what is wrong with services
    beyond one entry.
    """
    known = {app.name: app for app in apps}
    done, problems = [], []
    for app in apps:
        services = []
        for service in app.services:
            if service.of:
                service, found = _of_other(app, service, known)
                problems += [f"flask_apps: {app.name}: services: {found}"] if found else []
            services.append(service)
        app = replace(app, services=tuple(services)) if services else app
        problems += [f"flask_apps: {app.name}: {words}" for words in _variables(app)]
        done.append(app)
    problems += _circles(known)
    given = _volumes_of(done)
    return done, [
        *problems,
        *_twins(done),
        *_volumes(done, given),
        *_repositories(done, _writable(given)),
    ]


def _of_other(app: App, service: Service, known: dict[str, App]) -> tuple[Service, str]:
    owner = known.get(service.of)
    if service.of == app.name:
        return service, f"{service.name}: of names the application itself; leave it out."
    theirs = next(
        (each for each in (owner.services if owner else ()) if each.name == service.name), None
    )
    if not theirs or theirs.of:
        there = [
            f"{each.name} of {name}"
            for name, other in sorted(known.items())
            for each in other.services
            if not each.of and name != app.name
        ]
        return service, (
            f"{service.name}: {service.of!r} has no service {service.name!r}; there is"
            f" {', '.join(there) or 'no service'}."
        )
    engine = ENGINES.get(theirs.engine)
    if not engine:
        return service, ""
    return replace(service, variable=service.variable or engine.variable), ""


def _variables(app: App) -> list[str]:
    """The variables that services give, and something else sets too."""
    given = [service.variable for service in app.services if service.variable]
    problems = [
        f"services: {' and '.join(_who(app, name))} give the variable {name}; write variable:"
        " NAME for one of them."
        for name in twice(given)
    ]
    for key, names in (
        ("env", app.env),
        ("secrets", app.secrets),
        ("env_file", app.private_env),
    ):
        problems += [
            f"{key} sets {name}, which the service {_who(app, name)[0]} gives; leave it out, or"
            " write another variable: NAME there."
            for name in sorted({*given} & {*names})
        ]
    problems += [
        f"env sets {name}_FILE, which the service {_who(app, name)[0]} gives; leave it out, or"
        " write another variable: NAME there."
        for name in sorted({*given})
        if f"{name}_FILE" in app.env
    ]
    problems += [
        f"services: {_who(app, name)[0]}: variable must not be {name}, which controls processes."
        for name in given
        if steers(name)
    ]
    return problems


def _who(app: App, variable: str) -> list[str]:
    return [service.name for service in app.services if service.variable == variable]


def _circles(known: dict[str, App]) -> list[str]:
    """Applications that wait for each other's services could never be deployed."""

    def needs(name: str, seen: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
        for other in sorted({each.of for each in known[name].services if each.of}):
            if other in seen:
                yield (*seen, other)
            elif other in known:
                yield from needs(other, (*seen, other))

    circles = [circle for name in known for circle in needs(name, (name,))]
    first = next((circle for circle in circles if circle[0] == circle[-1] != ""), ())
    return (
        [
            f"flask_apps: {' needs a service of '.join(first)}; move the services to one of them,"
            " which needs none of the others."
        ]
        if len(first) > 2
        else []
    )


def _twins(apps: Sequence[App]) -> list[str]:
    """Services of two applications that would be one container with one volume."""
    known: dict[str, tuple[str, str]] = {}
    problems = []
    for app in apps:
        for service in app.services:
            container = ServiceName(app.name, service.name).container
            owner, name = known.setdefault(container, (app.name, service.name))
            if owner != app.name and not service.of:
                problems.append(
                    f"flask_apps: {app.name}: services: {service.name}: its container would be"
                    f" {container}, and so would that of the service {name} of {owner}; choose"
                    " another name."
                )
    return problems


@dataclass(frozen=True)
class _Given:
    """A volume of an entry: whose, under which key, and its parts."""

    app: str
    key: str
    name: str
    where: str

    @property
    def is_written(self) -> bool:
        """Whether it is a directory of the host that the application writes to."""
        return self.name.startswith("/") and "ro" not in self.where.rpartition(":")[2].split(",")


def _volumes_of(apps: Sequence[App]) -> list[_Given]:
    return [
        _Given(app.name, key, *volume.split(":", 1))
        for app in apps
        for key, volumes in (
            ("volumes", app.volumes),
            *(("services", service.volumes) for service in app.services),
        )
        for volume in volumes
    ]


def _writable(given: Sequence[_Given]) -> dict[PurePosixPath, str]:
    """The directories of the host that applications write to, and one of them for each."""
    return {PurePosixPath(each.name): each.app for each in given if each.is_written}


def _repositories(apps: Sequence[App], writable: Mapping[PurePosixPath, str]) -> list[str]:
    """Backups inside of what they save, or that an application writes to: a restore would put the
    backups of before there too.
    """
    places = {
        app.name: PurePosixPath(app.backup.to) / app.name
        for app in apps
        if app.backup.to.startswith("/")
    }
    return [
        f"flask_apps: {app}: backup.to is {place.parent}, and {owner} writes to its volume"
        f" {volume}; choose a directory that no application has."
        for app, place in places.items()
        for volume, owner in sorted(writable.items())
        if place == volume or volume in place.parents or place in volume.parents
    ]


def _volumes(apps: Sequence[App], given: Sequence[_Given]) -> list[str]:
    """Volumes that are the data of a service, or below a volume that an application writes to."""
    data = {
        ServiceName(app.name, service.name).volume: f"{service.name} of {app.name}"
        for app in apps
        for service in app.services
        if service.engine
    }
    problems = [
        f"flask_apps: {each.app}: {each.key} has the volume {each.name}, which is the data of the"
        f" service {data[each.name]}; choose another name."
        for each in given
        if each.name in data
    ]
    # Who writes to the upper one can replace the lower one with a link to any directory.
    writable = _writable(given)
    return problems + [
        f"flask_apps: {each.app}: {each.key} has the volume {each.name}, which is below {above}, a"
        f" volume of {writable[above]}; use the upper one alone, or two directories beside each"
        " other."
        for each in given
        for above in sorted({*PurePosixPath(each.name).parents} & {*writable})
    ]
