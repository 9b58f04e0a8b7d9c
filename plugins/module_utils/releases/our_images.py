# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of this collection that releases are built on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .release import Release

_OUR_RUNTIME = re.compile(r"flaskops/runtime:[0-9a-f]{12}\b")
# The compatibility image in releases that were made before it had this name.
_OLD_COMPAT = re.compile(
    r"(flaskops/runtime:[0-9a-f]{12}|\$FLASKOPS_RUNTIME|\$\{FLASKOPS_RUNTIME\})-seed\b"
)


def needed_images(releases: Iterable[Release]) -> list[str]:
    """The images of this collection that must be on the host to build the images of these releases;
    those of one runtime are adjacent.
    """
    suffixes = ("-build", "", "-compat")
    needed: dict[str, set[str]] = {}
    for release in releases:
        runtime = release.runtime
        text = release.dockerfile.replace("${FLASKOPS_RUNTIME}", runtime).replace(
            "$FLASKOPS_RUNTIME", runtime
        )
        words = {
            word
            for line in text.splitlines()
            if line.lstrip().upper().startswith("FROM")
            for word in line.split()
        }
        needed.setdefault(runtime, set()).update(words)
    return [
        f"{runtime}{suffix}"
        for runtime, words in needed.items()
        for suffix in suffixes
        if f"{runtime}{suffix}" in words
    ]


def image_builds(
    releases: Iterable[Release], images: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """How each image of this collection is built: C(image), C(base) ("" for that of the host),
    C(target), the stage, and whether it is the C(first) of its runtime.

    Args:
        releases: those that need them.
        images: those of them that are built; None for all.
    """
    listed, known, builds = list(releases), set(), []
    for image in needed_images(listed) if images is None else images:
        runtime = next(iter(_OUR_RUNTIME.findall(image)))
        base = next((release.build.base for release in listed if release.runtime == runtime), "")
        target = image.removeprefix(runtime).removeprefix("-")
        builds.append(
            {"image": image, "base": base, "target": target, "first": runtime not in known}
        )
        known.add(runtime)
    return builds


def on_runtime(dockerfile: str, runtime: str) -> str:
    """The Dockerfile of an earlier release, on the present runtime image."""
    return _OUR_RUNTIME.sub(runtime, _OLD_COMPAT.sub(r"\1-compat", dockerfile))
