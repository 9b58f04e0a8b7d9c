# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of a run that changes something: the locks, and what a run that was cut off has left."""

from __future__ import annotations

import time
from typing import Any

from ..host import trees
from ..host.disk import too_little
from ..host.engine import Docker
from ..host.files import HostError, left_aside
from ..host.places import NginxPlace, Place
from ..host.size import bytes_of
from ..images.delta import kept_digests
from ..nginx.steps import NginxError
from ..nginx.tree import move_links
from . import audit, drain, mount, move, planted, process_steps, routes
from .attempts import Attempts
from .deploy import check_of
from .lock import acquire, release
from .plan import Plan, sentences_of
from .probe import check, config_of
from .record import Record, forget, live_links, pin, read_release
from .release import FILES
from .uids import Uids

CHECK_SECONDS = 5
UNCLOSED = (
    "What applications write could not be mounted nosuid,nodev, so that closed directories alone"
    " keep it from other users"
)


class Begin:
    """The start of a run that changes something."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.root = params["root"]
        self.wanted = {release["name"]: release["id"] for release in params["releases"]}
        self.docker = Docker()
        self.uids = Uids(self.root, params["nginx_root"], params["uids"])
        self.actions: list[str] = []
        self.attempts = Attempts()

    def run(self, check_mode: bool = False) -> dict[str, Any]:
        """The plan, and the locks of those that have work; in check mode the plan alone."""
        if self.wanted:
            self.actions += planted.protect(check_mode)
            with self.attempts.of("", UNCLOSED, warn=True):
                self.actions += mount.protect(self.root, check_mode)
        plan = Plan(self.params, self.docker).run()
        moves = self._moves(plan)
        names = (
            {entry["name"] for entry in plan["work"]}
            | set(plan["remove"])
            | set(plan["repairs"])
            | set(moves)
        )
        self._refuse_without_room(plan, check_mode)
        self._tell_of_variables(plan)
        self.actions += sentences_of(plan)
        if check_mode or not names:
            self._go_on_deleting(check_mode)
            actions = [
                *self.actions,
                *(
                    f"{name}: moved from uid {before} to {uid or 'its own'}"
                    for name, (before, uid) in moves.items()
                ),
            ]
            return {
                "changed": bool(actions),
                "actions": actions,
                "lock": {},
                "warnings": self.attempts.warnings,
                **plan,
            }
        token = self.params["owner"]["token"]
        cut_off = acquire(
            self.root,
            names,
            {**self.params["owner"], "action": self.params["action"]},
            self.params["break_tokens"],
        )
        try:
            for name in sorted(names - set(plan["remove"])):
                with self.attempts.of(
                    name, "what serves could not be found out, so nothing of it was released"
                ):
                    self._settle(name, cut_off.get(name, {}))
                if name in cut_off:
                    with self.attempts.of(
                        name, "the audit has no line of the run that was cut off", warn=True
                    ):
                        self._audit(name, cut_off[name])
                self._sweep(name)
            for name in moves:
                with self.attempts.of(name, "its uid could not be moved"):
                    self.attempts.warnings.append(
                        move.move(self.docker, self.uids, name, self._entry(name)["uid"])
                    )
            plan = Plan(self.params, self.docker).run()
            plan["failures"] = {**plan["failures"], **self.attempts.failures}
            # One that failed is left alone by this run. What came up since belongs to the next: it
            # is not locked.
            kept = names - set(plan["failures"])
            plan["work"] = [entry for entry in plan["work"] if entry["name"] in kept]
            plan["remove"] = [name for name in plan["remove"] if name in kept]
            if self.params["action"] == "deploy":
                for entry in plan["work"]:
                    if entry["build"]:
                        releases = Place(self.root).app(entry["name"]).releases
                        entry["known"] = kept_digests(releases)
            release(self.root, names - kept, token)
        except BaseException:
            release(self.root, names, token)
            raise
        lock = {"token": token, "names": sorted(kept)} if kept else {}
        return {
            "changed": True,
            "actions": self.actions,
            "lock": lock,
            "warnings": self.attempts.warnings,
            **plan,
        }

    def _refuse_without_room(self, plan: dict[str, Any], check_mode: bool) -> None:
        """Before anything is changed: what makes a new release needs room; a rollback or another
        state does not.
        """
        if self.params["action"] != "deploy" or not any(entry["build"] for entry in plan["work"]):
            return
        wanted = bytes_of(self.params["free_space"])
        places = [self.root, *(self.docker.data if self.docker.command else [])]
        if too_little(places, wanted) and not check_mode:
            trees.sweep(self.root)
        if short := too_little(places, wanted):
            raise HostError(short)

    def _tell_of_variables(self, plan: dict[str, Any]) -> None:
        """Once: in the deploy that makes variables of what a release of an older version had as
        files alone.
        """
        for entry in plan["work"]:
            new = set(self._entry(entry["name"]).get("variables", []))
            if (
                self.params["action"] != "deploy"
                or not new
                or not entry["live"]
                or entry["live"] == entry["id"]
            ):
                continue
            before = read_release(self.root, entry["name"], entry["live"])
            if "variables" not in before and (
                names := sorted(new & set(before.get("secrets", [])))
            ):
                self.attempts.warnings.append(
                    f"{entry['name']}: its secrets are variables of its processes from this release"
                    f" on, and files as before: {', '.join(names)}. Child processes and crash"
                    " reporters see them; secrets_as: file keeps them files alone."
                )

    def _go_on_deleting(self, check_mode: bool) -> None:
        """What earlier runs have put away and had no time to delete; a run with work does it at its
        end.
        """
        if not trees.is_clean(self.root):
            self.actions.append(f"deleted more of what lies in {Place(self.root).trash}")
            if not check_mode:
                with self.attempts.of("", "The trash could not be emptied", warn=True):
                    self.attempts.warnings += trees.sweep(self.root)

    def _entry(self, name: str) -> dict[str, Any]:
        return next(release for release in self.params["releases"] if release["name"] == name)

    def _moves(self, plan: dict[str, Any]) -> dict[str, tuple[int, int]]:
        """The applications that get another uid now, from which and to which; of those that may,
        each run says so.
        """
        asked, begun, moves = set(self.params["move_uid"]), self.uids.moving, {}
        new = {entry["name"] for entry in plan["work"] if entry["live"] != entry["id"]}
        for name in self.wanted:
            before, uid = self.uids.move_of(name, self._entry(name)["uid"])
            if name in begun or (before and name in asked):
                # One that was cut off goes on whatever is wanted: until then its data belongs to
                # neither.
                if name in new and name not in begun:
                    raise HostError(
                        f"{name} has a new release, and a uid moves in a run of its own: deploy it"
                        " first. Nothing was changed."
                    )
                moves[name] = before, uid
            elif before and self._entry(name)["volumes"]:
                self.attempts.warnings.append(
                    f"{name} keeps the uid {before}, because its volumes may hold data of it;"
                    " others may have the same. For one of its own run again with -e"
                    f" flask_apps_move_uid={name}: it is stopped, its data is given to the new uid,"
                    " and it is started."
                )
        if unknown := sorted(asked - set(self.wanted)):
            there = ", ".join(sorted(self.wanted)) or "no application"
            raise HostError(
                f"flask_apps_move_uid names {', '.join(unknown)}; there is {there}. Nothing was"
                " changed."
            )
        return moves

    def _settle(self, name: str, cut_off: dict[str, Any]) -> None:
        """A route that was moved and not recorded: it serves and is recorded, or it goes back."""
        links = live_links(self.params["nginx_root"]).get(name, [])
        record = Record(self.root, name)
        before = record.data["live"]
        if links and (found := routes.wrong(self.root, name, links[0]["id"])):
            routes.lead(self.root, name, links[0]["id"])
            self.actions.append(
                f"{name}: led the route from {found} to release {links[0]['id']}, which the last"
                " run did not come to"
            )
        if not links or links[0]["id"] == before:
            return
        identity, file = links[0]["id"], links[0]["file"]
        facts = read_release(self.root, name, identity)
        why = "it has no release.json"
        if facts:
            question = check_of(name, identity, facts, self.params["sites"], file)
            question["config"] = config_of(Place(self.root).app(name).release(identity).file(file))
            why = check(question, time.monotonic() + CHECK_SECONDS)
        if not why:
            if file != FILES["stopped"]:
                ours = [
                    process.container
                    for process in process_steps.found(self.docker, name)
                    if process.release == identity
                ]
                self.docker.run(
                    "update", "--restart", "unless-stopped", f"{name}-{identity}", *ours
                )
            record.mark(
                identity, "live", rollback=True, **({"run": cut_off["token"]} if cut_off else {})
            )
            record.save()
            self.actions.append(
                f"{name}: recorded that release {identity} serves, which the last run did not"
                " come to"
            )
        elif before and self._runs(f"{name}-{before}"):
            try:
                self._link(
                    name,
                    read_release(self.root, name, before).get("site", links[0]["site"]),
                    before,
                    links,
                )
            except (
                NginxError
            ) as error:  # somebody else has its place by now; what this run releases has its own
                self.actions.append(
                    f"{name}: release {identity} does not serve ({why}), and Nginx does not take"
                    f" {before} back: {error}"
                )
                return
            record.mark(identity, "failed", reason=why)
            record.save()
            self.actions.append(
                f"{name}: moved the route back to release {before}, for {identity} does not serve:"
                f" {why}"
            )

    def _audit(self, name: str, held: dict[str, Any]) -> None:
        """The line that a run which was cut off did not come to write: what it released serves, or
        it did not get that far.
        """
        before, to, result = _outcome(Record(self.root, name), held)
        reason = f"cut off in its phase {held.get('phase')}, written by the run after it"
        audit.write(
            self.root,
            name,
            held,
            action=held.get("action"),
            before=before,
            to=to,
            result=result,
            reason=reason,
        )

    def _runs(self, container: str) -> bool:
        return bool(self.docker.inspect(container).get("State", {}).get("Running"))

    def _link(self, name: str, site: str, identity: str, links: list[dict[str, str]]) -> None:
        # What it is under stays: maintenance, above all.
        target = Place(self.root).app(name).release(identity).file(links[0]["file"])
        below = NginxPlace("")
        absent = [str(below.link(link["site"], name)) for link in links if link["site"] != site]
        routes.lead(self.root, name, identity)
        move_links(
            self.params["nginx_root"],
            [{"path": str(below.link(site, name)), "target": str(target)}],
            absent,
        )

    def _sweep(self, name: str) -> None:
        """What belongs to no release that serves or is kept. What cannot go now keeps no release
        from being made.
        """
        plan = Plan(self.params, self.docker)
        plan.run()
        with self.attempts.of(
            name, "containers that serve nothing could not be removed", warn=True
        ):
            self._remove_orphans(name, plan)
        with self.attempts.of(name, "releases that never served could not be removed", warn=True):
            self._forget_unfinished(name, plan)
        with self.attempts.of(name, "the images of kept releases could not be pinned", warn=True):
            for identity in plan.unpinned(name):
                pin(self.docker, name, identity)
                self.actions.append(f"{name}: pinned the image of release {identity} again")
        with self.attempts.of(
            name, "the containers of its processes could not be started", warn=True
        ):
            for link in live_links(self.params["nginx_root"]).get(name, [])[:1]:
                if link["file"] != FILES["stopped"]:
                    again = process_steps.restore(self.docker, name, link["id"])
                    self.actions += [
                        f"{name}: started the container {container} of the release that serves"
                        for container in again
                    ]
        with self.attempts.of(
            name, "files that a run that was cut off has left could not be removed", warn=True
        ):
            for refused in NginxPlace(self.params["nginx_root"]).refused(name):
                refused.unlink()
            for file in left_aside(Place(self.root).app(name).directory):
                file.unlink()
            for path in Place(self.root).builds_of(name):
                trees.put_away(path, self.root)

    def _remove_orphans(self, name: str, plan: Plan) -> None:
        orphans = plan.orphans(name)
        processes = [
            container for container in orphans if container in plan.processes.get(name, {})
        ]
        process_steps.stop(processes, self.docker)
        web = [container for container in orphans if container not in processes]
        # One that served until the run that was cut off moved its route finishes what it has begun.
        drain.drain(
            drain.entry(self.root, name, container.removeprefix(f"{name}-")) for container in web
        )
        drain.stop(web, self.docker)
        drain.remove(orphans, self.docker)
        self.actions += [
            f"{name}: removed the container {container}, which serves nothing"
            for container in orphans
        ]

    def _forget_unfinished(self, name: str, plan: Plan) -> None:
        unfinished = plan.unfinished(name, self.wanted.get(name, ""))
        record = Record(self.root, name)
        for identity in unfinished:
            with self.attempts.of(
                name, f"release {identity}, which never served, could not be removed", warn=True
            ):
                forget(self.docker, record, name, identity)
                self.actions.append(f"{name}: removed release {identity}, which never served")
        if unfinished:
            record.save()


def _outcome(record: Record, held: dict[str, Any]) -> tuple[str | None, str | None, str]:
    """From where to where the run that was cut off went, and whether it got there."""
    live, known = record.data["live"], record.releases
    if live and known.get(live, {}).get("run") == held["token"]:
        retired = [
            (data["retired"], identity)
            for identity, data in known.items()
            if data["state"] == "retired"
        ]
        return max(retired)[1] if retired else None, live, "live"
    # Before its files lie there, a release has no time yet.
    begun = [
        (data.get("prepared", ""), identity)
        for identity, data in known.items()
        if data["state"] in ("prepared", "failed")
    ]
    last, identity = max(begun, default=("", ""))
    return live, identity if last and last >= held.get("since", "") else None, "cut off"
