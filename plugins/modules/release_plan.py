#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_plan
short_description: Say which applications of a host have work, and which
version_added: 0.1.0
author: flaskops contributors
description:
  - Reads the links of Nginx, the records of releases, the files of the live ones and the containers, for all applications in one call.
  - Changes nothing. It reports C(changed) in check mode, for the real run will.
attributes:
  check_mode: {support: full, description: Reports what the real run would do.}
  diff_mode: {support: full, description: The plan as sentences.}
  idempotent: {support: full, description: It only reads.}
options:
  root:
    description: The directory of the releases.
    type: str
    default: /var/lib/flaskops
  nginx_root:
    description: The directory of the Nginx configuration.
    type: str
    default: /etc/nginx
  images:
    description: Images whose absence is reported when there is work.
    type: list
    elements: str
    default: []
  releases:
    description: The wanted release of each application.
    type: list
    elements: dict
    required: true
    options:
      name: {description: The application., type: str, required: true}
      id: {description: The release., type: str, required: true}
      site: {description: The site it is reached on., type: str, required: true}
      secrets: {description: Digests of the secrets that have to lie on the host., type: dict, default: {}}
"""

EXAMPLES = r"""
- name: See what there is to do
  flaskops.host.release_plan:
    releases: [{name: shop, id: 0123456789ab, site: default}]
  register: plan
"""

RETURN = r"""
work:
  description: The applications with work. C(live) is the release that serves now, C(links) where, C(reason) a sentence.
  type: list
  elements: dict
  returned: always
unlisted:
  description: Applications that are on the host and not among the wanted.
  type: list
  elements: str
  returned: always
missing_images:
  description: Those of O(images) that are not on the host; empty when there is no work.
  type: list
  elements: str
  returned: always
docker:
  description: The C(command) of Docker, and whether it has the plugins C(buildx) and C(compose).
  type: dict
  returned: always
"""

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._host import (
    Docker,
    HostError,
    Record,
    digest,
    live_links,
    sentences,
)

RELEASE = {
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "site": {"type": "str", "required": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
}
ARGUMENTS = {
    "root": {"type": "str", "default": "/var/lib/flaskops"},
    "nginx_root": {"type": "str", "default": "/etc/nginx"},
    "images": {"type": "list", "elements": "str", "default": []},
    "releases": {"type": "list", "elements": "dict", "required": True, "options": RELEASE},
}


class Plan:
    """Compares what is wanted with what serves."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.root, self.wanted, self.images = params["root"], params["releases"], params["images"]
        self.links = live_links(params["nginx_root"])
        self.docker = Docker()
        self.running: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        """The plan for all applications."""
        if self.docker.command and self.wanted:
            self.running = {entry["Names"]: entry["State"] for entry in self.docker.containers("host.flaskops.app")}
        work = [
            {**self._serving(release), "name": release["name"], "id": release["id"], "reason": reason}
            for release in self.wanted
            if (reason := self._reason(release))
        ]
        there = self.docker.command and work
        known = {path.name for path in Path(self.root, "apps").glob("*") if path.is_dir()} | set(self.links)
        return {
            "work": work,
            "unlisted": sorted(known - {release["name"] for release in self.wanted}),
            "missing_images": [image for image in self.images if there and not self.docker.inspect(image, "image")],
            "docker": {"command": self.docker.command, **self.docker.plugins},
        }

    def _serving(self, release: dict[str, Any]) -> dict[str, Any]:
        links = self.links.get(release["name"], [])
        return {"live": self._live(release), "links": [{"site": site, "id": identity} for site, identity in links]}

    def _live(self, release: dict[str, Any]) -> str | None:
        return next((found for _site, found in self.links.get(release["name"], [])), None)

    def _reason(self, release: dict[str, Any]) -> str:
        """Why there is work for this application; "" when there is none."""
        name, identity = release["name"], release["id"]
        links = self.links.get(name, [])
        live = self._live(release)
        if live is None:
            return "it is not on this host yet"
        if live != identity:
            return f"release {live} serves"
        if links != [(release["site"], identity)]:
            return f"it serves on site {', '.join(site for site, _ in links)}"
        if Record(self.root, name).data["live"] != identity:
            return "the last run did not get to its end"
        if state := self._drift(name, identity, release["secrets"]):
            return state
        state = self.running.get(f"{name}-{identity}", "missing")
        if state != "running":
            return f"its container is {state}"
        socket = Path(self.root, "apps", name, "releases", identity, "run/app.sock")
        return "" if socket.is_socket() else f"{socket} is missing"

    def _drift(self, name: str, identity: str, secrets: dict[str, str]) -> str:
        directory = Path(self.root, "apps", name, "releases", identity)
        try:
            files = json.loads((directory / "release.json").read_text())["files"]
        except (OSError, ValueError, KeyError):
            return "its release.json is missing or broken"
        places = {directory / file: wanted for file, wanted in files.items()}
        places.update({directory / "secrets" / secret: wanted for secret, wanted in secrets.items()})
        changed = [str(file) for file, wanted in places.items() if digest(file) != wanted]
        return f"{', '.join(changed)} changed on the host" if changed else ""


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = Plan(module.params).run()
    except HostError as error:
        module.fail_json(msg=f"The plan could not be made: {error}")
    actions = [f"{entry['name']}: to release {entry['id']}; now {entry['reason']}" for entry in result["work"]]
    module.exit_json(changed=bool(module.check_mode and actions), actions=actions, diff=sentences(actions), **result)


if __name__ == "__main__":
    main()
