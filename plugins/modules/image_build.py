#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build an image from an unpacked context with BuildKit
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Builds what M(flaskops.host.build_context) has unpacked, with the engine's own builder.
extends_documentation_fragment:
  - flaskops.host.attributes.step
attributes:
  idempotent: {support: none, description: It builds whenever it is called; the engine has its cache.}
options:
  path: {description: "The directory, with C(Dockerfile) and C(context).", type: path, required: true}
  image: {description: The name of the image., type: str, required: true}
  secrets: {description: "What M(flaskops.host.build_context) returned.", type: list, elements: str, default: []}
  arguments: {description: Build arguments., type: dict, default: {}}
  target: {description: The stage to build; empty for the last., type: str, default: ''}
  pull: {description: Whether the base is asked for at its registry also when the host has it., type: bool, default: false}
"""

EXAMPLES = r"""
- name: Build
  flaskops.host.image_build:
    path: "{{ places.runtime }}"
    image: flaskops/runtime:0123456789ab
    secrets: "{{ unpacked.secrets }}"
"""

RETURN = r"""
log:
  description: The last lines of what the build said.
  type: str
  returned: failure
image_id:
  description: The digest of the image's configuration.
  type: str
  returned: success
"""

import subprocess

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.disk import with_advice
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError
from ..module_utils.host.reason import failed
from ..module_utils.images.build import build

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "image": {"type": "str", "required": True},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "arguments": {"type": "dict", "default": {}},
    "target": {"type": "str", "default": ""},
    "pull": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    params, docker = module.params, Docker()
    more = [f"--build-arg={name}={value}" for name, value in params["arguments"].items()]
    more += [f"--target={params['target']}"] if params["target"] else []
    more += ["--pull"] if params["pull"] else []
    try:
        build(docker, params["path"], params["image"], params["secrets"], more)
        image = docker.inspect(params["image"], "image").get("Id", "")
    except (HostError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(**failed(with_advice(f"{params['image']} could not be built: {error}")))
    module.exit_json(changed=True, image_id=image)


if __name__ == "__main__":
    main()
