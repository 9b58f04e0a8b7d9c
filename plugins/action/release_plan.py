# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of release_plan: the releases, the owner of the run, and whether the run
that holds a lock is still alive.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.apps.sources import own_prefix
from ..module_utils.host.shown import shown_line
from ..module_utils.host.typed import plain, read
from ..module_utils.program import archive
from ..module_utils.releases.app import App
from ..module_utils.releases.lock import Held
from ..module_utils.releases.our_images import image_builds, needed_images
from ..module_utils.releases.owner import is_dead, this_run
from ..module_utils.releases.release import Release
from ..module_utils.releases.work import Wanted, Work
from ..plugin_utils.jobs import Given

MODULE = "flaskops.host.release_plan"


class ActionModule(ActionBase):
    """Calls the module with the owner of this run and what it needs to know of the releases, and
    again when a dead run holds the lock.
    """

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        entries = {entry["name"]: entry for entry in self._task.args["releases"]}
        releases = {name: Release.from_dict(entry) for name, entry in entries.items()}
        given = Given.of(self._task.args)
        arguments = {
            **self._task.args,
            "releases": [plain(_wanted(release, given)) for release in releases.values()],
            "images": needed_images(releases.values()),
            "owner": plain(this_run()),
        }
        if any(release.jobs or release.backup.to for release in releases.values()):
            arguments["host_program"] = archive.name()
        result: dict[str, Any] = self._execute_module(
            MODULE, module_args=arguments, task_vars=task_vars
        )
        holders = [read(Held, holder) for holder in result.get("holders", [])]
        dead = [holder.token for holder in holders if is_dead(holder)]
        if result.get("failed") and dead:
            tokens = [*arguments.get("break_tokens", []), *dead]
            result = self._execute_module(
                MODULE, module_args={**arguments, "break_tokens": tokens}, task_vars=task_vars
            )
        if "work" in result:
            sites, work = self._task.args.get("sites", []), []
            for entry in result["work"]:
                release = releases[entry["name"]]
                prefix = _own_prefix(entries[release.name]["app"])
                done = Work.from_dict(entry).with_release(release, sites, prefix)
                work.append(done.to_dict())
            missing = image_builds(releases.values(), result["missing_images"])
            result.update(work=work, missing_images=missing)
        if result.get("unlisted") and arguments.get("action", "deploy") == "deploy":
            self._report(str((task_vars or {}).get("inventory_hostname", "")), result["unlisted"])
        return result

    def _report(self, host: str, unlisted: list[str]) -> None:
        """Report applications that are no longer listed."""
        self._display.display(
            f"{host}: On this host and not in flask_apps, left as they are:"
            f" {shown_line(', '.join(unlisted))}. To remove one: ansible-playbook"
            " flaskops.host.remove (in a clone playbooks/remove.yml)"
            f" -e flask_apps_remove={shown_line(unlisted[0])}"
        )


def _wanted(release: Release, given: Given) -> Wanted:
    """What the host needs to know of a release. A rollback leaves its jobs as they are."""
    return Wanted.of(release, None if given.action == "rollback" else given.wanted(release))


def _own_prefix(entry: dict[str, Any]) -> str:
    """The setting that the source has for its path; "" for an earlier release, whose source the
    controller does not have.
    """
    return own_prefix.setting(App.from_dict(entry)) if "source" in entry else ""
