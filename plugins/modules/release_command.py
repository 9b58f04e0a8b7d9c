#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_command
short_description: Run the release_command of an application in its one-off container
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Starts a container that was created for it, waits for its end, and removes it. Its output is the result, or the error.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.token
attributes:
  diff_mode: {support: none, description: The command is the user's.}
  idempotent: {support: none, description: The command runs each time; it has to be repeatable.}
options:
  container: {description: The container., type: str, required: true}
  deadline_seconds: {description: How long the command may take., type: float, default: 600}
"""

EXAMPLES = r"""
- name: Migrate the database
  flaskops.host.release_command:
    root: "{{ flask_apps_root }}"
    name: shop
    token: "{{ plan.lock.token }}"
    container: shop-0123456789ab-command
"""

RETURN = r"""
log:
  description: The last lines of what the command said.
  type: str
  returned: failure
stdout_lines:
  description: The last lines of what the command said.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.engine import Docker, NoAnswer, logs, tail
from ..module_utils.host.files import HostError
from ..module_utils.host.reason import failed
from ..module_utils.releases.advice import advice as advice_on
from ..module_utils.releases.drain import remove
from ..module_utils.releases.lock import renew

ARGUMENTS: dict[str, Any] = {
    **shared("root", "name", "token"),
    "container": {"type": "str", "required": True},
    "deadline_seconds": {"type": "float", "default": 600},
}
LINES = 40
READ = 1000  # lines, in which what is to be written differently is looked for


def run(params: dict[str, Any], docker: Docker) -> tuple[list[str], list[str]]:
    """The last lines of the command's output, and what they say to write differently; HostError when it fails."""
    renew(params["root"], [params["name"]], params["token"], "release command")
    container, seconds = params["container"], params["deadline_seconds"]
    try:
        docker.run("start", container)
        try:
            code = docker.run("wait", container, seconds=seconds).strip()
        except NoAnswer:
            code = f"none within {seconds:g} s (release_command_seconds)"
        log = logs(docker, container, READ)
        advice = advice_on(log, docker.inspect(container))
    finally:
        remove([container], docker)
    if code != "0":
        said = "".join(f"\n  {line}" for line in tail(log, LINES)) or "\n  (nothing)"
        write = "".join(f"\n{words}" for words in advice)
        raise HostError(f"exit code {code}. The new release was not started. The last lines of its output:{said}{write}")
    return tail(log, LINES), advice


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        words, advice = run(module.params, Docker())
    except (HostError, OSError) as error:
        module.fail_json(**failed(f"release_command of {module.params['name']} failed: {error}"))
    for each in advice:
        module.warn(f"release_command of {module.params['name']} ended well, but its output shows a fault. {each}")
    module.exit_json(changed=True, stdout="\n".join(words))


if __name__ == "__main__":
    main()
