#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_attach
short_description: Describe how a terminal reaches the containers of an application
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Returns the commands with which C(bin/flaskops) shows the logs of an application, starts a
    command in one of its containers, or in a new container of its live release. It starts nothing.
  - The action of the same name writes the answer to a file on the controller, with the connection
    to the host.
extends_documentation_fragment:
  - flaskops.host.attributes.info
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.name
options:
  action:
    description: What to describe.
    type: str
    required: true
    choices: [logs, exec, run, releases]
  process:
    description: One of its processes, or C(web) for the container that answers requests.
    type: str
    default: ""
  terminal:
    description: Whether the command gets a terminal.
    type: bool
    default: false
  seconds:
    description: How old the lines of its logs may be; 0 for any age.
    type: float
    default: 0
  lines:
    description: How many of the last lines of each log; 0 for all.
    type: int
    default: 0
  follow:
    description: Whether new lines are shown as they come.
    type: bool
    default: false
  answers:
    description: A directory on the controller, to which the answer is written; empty for none.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Gather the releases of an application
  flaskops.host.release_attach:
    root: "{{ flask_apps_root }}"
    name: shop
    action: releases
  register: shop
"""

RETURN = r"""
found: {description: Whether the host has the application., type: bool, returned: success}
apps:
  description: The applications of the host.
  type: list
  elements: str
  returned: success
python: {description: The Python of the host., type: str, returned: success}
task:
  description: For logs, exec and run, what is started on the host.
  type: dict
  returned: success
releases:
  description: For releases, each with C(id), C(state), C(since), C(back) (whether a rollback goes
    to it) and C(reason) (why it failed).
  type: list
  elements: dict
  returned: success
"""

import sys
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.releases.attach import Attach, applications

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "name"),
    "action": {"type": "str", "required": True, "choices": ["logs", "exec", "run", "releases"]},
    "process": {"type": "str", "default": ""},
    "terminal": {"type": "bool", "default": False},
    "seconds": {"type": "float", "default": 0},
    "lines": {"type": "int", "default": 0},
    "follow": {"type": "bool", "default": False},
    "answers": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    root, nginx_root, name = given["root"], given["nginx_root"], given["name"]
    known = {"apps": applications(root, nginx_root), "python": sys.executable}
    try:
        app = Attach(root, nginx_root, name, given["process"], given["terminal"])
        if not app.is_there:
            module.exit_json(changed=False, found=False, **known)
        if given["action"] == "releases":
            module.exit_json(changed=False, found=True, releases=app.releases(), **known)
        if given["action"] == "logs":
            task = app.logs(given["seconds"], given["lines"], given["follow"])
        else:
            task = app.exec() if given["action"] == "exec" else app.run()
        module.exit_json(changed=False, found=True, task=task, **known)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error), found=True, **known)


if __name__ == "__main__":
    main()
