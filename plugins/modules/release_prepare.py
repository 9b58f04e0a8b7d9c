#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_prepare
short_description: Write the files of a release and make its image
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Creates the directory of a release, writes each of its files as a whole, and records the release
    as prepared. What serves is not touched.
  - Builds its image, or pulls or loads it. Of a source, only what the kept releases of the
    application do not have is sent; of an image archive, only what the release does not have.
  - Keeps the image with a container that is created and never started, so that C(docker image prune
    -a) does not remove it.
  - Copies the static files out of the image, without links, for Nginx to serve, and compresses each
    text file once. A C(name.gz) from the image is kept.
  - Creates its named volumes and its network.
  - No file of a build is left, even when it fails.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.token
  - flaskops.host.arguments.trust
  - flaskops.host.arguments.log
attributes:
  idempotent: {support: full, description: The same release is prepared in the same way again.}
options:
  release:
    description: The release, as P(flaskops.host.releases#lookup) returns it. The action plugin
      sends it to the host.
    type: dict
  build:
    description: Whether its image is made; without it, only its files are written.
    type: bool
    default: true
  known:
    description: The digests of the parts of its source that the host has, as
      M(flaskops.host.release_plan) returns them.
    type: list
    elements: str
    default: []
  restore:
    description:
      - Write nothing; make an earlier release ready to serve again. Its files must be as they were,
        or it is refused.
    type: bool
    default: false
  secrets_of:
    description: With O(restore), the release whose secrets it gets; empty for its own.
    type: str
    default: ""
  uids:
    description: The range that the uids of applications are taken from.
    type: str
    default: 70000-99999
  group:
    description: The group of Nginx's workers; it may enter the directory of the socket.
    type: str
    required: true
  networks_pool:
    description: The pool that the network of the application is taken from.
    type: str
    default: 10.201.0.0/16
  name:
    description: Set by the action plugin; the application.
    type: str
    required: true
  id:
    description: Set by the action plugin; the release.
    type: str
    required: true
  packed:
    description: Set by the action plugin; the release, in one piece.
    type: str
    required: true
  inline:
    description: Set by the action plugin; the part of the source that is sent, when it is small.
    type: str
  delta:
    description: Set by the action plugin; the part of the source that was sent, when it is larger.
    type: path
  archive:
    description: Set by the action plugin; the image archive that was sent.
    type: path
  archive_digest:
    description: Set by the action plugin; the SHA-256 of the image archive.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Prepare a release
  flaskops.host.release_prepare:
    token: "{{ flask_apps_plan.lock.token }}"
    release: "{{ release }}"
    group: www-data
"""

RETURN = r"""
actions:
  description: What was done.
  type: list
  elements: str
  returned: always
outcome:
  description: C(uid) is the user and group of the containers; C(network_made) whether a network was
    created, to which existing containers are not connected; C(image_id) the digest of the
    image's configuration, empty without O(build); C(static_files) how many files Nginx serves.
  type: dict
  returned: success
step:
  description: The step that failed.
  type: str
  returned: failure
lacks:
  description: What the action plugin must send, V(source) or V(archive).
  type: str
  returned: when it is not on the host
log:
  description: The last lines of the log of the build.
  type: str
  returned: failure
"""

import json
from base64 import b64decode
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.reason import failed
from ..module_utils.host.shown import shown
from ..module_utils.releases.prepare import Failed, Prepare, Request
from ..module_utils.releases.release import Release

ARGUMENTS: dict[str, Any] = {
    **shared("nginx_root", "token", "ca_bundle", "index_url", "name", "id"),
    **shared("log_driver", "log_options"),
    "release": {"type": "dict"},
    "build": {"type": "bool", "default": True},
    "known": {"type": "list", "elements": "str", "default": []},
    "restore": {"type": "bool", "default": False},
    "secrets_of": {"type": "str", "default": "", "no_log": False},
    "uids": {"type": "str", "default": "70000-99999"},
    "group": {"type": "str", "required": True},
    "networks_pool": {"type": "str", "default": "10.201.0.0/16"},
    "packed": {"type": "str", "required": True, "no_log": True},
    "inline": {"type": "str", "no_log": True},
    "delta": {"type": "path"},
    "archive": {"type": "path"},
    "archive_digest": {"type": "str", "default": ""},
}


def unpacked(text: str) -> Release:
    """The release that the action plugin has packed."""
    return Release.from_dict(json.loads(b64decode(text)))


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    prepare = Prepare(Request.from_dict(module.params), unpacked(module.params["packed"]))
    try:
        outcome = prepare.run().to_dict()
    except Failed as error:
        more = {"lacks": error.lacks} if error.lacks else {}
        reasons = failed(shown(str(error)))
        module.fail_json(**reasons, step=error.step, actions=prepare.actions, **more)
    for words in prepare.warnings:
        module.warn(shown(words))
    module.exit_json(changed=bool(prepare.actions), actions=prepare.actions, outcome=outcome)


if __name__ == "__main__":
    main()
