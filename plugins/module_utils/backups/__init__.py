# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of what an application keeps: its volumes, saved by restic, and the way back.

In: the key backup of an entry, as a file that the host has. Out: a snapshot in a repository of the
application alone, a restored volume, and a record of how that went. It does not know Ansible.
"""
