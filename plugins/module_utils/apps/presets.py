# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications that were made for a known image with Nginx or Gunicorn: their settings, under the
names of that image.

The entrypoint of the runtime image does in the container what such an image does at its start. The
host's Nginx replaces the one of the image, so its settings become keys of the application, or a
note that names the key that replaces them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..releases.app import Static
from ..releases.replaced import VARIABLES, VARIABLES_OF_PRESETS, variable
from .draft import Draft
from .schema import OPTIONS

# The images, and the application server that replaces theirs.
PRESETS = {
    "tiangolo/uwsgi-nginx-flask": "uwsgi",
    "tiangolo/uwsgi-nginx": "uwsgi",
    "tiangolo/meinheld-gunicorn-flask": "gunicorn",
    "tiangolo/meinheld-gunicorn": "gunicorn",
    "hellt/nginx-uwsgi-flask-alpine-docker": "uwsgi",
}


def preset_of(image: str) -> str:
    """The known image that a reference names, whatever its tag; "" for any other."""
    name = image.split("@")[0]
    name = name.rsplit(":", 1)[0] if ":" in name.rsplit("/", 1)[-1] else name
    name = re.sub(r"^(docker\.io|index\.docker\.io|registry-1\.docker\.io)/", "", name)
    return name if name in PRESETS else ""


def translate(draft: Draft, env: Mapping[str, str]) -> None:
    """Set the keys that the settings of these images mean here, unless the entry sets them.

    Args:
        draft: a sound entry.
        env: what the Dockerfile sets; the environment of the entry takes precedence.
    """
    env = {**env, **draft.app.env}
    _static(draft, env)
    _uploads(draft, env)
    _processes(draft, env)
    if draft.app.server.in_runtime:
        replaced = (*VARIABLES, *(VARIABLES_OF_PRESETS if draft.app.preset else ()))
        draft.note(*(variable(name) for name in replaced if name in env))


def nginx_notes(files: Mapping[str, str]) -> list[str]:
    """The notes about configuration for the Nginx of such an image.

    Args:
        files: the paths in the image, and the file of the source that each comes from.
    """
    notes = []
    for path, file in sorted(files.items()):
        if re.fullmatch(r"/etc/nginx/conf\.d/[^/]+\.conf", path):
            words = (
                "write its directives into proxy.directives, or the whole location into a template"
                " for proxy.fragment."
            )
            notes.append(f"{file} has no effect at {path}: Nginx is the host's; {words}")
        elif path in ("/app/nginx.conf", "/etc/nginx/nginx.conf"):
            words = (
                "write the location of the application into a template for proxy.fragment, what"
                " concerns the whole host into nginx_*."
            )
            notes.append(
                f"{file} has no effect at {path}: Nginx is the host's and other applications share"
                f" it; {words}"
            )
    return notes


def _are(names: list[str]) -> str:
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}"


def _have(names: list[str]) -> str:
    return f"{' and '.join(names)} {'have' if len(names) > 1 else 'has'}"


def _static(draft: Draft, env: Mapping[str, str]) -> None:
    names = [name for name in ("STATIC_PATH", "STATIC_URL", "STATIC_INDEX") if name in env]
    if not names:
        return
    if "static" in draft.given:
        draft.note(f"{_have(names)} no effect, for static is written.")
        return
    options = OPTIONS["static"].options or {}
    preset = draft.app.preset
    url = env.get("STATIC_URL", "/static")
    path = env.get("STATIC_PATH", "/app/static" if preset else "static")
    wrong = [
        f"env: {name} must be {options[key].allowed}; its value is hidden."
        for name, key, value in (("STATIC_URL", "url", url), ("STATIC_PATH", "path", path))
        if not re.fullmatch(options[key].pattern, value, re.ASCII)
    ]
    if wrong and not preset:  # a name that many applications have, for what they like
        draft.note(
            f"{_are(names)} left to the application; static says which of its files Nginx serves."
        )
    elif wrong:
        draft.refuse(*wrong)
    else:
        index = env.get("STATIC_INDEX", "0") == "1"
        draft.set(static=(Static(url, path, required=False, index=index),))
        meaning = f"static: [{{url: {url}, path: {path}{', index: true' if index else ''}}}]"
        draft.note(f"{_are(names)} understood as {meaning}")


def _uploads(draft: Draft, env: Mapping[str, str]) -> None:
    app = draft.app
    if "body_size" in (draft.given.get("proxy") or {}) or not (
        "NGINX_MAX_UPLOAD" in env or "nginx" in app.preset
    ):
        return
    size = env.get("NGINX_MAX_UPLOAD", "0").lower()
    option = (OPTIONS["proxy"].options or {})["body_size"]
    if not size or not re.fullmatch(option.pattern, size, re.ASCII):
        draft.refuse(
            "env: NGINX_MAX_UPLOAD must be a size such as 20m, 0 for no limit; its value is hidden."
        )
        return
    draft.set(proxy=replace(app.proxy, body_size=size))
    if "NGINX_MAX_UPLOAD" in env:
        draft.note(f"NGINX_MAX_UPLOAD is understood as proxy: {{body_size: {size}}}")
    else:
        draft.note(
            "uploads have no limit, as in that image; write proxy: {body_size: 20m} for one."
        )


def _processes(draft: Draft, env: Mapping[str, str]) -> None:
    app = draft.app
    names = [name for name in ("UWSGI_PROCESSES", "UWSGI_CHEAPER") if name in env]
    if not names or app.engine != "uwsgi":
        return
    written = draft.given.get("uwsgi") or {}
    if "processes" in written or "cheaper" in written:
        draft.note(f"{_have(names)} no effect, for uwsgi says how many processes there are.")
        return
    wrong = [
        f"env: {name} must be a number from 1 to 999; its value is hidden."
        for name in names
        if not re.fullmatch(r"[1-9]\d{0,2}", env[name])
    ]
    if wrong:
        draft.refuse(*wrong)
        return
    # 16 and 2 are the defaults of these images.
    processes = int(env.get("UWSGI_PROCESSES", "16"))
    cheaper = int(env.get("UWSGI_CHEAPER", "2" if app.preset else "0"))
    if cheaper >= processes and "UWSGI_CHEAPER" in env:
        draft.refuse(
            f"env: UWSGI_CHEAPER must be less than UWSGI_PROCESSES, which is {processes}; got"
            f" {cheaper}."
        )
        return
    cheaper = cheaper if cheaper < processes else 0
    draft.set(uwsgi=replace(app.uwsgi, processes=str(processes), cheaper=cheaper))
    draft.note(f"{_are(names)} understood as uwsgi: {{processes: {processes}, cheaper: {cheaper}}}")
