# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words and tables that a run ends with: failures, what serves, the status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..host.disk import with_advice
from ..host.reason import told_by
from ..host.shown import shown, shown_line
from ..images.registry import advice
from .release import Release
from .work import still_serves


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
    for release in map(Release.from_dict, releases):
        name = release.name
        outcome = (outcomes or {}).get(name, {})
        became_live = outcome.get("result") == "live"
        result.append(
            {
                "name": name,
                "release": release.id if became_live else plan["live"].get(name),
                "wanted": release.id,
                "site": release.site,
                "path": release.path,
                "url": release.url(sites, address),
                "changed": became_live,
            }
        )
    return result


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
    data = any(app.get("services") for apps in listed.values() for app in apps)
    why = any(app["reason"] for apps in listed.values() for app in apps)
    rows: list[tuple[str, ...]] = [
        head
        + (("processes",) if more else ())
        + (("services",) if data else ())
        + (("reason",) if why else ())
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
            values += (
                (", ".join(f"{name} {found}" for name, found in app["services"].items()) or "-",)
                if data
                else ()
            )
            values += (app["reason"] or "-",) if why else ()
            rows.append(tuple("-" if value is None else str(value) for value in values))
    several = len(listed) > 1
    advice = [
        shown_line(f"{f'{host}: ' if several else ''}{app['name']}: {words}")
        for host, apps in listed.items()
        for app in apps
        for words in [
            *_jobs(app.get("jobs", {})),
            *_backup(app.get("backup") or {}),
            *_interrupted(app.get("interrupted", [])),
            *app.get("advice", []),
        ]
    ]
    return table(rows) + advice if len(rows) > 1 else ["There is no application on these hosts."]


def _jobs(jobs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each job: how it ended the last time, and when it runs next."""
    lines = []
    for name, job in jobs.items():
        last, words = job["last"], "did not run yet"
        if last and last["code"] is None:
            words = f"runs since {last['begun']}, or was interrupted"
        elif last:
            seconds = "" if last["seconds"] is None else f" after {last['seconds']:g} s"
            reason = f" ({last['reason']})" if last["reason"] else ""
            words = f"of {last['begun']} ended with {last['code']}{seconds}{reason}"
        times = ", ".join(job["next"]) or "never"
        lines.append(f"job {name} {words}; next {times} ({job['schedule']})")
    return lines


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns as wide as their widest cell."""
    cells = [[shown_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _backup(backup: Mapping[str, Any]) -> list[str]:
    """A line for its backup, and one for its restore drill."""
    lines = [] if not backup or backup["last"] else ["its backup did not run yet"]
    for key, title in (("last", "its backup"), ("drill", "its restore drill")):
        last = backup.get(key)
        if not last:
            continue
        if last["code"] is None:
            lines.append(f"{title} runs since {last['begun']}, or was interrupted")
            continue
        what = last["reason"] or f"snapshot {last['snapshot'][:8]}, {last['bytes']} bytes"
        age = "" if last["age"] is None else f", {last['age']} s old"
        ended = "FAILED" if last["code"] else "succeeded"
        seconds = f"{last['seconds'] or 0:g} s"
        lines.append(f"{title} of {last['begun']} {ended} after {seconds}: {what}{age}")
    return lines


def _interrupted(playbooks: Iterable[str]) -> list[str]:
    """A line for each restore or upgrade that has not reached its end."""
    return [
        "a restore or an upgrade of its data runs, or was interrupted; then run it again, which"
        f" puts back the data of before first: ansible-playbook {words}"
        for words in playbooks
    ]
