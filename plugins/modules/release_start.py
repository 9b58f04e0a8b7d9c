#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_start
short_description: Start the container of a release and wait until it answers its health check
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Runs the C(release_command) of the application in a container of its own, which is gone
    afterwards. Its output is the result, or the error.
  - Creates and starts the container of the release. One that is there is left as it is, unless an
    option of it, its image or its environment is not what is wanted. One that is paused goes on.
  - Asks through the socket of the release, with the headers that Nginx will send, until the answer
    is good or the deadline is over. Fails early when the container exits. The error has the
    container's last log lines and the answers, and what to write where the log shows a cause that a
    key of the application puts right.
  - Refuses a release whose processes the kernel kills for want of memory, by the counters of its
    control group, although it answers.
  - Warns when a healthy container has logged such a cause, for example that it could not write to
    its read-only root file system, or that a thread which was started while the application was
    loaded does not run where requests are answered.
  - Creates the containers of its processes. M(flaskops.host.release_switch) starts them when all
    applications are ready, so that what they replace stops for a moment only.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.token
attributes:
  idempotent: {support: partial, description: The release_command runs each time; it has to be repeatable.}
options:
  container: {description: The options of the container of the release., type: dict, required: true}
  process_containers: {description: Those of the containers of its processes., type: list, elements: dict, default: []}
  start: {description: "Whether they are wanted, and not the release command alone.", type: bool, default: true}
  recreate: {description: "Whether containers that are there are replaced, whatever they are like.", type: bool, default: false}
  restart: {description: The restart policy., type: str, choices: ['no', unless-stopped], default: 'no'}
  log_driver: {description: The log driver of new containers; empty for that of the engine., type: str, default: ''}
  log_options: {description: Its options., type: dict, default: {}}
  release_command: {description: The words of the release command; none for no command., type: list, elements: str, default: []}
  release_command_seconds: {description: How long it may take., type: float, default: 600}
  socket: {description: The socket on the host., type: path, required: true}
  path: {description: The path of the application., type: str, required: true}
  path_mode: {description: How it learns its path., type: str, default: domain}
  engine: {description: What serves in its container., type: str, default: ""}
  script_name: {description: What a Gunicorn that is the image's own is told of the path., type: str, default: ""}
  health_path: {description: "The page that is asked for, below the path.", type: str, default: /}
  host: {description: The name that it is asked by., type: str, default: localhost}
  status: {description: The good answers such as C(200) or C(2xx)., type: list, elements: str, default: ['2xx', '3xx', '401', '403']}
  deadline_seconds: {description: How long the release may take., type: float, default: 60}
  interval_seconds: {description: The pause between two questions., type: float, default: 0.5}
"""

EXAMPLES = r"""
- name: Start the release
  flaskops.host.release_start:
    root: "{{ flask_apps_root }}"
    name: shop
    token: "{{ plan.lock.token }}"
    container: "{{ release.container }}"
    socket: "{{ release.socket }}"
    path: /shop
"""

RETURN = r"""
log:
  description: The last lines of what the container, or the release command, said.
  type: str
  returned: failure
stdout_lines:
  description: The last lines of what the release command said.
  type: list
  elements: str
  returned: success
status:
  description: The good answer.
  type: int
  returned: when it was started
seconds:
  description: How long it took.
  type: float
  returned: when it was started
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.host.reason import failed
from ..module_utils.releases.start import Start

ARGUMENTS: dict[str, Any] = {
    **shared("root", "name", "token"),
    "container": {"type": "dict", "required": True},
    "process_containers": {"type": "list", "elements": "dict", "default": []},
    "start": {"type": "bool", "default": True},
    "recreate": {"type": "bool", "default": False},
    "restart": {"type": "str", "choices": ["no", "unless-stopped"], "default": "no"},
    "log_driver": {"type": "str", "default": ""},
    "log_options": {"type": "dict", "default": {}},
    "release_command": {"type": "list", "elements": "str", "default": []},
    "release_command_seconds": {"type": "float", "default": 600},
    "socket": {"type": "path", "required": True},
    "path": {"type": "str", "required": True},
    "path_mode": {"type": "str", "default": "domain"},
    "engine": {"type": "str", "default": ""},
    "script_name": {"type": "str", "default": ""},
    "health_path": {"type": "str", "default": "/"},
    "host": {"type": "str", "default": "localhost"},
    "status": {"type": "list", "elements": "str", "default": ["2xx", "3xx", "401", "403"]},
    "deadline_seconds": {"type": "float", "default": 60},
    "interval_seconds": {"type": "float", "default": 0.5},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        start = Start(module.params)
    except HostError as error:
        module.fail_json(**failed(str(error)))
    try:
        result: dict[str, Any] = start.run()
    except (HostError, OSError) as error:
        result = {
            **failed(str(error)),
            **({"changed": True, "stdout": "\n".join(start.said)} if start.said else {}),
        }
    for words in start.warnings:
        module.warn(words)
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
