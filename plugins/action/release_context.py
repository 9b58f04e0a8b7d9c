# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_context: it leaves out of the archive what the host has."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.images.delta import write_delta

MODULE = "flaskops.host.release_context"
# Bytes. A little goes along with the call of the module; more is a file of its own, which costs two
# calls more.
PACKED, INLINE = 4 << 20, 256 << 10


class ActionModule(ActionBase):
    """Sends what is new and has the whole put together and unpacked; once more with everything when
    the host has lost something.
    """

    TRANSFERS_FILES = True
    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {
            key: value for key, value in self._task.args.items() if key not in ("src", "known")
        }
        if not self._task.args.get("src"):
            return dict(self._execute_module(MODULE, module_args=arguments, task_vars=task_vars))
        archive = Path(self._task.args["src"])
        result = self._send(archive, set(self._task.args.get("known", ())), arguments, task_vars)
        if result.get("damaged"):
            result = self._send(archive, (), arguments, task_vars)
        return result

    def _send(
        self, archive: Path, known: Collection[str], arguments: dict[str, Any], task_vars: Any
    ) -> dict[str, Any]:
        delta = archive.with_suffix(".delta")
        try:
            write_delta(archive, delta, known)
            sent = delta.stat().st_size
            packed = gzip.compress(delta.read_bytes(), 6) if sent <= PACKED else b""
            if packed and len(packed) <= INLINE:
                sent, how = len(packed), {"inline": base64.b64encode(packed).decode()}
            else:
                how = {"delta": self._as_a_file(delta)}
        finally:
            delta.unlink(missing_ok=True)
        result = self._execute_module(MODULE, module_args={**arguments, **how}, task_vars=task_vars)
        return {**result, "size": archive.stat().st_size, "sent": sent}

    def _as_a_file(self, delta: Path) -> str:
        directory = self._connection._shell.tmpdir or self._make_tmp_path()
        remote = str(
            self._transfer_file(
                str(delta), self._connection._shell.join_path(directory, "context.delta")
            )
        )
        self._fixup_perms2((directory, remote))
        return remote
