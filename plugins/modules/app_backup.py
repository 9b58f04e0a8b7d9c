#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_backup
short_description: Try, save and restore the backup of an application
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - C(test) opens the repository of an application with its password, and creates it where it is
    missing. Nothing on the host changes. A place that was tried before is not tried again, unless
    its last backup failed; then a failure is a warning, because the application must be deployable
    while the place is out of reach.
  - C(save) starts the backup of the application and waits for it.
  - C(restore) restores a backup, into the volumes of the application, which is stopped meanwhile,
    or into a directory.
extends_documentation_fragment:
  - flaskops.host.attributes.backup
  - flaskops.host.arguments.root
options:
  action:
    description: What to do.
    type: str
    choices: [test, save, restore]
    required: true
  app:
    description: The name of the application.
    type: str
    required: true
  repository:
    description: With O(action=test), the place of its backups.
    type: str
    default: ''
  password:
    description: With O(action=test), the password of its backups.
    type: str
    default: ''
  at:
    description: With O(action=restore), C(latest), the id of a snapshot, or a time, which is the
      last snapshot until then.
    type: str
    default: latest
  to:
    description: With O(action=restore), a directory to restore into; empty for the volumes.
    type: path
    default: ''
  break_tokens:
    description: With O(action=restore), tokens of locks that are taken over, whichever run holds
      them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Restore the newest backup
  flaskops.host.app_backup:
    action: restore
    root: "{{ flask_apps_root }}"
    app: shop
"""

RETURN = r"""
result:
  description: Of a backup its C(snapshot), C(bytes), C(seconds) and C(paused); of a restore its
    C(snapshot), when it was C(saved), C(bytes), C(seconds), for how many the application was
    C(stopped), the C(places), and in C(kept) where the data of before is.
  type: dict
  returned: success
"""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backups import moves
from ..module_utils.backups.order import BackupOrder, BackupResult
from ..module_utils.backups.restic import Restic
from ..module_utils.backups.restore import Restore
from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.host.flock import alone
from ..module_utils.host.places import BACKUP, JobUnit
from ..module_utils.host.typed import plain

ARGUMENTS: dict[str, Any] = {
    **shared("root"),
    "action": {"type": "str", "choices": ["test", "save", "restore"], "required": True},
    "app": {"type": "str", "required": True},
    "repository": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "at": {"type": "str", "default": "latest"},
    "to": {"type": "path", "default": ""},
    "break_tokens": {"type": "list", "elements": "str", "default": [], "no_log": False},
}


def test(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Open the repository, with a password that is not on the host yet."""
    root, app, repository = params["root"], params["app"], params["repository"]
    known = failed = False
    with suppress(HostError, OSError):
        order = BackupOrder.of(root, app)
        same = order.password_file.read_text() == f"{params['password']}\n"
        known = same and order.repository == repository
        last = BackupResult.of(order.place)
        failed = bool(last and last.code)
    if known and not failed:
        return {"changed": False, "result": {}}
    with tempfile.NamedTemporaryFile("w") as file:  # only its owner may read it
        file.write(params["password"])
        file.flush()
        try:
            made = Restic(repository, Path(file.name), app).ensure(create=not check_mode)
        except HostError as error:
            if not known:
                raise
            words = f"{app}: its last backup failed, and so will the next one: {error}"
            return {"changed": False, "result": {}, "warnings": [words]}
    return {"changed": made, "result": {}}


def save(params: dict[str, Any]) -> dict[str, Any]:
    """Start the unit of the backup, which cleans up after itself whatever happens here."""
    order = BackupOrder.of(params["root"], params["app"])
    unit = f"{JobUnit(order.app, BACKUP).name}.service"
    done = subprocess.run(
        ["systemctl", "start", unit], capture_output=True, text=True, errors="replace", check=False
    )
    result = BackupResult.of(order.place)
    if done.returncode or not result or result.code:
        why = (result.reason if result else "") or done.stderr.strip()
        raise HostError(f"the backup of {order.app} failed: {why} (journalctl -u {unit})")
    return {"changed": True, "result": plain(result)}


def restore(params: dict[str, Any]) -> dict[str, Any]:
    """Restore into place, or beside."""
    order = BackupOrder.of(params["root"], params["app"])
    with alone(order.place.lock) as free:
        if not free:
            raise HostError(f"a backup, restore or drill of {order.app} runs; wait and run again.")
        one = Restore(order, params["at"], params["break_tokens"])
        with moves.naming(one.undone):
            done = one.beside(Path(params["to"])) if params["to"] else one.into_place()
    return {"changed": True, "result": plain(done)}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params, action = module.params, module.params["action"]
    try:
        if action == "test":
            module.exit_json(**test(params, module.check_mode))
        if module.check_mode:
            BackupOrder.of(params["root"], params["app"])
            module.exit_json(changed=True, result={})
        module.exit_json(**(save if action == "save" else restore)(params))
    except (HostError, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"{params['app']}: {error}")


if __name__ == "__main__":
    main()
