# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action plugin that sends files to its host before it calls its module."""

from __future__ import annotations

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase


class NotSent(Exception):
    """A file could not be sent to the host."""


class SendingAction(ActionBase):
    """Files are sent to Ansible's temporary directory on the host, which is removed after the task.

    Without TRANSFERS_FILES: with it, ActionBase.run creates the directory, and a host without room
    counts as unreachable: the run would end without undoing anything.
    """

    def send(self, file: str, name: str) -> str:
        """Send a file; returns its path on the host.

        Args:
            file: on the controller.
            name: its name on the host.

        Raises:
            NotSent: the host has no room for it, or is gone.
        """
        try:
            directory = self._connection._shell.tmpdir or self._make_tmp_path()
            remote = self._connection._shell.join_path(directory, name)
            remote = str(self._transfer_file(file, remote))
            self._fixup_perms2((directory, remote))
        except AnsibleError as error:
            raise NotSent(str(error)) from error
        return remote
