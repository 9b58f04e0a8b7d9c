# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_context: it leaves out of the archive what the host has."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.flaskops.host.plugins.module_utils._delta import write_delta

MODULE = "flaskops.host.release_context"


class ActionModule(ActionBase):
    """Asks, sends, and has it put together; once more with everything when the host lost something meanwhile."""

    TRANSFERS_FILES = True
    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        archive = Path(self._task.args["src"])
        arguments = {key: value for key, value in self._task.args.items() if key != "src"}
        known = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        if known.get("failed"):
            return dict(known)
        result = self._send(archive, known["digests"], arguments, task_vars)
        if result.get("damaged"):
            result = self._send(archive, (), arguments, task_vars)
        return result

    def _send(self, archive: Path, known: Collection[str], arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        delta = archive.with_suffix(".delta")
        try:
            write_delta(archive, delta, set(known))
            size, sent = archive.stat().st_size, delta.stat().st_size
            directory = self._connection._shell.tmpdir
            remote = self._transfer_file(str(delta), self._connection._shell.join_path(directory, "context.delta"))
        finally:
            delta.unlink(missing_ok=True)
        self._fixup_perms2((directory, remote))
        result = self._execute_module(MODULE, module_args={**arguments, "delta": remote}, task_vars=task_vars)
        return {**result, "size": size, "sent": sent}
