#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_start
short_description: Start the containers of a release and wait for its health check
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Runs the C(release_command) of the application in a container that is removed afterwards. Its
    output is in the result, or in the error.
  - Creates and starts the container of the release, as its C(release.json) describes it. An
    existing one is kept, unless its image, its environment or another option differs. A paused one
    is unpaused.
  - Sends requests through the socket of the release, with the headers that Nginx will send, until
    the answer is good or the deadline is over. Fails early when the container exits. The error has
    the container's last log lines, the answers, and what to write when the log shows a cause
    that a key of the application fixes.
  - Refuses a release whose processes the kernel kills for lack of memory, by the counters of its
    control group, even when it answers.
  - Warns when a healthy container has logged such a cause, for example that it could not write to
    its read-only root file system, or that a thread started while the application was
    loaded does not run in the processes that answer requests.
  - Creates the containers of its processes. M(flaskops.host.release_switch) starts them when all
    applications are ready, so that the processes that they replace stop only for a moment.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.id
  - flaskops.host.arguments.token
  - flaskops.host.arguments.log
attributes:
  idempotent:
    support: partial
    description: The release command runs each time; it must be repeatable.
options:
  uid:
    description: The user of its containers, as M(flaskops.host.release_prepare) returns it.
    type: int
    required: true
  host:
    description: The host name in the requests.
    type: str
    default: localhost
  scheme:
    description: What clients speak, which the requests name.
    type: str
    choices: [http, https]
    default: http
  start:
    description: Whether it is started; without it, only its release command runs.
    type: bool
    default: true
  recreate:
    description: Whether containers that exist already are replaced.
    type: bool
    default: false
  restart:
    description: The restart policy.
    type: str
    choices: ['no', unless-stopped]
    default: 'no'
  release_command:
    description: The words of the release command; empty for no command.
    type: list
    elements: str
    default: []
  release_command_seconds:
    description: How many seconds it may take.
    type: float
    default: 600
"""

EXAMPLES = r"""
- name: Start the release
  flaskops.host.release_start:
    root: "{{ flask_apps_root }}"
    name: shop
    id: 0123456789ab
    token: "{{ flask_apps_plan.lock.token }}"
    uid: "{{ prepared.outcome.uid }}"
"""

RETURN = r"""
actions:
  description: What was done.
  type: list
  elements: str
  returned: always
outcome:
  description: C(status) is the good answer, C(seconds) how long it took; empty when it was not
    started.
  type: dict
  returned: success
log:
  description: The last lines of the log of the container, or of the output of the release command.
  type: str
  returned: failure
stdout_lines:
  description: The last lines of the output of the release command.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.host.reason import failed
from ..module_utils.releases.start import Request, Start

ARGUMENTS: dict[str, Any] = {
    **shared("root", "name", "id", "token", "log_driver", "log_options"),
    "uid": {"type": "int", "required": True},
    "host": {"type": "str", "default": "localhost"},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
    "start": {"type": "bool", "default": True},
    "recreate": {"type": "bool", "default": False},
    "restart": {"type": "str", "choices": ["no", "unless-stopped"], "default": "no"},
    "release_command": {"type": "list", "elements": "str", "default": []},
    "release_command_seconds": {"type": "float", "default": 600},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        start = Start(Request.from_dict(module.params))
    except HostError as error:
        module.fail_json(**failed(str(error)))
    answer, reasons = None, dict[str, str]()
    try:
        answer = start.run()
    except (HostError, OSError) as error:
        reasons = failed(str(error))
    for words in start.warnings:
        module.warn(words)
    done = {"changed": bool(start.actions), "actions": start.actions}
    done["stdout"] = "\n".join(start.said)
    if reasons:
        module.fail_json(**reasons, **done)
    outcome = {"status": answer.status, "seconds": answer.seconds} if answer else {}
    module.exit_json(outcome=outcome, **done)


if __name__ == "__main__":
    main()
