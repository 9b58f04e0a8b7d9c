#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_assets
short_description: Build the image of a release, keep it and take its static files out
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Builds what M(flaskops.host.release_context) has unpacked. An image that was pulled or loaded is
    there already.
  - Pins the image with a container that is created and never started, so that C(docker image prune
    -a) leaves the way back.
  - Copies the static files out of the image, without links, for Nginx to serve. They lie under the
    URL that they have.
  - Compresses what is text, once, so that Nginx does not have to for every request. A C(name.gz) of
    the image's own stands.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.id
  - flaskops.host.arguments.token
attributes:
  idempotent: {support: full, description: The same release gives the same.}
options:
  image: {description: The image of the release., type: str, required: true}
  uid: {description: The user of its container., type: int, required: true}
  prefix: {description: The path of the application without the last slash., type: str, required: true}
  static:
    description: What is served without the application.
    type: list
    elements: dict
    default: []
    suboptions:
      url: {description: The path below the application's own., type: str, required: true}
      path: {description: "The directory in the image, absolute or below C(/app).", type: str, required: true}
      required: {description: Whether a missing directory is an error., type: bool, default: true}
      index: {description: Read by the template of the Nginx fragment., type: bool, default: false}
      fallback: {description: Read by the template of the Nginx fragment., type: bool, default: false}
      immutable: {description: Read by the template of the Nginx fragment., type: bool, default: false}
  build: {description: "The directory of the build, where there is one; it is removed when the image is there.", type: path}
  secrets: {description: "What M(flaskops.host.release_context) returned.", type: list, elements: str, default: []}
  container:
    description: The options of the container. Its named volumes are prepared, and it is compared
      with what the image has.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Take the static files out
  flaskops.host.release_assets:
    root: "{{ flask_apps_root }}"
    name: shop
    id: 0123456789ab
    image: flaskops/shop:0123456789ab
    token: "{{ plan.lock.token }}"
    uid: 70000
    prefix: /shop
    static: [{url: /static, path: static}]
"""

RETURN = r"""
log:
  description: The last lines of what the build said.
  type: str
  returned: failure
files:
  description: How many static files there are.
  type: int
  returned: success
image_id:
  description: The digest of the image's configuration.
  type: str
  returned: success
"""

import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError, stable_time, stable_time_of
from ..module_utils.host.places import Place
from ..module_utils.host.reason import failed
from ..module_utils.host.shown import shown
from ..module_utils.images.build import build, refuse_labels
from ..module_utils.releases import covers
from ..module_utils.releases.accounts import write_accounts
from ..module_utils.releases.lock import renew
from ..module_utils.releases.record import Record, pin
from ..module_utils.releases.volumes import Volumes

STATIC = {
    "url": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "required": {"type": "bool", "default": True},
    **{key: {"type": "bool", "default": False} for key in ("index", "fallback", "immutable")},
}
ARGUMENTS: dict[str, Any] = {
    **shared("root", "name", "id", "token"),
    "image": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "prefix": {"type": "str", "required": True},
    "static": {"type": "list", "elements": "dict", "default": [], "options": STATIC},
    "build": {"type": "path"},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "container": {"type": "dict", "default": {}},
}


# What becomes much smaller; the same that Nginx compresses itself.
DEEPEST = 200  # directories within each other; what walks through them goes that deep
TEXT = {
    ".css",
    ".htm",
    ".html",
    ".js",
    ".json",
    ".map",
    ".mjs",
    ".rss",
    ".svg",
    ".txt",
    ".wasm",
    ".webmanifest",
    ".xml",
}
NAME_BYTES = 255  # of a file, on Linux
PATH_BYTES = 2048  # of the path of a static file; what lies deeper is no file that anybody asks for
LARGEST = 64 * 2**20  # bytes; a larger one is compressed in no memory that a small host has
PLACEHOLDERS = (
    ".gitkeep",
    ".gitignore",
    ".keep",
)  # files that are there so that their directory is
SMALLEST = 256  # bytes; below, a packet is a packet


def compress(tree: Path) -> None:
    """Put name.gz beside each text file that gets smaller by it."""
    for path in [path for path in tree.rglob("*") if path.suffix in TEXT and path.is_file()]:
        packed = path.with_name(f"{path.name}.gz")
        if (
            len(os.fsencode(packed.name)) > NAME_BYTES
            or packed.exists()
            or not SMALLEST <= path.stat().st_size <= LARGEST
        ):
            continue
        content = path.read_bytes()
        small = gzip.compress(content, 9, mtime=0)
        if len(small) < len(content):
            packed.write_bytes(small)
            packed.chmod(0o644)
            os.utime(packed, (stable_time(content),) * 2)


def extract(archive: tarfile.TarFile, target: Path) -> int:
    """Write the files of an archive below a directory; links and devices stay out, and hard links
    to them. Returns how many.
    """
    count = 0
    for member in archive:
        parts = Path(member.name).parts[1:]  # the first is the directory that was asked for
        if not parts or ".." in parts or not _is_file(archive, member):
            continue
        if len(os.fsencode(member.name)) > PATH_BYTES or len(parts) > DEEPEST:
            words = f"a path must have at most {PATH_BYTES} bytes and {DEEPEST} parts"
            raise HostError(f"static: {member.name[:60]!r}… lies too deep; {words}.")
        source = archive.extractfile(member)
        if source is None:
            continue
        path = target.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        total = sha256()
        with path.open("wb") as file:
            while block := source.read(1 << 20):
                total.update(block)
                file.write(block)
        path.chmod(0o644)
        os.utime(path, (stable_time_of(total.digest()),) * 2)
        count += 1
    return count


def _is_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    """Whether it is a regular file, or a hard link to one that is in the archive."""
    if not member.islnk():
        return member.isreg()
    try:
        return archive.getmember(member.linkname).isreg()
    except KeyError:
        return False


class Assets:
    """The parts of an image that live outside of it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.docker = Docker()
        self.place = Place(params["root"]).app(params["name"]).release(params["id"])
        self.pin = f"{params['name']}-{params['id']}-pin"

    def run(self) -> dict[str, Any]:
        renew(
            self.params["root"],
            [self.params["name"]],
            self.params["token"],
            "build and keep the image",
        )
        name, warnings = self.params["name"], list[str]()
        if self.params["build"] and Path(self.params["build"]).is_dir():
            built = build(
                self.docker, self.params["build"], self.params["image"], self.params["secrets"]
            )
            warnings = [f"{name}: {words}" for words in built]
            shutil.rmtree(self.params["build"], ignore_errors=True)
        found = self.docker.inspect(self.params["image"], "image")
        refuse_labels(found, self.params["image"])
        image = pin(self.docker, self.params["name"], self.params["id"])
        write_accounts(self.docker, self.pin, self.place.directory, self.params["uid"])
        files = self._static()
        mounts = self.params["container"]
        volumes = Volumes(
            self.docker, self.params["root"], name, self.params["id"], self.params["uid"]
        )
        warnings += volumes.prepare(self.params["image"], mounts.get("volumes") or [])
        warnings += [
            f"{name}: {words}" for words in covers.warnings(name, found, mounts, self._first_file)
        ]
        record = Record(self.params["root"], self.params["name"])
        changed = record.data["releases"].get(self.params["id"], {}).get("image") != image
        if changed:
            record.data["releases"].setdefault(self.params["id"], {"state": "prepared"}).update(
                image=image
            )
            record.save()
        return {"changed": changed, "files": files, "image_id": image, "warnings": warnings}

    def _first_file(self, path: str) -> str:
        """A file of the image below a directory, as a path; "" where there is none. No more of it
        is read than that.
        """
        command = [self.docker.command, "cp", f"{self.pin}:{path}", "-"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    parts = (
                        Path(member.name).parts[1:] for member in archive if not member.isdir()
                    )
                    return next(
                        (
                            str(Path(path, *each))
                            for each in parts
                            if each and each[-1] not in PLACEHOLDERS
                        ),
                        "",
                    )
            except tarfile.TarError:
                return ""
            finally:
                process.kill()

    def _static(self) -> int:
        """Fill static/ as a whole: aside first, then by renaming."""
        count = 0
        with tempfile.TemporaryDirectory(prefix=".static.", dir=self.place.directory) as aside:
            tree = Path(aside, "static")
            tree.mkdir()
            for static in self.params["static"]:
                with tempfile.TemporaryFile(dir=aside) as file:
                    if self._copy_out(static, file):
                        file.seek(0)
                        with tarfile.open(fileobj=file) as archive:
                            count += extract(
                                archive, Path(f"{tree}{self.params['prefix']}{static['url']}")
                            )
            compress(tree)
            for path in [tree, *tree.rglob("*")]:
                if path.is_dir():
                    path.chmod(0o755)
            target = self.place.static
            if target.exists():
                target.rename(Path(aside, "old"))
            tree.rename(target)
            shutil.rmtree(Path(aside, "old"), ignore_errors=True)
        return count

    def _copy_out(self, static: dict[str, Any], file: Any) -> bool:
        path = static["path"] if static["path"].startswith("/") else f"/app/{static['path']}"
        command = [self.docker.command, "cp", f"{self.pin}:{path.rstrip('/')}", "-"]
        done = subprocess.run(
            command,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=600,
            check=False,
        )
        if done.returncode == 0:
            return True
        missing = "ould not find the file" in done.stderr or "No such container:path" in done.stderr
        if missing and not static["required"]:
            return False
        why = "is not in" if missing else "could not be taken out of"
        raise HostError(
            f"static: {path} {why} the image {self.params['image']}: {shown(done.stderr.strip())}"
        )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        result = Assets(module.params).run()
    except (HostError, OSError, tarfile.TarError, subprocess.TimeoutExpired) as error:
        module.fail_json(
            **failed(shown(f"Release {module.params['id']} of {module.params['name']}: {error}"))
        )
    for words in result.pop("warnings"):
        module.warn(shown(words))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
