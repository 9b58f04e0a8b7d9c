# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release and its life on a host: id, files, container, plan, lock, health check, switch, drain,
record and status.

In: an App. Out: a release that serves, or the one before with the reason. It does not know how the
user wrote the application.
"""
