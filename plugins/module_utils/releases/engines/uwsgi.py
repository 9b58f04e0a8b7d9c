# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uWSGI of our runtime image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...inputs.options import Option
from ..command import one_line
from ..replaced import UWSGI, UWSGI_KEYS, decided
from .engine import Engine, environment_in_runtime
from .shared import PROCESSES, greenlets, max_requests, threads

if TYPE_CHECKING:
    from ..app import App

OPTIONS = {
    "uwsgi": Option(
        kind="dict",
        default={},
        options={
            "processes": PROCESSES,
            "threads": threads("process"),
            "gevent": greenlets("process"),
            "harakiri_seconds": Option(
                kind="int",
                default=0,
                minimum=0,
                allowed="a number of seconds, 0 for none",
                about=(
                    "After how many seconds a process that is stuck in a request is killed; 0 for"
                    " never."
                ),
            ),
            "cheaper": Option(
                kind="int",
                default=0,
                minimum=0,
                allowed="a number of processes below processes, 0 for none",
                about="""
                    How many processes run under little load; more start under load, up to
                    O(uwsgi.processes). 0 for all, always.
                """,
            ),
            "cheaper_algorithm": Option(
                default="spare",
                choices=("spare", "spare2", "backlog", "busyness"),
                about="What decides how many processes run, with O(uwsgi.cheaper).",
            ),
            "max_requests": max_requests("process"),
            "buffer_size": Option(
                kind="int",
                default=65535,
                minimum=4096,
                maximum=65535,
                allowed="a number of bytes from 4096 to 65535",
                about="The largest head of a request, in bytes. More for large cookies.",
            ),
            "offload_threads": Option(
                kind="int",
                default=0,
                minimum=0,
                allowed="a number of threads, 0 for none",
                about="""
                    Threads in each process that send files, so that no other thread waits for a
                    slow client.
                """,
            ),
            "lazy_apps": Option(
                kind="bool",
                default=False,
                about="""
                    Whether each process loads the application for itself, for code that does not
                    survive a fork. Takes more memory.
                """,
            ),
            "stats": Option(
                kind="bool",
                default=False,
                about="""
                    Whether uWSGI gives its statistics as JSON at the socket C(stats.sock) beside
                    that of the application.
                """,
            ),
            "options": Option(
                kind="dict",
                default={},
                pattern=r"[a-z][a-z0-9-]*",
                allowed="options are written as uWSGI writes them, such as max-worker-lifetime",
                elements=Option(check=one_line, secret=True),
                about="""
                    Any other option by uWSGI's own name, such as V(max-worker-lifetime). One that
                    uWSGI does not know stops the release.

                    Those that the role sets are refused.
                """,
            ),
        },
        about="Settings of uWSGI.",
    ),
}


def _environment(app: App) -> dict[str, str]:
    return environment_in_runtime(app, app.uwsgi.processes)


def _problems(app: App) -> list[str]:
    uwsgi, timeout = app.uwsgi, app.proxy.read_timeout_seconds
    found = []
    for option in uwsgi.options:
        if option in UWSGI or option in UWSGI_KEYS:
            found.append(f"uwsgi.options must not have {option}: {decided(option)}.")
    if uwsgi.harakiri_seconds >= timeout:
        found.append(
            f"uwsgi.harakiri_seconds is {uwsgi.harakiri_seconds}, and Nginx waits {timeout} s"
            " for an answer (proxy.read_timeout_seconds): it would give up first, and nobody would"
            " see why. Write a smaller number, or a longer proxy.read_timeout_seconds."
        )
    if uwsgi.processes != "auto" and uwsgi.cheaper >= int(uwsgi.processes):
        found.append(
            f"uwsgi.cheaper must be less than uwsgi.processes, which is {uwsgi.processes}; got"
            f" {uwsgi.cheaper}."
        )
    return found


ENGINE = Engine(
    name="uwsgi",
    settings="uwsgi.ini",
    options=OPTIONS,
    in_runtime=True,
    environment=_environment,
    problems=_problems,
    processes="uwsgi.processes",
    load_late="write uwsgi.lazy_apps: true",
    noise=(
        r"\[uWSGI\]|\*\*\* (Starting|dumping|end of|Operational)|compiled with|os:"
        r" |nodename|machine|clock source|pcre jit|detected |"
        r"current working|chdir|your (processes|memory|server|mercy)|- async|lock engine|thunder"
        r" lock|uwsgi socket|Python (version|main)|"
        r"PEP 405|Set PythonHome|python threads|mapped |added /app|\[rule: |VACUUM"
    ),
)
