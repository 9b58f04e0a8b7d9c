# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of Nginx on a host: facts, plan, and each change as one tested transaction.

In: sites, files and links that are wanted. Out: what was changed, or NginxError with the old tree
in place. It does not know what an application is.
"""
