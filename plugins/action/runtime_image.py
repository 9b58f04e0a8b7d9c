# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of runtime_image: it sends the recipe or the archive."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail

from ..module_utils.apps.recipe import write_recipe
from ..plugin_utils.sending import NotSent, SendingAction

MODULE = "flaskops.host.runtime_image"


class ActionModule(SendingAction):
    """Calls the module with what it needs of the recipe or the archive."""

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if archive := arguments.get("image_archive"):
            arguments["sent"] = self._sent("archive", archive)
        elif not arguments.get("repository"):
            arguments["sent"] = self._sent("recipe", _recipe(arguments["recipe"]))
        return dict(self._execute_module(MODULE, module_args=arguments, task_vars=task_vars))

    def _sent(self, what: str, path: str) -> str:
        try:
            return self.send(path, what)
        except NotSent as error:
            raise AnsibleActionFail(
                f"The {what} of the runtime image could not be sent: {error}"
            ) from error


def _recipe(directory: str) -> str:
    descriptor, path = tempfile.mkstemp(suffix=".tar", dir=constants.DEFAULT_LOCAL_TMP)
    with os.fdopen(descriptor, "wb") as file:
        write_recipe(file, directory)
    return path
