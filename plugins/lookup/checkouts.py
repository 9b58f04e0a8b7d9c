# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = """
name: checkouts
short_description: Fetch the applications that come from Git
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Fetches what the entries of C(flask_apps) with C(git) name, into a cache on the controller (C(flaskops/git) below C(XDG_CACHE_HOME) or
    C(~/.cache)). Nothing is written into the repositories, and nobody is ever asked for a password.
  - A branch or tag is asked for once in a run of Ansible, so that all hosts get the same commit; a whole commit id that is in the cache
    costs nothing.
  - What goes wrong is part of the result, so that P(flaskops.host.normalize_apps#filter) tells it with all other problems.
options:
  _terms:
    description: The lists flask_apps, as the user wrote them.
    type: list
    elements: list
    required: true
  defaults:
    description: Keys laid under every entry.
    type: dict
    default: {}
  source_root:
    description: The directory that a relative C(git.key_file) starts from.
    type: str
    default: .
"""

EXAMPLES = """
- name: Fetch what comes from Git
  ansible.builtin.set_fact:
    checkouts: "{{ lookup('flaskops.host.checkouts', flask_apps) }}"
"""

RETURN = """
_raw:
  description: One dictionary for each list. By repository and version C(path) and C(origin) (the commit in words), or the C(problem).
  type: list
  elements: dict
"""

import os
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.flaskops.host.plugins.module_utils._git import checkouts


class LookupModule(LookupBase):
    """Lookups run in workers of one ansible-playbook, whose process id names the run."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        defaults, root = self.get_option("defaults"), self.get_option("source_root")
        return [checkouts(term, defaults, root, run=str(os.getppid())) for term in terms]
