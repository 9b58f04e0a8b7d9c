# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_finish: it sends jobs that are not as they must be, and the
program that runs them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants

from ..module_utils.host.typed import plain
from ..module_utils.program import archive
from ..module_utils.releases.job_units import JobFiles
from ..module_utils.releases.release import Release
from ..plugin_utils.jobs import Given
from ..plugin_utils.sending import NotSent, SendingAction

MODULE = "flaskops.host.release_finish"


class ActionModule(SendingAction):
    """Calls the module once. What cannot be sent is a failure, and the run ends as it must."""

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {**self._task.args}
        jobs, wanted = arguments.pop("jobs", None) or {}, arguments.pop("wanted", None) or []
        unsent = ""
        if names := [app for app, found in jobs.items() if _differs(found)]:
            try:
                releases = [Release.from_dict(each) for each in wanted if each["name"] in names]
                arguments["sent"] = self._send(releases)
            except (NotSent, OSError) as error:
                unsent = f"The jobs of {', '.join(names)} could not be sent: {error}"
        result: dict[str, Any] = self._execute_module(
            MODULE, module_args=arguments, task_vars=task_vars
        )
        if unsent and "failures" in result:
            result["failures"] = [*result["failures"], unsent]
        return result

    def _send(self, releases: list[Release]) -> dict[str, str]:
        """Send the jobs of releases, and the program; returns the paths on the host."""
        given = Given.of(self._task.args)
        files = JobFiles({each.name: given.files(each) for each in releases}, archive.name())
        with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as directory:
            listed, program = Path(directory, "jobs"), Path(directory, "program")
            listed.write_text(json.dumps(plain(files)))
            program.write_bytes(archive.archive())
            return {path.name: self.send(str(path), path.name) for path in (listed, program)}


def _differs(jobs: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(job["change"] for job in jobs.values())
