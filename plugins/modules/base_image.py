#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: base_image
short_description: Bootstrap a base image from the host's own APT sources
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - For hosts that reach no registry. Runs C(mmdebstrap) with the distribution's own entries of the
    host's APT sources, and imports the result.
  - The image has the distribution's Python.
attributes:
  check_mode: {support: full, description: Says whether an image would be made.}
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: full, description: An image with this name is kept.}
options:
  workdir: {description: A directory on a file system that allows programs and devices; much of /tmp does not., type: path, required: true}
  name: {description: The reference to give the image., type: str, required: true}
  suite: {description: "The distribution's release, such as C(trixie).", type: str, required: true}
  packages: {description: What is installed besides the essential packages., type: list, elements: str, required: true}
"""

EXAMPLES = r"""
- name: Bootstrap a base image
  flaskops.host.base_image:
    workdir: "{{ places.builds }}"
    name: flaskops/base:trixie
    suite: trixie
    packages: [python3, python3-venv, ca-certificates]
"""

RETURN = r"""
sources:
  description: The APT sources that were used.
  type: list
  elements: str
  returned: when an image was made
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.engine import Docker, tail
from ..module_utils.host.files import HostError
from ..module_utils.images.certificates import of_host

ARGUMENTS = {
    "workdir": {"type": "path", "required": True},
    "name": {"type": "str", "required": True},
    "suite": {"type": "str", "required": True},
    "packages": {"type": "list", "elements": "str", "required": True},
}
ORIGINS = ("Debian", "Ubuntu")
FIELDS = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
HOOKS = (
    'ln -sf python3 "$1/usr/bin/python"',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin',
)
LEFT_OUT = ("man", "doc", "locale", "info", "lintian")


def source_lines(targets: str, suite: str) -> list[str]:
    """The host's sources of its own distribution, as lines of sources.list; third parties are left
    out.
    """
    lines: dict[str, None] = {}
    for target in targets.splitlines():
        origin, uri, release, component, key = (target.split("|") + [""] * 5)[:5]
        if origin in ORIGINS and release.split("-")[0] == suite and "backports" not in release:
            signed = f"[signed-by={key}] " if key.startswith("/") else ""
            lines[f"deb {signed}{uri} {release} {component}"] = None
    return list(lines)


def bootstrap(params: dict[str, Any], docker: Docker) -> list[str]:
    """Make the image."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", FIELDS, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sources = source_lines(targets, params["suite"])
    if not sources:
        raise HostError(
            f"the APT sources of this host have no entry of {' or '.join(ORIGINS)} for"
            f" {params['suite']} with a downloaded list; run apt-get update, or set"
            " flask_apps_base_source to registry."
        )
    with tempfile.TemporaryDirectory(prefix="base.", dir=params["workdir"]) as directory:
        listing, archive = Path(directory, "sources.list"), Path(directory, "base.tar")
        listing.write_text("\n".join(sources) + "\n")
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(params['packages'])}",
        ]
        command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        command += [
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            *(f"--customize-hook={hook}" for hook in HOOKS),
        ]
        command += [params["suite"], str(archive), str(listing)]
        # A session of its own: mmdebstrap hangs up its whole process group when something goes
        # wrong.
        environment = {**os.environ, "TMPDIR": directory}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            start_new_session=True,
            env=environment,
            check=False,
        )
        if done.returncode:
            said = "\n".join(line[-400:] for line in tail(done.stderr, 20))
            raise HostError(
                "\n".join(filter(None, ("mmdebstrap failed:", said, of_host(done.stderr))))
            )
        docker.run(
            "import",
            "--change",
            'CMD ["python3"]',
            "--change",
            "ENV LANG=C.UTF-8",
            str(archive),
            params["name"],
        )
    return sources


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    docker = Docker()
    try:
        if docker.inspect(module.params["name"], "image"):
            module.exit_json(changed=False)
        sources = [] if module.check_mode else bootstrap(module.params, docker)
    except (HostError, OSError, subprocess.SubprocessError) as error:
        module.fail_json(msg=f"The base image {module.params['name']} could not be made: {error}")
    module.exit_json(changed=True, sources=sources)


if __name__ == "__main__":
    main()
