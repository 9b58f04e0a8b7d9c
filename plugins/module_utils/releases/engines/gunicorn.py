# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gunicorn of our runtime image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...inputs.options import Option
from .engine import Engine, environment_in_runtime
from .shared import PROCESSES, greenlets, max_requests, threads

if TYPE_CHECKING:
    from ..app import App

OPTIONS = {
    "gunicorn": Option(
        kind="dict",
        default={},
        options={
            "workers": PROCESSES,
            "threads": threads("worker"),
            "gevent": greenlets("worker"),
            "timeout_seconds": Option(
                kind="int",
                default=60,
                minimum=0,
                allowed="a number of seconds, 0 for none",
                about="After how many seconds a worker that is stuck is replaced; 0 for never.",
            ),
            "max_requests": max_requests("worker"),
            "max_requests_jitter": Option(
                kind="int",
                default=0,
                minimum=0,
                allowed="a number of requests",
                about=(
                    "Up to how many requests more, by chance, so that not all workers are replaced"
                    " at once."
                ),
            ),
            "log_level": Option(
                default="info",
                choices=("debug", "info", "warning", "error", "critical"),
                about="The least severe messages that are logged.",
            ),
        },
        about="Settings of Gunicorn.",
    ),
}


def _environment(app: App) -> dict[str, str]:
    return environment_in_runtime(app, app.gunicorn.workers)


ENGINE = Engine(
    name="gunicorn",
    settings="gunicorn.conf.py",
    options=OPTIONS,
    in_runtime=True,
    environment=_environment,
    processes="gunicorn.workers",
    own_settings=("gunicorn.conf.py", "gunicorn_conf.py"),
    load_late="leave out preload_app",
    noise=(
        r"\[[-+: \d]+\] \[\d+\] \[(INFO|DEBUG)\] (Starting gunicorn|Listening at|Control"
        r" socket|Using worker|Booting worker|"
        r"Worker exiting|Handling signal|Shutting down)"
    ),
)
