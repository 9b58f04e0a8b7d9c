#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_context
short_description: Send the build context of a release, of it only what the host has not got, and unpack it for the build
version_added: 0.1.0
author: flaskops contributors
description:
  - Its action plugin on the controller sends an archive of the contents that the kept releases of the application have not got, and the
    module writes the whole archive C(context.tar) into the directory of the release.
  - When a kept archive is damaged, all of it is sent.
  - Then the archive is unpacked, with a Dockerfile and with what the build trusts, as M(flaskops.host.build_context) does.
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
    description: The whole archive on the controller, as P(flaskops.host.build_context#lookup) writes it. Without it the release has it.
    type: str
  known: {description: "What the host has, as M(flaskops.host.release_files) returns it.", type: list, elements: str, default: []}
  inline: {description: "Set by the action plugin; what is sent, when it is little.", type: str}
  delta: {description: "Set by the action plugin; what was sent, when it is more.", type: path}
  path: {description: "Where it is unpacked, as in M(flaskops.host.build_context).", type: path, required: true}
  dockerfile: {description: As in M(flaskops.host.build_context)., type: str, default: ''}
  ca_bundle: {description: As in M(flaskops.host.build_context)., type: str, default: ''}
  index_url: {description: As in M(flaskops.host.build_context)., type: str, default: ''}
"""

EXAMPLES = r"""
- name: Send the source
  flaskops.host.release_context:
    name: shop
    id: 0123456789ab
    token: "{{ plan.lock.token }}"
    src: "{{ lookup('flaskops.host.build_context', 'files/shop') }}"
    path: /var/lib/flaskops/build/shop-0123456789ab
"""

RETURN = r"""
secrets:
  description: The options of C(docker build) that the Dockerfile needs.
  type: list
  elements: str
  returned: success
sent:
  description: How many bytes went over the network.
  type: int
  returned: when there is O(src)
size:
  description: How many bytes the whole archive has.
  type: int
  returned: when there is O(src)
"""

import base64
import binascii
import io
import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._delta import Damaged, assemble
from ansible_collections.flaskops.host.plugins.module_utils._host import HostError
from ansible_collections.flaskops.host.plugins.module_utils._lock import renew
from ansible_collections.flaskops.host.plugins.module_utils._room import with_advice
from ansible_collections.flaskops.host.plugins.module_utils._unpack import unpack

ARGUMENTS: dict[str, Any] = {
    "root": {"type": "str", "default": "/var/lib/flaskops"},
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "token": {"type": "str", "required": True, "no_log": False},
    "src": {"type": "str"},
    "known": {"type": "list", "elements": "str", "default": []},
    "inline": {"type": "str", "no_log": True},
    "delta": {"type": "path"},
    "path": {"type": "path", "required": True},
    "dockerfile": {"type": "str", "default": ""},
    "ca_bundle": {"type": "str", "default": ""},
    "index_url": {"type": "str", "default": "", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    params = module.params
    releases = Path(params["root"], "apps", params["name"], "releases")
    archive = releases / params["id"] / "context.tar"
    what = "put together"
    try:
        renew(params["root"], [params["name"]], params["token"], "send the source")
        if params["inline"] or params["delta"]:
            with io.BytesIO(base64.b64decode(params["inline"])) if params["inline"] else Path(params["delta"]).open("rb") as sent:
                assemble(sent, archive, releases)
        what = "unpacked"
        secrets = unpack({**params, "archive": archive})
    except Damaged as error:
        module.fail_json(msg=f"The source of {params['name']} could not be {what}: {error}", damaged=True)
    except (HostError, OSError, tarfile.TarError, binascii.Error) as error:
        module.fail_json(msg=with_advice(f"The source of {params['name']} could not be {what}: {error}"))
    module.exit_json(changed=True, secrets=secrets)


if __name__ == "__main__":
    main()
