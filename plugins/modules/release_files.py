#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_files
short_description: Lay down the directory of a release
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Makes the directories, writes the files of the release each as a whole, and records the release
    as prepared.
  - Nothing that serves is touched.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.name
  - flaskops.host.arguments.id
  - flaskops.host.arguments.token
attributes:
  idempotent: {support: full, description: The same release is laid down the same again.}
options:
  files:
    description: Content by name. C(container.env) is readable by root alone.
    type: dict
    required: true
  secrets:
    description:
      - Values by name; files that only the container's user can read. What is not named any more is
        removed.
      - As JSON in Base64. One by one their values would be masked in all that the module returns,
        wherever a path has such a word.
    type: str
    default: e30=
  facts:
    description: What C(release.json) says besides the digests of the files.
    type: dict
    default: {}
  restore:
    description:
      - Lay nothing down; make an earlier release ready to serve again. Its files have to be as they
        were, or it is refused.
    type: bool
    default: false
  secrets_of:
    description: With O(restore), the release whose secrets are taken over; empty for the release's
      own.
    type: str
    default: ""
  uids: {description: The range that the uids of applications are taken from., type: str, default: 70000-99999}
  group: {description: The group of Nginx's workers; it may enter the directory of the socket., type: str, required: true}
  image: {description: "The image of the release; where it is there already, named volumes are prepared by it.", type: str, default: ""}
  networks_pool:
    description: Where a network of the application's own is taken from, when its container asks for
      one.
    type: str
    default: 10.201.0.0/16
"""

EXAMPLES = r"""
- name: Lay down a release
  flaskops.host.release_files:
    root: "{{ flask_apps_root }}"
    name: shop
    id: 0123456789ab
    token: "{{ plan.lock.token }}"
    files: {uwsgi.ini: "[uwsgi]\n"}
    group: www-data
"""

RETURN = r"""
directory:
  description: Where the release lies.
  type: str
  returned: success
uid:
  description: The user and group of the container.
  type: int
  returned: success
container:
  description: The options of the container with its user.
  type: dict
  returned: success
process_containers:
  description: The same for each of its processes.
  type: list
  elements: dict
  returned: success
network_made:
  description: Whether a network of the application's own was made, which containers that are there
    already do not know.
  type: bool
  returned: success
known:
  description: Which contents the kept sources of the application have, for
    M(flaskops.host.release_context).
  type: list
  elements: str
  returned: success
"""

import grp
import json
import os
import stat
from base64 import b64decode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.arguments import shared
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError, file_digest, make_directory, now, write_file
from ..module_utils.host.places import ENVIRONMENT, Place
from ..module_utils.host.trees import delete, put_away
from ..module_utils.images.delta import kept_digests
from ..module_utils.releases import networks
from ..module_utils.releases.accounts import write_accounts
from ..module_utils.releases.lock import renew
from ..module_utils.releases.record import Record, live_links, read_release
from ..module_utils.releases.release import FORMAT, has_volumes
from ..module_utils.releases.uids import Uids, run_as
from ..module_utils.releases.volumes import Volumes, named

NO_SECRETS = "e30="  # {} as JSON in Base64
ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "name", "id", "token"),
    "files": {"type": "dict", "required": True},
    "restore": {"type": "bool", "default": False},
    "secrets_of": {"type": "str", "default": "", "no_log": False},
    "secrets": {"type": "str", "default": NO_SECRETS, "no_log": True},
    "facts": {"type": "dict", "default": {}},
    "uids": {"type": "str", "default": "70000-99999"},
    "group": {"type": "str", "required": True},
    "image": {"type": "str", "default": ""},
    "networks_pool": {"type": "str", "default": "10.201.0.0/16"},
}
PRIVATE = {ENVIRONMENT}


def read_secrets(directory: Path) -> dict[str, bytes]:
    """The files of a directory, none of them through a link: one of an older version belongs to the
    application.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return {name: _read_at(handle, name) for name in os.listdir(handle)}
    finally:
        os.close(handle)


def _read_at(directory: int, name: str) -> bytes:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    with os.fdopen(file, "rb") as stream:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise HostError(
                f"the secret {name} is no file of its own; deploy the application again instead."
            )
        return stream.read()


class ReleaseFiles:
    """One release directory; its parents are closed to all but root and Nginx's group, which passes
    through and cannot list.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.secrets: dict[str, str] = json.loads(b64decode(params["secrets"]))
        self.app = Place(params["root"]).app(params["name"])
        self.place = self.app.release(params["id"])
        self.changed = False
        self.uid = 0  # of the container's user, known under the lock
        try:
            self.nginx = grp.getgrnam(params["group"]).gr_gid
        except KeyError:
            raise HostError(
                f"there is no group {params['group']!r} on this host; is Nginx installed?"
            ) from None

    def run(self) -> dict[str, Any]:
        """Lay everything down. The record comes first: without one, what lies here would be taken
        for releases that served.
        """
        renew(
            self.params["root"], [self.params["name"]], self.params["token"], "lay down the release"
        )
        facts = self.params["facts"]
        volumes = has_volumes(facts["container"], str(self.place.directory))
        uids = Uids(self.params["root"], self.params["nginx_root"], self.params["uids"])
        ran_as = self._ran_as() if self.params["restore"] and volumes else 0
        self.uid = uids.of(
            self.params["name"], facts["uid"], volumes, keep=self.params["restore"], ran_as=ran_as
        )
        known = self._restore() if self.params["restore"] else self._lay_down()
        docker = Docker()
        write_accounts(
            docker, f"{self.params['name']}-{self.params['id']}-pin", self.place.directory, self.uid
        )
        made = networks.asks_for_own(facts["container"], self.params["name"]) and networks.ensure(
            docker, self.params["root"], self.params["name"], self.params["networks_pool"]
        )
        containers = [
            run_as(each, self.uid, str(self.place.directory))
            for each in (facts["container"], *facts["process_containers"])
        ]
        return {
            "changed": self.changed,
            "directory": str(self.place.directory),
            "known": known,
            "uid": self.uid,
            "network_made": made,
            "warnings": self._volumes(docker, facts["container"]["volumes"]),
            "container": containers[0],
            "process_containers": containers[1:],
        }

    def _volumes(self, docker: Docker, volumes: list[str]) -> list[str]:
        """A release whose image is there is not built again, which prepares them else."""
        image = self.params["image"]
        if not (image and named(volumes) and docker.inspect(image, "image")):
            return []
        return Volumes(
            docker, self.params["root"], self.params["name"], self.params["id"], self.uid
        ).prepare(image, volumes)

    def _ran_as(self) -> int:
        """The uid of an earlier release whose volumes the one that serves has not got, so that a
        move of its data cannot have met it.
        """
        name, live = (
            self.params["name"],
            live_links(self.params["nginx_root"]).get(self.params["name"], []),
        )
        for link in live:
            facts = read_release(self.params["root"], name, link["id"])
            if not facts or has_volumes(
                facts["container"], str(self.app.release(link["id"]).directory)
            ):
                return 0
        with suppress(OSError):
            return self.place.spool.lstat().st_uid if live else 0
        return 0

    def _lay_down(self) -> list[str]:
        """A new release, or one whose files are not as they were."""
        root = Place(self.params["root"])
        for path in (
            root.directory,
            root.apps,
            self.app.directory,
            self.app.releases,
            self.place.directory,
        ):
            make_directory(path, 0o710, 0, self.nginx)
        self._record()
        self._make_writable()
        self._write_secrets()
        digests = {}
        for name, text in self.params["files"].items():
            digests[name] = sha256(text.encode()).hexdigest()
            self._write(self.place.file(name), text.encode(), 0o600 if name in PRIVATE else 0o644)
        self._write_release(digests)
        return kept_digests(self.app.releases)

    def _record(self) -> None:
        record = Record(self.params["root"], self.params["name"])
        # One that was live before is still a way back.
        if record.releases.get(self.params["id"], {}).get("state") not in (
            "prepared",
            "live",
            "retired",
        ):
            record.mark(self.params["id"], "prepared")
            record.save()
            self.changed = True

    def _restore(self) -> list[str]:
        """An earlier release, whole: what it was made of is there, and its secrets are those
        wanted.
        """
        files = read_release(self.params["root"], self.params["name"], self.params["id"])["files"]
        changed = [
            str(self.place.file(name))
            for name, wanted in files.items()
            if file_digest(self.place.file(name)) != wanted
        ]
        if changed:
            raise HostError(
                f"{', '.join(changed)} changed on the host, so it is not the release that it was."
                " Deploy it again instead."
            )
        self._make_writable()
        own, kept = self.place.secrets, self.place.own_secrets
        other = (
            self.app.release(self.params["secrets_of"]).secrets
            if self.params["secrets_of"]
            else kept
        )
        if own.is_dir() and other.is_dir():
            now_there, wanted = read_secrets(own), read_secrets(other)
            if other != kept and not kept.exists():
                make_directory(kept, 0o700)
                for name, value in now_there.items():
                    self._write(kept / name, value, 0o400)
            self._lay_secrets({name: wanted.get(name, value) for name, value in now_there.items()})
        return []

    def _make_writable(self) -> None:
        """Where the application makes its socket, and where its temporary files lie, such as
        uploads.

        The first is root's, and sticky: below it the kernel follows no link of the application's
        (fs.protected_symlinks), neither for Nginx nor for root.
        """
        make_directory(self.place.run, 0o1777)
        socket = self.place.socket
        with suppress(FileNotFoundError):
            found = socket.lstat()
            # Which the server cannot replace: another uid's, or a directory that the application
            # put there.
            if found.st_uid != self.uid or not stat.S_ISSOCK(found.st_mode):
                put_away(socket, self.params["root"])
        make_directory(self.place.spool, 0o700, self.uid, self.uid)

    def _write(self, path: Path, content: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
        if file_digest(path) != sha256(content).hexdigest():
            write_file(path, content, mode, uid, gid)
            self.changed = True

    def _write_secrets(self) -> None:
        delete(self.place.own_secrets)
        if self.secrets or self.place.secrets.exists():
            self._lay_secrets({name: value.encode() for name, value in self.secrets.items()})

    def _lay_secrets(self, values: dict[str, bytes]) -> None:
        """Root's own, so that nothing of the application's is ever taken for one; its group alone
        reads them.
        """
        place, group = self.place.secrets, self.uid
        if place.exists() and place.lstat().st_uid != 0:
            # An older version of the collection gave it to the application.
            delete(place)
        make_directory(place, 0o550, 0, group)
        for file in place.iterdir():
            if file.name not in values or file.lstat().st_gid != group:
                file.unlink()
                self.changed = True
        for name, value in values.items():
            self._write(place / name, value, 0o440, 0, group)

    def _write_release(self, digests: dict[str, str]) -> None:
        path = self.place.record
        try:
            before = json.loads(path.read_text())
        except (OSError, ValueError):
            before = {}
        facts = {
            "format": FORMAT,
            "app": self.params["name"],
            "id": self.params["id"],
            "prepared": before.get("prepared") or now(),
            "files": digests,
            **self.params["facts"],
        }
        self._write(path, (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode(), 0o600)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        result = ReleaseFiles(module.params).run()
    except (HostError, OSError) as error:
        module.fail_json(
            msg=(
                f"Release {module.params['id']} of {module.params['name']} could not be laid down:"
                f" {error}"
            )
        )
    for words in result.pop("warnings"):
        module.warn(words)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
