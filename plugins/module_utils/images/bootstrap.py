# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A base image from the host's own APT sources, for hosts that reach no registry."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..host.engine import Docker, tail
from ..host.files import HostError
from .certificates import of_host

ORIGINS = ("Debian", "Ubuntu")
FIELDS = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
PYTHON_HOOKS = ('ln -sf python3 "$1/usr/bin/python"',)
CLEAN = 'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin'
LEFT_OUT = ("man", "doc", "locale", "info", "lintian")


@dataclass(frozen=True)
class Bootstrap:
    """The image to make.

    name: its reference. suite: the distribution's release, such as trixie. packages: what is
    installed besides the essential packages. essential, hooks: commands of mmdebstrap before these
    packages are installed, and at the end; the directory of the image is C($1). changes:
    instructions of a Dockerfile for docker import. programs: the text of programs by their path in
    the image.
    """

    name: str
    suite: str
    packages: tuple[str, ...]
    essential: tuple[str, ...] = ()
    hooks: tuple[str, ...] = PYTHON_HOOKS
    changes: tuple[str, ...] = ('CMD ["python3"]', "ENV LANG=C.UTF-8")
    programs: Mapping[str, str] = field(default_factory=dict)

    def make(self, docker: Docker, builds: Path) -> None:
        """Make the image where the host has none of that name.

        Args:
            docker: the engine.
            builds: a directory on a file system that allows programs and devices, unlike much of
            /tmp.
        """
        if docker.inspect(self.name, "image"):
            return
        try:
            self._import(docker, builds)
        except (HostError, OSError, subprocess.SubprocessError) as error:
            raise HostError(f"The base image {self.name} could not be made: {error}") from error

    def _import(self, docker: Docker, builds: Path) -> None:
        sources = source_lines(_targets(), self.suite)
        if not sources:
            raise HostError(
                f"the APT sources of this host have no entry of {' or '.join(ORIGINS)} for"
                f" {self.suite} with a downloaded list; run apt-get update, or set"
                " flask_apps_base_source to registry."
            )
        with tempfile.TemporaryDirectory(prefix="base.", dir=builds) as directory:
            listing, archive = Path(directory, "sources.list"), Path(directory, "base.tar")
            listing.write_text("\n".join(sources) + "\n")
            uploads = []
            for number, (path, text) in enumerate(self.programs.items()):
                program = Path(directory, f"program-{number}")
                program.write_text(text)
                program.chmod(0o755)
                uploads.append(f"copy-in {program} /usr/local")
                uploads.append(f'mv "$1/usr/local/{program.name}" "$1{path}"')
            self._mmdebstrap(listing, archive, uploads)
            changes = [word for change in self.changes for word in ("--change", change)]
            docker.run("import", *changes, str(archive), self.name)

    def _mmdebstrap(self, listing: Path, archive: Path, uploads: Iterable[str]) -> None:
        options = ["--quiet", "--variant=minbase", f"--include={','.join(self.packages)}"]
        options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
        options += [f"--essential-hook={hook}" for hook in self.essential]
        options += [f"--customize-hook={hook}" for hook in (*self.hooks, *uploads, CLEAN)]
        done = subprocess.run(
            ["mmdebstrap", *options, self.suite, str(archive), str(listing)],
            capture_output=True,
            text=True,
            # Its own session: mmdebstrap kills its whole process group when it fails.
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(archive.parent)},
            check=False,
        )
        if done.returncode:
            said = "\n".join(line[-400:] for line in tail(done.stderr, 20))
            raise HostError(
                "\n".join(filter(None, ("mmdebstrap failed:", said, of_host(done.stderr))))
            )


def _targets() -> str:
    return subprocess.run(
        ["apt-get", "indextargets", "--format", FIELDS, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def source_lines(targets: str, suite: str) -> list[str]:
    """The distribution's entries in the APT sources of the host, as lines of sources.list."""
    lines: dict[str, None] = {}
    for target in targets.splitlines():
        origin, uri, release, component, key = _fields(target.split("|"))
        if origin in ORIGINS and release.split("-")[0] == suite and "backports" not in release:
            signed = f"[signed-by={key}] " if key.startswith("/") else ""
            lines[f"deb {signed}{uri} {release} {component}"] = None
    return list(lines)


def _fields(words: Iterable[str]) -> list[str]:
    return [*words, "", "", "", "", ""][:5]
