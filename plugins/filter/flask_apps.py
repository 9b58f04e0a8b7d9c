# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the role flask_apps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible.utils.display import Display
from ansible_collections.flaskops.host.plugins.module_utils import (
    _apps,
    _base,
    _deploy,
    _dev,
    _find,
    _own_prefix,
    _public_defaults,
    _replaced,
)
from ansible_collections.flaskops.host.plugins.module_utils._options import printable
from ansible_collections.flaskops.host.plugins.module_utils._release import FORMAT
from ansible_collections.flaskops.host.plugins.module_utils._source import source_digest


def normalize_apps(apps: Any, warn: bool = False, **context: Any) -> dict[str, Any]:
    """The complete entries of flask_apps, what was understood, and all problems as sentences and as one message."""
    result, problems = _apps.normalize_apps(apps, **context)
    # A source, its Dockerfile and a Git server may have a word in them.
    problems = [printable(problem) for problem in problems]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    message = "\n".join([f"{count} in the inputs; nothing was changed.", *problems]) if problems else ""
    notes = [printable(f"{app['name']}: {note}") for app in result if isinstance(app["name"], str) for note in app.get("notes", [])]
    if warn and not problems:
        for text in filter(None, (_public_defaults.warning(app) for app in result if app["state"] != "absent")):
            Display().warning(printable(text))
    return {"apps": result, "problems": problems, "message": message, "notes": notes}


def ready_release(release: Mapping[str, Any], work: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that the switch needs of a ready release, and the setting that its source has for the path."""
    return {**_deploy.ready_release(release, work), "own_prefix": _own_prefix.setting(release["app"])}


def runtimes(apps: Iterable[Mapping[str, Any]], directory: str, base: str, refresh: str = "") -> dict[str, str]:
    """By the base that entries have, the name of the runtime image on it; "" is the base of the host.

    Its recipe, with the modules of ours that go into it, its base and when that was taken decide the tag.
    """
    shared = "\n".join(sha256(Path(module.__file__).read_bytes()).hexdigest() for module in (_find, _replaced))
    recipe = f"{FORMAT}\n{source_digest(directory)}\n{shared}"
    texts = {own: f"{recipe}\n{own or base}\n{refresh}" for own in _base.bases(apps)}
    return {own: f"flaskops/runtime:{sha256(text.encode()).hexdigest()[:12]}" for own, text in texts.items()}


class FilterModule:
    """What Ansible finds here."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "dev_entry": _dev.dev_entry,
            "dev_run": _dev.dev_run,
            "failure": _deploy.failure,
            "finished_releases": _deploy.finished_releases,
            "live_releases": _deploy.live_releases,
            "longest_drain": _deploy.longest_drain,
            "needed_images": _deploy.needed_images,
            "normalize_apps": normalize_apps,
            "on_runtime": _deploy.on_runtime,
            "ready_release": ready_release,
            "registry_login": _deploy.registry_login,
            "release_facts": _deploy.release_facts,
            "runtime_build": _deploy.runtime_build,
            "runtimes": runtimes,
            "site_host": _deploy.site_host,
            "status_table": _deploy.status_table,
            "used_sites": _deploy.used_sites,
            "wanted_releases": _deploy.wanted_releases,
        }
