# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: Dockerfiles, build contexts and their differences, builds, archives and registries.

In: a context or the name of an image. Out: an image on the host, or the reason why not. It does
not know which release needs it.
"""
