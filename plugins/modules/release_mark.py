#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_mark
short_description: Record what became of releases
version_added: 0.1.0
author: flaskops contributors
description:
  - Writes the state of releases into the records, each as a whole.
  - The container of a live release restarts by itself from now on; until then a failed start is not repeated.
attributes:
  check_mode: {support: none, description: It is called only in a real run.}
  diff_mode: {support: none, description: The plan shows what is done.}
  idempotent: {support: full, description: The same release gives the same.}
options:
  root: {description: The directory of the releases., type: str, default: /var/lib/flaskops}
  releases:
    description: Releases and what became of them.
    type: list
    elements: dict
    required: true
    options:
      name: {description: The application., type: str, required: true}
      id: {description: The release., type: str, required: true}
      state: {description: What became of it., type: str, choices: [live, failed], required: true}
      reason: {description: Why it failed., type: str, default: ''}
"""

EXAMPLES = r"""
- name: Record what serves
  flaskops.host.release_mark:
    releases: [{name: shop, id: 0123456789ab, state: live}]
"""

RETURN = r""" # """

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._host import Docker, HostError, Record

RELEASE = {
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["live", "failed"], "required": True},
    "reason": {"type": "str", "default": ""},
}
ARGUMENTS = {
    "root": {"type": "str", "default": "/var/lib/flaskops"},
    "releases": {"type": "list", "elements": "dict", "required": True, "options": RELEASE},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    releases = module.params["releases"]
    live = [f"{release['name']}-{release['id']}" for release in releases if release["state"] == "live"]
    try:
        if live:
            Docker().run("update", "--restart", "unless-stopped", *live)
        for release in releases:
            record = Record(module.params["root"], release["name"])
            record.mark(release["id"], release["state"], **({"reason": release["reason"]} if release["reason"] else {}))
            record.save()
    except (HostError, OSError) as error:
        module.fail_json(msg=f"The records could not be written: {error}")
    module.exit_json(changed=bool(releases))


if __name__ == "__main__":
    main()
