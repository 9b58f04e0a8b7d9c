# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready images: pulled from a registry, with a login that does not stay on the host."""

from __future__ import annotations

import re
import subprocess
import tempfile
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError
from ..host.shown import shown

# The words of registries and engines for a client without an account.
REFUSED = (
    "unauthorized",
    "denied",
    "authentication required",
    "no basic auth credentials",
    "forbidden",
)
SECONDS = 1800


def registry_of(image: str) -> str:
    """The registry in a reference, as for docker login; "" for Docker Hub."""
    first, slash, _rest = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def familiar(reference: str) -> str:
    """A reference as the engine shows it: without the name of Docker Hub."""
    return re.sub(r"^(index\.)?docker\.io/(library/)?", "", reference)


def is_reserved(reference: str) -> bool:
    """Whether the engine knows an image of this collection by this name."""
    return familiar(reference).startswith("flaskops/")


def names(docker: Docker) -> set[str]:
    """All names of images that the engine knows."""
    lines = docker.run(
        "image", "ls", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"
    ).splitlines()
    words = [line.split(" ") for line in lines]
    return {f"{name}:{tag}" for name, tag, _digest in words} | {
        f"{name}@{digest}" for name, _tag, digest in words
    }


def forget_names(docker: Docker, image: dict[str, Any], known: set[str]) -> None:
    """Take the names from an image that the engine did not know before."""
    for name in [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]:
        if name not in known:
            docker.run("rmi", name, check=False)


def pull(docker: Docker, reference: str, username: str = "", password: str = "") -> dict[str, Any]:
    """Pull an image.

    Args:
        reference: of the image.
        username: the name of the account; "" for no login.
        password: its password or token.

    Returns:
        What the engine says of the image.

    Raises:
        HostError: with the words of the registry.
    """
    with tempfile.TemporaryDirectory(prefix="flaskops-login-") as place:
        if username:
            _login(docker, registry_of(reference), username, password, place)
        done = _call(docker, "pull", reference, place=place if username else "")
    found = docker.inspect(reference, "image")
    if done.returncode == 0 and found:
        return found
    said = shown((done.stderr or done.stdout).strip())
    if any(word in said.lower() for word in REFUSED):
        login = (
            "the login in registry was not enough"
            if username
            else "it may be private, so write registry: username and password"
        )
        raise HostError(
            f"image {reference} could not be pulled: {login}, or it is not there. The registry"
            f" said: {said}"
        )
    raise HostError(f"image {reference} could not be pulled: {said}")


def _login(docker: Docker, registry: str, username: str, password: str, place: str) -> None:
    words = ["login", "--username", username, "--password-stdin", *([registry] if registry else [])]
    done = _call(docker, *words, place=place, text=password)
    if done.returncode:
        where = registry or "Docker Hub"
        raise HostError(
            f"{where} does not accept the login in registry, username {username!r}:"
            f" {shown(done.stderr.strip())}"
        )


def _call(
    docker: Docker, *words: str, place: str = "", text: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [docker.command, *(["--config", place] if place else []), *words]
    return subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
