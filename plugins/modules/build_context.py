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
  - Unpacks an archive into C(context/) of a fresh directory and lays the Dockerfile beside it.
  - Where the build has to trust further authorities or to use another package index, every C(RUN) of the Dockerfile gets them as
    secrets of BuildKit, with the variables by which pip, apt, curl and the like find them. A secret is in no layer, so the
    image has no trace of them.
attributes:
  check_mode: {support: none, description: A build happens only in a real run.}
  diff_mode: {support: none, description: Nothing to show.}
  idempotent: {support: N/A, description: The directory is made anew.}
options:
  path: {description: The directory to make; what is there is removed., type: path, required: true}
  state: {description: Whether the directory is made or removed., type: str, choices: [present, absent], default: present}
  archive: {description: The tar archive on the host., type: path}
  dockerfile: {description: The text of the Dockerfile; empty for the C(Dockerfile) of the archive., type: str, default: ''}
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

RETURN = r"""
secrets:
  description: The options of C(docker build) that the Dockerfile needs.
  type: list
  elements: str
  returned: when O(state=present)
"""

import shutil
import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flaskops.host.plugins.module_utils._dockerfile import mount
from ansible_collections.flaskops.host.plugins.module_utils._host import HostError, make_directory

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "archive": {"type": "path"},
    "dockerfile": {"type": "str", "default": ""},
    "ca_bundle": {"type": "str", "default": ""},
    "index_url": {"type": "str", "default": "", "no_log": True},
}
# Where the secrets are while a RUN runs, and what leads programs to them.
PLACE = "/run/trust"
BUNDLE = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO")
LIMIT = 500 * 1024  # of a secret, in BuildKit


def trust(ca_bundle: str, index_url: str) -> tuple[dict[str, str], dict[str, str]]:
    """Files by name, and variables with their paths, that make a build trust a bundle and use an index."""
    pip, files, variables = [], {}, {}
    if ca_bundle:
        files = {"ca-bundle.crt": ca_bundle, "apt.conf": f'Acquire::https::CAInfo "{PLACE}/ca-bundle.crt";\n'}
        variables = {**{name: f"{PLACE}/ca-bundle.crt" for name in BUNDLE}, "APT_CONFIG": f"{PLACE}/apt.conf"}
        pip.append(f"cert = {PLACE}/ca-bundle.crt")
    if index_url:
        pip.append(f"index-url = {index_url}")
    if pip:
        files["pip.conf"] = "\n".join(["[global]", *pip, ""])
        variables["PIP_CONFIG_FILE"] = f"{PLACE}/pip.conf"
    return files, variables


def unpack(params: dict[str, Any]) -> list[str]:
    """Make the directory, readable by root alone; the options that the build needs."""
    path, context = Path(params["path"]), Path(params["path"], "context")
    bundle = params["ca_bundle"]
    if bundle and not Path(bundle).is_file():
        raise HostError(f"flask_apps_build_ca_bundle is {bundle!r}, which is not on this host; it names a file on the managed host.")
    files, variables = trust(Path(bundle).read_text() if bundle else "", params["index_url"])
    if any(len(content.encode()) > LIMIT for content in files.values()):
        raise HostError(f"flask_apps_build_ca_bundle is {bundle!r}, which is larger than the {LIMIT // 1024} kB that a build takes.")
    path.parent.mkdir(parents=True, exist_ok=True)
    make_directory(path, 0o700)
    make_directory(context, 0o700)
    with tarfile.open(params["archive"]) as archive:
        if hasattr(tarfile, "tar_filter"):
            archive.extraction_filter = staticmethod(tarfile.tar_filter)
        archive.extractall(context)
    make_directory(path / "trust", 0o700)
    for name, content in files.items():
        (path / "trust" / name).write_text(content)
    # Readable for a RUN that is not root's.
    mounts = [f"type=secret,id=flaskops-{name},target={PLACE}/{name},mode=0444" for name in files]
    (path / "Dockerfile").write_text(mount(params["dockerfile"] or (context / "Dockerfile").read_text(), mounts, variables))
    # What is not to be sent is not in the archive; without this file the context's own .dockerignore is read once more.
    (path / "Dockerfile.dockerignore").write_text("# nothing\n")
    return [f"--secret=id=flaskops-{name},src={path}/trust/{name}" for name in files]


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "present", ["archive"])], supports_check_mode=False
    )
    secrets: list[str] = []
    try:
        existed = Path(module.params["path"]).exists()
        if existed:
            shutil.rmtree(module.params["path"])
        if module.params["state"] == "present":
            secrets = unpack(module.params)
    except (HostError, OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"The build context could not be unpacked: {error}")
    module.exit_json(changed=existed or module.params["state"] == "present", secrets=secrets)


if __name__ == "__main__":
    main()
