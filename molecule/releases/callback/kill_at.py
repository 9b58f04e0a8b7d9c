# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""For tests only: kill the controller with SIGKILL when a task begins, or a moment later."""

from __future__ import annotations

DOCUMENTATION = """
name: kill_at
type: aggregate
short_description: Kill the controller at a chosen task
description: For tests only.
"""

import os
import signal
import threading

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kill_at"

    def v2_playbook_on_task_start(self, task, is_conditional):
        if os.environ.get("FLASKOPS_KILL_AT") and task.get_name().endswith(
            os.environ["FLASKOPS_KILL_AT"]
        ):
            threading.Timer(
                float(os.environ.get("FLASKOPS_KILL_AFTER", "0")), os.killpg, (0, signal.SIGKILL)
            ).start()
