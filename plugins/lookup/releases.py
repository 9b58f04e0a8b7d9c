# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = """
name: releases
short_description: Plan the release of each application
version_added: 0.1.0
author: flaskops contributors (@flaskops)
description:
  - Renders the files of a release, describes its containers, and computes its id, all on the
    controller.
  - The same inputs give the same id on every host; the host is not queried.
options:
  _terms:
    description: Lists of applications, as P(flaskops.host.normalize_apps#filter) returns them. An
      absent one has no release.
    type: list
    elements: dict
    required: true
  templates:
    description: The directory of the templates C(Dockerfile.j2), C(nginx.conf.j2), C(uwsgi.ini.j2),
      C(gunicorn.conf.py.j2) and the rest.
    type: str
    required: true
  runtimes:
    description: By base, the reference of the runtime image, as
      P(flaskops.host.normalize_apps#filter) returns them.
    type: dict
    required: true
  root:
    description: The directory of the releases on the host.
    type: str
    required: true
  key_file:
    description: The file of the key that guards secrets in release ids; it is created when it is
      missing and there are secrets.
    type: str
    required: true
"""

EXAMPLES = """
- name: Show what would be released
  ansible.builtin.debug:
    msg: >-
      {{ query('flaskops.host.releases', apps, templates=role_path ~ '/templates',
         runtimes={'': 'flaskops/runtime:1'}, root=flask_apps_root,
         key_file='~/.config/flaskops/release.key') | map(attribute='id') }}
"""

RETURN = """
_list:
  description:
    - One dictionary for each application. C(name), C(id), C(runtime), C(dockerfile),
      C(source) (the digest of its source), C(files) (content by name), C(secrets) (the files that
      hold them, by name), C(variables) (the names of those that are also variables),
      C(release_command) (the words of its container), C(login) (for the registry of its image).
    - C(container) has the options of its container, as module_utils/host/container.py has them, and
      C(process_containers) those of each of its processes.
    - C(app) is the normalised entry, C(runtime_builds) how the images of this collection that it
      needs are built.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template

from ..module_utils.apps.origin import image_parts, own_dockerfile
from ..module_utils.apps.sources.requirements import arguments, export
from ..module_utils.apps.sources.source import source_digest
from ..module_utils.host.places import (
    ENVIRONMENT,
    MAINTENANCE_PAGE,
    PASSWORDS,
    RELEASE_TEXT,
    Place,
    ReleaseName,
    ReleasePlace,
    container_socket,
    container_statistics,
)
from ..module_utils.host.typed import plain
from ..module_utils.nginx.upstream import Upstream
from ..module_utils.releases import describe
from ..module_utils.releases.app import App, ForwardAuth
from ..module_utils.releases.app_path import AppPath
from ..module_utils.releases.basic_auth import password_file
from ..module_utils.releases.covers import DATA_FILES
from ..module_utils.releases.processes import one_off_command, process_containers
from ..module_utils.releases.release import Release
from ..module_utils.releases.response_headers import response_headers
from ..module_utils.releases.restore import for_tasks
from ..module_utils.releases.secrets import laid
from ..module_utils.releases.services.spec import service_specs


class LookupModule(LookupBase):
    """Renders what the user wrote with Ansible's own template lookup, so that it sees the host's
    variables.

    The templates of this collection do not need them, and are compiled once for all applications:
    Ansible's lookup would compile them, and copy all variables, for each file of each application.
    """

    def run(
        self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        self._ours = self._templar.copy_with_new_env(
            searchpath=[self.get_option("templates")], available_variables={}
        )
        self._ends: dict[str, bool] = {}
        try:
            self._managed = self._render(
                f"{self.get_option('templates')}/managed.j2", {}, variables or {}
            )
            apps = [app for term in terms for app in term if app["state"] != "absent"]
            self._paths = {app["name"]: AppPath.of(app) for app in apps}
            return [self._release(app, variables or {}) for app in apps]
        except (OSError, ValueError) as error:  # a file changed after the check
            raise AnsibleLookupError(f"flaskops.host.releases: {error}") from error

    def _release(self, entry: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        app = App.from_dict(entry)
        name, root, identity = app.name, self.get_option("root"), describe.PLACEHOLDER
        runtime = self.get_option("runtimes")[app.build.base]
        place, path = Place(root), app.app_path
        route = path.route
        # The link that Nginx goes through, not the directory of this release: an unchanged fragment
        # also serves the next release.
        served = ReleasePlace(place.app(name).route(route))
        words = {
            "app": entry,
            "release": identity,
            "runtime": runtime,
            "directory": str(served.directory),
            "socket": str(served.socket),
            "upstream": Upstream(str(served.socket)).words(f"{path.socket_prefix}$flaskops_rest"),
            "static_directory": str(served.static),
            "release_text": str(served.file(RELEASE_TEXT)),
            "maintenance_page": str(served.file(MAINTENANCE_PAGE)),
            "verifier": self._verifier(app.proxy.forward_auth, place),
            # Of this very release: Nginx must not find the passwords of another one, or none.
            "passwords": str(place.app(name).release(identity).file(PASSWORDS)),
            "config": describe.CONFIG_PLACEHOLDER,
            "container_socket": container_socket(identity),
            "container_statistics": container_statistics(identity),
            "before": str(place.app(name).before),
            "backlog": describe.BACKLOG,
            "data_directory": DATA_FILES,
            "response_headers": response_headers(app.proxy.security_headers, app.proxy.directives),
        }
        image = ReleaseName(name, identity).image
        own = app.proxy.fragment
        if own:
            words["fragment"] = self._render(own, words, variables)
        words["ansible_managed"] = self._managed
        options = describe.container(app, identity, image, root)
        environment = describe.environment(app)
        parts = {
            "dockerfile": self._dockerfile(app, words),
            "files": {
                ENVIRONMENT: describe.env_file(environment),
                RELEASE_TEXT: f"{name} {identity}\n",
                "nginx.conf": self._fragment("fragment.conf" if own else "nginx.conf", words),
                **{
                    file: self._fragment(file, words)
                    for file in ("maintenance.conf", "stopped.conf")
                },
                MAINTENANCE_PAGE: self._render_ours(MAINTENANCE_PAGE, words),
                **self._settings(app, words),
            },
            "container": options,
            "process_containers": process_containers(
                app, options, "FLASKOPS_SECRETS" in environment
            ),
            "route": route,
            "source": "" if app.build.kind == "image" else source_digest(app.source),
            "taken": image_parts(app),
            "static": entry["static"],
            **({"uid": app.uid} if app.uid else {}),
        }
        secrets, users = laid(app), app.proxy.basic_auth.users
        key = describe.release_key(self.get_option("key_file")) if secrets or users else b""
        passwords = {PASSWORDS: password_file(name, users, key)} if users else {}
        finished = describe.release_id(parts, {**secrets, **passwords}, key)
        made = describe.replace_placeholder(parts, finished)
        made["files"] |= passwords
        release = Release.from_dict(
            {
                **entry,
                **made,
                "id": finished,
                "root": root,
                "runtime": runtime,
                "source_path": app.source,
                "secrets": secrets,
                "variables": environment.get("FLASKOPS_SECRETS", "").split(),
                "release_command": one_off_command(app),
                "services": self._services(app, root),
                "login": entry["registry"],
            }
        )
        return for_tasks(release, entry)

    def _services(self, app: App, root: str) -> list[dict[str, Any]]:
        """Those of its entry, for the host; they do not belong to the release."""
        files = Path(self.get_option("templates")).parent / "files" / "services"
        programs = {
            service.engine: (files / f"{service.engine}.sh").read_text()
            for service in app.services
            if service.suite
        }
        return [plain(spec) for spec in service_specs(app.name, app.services, root, programs)]

    def _verifier(self, auth: ForwardAuth, place: Place) -> str:
        """Where Nginx asks whether a request may pass; "" where it does not ask."""
        if not auth.app:
            return auth.url
        path = self._paths[auth.app]
        served = ReleasePlace(place.app(auth.app).route(path.route))
        return Upstream(str(served.socket)).words(path.at_socket(auth.path))["path"]

    def _fragment(self, file: str, words: dict[str, Any]) -> str:
        return describe.with_own_digest(self._render_ours(file, words))

    def _dockerfile(self, app: App, words: dict[str, Any]) -> str:
        """The application's Dockerfile, or ours; a prebuilt image has none."""
        if app.build.kind == "image":
            return ""
        if app.build.kind == "dockerfile":
            return own_dockerfile(app, words["runtime"])
        requirements = app.build.requirements
        return self._render_ours(
            "Dockerfile",
            {**words, "requirements": arguments(requirements), "export": export(requirements)},
        )

    def _settings(self, app: App, words: dict[str, Any]) -> dict[str, str]:
        """The settings file of the engine; the relay is the same for all."""
        engine = app.server
        if engine.in_runtime:
            return {engine.settings: self._render_ours(engine.settings, words)}
        return {
            engine.settings: (
                Path(self.get_option("templates"))
                .parent.joinpath("files", engine.settings)
                .read_text()
            )
        }

    def _render_ours(self, file: str, words: dict[str, Any]) -> str:
        self._ours.available_variables = words
        # An included template is compiled once. The include drops its last newline, which a
        # template rendered directly keeps.
        text = str(self._ours.template(trust_as_template(f"{{% include '{file}.j2' %}}")))
        return text if self._ends_with_tag(file) else f"{text}\n"

    def _ends_with_tag(self, file: str) -> bool:
        if file not in self._ends:
            source = Path(self.get_option("templates"), f"{file}.j2").read_text()
            self._ends[file] = source.endswith(("%}\n", "-}}\n", "#}\n"))
        return self._ends[file]

    def _render(self, template: str, words: dict[str, Any], variables: dict[str, Any]) -> str:
        lookup = lookup_loader.get(
            "ansible.builtin.template", loader=self._loader, templar=self._templar
        )
        return str(lookup.run([template], variables=variables, template_vars=words)[0])
