# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that have no effect here, and what replaces each. The runtime image also has this
file, so it imports no other module of this collection.

docs/presets.md shows the same to users.
"""

from __future__ import annotations

_SOCKET = (
    "the server listens on a unix socket; site, path and nginx_http_port say where users reach it"
)
_NGINX = "Nginx is the host's, for all applications; write {}"

# Variables of the images that people come from, and what replaces them.
VARIABLES = {
    "BIND": _SOCKET,
    "LISTEN_PORT": _SOCKET,
    "NGINX_WORKER_PROCESSES": _NGINX.format("nginx_worker_processes"),
    "NGINX_WORKER_CONNECTIONS": _NGINX.format("nginx_worker_connections"),
    "NGINX_WORKER_OPEN_FILES": _NGINX.format("nginx_worker_rlimit_nofile"),
}
# These may mean something else to an application that was not made for one of the images.
VARIABLES_OF_PRESETS = {"HOST": _SOCKET, "PORT": _SOCKET}
# Variables that the deploy reads, and the key that each becomes.
READ = {
    "NGINX_MAX_UPLOAD": "proxy.body_size",
    "STATIC_PATH": "static[].path",
    "STATIC_URL": "static[].url",
    "STATIC_INDEX": "static[].index",
}

# Options of uWSGI that the role decides, and the key for each; "" where no key has it. They have no
# effect in a uwsgi.ini of the application, and are refused in uwsgi.options.
UWSGI = {
    **dict.fromkeys(("module", "wsgi", "wsgi-file", "file"), "module"),
    "callable": "callable",
    **dict.fromkeys(("mount", "manage-script-name"), "path_mode: script_name"),
    **dict.fromkeys(
        ("die-on-term", "exit-on-reload", "reload-mercy", "worker-reload-mercy"), "drain_seconds"
    ),
    **dict.fromkeys(("uid", "gid"), "uid"),
    **dict.fromkeys(
        (
            "socket",
            "uwsgi-socket",
            "http-socket",
            "http11-socket",
            "http",
            "https",
            "https-socket",
            "protocol",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "shared-socket",
            "fastcgi-socket",
            "scgi-socket",
            "puwsgi-socket",
            "raw-socket",
            "bind-to-unix-socket",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "chmod-socket",
            "chmod",
            "chown-socket",
            "listen",
            "abstract-socket",
            "vacuum",
            "vacum",
            "reuse-port",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "master",
            "strict",
            "need-app",
            "need-plugin",
            "plugin",
            "plugins",
            "plugin-dir",
            "plugins-dir",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "chroot",
            "cap",
            "emperor",
            "zerg",
            "unshare",
            "hook-master-start",
            "home",
            "virtualenv",
            "venv",
            "pyhome",
        ),
        "",
    ),
    **dict.fromkeys(
        ("daemonize", "daemonize2", "pidfile", "pidfile2", "safe-pidfile", "safe-pidfile2"), ""
    ),
    **dict.fromkeys(("logto", "logto2", "log-master"), ""),
}
# Options with a separate key: they have an effect in a uwsgi.ini, not in uwsgi.options.
UWSGI_KEYS = {
    **dict.fromkeys(("processes", "workers"), "uwsgi.processes"),
    "threads": "uwsgi.threads",
    "gevent": "uwsgi.gevent",
    **dict.fromkeys(("gevent-monkey-patch", "http-websockets"), "websocket"),
    **dict.fromkeys(("cheaper", "cheaper-initial"), "uwsgi.cheaper"),
    "cheaper-algo": "uwsgi.cheaper_algorithm",
    "harakiri": "uwsgi.harakiri_seconds",
    "max-requests": "uwsgi.max_requests",
    **dict.fromkeys(("buffer-size", "max-vars"), "uwsgi.buffer_size"),
    "offload-threads": "uwsgi.offload_threads",
    "lazy-apps": "uwsgi.lazy_apps",
    "stats": "uwsgi.stats",
    "env": "env",
}


def variable(name: str) -> str:
    """The note about a variable that has no effect in the container."""
    words = {**VARIABLES, **VARIABLES_OF_PRESETS}.get(
        name
    ) or f"the deploy has read it as {READ[name]}"
    return f"{name} has no effect: {words}"


def decided(option: str) -> str:
    """Why an application may not set an option of uWSGI, and the key to use."""
    key = {**UWSGI, **UWSGI_KEYS}[option]
    return "the role decides it" + (f"; the key for it is {key}" if key else "")
