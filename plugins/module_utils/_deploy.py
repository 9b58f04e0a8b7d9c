# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a deploy need to know, worked out from releases and the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

Release = Mapping[str, Any]


def used_sites(apps: Any, defaults: Any = None) -> list[str]:
    """The sites that applications are on, read from inputs that nobody has checked yet."""
    entries = [entry for entry in apps if isinstance(entry, Mapping)] if isinstance(apps, (list, tuple)) else []
    common = defaults.get("site") if isinstance(defaults, Mapping) else None
    return sorted({str(entry.get("site") or common or "default") for entry in entries})


def wanted_releases(releases: Iterable[Release]) -> list[dict[str, Any]]:
    """What the plan module asks for: no contents, and secrets as digests only."""
    return [
        {
            "name": release["name"],
            "id": release["id"],
            "site": release["app"]["site"],
            "secrets": {
                name: sha256(value.encode()).hexdigest() for name, value in release["app"]["secrets"].items()
            },
        }
        for release in releases
    ]


def release_facts(release: Release) -> dict[str, Any]:
    """What release.json keeps, enough to check, start and route this release again without its sources."""
    app = release["app"]
    keys = ("site", "path", "path_mode", "engine", "module", "callable", "health", "drain_seconds", "static")
    return {
        **{key: app[key] for key in keys},
        "image": release["image"],
        "container": release["container"],
        "dockerfile": release["dockerfile"],
        "source": release["source"],
        "secrets": sorted(app["secrets"]),
    }


def site_host(name: str, sites: Iterable[Mapping[str, Any]]) -> str:
    """The name that a request for this site carries: the first of its own that is not a pattern, else localhost."""
    names = next((site.get("server_names") or [] for site in sites if site["name"] == name), [])
    return next((host for host in names if host[:1].isalnum() and "*" not in host), "localhost")


def site_port(name: str, sites: Iterable[Mapping[str, Any]]) -> int:
    """The port that this site listens on for plain HTTP."""
    return next((int(site.get("port") or 80) for site in sites if site["name"] == name), 80)


def switch_steps(
    ready: Iterable[Release], sites: list[Mapping[str, Any]], nginx_root: str, failed: Mapping[str, str]
) -> dict[str, list[Any] | dict[str, str]]:
    """What each step of the switch does.

    Args:
        ready: the releases that passed the gate, each with C(before), its entry of the plan.
        sites: the server blocks.
        nginx_root: the directory of the Nginx configuration.
        failed: why the releases of these applications did not serve when they were asked through Nginx.

    Returns:
        links, absent: of the switch; checks: what to ask Nginx; back_links, back_absent: the way back of those that failed;
        undo: their entries of the plan; failures: their messages; marks: what to record; replaced: the containers to stop.
    """

    def link(site: str, name: str) -> str:
        return f"{nginx_root}/flaskops/{site}/{name}.conf"

    def target(release: Release, identity: str) -> str:
        return f"{release['directory'].rsplit('/', 1)[0]}/{identity}/nginx.conf"

    steps: dict[str, Any] = {
        key: [] for key in ("links", "absent", "checks", "back_links", "back_absent", "undo", "marks", "replaced")
    }
    steps["failures"] = {}
    for release in ready:
        name, app, before = release["name"], release["app"], release["before"]
        new = link(app["site"], name)
        old = {link(entry["site"], name): target(release, entry["id"]) for entry in before["links"]}
        steps["links"].append({"path": new, "target": target(release, release["id"])})
        steps["absent"] += [path for path in old if path != new]
        steps["checks"].append(
            {
                "name": name,
                "id": release["id"],
                "prefix": app["prefix"],
                "path": app["prefix"] + app["health"]["path"],
                "host": site_host(app["site"], sites),
                "port": site_port(app["site"], sites),
                "status": app["health"]["status"],
            }
        )
        if name in failed:
            steps["back_links"] += [{"path": path, "target": back} for path, back in old.items()]
            steps["back_absent"] += [] if new in old else [new]
            steps["undo"].append(before)
            steps["failures"][name] = f"{name}: release {release['id']} did not serve and was taken back: {failed[name]}"
            continue
        steps["marks"].append({"name": name, "id": release["id"], "state": "live"})
        if before["live"] not in (None, release["id"]):
            timeout = app["drain_seconds"] + 5
            steps["replaced"].append({"container": f"{name}-{before['live']}", "stop_timeout": timeout})
    return steps


def failure(work: Mapping[str, Any], task: str, result: Mapping[str, Any]) -> str:
    """The message of an application that could not be released: which, where, why, and what serves now."""
    serves = f"release {work['live']} goes on serving" if work["live"] else "it serves nothing yet"
    reason = "\n".join(str(result[key]).strip() for key in ("msg", "stderr") if result.get(key))
    return f"{work['name']}: release {work['id']} failed at {task!r}; {serves}.\n{reason}"


def live_releases(
    releases: Iterable[Release],
    plan: Mapping[str, Any],
    failed: Mapping[str, str],
    sites: list[Mapping[str, Any]],
    address: str,
    check: bool = False,
) -> list[dict[str, Any]]:
    """What serves on this host after the run, and what should; nothing serves where the release is None."""
    work = {entry["name"]: entry for entry in plan["work"]}
    result = []
    for release in releases:
        name, app = release["name"], release["app"]
        before = work.get(name)
        done = not (check or name in failed)
        identity = release["id"] if before is None or done else before["live"]
        host, port = site_host(app["site"], sites), site_port(app["site"], sites)
        named = address if host == "localhost" else host
        place = (f"[{named}]" if ":" in named else named) + ("" if port == 80 else f":{port}")
        result.append(
            {
                "name": name,
                "release": identity,
                "wanted": release["id"],
                "site": app["site"],
                "path": app["path"],
                "url": f"http://{place}{app['prefix']}/",
                "changed": before is not None and done,
            }
        )
    return result
