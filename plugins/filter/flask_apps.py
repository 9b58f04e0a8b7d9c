# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the role flask_apps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ..module_utils.apps import normalize
from ..module_utils.apps.dev import dev_entry
from ..module_utils.apps.recipe import shared_files
from ..module_utils.apps.sources import public_defaults
from ..module_utils.apps.sources.git import Checkouts
from ..module_utils.apps.sources.source import source_digest
from ..module_utils.inputs.options import convert, printable
from ..module_utils.nginx import plan
from ..module_utils.nginx.schema import INPUTS
from ..module_utils.releases import report, restore
from ..module_utils.releases.release import FORMAT, Release


def normalize_apps(
    apps: Any,
    warn: bool = False,
    hooks: Iterable[str] = (),
    nginx: Mapping[str, Any] | None = None,
    recipe: str = "",
    base_source: str = "registry",
    services_source: str = "registry",
    distribution: str = "",
    restored: Iterable[Mapping[str, Any]] | None = None,
    dev: Mapping[str, Any] | None = None,
    notify: Any = "",
    **context: Any,
) -> dict[str, Any]:
    """The complete entries of flask_apps with everything derived from them, and all problems as
    sentences and as one message.
    """
    defaults = context.get("defaults")
    if restored is None:
        given = (
            [dev_entry(apps, dev["source"], context["source_root"], dev["entry"])] if dev else apps
        )
        checkout = Checkouts(
            run=str(os.getppid())
        )  # a worker of the step that runs once for all hosts
        result, problems = normalize.normalize_apps(
            given,
            checkout=checkout,
            suite=distribution if services_source == "bootstrap" else "",
            **_known_sites(nginx),
            **context,
        )
        problems += convert(notify, INPUTS["notify"], "flask_apps_notify")[1]
        problems += [
            _missing_hook(str(file))
            for file in (() if dev else hooks)
            if file and not Path(str(file)).is_file()
        ]
    else:
        # The present entries may be wrong, and a rollback must work all the same.
        result, problems = [], []
    # Texts of a source, its Dockerfile and a Git server may be in them.
    problems = [printable(problem) for problem in problems]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    message = (
        "\n".join([f"{count} in the inputs; nothing was changed.", *problems]) if problems else ""
    )
    notes = [printable(f"{app.name}: {note}") for app in result for note in app.notes]
    present = [] if problems else [app for app in result if app.state != "absent"]
    if warn:
        for text in filter(None, map(public_defaults.warning, present)):
            Display().warning(printable(text))
    kept = [Release.from_dict(release) for release in restored or []]
    host = "bootstrap" if base_source == "bootstrap" else str(context.get("base_image", ""))
    bases = {*(app.build.base for app in present), *(release.build.base for release in kept)}
    known = runtimes(bases, recipe, host, str(context.get("base_refresh", ""))) if recipe else {}
    return {
        "apps": [app.to_dict() for app in result],
        "absent": [app.name for app in result if app.state == "absent"],
        "problems": problems,
        "message": message,
        "notes": notes,
        "sites": sorted({app.site for app in present}),
        "drain_seconds": max((app.drain_seconds for app in present), default=0),
        "login": asdict(restore.registry_login([], "", defaults)),
        "runtimes": known,
        "restored": [
            restore.for_tasks(release)
            for release in restore.restored_releases(kept, known, apps, defaults)
        ],
    }


def _known_sites(nginx: Mapping[str, Any] | None) -> dict[str, Any]:
    """From the inputs of the role nginx: the sites, and the paths that they answer themselves. For
    the user's own Nginx, only the host knows them.
    """
    if not nginx:
        return {}
    if not nginx["manage"]:
        return {"sites": None}
    path, found = nginx["health_path"], plan.make_plan(None, nginx)
    # The role nginx reports what is wrong with them.
    return {
        "sites": None if found.problems else list(found.site_names),
        "taken_paths": [path] if path and isinstance(path, str) else [],
    }


def _missing_hook(file: str) -> str:
    return f"{file} is not a file on the controller; name it from {{{{ playbook_dir }}}}/ on."


def runtimes(bases: Iterable[str], directory: str, base: str, refresh: str = "") -> dict[str, str]:
    """The names of the runtime images by the base that entries have; "" is the base of the host.

    The tag depends on the recipe, with the modules of this collection that go into it, the base,
    and when the base was pulled.
    """
    shared = "\n".join(sha256(content).hexdigest() for content in shared_files().values())
    recipe = f"{FORMAT}\n{source_digest(directory)}\n{shared}"
    texts = {own: f"{recipe}\n{own or base}\n{refresh}" for own in sorted({"", *bases})}
    return {
        own: f"flaskops/runtime:{sha256(text.encode()).hexdigest()[:12]}"
        for own, text in texts.items()
    }


class FilterModule:
    """The filters that Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "failure": report.failure,
            "live_releases": report.live_releases,
            "normalize_apps": normalize_apps,
            "status_table": report.status_table,
        }
