# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Validate what a user wrote against an option schema, and report all problems together.

In: a dictionary and a schema. Out: the dictionary with its defaults, and the problems. It must not
know the schemas: each is in the room that it describes.
"""
