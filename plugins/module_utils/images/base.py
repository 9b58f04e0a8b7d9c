# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that an application's runtime is built on: the host's, or a separate one with another
Python.
"""

from __future__ import annotations

import re

# A reference of Docker's Python images, in whatever repository: before the version, the version,
# and what comes after it.
_PYTHON = re.compile(r"((?:[^@\s]*/)?python:)(3\.\d{1,2})((?:\.\d{1,2})?)((?:-[A-Za-z0-9_.-]+)?)")
# Images without APT.
_OTHER = re.compile(r"alpine|busybox|distroless|nanoserver|windowsservercore")


def problem_of(image: str) -> str:
    """What a base must be, if its name shows that it has no APT; else ""."""
    words = "be a Debian or Ubuntu with Python and APT, such as python:3.12-slim-trixie"
    return words if _OTHER.search(image) else ""


def python_of(image: str) -> str:
    """The version of Python that the reference of an image names, such as 3.13; "" where it names
    none.
    """
    found = _PYTHON.match(image)
    return found[2] if found else ""


def choose(image: str, python: str, host: str, bootstrapped: str) -> tuple[str, str]:
    """The base of the runtime image of an application, "" for that of the host; and what is wrong
    with the keys, as a sentence.

    Args:
        image: the key base_image.
        python: the key python.
        host: flask_apps_base_image.
        bootstrapped: the version of the distribution's Python where the base is bootstrapped from
            it; else "".
    """
    if bootstrapped:
        return "", _bootstrapped(image, python, bootstrapped)
    if image:
        return "" if image == host else image, ""
    if not python or python == python_of(host):
        return "", ""
    found = _PYTHON.fullmatch(host)
    if found:
        return f"{found[1]}{python}{found[4]}", ""
    return "", (
        f"python: which image has {python} does not follow from flask_apps_base_image; write"
        f" base_image, such as python:{python}-slim-trixie."
    )


def _bootstrapped(image: str, python: str, version: str) -> str:
    words = "flask_apps_base_source: bootstrap makes the base from the distribution"
    other = "leave it out, or set flask_apps_base_source: registry"
    if image:
        return f"base_image is written, and {words}; {other}."
    if python and python != version:
        return (
            f"python must be {version}, for {words}, which has no other; got {python}. Write that,"
            f" {other}."
        )
    return ""
