# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of an application, such as its database: containers that outlive its releases.

In: the services of an App. Out: on the controller a ServiceSpec for each, which is not part of the
release; on the host running, healthy services, and the values that the application gets from them.
"""
