#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: docker_info
short_description: Gather in one call what the role docker needs to know of a host
version_added: 0.1.0
description:
  - Looks at the engine, the packages, the configuration, the service and the users of a host, and
    changes nothing.
  - It needs neither the Docker SDK for Python nor C(requests), so it works on a bare host.
author: flaskops contributors (@flaskops)
options:
  users:
    description: Users whose existence and membership in the group C(docker) are looked up.
    type: list
    elements: str
    default: []
  daemon_options:
    description:
      - The value of V(docker_daemon_options) of the role.
      - When the resulting file differs from the one on the host, its C(dockerd) validates it.
    type: dict
    default: {}
  wake:
    description: Query the engine even when that makes systemd start it (its socket listens, its
      service is stopped).
    type: bool
    default: false
  wait_seconds:
    description: How many seconds to wait for an engine that does not answer yet.
    type: int
    default: 0
  live_restore:
    description: With O(wait_seconds), also wait until live-restore is enabled.
    type: bool
    default: false
extends_documentation_fragment:
  - flaskops.host.attributes.info
"""

EXAMPLES = r"""
- name: Gather facts of the Docker Engine of this host
  flaskops.host.docker_info:
    users: [deploy]
  register: found
"""

RETURN = r"""
docker:
  description: What was found, as the filter P(flaskops.host.docker_plan#filter) expects it.
  returned: always
  type: dict
  sample:
    engine: {version: 26.1.5, api_version: "1.45", containers_running: 2, started_by: service}
    packages: {docker.io: 26.1.5+dfsg1-9}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.docker.gather import Question, gather

ARGUMENTS: dict[str, Any] = {
    "users": {"type": "list", "elements": "str", "default": []},
    "daemon_options": {"type": "dict", "default": {}},
    "wake": {"type": "bool", "default": False},
    "wait_seconds": {"type": "int", "default": 0},
    "live_restore": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, docker=gather(Question(**module.params)).to_dict())


if __name__ == "__main__":
    main()
