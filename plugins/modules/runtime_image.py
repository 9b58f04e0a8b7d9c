#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_image
short_description: Build the runtime image, or take it from a registry or an archive
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Applications are built on the runtime image. Without O(repository) and O(image_archive) it is
    built on the host. Its action plugin on the controller sends the recipe or the archive.
  - The base image is pulled by the build, or with O(suite) bootstrapped by C(mmdebstrap) from the
    distribution's entries in the APT sources of the host, with the distribution's Python.
  - The tags of the image name its recipe, so a repository and an archive must have the image that
    would be built. A repository or archive with other tags only is refused, and the message names
    the missing ones. Only these images are loaded from an archive.
  - A login uses a temporary directory; nothing of it is kept on the host.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.trust
  - flaskops.host.arguments.login
attributes:
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: none, description: It is called for images that are missing.}
options:
  images:
    description: The images. C(image) is the reference, C(base) the image that it is built on, C('')
      for O(base), C(target) the stage, and C(first) whether it is the first of its runtime.
    type: list
    elements: dict
    required: true
  group:
    description: The group that the directory of the releases is open to.
    type: str
    default: ''
  recipe: {description: The directory of the recipe on the controller., type: path}
  repository:
    description: Where the images are pulled from, by the same tags.
    type: str
    default: ''
  image_archive:
    description: An archive of C(docker save) on the controller.
    type: str
    default: ''
  base:
    description: The base image of the host, which O(suite) makes.
    type: str
    default: ''
  suite:
    description: The distribution's release to bootstrap, such as C(trixie).
    type: str
    default: ''
  packages:
    description: The packages that a bootstrapped base has besides the essential ones.
    type: list
    elements: str
    default: []
  refresh:
    description: C(flask_apps_base_refresh); when it is set, the base is pulled again.
    type: str
    default: ''
  sent:
    description: Set by the action plugin; where the recipe or the archive is on the host.
    type: path
"""

EXAMPLES = r"""
- name: Pull the runtime image
  flaskops.host.runtime_image:
    root: /var/lib/flaskops
    images: [{image: "flaskops/runtime:0123456789ab", base: "", target: "", first: true}]
    repository: registry.example.org/flaskops/runtime
"""

RETURN = r"""
log:
  description: The last lines of the log of the build.
  type: str
  returned: failure
images:
  description: The digest of the configuration of each.
  type: dict
  returned: success
"""

import grp
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError
from ..module_utils.host.places import Place
from ..module_utils.host.reason import failed
from ..module_utils.images import runtime
from ..module_utils.images.bootstrap import Bootstrap

ARGUMENTS: dict[str, Any] = {
    **shared("root", "ca_bundle", "index_url", "username", "password"),
    "images": {"type": "list", "elements": "dict", "required": True},
    "group": {"type": "str", "default": ""},
    "recipe": {"type": "path"},
    "repository": {"type": "str", "default": ""},
    "image_archive": {"type": "str", "default": ""},
    "base": {"type": "str", "default": ""},
    "suite": {"type": "str", "default": ""},
    "packages": {"type": "list", "elements": "str", "default": []},
    "refresh": {"type": "str", "default": ""},
    "sent": {"type": "path"},
}


def make(params: Mapping[str, Any], docker: Docker) -> dict[str, str]:
    """The images and their digests, or an error that says which cannot be had."""
    stages = [runtime.Stage.from_dict(image) for image in params["images"]]
    images = [stage.image for stage in stages]
    if params["image_archive"] or params["repository"]:
        try:
            take(params, docker, images)
        except (HostError, OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"flask_apps_runtime_image: {error}") from error
    else:
        recipe_of(params).build(docker, Place(params["root"]), stages)
    return {image: docker.inspect(image, "image").get("Id", "") for image in images}


def take(params: Mapping[str, Any], docker: Docker, images: Sequence[str]) -> None:
    """Load or pull the images."""
    if params["image_archive"]:
        runtime.load(docker, images, params["sent"])
    else:
        runtime.pull_all(
            docker, images, params["repository"], params["username"], params["password"]
        )


def recipe_of(params: Mapping[str, Any]) -> runtime.Recipe:
    """What the images are built from."""
    suite, packages = params["suite"], tuple(params["packages"])
    return runtime.Recipe(
        archive=params["sent"],
        base=params["base"],
        bootstrap=Bootstrap(params["base"], suite, packages) if suite else None,
        refresh=params["refresh"],
        ca_bundle=params["ca_bundle"],
        index_url=params["index_url"],
    )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    params, group = module.params, module.params["group"]
    try:
        gid = grp.getgrnam(group).gr_gid if group else -1
        runtime.make_directories(Place(params["root"]), gid)
        images = make(params, Docker())
    except (HostError, OSError, KeyError, subprocess.TimeoutExpired) as error:
        module.fail_json(**failed(with_advice(str(error))))
    module.exit_json(changed=True, images=images)


if __name__ == "__main__":
    main()
