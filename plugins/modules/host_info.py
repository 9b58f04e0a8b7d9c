#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Gather in one call what all roles need to know of a host
version_added: 0.1.0
description:
  - Does what the modules M(flaskops.host.docker_info) and M(flaskops.host.nginx_info) do. Every
    call costs every run half a second.
author:
  - flaskops contributors (@flaskops)
extends_documentation_fragment:
  - flaskops.host.attributes.info
options:
  docker:
    description: The options of M(flaskops.host.docker_info).
    type: dict
    default: {}
  nginx:
    description: C(ports) and C(sites) of M(flaskops.host.nginx_info).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Gather facts of the host
  flaskops.host.host_info:
    docker: {users: [deploy]}
    nginx: {ports: [80, 8080], sites: [default]}
  register: found
"""

RETURN = r"""
docker:
  description: As M(flaskops.host.docker_info) returns it.
  type: dict
  returned: always
nginx:
  description: As M(flaskops.host.nginx_info) returns it.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.docker import gather as docker
from ..module_utils.host.typed import read
from ..module_utils.nginx import gather as nginx

ARGUMENTS = {
    "docker": {"type": "dict", "default": {}},
    "nginx": {"type": "dict", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    module.exit_json(
        changed=False,
        docker=docker.gather(read(docker.Question, params["docker"])).to_dict(),
        nginx=nginx.gather(
            nginx.Places(), params["nginx"]["ports"], params["nginx"]["sites"]
        ).to_dict(),
    )


if __name__ == "__main__":
    main()
