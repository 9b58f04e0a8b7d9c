# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = """
name: build_context
short_description: Archive the source of an application for its build
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Writes a tar archive of the source after C(.dockerignore) into the temporary directory of this
    run and returns its path.
options:
  _terms:
    description: Directories on the controller.
    type: list
    elements: path
    required: true
  extra:
    description: Further files of the archive, content by name.
    type: dict
    default: {}
  below:
    description: Where in the archive the source goes, with a slash at the end.
    type: str
    default: app/
"""

EXAMPLES = """
- name: Send the build context
  ansible.builtin.copy:
    src: "{{ lookup('flaskops.host.build_context', 'files/shop', extra=files) }}"
    dest: /tmp/context.tar
    mode: "0600"
  vars:
    files: {Dockerfile: FROM scratch}
"""

RETURN = """
_raw:
  description: The paths of the archives.
  type: list
  elements: path
"""

import os
import tempfile
from typing import Any

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils.apps.sources.source import write_context


class LookupModule(LookupBase):
    """The archives lie in Ansible's own temporary directory, which it removes when it ends."""

    def run(
        self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self._archive(str(term)) for term in terms]

    def _archive(self, source: str) -> str:
        descriptor, path = tempfile.mkstemp(suffix=".tar", dir=constants.DEFAULT_LOCAL_TMP)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write_context(file, source, self.get_option("extra"), self.get_option("below"))
        except OSError as error:
            raise AnsibleLookupError(f"flaskops.host.build_context: {error}") from error
        return path
