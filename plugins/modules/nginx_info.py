#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_info
short_description: Gather in one call what the role nginx needs to know of a host
version_added: 0.1.0
description:
  - Looks at the service, the configuration and the ports of a host, and changes nothing.
  - Reads files and C(/proc), and runs C(nginx -T), C(nginx -V) and C(systemctl is-enabled).
author:
  - flaskops contributors (@flaskops)
extends_documentation_fragment:
  - flaskops.host.attributes.info
options:
  root:
    description: The directory of the configuration.
    type: path
    default: /etc/nginx
  nginx:
    description: The Nginx command.
    type: path
    default: /usr/sbin/nginx
  ports:
    description: TCP ports that Nginx needs; other programs that hold one of them are returned.
    type: list
    elements: int
    default: [80]
  sites:
    description: Sites whose include line is looked for in the configuration.
    type: list
    elements: str
    default: [default]
"""

EXAMPLES = r"""
- name: Gather facts of Nginx
  flaskops.host.nginx_info:
    ports: [80, 8080]
  register: found

- name: Show which other programs hold the ports
  ansible.builtin.debug:
    var: found.nginx.port_holders
"""

RETURN = r"""
nginx:
  description: What was found, as the filter P(flaskops.host.nginx_plan#filter) expects it.
  type: dict
  returned: always
  contains:
    installed:
      description: Whether the Nginx command exists.
      type: bool
    version:
      description: Its version.
      type: str
    running:
      description: Whether its master process runs.
      type: bool
    service:
      description: V(enabled), V(disabled), V(masked), or empty when there is no service.
      type: str
    configuration_error:
      description: Why C(nginx -T) refuses the configuration on the host; empty when it is good.
      type: str
    main_config:
      description: State of C(nginx.conf) (V(absent), V(ours), V(untouched), V(changed)) and its
        content if changed.
      type: dict
    default_sites:
      description: The package's default sites that are enabled, with state and, if changed,
        content.
      type: list
      elements: dict
    foreign:
      description: Configuration of other owners, and the ports on which it is the default
        server.
      type: list
      elements: dict
    files:
      description: Files of this collection with their SHA-256 and mode.
      type: dict
    directories:
      description: Directories below C(flaskops).
      type: list
      elements: str
    included_sites:
      description: Sites whose fragments a server block includes.
      type: list
      elements: str
    conf_d_included:
      description: Whether C(conf.d/flaskops.conf) would be read.
      type: bool
    port_holders:
      description: Other programs on the requested ports.
      type: list
      elements: dict
    ipv6:
      description: Whether the host has IPv6.
      type: bool
    user:
      description: User of the workers.
      type: str
    group:
      description: Group of the workers.
      type: str
    reload_pending:
      description: Whether a run was interrupted between writing the configuration and loading it.
      type: bool
    boot_guard:
      description: Whether systemd keeps one bad fragment from stopping Nginx.
      type: str
    log_rotation:
      description: Who rotates the logs.
      type: dict
    namespace_error:
      description: Why a private mount namespace is refused; empty when it is not.
      type: str
    administrator:
      description: Whether the module ran as root.
      type: bool
    distribution:
      description: ID, version and name of the system.
      type: dict
    master_pid:
      description: Process of the master.
      type: int
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.places import NGINX_ROOT
from ..module_utils.nginx.gather import Places, gather

ARGUMENTS = {
    "root": {"type": "path", "default": NGINX_ROOT},
    "nginx": {"type": "path", "default": "/usr/sbin/nginx"},
    "ports": {"type": "list", "elements": "int", "default": [80]},
    "sites": {"type": "list", "elements": "str", "default": ["default"]},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    places = Places(root=Path(params["root"]), nginx=params["nginx"])
    facts = gather(places, params["ports"], params["sites"])
    module.exit_json(changed=False, nginx=facts.to_dict())


if __name__ == "__main__":
    main()
