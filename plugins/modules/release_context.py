#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_context
short_description: Send the build context of a release, of it only what the host has not got, and
  unpack it for the build
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Its action plugin on the controller sends an archive of the contents that the kept releases of
    the application have not got, and the module writes the whole archive C(context.tar) into the
    directory of the release.
  - When a kept archive is damaged, all of it is sent.
  - Then the archive is unpacked, with a Dockerfile and with what the build trusts, with
    the secrets that its C(RUN) lines need.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.id
  - flaskops.host.arguments.token
  - flaskops.host.arguments.dockerfile
  - flaskops.host.arguments.trust
attributes:
  idempotent: {support: full, description: The same source gives the same archive.}
options:
  src:
    description: The whole archive on the controller, as P(flaskops.host.build_context#lookup)
      writes it. Without it the release has it.
    type: str
  known: {description: "What the host has, as M(flaskops.host.release_files) returns it.", type: list, elements: str, default: []}
  inline: {description: "Set by the action plugin; what is sent, when it is little.", type: str}
  delta: {description: "Set by the action plugin; what was sent, when it is more.", type: path}
  path: {description: "Where it is unpacked, with C(Dockerfile) and C(context).", type: path, required: true}
"""

EXAMPLES = r"""
- name: Send the source
  flaskops.host.release_context:
    root: "{{ flask_apps_root }}"
    name: shop
    id: 0123456789ab
    token: "{{ plan.lock.token }}"
    src: "{{ lookup('flaskops.host.build_context', 'files/shop') }}"
    path: "{{ release.build_directory }}"
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

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.files import HostError
from ..module_utils.host.places import Place
from ..module_utils.images.delta import Damaged, assemble
from ..module_utils.images.unpack import unpack
from ..module_utils.releases.lock import renew

ARGUMENTS: dict[str, Any] = {
    **shared("root", "name", "id", "token", "dockerfile", "ca_bundle", "index_url"),
    "src": {"type": "str"},
    "known": {"type": "list", "elements": "str", "default": []},
    "inline": {"type": "str", "no_log": True},
    "delta": {"type": "path"},
    "path": {"type": "path", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    params = module.params
    app = Place(params["root"]).app(params["name"])
    archive = app.release(params["id"]).context
    what = "put together"
    try:
        renew(params["root"], [params["name"]], params["token"], "send the source")
        if params["inline"] or params["delta"]:
            with (
                io.BytesIO(base64.b64decode(params["inline"]))
                if params["inline"]
                else Path(params["delta"]).open("rb")
            ) as sent:
                assemble(sent, archive, app.releases)
        what = "unpacked"
        secrets = unpack({**params, "archive": archive})
    except Damaged as error:
        module.fail_json(
            msg=f"The source of {params['name']} could not be {what}: {error}", damaged=True
        )
    except (HostError, OSError, tarfile.TarError, binascii.Error) as error:
        module.fail_json(
            msg=with_advice(f"The source of {params['name']} could not be {what}: {error}")
        )
    module.exit_json(changed=True, secrets=secrets)


if __name__ == "__main__":
    main()
