# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_prepare: it sends the parts of a release, and the parts of its
source that the host does not have.
"""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure

from ..module_utils.apps.sources.source import write_context
from ..module_utils.host.disk import no_room
from ..module_utils.host.files import file_digest
from ..module_utils.host.places import CONTEXT, IMAGE_ARCHIVE
from ..module_utils.images.delta import write_delta
from ..module_utils.releases.prepare import ARCHIVE, SOURCE
from ..module_utils.releases.release import Release
from ..plugin_utils.sending import NotSent, SendingAction

MODULE = "flaskops.host.release_prepare"
# Bytes. A small delta is sent within the call of the module; a larger one is a file, which costs
# two more calls.
PACKED, INLINE = 4 << 20, 256 << 10


def packed(release: Release) -> str:
    """A release as one secret argument. Ansible masks the values of secret arguments in the result
    of a module: sent separately, a short secret would be masked in the paths of the release.
    """
    return base64.b64encode(json.dumps(release.to_dict()).encode()).decode()


class ActionModule(SendingAction):
    """Calls the module once, and again when the host lacks what was not sent."""

    _supports_check_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {**self._task.args}
        known = set(arguments.pop("known", ()))
        release = Release.from_dict(arguments.pop("release"))
        arguments |= {"name": release.name, "id": release.id, "packed": packed(release)}
        sends = arguments.get("build", True) and not arguments.get("restore")
        archive = release.build.archive if sends else ""
        what = "The archive" if archive else "The source" if sends else "The release"
        try:
            if sends and release.build.kind != "image":
                return self._call_with_source(release, known, arguments, task_vars)
            if archive:
                arguments["archive_digest"] = file_digest(Path(archive))
            result = self._call(arguments, task_vars)
            if result.get("lacks") == ARCHIVE:
                sent = self.send(archive, IMAGE_ARCHIVE)
                result = self._call({**arguments, "archive": sent}, task_vars)
            return result
        # What is not sent, and a module without room for its files, fails this application; Ansible
        # would report the host as unreachable and end: what this run began would not be undone.
        except (NotSent, AnsibleConnectionFailure) as error:
            if not isinstance(error, NotSent) and not no_room(error):
                raise
            return {"failed": True, "msg": f"{what} of {release.name} could not be sent: {error}"}
        except OSError as error:  # a file of it changed since it was checked
            return {"failed": True, "msg": f"{what} of {release.name} could not be read: {error}"}

    def _call(self, arguments: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        return dict(self._execute_module(MODULE, module_args=arguments, task_vars=task_vars))

    def _call_with_source(
        self, release: Release, known: set[str], arguments: dict[str, Any], task_vars: Any
    ) -> dict[str, Any]:
        below = "app/" if release.build.kind == "source" else ""
        with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as directory:
            archive = Path(directory, CONTEXT)
            with archive.open("wb") as file:
                write_context(file, release.source_path, {}, below)
            sent = self._pack(archive, known)
            result = self._call({**arguments, **sent}, task_vars)
            if result.get("lacks") == SOURCE:
                result = self._call({**arguments, **self._pack(archive, ())}, task_vars)
        return result

    def _pack(self, archive: Path, known: Collection[str]) -> dict[str, str]:
        """The argument for the part of an archive that is sent."""
        delta = archive.with_suffix(".delta")
        write_delta(archive, delta, known)
        if delta.stat().st_size <= PACKED:
            content = gzip.compress(delta.read_bytes(), 6)
            if len(content) <= INLINE:
                return {"inline": base64.b64encode(content).decode()}
        return {"delta": self.send(str(delta), "context.delta")}
