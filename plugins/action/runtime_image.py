# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of runtime_image: it sends the recipe or the archive."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils.apps.recipe import write_recipe

MODULE = "flaskops.host.runtime_image"


class ActionModule(ActionBase):
    """The files are sent to Ansible's temporary directories, which are removed after the task.

    Without TRANSFERS_FILES: with it, ActionBase.run creates the directory, and a host without room
    counts as unreachable.
    """

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if archive := arguments.get("image_archive"):
            arguments["sent"] = self._send("archive", archive)
        elif not arguments.get("repository"):
            arguments["sent"] = self._send("recipe", _recipe(arguments["recipe"]))
        return dict(self._execute_module(MODULE, module_args=arguments, task_vars=task_vars))

    def _send(self, what: str, path: str) -> str:
        try:
            directory = self._connection._shell.tmpdir or self._make_tmp_path()
            target = self._connection._shell.join_path(directory, what)
            remote = str(self._transfer_file(path, target))
            self._fixup_perms2((directory, remote))
        # A host without room for Ansible's own files would count as unreachable, and the run would
        # end without undoing anything.
        except AnsibleError as error:
            raise AnsibleActionFail(
                f"The {what} of the runtime image could not be sent: {error}"
            ) from error
        return remote


def _recipe(directory: str) -> str:
    descriptor, path = tempfile.mkstemp(suffix=".tar", dir=constants.DEFAULT_LOCAL_TMP)
    with os.fdopen(descriptor, "wb") as file:
        write_recipe(file, directory)
    return path
