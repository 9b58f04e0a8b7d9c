# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules of one kind support."""

from __future__ import annotations


class ModuleDocFragment:
    """A step of a deploy, and a module that only reads."""

    STEP = r"""
attributes:
  check_mode: {support: none, description: It is called only in a real run.}
  diff_mode: {support: none, description: The plan shows what is done.}
"""
    BACKUP = r"""
attributes:
  check_mode: {support: full, description: It only looks and predicts the change.}
  diff_mode: {support: none, description: The result says what was done.}
"""
    INFO = r"""
attributes:
  check_mode: {support: full, description: It only reads.}
  diff_mode: {support: none, description: It only reads.}
  idempotent: {support: full, description: It only reads.}
"""
