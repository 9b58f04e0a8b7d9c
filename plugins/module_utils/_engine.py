# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of the application server, checked before any host is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Options of uWSGI that the role writes, and the key that decides each; "" where there is none.
ROLE_OPTIONS = {
    "processes": "uwsgi.processes",
    "workers": "uwsgi.processes",
    "threads": "uwsgi.threads",
    "gevent": "uwsgi.gevent",
    "gevent-monkey-patch": "websocket",
    "http-websockets": "websocket",
    "cheaper": "uwsgi.cheaper",
    "cheaper-initial": "uwsgi.cheaper",
    "cheaper-algo": "uwsgi.cheaper_algorithm",
    "harakiri": "uwsgi.harakiri_seconds",
    "max-requests": "uwsgi.max_requests",
    "buffer-size": "uwsgi.buffer_size",
    "max-vars": "uwsgi.buffer_size",
    "offload-threads": "uwsgi.offload_threads",
    "lazy-apps": "uwsgi.lazy_apps",
    "stats": "uwsgi.stats",
    "module": "module",
    "wsgi": "module",
    "wsgi-file": "module",
    "callable": "callable",
    "mount": "path_mode",
    "manage-script-name": "path_mode",
    "env": "env",
    "worker-reload-mercy": "drain_seconds",
    "reload-mercy": "drain_seconds",
    **dict.fromkeys(("master", "strict", "need-app", "vacuum", "home", "virtualenv", "venv", "pyhome", "hook-master-start"), ""),
    **dict.fromkeys(("socket", "uwsgi-socket", "http", "https", "http-socket", "http11-socket", "https-socket", "chmod-socket"), ""),
    **dict.fromkeys(("listen", "uid", "gid", "chroot", "daemonize", "daemonize2", "pidfile", "logto", "logto2", "die-on-term"), ""),
}


def problems(app: Mapping[str, Any]) -> list[str]:
    """What does not fit together in a complete, well-formed entry."""
    return _uwsgi(app) if app["engine"] == "uwsgi" else []


def _uwsgi(app: Mapping[str, Any]) -> list[str]:
    uwsgi, timeout = app["uwsgi"], app["proxy"]["read_timeout_seconds"]
    found = []
    for option in uwsgi["options"]:
        if option in ROLE_OPTIONS:
            key = ROLE_OPTIONS[option]
            found.append(f"uwsgi.options sets {option}, which the role writes; " + (f"write {key} instead." if key else "leave it out."))
    if uwsgi["harakiri_seconds"] >= timeout:
        found.append(
            f"uwsgi.harakiri_seconds is {uwsgi['harakiri_seconds']}, and Nginx waits {timeout} s for an answer "
            "(proxy.read_timeout_seconds): it would give up first, and nobody would see why. "
            "Write a smaller number, or a longer proxy.read_timeout_seconds."
        )
    if uwsgi["processes"] != "auto" and uwsgi["cheaper"] >= int(uwsgi["processes"]):
        found.append(f"uwsgi.cheaper must be less than uwsgi.processes, which is {uwsgi['processes']}; got {uwsgi['cheaper']}.")
    return found
