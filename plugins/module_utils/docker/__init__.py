# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role docker: which packages, sources and settings of the engine a host needs, and what
prevents them.

In: the inputs of the role and the facts of the host. Out: a plan. It does not know applications,
and no other room imports it.
"""
