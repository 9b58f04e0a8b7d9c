# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds an image. The docker command and no library: it has BuildKit where buildx is, and on Debian 12, whose engine has no buildx."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.flaskops.host.plugins.module_utils._host import Docker, HostError, tail

# The engine's own builder, whatever is chosen for root, and an image without a manifest around it.
ENVIRONMENT = {"DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
LOG_LINES = 60
SECONDS = 24 * 3600


def build(docker: Docker, path: str, image: str, secrets: Iterable[str], more: Iterable[str] = ()) -> None:
    """Build what lies unpacked in a directory.

    Args:
        docker: the engine.
        path: the directory, with C(Dockerfile) and C(context).
        image: the name of the image.
        secrets: the options that the Dockerfile needs.
        more: options.

    Raises:
        HostError: with the end of the log.
    """
    options = ("--progress=plain", f"--tag={image}", f"--file={path}/Dockerfile", *more, *secrets)
    try:
        docker.run("build", *options, f"{path}/context", merge=True, seconds=SECONDS, environment=ENVIRONMENT)
    except HostError as error:
        raise HostError("\n".join(tail(str(error), LOG_LINES))) from None
