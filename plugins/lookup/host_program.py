# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = """
name: host_program
short_description: The program that runs on hosts between two runs
version_added: 0.1.0
description:
  - Makes one archive of the parts of this collection that run without Ansible, such as the renewal
    of certificates.
author:
  - flaskops contributors (@flaskops)
options:
  _terms:
    description: None.
"""

EXAMPLES = """
- name: Write the program
  ansible.builtin.copy:
    src: "{{ lookup('flaskops.host.host_program') }}"
    dest: /usr/local/lib/flaskops/
    mode: "0755"
"""

RETURN = """
_raw:
  description: The path of the archive on the controller; its name has its version.
  type: list
  elements: str
"""

import os
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.lookup import LookupBase

from ..module_utils.program import archive


class LookupModule(LookupBase):
    """Writes the archive to the temporary directory of the run."""

    def run(self, terms: Any, variables: Any = None, **options: Any) -> list[str]:
        path = Path(constants.DEFAULT_LOCAL_TMP, archive.name())
        # Each host has its own process, and all of them write the same file.
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        aside.write_bytes(archive.archive())
        aside.replace(path)
        return [str(path)]
