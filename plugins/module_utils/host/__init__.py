# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every package needs of a host: files, directories, the Docker Engine, and failures in words.

In: paths, bytes and names. Out: the answer of the host, or HostError. It must not know
applications, releases or Nginx.
"""
