# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of bin/flaskops: from what a host says about an application, and from Ansible's own
connection to it, to the command that gets the terminal.

In: the arguments of the command line, and the answers of the module release_attach. Out: ssh,
docker or a shell, and its exit code. It does not know what a release is made of.
"""
