#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Start the processes of new releases, let them serve, see that they do, and record
  it
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - First the processes of each release, the containers that answer no requests. Those of the
    release before that may not run beside them are stopped, and each new one has to run for its
    C(ready_seconds); else its release fails, and the old ones run again.
  - Refuses a release whose processes the kernel has killed more than once for want of memory.
  - Lets their containers start by themselves, and moves the links of Nginx for all releases as one
    transaction. When Nginx refuses them together, each is tried alone, so that one bad fragment
    holds up its own application only. Nginx is reloaded only where a fragment differs from the one
    before; then the link that the fragment goes through leads to the new release.
  - An application that this run removes gives its place to a release of another name in the same
    transaction.
  - Asks each through Nginx, moves the links of those back that do not serve, and records the others
    as live. Where another has the place of one that has to go back, all of them do.
  - Looks at the first page of each that serves, for two seconds, and at its scripts, styles and
    images, for one. Redirects and links that leave the path, and files that are missing, are
    warnings.
  - All of it is one call, for a controller may be lost at any time.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.token
attributes:
  idempotent: {support: full, description: The same release gives the same.}
options:
  sites: {description: "The server blocks, as in C(nginx_host.sites).", type: list, elements: dict, required: true}
  rollback: {description: "Whether this goes back, which does not make a release the newest.", type: bool, default: false}
  remove: {description: Applications that this run removes., type: list, elements: str, default: []}
  deadline_seconds: {description: How long the question through Nginx may take for all of them., type: float, default: 15}
  releases:
    description: The applications whose releases are ready, as M(flaskops.host.release_plan)
      returned them in C(work).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Let them serve
  flaskops.host.release_switch:
    root: "{{ flask_apps_root }}"
    token: "{{ plan.lock.token }}"
    sites: "{{ nginx_host.sites }}"
    releases: "{{ plan.work }}"
"""

RETURN = r"""
live:
  description: The applications whose new release serves.
  type: list
  elements: str
  returned: success
failures:
  description: For each of the others, why not.
  type: dict
  returned: success
logs:
  description: For those of them that have said something, the last lines of it.
  type: dict
  returned: success
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.engine import Docker, logs, tail
from ..module_utils.host.files import HostError
from ..module_utils.host.places import Place
from ..module_utils.host.reason import apart, told_by
from ..module_utils.nginx.site import site_named
from ..module_utils.nginx.steps import NginxError
from ..module_utils.nginx.tree import move_links
from ..module_utils.releases import memory, process_steps, routes
from ..module_utils.releases.app_path import AppPath
from ..module_utils.releases.deploy import check_of, still_serves, switch_steps
from ..module_utils.releases.lock import renew
from ..module_utils.releases.page import look
from ..module_utils.releases.probe import check, config_of
from ..module_utils.releases.record import Record, live_links, read_release
from ..module_utils.releases.release import FILES

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "token"),
    "sites": {"type": "list", "elements": "dict", "required": True},
    "rollback": {"type": "bool", "default": False},
    "remove": {"type": "list", "elements": "str", "default": []},
    "deadline_seconds": {"type": "float", "default": 15},
    "releases": {"type": "list", "elements": "dict", "required": True},
}
AT_ONCE = 32  # applications that are asked side by side


class Switch:
    """The moment of all releases of a run."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.root, self.nginx_root = params["root"], params["nginx_root"]
        self.releases = {release["name"]: release for release in params["releases"]}
        for release in self.releases.values():
            release["displaced"] = self._displaced(release)
        self.docker = Docker()
        self.records: dict[str, Record] = {}
        self.failures: dict[str, str] = {}
        self.warnings: list[str] = []

    def run(self) -> dict[str, Any]:
        renew(self.root, self.releases, self.params["token"], "switch")
        try:
            self._stage()
            self.failures.update(
                process_steps.Start(self.root, self.docker).run(
                    [self.releases[name] for name in self._left()]
                )
            )
            self._refuse_starved(self._left())
            self._let_it_start_by_itself(self._left())
            self._move(self._left())
            moved = self._left()
            self._check(moved)
            self._move_back(moved)
            self._record(self._left())
            self._look(self._left())
        finally:
            for record in self.records.values():
                record.discard()
        live = self._left()
        told = {name: apart(text) for name, text in self.failures.items()}
        logs_of = {name: log for name, (_reason, log) in told.items() if log}
        reasons = {
            name: "\n".join(filter(None, (reason, told_by(log, reason))))
            for name, (reason, log) in told.items()
        }
        return {
            "changed": bool(live),
            "live": live,
            "failures": reasons,
            "logs": logs_of,
            "warnings": self.warnings,
        }

    def _displaced(self, release: dict[str, Any]) -> list[dict[str, str]]:
        """The routes of applications that this run removes, and whose place a release takes: an
        application that is renamed.
        """
        links = live_links(self.nginx_root)
        there = [
            {**link, "name": name} for name in self.params["remove"] for link in links.get(name, [])
        ]
        place = (release["site"], AppPath.of(release).prefix)
        paths = [
            AppPath(read_release(self.root, entry["name"], entry["id"]).get("path", "")).prefix
            for entry in there
        ]
        return [
            entry
            for entry, path in zip(there, paths, strict=True)
            if (entry["site"], path) == place
        ]

    def _left(self) -> list[str]:
        """Those that have not failed."""
        return [name for name in self.releases if name not in self.failures]

    def _stage(self) -> None:
        """What needs room on the disk comes before anything moves."""
        for name, release in self.releases.items():
            try:
                self._remember_static(name, release)
                record = self.records[name] = Record(self.root, name)
                record.mark(
                    release["id"], "live", self.params["rollback"], run=self.params["token"]
                )
                record.stage()
            except (HostError, OSError) as error:
                self._failed(name, "could not be recorded", error)

    def _check(self, moved: list[str]) -> None:
        """Side by side, so that one that does not answer takes no time from the others."""
        deadline = time.monotonic() + self.params["deadline_seconds"]
        with ThreadPoolExecutor(AT_ONCE) as beside:
            answers = list(beside.map(lambda name: check(self._question(name), deadline), moved))
        for name, why in zip(moved, answers, strict=True):
            if why:
                release = self.releases[name]
                self.failures[name] = (
                    f"{name}: release {release['id']} did not serve and was taken back:"
                    f" {why}{self._log(release)}"
                )

    def _look(self, names: list[str]) -> None:
        """At the first page of each that serves, side by side. What is found there is told and
        takes nothing back.
        """
        pages = [name for name in names if self.releases[name]["state"] == "present"]
        served = self._served() if pages else []
        with ThreadPoolExecutor(AT_ONCE) as beside:
            found = list(beside.map(lambda name: self._wrong(name, served), pages))
        for name, sentences in zip(pages, found, strict=True):
            self.warnings += [f"{name} serves, but {sentence}" for sentence in sentences]

    def _wrong(self, name: str, served: list[tuple[str, str, str]]) -> list[str]:
        release = self.releases[name]
        return look(
            site_named(release["site"], self.params["sites"]),
            release,
            self._neighbours(name, served),
        )

    def _served(self) -> list[tuple[str, str, str]]:
        """Each application that Nginx leads to, with its site and its path without the last slash."""
        links = [
            (name, link) for name, found in live_links(self.nginx_root).items() for link in found
        ]
        known = [
            (name, link["site"], read_release(self.root, name, link["id"]).get("path"))
            for name, link in links
        ]
        return [(name, site, AppPath(path).prefix) for name, site, path in known if path]

    def _neighbours(self, name: str, served: list[tuple[str, str, str]]) -> list[str]:
        """The paths of the other applications of its site."""
        return [
            path
            for other, site, path in served
            if other != name and site == self.releases[name]["site"]
        ]

    def _question(self, name: str) -> dict[str, Any]:
        release = self.releases[name]
        file = FILES[release["state"]]
        question = check_of(name, release["id"], release, self.params["sites"], file)
        question["config"] = config_of(Place(self.root).app(name).release(release["id"]).file(file))
        return question

    def _remember_static(self, name: str, release: dict[str, Any]) -> None:
        """A page of the release before still finds its files, until the next switch."""
        if not release["live"] or release["live"] == release["id"]:
            return
        app = Place(self.root).app(name)
        link = app.before
        aside = link.with_name(f".before.{os.getpid()}")
        with suppress(FileNotFoundError):
            aside.unlink()
        aside.symlink_to(app.release(release["live"]).static)
        os.replace(aside, link)

    def _move(self, names: list[str]) -> None:
        """All at once, and if that is refused, one by one."""
        if not names:
            return
        try:
            self._forward(names)
            return
        except NginxError as error:
            if len(names) == 1:
                self._failed(names[0], "was refused by Nginx", error)
                return
        for name in names:
            try:
                self._forward([name])
            except NginxError as error:
                self._failed(name, "was refused by Nginx", error)

    def _forward(self, names: list[str]) -> None:
        for name in names:
            routes.make(self.root, name, self.releases[name]["id"])
        self._apply(
            [switch_steps(self.releases[name], self.root, self.nginx_root) for name in names]
        )
        for name in names:
            try:
                routes.lead(self.root, name, self.releases[name]["id"])
            except OSError as error:
                self._failed(name, "could not be led to, and is taken back", error)

    def _backward(self, names: list[str]) -> None:
        for name in names:
            if live := self.releases[name]["live"]:
                routes.lead(self.root, name, live)
        self._apply(
            [switch_steps(self.releases[name], self.root, self.nginx_root) for name in names],
            "back_",
        )

    def _failed(self, name: str, what: str, error: Exception) -> None:
        release = self.releases[name]
        serves = still_serves(release["live"], release["id"])
        self.failures[name] = with_advice(
            f"{name}: release {release['id']} {what}; {serves}.\n{error}"
        )

    def _apply(self, steps: list[dict[str, Any]], prefix: str = "") -> None:
        links = [link for step in steps for link in step[f"{prefix}links"]]
        self.warnings += move_links(
            self.nginx_root, links, [path for step in steps for path in step[f"{prefix}absent"]]
        )

    def _move_back(self, moved: list[str]) -> None:
        """Those that failed; and where another has their place by now, all of this switch."""
        failed = [name for name in moved if name in self.failures]
        if not failed:
            return
        try:
            self._backward(failed)
        except NginxError as error:
            if failed == moved:
                raise
            for name in self._left():
                self._failed(
                    name,
                    f"was taken back, for {', '.join(failed)} did not serve and has to have its"
                    " place again",
                    error,
                )
            self._backward(moved)

    def _log(self, release: dict[str, Any]) -> str:
        words = logs(self.docker, f"{release['name']}-{release['id']}", 20)
        return "".join(
            ["\nThe last lines of its log:", *(f"\n  {line}" for line in tail(words, 20))]
        )

    def _refuse_starved(self, names: list[str]) -> None:
        """Those that were healthy and have gone on to die of memory."""
        starved = memory.starved(
            self.docker,
            [self._container(name) for name in names if self.releases[name]["state"] != "stopped"],
        )
        for name in names:
            if words := starved.get(self._container(name)):
                self._failed(name, "dies of memory", HostError(words))

    def _container(self, name: str) -> str:
        return f"{name}-{self.releases[name]['id']}"

    def _let_it_start_by_itself(self, names: list[str]) -> None:
        """Before the routes move: whenever the host goes down from now on, what they lead to comes
        up with it.
        """
        running = []
        for name in names:
            release = self.releases[name]
            if release["state"] != "stopped":
                running += [
                    f"{name}-{release['id']}",
                    *(
                        process_steps.container_of(release, process)
                        for process in release["processes"]
                    ),
                ]
        try:
            if running:
                self.docker.run("update", "--restart", "unless-stopped", *running)
        except HostError as error:
            for name in names:
                self._failed(name, "would not start again after a reboot", error)

    def _record(self, live: list[str]) -> None:
        """They serve: that is written down."""
        for name in live:
            try:
                self.records[name].commit()
            except OSError as error:
                self._failed(name, "could not be recorded and was taken back", error)
        self._move_back([name for name in live if name in self.failures])


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        result = Switch(module.params).run()
    except (HostError, NginxError, OSError) as error:
        module.fail_json(msg=with_advice(f"The switch failed: {error}"))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
