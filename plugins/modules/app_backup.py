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
  - C(known) finds the places that must be tried before a run changes anything. One that was tried
    before is not tried again, unless its last backup failed.
  - C(test) opens each place with its password, and creates it where it is missing. Nothing else on
    the host changes. Where a place that was in use cannot be opened now, there is a warning,
    because the application must be deployable while the place is out of reach.
  - C(save) starts the backup of an application and waits for it.
  - C(restore) restores a backup, into the volumes of the application, which is stopped meanwhile,
    or into a directory.
extends_documentation_fragment:
  - flaskops.host.attributes.backup
  - flaskops.host.arguments.root
options:
  action:
    description: What to do.
    type: str
    choices: [known, test, save, restore]
    required: true
  app:
    description: With O(action=save) and O(action=restore), the name of the application.
    type: str
  packed:
    description: With O(action=known) and O(action=test), a list that has for each application its
      name C(app), and its C(backup) as it is in a release, as JSON in base64. The name would be
      censored in the result if it were a part of a value that is not logged.
    type: str
    default: W10=
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
    C(stopped), the C(places), in C(kept) where the data of before is, and in C(undone) what was
    written after a restore that was interrupted.
  type: dict
  returned: success
untried:
  description: With O(action=known), the names of the applications whose place must be tried.
  type: list
  elements: str
  returned: O(action=known)
"""

import json
import shutil
import subprocess
import tempfile
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backups import moves
from ..module_utils.backups.order import BackupOrder, BackupResult, repository_of
from ..module_utils.backups.restic import Restic
from ..module_utils.backups.restore import Restore
from ..module_utils.host.arguments import shared
from ..module_utils.host.files import HostError
from ..module_utils.host.flock import alone
from ..module_utils.host.places import BACKUP, JobUnit, Place
from ..module_utils.host.typed import plain, read
from ..module_utils.releases.app import Backup

ARGUMENTS: dict[str, Any] = {
    **shared("root"),
    "action": {"type": "str", "choices": ["known", "test", "save", "restore"], "required": True},
    "app": {"type": "str"},
    "packed": {"type": "str", "default": "W10=", "no_log": True},
    "at": {"type": "str", "default": "latest"},
    "to": {"type": "path", "default": ""},
    "break_tokens": {"type": "list", "elements": "str", "default": [], "no_log": False},
}


@dataclass(frozen=True)
class Target:
    """The backups of an application, as its entry has them now."""

    app: str
    backup: Backup

    def was_tried(self, root: str) -> bool:
        """Whether the host uses it with this password."""
        try:
            order = BackupOrder.of(root, self.app)
            return (
                order.backup.to == self.backup.to
                and order.password_file.read_text() == f"{self.backup.password}\n"
            )
        except (HostError, OSError):
            return False

    def is_known(self, root: str) -> bool:
        """Whether nothing needs to be tried."""
        last = BackupResult.of(Place(root).app(self.app).job(BACKUP))
        return self.was_tried(root) and not (last and last.code) and bool(shutil.which("restic"))

    def open(self, create: bool) -> bool:
        """Open it, or create it; returns whether it was missing."""
        with tempfile.NamedTemporaryFile("w") as file:  # only its owner may read it
            file.write(self.backup.password)
            file.flush()
            repository = repository_of(self.backup.to, self.app)
            return Restic(repository, Path(file.name), self.app).ensure(create=create)


def test(root: str, targets: list[Target], check_mode: bool) -> tuple[bool, list[str]]:
    """Try all of them, with passwords that are not on the host yet; returns whether one was
    created, and warnings.
    """
    changed, problems, warnings = False, [], []
    for each in targets:
        try:
            changed |= each.open(create=not check_mode)
        except HostError as error:
            if each.was_tried(root):
                words = "its last backup failed, and so will the next one"
                warnings.append(f"{each.app}: {words}: {error}")
            else:
                problems.append(f"{each.app}: {error}")
    if problems:
        raise HostError("\n".join(problems))
    return changed, warnings


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
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("action", "save", ["app"]), ("action", "restore", ["app"])],
    )
    params, action = module.params, module.params["action"]
    about = f"{params['app']}: " if params["app"] else ""
    try:
        targets = [read(Target, each) for each in json.loads(b64decode(params["packed"]))]
        if action == "known":
            untried = [each.app for each in targets if not each.is_known(params["root"])]
            module.exit_json(changed=False, untried=untried)
        if action == "test":
            changed, warnings = test(params["root"], targets, module.check_mode)
            for words in warnings:
                module.warn(words)
            module.exit_json(changed=changed, result={})
        if module.check_mode:
            order = BackupOrder.of(params["root"], params["app"])
            if params["to"]:
                Restore(order).check_beside(Path(params["to"]))
            module.exit_json(changed=True, result={})
        module.exit_json(**(save if action == "save" else restore)(params))
    except (HostError, OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"{about}{error}")


if __name__ == "__main__":
    main()
