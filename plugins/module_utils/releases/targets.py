# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the releases that a rollback goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..host.files import HostError
from ..host.places import Place
from .record import Record, live_links, live_release, read_release
from .release import FILES, FORMAT, Release
from .status import applications


class Targets:
    """The releases to go back to.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        target: the id of a release; "" for the one before.
        only: the applications; without them those of the last run.
    """

    def __init__(
        self, root: str, nginx_root: str, target: str = "", only: Sequence[str] = ()
    ) -> None:
        self.root, self.target, self.only = root, target, only
        self.links = live_links(nginx_root)
        self.names = applications(root, self.links, only)

    def releases(self) -> list[Release]:
        """The release that was named, or the one before, of the applications of the last run."""
        targets = self._named() if self.target else self._before()
        return [self._release(name, identity) for name, identity in targets.items()]

    def _release(self, name: str, identity: str) -> Release:
        facts = read_release(self.root, name, identity)
        if not facts:
            path = Place(self.root).app(name).release(identity).record
            raise HostError(
                f"{path} is missing or broken, so {name} cannot go back to {identity}."
                f" {self._choices(name)}"
            )
        if facts.get("format") != FORMAT:
            raise HostError(
                f"release {identity} of {name} was made by another version of flaskops.host;"
                " deploy its source again."
            )
        state = next((link.state for link in self.links.get(name, ())), "")
        return Release.from_record(facts, self.root, state if state in FILES else "present")

    def _named(self) -> dict[str, str]:
        found = {
            name: self.target
            for name in self.names
            if Record(self.root, name).of(self.target).number
        }
        if not found:
            raise HostError(
                f"no application has been served by release {self.target}. "
                + " ".join(self._choices(name) for name in self.names)
            )
        return found

    def _before(self) -> dict[str, str]:
        records = {name: Record(self.root, name) for name in self.names if name in self.links}
        live = {name: str(live_release(self.links[name])) for name in records}
        if not live:
            raise HostError(
                "no application serves on this host, so there is nothing to go back from."
            )
        # A route that was moved and not recorded: the run was interrupted, and the recorded release
        # served before.
        cut = {
            name: record.live
            for name, record in records.items()
            if record.live not in (None, live[name])
        }
        chosen = list(live) if self.only else list(cut) or self._last_run(records, live)
        found = {name: cut.get(name) or records[name].before(live[name]) for name in chosen}
        missing = [
            f"{name} has no release before {live[name]}."
            for name, identity in found.items()
            if not identity
        ]
        if missing:
            raise HostError(" ".join([*missing, *(self._choices(name) for name in chosen)]))
        return {name: identity for name, identity in found.items() if identity}

    def _last_run(self, records: Mapping[str, Record], live: Mapping[str, str]) -> list[str]:
        """The applications of the last run: what was released together goes back together."""
        entries = {name: record.of(live[name]) for name, record in records.items()}
        newest = max(entries, key=lambda name: entries[name].live or "")
        last = entries[newest].run
        return [
            name for name, entry in entries.items() if name == newest or (entry.run or name) == last
        ]

    def _choices(self, name: str) -> str:
        record = Record(self.root, name)
        words = [f"{release} (live since {record.of(release).live})" for release in record.served]
        return f"Releases of {name}: {', '.join(words) or 'none'}."
