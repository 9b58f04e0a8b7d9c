# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments that several modules share. plugins/doc_fragments/arguments.py documents them under
the same names.
"""

from __future__ import annotations

from collections.abc import Mapping

from .places import NGINX_ROOT

Spec = Mapping[str, object]  # of one argument, as AnsibleModule reads it
_SHARED: Mapping[str, Spec] = {
    "root": {"type": "str", "required": True},
    "nginx_root": {"type": "str", "default": NGINX_ROOT},
    "name": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "token": {"type": "str", "required": True, "no_log": False},
    "sites": {"type": "list", "elements": "dict", "default": []},
    "ca_bundle": {"type": "str", "default": ""},
    "index_url": {"type": "str", "default": "", "no_log": True},
    "log_driver": {"type": "str", "default": ""},
    "log_options": {"type": "dict", "default": {}},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
}


def shared(*names: str) -> dict[str, Spec]:
    """The specs of these arguments, for the argument_spec of a module."""
    return {name: _SHARED[name] for name in names}
