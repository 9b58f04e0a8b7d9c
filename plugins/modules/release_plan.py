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
      state:
        description: Whether it answers, answers that it is under maintenance, or is stopped.
        type: str
        choices: [present, maintenance, stopped]
        default: present
      secrets: {description: Digests of the secrets that have to lie on the host., type: dict, default: {}}
  absent:
    description: Applications that must not be on the host.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See what there is to do
  flaskops.host.release_plan:
    releases: [{name: shop, id: 0123456789ab, site: default}]
  register: plan
"""

RETURN = r"""
work:
  description: The applications with work. C(live) is the release that serves now, C(links) where, C(reason) a sentence, C(build) and
    C(recreate) what there is to do.
  type: list
  elements: dict
  returned: always
remove:
  description: Those of O(absent) that are on the host.
  type: list
  elements: str
  returned: always
repairs:
  description: By application, what runs that were cut off have left.
  type: dict
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._deploy import FILES
from ansible_collections.flaskops.host.plugins.module_utils._host import HostError, sentences
from ansible_collections.flaskops.host.plugins.module_utils._plan import Plan, sentences_of

RELEASE = {
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "site": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(FILES), "default": "present"},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
}
ARGUMENTS: dict[str, Any] = {
    "root": {"type": "str", "default": "/var/lib/flaskops"},
    "nginx_root": {"type": "str", "default": "/etc/nginx"},
    "images": {"type": "list", "elements": "str", "default": []},
    "releases": {"type": "list", "elements": "dict", "required": True, "options": RELEASE},
    "absent": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = Plan(module.params).run()
    except HostError as error:
        module.fail_json(msg=f"The plan could not be made: {error}")
    actions = sentences_of(result)
    module.exit_json(changed=bool(module.check_mode and actions), actions=actions, diff=sentences(actions), **result)


if __name__ == "__main__":
    main()
