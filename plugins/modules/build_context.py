#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_context
short_description: Unpack a build context and say what the build may trust
version_added: 0.1.0
author: flaskops contributors
description:
  - Unpacks an archive into a fresh directory and adds C(trust/) to it, from which the build stages of our Dockerfiles
    take certificate authorities and the package index. Only a build stage reads it, so the final image has no trace of it.
attributes:
  check_mode: {support: none, description: A build happens only in a real run.}
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: N/A, description: The directory is made anew.}
options:
  path: {description: The directory to make; what is there is removed., type: path, required: true}
  state: {description: Whether the directory is made or removed., type: str, choices: [present, absent], default: present}
  archive: {description: The tar archive on the host., type: path}
  ca_bundle:
    description: A PEM file on the host with the certificate authorities to trust; empty for the image's own.
    type: str
    default: ''

  index_url: {description: The package index that pip uses; empty for PyPI., type: str, default: ''}
"""

EXAMPLES = r"""
- name: Unpack the context
  flaskops.host.build_context:
    path: /var/lib/flaskops/build/shop
    archive: /var/lib/flaskops/apps/shop/releases/0123456789ab/context.tar
"""

RETURN = r""" # """

import shlex
import shutil
import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._host import HostError, make_directory

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "archive": {"type": "path"},
    "ca_bundle": {"type": "str", "default": ""},
    "index_url": {"type": "str", "default": "", "no_log": True},
}
BUNDLE = "/run/trust/ca-bundle.crt"


def trust(ca_bundle: str, index_url: str) -> str:
    """The shell lines that a RUN of a build stage reads first."""
    lines = ["# read by the RUN lines of the build stages"]
    if ca_bundle:
        lines += [f"export {name}={BUNDLE}" for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
        lines.append(f"APT_OPTIONS='-o Acquire::https::CAInfo={BUNDLE}'")
    if index_url:
        lines.append(f"export PIP_INDEX_URL={shlex.quote(index_url)}")
    return "\n".join(lines) + "\n"


def unpack(params: dict[str, Any]) -> None:
    """Make the directory, readable by root alone."""
    path = Path(params["path"])
    bundle = params["ca_bundle"]
    if bundle and not Path(bundle).is_file():
        raise HostError(f"flask_apps_build_ca_bundle is {bundle!r}, which is not on this host; it names a file on the managed host.")
    path.parent.mkdir(parents=True, exist_ok=True)
    make_directory(path, 0o700)
    with tarfile.open(params["archive"]) as archive:
        if hasattr(tarfile, "tar_filter"):
            archive.extraction_filter = staticmethod(tarfile.tar_filter)
        archive.extractall(path)
    make_directory(path / "trust", 0o700)
    (path / "trust/env").write_text(trust(bundle, params["index_url"]))
    if bundle:
        shutil.copyfile(bundle, path / "trust/ca-bundle.crt")


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "present", ["archive"])], supports_check_mode=False
    )
    try:
        existed = Path(module.params["path"]).exists()
        if existed:
            shutil.rmtree(module.params["path"])
        if module.params["state"] == "present":
            unpack(module.params)
    except (HostError, OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"The build context could not be unpacked: {error}")
    module.exit_json(changed=existed or module.params["state"] == "present")


if __name__ == "__main__":
    main()
