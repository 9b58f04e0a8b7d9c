# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derives from a service of an entry what the host gets of it. The controller knows all but the
password that the host may create.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ...host.container import Container
from ...host.places import CONTAINER_SECRETS, SERVICE_LABEL, Place, ServiceName
from ...host.typed import plain
from ..command import shell_words
from .engines import ENGINES, UID, ServiceEngine
from .service import Recipe, Service, ServiceSpec

# What a container of any image may not do; its entrypoint may still give away files, and become
# another user.
DROPPED = ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT")
TMP = "64m"
# The name server of a container that must not reach the outside: an address that nobody has (RFC
# 5737). Older engines ask the name server of the host for it, even from a closed network, where
# that listens on the host's loopback (CVE-2024-29018): each name would carry a message out.
NO_NAME_SERVER = ("192.0.2.1",)
# The repository of images from the distribution's packages; no application has this name.
REPOSITORY = "flaskops/base"


def network_of(app: str) -> str:
    """The Docker network of the services of an application. No application is called like that."""
    return f"flaskops-{app}.services"


def network_of_drill(app: str) -> str:
    """The one of a restore drill."""
    return f"flaskops-{app}.drill"


def service_specs(
    app: str, services: tuple[Service, ...], root: str, programs: Mapping[str, str]
) -> tuple[ServiceSpec, ...]:
    """The services of an application for its host.

    Args:
        app: its name.
        services: those of its entry.
        root: the directory of the releases on the host.
        programs: the entrypoints of images from packages, by engine.
    """
    return tuple(_spec(app, service, root, programs) for service in services)


def _spec(app: str, service: Service, root: str, programs: Mapping[str, str]) -> ServiceSpec:
    if service.of:
        return ServiceSpec(service.name, of=service.of, variable=service.variable)
    engine = ENGINES.get(service.engine)
    recipe = _recipe(engine, service, programs) if engine else Recipe()
    env = {**service.env, **(engine.environment() if engine else {})}
    text = "".join(f"{name}={value}\n" for name, value in sorted(env.items()))
    # One without volumes must say so.
    container = {"volumes": [], **_container(app, service, root, engine, recipe).to_dict()}
    health = (
        engine.health()
        if engine
        else tuple(shell_words(service.health.command))
        if service.health.command
        else ()
    )
    parts = [container, text, health]
    return ServiceSpec(
        service.name,
        service.engine,
        variable=service.variable,
        recipe=recipe,
        container=container,
        env=text,
        password=service.password,
        secrets=service.secrets,
        health=health,
        deadline_seconds=service.health.deadline_seconds,
        fingerprint=sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12],
    )


def _recipe(engine: ServiceEngine, service: Service, programs: Mapping[str, str]) -> Recipe:
    if not service.suite or service.image:
        return Recipe()
    user = "postgres" if engine.name == "postgresql" else engine.name
    return Recipe(
        service.suite,
        engine.packages(service.version),
        user,
        engine.home,
        programs[engine.name],
        engine.image_environment(service.version),
        (engine.command(engine.memory)[0],),
    )


def image_of(service: Service, recipe: Recipe) -> str:
    """The reference of its image; that of a made one names what it is made of."""
    if recipe.packages:
        engine = ENGINES[service.engine]
        made_of = [plain(recipe), service.refresh, engine.directory, engine.run, UID]
        digest = sha256(json.dumps(made_of).encode()).hexdigest()[:12]
        return f"{REPOSITORY}:{service.engine}-{service.version}-{digest}"
    return service.image or f"{ENGINES[service.engine].image}:{service.version}"


def _container(
    app: str, service: Service, root: str, engine: ServiceEngine | None, recipe: Recipe
) -> Container:
    named = ServiceName(app, service.name)
    place = Place(root).service(app, service.name)
    network = network_of(app)
    mounts = [*([f"{place.secrets}:{CONTAINER_SECRETS}:ro"] if engine or service.secrets else [])]
    common: dict[str, Any] = {
        "name": named.container,
        "image": image_of(service, recipe),
        "env_file": str(place.environment),
        "network_mode": network,
        "networks": [{"name": network}],
        "aliases": [service.name],
        "dns": NO_NAME_SERVER,
        "hostname": service.name,
        "memory": service.resources.memory,
        "memory_swap": service.resources.memory,
        "pids_limit": service.resources.pids,
        "cpus": service.resources.cpus or None,
        "labels": {SERVICE_LABEL: f"{app}/{service.name}"},
    }
    if not engine:
        return Container(
            **common,
            user="",
            read_only=False,
            cap_drop=DROPPED,
            stop_timeout=30,
            volumes=[*mounts, *service.volumes],
            command=shell_words(service.command) if service.command else None,
        )
    owned = f"uid={UID},gid={UID}"
    return Container(
        **common,
        user=f"{UID}:{UID}",
        stop_signal=engine.stop_signal,
        stop_timeout=engine.stop_seconds,
        volumes=[*mounts, f"{named.volume}:{engine.directory}"],
        tmpfs=[
            f"/tmp:rw,nosuid,nodev,size={TMP},mode=1777",
            *([f"{engine.run}:rw,nosuid,nodev,size=1m,{owned},mode=0755"] if engine.run else []),
        ],
        command=engine.command(service.resources.memory),
    )
