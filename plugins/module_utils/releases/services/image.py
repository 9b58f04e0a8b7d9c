# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of services on a host: pulled, or made of the distribution's packages."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from ...host.engine import Docker, Inspected
from ...host.places import Place
from ...images import pull
from ...images.bootstrap import Bootstrap
from ...images.build import refuse_labels
from .engines import ENGINES, UID
from .service import ServiceSpec

ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"
INIT = "docker-entrypoint-initdb.d"
# The packages of PostgreSQL create a database where they are installed, unless this is set.
NO_CLUSTER = (
    'mkdir -p "$1/etc/postgresql-common"',
    'echo create_main_cluster=false > "$1/etc/postgresql-common/createcluster.conf"',
)


def ensure(docker: Docker, root: str, spec: ServiceSpec) -> Inspected:
    """Pull or make the image of a service where the host does not have it."""
    reference = str(spec.container["image"])
    found = docker.inspect(reference, "image")
    if not found:
        if spec.recipe.packages:
            _bootstrap(spec, reference).make(docker, Place(root).builds)
            found = docker.inspect(reference, "image")
        else:
            found = pull.pull(docker, reference)
    refuse_labels(found, reference)
    return found


def _bootstrap(spec: ServiceSpec, reference: str) -> Bootstrap:
    recipe, engine = spec.recipe, ENGINES[spec.engine]
    user, home = recipe.user, recipe.home
    # Before the packages are installed, which would take any free number.
    account = (
        f'echo "{user}:x:{UID}:" >> "$1/etc/group"',
        f'echo "{user}:x:{UID}:{UID}::{home}:/bin/sh" >> "$1/etc/passwd"',
    )
    # A new volume gets owner and mode of the directory that it covers.
    owned = dict.fromkeys([home, engine.directory, *([engine.run] if engine.run else [])])
    places = " ".join(f'"$1{place}"' for place in owned)
    # Docker 20.10 takes no STOPSIGNAL here; the container has it.
    changes = [f"ENV {name}={value}" for name, value in recipe.environment.items()]
    changes += [
        "ENV LANG=C.UTF-8",
        f"ENTRYPOINT {json.dumps([PurePosixPath(ENTRYPOINT).name])}",
        f"CMD {json.dumps(recipe.command)}",
        f"WORKDIR {home}",
    ]
    return Bootstrap(
        reference,
        recipe.suite,
        recipe.packages,
        (*account, *(NO_CLUSTER if engine.name == "postgresql" else ())),
        (f'mkdir -p {places} "$1/{INIT}"', f"chown {UID}:{UID} {places}"),
        tuple(changes),
        {ENTRYPOINT: recipe.entrypoint},
    )
