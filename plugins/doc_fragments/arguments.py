# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of module_utils/host/arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """One part for each argument, and two for those that go together."""

    ROOT = r"""
options:
  root:
    description: The directory of the releases, C(flask_apps_root).
    type: str
    required: true
"""
    NGINX_ROOT = r"""
options:
  nginx_root:
    description: The directory of the Nginx configuration.
    type: str
    default: /etc/nginx
"""
    NAME = r"""
options:
  name: {description: The application., type: str, required: true}
"""
    ID = r"""
options:
  id: {description: The release., type: str, required: true}
"""
    TOKEN = r"""
options:
  token: {description: The token of the run's lock., type: str, required: true}
"""
    SITES = r"""
options:
  sites:
    description: The server blocks, as in C(nginx_host.sites), with C(name), C(server_names),
      C(tls), C(http_port) and C(https_port).
    type: list
    elements: dict
    default: []
"""
    TRUST = r"""
options:
  ca_bundle:
    description: A PEM file on the host with the certificate authorities to trust; empty for the
      image's own.
    type: str
    default: ''
  index_url: {description: The package index that pip uses; empty for PyPI., type: str, default: ''}
"""
    LOG = r"""
options:
  log_driver:
    description: The log driver of new containers; empty for that of the engine.
    type: str
    default: ''
  log_options: {description: Its options., type: dict, default: {}}
"""
    LOGIN = r"""
options:
  username:
    description: The name of the account at the registry; empty for no login.
    type: str
    default: ''
  password: {description: Its password or token., type: str, default: ''}
"""
