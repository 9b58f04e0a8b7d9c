# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_attach: it writes the answer of a host for bin/flaskops, with
the connection that Ansible itself uses for this host.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils.hands.connection import OPTIONS

MODULE = "flaskops.host.release_attach"


class ActionModule(ActionBase):
    """Calls the module once."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result: dict[str, Any] = self._execute_module(
            MODULE, module_args=self._task.args, task_vars=task_vars
        )
        if directory := self._task.args.get("answers"):
            host = str((task_vars or {})["inventory_hostname"])
            keys = ("found", "apps", "python", "task", "releases", "failed", "msg")
            answer = {key: result[key] for key in keys if key in result}
            answer |= {"host": host, "connection": self._how()}
            file = Path(directory, f"{sha256(host.encode()).hexdigest()[:16]}.json")
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                json.dump(answer, opened)
        return result

    def _how(self) -> dict[str, Any]:
        """The options of the connection and of become, from variables, configuration and command
        line.
        """
        kind = self._connection.transport
        how = {"kind": kind, **_options(self._connection, OPTIONS.get(kind, ()))}
        if become := self._connection.become:
            known = _options(become, ("become_user", "become_exe"))
            how |= {"become": become.name, **known}
        return how


def _options(plugin: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        try:
            value = plugin.get_option(name)
        except (AnsibleError, KeyError):
            continue
        found[name] = value if value is None or isinstance(value, (bool, int)) else str(value)
    return found
