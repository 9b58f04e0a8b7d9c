# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of a run that changes something: the plan, the locks, and the repair of what an
interrupted run has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..host import notify, trees
from ..host.disk import too_little
from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import Place
from ..host.size import bytes_of
from ..images.delta import kept_digests
from ..nginx.renew import tell
from . import mount, planted, uid_move
from .attempts import Attempts
from .events import of_release
from .interrupted import refuse_interrupted
from .lock import Held, Lock, Owner, acquire, release
from .plan import Plan, Planned
from .record import live_links, read_release
from .settle import Settle
from .uids import Uids
from .work import Wanted

UNCLOSED = (
    "What applications write could not be mounted nosuid,nodev, so that closed directories alone"
    " keep it from other users"
)


@dataclass(frozen=True)
class Begun:
    """The plan, what this run has locked, and what was done, as sentences."""

    planned: Planned
    lock: Lock
    changed: bool
    actions: tuple[str, ...]
    warnings: tuple[str, ...]
    events: tuple[dict[str, Any], ...] = ()  # those that are sent when nothing is locked any more


class Begin:
    """The start of a run that changes something.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        releases: those that the applications must have.
        owner: who runs.
        images: those of this collection that the builds of the releases need.
        absent: the applications that must not be on the host.
        sites: the server blocks.
        uids: the range that the uids of applications are taken from.
        move_uid: the applications with volumes that get their own uid.
        break_tokens: the tokens of locks that are taken over.
        action: what the run does: deploy, rollback or remove.
        free_space: how much must be free to build a release.
        log_driver: what docker_daemon_options names; "" where it names none.
        program: what gets the events of applications that cannot be released; "" for nothing.
        host_program: the name of the program that runs jobs.
    """

    def __init__(
        self,
        root: str,
        nginx_root: str,
        releases: Iterable[Wanted],
        owner: Owner,
        images: Sequence[str] = (),
        absent: Sequence[str] = (),
        sites: Sequence[Mapping[str, Any]] = (),
        uids: str = "70000-99999",
        move_uid: Sequence[str] = (),
        break_tokens: Sequence[str] = (),
        action: str = "deploy",
        free_space: str = "0",
        program: str = "",
        log_driver: str = "",
        host_program: str = "",
    ) -> None:
        self.root, self.nginx_root, self.owner, self.action = root, nginx_root, owner, action
        self.wanted = {wanted.name: wanted for wanted in releases}
        self.images, self.absent, self.sites = images, absent, sites
        self.move_uid, self.break_tokens, self.free_space = move_uid, break_tokens, free_space
        self.program, self.log_driver, self.host_program = program, log_driver, host_program
        self.docker = Docker()
        self.uids = Uids(root, nginx_root, uids)
        self.actions: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.attempts = Attempts()

    def run(self, check_mode: bool = False) -> Begun:
        """The plan, and the locks of those that have work; in check mode the plan alone."""
        begun = self._begin(check_mode)
        if check_mode:
            words = notify.problem(self.program)
            return replace(begun, warnings=(*begun.warnings, words)) if words else begun
        self._add_failures(begun.planned.failures)
        if begun.lock.token:
            return replace(begun, events=tuple(self.events))
        return replace(begun, warnings=(*begun.warnings, *tell(self.program, self.events)))

    def _add_failures(self, failures: Mapping[str, str]) -> None:
        """Add the events of those that cannot be released."""
        try:
            links = live_links(self.nginx_root) if failures and self.program else {}
        except (HostError, OSError):  # the locks stay whatever an event lacks
            links = {}
        for name, why in failures.items():
            before = links[name][0].id if links.get(name) else None
            to = self.wanted[name].id if name in self.wanted else None
            self.events.append(of_release("release_failed", why, name, self.action, before, to))

    def _begin(self, check_mode: bool) -> Begun:
        if self.wanted:
            self.actions += planted.protect(check_mode)
            with self.attempts.of("", UNCLOSED, warn=True):
                self.actions += mount.protect(self.root, check_mode)
        planned = self._plan().run()
        uid_moves = self._uid_moves(planned)
        names = {work.name for work in planned.work} | {
            *planned.remove,
            *planned.repairs,
            *planned.with_jobs,
            *uid_moves,
        }
        self._refuse_without_room(planned, check_mode)
        self._warn_of_variables(planned)
        self.actions += planned.sentences
        if check_mode or not names:
            self._continue_deleting(check_mode)
            self.actions += [
                f"{name}: moved from uid {before} to {uid or 'its own'}"
                for name, (before, uid) in uid_moves.items()
            ]
            return self._begun(planned, Lock(), bool(self.actions))
        token = self.owner.token
        broken = acquire(self.root, names, self.owner, self.break_tokens, action=self.action)
        try:
            for name in sorted(names):
                with self.attempts.of(name, "its data is between two states"):
                    refuse_interrupted(self.root, name)
            self._repair(names - set(planned.remove) - {*self.attempts.failures}, broken)
            for name in set(uid_moves) - {*self.attempts.failures}:
                with self.attempts.of(name, "its uid could not be moved"):
                    uid = self.wanted[name].uid
                    self.attempts.warnings.append(uid_move.move(self.docker, self.uids, name, uid))
            # Plan again, because the host may have changed before the locks were taken.
            planned = self._plan().run()
            kept = names - {*planned.failures, *self.attempts.failures}
            planned = self._with_known(planned.of(kept, self.attempts.failures))
            release(self.root, names - kept, token)
        except BaseException:
            release(self.root, names, token)
            raise
        return self._begun(planned, Lock(token, tuple(sorted(kept))), True)

    def _plan(self) -> Plan:
        return Plan(
            self.root,
            self.nginx_root,
            list(self.wanted.values()),
            self.absent,
            self.images,
            self.docker,
            self.log_driver,
            self.host_program,
        )

    def _with_known(self, planned: Planned) -> Planned:
        """With what the host has of the sources of releases that are built."""
        built = [work.name for work in planned.work if work.build and self.action == "deploy"]
        apps = Place(self.root)
        return replace(
            planned, known={name: kept_digests(apps.app(name).releases) for name in built}
        )

    def _begun(self, planned: Planned, lock: Lock, changed: bool) -> Begun:
        return Begun(planned, lock, changed, tuple(self.actions), tuple(self.attempts.warnings))

    def _repair(self, names: Iterable[str], broken: Mapping[str, Held]) -> None:
        settle = Settle(
            self.root,
            self.nginx_root,
            self.sites,
            self.docker,
            self.attempts,
            self.actions,
            self.events,
        )
        for name in sorted(names):
            held, wanted = broken.get(name), self.wanted.get(name)
            with self.attempts.of(name, "what serves is unknown, so nothing of it was released"):
                settle.route(name, held)
            if held:
                with self.attempts.of(
                    name, "the audit has no line of the interrupted run", warn=True
                ):
                    settle.audit(name, held)
            settle.sweep(name, self._plan(), wanted.id if wanted else "")

    def _refuse_without_room(self, planned: Planned, check_mode: bool) -> None:
        """Check the free space before anything is changed: a new release needs room; a rollback or
        another state does not.
        """
        if self.action != "deploy" or not any(work.build for work in planned.work):
            return
        wanted = bytes_of(self.free_space)
        places = [self.root, *(self.docker.data if self.docker.command else [])]
        if too_little(places, wanted) and not check_mode:
            trees.sweep(self.root)
        if short := too_little(places, wanted):
            raise HostError(short)

    def _warn_of_variables(self, planned: Planned) -> None:
        """Note once, in the deploy that does it, that secrets which a release of an older version
        had as files alone become variables.
        """
        for work in planned.work if self.action == "deploy" else ():
            new = set(self.wanted[work.name].variables)
            if not new or not work.live or work.live == work.id:
                continue
            before = read_release(self.root, work.name, work.live)
            if "variables" not in before and (
                names := sorted(new & set(before.get("secrets", [])))
            ):
                self.attempts.warnings.append(
                    f"{work.name}: its secrets are variables of its processes from this release"
                    f" on, and files as before: {', '.join(names)}. Child processes and crash"
                    " reporters see them; secrets_as: file keeps them files alone."
                )

    def _continue_deleting(self, check_mode: bool) -> None:
        """Delete what earlier runs put into the trash and had no time to delete; a run with work
        does it at its end.
        """
        if not trees.is_clean(self.root):
            self.actions.append(f"deleted more of what is in {Place(self.root).trash}")
            if not check_mode:
                with self.attempts.of("", "The trash could not be emptied", warn=True):
                    self.attempts.warnings += trees.sweep(self.root)

    def _uid_moves(self, planned: Planned) -> dict[str, tuple[int, int]]:
        """The applications that get another uid now, with the old and the new uid. Each run warns
        of those that may.
        """
        asked, begun = set(self.move_uid), self.uids.moving
        uid_moves: dict[str, tuple[int, int]] = {}
        new = {work.name for work in planned.work if work.live != work.id}
        for name, wanted in self.wanted.items():
            before, uid = self.uids.move_of(name, wanted.uid)
            if name in begun or (before and name in asked):
                # An interrupted move is resumed in any case: until then its data belongs to neither
                # uid.
                if name in new and name not in begun:
                    raise HostError(
                        f"{name} has a new release, and a uid moves in a separate run: deploy it"
                        " first. Nothing was changed."
                    )
                uid_moves[name] = before, uid
            elif before and wanted.volumes:
                self.attempts.warnings.append(
                    f"{name} keeps the uid {before}, because its volumes may hold data of it;"
                    " others may have the same. To give it its own uid, run again with -e"
                    f" flask_apps_move_uid={name}: it is stopped, its data is given to the new uid,"
                    " and it is started."
                )
        if unknown := sorted(asked - set(self.wanted)):
            there = ", ".join(sorted(self.wanted)) or "no application"
            raise HostError(
                f"flask_apps_move_uid names {', '.join(unknown)}; there is {there}. Nothing was"
                " changed."
            )
        return uid_moves
