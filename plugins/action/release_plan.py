# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_plan: it knows who runs, and whether the run that holds a lock still lives."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.flaskops.host.plugins.module_utils._owner import is_dead, this_run

MODULE = "flaskops.host.release_plan"


class ActionModule(ActionBase):
    """Calls the module with the owner of this run, and once more when the lock is a dead run's."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "owner": this_run()}
        result: dict[str, Any] = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        dead = [holder for holder in result.get("holders", []) if is_dead(holder)]
        if result.get("failed") and dead:
            tokens = [*arguments.get("break_tokens", []), *(holder["token"] for holder in dead)]
            result = self._execute_module(MODULE, module_args={**arguments, "break_tokens": tokens}, task_vars=task_vars)
        return result
