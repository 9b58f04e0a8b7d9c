# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove applications with all their releases: their routes, containers, images, records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..host import trees
from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import APP_LABEL, NginxPlace, Place, repository
from ..nginx.tree import move_links
from . import drain, job_units, networks, process_steps
from .attempts import Attempts
from .lock import renew
from .record import Link, Record, live_links, live_release
from .release import own_network


class Remove:
    """Removes the routes first, then what they lead to, and the record last, so that an interrupted
    run can be repeated.
    """

    def __init__(
        self, root: str, nginx_root: str, docker: Docker, attempts: Attempts | None = None
    ) -> None:
        self.root, self.nginx_root, self.docker = root, nginx_root, docker
        self.attempts = attempts or Attempts()

    def run(self, names: Sequence[str], token: str) -> list[str]:
        """Returns what was removed. The failures are in the attempts."""
        renew(self.root, names, token, "remove")
        links = live_links(self.nginx_root)
        absent = [
            str(NginxPlace("").link(link.site, name))
            for name in names
            for link in links.get(name, ())
        ]
        if absent:
            move_links(self.nginx_root, [], absent)
        jobs: list[str] = []
        with self.attempts.of("", "Its jobs could not be removed"):
            jobs = job_units.remove(self.root, names)
        with self.attempts.of("", "What served could not be drained"):
            self._drain(names, links)
        removed = [*(f"link {path}" for path in absent), *jobs]
        for name in names:
            removed += self._remove(name)
        if stay := self.kept_volumes(names):
            self.attempts.warnings.append(stay)
        return removed

    def kept_volumes(self, names: Sequence[str]) -> str:
        """The volumes that stay, with their data, and how to remove them; "" where it has no
        volumes.
        """
        listed = [
            self.docker.run(
                "volume", "ls", "--quiet", "--filter", f"label={APP_LABEL}={name}", check=False
            ).split()
            for name in names
        ]
        volumes = " ".join(volume for found in listed for volume in found)
        return (
            f"Volumes stay, with their data: {volumes}. To remove them: docker volume rm {volumes}"
            if volumes
            else ""
        )

    def _remove(self, name: str) -> list[str]:
        removed = []
        with self.attempts.of(name, "its containers and images could not be removed"):
            containers = [entry["Names"] for entry in self.docker.containers(f"{APP_LABEL}={name}")]
            drain.remove(containers, self.docker)
            images = self.docker.run(
                "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository(name)
            ).split()
            if images:
                self.docker.run("image", "rm", *images, check=False)
            removed += [f"container {container}" for container in containers] + [
                f"image {image}" for image in images
            ]
        with self.attempts.of(name, "its network could not be removed"):
            if networks.remove(self.docker, name):
                removed.append(f"network {own_network(name)}")
        with self.attempts.of(name, "what interrupted runs have left could not be removed"):
            for link in NginxPlace(self.nginx_root).refused(name):
                link.unlink()
            for path in Place(self.root).builds_of(name):
                trees.put_away(path, self.root)
        with self.attempts.of(name, "its directory could not be removed"):
            directory = Place(self.root).app(name).directory
            if directory.is_dir():
                trees.put_away(directory, self.root)
                removed.append(f"directory {directory}")
        return removed

    def _drain(self, names: Sequence[str], links: Mapping[str, Sequence[Link]]) -> None:
        """Drain all of them together, then stop them."""
        # An application that another one replaced in this run has no route any more, and still
        # drains.
        last = [(name, live_release(links.get(name, ())) or self._last(name)) for name in names]
        serving = [drain.Old.of(self.root, name, release) for name, release in last if release]
        processes = [
            process.container
            for name in names
            for process in process_steps.found(self.docker, name)
        ]
        with ThreadPoolExecutor(1) as beside:
            stopped = beside.submit(process_steps.stop, processes, self.docker)
            drain.drain(serving)
            drain.stop([old.container for old in serving], self.docker)
            stopped.result()

    def _last(self, name: str) -> str | None:
        """The release that was live by its record; None where the record cannot be read, which does
        not prevent the removal.
        """
        try:
            return Record(self.root, name).live
        except HostError:
            return None
