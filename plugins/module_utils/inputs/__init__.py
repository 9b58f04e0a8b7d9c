# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of what a user wrote against a table of options, with all problems at once and in the
same words.

In: a dictionary and a table. Out: the dictionary with its defaults, and the problems. It knows none
of the tables: each stands in the room that it describes.
"""
