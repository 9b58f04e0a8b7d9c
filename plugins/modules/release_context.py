#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_context
short_description: Send the build context of a release, and of it only what the host has not got
version_added: 0.1.0
author: flaskops contributors
description:
  - Its action plugin on the controller asks which contents the kept releases of the application have, sends an archive of the others,
    and has the module write the whole archive C(context.tar) into the directory of the release.
  - When a kept archive is damaged, all of it is sent.
attributes:
  check_mode: {support: none, description: It is called only in a real run.}
  diff_mode: {support: none, description: The plan shows what is done.}
  idempotent: {support: full, description: The same source gives the same archive.}
options:
  root: {description: The directory of the releases., type: str, default: /var/lib/flaskops}
  name: {description: The application., type: str, required: true}
  id: {description: The release., type: str, required: true}
  token: {description: The token of the run's lock., type: str, required: true}
  src:
    description: The whole archive on the controller, as P(flaskops.host.build_context#lookup) writes it.
    type: str
  delta: {description: Set by the action plugin; what was sent. Without it the module only tells what the host has., type: path}
"""

EXAMPLES = r"""
- name: Send the source
  flaskops.host.release_context:
    name: shop
    id: 0123456789ab
    token: "{{ plan.lock.token }}"
    src: "{{ lookup('flaskops.host.build_context', 'files/shop') }}"
"""

RETURN = r"""
digests:
  description: Which contents the host has, when only that was asked.
  type: list
  elements: str
  returned: without O(delta)
sent:
  description: How many bytes went over the network.
  type: int
  returned: success
size:
  description: How many bytes the whole archive has.
  type: int
  returned: success
"""

import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._delta import Damaged, assemble, kept_digests
from ansible_collections.flaskops.host.plugins.module_utils._host import HostError
from ansible_collections.flaskops.host.plugins.module_utils._lock import renew
from ansible_collections.flaskops.host.plugins.module_utils._room import with_advice

ARGUMENTS: dict[str, Any] = {
    "root": {"type": "str", "default": "/var/lib/flaskops"},
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "token": {"type": "str", "required": True, "no_log": False},
    "src": {"type": "str"},
    "delta": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    name = module.params["name"]
    releases = Path(module.params["root"], "apps", name, "releases")
    try:
        if not module.params["delta"]:
            module.exit_json(changed=False, digests=kept_digests(releases))
        renew(module.params["root"], [name], module.params["token"], "send the source")
        assemble(Path(module.params["delta"]), releases / module.params["id"] / "context.tar", releases)
    except Damaged as error:
        module.fail_json(msg=f"The source of {name} could not be put together: {error}", damaged=True)
    except (HostError, OSError, tarfile.TarError) as error:
        module.fail_json(msg=with_advice(f"The source of {name} could not be written: {error}"))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
