#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_check
short_description: Ask Nginx whether the new releases serve
version_added: 0.1.0
author: flaskops contributors
description:
  - Asks on loopback, with the name of the site, until the worker that answers knows the new release, then for the health check
    on the same connection.
  - A reload is asynchronous, so the first answers may be an old worker's.
attributes:
  check_mode: {support: none, description: It is called only in a real run.}
  diff_mode: {support: none, description: The plan shows what is done.}
  idempotent: {support: full, description: The same release gives the same.}
options:
  port: {description: The port that Nginx listens on., type: int, default: 80}
  deadline_seconds: {description: How long all of them may take., type: float, default: 15}
  releases:
    description: What has been switched to.
    type: list
    elements: dict
    required: true
    options:
      name: {description: The application., type: str, required: true}
      id: {description: The release., type: str, required: true}
      prefix: {description: The path of the application without the last slash., type: str, required: true}
      path: {description: The path of the health check., type: str, required: true}
      host: {description: The name that users reach the site under., type: str, default: localhost}
      port: {description: The port of the site where it is another., type: int}
      status: {description: The good answers., type: list, elements: str, default: ['2xx', '3xx', '401', '403']}
"""

EXAMPLES = r"""
- name: Ask through Nginx
  flaskops.host.release_check:
    releases: [{name: shop, id: 0123456789ab, prefix: /shop, path: /shop/}]
"""

RETURN = r"""
failed_releases:
  description: For each application that does not serve as it should, why.
  type: dict
  returned: always
"""

import http.client
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._probe import accepts, ask, summary

RELEASE = {
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "prefix": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "host": {"type": "str", "default": "localhost"},
    "port": {"type": "int"},
    "status": {"type": "list", "elements": "str", "default": ["2xx", "3xx", "401", "403"]},
}
ARGUMENTS = {
    "port": {"type": "int", "default": 80},
    "deadline_seconds": {"type": "float", "default": 15},
    "releases": {"type": "list", "elements": "dict", "required": True, "options": RELEASE},
}
# A login in front of the application answers these; the right release is known by then.
GUARDED = ("401", "403")
# It was healthy a moment ago. What it answers for longer than this, its users get.
UNWELL_SECONDS = 3


def check(release: dict[str, Any], port: int, deadline: float) -> str:
    """Why a release does not serve; "" when it does."""
    answers: list[str] = []
    found = 0.0  # since when the new release has been there and has not been well
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", release["port"] or port, timeout=10)
        try:
            status, body = ask(connection, f"{release['prefix']}/.flaskops/release", {"Host": release["host"]})
            answers.append(f"{status} {body.strip()[:80]}")
            if body.split() == [release["name"], release["id"]]:
                found = found or time.monotonic()
            if body.split() == [release["name"], release["id"]]:
                status, body = ask(connection, release["path"], {"Host": release["host"]})
                answers[-1] += f", {release['path']} {status}"
                if accepts(status, [*release["status"], *GUARDED]):
                    return ""
        except (OSError, http.client.HTTPException) as error:
            answers.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        if time.monotonic() > deadline or (found and time.monotonic() - found > UNWELL_SECONDS):
            return f"asked as {release['host']} on 127.0.0.1:{release['port'] or port}, Nginx answered " + "; ".join(summary(answers))
        time.sleep(0.05)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    deadline = time.monotonic() + module.params["deadline_seconds"]
    found = {release["name"]: check(release, module.params["port"], deadline) for release in module.params["releases"]}
    module.exit_json(changed=False, failed_releases={name: why for name, why in found.items() if why})


if __name__ == "__main__":
    main()
