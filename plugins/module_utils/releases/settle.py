# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair what an interrupted run has left of an application: a route that was moved and not
recorded, a line of the audit, containers and files that serve nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..host import trees
from ..host.engine import Docker
from ..host.files import left_aside
from ..host.places import NginxPlace, Place, ReleaseName
from ..nginx.steps import NginxError
from ..nginx.tree import move_links
from . import audit, drain, process_steps, routes
from .attempts import Attempts
from .events import of_release
from .lock import Held
from .plan import Plan
from .probe import Question, check
from .record import Link, Record, forget, live_links, pin, read_release
from .release import FILES, Release

CHECK_SECONDS = 5


class Settle:
    """The repairs of a run; each is added to the actions, and what users noticed to the events."""

    def __init__(
        self,
        root: str,
        nginx_root: str,
        sites: Sequence[Mapping[str, Any]],
        docker: Docker,
        attempts: Attempts,
        actions: list[str],
        events: list[dict[str, Any]],
    ) -> None:
        self.root, self.nginx_root, self.sites = root, nginx_root, sites
        self.docker, self.attempts, self.actions = docker, attempts, actions
        self.events = events

    def route(self, name: str, interrupted: Held | None) -> None:
        """Repair a route that was moved and not recorded: when it serves, it is recorded; else it
        is moved back.
        """
        links = live_links(self.nginx_root).get(name, ())
        record = Record(self.root, name)
        before = record.live
        if links and (found := routes.wrong(self.root, name, links[0].id)):
            routes.lead(self.root, name, links[0].id)
            self.actions.append(
                f"{name}: moved the route from {found} to release {links[0].id}, which the last run"
                " did not do"
            )
        if not links or links[0].id == before:
            return
        link = links[0]
        why = self._why_not(name, link)
        if not why:
            if link.file != FILES["stopped"]:
                ours = [
                    process.container
                    for process in process_steps.found(self.docker, name)
                    if process.release == link.id
                ]
                container = ReleaseName(name, link.id).container
                self.docker.run("update", "--restart", "unless-stopped", container, *ours)
            run = interrupted.token if interrupted else None
            record.mark(link.id, "live", rollback=True, run=run)
            record.save()
            self.actions.append(
                f"{name}: recorded that release {link.id} serves, which the last run did not do"
            )
        elif before and self._runs(ReleaseName(name, before)):
            try:
                self._link(name, before, links)
            except (
                NginxError
            ) as error:  # another application has its place; the releases of this run have theirs
                self.actions.append(
                    f"{name}: release {link.id} does not serve ({why}), and Nginx does not take"
                    f" {before} back: {error}"
                )
                return
            record.mark(link.id, "failed", reason=why)
            record.save()
            self.events.append(of_release("release_reverted", why, name, "repair", before, link.id))
            self.actions.append(
                f"{name}: moved the route back to release {before}, because {link.id} does not"
                f" serve: {why}"
            )

    def audit(self, name: str, held: Held) -> None:
        """Write the line that an interrupted run did not write: its release serves, or the run was
        interrupted before.
        """
        before, to, result = _outcome(Record(self.root, name), held)
        reason = f"cut off in its phase {held.phase}, written by the run after it"
        audit.write(
            self.root,
            name,
            held,
            action=held.action or None,
            before=before,
            to=to,
            result=result,
            reason=reason,
        )

    def sweep(self, name: str, plan: Plan, wanted: str) -> None:
        """Remove what belongs to no release that serves or is kept. A failure here does not prevent
        a release.
        """
        plan.run()
        with self.attempts.of(
            name, "containers that serve nothing could not be removed", warn=True
        ):
            self._remove_orphans(name, plan)
        with self.attempts.of(name, "releases that never served could not be removed", warn=True):
            self._forget_unfinished(name, plan.unfinished(name, wanted))
        with self.attempts.of(name, "the images of kept releases could not be pinned", warn=True):
            for identity in plan.unpinned(name):
                pin(self.docker, name, identity)
                self.actions.append(f"{name}: pinned the image of release {identity} again")
        with self.attempts.of(
            name, "the containers of its processes could not be started", warn=True
        ):
            for link in live_links(self.nginx_root).get(name, ())[:1]:
                if link.file != FILES["stopped"]:
                    again = process_steps.restore(self.docker, name, link.id)
                    self.actions += [
                        f"{name}: started the container {container} of the release that serves"
                        for container in again
                    ]
        with self.attempts.of(
            name, "files that an interrupted run has left could not be removed", warn=True
        ):
            for refused in NginxPlace(self.nginx_root).refused(name):
                refused.unlink()
            for file in left_aside(Place(self.root).app(name).directory):
                file.unlink()
            for path in Place(self.root).builds_of(name):
                trees.put_away(path, self.root)

    def _why_not(self, name: str, link: Link) -> str:
        """Why the target of a link does not serve; "" when it does."""
        facts = read_release(self.root, name, link.id)
        if not facts:
            return "it has no release.json"
        release = Release.from_record({**facts, "app": name, "id": link.id}, self.root)
        question = Question.of(release, self.sites, release.place.file(link.file))
        return check(question, time.monotonic() + CHECK_SECONDS)

    def _runs(self, release: ReleaseName) -> bool:
        return bool(self.docker.inspect(release.container).get("State", {}).get("Running"))

    def _link(self, name: str, identity: str, links: Sequence[Link]) -> None:
        """Move the links back to a release. The file stays the same, maintenance for example."""
        site = read_release(self.root, name, identity).get("site", links[0].site)
        target = Place(self.root).app(name).release(identity).file(links[0].file)
        below = NginxPlace("")
        absent = [str(below.link(link.site, name)) for link in links if link.site != site]
        routes.lead(self.root, name, identity)
        move_links(
            self.nginx_root,
            [{"path": str(below.link(site, name)), "target": str(target)}],
            absent,
        )

    def _remove_orphans(self, name: str, plan: Plan) -> None:
        orphans = plan.orphans(name)
        processes = [
            container for container in orphans if container in plan.processes.get(name, {})
        ]
        process_steps.stop(processes, self.docker)
        web = [container for container in orphans if container not in processes]
        # A release that served until the interrupted run moved its route finishes its requests.
        drain.drain(
            drain.Old.of(self.root, name, container.removeprefix(f"{name}-")) for container in web
        )
        drain.stop(web, self.docker)
        drain.remove(orphans, self.docker)
        self.actions += [
            f"{name}: removed the container {container}, which serves nothing"
            for container in orphans
        ]

    def _forget_unfinished(self, name: str, unfinished: Sequence[str]) -> None:
        record = Record(self.root, name)
        for identity in unfinished:
            with self.attempts.of(
                name, f"release {identity}, which never served, could not be removed", warn=True
            ):
                forget(self.docker, record, name, identity)
                self.actions.append(f"{name}: removed release {identity}, which never served")
        if unfinished:
            record.save()


def _outcome(record: Record, held: Held) -> tuple[str | None, str | None, str]:
    """The release before an interrupted run, the one it was about, and the result."""
    live, known = record.live, record.releases
    if live and record.of(live).run == held.token:
        retired = [
            (entry.retired or "", identity)
            for identity, entry in known.items()
            if entry.state == "retired"
        ]
        return max(retired)[1] if retired else None, live, "live"
    # A release has no time before its files exist.
    begun = [
        (entry.prepared or "", identity)
        for identity, entry in known.items()
        if entry.state in ("prepared", "failed")
    ]
    last, identity = max(begun, default=("", ""))
    return live, identity if last and last >= held.since else None, "cut off"
