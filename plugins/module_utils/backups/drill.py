# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restore drill: the newest backup is restored into a throwaway directory, and the release that
serves is started against it in a throwaway container and asked for its health. It has no network,
or one with throwaway containers of its services alone, whose data is filled from their dumps.
"""

from __future__ import annotations

import calendar
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from secrets import token_hex
from typing import Any

from ..host import trees as host_trees
from ..host.container import Container, settle
from ..host.disk import refuse_without
from ..host.engine import Docker
from ..host.files import HostError, make_directory, write_file
from ..host.places import (
    APP_LABEL,
    CONTAINER_RUN,
    CONTAINER_SECRETS,
    CONTAINER_SPOOL,
    DRILL,
    ENVIRONMENT,
    ONE_OFF_LABEL,
    Place,
    ReleaseName,
    ReleasePlace,
    ServiceName,
    job_kind,
)
from ..releases import drain, networks
from ..releases.directory import read_secrets
from ..releases.live_container import job_of
from ..releases.lock import holder
from ..releases.release import Release
from ..releases.services.run import CLOSED
from ..releases.services.spec import NO_NAME_SERVER, network_of, network_of_drill
from ..releases.uids import run_as, uid_of
from . import moves, services, trees
from .data import Live
from .order import BackupOrder
from .restore import Restore
from .save import VOLUMES
from .services import SERVICES, Saved, Throwaway, live_services

# A deploy that was active within this time still works.
LOCK_SECONDS = 6 * 3600
DATA = "data"  # of its services, below the directory of the drill
# Beside an application that serves it gets what is left.
LIMITS = ("--log-driver", "json-file", "--log-opt", "max-size=1m", "--cpu-shares", "2")


class Drilled(Restore):
    """One drill; the attributes have the result, also where it failed."""

    def __init__(self, order: BackupOrder) -> None:
        super().__init__(order)
        self.release = self.saved = ""
        self.bytes = 0
        self.age: int | None = None
        self.work = order.drill.work

    def run(self) -> None:
        """
        Raises:
            HostError: it could not be restored, or its application is not healthy with it.
        """
        order = self.order
        if held := holder(order.root, order.app):
            active = held.renewed or held.since
            if not active or time.time() - _seconds(active) > LOCK_SECONDS:
                again = f"deploy with -e flask_apps_break_lock={held.token}"
                raise HostError(f"{held.sentence} If that run is dead: {again}.")
            raise Skipped(held.sentence)
        clean(order)
        self.bytes = self._choose()
        self.saved = str(self.manifest["time"])
        self.age = int(time.time() - _seconds(self.saved))
        live = Live.of(self.docker, order.root, order.nginx_root, order.app)
        self.release = live.release.id
        refuse_without(self._needed(self.bytes), [self.work.parent], "Nothing was restored.")
        self.work.mkdir(mode=0o700)
        try:
            self.restic.restore(self.snapshot, self.work)
            uid = uid_of(order.root, order.app, live.release.id)
            for name in self.manifest["volumes"]:
                trees.give(self.work / VOLUMES / name, int(self.manifest["uid"]), uid)
            self._try(live, uid, self._services(live))
        finally:
            clean(order)

    def _services(self, live: Live) -> str:
        """Start its services with the data of the backup; returns their network, "" for none."""
        present = live_services(self.docker, live.release)
        if not present:
            return ""
        network, root = network_of_drill(live.app), self.order.root
        # The host has no address in it and no route to it, so that it may be any that is free.
        given = self.docker.inspect(network_of(live.app), "network")["IPAM"]["Config"][0]["Subnet"]
        pool = str(IPv4Network(given).supernet(new_prefix=16))
        networks.ensure(self.docker, root, live.app, pool, network, CLOSED)
        for each in present:
            own = Throwaway(each.named.drill, network, LIMITS)
            saved = self._saved.get(each.name, Saved())
            if saved.engine != each.record.engine:
                raise HostError(
                    f"the backup {self.snapshot.short} has no data of the service {each.name}; the"
                    " next one will."
                )
            if each.engine:
                place = self.work / DATA / each.name
                place.parent.mkdir(mode=0o700, exist_ok=True)
                services.fill(self.docker, each, own, self.work / SERVICES / each.name, place)
                continue
            volumes = {
                target: f"{self.work / VOLUMES / name}:{target}"
                for name, target in (saved.volumes or {}).items()
            }
            services.start(self.docker, each, own, volumes)
        return network

    def _try(self, live: Live, uid: int, network: str) -> None:
        release = live.release
        volumes = live.volumes(self.order.root)
        if lost := {each.name for each in volumes if each.name not in self.manifest["volumes"]}:
            raise HostError(
                f"the backup {self.snapshot.short} has no data of the volume"
                f" {', '.join(sorted(lost))}; the next one will."
            )
        place = ReleasePlace(self.work)
        for path, mode, owner in ((place.run, 0o1777, 0), (place.spool, 0o700, uid)):
            path.mkdir()
            os.chown(path, owner, owner)
            path.chmod(mode)
        restored = {each.target: self.work / VOLUMES / each.name for each in volumes}
        random = self._lay_secrets(release, place, uid)
        options = self._options(release, restored, network)
        container = Container.from_dict(run_as(options, uid, str(release.place.directory)))
        settle(self.docker, container, recreate=True, log=LIMITS)
        self.docker.run("start", container.name)
        try:
            moves.wait_for_health(self.docker, release, container.name, place)
        except HostError as error:
            given = (
                f" Its secrets {', '.join(random)} are random text in a drill; name those that it"
                " needs in backup.drill.secrets."
                if random
                else ""
            )
            raise HostError(
                f"{live.app} is not healthy with the backup {self.snapshot.short}: {error}{given}"
            ) from error

    def _lay_secrets(self, release: Release, place: ReleasePlace, uid: int) -> list[str]:
        """Write its secrets for the drill: the values of those that are named in backup.drill, and
        that its services give; others become random text, and their names are returned.
        """
        given = release.place.secrets
        if not given.is_dir():
            return []
        environment = release.place.file(ENVIRONMENT).read_text().splitlines()
        kept = {*self.order.backup.drill.secrets, *(each.variable for each in release.services)}
        found = read_secrets(given)
        # Without such a variable it is a value of .env or one of config_files.
        random = sorted(
            name
            for name in {*found} - kept
            if f"{name}_FILE={CONTAINER_SECRETS}/{name}" in environment
        )
        make_directory(place.secrets, 0o550, 0, uid)
        for name, value in {**found, **{name: token_hex(32).encode() for name in random}}.items():
            write_file(place.secrets / name, value, 0o440, 0, uid)
        return random

    def _options(
        self, release: Release, restored: Mapping[str, Path], network: str
    ) -> dict[str, Any]:
        """Those of its container, with the restored data, and without its networks."""
        volumes = []
        for volume in release.container["volumes"]:
            source, target, *mode = volume.split(":")
            if target in restored:
                source = str(restored[target])
            elif target == CONTAINER_SPOOL:
                source = str(ReleasePlace(self.work).spool)
            elif target == CONTAINER_SECRETS:
                source = str(ReleasePlace(self.work).secrets)
            elif target.startswith(f"{CONTAINER_RUN}/"):
                source = str(ReleasePlace(self.work).run)
            elif "ro" not in mode or _is_way_out(Path(source)):
                continue  # not in the backup, and not to be written to
            volumes.append(":".join([source, target, *mode]))
        kept = {key: value for key, value in release.container.items() if key != "networks"}
        return {
            **kept,
            "name": ReleaseName(release.name, release.id).job(DRILL),
            "network_mode": network or "none",
            "dns": NO_NAME_SERVER if network else (),
            "volumes": volumes,
            "stop_timeout": 5,
            "labels": {**release.container["labels"], ONE_OFF_LABEL: job_kind(DRILL)},
        }


class Skipped(Exception):
    """A deploy works on the application; the next drill comes later."""


def _is_way_out(source: Path) -> bool:
    """Whether a program of the host may listen there; a read-only mount does not prevent that."""
    return source.is_socket() or source.is_relative_to("/run") or source.is_relative_to("/var/run")


def clean(order: BackupOrder) -> None:
    """Remove the containers, the network and the directory of a drill."""
    docker = Docker()
    there = docker.containers(f"{APP_LABEL}={order.app}")
    with suppress(HostError):
        drain.remove([each["Names"] for each in there if job_of(each) == DRILL], docker)
    if own := Place(order.root).services_of(order.app):
        services.remove(docker, [ServiceName(order.app, each).drill for each in own])
        with suppress(HostError):
            networks.remove(docker, order.app, network_of_drill(order.app))
    host_trees.delete(Path(order.drill.work))


def _seconds(moment: str) -> float:
    return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
