#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_tree
short_description: Change files and links of the Nginx configuration as one transaction
version_added: 0.1.0
description:
  - Writes files, sets links, creates directories and removes entries below C(/etc/nginx),
    either all of them or none.
  - The whole change is tested with C(nginx -t) before anything is written to C(/etc/nginx), on a
    private copy of the tree that is mounted over it in a private mount namespace. A refused change
    never reaches the real directory.
  - Files are put in place by rename, in an order that Nginx accepts after every single step. A run
    that is killed at any point leaves a configuration that Nginx starts with; the next run
    continues from there, and reloads Nginx if that was interrupted.
  - A running Nginx is reloaded and must show workers of the new configuration. If it does not, the
    old files are restored and loaded again, and the task fails with the message of Nginx.
  - One change at a time on a host, whichever process makes it (lock C(/run/flaskops-nginx/lock)).
author:
  - flaskops contributors (@flaskops)
attributes:
  check_mode:
    description: The change is compared and tested as in a real run; nothing is written.
    support: full
  diff_mode:
    description: Shows each file, link and removal.
    support: full
  idempotent:
    description: When nothing differs, nothing is tested, written or reloaded.
    support: full
requirements:
  - unshare (util-linux) and CAP_SYS_ADMIN on the host
options:
  root:
    description: The directory of the configuration.
    type: path
    default: /etc/nginx
  nginx:
    description: The Nginx command.
    type: path
    default: /usr/sbin/nginx
  directories:
    description: Directories that must exist, relative to O(root) or below it. New ones get the mode
      V(0755).
    type: list
    elements: str
    default: []
  files:
    description: Files with their whole content.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path relative to O(root) or below it.
        type: str
        required: true
      content:
        description: The content.
        type: str
        required: true
      mode:
        description: Permissions in octal.
        type: str
        default: "0644"
      backup:
        description:
          - Keep a copy of a file that was not written by this collection in
            C(/var/backups/flaskops/nginx).
          - Files that O(absent) removes are always kept there.
        type: bool
        default: false
  links:
    description: Symbolic links.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path relative to O(root) or below it.
        type: str
        required: true
      target:
        description: Absolute path the link leads to; it must exist (in check mode it may be
          missing).
        type: path
        required: true
  absent:
    description: Files, links and empty directories that must not exist.
    type: list
    elements: str
    default: []
  reload:
    description: Reload Nginx when something changed and it is running.
    type: bool
    default: true
  reload_timeout_seconds:
    description: How many seconds a reload may take until workers of the new configuration run.
    type: float
    default: 20
  lock_timeout_seconds:
    description: How many seconds to wait for another run that changes the configuration.
    type: float
    default: 120
"""

EXAMPLES = r"""
- name: Let a release serve
  flaskops.host.nginx_tree:
    directories: [flaskops/default]
    links:
      - path: flaskops/default/shop.conf
        target: "{{ release.directory }}/nginx.conf"

- name: Replace a file and remove another in one step
  flaskops.host.nginx_tree:
    files:
      - path: conf.d/limits.conf
        content: |
          client_max_body_size 20m;
    absent:
      - conf.d/old-limits.conf
"""

RETURN = r"""
actions:
  description: What was done, or would be done, in order.
  returned: success
  type: list
  elements: str
  sample: [Write /etc/nginx/conf.d/limits.conf, Reload Nginx]
backups:
  description: Copies that were kept of files of other owners.
  returned: success
  type: list
  elements: str
reloaded:
  description: Whether the running Nginx has loaded the change.
  returned: success
  type: bool
tested:
  description:
    - Whether Nginx has tested the change.
    - It does not when nothing differs, and cannot in check mode before Nginx is installed or the
      target of a link exists.
  returned: success
  type: bool
version:
  description: The version of Nginx; V(null) when it is not installed.
  returned: success
  type: str
  sample: 1.26.3
"""

import signal
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.places import NGINX_ROOT
from ..module_utils.nginx.process import Host
from ..module_utils.nginx.steps import NginxError, parse_wanted
from ..module_utils.nginx.tree import Interrupted, NginxTree, Settings

ARGUMENTS = {
    "root": {"type": "path", "default": NGINX_ROOT},
    "nginx": {"type": "path", "default": "/usr/sbin/nginx"},
    "directories": {"type": "list", "elements": "str", "default": []},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "mode": {"type": "str", "default": "0644"},
            "backup": {"type": "bool", "default": False},
        },
    },
    "links": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "target": {"type": "path", "required": True},
        },
    },
    "absent": {"type": "list", "elements": "str", "default": []},
    "reload": {"type": "bool", "default": True},
    "reload_timeout_seconds": {"type": "float", "default": 20},
    "lock_timeout_seconds": {"type": "float", "default": 120},
}


def interrupted(number: int, frame: object) -> None:
    """Treat SIGHUP, SIGINT and SIGTERM like any other failure: everything is put back."""
    for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)  # the undoing must not be interrupted
    raise Interrupted(f"The run was interrupted (signal {signal.Signals(number).name}).")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupted)
    params = module.params
    root = Path(params["root"])
    try:
        tree = NginxTree(
            parse_wanted(root, params),
            Settings(root=root, lock_seconds=params["lock_timeout_seconds"]),
            Host(params["nginx"], params["reload_timeout_seconds"]),
            reload=params["reload"],
            check_mode=module.check_mode,
        )
        result = tree.run()
    except NginxError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error}. Nothing was changed. (The module needs root.)")
    for warning in result.pop("warnings"):
        module.warn(f"Nginx: {warning}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
