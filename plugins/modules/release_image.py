#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_image
short_description: Take a ready image for a release
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Pulls an image, or loads it from an archive, and gives it the name of the release. What it was
    called before the engine forgets, unless it knew that name already, so that the image is gone
    when the release is.
  - Of an archive nothing is loaded but the image that is wanted, and under the name of the release
    alone.
  - A login is made in a directory of its own that is removed again; nothing of it stays on the
    host.
  - What a tag led to is recorded, so that a release that has to be pulled once more gets the same
    image.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.id
  - flaskops.host.arguments.token
  - flaskops.host.arguments.login
attributes:
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: full, description: An image that is there already is the same one afterwards.}
options:
  reference: {description: The reference of the image., type: str, required: true}
  archive: {description: A tar archive on the host to load it from; empty to pull it., type: str, default: ''}
"""

EXAMPLES = r"""
- name: Take the image of a release
  flaskops.host.release_image:
    root: "{{ flask_apps_root }}"
    name: shop
    id: 0123456789ab
    token: "{{ plan.lock.token }}"
    reference: registry.example.org/shop:1.2
"""

RETURN = r"""
image_id:
  description: The digest of the image's configuration.
  type: str
  returned: success
"""

import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError
from ..module_utils.images import pull
from ..module_utils.images.archive import Archive
from ..module_utils.releases.lock import renew
from ..module_utils.releases.record import Record

ARGUMENTS: dict[str, Any] = {
    **shared("root", "name", "id", "token", "username", "password"),
    "reference": {"type": "str", "required": True},
    "archive": {"type": "str", "default": ""},
}


class Image:
    """A ready image on its way to the name of a release."""

    def __init__(self, params: dict[str, Any], docker: Docker | None = None) -> None:
        self.params, self.docker = params, docker or Docker()
        self.name = f"flaskops/{params['name']}:{params['id']}"
        self.record = Record(params["root"], params["name"])

    def run(self) -> dict[str, Any]:
        renew(self.params["root"], [self.params["name"]], self.params["token"], "take the image")
        known = pull.names(self.docker) | {self.name}
        before = self.docker.inspect(self.name, "image").get("Id")
        reference = self._same() or self.params["reference"]
        login = (self.params["username"], self.params["password"])
        found = (
            self._load() if self.params["archive"] else pull.pull(self.docker, reference, *login)
        )
        self.docker.run("tag", found["Id"], self.name)
        self._remember(found)
        pull.forget_names(self.docker, found, known)
        return {"changed": before != found["Id"], "image_id": found["Id"]}

    def _load(self) -> dict[str, Any]:
        archive = Archive(self.params["archive"])
        wanted = pull.familiar(self.params["reference"])
        names = {wanted, wanted if ":" in wanted.rsplit("/", 1)[-1] else f"{wanted}:latest"}
        there = [name for name in archive.images if not pull.is_reserved(name)]
        found = next(
            (name for name in there if pull.familiar(name) in names),
            there[0] if len(there) == 1 and "@" in wanted else "",
        )
        if not found:
            raise HostError(
                f"image is {wanted!r}, and its image_archive holds {archive.names}; write one of"
                " these as image."
            )
        archive.load(self.docker, {found: self.name})
        return self.docker.inspect(self.name, "image")

    def _same(self) -> str:
        """What the tag led to when this release was pulled first."""
        pulled = self.record.releases.get(self.params["id"], {}).get("pulled", "")
        return pulled if isinstance(pulled, str) else ""

    def _remember(self, found: dict[str, Any]) -> None:
        repository = pull.familiar(self.params["reference"].split("@")[0])
        repository = (
            repository.rsplit(":", 1)[0] if ":" in repository.rsplit("/", 1)[-1] else repository
        )
        digests = [
            name for name in found.get("RepoDigests") or [] if name.partition("@")[0] == repository
        ]
        if digests and not self.params["archive"] and not self._same():
            self.record.releases.setdefault(self.params["id"], {"state": "prepared"}).update(
                pulled=digests[0]
            )
            self.record.save()


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        result = Image(module.params).run()
    except (HostError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"Release {module.params['id']} of {module.params['name']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
