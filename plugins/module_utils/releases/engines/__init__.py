# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application servers, one file each.

In: a name, an entry, or what Docker says of a container. Out: an Engine with its options, its
settings file, its environment, its problems and its noise. It is in this package because the hosts
need it, too; it does not know what a release is.
"""
