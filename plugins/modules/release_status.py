#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_status
short_description: What runs on a host, and the releases that one can go back to
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - For every application of the host, listed or not, its live release, whether it is well, its
    container, and its releases.
  - Of each that runs, what to write against faults that its log shows (C(advice)), such as a
    read-only root file system.
  - Asks each application through its own socket, so that the answer is its own, whatever Nginx
    says. All are asked side by side, and each question ends after 10 seconds.
extends_documentation_fragment:
  - flaskops.host.attributes.info
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.sites
options:
  address: {description: How the host is called where a site has no name., type: str, default: localhost}
  target: {description: "The release to look for, an id; empty for the one before.", type: str, default: ""}
  only: {description: The applications to look at; empty for all., type: list, elements: str, default: []}
  rollback: {description: "Return in RV(releases) what a rollback goes to, and fail when there is nothing.", type: bool, default: false}
"""

EXAMPLES = r"""
- name: Look
  flaskops.host.release_status:
    root: "{{ flask_apps_root }}"
  register: status
"""

RETURN = r"""
apps:
  description: One dictionary for each application.
  type: list
  elements: dict
  returned: success
releases:
  description: With O(rollback), the releases to go back to, as P(flaskops.host.releases#lookup)
    gives releases.
  type: list
  elements: dict
  returned: success
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.engine import Docker, logs
from ..module_utils.host.files import HostError
from ..module_utils.host.places import Place
from ..module_utils.host.trees import Size, size
from ..module_utils.releases import advice
from ..module_utils.releases.app_path import AppPath
from ..module_utils.releases.deploy import for_tasks, health_host, url_of
from ..module_utils.releases.lock import holder
from ..module_utils.releases.memory import TOO_MANY, in_status, killed
from ..module_utils.releases.memory import advice as memory_advice
from ..module_utils.releases.probe import (
    PROBLEMS,
    QUESTION_SECONDS,
    SocketConnection,
    accepts,
    ask,
    headers_for,
    problem,
)
from ..module_utils.releases.record import Record, live_links, read_release
from ..module_utils.releases.release import FILES, FORMAT, Release

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "sites"),
    "address": {"type": "str", "default": "localhost"},
    "target": {"type": "str", "default": ""},
    "only": {"type": "list", "elements": "str", "default": []},
    "rollback": {"type": "bool", "default": False},
}


AT_ONCE = 200  # applications that are asked side by side; they wait for each other beyond
DISK_SECONDS = 2.0  # for what all applications together have written
LOG_LINES = 2000  # at the end of the log of an application that serves
LAST = 64 * 1024  # bytes at the end of an audit, which hold its last line
RESULTS = {"failed": "refused"}
# An application whose record or release cannot be read.
UNREADABLE: dict[str, Any] = {
    **dict.fromkeys(("since", "path", "url", "restarts", "locked_by")),
    **dict.fromkeys(("image", "health", "container", "memory", "disk"), "-"),
    **{"state": "unreadable", "disk_bytes": None, "processes": {}, "previous": [], "advice": []},
}


class Status:
    """Reads links, records and containers of all applications."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.root = params["root"]
        self.links = live_links(params["nginx_root"])
        self.docker = Docker()
        known = {app.directory.name for app in Place(self.root).all_apps()} | set(self.links)
        self.names = sorted(name for name in known if not params["only"] or name in params["only"])
        if unknown := sorted(set(params["only"]) - known):
            raise HostError(
                f"there is no {', '.join(unknown)} on this host; there is"
                f" {', '.join(sorted(known)) or 'no application'}."
            )

    def apps(self) -> list[dict[str, Any]]:
        live = {name: links[0] for name, links in self.links.items() if name in self.names}
        containers = {name: f"{name}-{link['id']}" for name, link in live.items()}
        processes = {
            f"{name}-{link['id']}-{one}"
            for name, link in live.items()
            for one in self._processes(name, link["id"])
        }
        details = self._inspect([*containers.values(), *sorted(processes)])
        memory = self._memory(
            [name for name, found in details.items() if found["State"]["Running"]]
        )
        # Side by side: one that does not answer holds up no other.
        with ThreadPoolExecutor(AT_ONCE) as beside:
            return list(
                beside.map(
                    lambda name: self._app_or_reason(name, live.get(name), details, memory),
                    self.names,
                )
            )

    def _processes(self, name: str, identity: str) -> list[str]:
        return [
            process["name"]
            for process in read_release(self.root, name, identity).get("processes", [])
        ]

    def _state(self, details: dict[str, Any]) -> str:
        """In words, with the number of restarts where there were some."""
        state, restarts = (
            details.get("State", {}).get("Status", "missing"),
            details.get("RestartCount"),
        )
        return f"{state} ({restarts} restarts)" if restarts else state

    def _app_or_reason(
        self, name: str, link: dict[str, str] | None, found: dict[str, Any], memory: dict[str, str]
    ) -> dict[str, Any]:
        """One that cannot be read is shown as that, beside the others."""
        try:
            return self._app(name, link, found, memory)
        except Exception as error:
            reason = (
                str(error)
                if isinstance(error, (HostError, OSError))
                else f"{type(error).__name__}: {error}"
            )
            return {
                **UNREADABLE,
                "name": name,
                "release": link["id"] if link else None,
                "reason": reason,
            }

    def _disk(self, name: str) -> Size:
        """What its containers have written, of all releases that are kept."""
        places = [
            path
            for release in Place(self.root).app(name).all_releases()
            for path in release.written
        ]
        return size(places, DISK_SECONDS / len(self.names))

    def _refused(self, name: str) -> dict[str, Any]:
        """Why nothing of it serves: what became of its last run, by the audit."""
        try:
            with Place(self.root).app(name).audit.open("rb") as file:
                file.seek(-min(LAST, os.fstat(file.fileno()).st_size), os.SEEK_END)
                last = json.loads(file.read().splitlines()[-1])
            if last["result"] == "live":
                return {}
            return {
                "state": RESULTS.get(last["result"], last["result"]),
                "since": last["time"],
                "reason": last["reason"],
            }
        except (OSError, ValueError, LookupError, TypeError):
            return {}

    def _app(
        self, name: str, link: dict[str, str] | None, found: dict[str, Any], memory: dict[str, str]
    ) -> dict[str, Any]:
        record = Record(self.root, name)
        identity = link["id"] if link else None
        facts = read_release(self.root, name, identity) if identity else {}
        details = found.get(f"{name}-{identity}", {})
        state = details.get("State", {})
        refused, disk = {} if link else self._refused(name), self._disk(name)
        numbered = sorted(
            (
                (data["number"], release)
                for release, data in record.releases.items()
                if data.get("number")
            ),
            reverse=True,
        )
        return {
            "name": name,
            "release": identity,
            "state": next(
                (word for word, file in FILES.items() if link and file == link["file"]),
                refused.get("state", "absent"),
            ),
            "since": refused.get("since") or record.releases.get(identity or "", {}).get("live"),
            "image": (
                record.releases.get(identity or "", {})
                .get("image", "-")
                .removeprefix("sha256:")[:12]
            ),
            "health": (
                self._health(name, facts, details)
                if state.get("Running")
                else f"container {state.get('Status', 'missing')}"
            ),
            "container": f"{name}-{identity}" if identity else "-",
            "path": facts.get("path"),
            "url": url_of(facts, self.params["sites"], self.params["address"]) if facts else None,
            "memory": memory.get(f"{name}-{identity}", "-"),
            "restarts": details.get("RestartCount"),
            "processes": {
                one: self._state(found.get(f"{name}-{identity}-{one}", {}))
                for one in self._processes(name, identity or "-")
            },
            "previous": [release for _number, release in numbered if release != identity],
            "locked_by": holder(self.root, name).get("who"),
            "disk": str(disk),
            "disk_bytes": disk.bytes,
            "reason": refused.get("reason"),
            "advice": self._advice(details),
        }

    def _advice(self, details: dict[str, Any]) -> list[str]:
        """What its log and the kernel's counters say that a key puts right."""
        if not details.get("State", {}).get("Running"):
            return []
        count = killed(int(details["State"].get("Pid") or 0))
        starved = [memory_advice(details, count)] if count >= TOO_MANY else []
        return (
            advice.advice(logs(self.docker, details["Name"].lstrip("/"), LOG_LINES), details)
            + starved
        )

    def _health(self, name: str, facts: dict[str, Any], details: dict[str, Any]) -> str:
        """Its own answer to its health check, and whether the kernel kills what answers."""
        socket = Place(self.root).app(name).release(facts["id"]).socket
        connection = SocketConnection(str(socket), time.monotonic() + QUESTION_SECONDS)
        try:
            path = AppPath.of(facts).at_socket(facts["health"]["path"])
            status, _body = ask(
                connection, path, headers_for(health_host(facts, self.params["sites"]))
            )
        except PROBLEMS as error:
            return f"bad ({problem(error)})"
        finally:
            connection.close()
        return (
            f"{'ok' if accepts(status, facts['health']['status']) else 'bad'}"
            f" ({status}){in_status(details)}"
        )

    def _inspect(self, names: list[str]) -> dict[str, dict[str, Any]]:
        found = (
            json.loads(
                self.docker.run("inspect", "--type", "container", *names, check=False) or "[]"
            )
            if names
            else []
        )
        return {entry["Name"].lstrip("/"): entry for entry in found}

    def _memory(self, names: list[str]) -> dict[str, str]:
        if not names:
            return {}
        lines = self.docker.run(
            "stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}", *names, check=False
        ).splitlines()
        return {
            name: usage.replace(" / ", "/") for name, usage in (line.split("\t") for line in lines)
        }

    def releases(self) -> list[dict[str, Any]]:
        """What a rollback goes to: the release that was named, or the one before, of the
        applications of the last run.
        """
        targets = self._named(self.params["target"]) if self.params["target"] else self._before()
        result = []
        for name, identity in targets.items():
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
            link = self.links.get(name, [{"file": FILES["present"]}])[0]
            state = next((word for word, file in FILES.items() if file == link["file"]), "present")
            result.append(for_tasks(Release.from_record(facts, self.root, state)))
        return result

    def _named(self, target: str) -> dict[str, str]:
        found = {
            name: target
            for name in self.names
            if Record(self.root, name).releases.get(target, {}).get("number")
        }
        if not found:
            raise HostError(
                f"no application has been served by release {target}. "
                + " ".join(self._choices(name) for name in self.names)
            )
        return found

    def _before(self) -> dict[str, str]:
        records = {name: Record(self.root, name) for name in self.names if name in self.links}
        live = {name: self.links[name][0]["id"] for name in records}
        if not live:
            raise HostError(
                "no application serves on this host, so there is nothing to go back from."
            )
        # A route that was moved and not recorded: the run was cut off, and what is recorded served
        # before.
        cut = {
            name: records[name].data["live"]
            for name in live
            if records[name].data["live"] not in (None, live[name])
        }
        chosen = list(live) if self.params["only"] else list(cut) or self._last_run(records, live)
        found = {name: cut.get(name) or records[name].before(live[name]) for name in chosen}
        missing = [
            f"{name} has no release before {live[name]}."
            for name, identity in found.items()
            if not identity
        ]
        if missing:
            raise HostError(" ".join([*missing, *(self._choices(name) for name in chosen)]))
        return {name: identity for name, identity in found.items() if identity}

    def _last_run(self, records: dict[str, Record], live: dict[str, str]) -> list[str]:
        """What was released together goes back together."""
        entries = {name: record.releases.get(live[name], {}) for name, record in records.items()}
        last = max(entries.values(), key=lambda data: str(data.get("live", "")))
        return [
            name
            for name, data in entries.items()
            if data is last or data.get("run", name) == last.get("run")
        ]

    def _choices(self, name: str) -> str:
        known = {
            identity: data
            for identity, data in Record(self.root, name).releases.items()
            if data.get("number")
        }
        words = [
            f"{identity} (live since {data['live']})"
            for identity, data in sorted(known.items(), key=lambda item: -item[1]["number"])
        ]
        return f"Releases of {name}: {', '.join(words) or 'none'}."


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        status = Status(module.params)
        if module.params["rollback"]:
            module.exit_json(changed=False, releases=status.releases())
        module.exit_json(changed=False, apps=status.apps())
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
