#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_finish
short_description: Undo what failed, drain and stop what served before, prune, write the audit,
  unlock
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - The end of every run that took locks, whether it went well or not. All applications drain
    together.
  - The containers that served before go on until the old workers of Nginx are gone and nobody is
    connected to their sockets, or until their time is over; then they are stopped side by side.
  - Their processes, the containers that answer no requests, are stopped in the meantime, each
    within its own C(stop_seconds). Where the release before goes on serving, its processes run
    again.
  - Warns of a release that serves while the kernel kills its processes for want of memory.
  - Of the releases that were live, the newest are kept, always the one that serves and the one
    before it.
  - What a container wrote to C(spool) and C(run) of its release is removed with it. Deleting takes
    five seconds at most; later runs go on with it.
  - Nothing that fails for one application keeps another, or its own audit and lock, from their end.
  - Only what bears our label, or lies in our directories, is ever removed.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
attributes:
  idempotent: {support: full, description: What is gone already is no error.}
options:
  lock: {description: What M(flaskops.host.release_plan) returned as C(lock)., type: dict, required: true}
  releases:
    description: The applications with work, as M(flaskops.host.release_plan) returned them.
    type: list
    elements: dict
    required: true
  failed: {description: "Why an application did not get to serve, by name.", type: dict, default: {}}
  live: {description: Those whose new release serves., type: list, elements: str, default: []}
  action: {description: "What the run did, for the audit.", type: str, choices: [deploy, rollback], default: deploy}
"""

EXAMPLES = r"""
- name: Finish
  flaskops.host.release_finish:
    root: "{{ flask_apps_root }}"
    lock: "{{ plan.lock }}"
    releases: "{{ plan.work }}"
    live: "{{ switched.live }}"
"""

RETURN = r"""
drained:
  description: By container that served before, the C(seconds) it had left to do, and the
    connections that were C(cut) then.
  type: dict
  returned: success
pruned:
  description: Releases that were removed.
  type: list
  elements: str
  returned: success
failures:
  description: What could not be done, in words. All the rest was done.
  type: list
  elements: str
  returned: success
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host import trees
from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import no_room, with_advice
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError
from ..module_utils.host.places import Place
from ..module_utils.releases import audit, drain, memory, networks, process_steps, routes
from ..module_utils.releases.attempts import Attempts
from ..module_utils.releases.deploy import finished_releases
from ..module_utils.releases.lock import holder, release, renew
from ..module_utils.releases.plan import LABEL, RELEASE
from ..module_utils.releases.record import Record, forget, live_links, read_release
from ..module_utils.releases.release import FILES

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root"),
    "lock": {"type": "dict", "required": True, "no_log": False},
    "releases": {"type": "list", "elements": "dict", "required": True},
    "failed": {"type": "dict", "default": {}},
    "live": {"type": "list", "elements": "str", "default": []},
    "action": {"type": "str", "choices": ["deploy", "rollback"], "default": "deploy"},
}


class Finish:
    """What comes after the switch, or after a failure before it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.root, self.releases = params["root"], params["releases"]
        self.token, self.names = params["lock"]["token"], params["lock"]["names"]
        self.docker = Docker()
        self.nginx_root = params["nginx_root"]
        self.links: dict[str, list[dict[str, str]]] = {}
        self.attempts = Attempts()

    def run(self) -> dict[str, Any]:
        """Each step of each application is an attempt of its own, so that nothing keeps a lock, an
        audit or a prune from its end.
        """
        there = [name for name in self.names if Place(self.root).app(name).directory.is_dir()]
        held = []
        for name in there:
            with self.attempts.of(name, "it was left as it is"):
                renew(self.root, [name], self.token, "drain")
                held.append(name)
        self.releases = [entry for entry in self.releases if entry["name"] in held]
        drained: dict[str, Any] = {}
        pruned: list[str] = []
        with self.attempts.of(
            "", "What serves could not be found out, so nothing was stopped or removed"
        ):
            self.links = live_links(self.nginx_root)
            self._undo()
            with self.attempts.of("", "What served before could not be drained"):
                drained = self._drain()
            with self.attempts.of(
                "", "Whether a release dies of memory could not be found out", warn=True
            ):
                self._warn_of_starved()
            for name in held:
                with self.attempts.of(name, "the links of its earlier paths could not be removed"):
                    routes.sweep(self.root, name, self.links.get(name, []))
            for entry in self.releases:
                with self.attempts.of(entry["name"], "its old releases could not be removed"):
                    pruned += [f"{entry['name']} {old}" for old in self._prune(entry)]
        for entry in self.releases:
            with self.attempts.of(
                entry["name"],
                "the network that it asks for no more could not be removed",
                warn=True,
            ):
                self._remove_network(entry)
        for entry in self.releases:
            with self.attempts.of(
                entry["name"], f"this run is not in {Place(self.root).app(entry['name']).audit}"
            ):
                self._audit(entry, drained)
        for name in held:
            self._empty(name)
        for name in there:
            with self.attempts.of(
                name,
                "its lock could not be given back; break it with -e"
                f" flask_apps_break_lock={self.token}",
            ):
                release(self.root, [name], self.token)
        with self.attempts.of("", "The trash could not be emptied", warn=True):
            self.attempts.warnings += trees.sweep(self.root)
        failures = list(self.attempts.failures.values())
        return {
            "changed": True,
            "drained": drained,
            "pruned": pruned,
            "failures": failures,
            "warnings": self.attempts.warnings,
        }

    def _undo(self) -> None:
        """What did not get to serve goes; what serves is not touched."""
        # What the link leads to serves, whatever became of the switch; the next run settles it.
        failed = [
            entry
            for entry in self.releases
            if entry["result"] == "failed" and not self._serves(entry)
        ]
        gone = [f"{entry['name']}-{entry['id']}" for entry in failed]
        self._all("stopped", lambda names, docker: drain.stop(names, docker, 2), gone)
        self._all("removed", drain.remove, gone)
        for entry in failed:
            with self.attempts.of(
                entry["name"], "its processes that did not get to serve could not be removed"
            ):
                process_steps.undo(self.docker, entry["name"], entry["id"])
        for entry in self.releases:
            # Whatever serves now has its processes, even where a release did not get as far as to
            # stop one.
            links = self.links.get(entry["name"], [])
            if entry["result"] == "failed" and links and links[0]["file"] != FILES["stopped"]:
                with self.attempts.of(entry["name"], "its processes could not be started again"):
                    process_steps.restore(self.docker, entry["name"], links[0]["id"])
        for entry in failed:
            with self.attempts.of(entry["name"], "that it failed could not be recorded"):
                self._record_failure(entry)

    def _record_failure(self, entry: dict[str, Any]) -> None:
        record = Record(self.root, entry["name"])
        state = record.releases.get(entry["id"], {}).get("state")
        # A release that is only to be repaired, or was live before, stays what it was.
        if state in (None, "prepared") and no_room(entry["reason"]):
            forget(self.docker, record, entry["name"], entry["id"])
            record.save()
        elif state == "prepared":
            record.mark(entry["id"], "failed", reason=entry["reason"][:2000])
            record.save()

    def _serves(self, entry: dict[str, Any]) -> bool:
        return any(link["id"] == entry["id"] for link in self.links.get(entry["name"], []))

    def _drain(self) -> dict[str, Any]:
        """What served before finishes what it has begun."""
        old = [
            {
                **drain.entry(self.root, entry["name"], entry["before"]),
                "drain_seconds": entry["drain_seconds"],
            }
            for entry in self.releases
            if entry["result"] == "live"
            and entry["before"]
            and (entry["before"] != entry["id"] or entry["state"] == "stopped")
        ]
        names = [entry["container"] for entry in old]
        # Standing still: the container of this very release stops, and stays.
        still = [
            f"{entry['name']}-{entry['id']}"
            for entry in self.releases
            if entry["state"] == "stopped"
        ]
        leaving, staying = self._processes()
        self._stand_still([name for name in names if name in still] + staying)
        with ThreadPoolExecutor(1) as beside:
            stopped = beside.submit(self._all, "stopped", process_steps.stop, leaving + staying)
            drained = drain.drain(old)
            self._all("stopped", drain.stop, names)
            self._all("removed", drain.remove, [name for name in names if name not in still])
            stopped.result()
        self._all("removed", drain.remove, leaving)
        return drained

    def _warn_of_starved(self) -> None:
        """What serves, and dies of memory."""
        serving = [
            entry
            for entry in self.releases
            if entry["result"] == "live" and entry["state"] != "stopped"
        ]
        live = {f"{entry['name']}-{entry['id']}": entry for entry in serving}
        for container, words in memory.starved(self.docker, live).items():
            self.attempts.warnings.append(
                f"{live[container]['name']}: release {live[container]['id']} serves, and {words}"
            )

    def _all(
        self, what: str, step: Callable[[list[str], Docker], None], containers: list[str]
    ) -> None:
        """All at once; where that fails, each on its own."""
        try:
            step(containers, self.docker)
        except HostError:
            for container in containers:
                with self.attempts.of("", f"The container {container} could not be {what}"):
                    step([container], self.docker)

    def _processes(self) -> tuple[list[str], list[str]]:
        """Containers without a route: those of releases that serve no more, and those that stand
        still with theirs.
        """
        leaving, staying = [], []
        for entry in self.releases:
            if entry["result"] == "live":
                for process in process_steps.found(self.docker, entry["name"]):
                    if process.release != entry["id"]:
                        leaving.append(process.container)
                    elif entry["state"] == "stopped":
                        staying.append(process.container)
        return leaving, staying

    def _stand_still(self, containers: list[str]) -> None:
        if containers:
            with self.attempts.of(
                "", "Containers that stand still could not be kept from starting by themselves"
            ):
                self.docker.run("update", "--restart", "no", *containers, check=False)

    def _prune(self, entry: dict[str, Any]) -> list[str]:
        """Remove the releases beyond those that are kept; returns their ids."""
        name = entry["name"]
        record = Record(self.root, name)
        live = record.data["live"]
        numbered = sorted(
            (data["number"], identity)
            for identity, data in record.releases.items()
            if data.get("number")
        )
        keep: set[str | None] = {
            identity for _number, identity in numbered[-max(entry["keep_releases"], 2) :]
        }
        keep |= {
            live,
            record.before(live) if live else None,
            entry["id"],
            *(link["id"] for link in self.links.get(name, [])),
        }
        laid = {release.directory.name for release in Place(self.root).app(name).all_releases()}
        there = laid | set(record.releases) | set(self._images(name))
        gone = []
        for identity in sorted(there - keep):
            with self.attempts.of(name, f"release {identity} could not be removed"):
                forget(self.docker, record, name, identity)
                gone.append(identity)
        if gone:
            with self.attempts.of(name, f"{record.path} could not be brought up to date"):
                record.save()
        return gone

    def _remove_network(self, entry: dict[str, Any]) -> None:
        """Of one that had a network of its own, and has none with this release."""
        name, now_live = entry["name"], entry["id"] if entry["result"] == "live" else None
        asked, asks = (
            read_release(self.root, name, identity) if identity else {}
            for identity in (entry["before"], now_live)
        )
        if (
            asked
            and asks
            and networks.asks_for_own(asked["container"], name)
            and not networks.asks_for_own(asks["container"], name)
        ):
            networks.remove(self.docker, name)

    def _empty(self, name: str) -> None:
        """What a container wrote goes with it, also of releases that are kept."""
        with self.attempts.of(name, "what its containers wrote could not be removed", warn=True):
            there = [
                entry
                for entry in self.docker.containers(f"{LABEL}={name}")
                if not entry["Names"].endswith("-pin")
            ]
            used = {entry["Labels"].get(RELEASE) for entry in there}
            for release in Place(self.root).app(name).all_releases():
                for path in release.written if release.directory.name not in used else []:
                    with self.attempts.of(name, f"{path} could not be emptied", warn=True):
                        trees.empty(path, self.root)

    def _images(self, name: str) -> list[str]:
        return self.docker.run("image", "ls", "--format", "{{.Tag}}", f"flaskops/{name}").split()

    def _audit(self, entry: dict[str, Any], drained: dict[str, Any]) -> None:
        """One line about what was done, by whom and how it went."""
        held = holder(self.root, entry["name"])
        what = {key: entry[key] for key in ("action", "before", "state", "result")}
        audit.write(
            self.root,
            entry["name"],
            held,
            **what,
            to=entry["id"],
            reason=entry["reason"].splitlines()[0] if entry["reason"] else "",
            seconds=round(time.time() - held["clock"], 1) if "clock" in held else None,
            drained=drained.get(f"{entry['name']}-{entry['before']}"),
        )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        became = (module.params[key] for key in ("releases", "failed", "live", "action"))
        result = Finish({**module.params, "releases": finished_releases(*became)}).run()
    except (HostError, OSError) as error:
        module.fail_json(msg=with_advice(f"The run could not be finished: {error}"))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
