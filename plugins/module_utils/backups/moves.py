# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore, its drill and an upgrade of a service share: two renames that give an application
other data, how they are undone, and whether the application is healthy with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..host import trees as host_trees
from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import DataPlace, ReleasePlace
from ..nginx.site import SCHEME
from ..releases import gate
from ..releases.release import Release


def swap(place: DataPlace) -> None:
    """Move a filled directory to its place; what was there stays beside it."""
    place.directory.rename(place.kept)
    place.filled.rename(place.directory)
    host_trees.delete(place.new)


def put_back(place: DataPlace) -> None:
    """Undo `swap`, also after its first rename. Something may have been written to the other data
    meanwhile, so that nobody but the operator removes it.
    """
    # One of an earlier restore was deleted before the journal said that it moves.
    if not place.kept.exists():
        return
    if place.directory.exists():
        place.directory.rename(place.aside(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())))
    place.kept.rename(place.directory)


@contextmanager
def naming(undone: Sequence[str]) -> Iterator[None]:
    """Add to the reason of a failure where data was put aside, which the list has by then."""
    try:
        yield
    except (HostError, OSError, ValueError, KeyError) as error:
        if not undone:
            raise
        raise HostError(
            f"{error}\nWhat was written meanwhile is kept in {', '.join(undone)}; remove that when"
            " you do not need it."
        ) from error


def wait_for_health(docker: Docker, release: Release, container: str, place: ReleasePlace) -> None:
    """Wait for the health check of a container with other data.

    Raises:
        HostError: it is not healthy.
    """
    host, socket = release.health.host or "localhost", str(place.socket)
    check = gate.HealthCheck(container, socket, host, release.app_path, release.health, SCHEME)
    gate.Gate(check, docker).run()
