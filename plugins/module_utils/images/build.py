# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds an image. The docker command and no library: it has BuildKit where buildx is, and on
Debian 12, whose engine has no buildx.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..host.engine import Docker, shortened, tail
from ..host.files import HostError
from ..host.reason import of_build, with_log
from ..host.shown import shown_line
from ..inputs.options import hidden
from . import certificates, libraries, outdated
from .dockerfile import is_reserved

# The engine's own builder, whatever is chosen for root, and an image without a manifest around it.
ENVIRONMENT = {
    "DOCKER_BUILDKIT": "1",
    "BUILDX_BUILDER": "default",
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
}
LOG_LINES = 60
# What BuildKit repeats at the end: the last lines of the failed step.
_AGAIN = re.compile(r"^------\n > .*?^------\n", re.MULTILINE | re.DOTALL)
_WARNING = re.compile(r"(?m)^(?:#\d+ )?\d+\.\d+ flaskops warning: (.*)$")
SECONDS = 24 * 3600


def build(
    docker: Docker, path: str, image: str, secrets: Iterable[str], more: Iterable[str] = ()
) -> list[str]:
    """Build the context that is unpacked in a directory.

    Args:
        docker: the engine.
        path: the directory, with C(Dockerfile) and C(context).
        image: the name of the image.
        secrets: the options that the Dockerfile needs.
        more: options.

    Returns:
        The warnings of what we run in it.

    Raises:
        HostError: with what went wrong, and the end of the log.
    """
    options = ("--progress=plain", f"--tag={image}", f"--file={path}/Dockerfile", *more, *secrets)
    try:
        log = docker.run(
            "build",
            *options,
            f"{path}/context",
            merge=True,
            seconds=SECONDS,
            environment=ENVIRONMENT,
        )
    except HostError as error:
        # An index may have been given with a user and a password.
        said = [hidden(shortened(line)) for line in tail(_AGAIN.sub("", str(error)), LOG_LINES)]
        trusts = any("ca-bundle.crt" in option for option in options)
        known = (
            outdated.of_build(str(error))
            or libraries.of_build(str(error))
            or certificates.of_build(str(error), trusts)
        )
        reason = hidden(known) or of_build("\n".join(said))
        raise HostError(with_log(reason, said)) from None
    return list(dict.fromkeys(hidden(shortened(line)) for line in _WARNING.findall(log)))


def refuse_labels(image: Mapping[str, Any], name: str) -> None:
    """Containers inherit the labels of their image, and by ours a run knows what to stop and
    remove.

    Args:
        image: what C(docker inspect) says of it.
        name: of the image.
    """
    labels = image.get("Config", {}).get("Labels") or {}
    if found := sorted(label for label in labels if is_reserved(label)):
        raise HostError(
            f"the image {name} has the label {', '.join(map(shown_line, found))}. Labels that begin"
            " with host.flaskops are reserved for containers of this collection; remove the LABEL"
            " from its Dockerfile, or take another base image."
        )
