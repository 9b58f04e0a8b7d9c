# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a deploy need to know, derived from releases and the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..host.disk import with_advice
from ..host.reason import told_by
from ..host.shown import shown, shown_line
from ..images.registry import advice
from ..inputs.options import plain_text
from .app import Login
from .release import Release
from .work import still_serves


def registry_login(apps: Any, name: str, defaults: Any = None) -> Login:
    """The login that the entry of an application has for its registry, read from inputs that may
    not have been checked.
    """
    entries = (
        [entry for entry in apps if isinstance(entry, Mapping)]
        if isinstance(apps, (list, tuple))
        else []
    )
    common = defaults.get("registry") if isinstance(defaults, Mapping) else None
    own = next((entry.get("registry") for entry in entries if entry.get("name") == name), None)
    login = {
        **(common if isinstance(common, Mapping) else {}),
        **(own if isinstance(own, Mapping) else {}),
    }
    return Login(*(plain_text(login.get(key)) or "" for key in ("username", "password")))


_OUR_RUNTIME = re.compile(r"flaskops/runtime:[0-9a-f]{12}\b")
# The compatibility image in releases that were made before it had this name.
_SEED = re.compile(
    r"(flaskops/runtime:[0-9a-f]{12}|\$FLASKOPS_RUNTIME|\$\{FLASKOPS_RUNTIME\})-seed\b"
)


def needed_images(releases: Iterable[Release]) -> list[str]:
    """The images of this collection that must be on the host to build the images of these releases;
    those of one runtime are adjacent.
    """
    suffixes = ("-build", "", "-compat")
    needed: dict[str, set[str]] = {}
    for release in releases:
        runtime = release.runtime
        text = release.dockerfile.replace("${FLASKOPS_RUNTIME}", runtime).replace(
            "$FLASKOPS_RUNTIME", runtime
        )
        words = {
            word
            for line in text.splitlines()
            if line.lstrip().upper().startswith("FROM")
            for word in line.split()
        }
        needed.setdefault(runtime, set()).update(words)
    return [
        f"{runtime}{suffix}"
        for runtime, words in needed.items()
        for suffix in suffixes
        if f"{runtime}{suffix}" in words
    ]


def image_builds(
    releases: Iterable[Release], images: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """How each image of this collection is built: C(image), C(base) ("" for that of the host),
    C(target), the stage, and whether it is the C(first) of its runtime.

    Args:
        releases: those that need them.
        images: those of them that are built; None for all.
    """
    listed, known, builds = list(releases), set(), []
    for image in needed_images(listed) if images is None else images:
        runtime = next(iter(_OUR_RUNTIME.findall(image)))
        base = next((release.build.base for release in listed if release.runtime == runtime), "")
        target = image.removeprefix(runtime).removeprefix("-")
        builds.append(
            {"image": image, "base": base, "target": target, "first": runtime not in known}
        )
        known.add(runtime)
    return builds


def restored_releases(
    releases: Iterable[Release], runtimes: Mapping[str, str], apps: Any, defaults: Any = None
) -> list[Release]:
    """Kept releases with the present login and, for those that are rebuilt, the present runtime
    image.

    Args:
        releases: as a release.json describes them.
        runtimes: by base, the runtime image.
        apps: flask_apps, which may not have been checked.
        defaults: flask_apps_defaults.
    """
    return [
        replace(
            release,
            runtime=runtime,
            dockerfile=_OUR_RUNTIME.sub(runtime, _SEED.sub(r"\1-compat", release.dockerfile)),
            login=registry_login(apps, release.name, defaults),
        )
        for release in releases
        for runtime in [runtimes[release.build.base]]
    ]


def for_tasks(release: Release, app: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A release for the tasks of the role: with its entry, or what is kept of it, with what
    release.json keeps, and with how the images of this collection that it needs are built.
    """
    whole = release.to_dict()
    if app is None:
        kept = (*SWITCHED, "build", "static", "module", "callable", "name", "uid")
        app = {**{key: whole[key] for key in kept}, **release.app_path.words()}
    return {
        **whole,
        "app": app,
        "facts": release.to_record(),
        "runtime_builds": image_builds([release]),
    }


def status_table(hosts: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[str]:
    """The lines of one table that shows what runs on all hosts.

    Args:
        hosts: by host, the applications as M(flaskops.host.release_info) returns them.
    """
    head: tuple[str, ...] = (
        "host",
        "app",
        "state",
        "release",
        "since",
        "health",
        "image",
        "container",
        "path",
        "url",
    )
    head += ("memory", "disk", "restarts", "previous")
    listed = {host: list(apps) for host, apps in hosts.items()}
    more = any(app["processes"] for apps in listed.values() for app in apps)
    why = any(app["reason"] for apps in listed.values() for app in apps)
    rows: list[tuple[str, ...]] = [
        head + (("processes",) if more else ()) + (("reason",) if why else ())
    ]
    for host, apps in listed.items():
        for app in apps:
            state = app["state"] + (f", locked by {app['locked_by']}" if app["locked_by"] else "")
            values: tuple[Any, ...] = (
                host,
                app["name"],
                state,
                app["release"],
                app["since"],
                app["health"],
            )
            values += (app["image"], app["container"])
            values += (
                app["path"],
                app["url"],
                app["memory"],
                app["disk"],
                app["restarts"],
                " ".join(app["previous"]) or "none",
            )
            values += (
                (", ".join(f"{name} {found}" for name, found in app["processes"].items()) or "-",)
                if more
                else ()
            )
            values += (app["reason"] or "-",) if why else ()
            rows.append(tuple("-" if value is None else str(value) for value in values))
    several = len(listed) > 1
    advice = [
        shown_line(f"{f'{host}: ' if several else ''}{app['name']}: {words}")
        for host, apps in listed.items()
        for app in apps
        for words in app.get("advice", [])
    ]
    return table(rows) + advice if len(rows) > 1 else ["There is no application on these hosts."]


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns as wide as their widest cell."""
    cells = [[shown_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


# What the steps of a run need to know of a release.
SWITCHED = (
    "site",
    "path",
    "path_mode",
    "engine",
    "script_name",
    "health",
    "state",
    "processes",
    "drain_seconds",
    "keep_releases",
)


def failure(work: Mapping[str, Any], task: str, result: Mapping[str, Any]) -> str:
    """The message of an application that could not be released: which, where, why, and what serves
    now.

    Without work it is the message for the runtime image, which all applications wait for. For a
    loop, it is that of the failed item.
    """
    result = next((item for item in result.get("results", []) if item.get("failed")), result)
    if work:
        what = f"{work['name']}: release {work['id']}"
        serves = still_serves(work["live"], work["id"])
    else:
        what, serves = (
            "The runtime image",
            "no application was released, and what served before still serves",
        )
    # The end of a program's log shows what went wrong.
    reason = "\n".join(
        "\n".join(str(result[key]).strip().splitlines()[-60:])
        for key in ("msg", "stderr")
        if result.get(key)
    )
    step = f" ({result['step']})" if result.get("step") else ""
    words = [
        (
            f"{what} failed at {task!r}{step}"
            f"{', where its log is shown' if result.get('log') else ''}; {serves}."
        ),
        reason,
    ]
    words += [told_by(str(result.get("log", "")), reason), advice(reason)]
    return with_advice(shown("\n".join(filter(None, words))))


def live_releases(
    releases: Iterable[Mapping[str, Any]],
    plan: Mapping[str, Any],
    sites: list[Mapping[str, Any]],
    address: str,
    outcomes: Mapping[str, Mapping[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """What serves on this host, and what should serve; nothing serves where the release is None.

    Args:
        releases: the wanted releases.
        plan: what M(flaskops.host.release_plan) returned.
        sites: the server blocks.
        address: the address of the host, where a site has no name.
        outcomes: the results of those with work; without it, what serves before the run.
    """
    result = []
    planned = {work["name"] for work in plan["work"]} | set(plan["failures"])
    for release in map(Release.from_dict, releases):
        name = release.name
        outcome = (outcomes or {}).get(name, {})
        became_live = outcome.get("result") == "live"
        serves = became_live or name not in planned
        result.append(
            {
                "name": name,
                "release": release.id if serves else plan["live"].get(name),
                "wanted": release.id,
                "site": release.site,
                "path": release.path,
                "url": release.url(sites, address),
                "changed": became_live,
            }
        )
    return result
