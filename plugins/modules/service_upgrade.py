#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: service_upgrade
short_description: Give a service another major version, with its data
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Stops the application, saves the data of a service with its present version, loads it into a new
    data directory with the version of its entry, and starts both. If one of them is not healthy,
    the service gets its version and its data of before again.
  - The data of before stays beside the new one.
extends_documentation_fragment:
  - flaskops.host.attributes.backup
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
options:
  app:
    description: The name of the application.
    type: str
    required: true
  packed:
    description: The service, one of C(services) of a release, as JSON in base64.
    type: str
    required: true
  networks_pool:
    description: The private network that the networks of applications are taken from.
    type: str
    default: 10.201.0.0/16
  break_tokens:
    description: Tokens of locks that are taken over, whichever run holds them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Upgrade the database of the shop
  flaskops.host.service_upgrade:
    root: "{{ flask_apps_root }}"
    app: shop
    packed: "{{ service | to_json | b64encode }}"
"""

RETURN = r"""
result:
  description: The image C(before) and the C(image) of today, the C(bytes) of the data, for how many
    seconds the application was C(stopped), in C(kept) where the data of before is, and in C(undone)
    what was written after an upgrade that was interrupted.
  type: dict
  returned: success
"""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backups import moves
from ..module_utils.backups.upgrade import Upgrade
from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.host.flock import alone
from ..module_utils.host.places import BACKUP, Place
from ..module_utils.host.typed import plain, read
from ..module_utils.releases.services.service import ServiceSpec

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root"),
    "app": {"type": "str", "required": True},
    "packed": {"type": "str", "required": True, "no_log": True},
    "networks_pool": {"type": "str", "default": "10.201.0.0/16"},
    "break_tokens": {"type": "list", "elements": "str", "default": [], "no_log": False},
}


@contextmanager
def _without_backup(root: str, app: str) -> Iterator[None]:
    """No backup, drill or restore of the application runs as long as this lasts."""
    place = Place(root).app(app).job(BACKUP)
    if not place.directory.is_dir():
        yield
        return
    with alone(place.lock) as free:
        if not free:
            raise HostError("its backup, restore or drill runs; wait and run again.")
        yield


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    if module.check_mode:
        module.exit_json(changed=True, result={})
    spec = read(ServiceSpec, json.loads(b64decode(params["packed"])))
    words = (params["root"], params["nginx_root"], params["app"], spec, params["networks_pool"])
    try:
        one = Upgrade(*words, break_tokens=params["break_tokens"])
        with moves.naming(one.undone), _without_backup(params["root"], params["app"]):
            done = one.run()
    except (HostError, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"{params['app']}: {error}")
    module.exit_json(changed=done.before != done.image, result=plain(done))


if __name__ == "__main__":
    main()
