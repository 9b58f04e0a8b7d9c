# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the code of an application comes from, and what its files say: directory, Git,
requirements, the app.

In: a directory or a repository. Out: an archive, and what was found. Nothing of a source is run;
all reading is bounded.
"""
