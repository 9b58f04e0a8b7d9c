#!/usr/bin/python
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_remove
short_description: Remove applications with all their releases
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Takes the routes away, lets the containers finish what they have begun, and removes containers,
    images, releases and records.
  - Directories are moved to C(apps/.trash) below O(root), which M(flaskops.host.release_finish)
    empties.
  - Only what bears our label and the name of the application, or lies in its directories. Named
    volumes stay, for they hold data.
extends_documentation_fragment:
  - flaskops.host.attributes.step
  - flaskops.host.arguments.root
  - flaskops.host.arguments.nginx_root
  - flaskops.host.arguments.token
attributes:
  check_mode: {support: none, description: The plan shows what would be removed.}
  idempotent: {support: full, description: What is gone already is no error.}
options:
  names: {description: The applications., type: list, elements: str, required: true}
"""

EXAMPLES = r"""
- name: Remove an application
  flaskops.host.release_remove:
    root: "{{ flask_apps_root }}"
    token: "{{ plan.lock.token }}"
    names: [shop]
"""

RETURN = r"""
removed:
  description: What was removed.
  type: list
  elements: str
  returned: success
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host import trees
from ..module_utils.host.arguments import shared
from ..module_utils.host.disk import with_advice
from ..module_utils.host.engine import Docker
from ..module_utils.host.files import HostError
from ..module_utils.host.places import NginxPlace, Place
from ..module_utils.nginx.steps import NginxError
from ..module_utils.nginx.tree import move_links
from ..module_utils.releases import drain, networks, process_steps
from ..module_utils.releases.attempts import Attempts
from ..module_utils.releases.lock import renew
from ..module_utils.releases.record import Record, live_links
from ..module_utils.releases.release import own_network

ARGUMENTS: dict[str, Any] = {
    **shared("root", "nginx_root", "token"),
    "names": {"type": "list", "elements": "str", "required": True},
}


def remove(params: dict[str, Any], docker: Docker) -> tuple[list[str], Attempts]:
    """First the routes, then what they led to; the record last, so that a cut-off run can be
    repeated.
    """
    root, names, attempts = params["root"], params["names"], Attempts()
    renew(root, names, params["token"], "remove")
    links = live_links(params["nginx_root"])
    absent = [
        str(NginxPlace("").link(link["site"], name))
        for name in names
        for link in links.get(name, [])
    ]
    if absent:
        move_links(params["nginx_root"], [], absent)
    with attempts.of("", "What served could not be drained"):
        _drain_all(root, names, links, docker)
    removed = [f"link {path}" for path in absent]
    for name in names:
        with attempts.of(name, "its containers and images could not be removed"):
            containers = [
                entry["Names"] for entry in docker.containers(f"host.flaskops.app={name}")
            ]
            drain.remove(containers, docker)
            images = docker.run(
                "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"flaskops/{name}"
            ).split()
            if images:
                docker.run("image", "rm", *images, check=False)
            removed += [f"container {container}" for container in containers] + [
                f"image {image}" for image in images
            ]
        with attempts.of(name, "its network could not be removed"):
            if networks.remove(docker, name):
                removed.append(f"network {own_network(name)}")
        with attempts.of(name, "what runs that were cut off have left could not be removed"):
            for link in NginxPlace(params["nginx_root"]).refused(name):
                link.unlink()
            for path in Place(root).builds_of(name):
                trees.put_away(path, root)
        with attempts.of(name, "its directory could not be removed"):
            directory = Place(root).app(name).directory
            if directory.is_dir():
                trees.put_away(directory, root)
                removed.append(f"directory {directory}")
    return removed, attempts


def kept_volumes(names: list[str], docker: Docker) -> str:
    """Which volumes stay, with their data, and how to remove them; "" where there are none."""
    listed = [
        docker.run(
            "volume", "ls", "--quiet", "--filter", f"label=host.flaskops.app={name}", check=False
        ).split()
        for name in names
    ]
    volumes = " ".join(volume for found in listed for volume in found)
    return (
        f"Volumes stay, with their data: {volumes}. To remove them: docker volume rm {volumes}"
        if volumes
        else ""
    )


def _drain_all(
    root: str, names: list[str], links: dict[str, list[dict[str, str]]], docker: Docker
) -> None:
    """All of them together finish what they have begun, and stop."""
    # One whose place another has taken in this run has no route any more, and still has to drain.
    last = [(name, links[name][0]["id"] if name in links else _last(root, name)) for name in names]
    serving = [drain.entry(root, name, identity) for name, identity in last if identity]
    processes = [
        process.container for name in names for process in process_steps.found(docker, name)
    ]
    with ThreadPoolExecutor(1) as beside:
        stopped = beside.submit(process_steps.stop, processes, docker)
        drain.drain(serving)
        drain.stop([entry["container"] for entry in serving], docker)
        stopped.result()


def _last(root: str, name: str) -> str | None:
    """Which release of it was live by its record; None for one that cannot be read, which is no
    reason to keep the application.
    """
    try:
        live: str | None = Record(root, name).data["live"]
    except HostError:
        return None
    return live


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=False)
    try:
        removed, attempts = remove(module.params, Docker())
        stay = kept_volumes(module.params["names"], Docker())
    except (HostError, NginxError, OSError) as error:
        module.fail_json(
            msg=with_advice(f"{', '.join(module.params['names'])} could not be removed: {error}")
        )
    for warning in filter(None, (*attempts.warnings, stay)):
        module.warn(warning)
    if attempts.failures:
        module.fail_json(
            msg="Not all of it could be removed:\n" + "\n".join(attempts.failures.values()),
            removed=removed,
        )
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
