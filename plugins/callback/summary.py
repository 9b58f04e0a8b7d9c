# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = """
name: summary
type: aggregate
short_description: Show that long steps run, and at the end what serves and which tasks were slow
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - While a task takes long, a line with its name and time appears at intervals.
  - After the recap it shows the applications that serve, with URL and release, the time of the run
    and its slowest tasks.
requirements:
  - Enable it with C(callbacks_enabled = flaskops.host.summary) in C(ansible.cfg).
options:
  heartbeat_seconds:
    description: How long a task runs without output before a line shows that it is running.
    type: int
    default: 10
    env: [{name: FLASKOPS_HEARTBEAT_SECONDS}]
    ini: [{section: callback_flaskops_summary, key: heartbeat_seconds}]
  slowest:
    description: How many of the slowest tasks are shown.
    type: int
    default: 5
    env: [{name: FLASKOPS_SLOWEST}]
    ini: [{section: callback_flaskops_summary, key: slowest}]
"""

import threading
import time
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

from .. import filter as filters
from .. import lookup as lookups
from ..module_utils.host.shown import shown_line
from ..module_utils.releases.report import status_table, table

# Each task is a process that is forked from this one: the imports of the filters and the lookups
# are done once, here, and not again in each task that uses one.
for package in (filters, lookups):
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")

SET_FACT = ("set_fact", "ansible.builtin.set_fact")


class CallbackModule(CallbackBase):
    """A thread shows a heartbeat while a task runs; everything else is shown at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "flaskops.host.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.started = time.monotonic()
        self.tasks: list[tuple[str, float]] = []
        self.task = ""
        self.task_started = self.started
        self.ended = threading.Event()
        # The outputs of the role flask_apps, each by host.
        self.outputs: dict[str, dict[str, Any]] = {"flask_apps_live": {}, "flask_apps_status": {}}

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self.check = bool(context.CLIARGS.get("check"))
        threading.Thread(target=self._beat, daemon=True).start()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._close()
        self.task, self.task_started = task.get_name().strip(), time.monotonic()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        facts = result.result.get("ansible_facts", {}) if result.task.action in SET_FACT else {}
        for name in self.outputs.keys() & facts.keys():
            self.outputs[name][result.host.get_name()] = facts[name]

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._close()
        self.ended.set()
        if not self.tasks:
            return
        rows = [
            (app["name"], app["url"], app["release"] or "none", self._state(app), host)
            for host, apps in sorted(self.outputs["flask_apps_live"].items())
            for app in apps
        ]
        if rows:
            self._display.banner("WHAT RUNS")
            for line in table([("app", "url", "release", "", "host"), *rows]):
                self._display.display(line)
        if status := dict(sorted(self.outputs["flask_apps_status"].items())):
            self._display.banner("STATUS")
            for line in status_table(status):
                self._display.display(line)
        self._display.banner(
            f"TIME {time.monotonic() - self.started:.1f} s, {len(self.tasks)} tasks"
        )
        for name, seconds in sorted(self.tasks, key=lambda task: -task[1])[
            : self.get_option("slowest")
        ]:
            self._display.display(f"{seconds:7.1f} s  {shown_line(name)}")

    def _state(self, app: dict[str, Any]) -> str:
        if app["release"] == app["wanted"]:
            return "new" if app["changed"] else "unchanged"
        return f"{'would become' if self.check else 'FAILED:'} {app['wanted']}"

    def _close(self) -> None:
        if self.task:
            self.tasks.append((self.task, time.monotonic() - self.task_started))
        self.task = ""

    def _beat(self) -> None:
        pause = self.get_option("heartbeat_seconds")
        shown = ("", 0.0)
        while not self.ended.wait(1):
            task, running = self.task, time.monotonic() - self.task_started
            last = shown[1] if shown[0] == task else 0.0
            if task and running - last >= pause:
                shown = (task, running)
                self._display.display(f"  ... {running:3.0f} s: {shown_line(task)}")
