#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_finish
short_description: Undo what failed, drain and stop what served before, prune, write the audit, unlock
version_added: 0.1.0
author: flaskops contributors
description:
  - The end of every run that took locks, whether it went well or not. All applications drain together.
  - The containers that served before go on until the old workers of Nginx are gone and nobody is connected to their sockets, or
    until their time is over; then they are stopped side by side.
  - Their processes, the containers that answer no requests, are stopped in the meantime, each within its own C(stop_seconds). Where
    the release before goes on serving, its processes run again.
  - Warns of a release that serves while the kernel kills its processes for want of memory.
  - Of the releases that were live, the newest are kept, always the one that serves and the one before it.
  - Only what bears our label, or lies in our directories, is ever removed.
attributes:
  check_mode: {support: none, description: It is called only in a real run.}
  diff_mode: {support: none, description: The plan shows what is done.}
  idempotent: {support: full, description: What is gone already is no error.}
options:
  root: {description: The directory of the releases., type: str, default: /var/lib/flaskops}
  nginx_root: {description: The directory of the Nginx configuration., type: str, default: /etc/nginx}
  lock: {description: What M(flaskops.host.release_plan) returned as C(lock)., type: dict, required: true}
  releases:
    description: "What became of each, as P(flaskops.host.finished_releases#filter) gives it."
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Finish
  flaskops.host.release_finish:
    lock: "{{ plan.lock }}"
    releases: "{{ finished }}"
"""

RETURN = r"""
drained:
  description: By container that served before, the C(seconds) it had left to do, and the connections that were C(cut) then.
  type: dict
  returned: success
pruned:
  description: Releases that were removed.
  type: list
  elements: str
  returned: success
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils import _audit, _drain, _memory, _process_steps, _routes
from ansible_collections.flaskops.host.plugins.module_utils._deploy import FILES
from ansible_collections.flaskops.host.plugins.module_utils._host import (
    Docker,
    HostError,
    Record,
    forget,
    live_links,
)
from ansible_collections.flaskops.host.plugins.module_utils._lock import holder, release, renew
from ansible_collections.flaskops.host.plugins.module_utils._room import no_room, with_advice

ARGUMENTS: dict[str, Any] = {
    "root": {"type": "str", "default": "/var/lib/flaskops"},
    "nginx_root": {"type": "str", "default": "/etc/nginx"},
    "lock": {"type": "dict", "required": True, "no_log": False},
    "releases": {"type": "list", "elements": "dict", "required": True},
}


class Finish:
    """What comes after the switch, or after a failure before it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.root, self.releases = params["root"], params["releases"]
        self.token, self.names = params["lock"]["token"], params["lock"]["names"]
        self.docker = Docker()
        self.nginx_root = params["nginx_root"]
        self.links: dict[str, list[dict[str, str]]] = {}
        self.warnings: list[str] = []

    def run(self) -> dict[str, Any]:
        names = [name for name in self.names if Path(self.root, "apps", name).is_dir() and holder(self.root, name)]
        renew(self.root, names, self.token, "drain")
        self.links = live_links(self.nginx_root)
        self._undo()
        drained = self._drain()
        self._warn_of_starved()
        for name in names:
            for link in self.links.get(name, [])[:1]:
                _routes.sweep(self.root, name, link["id"])
        pruned = [f"{entry['name']} {old}" for entry in self.releases for old in self._prune(entry)]
        for entry in self.releases:
            self._audit(entry, drained)
        release(self.root, names, self.token)
        return {"changed": True, "drained": drained, "pruned": pruned, "warnings": self.warnings}

    def _undo(self) -> None:
        """What did not get to serve goes; what serves is not touched."""
        # What the link leads to serves, whatever became of the switch; the next run settles it.
        failed = [entry for entry in self.releases if entry["result"] == "failed" and not self._serves(entry)]
        gone = [f"{entry['name']}-{entry['id']}" for entry in failed]
        _drain.stop(gone, self.docker, 2)
        _drain.remove(gone, self.docker)
        for entry in failed:
            _process_steps.undo(self.docker, entry["name"], entry["id"])
        for entry in self.releases:
            # Whatever serves now has its processes, even where a release did not get as far as to stop one.
            links = self.links.get(entry["name"], [])
            if entry["result"] == "failed" and links and links[0]["file"] != FILES["stopped"]:
                _process_steps.restore(self.docker, entry["name"], links[0]["id"])
        for entry in failed:
            record = Record(self.root, entry["name"])
            state = record.releases.get(entry["id"], {}).get("state")
            # A release that is only to be repaired, or was live before, stays what it was.
            if state in (None, "prepared") and no_room(entry["reason"]):
                forget(self.docker, record, entry["name"], entry["id"])
                self._save(record)
            elif state == "prepared":
                record.mark(entry["id"], "failed", reason=entry["reason"][:2000])
                self._save(record)

    def _serves(self, entry: dict[str, Any]) -> bool:
        return any(link["id"] == entry["id"] for link in self.links.get(entry["name"], []))

    def _drain(self) -> dict[str, Any]:
        """What served before finishes what it has begun."""
        old = [
            {**_drain.entry(self.root, entry["name"], entry["before"]), "drain_seconds": entry["drain_seconds"]}
            for entry in self.releases
            if entry["result"] == "live" and entry["before"] and (entry["before"] != entry["id"] or entry["state"] == "stopped")
        ]
        names = [entry["container"] for entry in old]
        # Standing still: the container of this very release stops, and stays.
        still = [f"{entry['name']}-{entry['id']}" for entry in self.releases if entry["state"] == "stopped"]
        leaving, staying = self._processes()
        self._stand_still([name for name in names if name in still] + staying)
        with ThreadPoolExecutor(1) as beside:
            stopped = beside.submit(_process_steps.stop, leaving + staying, self.docker)
            drained = _drain.drain(old)
            _drain.stop(names, self.docker)
            _drain.remove([name for name in names if name not in still], self.docker)
            stopped.result()
        _drain.remove(leaving, self.docker)
        return drained

    def _warn_of_starved(self) -> None:
        """What serves, and dies of memory."""
        serving = [entry for entry in self.releases if entry["result"] == "live" and entry["state"] != "stopped"]
        live = {f"{entry['name']}-{entry['id']}": entry for entry in serving}
        for container, words in _memory.starved(self.docker, live).items():
            self.warnings.append(f"{live[container]['name']}: release {live[container]['id']} serves, and {words}")

    def _processes(self) -> tuple[list[str], list[str]]:
        """Containers without a route: those of releases that serve no more, and those that stand still with theirs."""
        leaving, staying = [], []
        for entry in self.releases:
            if entry["result"] == "live":
                for process in _process_steps.found(self.docker, entry["name"]):
                    if process.release != entry["id"]:
                        leaving.append(process.container)
                    elif entry["state"] == "stopped":
                        staying.append(process.container)
        return leaving, staying

    def _stand_still(self, containers: list[str]) -> None:
        if containers:
            self.docker.run("update", "--restart", "no", *containers, check=False)

    def _prune(self, entry: dict[str, Any]) -> list[str]:
        """Remove the releases beyond those that are kept; returns their ids."""
        name = entry["name"]
        record = Record(self.root, name)
        live = record.data["live"]
        numbered = sorted((data["number"], identity) for identity, data in record.releases.items() if data.get("number"))
        keep = {identity for _number, identity in numbered[-max(entry["keep_releases"], 2) :]}
        keep |= {live, record.before(live) if live else None, entry["id"], *(link["id"] for link in self.links.get(name, []))}
        directory = Path(self.root, "apps", name, "releases")
        there = {path.name for path in directory.glob("*")} | set(record.releases) | set(self._images(name))
        gone = sorted(there - keep)
        for identity in gone:
            forget(self.docker, record, name, identity)
        if gone:
            self._save(record)
        return gone

    def _save(self, record: Record) -> None:
        """On a full disk the record stays as it is: what serves is said by the link, and the next run sets it right."""
        try:
            record.save()
        except OSError as error:
            self._warn(f"{record.path} could not be brought up to date", error)

    def _warn(self, what: str, error: OSError) -> None:
        if not no_room(error):
            raise error
        self.warnings.append(with_advice(f"{what}: {error}"))

    def _images(self, name: str) -> list[str]:
        return self.docker.run("image", "ls", "--format", "{{.Tag}}", f"flaskops/{name}").split()

    def _audit(self, entry: dict[str, Any], drained: dict[str, Any]) -> None:
        """One line about what was done, by whom and how it went."""
        held = holder(self.root, entry["name"])
        what = {key: entry[key] for key in ("action", "before", "state", "result")}
        try:
            _audit.write(
                self.root,
                entry["name"],
                held,
                **what,
                to=entry["id"],
                reason=entry["reason"].splitlines()[0] if entry["reason"] else "",
                seconds=round(time.time() - held["clock"], 1) if "clock" in held else None,
                drained=drained.get(f"{entry['name']}-{entry['before']}"),
            )
        except OSError as error:
            self._warn(f"This run is not in {_audit.path_of(self.root, entry['name'])}", error)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        result = Finish(module.params).run()
    except (HostError, OSError) as error:
        module.fail_json(msg=with_advice(f"The run could not be finished: {error}"))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
