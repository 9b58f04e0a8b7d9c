# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_plan: the releases, who runs, and whether the run that holds a
lock still lives.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.apps.sources import own_prefix
from ..module_utils.releases import deploy
from ..module_utils.releases.app import App
from ..module_utils.releases.owner import is_dead, this_run
from ..module_utils.releases.release import Release

MODULE = "flaskops.host.release_plan"


class ActionModule(ActionBase):
    """Calls the module with the owner of this run and the facts of the releases that it needs, and
    once more when the lock is a dead run's.
    """

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        entries = {release["name"]: release["app"] for release in self._task.args["releases"]}
        releases = [Release.from_dict(release) for release in self._task.args["releases"]]
        sites = self._task.args.get("sites", [])
        wanted = {
            "releases": deploy.wanted_releases(releases),
            "images": deploy.needed_images(releases),
        }
        arguments = {**self._task.args, **wanted, "owner": this_run()}
        result: dict[str, Any] = self._execute_module(
            MODULE, module_args=arguments, task_vars=task_vars
        )
        dead = [holder for holder in result.get("holders", []) if is_dead(holder)]
        if result.get("failed") and dead:
            tokens = [*arguments.get("break_tokens", []), *(holder["token"] for holder in dead)]
            result = self._execute_module(
                MODULE, module_args={**arguments, "break_tokens": tokens}, task_vars=task_vars
            )
        return {
            **result,
            **_completed(result, {release.name: release for release in releases}, entries, sites),
        }


def _completed(
    plan: dict[str, Any],
    releases: dict[str, Release],
    entries: dict[str, Any],
    sites: list[dict[str, Any]],
) -> dict[str, Any]:
    """The work and the missing images, each entry with what later steps need of its release."""
    if "work" not in plan:
        return {}
    work = [
        {
            **deploy.with_release(entry, releases[entry["name"]], sites),
            "own_prefix": _own_prefix(entries[entry["name"]]),
        }
        for entry in plan["work"]
    ]
    return {
        "work": work,
        "missing_images": deploy.image_builds(releases.values(), plan["missing_images"]),
    }


def _own_prefix(entry: dict[str, Any]) -> str:
    """The setting that the source has for its path; "" for a release of earlier, of which the
    controller does not have the source.
    """
    return own_prefix.setting(App.from_dict(entry)) if "source" in entry else ""
