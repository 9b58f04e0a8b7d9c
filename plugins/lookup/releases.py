# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = """
name: releases
short_description: Work out the release of each application
version_added: 0.1.0
author: flaskops contributors
description:
  - Renders the files of a release, describes its container, and computes its id, all on the controller.
  - The same inputs give the same id on every host; nothing on the host is asked.
options:
  _terms:
    description: Lists of applications, as P(flaskops.host.normalize_apps#filter) gives them.
    type: list
    elements: dict
    required: true
  templates:
    description: The directory of the templates C(Dockerfile.j2), C(nginx.conf.j2), C(uwsgi.ini.j2), C(gunicorn.conf.py.j2) and the rest.
    type: str
    required: true
  runtime:
    description: The reference of the runtime image.
    type: str
    required: true
  root:
    description: The directory of the releases on the host.
    type: str
    required: true
  key_file:
    description: The file of the key that guards secrets in release ids; it is made when it is missing and there are secrets.
    type: str
    required: true
"""

EXAMPLES = """
- name: Show what would be released
  ansible.builtin.debug:
    msg: "{{ query('flaskops.host.releases', apps, templates=role_path ~ '/templates', runtime='flaskops/runtime:1',
      root='/var/lib/flaskops', key_file='~/.config/flaskops/release.key') | map(attribute='id') }}"
"""

RETURN = """
_list:
  description:
    - One dictionary for each application with C(name), C(id), C(image), C(directory), C(app) (the normalised entry), C(dockerfile),
      C(files) (content by name), C(container) (options of M(community.docker.docker_container)), C(process_containers) (the same for
      each of its processes).
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.flaskops.host.plugins.module_utils import _release as release
from ansible_collections.flaskops.host.plugins.module_utils._covers import DATA_FILES
from ansible_collections.flaskops.host.plugins.module_utils._origin import image_parts, own_dockerfile
from ansible_collections.flaskops.host.plugins.module_utils._processes import process_containers
from ansible_collections.flaskops.host.plugins.module_utils._requirements import arguments
from ansible_collections.flaskops.host.plugins.module_utils._source import source_digest


class LookupModule(LookupBase):
    """Renders with Ansible's own template lookup, so that templates see the host's variables."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [self._release(app, variables or {}) for app in (app for term in terms for app in term)]
        except (OSError, ValueError) as error:  # a file that has changed since it was checked
            raise AnsibleLookupError(f"flaskops.host.releases: {error}") from error

    def _release(self, app: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        name, root, identity = app["name"], self.get_option("root"), release.PLACEHOLDER
        directory = release.release_directory(root, name, identity)
        route = release.route(app)
        served = f"{root}/apps/{name}/{route}"
        words = {
            "app": app,
            "release": identity,
            "runtime": self.get_option("runtime"),
            # What Nginx goes through, and not the directory of this release: an unchanged fragment serves the next one too.
            "directory": served,
            "socket": f"{served}/run/app.sock",
            "config": release.CONFIG_PLACEHOLDER,
            "container_directory": f"{release.CONTAINER_RUN}/{identity}",
            "before": f"{root}/apps/{name}/before",
            "backlog": release.BACKLOG,
            "data_directory": DATA_FILES,
        }
        image = f"flaskops/{name}:{identity}"
        own = app["proxy"]["fragment"]
        if own:
            words["fragment"] = self._render(own, words, variables)
        options = release.container(app, identity, image, root)
        parts = {
            "dockerfile": self._dockerfile(app, words, variables),
            "files": {
                "container.env": release.env_file(release.environment(app)),
                "release.txt": f"{name} {identity}\n",
                "nginx.conf": self._fragment("fragment.conf" if own else "nginx.conf", words, variables),
                **{file: self._fragment(file, words, variables) for file in ("maintenance.conf", "stopped.conf")},
                "maintenance.html": self._render(self._ours("maintenance.html"), words, variables),
                **self._settings(app, words, variables),
            },
            "container": options,
            "process_containers": process_containers(app, options),
            "route": route,
            "source": "" if app["build"]["kind"] == "image" else source_digest(app["source"]),
            "taken": image_parts(app),
            "static": app["static"],
            **({"uid": app["uid"]} if app["uid"] else {}),
        }
        key = release.release_key(self.get_option("key_file")) if app["secrets"] else b""
        finished = release.release_id(parts, app["secrets"], key)
        named = {"name": name, "id": identity, "image": image, "directory": directory, **parts}
        return {**release.replace_placeholder(named, finished), "app": app}

    def _fragment(self, file: str, words: dict[str, Any], variables: dict[str, Any]) -> str:
        return release.with_own_digest(self._render(self._ours(file), words, variables))

    def _ours(self, file: str) -> str:
        return f"{self.get_option('templates')}/{file}.j2"

    def _dockerfile(self, app: dict[str, Any], words: dict[str, Any], variables: dict[str, Any]) -> str:
        """The application's own, or ours; a ready image has none."""
        if app["build"]["kind"] == "image":
            return ""
        if app["build"]["kind"] == "dockerfile":
            return own_dockerfile(app, self.get_option("runtime"))
        return self._render(self._ours("Dockerfile"), {**words, "requirements": arguments(app["build"]["requirements"])}, variables)

    def _settings(self, app: dict[str, Any], words: dict[str, Any], variables: dict[str, Any]) -> dict[str, str]:
        """The file that the engine reads; the relay is the same for all."""
        file = release.SETTINGS[app["engine"]]
        if app["engine"] == "command":
            return {file: Path(self.get_option("templates")).parent.joinpath("files/relay.py").read_text()}
        return {file: self._render(self._ours(file), words, variables)}

    def _render(self, template: str, words: dict[str, Any], variables: dict[str, Any]) -> str:
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        return str(lookup.run([template], variables=variables, template_vars=words)[0])
