#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_finish
short_description: Remove, undo what failed, drain and stop what served before, prune, write the
  audit, unlock
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - The end of every run that took locks, successful or not. All applications drain
    together.
  - Applications in O(remove) are removed first, with routes, containers, images, releases and
    records, unless another one has failed, which may be the replacement of one of them. Named
    volumes stay, because they hold data.
  - The containers that served before go on until the old workers of Nginx are gone and no client is
    connected to their sockets, or until their time is over; then they are stopped in parallel.
  - Their processes, the containers that do not answer requests, are stopped in the meantime, each
    within its own C(stop_seconds). Where the previous release still serves, its processes run
    again.
  - Warns of a release that serves while the kernel kills its processes for lack of memory.
  - The newest of the releases that were live are kept, always including the one that serves and the
    one before it.
  - What a container wrote to C(spool) and C(run) of its release is removed with it. Deleting takes
    at most five seconds; later runs continue it.
  - A failure of one application affects no other application, nor its own audit and unlock.
  - Only what has the labels of this collection, or is in its directories, is ever removed.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
attributes:
  idempotent: {support: full, description: What is already gone is not an error.}
options:
  lock:
    description: What M(flaskops.host.release_plan) returned as C(lock).
    type: dict
    required: true
  releases:
    description: The applications with work, as M(flaskops.host.release_plan) returned them.
    type: list
    elements: dict
    required: true
  failed:
    description: Why an application failed before the switch, by name.
    type: dict
    default: {}
  switched:
    description: What M(flaskops.host.release_switch) returned. The result of another run, or
      of a skipped switch, is ignored.
    type: dict
    default: {}
  remove: {description: The applications to remove., type: list, elements: str, default: []}
  notify:
    description: A program on the host that gets an event for each release that failed, and for
      certificates that expire, when everything else is done; empty for none. What it does fails
      nothing.
    type: str
    default: ''
  jobs:
    description: What M(flaskops.host.release_plan) returned as C(jobs). Those with a change are
      written, with their timers; what runs of them goes on.
    type: dict
    default: {}
  wanted:
    description: The releases with their jobs, as P(flaskops.host.releases#lookup) returns them.
      They stay on the controller.
    type: list
    elements: dict
    default: []
  sent:
    description: Set by the action plugin; the paths of what it sent, C(jobs) and C(program).
    type: dict
    default: {}
  events:
    description: What M(flaskops.host.release_plan) returned as C(events).
    type: list
    elements: dict
    default: []
  action:
    description: What the run did, for the audit.
    type: str
    choices: [deploy, rollback, remove]
    default: deploy
"""

EXAMPLES = r"""
- name: Finish
  flaskops.host.release_finish:
    root: "{{ flask_apps_root }}"
    lock: "{{ plan.lock }}"
    releases: "{{ plan.work }}"
    switched: "{{ switched }}"
"""

RETURN = r"""
drained:
  description: For each container that served before, the C(seconds) that it drained, and the
    number of connections that were C(cut).
  type: dict
  returned: success
pruned:
  description: Releases that were removed.
  type: list
  elements: str
  returned: success
removed:
  description: What was removed of the applications in O(remove).
  type: list
  elements: str
  returned: success
outcomes:
  description: For each application with work its C(release), its C(result), C(live) or C(failed),
    and the C(reason).
  type: dict
  returned: success
failures:
  description: Why applications failed, and what could not be done here. The rest was done.
  type: list
  elements: str
  returned: success
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.files import HostError
from ..module_utils.host.typed import plain, read
from ..module_utils.releases.finish import Finish
from ..module_utils.releases.job_units import JobFiles
from ..module_utils.releases.lock import Lock
from ..module_utils.releases.switch import Switched
from ..module_utils.releases.work import Work, outcomes

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root"),
    "lock": {"type": "dict", "required": True, "no_log": False},
    "releases": {"type": "list", "elements": "dict", "required": True},
    "failed": {"type": "dict", "default": {}},
    "switched": {"type": "dict", "default": {}},
    "remove": {"type": "list", "elements": "str", "default": []},
    "notify": {"type": "str", "default": ""},
    "jobs": {"type": "dict", "default": {}},
    "wanted": {"type": "list", "elements": "dict", "default": []},
    "sent": {"type": "dict", "default": {}},
    "events": {"type": "list", "elements": "dict", "default": []},
    "action": {"type": "str", "choices": ["deploy", "rollback", "remove"], "default": "deploy"},
}


def job_files(sent: Mapping[str, str]) -> JobFiles:
    """The jobs that the controller sent, as a file: a command may contain a password."""
    return read(JobFiles, json.loads(Path(sent["jobs"]).read_text())) if sent else JobFiles()


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    params, lock = module.params, read(Lock, module.params["lock"])
    switched = read(Switched, {"token": "", **params["switched"]}).of(lock.token)
    failed = {**params["failed"], **switched.failures}
    became = outcomes(map(Work.from_dict, params["releases"]), failed, switched.live)
    try:
        finish = Finish(
            params["root"],
            params["nginx_root"],
            lock,
            became,
            params["action"],
            params["notify"],
            params["events"],
            switched.reverted,
            job_files(params["sent"]),
            Path(params["sent"]["program"]) if params["sent"] else None,
        )
        done = finish.run(
            params["remove"], bool(failed) or not all(each.is_live for each in became)
        )
    except (HostError, OSError) as error:
        module.fail_json(msg=with_advice(f"The run could not be finished: {error}"))
    for warning in done.warnings:
        module.warn(warning)
    result = plain(done)
    del result["warnings"]
    result["failures"] = [*failed.values(), *done.failures]
    result["outcomes"] = {each.work.name: each.to_dict() for each in became}
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
