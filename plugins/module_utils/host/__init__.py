# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every room needs of a host: files, directories, the Docker Engine, and what a failure looks
like in words.

In: paths, bytes and names. Out: what the host says, or HostError. It knows neither applications nor
releases nor Nginx.
"""
