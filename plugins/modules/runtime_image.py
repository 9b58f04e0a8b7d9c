#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_image
short_description: Take the runtime image from a registry or an archive instead of building it
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - The tags of the runtime image say which recipe it was made by, so what is taken is what would
    have been built. A repository or an archive that has other tags only is refused, and the message
    says which are missing. Of an archive only these images are loaded.
  - A login is made in a directory of its own that is removed again; nothing of it stays on the
    host.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.login
attributes:
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: full, description: It is called for images that are missing.}
options:
  images: {description: "The images, such as C(flaskops/runtime:0123456789ab).", type: list, elements: str, required: true}
  repository: {description: "Where they are pulled from, by the same tags; empty with O(archive).", type: str, default: ''}
  archive: {description: "An archive of C(docker save) on the host; empty to pull them.", type: str, default: ''}
"""

EXAMPLES = r"""
- name: Take the runtime image
  flaskops.host.runtime_image:
    images: [flaskops/runtime:0123456789ab, flaskops/runtime:0123456789ab-build]
    repository: registry.example.org/flaskops/runtime
"""

RETURN = r"""
images:
  description: The digest of the configuration of each.
  type: dict
  returned: success
"""

import subprocess
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError
from ..module_utils.images import pull
from ..module_utils.images.archive import Archive

ARGUMENTS: dict[str, Any] = {
    **shared("username", "password"),
    "images": {"type": "list", "elements": "str", "required": True},
    "repository": {"type": "str", "default": ""},
    "archive": {"type": "str", "default": ""},
}
ADVICE = (
    "These tags belong to this version of the collection and to the base image of this inventory."
    " Leave flask_apps_runtime_image out once to have them built on a host, and bring them from"
    ' there: docs/sources.md, chapter "A runtime image that is ready".'
)


def take(params: Mapping[str, Any], docker: Docker) -> dict[str, str]:
    """All of the images, or an error that says which cannot be had."""
    if params["archive"]:
        archive = Archive(params["archive"])
        if missing := [image for image in params["images"] if image not in archive.images]:
            raise HostError(f"the archive has no {missing[0]}, it has {archive.names}. {ADVICE}")
        archive.load(docker, {image: image for image in params["images"]})
    for image in [] if params["archive"] else params["images"]:
        known = pull.names(docker)
        reference = f"{params['repository']}:{image.rpartition(':')[2]}"
        try:
            found = pull.pull(docker, reference, params["username"], params["password"])
        except HostError as error:
            raise HostError(
                f"{error}\nA login for it is that of flask_apps_defaults.registry. {ADVICE}"
            ) from error
        docker.run("tag", found["Id"], image)
        pull.forget_names(docker, found, known | {image})
    return {image: docker.inspect(image, "image").get("Id", "") for image in params["images"]}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        images = take(module.params, Docker())
    except (HostError, OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=with_advice(f"flask_apps_runtime_image: {error}"))
    module.exit_json(changed=True, images=images)


if __name__ == "__main__":
    main()
