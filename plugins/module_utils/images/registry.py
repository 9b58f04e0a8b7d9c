# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that did not provide an image: the message of the engine, and what to write."""

from __future__ import annotations

import re

HUB = "Docker Hub"
# The engine asks a registry at this path, and BuildKit names the image besides.
_ASKED = re.compile(
    r"https?://([\w.:-]+)/v2/|failed to resolve (?:source metadata for|reference)"
    r" \"?([\w.:-]+\.[\w.:-]+|localhost(?::\d+)?)/"
)
_UNREACHED = re.compile(
    r"no such host|server misbehaving|name resolution|i/o timeout|network is unreachable|no route"
    r" to host|connection refused|"
    r"connection reset by peer|Client\.Timeout|request canceled|TLS handshake timeout|deadline"
    r" exceeded|\bEOF\b",
)
_UNTRUSTED = re.compile(r"x509: |certificate signed by unknown authority|certificate verify failed")
_LIMITED = re.compile(r"toomanyrequests|too many requests|rate limit", re.IGNORECASE)
_MISSING = re.compile(r"([\w./:@-]+): not found|manifest (?:for \S+ |)(?:unknown|not found)")
# An image of a service, as module_utils/releases/services names it.
_SERVICE = re.compile(r"\bservice [\w-]+: image \S+ could not be pulled")
_SERVICE_WAYS = (
    "Where it is not to be reached at all: flask_apps_services_source: bootstrap makes PostgreSQL"
    " and Redis from the distribution's packages; load another image on the host (docker load)"
    " before the run."
)
_WAYS = (
    "Where it is not to be reached at all: flask_apps_base_source: bootstrap makes the base of our"
    " runtime from the host's APT sources, flask_apps_runtime_image takes a built runtime,"
    " and image_archive an application's image from a file."
)


def advice(reason: str) -> str:
    """What to write if a registry did not provide an image; "" for another failure."""
    asked = _ASKED.search(reason)
    if not asked:
        return ""
    place = asked[1] or asked[2]
    name = HUB if place.endswith("docker.io") else f"the registry {place}"
    of_service = _SERVICE.search(reason)
    if _UNTRUSTED.search(reason):
        words = "install its authority on the host (update-ca-certificates) and restart Docker."
        return f"This host does not trust the certificate of {name}: {words}"
    if _LIMITED.search(reason):
        return f"{name} gives this address no more images for a while. {_mirror(name)}"
    if _UNREACHED.search(reason):
        ways = _SERVICE_WAYS if of_service else _WAYS
        return f"This host does not reach {name}. {_mirror(name)} {ways}"
    if _MISSING.search(reason):
        keys = "base_image, python, flask_apps_base_image, or the FROM of the Dockerfile"
        if of_service:
            keys = "version or image of the service"
        return f"{name} answers, and has no such image: see {keys}."
    return ""


def _mirror(name: str) -> str:
    mirror = (
        "a mirror, docker_daemon_options: {registry-mirrors: [https://mirror.example.org]}, or "
        if name == HUB
        else ""
    )
    proxy = (
        "docker_daemon_options: {proxies: {https-proxy: http://proxy.example.org:3128}} (Docker 23"
        " and later)"
    )
    return f"Write {mirror}a proxy, {proxy}."
