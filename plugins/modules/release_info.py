#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Gather what runs on a host, and the releases that a rollback can go to
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - For every application of the host, listed or not, its live release, its health, its container,
    and its releases.
  - For each that runs, how to fix faults that its log shows (C(advice)), such as a
    read-only root file system.
  - Asks each application through its own socket, so that the answer does not depend on Nginx. All
    are asked in parallel, and each request ends after 10 seconds.
extends_documentation_fragment:
  - flaskops.host.attributes.info
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.sites
options:
  address:
    description: The address of the host, where a site has no name.
    type: str
    default: localhost
  target:
    description: The id of the release to look for; empty for the one before.
    type: str
    default: ""
  only:
    description: The applications to look at; empty for all.
    type: list
    elements: str
    default: []
  rollback:
    description: Return in RV(releases) what a rollback goes to, and fail when there is nothing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Gather what runs
  flaskops.host.release_info:
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
    returns them.
  type: list
  elements: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backups.order import backup_states
from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.releases.restore import for_tasks
from ..module_utils.releases.status import Status
from ..module_utils.releases.targets import Targets

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "sites"),
    "address": {"type": "str", "default": "localhost"},
    "target": {"type": "str", "default": ""},
    "only": {"type": "list", "elements": "str", "default": []},
    "rollback": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    root, nginx_root, sites, address, target, only, rollback = map(module.params.get, ARGUMENTS)
    try:
        if rollback:
            releases = Targets(root, nginx_root, target, only).releases()
            module.exit_json(changed=False, releases=[for_tasks(each) for each in releases])
        apps = Status(root, nginx_root, sites, address, only).apps()
        saved = backup_states(root, [app.name for app in apps])
        found = [{**app.to_dict(), "backup": saved.get(app.name, {})} for app in apps]
        module.exit_json(changed=False, apps=found)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
