#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_context
short_description: Unpack a build context and say what the build may trust
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Unpacks an archive into C(context/) of a fresh directory and lays the Dockerfile beside it.
  - Where the build has to trust further authorities or to use another package index, every C(RUN)
    of the Dockerfile gets them as secrets of BuildKit, with the variables by which pip, apt, curl
    and the like find them. A secret is in no layer, so the image has no trace of them.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.build
attributes:
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: N/A, description: The directory is made anew.}
options:
  path: {description: The directory to make; what is there is removed., type: path, required: true}
  state: {description: Whether the directory is made or removed., type: str, choices: [present, absent], default: present}
  archive: {description: The tar archive on the host., type: path}
"""

EXAMPLES = r"""
- name: Unpack the context
  flaskops.host.build_context:
    path: "{{ release.build_directory }}"
    archive: /tmp/shop.tar
"""

RETURN = r"""
secrets:
  description: The options of C(docker build) that the Dockerfile needs.
  type: list
  elements: str
  returned: when O(state=present)
"""

import shutil
import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.images.unpack import unpack

ARGUMENTS: dict[str, Any] = {
    **shared("dockerfile", "ca_bundle", "index_url"),
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "archive": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ["archive"])],
        supports_check_mode=False,
    )
    secrets: list[str] = []
    try:
        existed = Path(module.params["path"]).exists()
        if module.params["state"] == "present":
            secrets = unpack(module.params)
        elif existed:
            shutil.rmtree(module.params["path"])
    except (HostError, OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"The build context could not be unpacked: {error}")
    module.exit_json(changed=existed or module.params["state"] == "present", secrets=secrets)


if __name__ == "__main__":
    main()
