# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that an application's runtime is built on: the host's, or one of its own with another
Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# A reference of Docker's Python images, in whatever repository: before the version, the version,
# and what comes after it.
_PYTHON = re.compile(r"((?:[^@\s]*/)?python:)(3\.\d{1,2})((?:\.\d{1,2})?)((?:-[A-Za-z0-9_.-]+)?)")
# Images without APT.
_OTHER = re.compile(r"alpine|busybox|distroless|nanoserver|windowsservercore")


def problem_of(image: str) -> str:
    """What a base must be, where its name says that it has no APT; "" for any other."""
    words = "be a Debian or Ubuntu with Python and APT, such as python:3.12-slim-trixie"
    return words if _OTHER.search(image) else ""


def python_of(image: str) -> str:
    """The version of Python that the reference of an image names, such as 3.13; "" where it names
    none.
    """
    found = _PYTHON.match(image)
    return found[2] if found else ""


def complete(
    app: dict[str, Any], own: Mapping[str, Any], host: str, bootstrapped: str, ours: bool
) -> list[str]:
    """Work out the base of an application; build.base stays "" for that of the host.

    Args:
        app: the entry with its defaults.
        own: the entry alone; a default is left aside where it has no sense.
        host: flask_apps_base_image.
        bootstrapped: the version of the distribution's Python where the base is bootstrapped from
        it; else "". ours: whether the image is built on our runtime.

    Returns:
        The problems, as sentences.
    """
    written = [key for key in ("base_image", "python") if own.get(key)]
    if not ours:
        where = (
            "the image has its own"
            if app["build"]["kind"] == "image"
            else "write it into the FROM of its Dockerfile"
        )
        return [
            f"{key} is written, and the image is not built on our runtime; {where}, and leave {key}"
            " out."
            for key in written
        ]
    if len(written) == 2:
        return ["base_image and python are written; keep one."]
    if written:  # what the entry says goes before the other key of flask_apps_defaults
        app.update({key: "" for key in ("base_image", "python") if key not in written})
    image, python = app["base_image"], app["python"]
    if bootstrapped:
        return _bootstrapped(image, python, bootstrapped)
    if image:
        app["build"]["base"] = "" if image == host else image
    elif python and python != python_of(host):
        found = _PYTHON.fullmatch(host)
        if not found:
            return [f"python: which image has {python} does not follow from flask_apps_base_image; write base_image, such as "
                    f"python:{python}-slim-trixie."]  # fmt: skip
        app["build"]["base"] = f"{found[1]}{python}{found[4]}"
    return []


def _bootstrapped(image: str, python: str, version: str) -> list[str]:
    words = "flask_apps_base_source: bootstrap makes the base from the distribution"
    other = "leave it out, or set flask_apps_base_source: registry"
    if image:
        return [f"base_image is written, and {words}; {other}."]
    if python and python != version:
        return [
            f"python must be {version}, for {words}, which has no other; got {python}. Write that,"
            f" {other}."
        ]
    return []
