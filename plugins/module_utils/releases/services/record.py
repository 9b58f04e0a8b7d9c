# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host knows of a service: a record beside its files, independent of any release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ...host.engine import Inspected
from ...host.files import write_file
from ...host.places import SERVICE_LABEL, Place, ServiceName
from ...host.typed import plain, read
from .service import ServiceSpec


@dataclass(frozen=True)
class ServiceRecord:
    """The service.json of a service.

    secrets: the digests of those that it runs with. image: the digest of its image. health: the
    words that are run in its container. A removed service keeps its record with its data.
    """

    engine: str = ""
    fingerprint: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    health: tuple[str, ...] = ()
    image: str = ""
    since: str = ""


def read_record(root: str, app: str, name: str) -> ServiceRecord:
    """The record of a service; an empty one if it is missing or broken."""
    try:
        found = json.loads(Place(root).service(app, name).record.read_text())
        return read(ServiceRecord, found) if isinstance(found, dict) else ServiceRecord()
    except (OSError, ValueError, TypeError):
        return ServiceRecord()


def owner_of(found: Inspected) -> str:
    """Which service a container, or a volume, is of: APPLICATION/SERVICE; "" for none."""
    labels = (found.get("Config") or found).get("Labels") or {}
    return str(labels.get(SERVICE_LABEL, ""))


def is_own(found: Inspected, named: ServiceName) -> bool:
    """Whether a container is that of this service, and not of another one with such a name."""
    return f"{SERVICE_LABEL}={owner_of(found)}" == named.label


def write_record(root: str, app: str, name: str, record: ServiceRecord) -> None:
    """Replace it."""
    text = json.dumps({"format": 1, **plain(record)}, indent=2, sort_keys=True) + "\n"
    write_file(Place(root).service(app, name).record, text.encode(), 0o600)


@dataclass(frozen=True)
class WantedService:
    """A service as the plan knows it: without the values of its secrets.

    fingerprint: "" for that of an earlier release, which is only started. password: the digest of
    one that is given. image: the one that must be made of packages; "" for one of a registry.
    """

    name: str
    of: str = ""
    fingerprint: str = ""
    password: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    variable: str = ""


def wanted_service(spec: ServiceSpec) -> WantedService:
    """What the plan gets of a service."""
    return WantedService(
        spec.name,
        spec.of,
        spec.fingerprint,
        digest(spec.password) if spec.password else "",
        {name: digest(value) for name, value in spec.secrets.items()},
        str(spec.container["image"]) if spec.recipe.packages else "",
        spec.variable,
    )


def digest(value: str) -> str:
    """The digest by which the plan compares a secret."""
    return sha256(value.encode()).hexdigest()
