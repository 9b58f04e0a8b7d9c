# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build context on the host: its archive unpacked, a Dockerfile, and what a build trusts beside
it.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..host.files import HostError, make_directory
from .dockerfile import mount

# The paths of the secrets during a RUN, and the variables that lead programs to them.
PLACE = "/run/trust"
BUNDLE = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
)
OWN = (-1, -1)  # the owner of a directory: the user of this process, not root under bin/dev
LIMIT = 500 * 1024  # of a secret, in BuildKit
# A proxy or an index of one's own fails for a moment more often than PyPI: pip tries for two
# minutes.
PATIENCE = ("retries = 8", "timeout = 60")


def trust(ca_bundle: str, index_url: str) -> tuple[dict[str, str], dict[str, str]]:
    """Files by name, and variables with their paths, that make a build trust a bundle and use an
    index.
    """
    pip, files, variables = [], {}, {}
    if ca_bundle:
        files = {
            "ca-bundle.crt": ca_bundle,
            "apt.conf": f'Acquire::https::CAInfo "{PLACE}/ca-bundle.crt";\nAcquire::Retries "8";\n',
        }
        variables = {
            **{name: f"{PLACE}/ca-bundle.crt" for name in BUNDLE},
            "APT_CONFIG": f"{PLACE}/apt.conf",
        }
        pip.append(f"cert = {PLACE}/ca-bundle.crt")
    if index_url:
        pip.append(f"index-url = {index_url}")
    if pip:
        files["pip.conf"] = "\n".join(["[global]", *pip, *PATIENCE, ""])
        variables["PIP_CONFIG_FILE"] = f"{PLACE}/pip.conf"
    return files, variables


def unpack(params: Mapping[str, Any]) -> list[str]:
    """Create the directory again, readable only by its owner.

    Args:
        params: C(path), C(archive), C(dockerfile) (its text, empty for that of the context),
        C(ca_bundle), C(index_url).

    Returns:
        The options that the build needs.
    """
    path, context = Path(params["path"]), Path(params["path"], "context")
    if path.exists():
        shutil.rmtree(path)
    bundle = params["ca_bundle"]
    if bundle and not Path(bundle).is_file():
        raise HostError(
            f"flask_apps_build_ca_bundle is {bundle!r}, which is not on this host; it names a file"
            " on the managed host."
        )
    # Comments of a bundle may be in any encoding.
    authorities = Path(bundle).read_text(errors="replace") if bundle else ""
    files, variables = trust(authorities, params["index_url"])
    if any(len(content.encode()) > LIMIT for content in files.values()):
        raise HostError(
            f"flask_apps_build_ca_bundle is {bundle!r}, which is larger than the {LIMIT // 1024} kB"
            " that a build takes."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    make_directory(path, 0o700, *OWN)
    make_directory(context, 0o700, *OWN)
    with tarfile.open(params["archive"]) as archive:
        if hasattr(tarfile, "tar_filter"):
            archive.extraction_filter = staticmethod(tarfile.tar_filter)
        archive.extractall(context)
    make_directory(path / "trust", 0o700, *OWN)
    for name, content in files.items():
        (path / "trust" / name).write_text(content)
    # Readable for a RUN that is not root's.
    mounts = [f"type=secret,id=flaskops-{name},target={PLACE}/{name},mode=0444" for name in files]
    (path / "Dockerfile").write_text(
        mount(params["dockerfile"] or (context / "Dockerfile").read_text(), mounts, variables)
    )
    # What is not to be sent is not in the archive; without this file the context's own
    # .dockerignore is read once more.
    (path / "Dockerfile.dockerignore").write_text("# nothing\n")
    return [f"--secret=id=flaskops-{name},src={path}/trust/{name}" for name in files]
