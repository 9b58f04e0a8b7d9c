#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_plan
short_description: Plan which applications of a host have work, and lock them
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Reads the links of Nginx, the records of releases, the files of the live ones and the
    containers, for all applications in one call.
  - Where there is work, it takes the locks of all applications with work, or none of them. The lock
    of a run that has ended on the same controller is taken over; for any other it reports who holds
    it, since when, and how to break it.
  - A route that was moved and not recorded is checked through Nginx, then recorded or moved back.
  - Containers, pins, builds and unfinished releases that an interrupted run left are removed;
    missing pins are created again. A process of the release that serves is started again when such
    a run stopped it.
  - Then it plans again, because the host may have changed before the locks were taken.
  - In check mode it only reads, and reports C(changed) where the real run will change something.
extends_documentation_fragment:
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.sites
attributes:
  check_mode: {support: full, description: Reports what the real run would do.}
  diff_mode: {support: full, description: The plan as sentences.}
  idempotent: {support: full, description: Without work it only reads.}
options:
  images:
    description: Set by the action plugin; images whose absence is reported when there is work.
    type: list
    elements: str
    default: []
  releases:
    description: The wanted release of each application, as P(flaskops.host.releases#lookup) returns
      it. The host gets only the following keys.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: The application., type: str, required: true}
      id: {description: The release., type: str, required: true}
      site: {description: The site it is reached on., type: str, required: true}
      state:
        description: Whether it answers, shows its maintenance page, or is stopped.
        type: str
        choices: [present, maintenance, stopped]
        default: present
      secrets:
        description: Digests of the secrets that must be on the host.
        type: dict
        default: {}
      variables:
        description: The names of the secrets that are also variables.
        type: list
        elements: str
        default: []
      uid:
        description: The uid that its entry names; 0 for the application's own.
        type: int
        default: 0
      volumes: {description: Whether it has volumes., type: bool, default: false}
      jobs:
        description: The jobs that it must have, each with its C(name), its C(schedule) as its timer
          has it, and in C(files) the digest of each of its files by path; without it, they stay as
          they are.
        type: list
        elements: dict
  absent:
    description: Applications that must not be on the host.
    type: list
    elements: str
    default: []
  uids:
    description: The range that the uids of applications are taken from.
    type: str
    default: 70000-99999
  move_uid:
    description: Applications with volumes that get their own uid, and their data with it.
    type: list
    elements: str
    default: []
  break_tokens:
    description: Tokens of locks that are taken over, whichever run holds them.
    type: list
    elements: str
    default: []
  action:
    description: What the run does, for the audit if it is interrupted.
    type: str
    choices: [deploy, rollback, remove]
    default: deploy
  free_space:
    description: How much must be free on the disks of O(root) and of Docker's data, such as V(1g),
      to build a release; V(0) for no check.
    type: str
    default: "0"
  notify:
    description: A program on the host that gets an event for each application that cannot be
      released, and for certificates that expire; empty for none. What it does fails nothing. Where
      something is locked, M(flaskops.host.release_finish) runs it.
    type: str
    default: ''
  host_program:
    description: Set by the action plugin; the name of the program that runs jobs.
    type: str
    default: ''
  owner: {description: Set by the action plugin; who runs., type: dict, required: true}
"""

EXAMPLES = r"""
- name: Plan what each application needs
  flaskops.host.release_plan:
    root: "{{ flask_apps_root }}"
    releases: [{name: shop, id: 0123456789ab, site: default}]
  register: plan
"""

RETURN = r"""
work:
  description:
    - The applications with work. C(name), C(id) and C(state) are those of the wanted release,
      C(live) is the release that serves now, C(links) where, C(reason) a sentence, C(build) and
      C(recreate) what must be done.
    - Of the release also C(site), C(path), C(path_mode), C(engine), C(script_name), C(health),
      C(processes), C(drain_seconds) and C(keep_releases); C(health_host) and C(health_scheme) are
      for its health check, C(own_prefix) what to write where its links leave the path.
  type: list
  elements: dict
  returned: always
remove:
  description: Those of O(absent) that are on the host.
  type: list
  elements: str
  returned: always
repairs:
  description: By application, what interrupted runs have left.
  type: dict
  returned: always
failures:
  description: Why an application could not be planned, by name; the others are planned.
  type: dict
  returned: always
live:
  description: The release that serves now, by name; null where none does.
  type: dict
  returned: always
unlisted:
  description: Applications that are on the host and not among the wanted.
  type: list
  elements: str
  returned: always
missing_images:
  description: The images of this collection that are not on the host, empty when there is no work.
    C(image) is the name, C(base) what it is built on, empty for the base of the host, C(target) the
    stage, C(first) whether it is the first of its runtime.
  type: list
  elements: dict
  returned: always
known:
  description: For each release that is built, the digests of the parts of its source that the host
    has.
  type: dict
  returned: always
jobs:
  description: By application, each of its jobs by name. C(schedule) is as its timer has it, C(next)
    its next three times, C(last) the C(release), C(begun), C(seconds), C(code) and C(reason) of its
    last run, and C(change) what this run does with it. A rollback leaves jobs as they are, and
    returns none.
  type: dict
  returned: always
lock:
  description: The C(token) that the other modules need, and the C(names) that are locked; empty
    when nothing is to be done.
  type: dict
  returned: always
actions:
  description: The plan as sentences, and what was repaired.
  type: list
  elements: str
  returned: always
events:
  description: What happened so far that M(flaskops.host.release_finish) gives to the program in
    O(notify).
  type: list
  elements: dict
  returned: success
holders:
  description: The runs that hold the locks.
  type: list
  elements: dict
  returned: failure
docker:
  description: The C(command) of Docker, whether it has the plugins C(buildx) and C(compose), and
    with which C(log_driver) and C(log_options) containers are created; both are empty where the
    settings of the daemon apply.
  type: dict
  returned: always
"""

import http.client
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.files import HostError, sentences
from ..module_utils.host.typed import plain, read
from ..module_utils.nginx.steps import NginxError
from ..module_utils.releases.begin import Begin
from ..module_utils.releases.lock import Locked, Owner
from ..module_utils.releases.release import FILES
from ..module_utils.releases.work import Wanted

RELEASE = {
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "site": {"type": "str", "required": True},
    "state": {"type": "str", "choices": list(FILES), "default": "present"},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "variables": {"type": "list", "elements": "str", "default": []},
    "uid": {"type": "int", "default": 0},
    "volumes": {"type": "bool", "default": False},
    "jobs": {"type": "list", "elements": "dict"},
}
ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "sites"),
    "images": {"type": "list", "elements": "str", "default": []},
    "releases": {"type": "list", "elements": "dict", "required": True, "options": RELEASE},
    "absent": {"type": "list", "elements": "str", "default": []},
    "uids": {"type": "str", "default": "70000-99999"},
    "move_uid": {"type": "list", "elements": "str", "default": []},
    "break_tokens": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "action": {"type": "str", "choices": ["deploy", "rollback", "remove"], "default": "deploy"},
    "free_space": {"type": "str", "default": "0"},
    "owner": {"type": "dict", "required": True},
    "notify": {"type": "str", "default": ""},
    "host_program": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    releases = [read(Wanted, release) for release in module.params.pop("releases")]
    owner = read(Owner, module.params.pop("owner"))
    program = module.params.pop("notify")
    try:
        begin = Begin(**module.params, releases=releases, owner=owner, program=program)
        begun = begin.run(module.check_mode)
    except Locked as error:
        module.fail_json(msg=str(error), holders=[plain(held) for held in error.holders])
    except (HostError, NginxError, OSError, http.client.HTTPException) as error:
        module.fail_json(msg=with_advice(f"The run could not begin: {error}"))
    for warning in begun.warnings:
        module.warn(warning)
    module.exit_json(
        changed=begun.changed,
        actions=list(begun.actions),
        events=list(begun.events),
        lock=begun.lock.to_dict(),
        diff=sentences(begun.actions),
        **begun.planned.to_dict(),
    )


if __name__ == "__main__":
    main()
