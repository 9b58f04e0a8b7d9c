# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a deploy need to know, worked out from releases and the plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..host.disk import with_advice
from ..host.places import NginxPlace, Place
from ..host.reason import told_by
from ..host.shown import shown, shown_line
from ..images.registry import advice
from ..inputs.options import plain_text
from ..nginx.site import site_named
from .app import Login
from .app_path import AppPath
from .release import FILES, Release


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
    """The images of ours that must be on the host to build the images of these releases, those of
    one runtime beside each other.
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
    """How each image of ours is built: C(image), C(base) ("" for that of the host), C(target), the
    stage, and whether it is the C(first) of its runtime.

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
    """Releases as they were kept, with the login of today and, for those that are built again, the
    runtime image of today.

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
    """What runs on all hosts, as the lines of one table.

    Args:
        hosts: by host, the applications as M(flaskops.host.release_status) returns them.
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
    return table(rows) + advice if len(rows) > 1 else ["No application is on these hosts."]


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns as wide as their widest cell."""
    cells = [[shown_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


# What the switch and the end of a run have to know of a release.
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


def with_release(
    work: Mapping[str, Any], release: Release, sites: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The work of one application with what its later steps need to know of its release; nothing of
    it is secret, as a command may be.
    """
    facts = release.to_dict()
    processes = [
        {key: value for key, value in process.items() if key != "command"}
        for process in facts["processes"]
    ]
    return {
        **work,
        **{key: facts[key] for key in SWITCHED},
        "processes": processes,
        "health_host": health_host(facts, sites),
    }


def wanted_releases(releases: Iterable[Release]) -> list[dict[str, Any]]:
    """What the plan module asks for: no contents, and secrets as digests only."""
    return [
        {
            "name": release.name,
            "id": release.id,
            "site": release.site,
            "state": release.state,
            "secrets": release.digests,
            "variables": list(release.variables),
            "uid": release.uid,
            "volumes": release.has_volumes,
        }
        for release in releases
    ]


def health_host(facts: Mapping[str, Any], sites: Iterable[Mapping[str, Any]]) -> str:
    """The name that an application is asked by for its health: its own, or that of its site."""
    return str(facts["health"].get("host") or site_named(facts["site"], sites).host)


def url_of(facts: Mapping[str, Any], sites: Iterable[Mapping[str, Any]], address: str) -> str:
    """Where users reach an application; by the address of the host where its site has no name."""
    return site_named(facts["site"], sites).url(AppPath.of(facts).at_nginx("/"), address)


def check_of(
    name: str,
    identity: str,
    facts: Mapping[str, Any],
    sites: Iterable[Mapping[str, Any]],
    file: str,
) -> dict[str, Any]:
    """What Nginx is asked to see whether a release serves.

    Args:
        name: the application.
        identity: the id of the release.
        facts: C(site), C(path) and C(health), of the release or its release.json.
        sites: the server blocks.
        file: what the link leads to; under maintenance, and when stopped, another answer is the
        right one.
    """
    site, path, health = site_named(facts["site"], sites), AppPath.of(facts), facts["health"]
    answers = file == FILES["present"] or (file == FILES["maintenance"] and health["path"] != "/")
    return {
        "name": name,
        "id": identity,
        "prefix": path.prefix,
        "path": path.at_nginx(health["path"]),
        "host": site.host,
        "port": site.port,
        "status": health["status"] if answers else ["503"],
        **({"health_host": health["host"]} if health.get("host") else {}),
    }


def switch_steps(ready: Mapping[str, Any], root: str, nginx_root: str) -> dict[str, Any]:
    """Which links of one application move, and the way back.

    Args:
        ready: the work of one application, and in C(displaced) the links of applications that are
        removed by this
            run, and whose place it takes.

    Returns:
        links, absent: of the switch; back_links, back_absent: what puts everything back.
    """

    def link(site: str, name: str = ready["name"]) -> str:
        return str(NginxPlace(nginx_root).link(site, name))

    def target(identity: str, file: str, name: str = ready["name"]) -> str:
        return str(Place(root).app(name).release(identity).file(file))

    new = link(ready["site"])
    old = {link(entry["site"]): target(entry["id"], entry["file"]) for entry in ready["links"]}
    for entry in ready.get("displaced", []):
        old[link(entry["site"], entry["name"])] = target(entry["id"], entry["file"], entry["name"])
    return {
        "links": [{"path": new, "target": target(ready["id"], FILES[ready["state"]])}],
        "absent": [path for path in old if path != new],
        "back_links": [{"path": path, "target": back} for path, back in old.items()],
        "back_absent": [] if new in old else [new],
    }


def finished_releases(
    work: Iterable[Mapping[str, Any]],
    failed: Mapping[str, str],
    live: Iterable[str],
    action: str = "deploy",
) -> list[dict[str, Any]]:
    """What became of each application with work, for the end of the run."""
    live = set(live)
    return [
        {
            **{
                key: entry[key] for key in ("name", "id", "state", "drain_seconds", "keep_releases")
            },
            "before": entry["live"],
            "action": action,
            "result": "live" if entry["name"] in live else "failed",
            "reason": failed.get(
                entry["name"],
                "" if entry["name"] in live else "the run ended before it was released",
            ),
        }
        for entry in work
    ]


def still_serves(live: str | None, identity: str) -> str:
    """What serves when a release was not to be had."""
    if live == identity:
        return f"release {live} is the one that its route leads to, and it may be down"
    return f"release {live} goes on serving" if live else "it serves nothing yet"


def failure(work: Mapping[str, Any], task: str, result: Mapping[str, Any]) -> str:
    """The message of an application that could not be released: which, where, why, and what serves
    now.

    Without work it is that of the runtime image, which all of them wait for. Of a loop, it is that
    of the item that failed.
    """
    result = next((item for item in result.get("results", []) if item.get("failed")), result)
    if work:
        what = f"{work['name']}: release {work['id']}"
        serves = still_serves(work["live"], work["id"])
    else:
        what, serves = (
            "The runtime image",
            "no application was released, and what served before serves on",
        )
    # Of the log of a program the end says what went wrong.
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
    failed: Mapping[str, str],
    sites: list[Mapping[str, Any]],
    address: str,
    check: bool = False,
) -> list[dict[str, Any]]:
    """What serves on this host after the run, and what should; nothing serves where the release is
    None.
    """
    work = {entry["name"]: entry for entry in plan["work"]}
    result = []
    for release in map(Release.from_dict, releases):
        name = release.name
        before = work.get(name)
        done = not (check or name in failed)
        serving = (
            before["live"] if before else plan["live"].get(name) if name in failed else release.id
        )
        identity = release.id if done else serving
        result.append(
            {
                "name": name,
                "release": identity,
                "wanted": release.id,
                "site": release.site,
                "path": release.path,
                "url": site_named(release.site, sites).url(release.app_path.at_nginx("/"), address),
                "changed": before is not None and done,
            }
        )
    return result
