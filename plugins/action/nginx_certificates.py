# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of nginx_certificates: it reads what the user provides."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.nginx import provided


class ActionModule(ActionBase):
    """Calls the module with the texts of provided certificates, which no fact of the play has."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        sites = {site["name"]: site for site in arguments.pop("sites", ())}
        directory = str((task_vars or {}).get("playbook_dir", "."))
        create, keys = [], {}
        for wanted in arguments.get("create", ()):
            more = {}
            if wanted["kind"] == "provided":
                site = sites[wanted["site"]]
                try:
                    pair = provided.load(
                        str(site["certificate"]), str(site["certificate_key"]), directory
                    )
                except provided.Unusable as error:
                    raise AnsibleActionFail(f"nginx_sites: {wanted['site']}: {error}") from error
                more, keys[wanted["site"]] = {"chain": pair.chain}, pair.key
            create.append({**wanted, **more})
        return dict(
            self._execute_module(
                module_name="flaskops.host.nginx_certificates",
                module_args={**arguments, "create": create, "keys": keys},
                task_vars=task_vars,
            )
        )
