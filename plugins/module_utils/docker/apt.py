# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages, versions and sources of APT, as far as they concern Docker. Pure."""

from __future__ import annotations

import fnmatch
import re

from .facts import AptSource

APT_NAME = "flaskops-docker"
APT_SOURCE = f"/etc/apt/sources.list.d/{APT_NAME}.sources"

# Distribution -> release number -> code name, the suite of Docker's repository.
RELEASES = {
    "Ubuntu": {"22.04": "jammy", "24.04": "noble", "26.04": "resolute"},
    "Debian": {"12": "bookworm", "13": "trixie"},
}
DEFAULT_SOURCE = {"Ubuntu": "docker", "Debian": "distribution"}

ENGINE_PACKAGE = {"docker": "docker-ce", "distribution": "docker.io"}
DOCKER_PACKAGES = [
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
]
DISTRIBUTION_PACKAGES = {
    "Ubuntu": ["docker.io", "docker-buildx", "docker-compose-v2"],
    "Debian 12": ["docker.io"],  # its engine is 20.10; buildx and compose v2 are not in the archive
    "Debian 13": ["docker.io", "docker-cli", "docker-buildx", "docker-compose"],
}
# What the engine package only recommends: without iptables it does not start, without AppArmor it
# does not confine.
COMPANIONS = ["apparmor", "ca-certificates", "iptables"]
REPOSITORY_TOOLS = ["ca-certificates", "python3-debian"]
CONFLICTS = {
    "docker": [
        "docker.io",
        "docker-cli",
        "docker-buildx",
        "docker-compose",
        "docker-compose-v2",
        "podman-docker",
        "containerd",
        "runc",
    ],
    "distribution": [*DOCKER_PACKAGES, "docker-ce-rootless-extras", "podman-docker"],
}
INTERESTING_PACKAGES = sorted(
    {
        *DOCKER_PACKAGES,
        *CONFLICTS["docker"],
        *CONFLICTS["distribution"],
        *COMPANIONS,
        *REPOSITORY_TOOLS,
    }
)


def version_pattern(source: str, version: str) -> str:
    """A pin in APT's words: a whole version as it is, a short one as a wildcard that ends at the
    next dot.

    >>> version_pattern("docker", "27.3")
    '5:27.3.*'
    """
    if not version or "*" in version or "-" in version:
        return version
    if source == "docker" and ":" not in version:
        version = f"5:{version}"  # the epoch of Docker's own packages
    numbers = version.split(":")[-1].split(".")
    if len(numbers) < 3:
        return f"{version}.*"
    return f"{version}-*" if source == "docker" else f"{version}*"


def version_matches(installed: str, pattern: str) -> bool:
    return not pattern or fnmatch.fnmatchcase(installed, pattern)


def parse_apt_sources(path: str, text: str) -> list[AptSource]:
    """The entries of a .list or a .sources file (deb822)."""
    if path.endswith(".sources"):
        return _parse_deb822(path, text)
    entries = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<words>[^#]+)", line)
        if not match:
            continue
        uri, suite, *components = match["words"].split()
        signed_by = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
        key = signed_by[1] if signed_by else ""
        entries.append(AptSource(path, (uri.rstrip("/"),), (suite,), tuple(components), key))
    return entries


def _parse_deb822(path: str, text: str) -> list[AptSource]:
    entries = []
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if not fields.get("uris") or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        entries.append(
            AptSource(
                path,
                uris=tuple(uri.rstrip("/") for uri in fields["uris"].split()),
                suites=tuple(fields.get("suites", "").split()),
                components=tuple(fields.get("components", "").split()),
                signed_by=fields.get("signed-by", ""),
            )
        )
    return entries
