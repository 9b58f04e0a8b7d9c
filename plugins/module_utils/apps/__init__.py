# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user wrote becomes an App: the options of an entry, defaults, and checks across entries.

In: flask_apps. Out: entries that are whole, or all problems at once. It runs on the controller
alone and asks no host.
"""
