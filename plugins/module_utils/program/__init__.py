# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that a role installs on hosts where something happens between two runs: one archive
of the rooms that it needs. Nothing else of this collection runs there.

In: a command, from a unit of systemd or from cron. Out: what the command did, and its exit code. It
does not know Ansible.
"""
