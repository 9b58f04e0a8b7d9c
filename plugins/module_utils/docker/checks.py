# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The problems that prevent the work of the role docker on a host, and notes for its user. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..host.engine import DAEMON_FILE
from ..inputs.options import hidden, refusal
from .apt import CONFLICTS, DEFAULT_SOURCE, ENGINE_PACKAGE, RELEASES, version_pattern
from .daemon import SOCKET, USERNS_REASON, option_problems
from .facts import Facts, Inputs

DISTRIBUTIONS = {**{name.lower(): name for name in RELEASES}, "raspbian": "Debian"}
OLDEST_ENGINE = (20, 10)
BUILDX_SINCE = 23
SNAP_REASON = (
    "the snap is confined and sees other directories than the host, so bind mounts fail silently"
)
ROOTLESS_REASON = (
    "it has other users and another network than the host, so bind mounts fail silently"
)


class Situation:
    """The facts of a host and the inputs of the role, and what is derived from the two."""

    def __init__(self, facts: Facts, inputs: Inputs) -> None:
        self.facts = facts
        self.inputs = inputs
        self.mode = "managed"
        if not inputs.manage:
            self.mode = "unmanaged"
        elif facts.engine and facts.engine.started_by == "hand":
            self.mode = "found"
        self.distribution = DISTRIBUTIONS.get(facts.distribution.id, facts.distribution.id)
        self.release = facts.distribution.version
        self.source = inputs.source
        if self.source == "auto":
            self.source = DEFAULT_SOURCE.get(self.distribution, "distribution")
        self.pattern = version_pattern(self.source, inputs.version)
        self.url = (
            inputs.apt_url.rstrip("/")
            or f"https://download.docker.com/linux/{self.distribution.lower()}"
        )
        self.key = inputs.apt_key_url or f"{self.url}/gpg"
        self.conflicts = [name for name in CONFLICTS[self.source] if name in facts.packages]
        # docker-compose 1 is a program that conflicts with no package.
        if "docker-compose" in self.conflicts and facts.packages["docker-compose"].startswith(
            ("1.", "0.")
        ):
            self.conflicts.remove("docker-compose")


def problems(here: Situation) -> Iterator[str]:
    """Everything that prevents the work of the role, before it is planned."""
    if not here.facts.root:
        yield "The docker role was not run as root; set become: true in the play."
    yield from _engine_problems(here)
    if here.mode == "managed":
        yield from _host_problems(here)
        yield from _input_problems(here)
        yield from _source_problems(here)


def _engine_problems(here: Situation) -> Iterator[str]:
    managed, snap = here.mode == "managed", here.facts.snap
    if managed and snap:
        yield (
            f"Docker is installed as a snap: {SNAP_REASON}. Remove it (snap remove docker); its"
            " containers go with it."
        )
    engine = here.facts.engine
    if not engine:
        if here.mode == "unmanaged":
            yield (
                f"docker_manage is false and no Docker Engine answers at {SOCKET}"
                f" ({here.facts.engine_error}). Start it, or set docker_manage: true to have it"
                " installed."
            )
        return
    if engine.podman:
        yield (
            f"What answers at {SOCKET} is Podman, not Docker. Remove the package podman-docker"
            " first."
        )
        return
    advice = (
        "Set it up without that, or move it off this host."
        if managed
        else "Use an ordinary Docker Engine."
    )
    if engine.snap and not (managed and snap):
        yield f"The Docker Engine at {SOCKET} is a snap: {SNAP_REASON}. {advice}"
    if engine.rootless:
        yield f"The Docker Engine at {SOCKET} is rootless: {ROOTLESS_REASON}. {advice}"
    if engine.userns_remap:
        yield f"The Docker Engine at {SOCKET} uses userns-remap: {USERNS_REASON}. {advice}"
    numbers = re.match(r"(\d+)\.(\d+)", engine.version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_ENGINE and not managed:
        yield f"The Docker Engine at {SOCKET} is {engine.version}; 20.10 or newer is needed."
    best = here.facts.cli
    if numbers and int(numbers[1]) >= BUILDX_SINCE and not managed and not (best and best.buildx):
        yield (
            f"The Docker Engine at {SOCKET} is {engine.version}, and no docker command here has"
            f" the plugin buildx, without which those from {BUILDX_SINCE} on build no image."
            " Install Docker's docker-buildx-plugin or the distribution's docker-buildx."
        )


def _host_problems(here: Situation) -> Iterator[str]:
    if here.release not in RELEASES.get(here.distribution, {}):
        releases = " and ".join(
            f"{name} {', '.join(numbers)}" for name, numbers in RELEASES.items()
        )
        yield (
            f"{here.facts.distribution.name} is not supported: Docker is installed on {releases}."
            " Set docker_manage: false to use a Docker Engine that is already there."
        )
    if here.facts.service.masked:
        yield (
            "docker.service is masked, so it cannot be started. Unmask it (systemctl"
            " unmask docker.service docker.socket), or set docker_manage: false."
        )


def _input_problems(here: Situation) -> Iterator[str]:
    inputs = here.inputs
    if inputs.version and not re.fullmatch(r"[0-9][0-9A-Za-z.+:~*-]*", inputs.version):
        words = (
            f"be a version of the package {ENGINE_PACKAGE[here.source]}, such as 27.3, 27.3.1 or"
            " 5:27.3.1-1~ubuntu.24.04~noble"
        )
        yield refusal("docker_version", words, inputs.version)
    if here.source == "docker":
        if not re.fullmatch(r"https?://[^\s\[\]]+", here.url):
            words = (
                "be an http:// or https:// address that holds dists/, such as"
                " https://download.docker.com/linux/ubuntu"
            )
            yield refusal("docker_apt_url", words, hidden(inputs.apt_url))
        if not re.match(r"https?://\S+$|/\S+$|-----BEGIN PGP PUBLIC KEY BLOCK-----", here.key):
            words = (
                "be an http:// or https:// address, the path of a key file on the host, or the"
                " armoured key itself"
            )
            yield refusal("docker_apt_key_url", words, hidden(inputs.apt_key_url))
    old_engine = (here.source, here.distribution, here.release) == ("distribution", "Debian", "12")
    yield from option_problems(
        inputs.daemon_options, here.facts.service.command, here.facts.swarm, old_engine
    )


def _source_problems(here: Situation) -> Iterator[str]:
    """A working engine from elsewhere, or packages that would be removed."""
    unpackaged = here.facts.engine and not any(
        name in here.facts.packages for name in ENGINE_PACKAGE.values()
    )
    if here.inputs.replace_engine or not (here.conflicts or unpackaged):
        return
    running = ""
    if here.facts.engine:
        count = here.facts.engine.containers_running
        running = (
            f" Docker Engine {here.facts.engine.version} answers, with {count} running"
            f" container{'' if count == 1 else 's'}."
        )
    given = here.inputs.source
    meant = f" (that is '{here.source}' on {here.distribution})" if given == "auto" else ""
    listed = ", ".join(f"{name} {here.facts.packages[name]}" for name in here.conflicts)
    have = (
        f" and removes {listed}"
        if here.conflicts
        else ", but no package owns the engine that is there"
    )
    other = next((name for name, engine in ENGINE_PACKAGE.items() if engine in here.conflicts), "")
    keep = (
        f"docker_source: {other} to keep it"
        if other
        else "docker_manage: false to use what is there as it is"
    )
    yield (
        f"docker_source is '{given}'{meant}, which installs"
        f" {ENGINE_PACKAGE[here.source]}{have}.{running} Set {keep}, or docker_replace_engine: true"
        " to replace it (that stops the containers; they stay, as do images and volumes)."
    )


def notes(here: Situation) -> Iterator[str]:
    """Notes for the user about problems that prevent nothing."""
    clis = here.facts.clis
    best = here.facts.cli
    if best and best.path != clis[0].path:
        first = clis[0]
        lacks = [
            name
            for name in ("buildx", "compose")
            if getattr(best, name) and not getattr(first, name)
        ]
        if lacks:  # it comes first in PATH and cannot do what ours can
            owner = {"podman": "Podman's ", "snap": "the snap's "}.get(first.kind, "")
            yield (
                f"The docker command that comes first in PATH is {owner}{first.path} and has no "
                f"{' and no '.join(lacks)}; {best.path} is used instead."
            )
    if here.mode == "found" and here.facts.engine:
        yield (
            f"Docker Engine {here.facts.engine.version} was started by hand (process"
            f" {here.facts.engine.pid}), not by its service: it is used as it is; nothing is"
            f" installed or started, and {DAEMON_FILE} is not touched."
        )
