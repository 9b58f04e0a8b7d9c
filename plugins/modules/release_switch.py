#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Start the processes of new releases, switch Nginx to them, check that they serve,
  and record it
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - First starts the processes of each release, the containers that do not answer requests. Those of
    the release before that may not run beside them are stopped, and each new one must run for its
    C(ready_seconds); else its release fails, and the old ones run again.
  - Refuses a release whose processes the kernel has killed more than once for lack of memory.
  - Enables the restart policy of their containers, and moves the links of Nginx for all releases as
    one transaction. When Nginx refuses them together, each is tried alone, so that one bad fragment
    affects its own application only. Nginx is reloaded only where a fragment differs from the one
    before; then the link that the fragment goes through leads to the new release.
  - A release that replaces an application that this run removes does so in the same
    transaction.
  - Checks each through Nginx, moves the links of those back that do not serve, and records the
    others as live. Where another application has the place of one that must go back, all of them go
    back.
  - Checks the first page of each that serves, for two seconds, and its scripts, styles and
    images, for one. Redirects and links that leave the path, and files that are missing, are
    warnings.
  - All of it is one call, because the connection to the controller may be lost at any time.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.token
  - flaskops.host.arguments.sites
attributes:
  idempotent: {support: full, description: The same release gives the same result.}
options:
  rollback:
    description: Whether this is a rollback, which does not make a release the newest.
    type: bool
    default: false
  remove: {description: Applications that this run removes., type: list, elements: str, default: []}
  deadline_seconds:
    description: How many seconds the public checks may take together.
    type: float
    default: 15
  releases:
    description: The applications whose releases are ready, as M(flaskops.host.release_plan)
      returned them in C(work).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Switch to them
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
  description: Why each of the others does not serve.
  type: dict
  returned: success
token:
  description: The token of the run's lock, by which M(flaskops.host.release_finish) knows the
    result.
  type: str
  returned: success
logs:
  description: The last lines of their logs, if any.
  type: dict
  returned: success
reverted:
  description: The applications whose new release served for a moment and was taken back.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.files import HostError
from ..module_utils.host.typed import plain
from ..module_utils.nginx.steps import NginxError
from ..module_utils.releases.switch import Switch
from ..module_utils.releases.work import Work

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "token", "sites"),
    "rollback": {"type": "bool", "default": False},
    "remove": {"type": "list", "elements": "str", "default": []},
    "deadline_seconds": {"type": "float", "default": 15},
    "releases": {"type": "list", "elements": "dict", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    work = [Work.from_dict(entry) for entry in module.params.pop("releases")]
    try:
        switch = Switch(**module.params, work=work)
        done = switch.run()
    except (HostError, NginxError, OSError) as error:
        module.fail_json(msg=with_advice(f"The switch failed: {error}"))
    for warning in switch.warnings:
        module.warn(warning)
    module.exit_json(changed=bool(done.live), **plain(done))


if __name__ == "__main__":
    main()
