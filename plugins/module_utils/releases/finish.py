# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of every run that took locks, successful or not: remove, undo what failed, drain and stop
what served before, prune, write the audit, unlock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..host import trees
from ..host.disk import no_room, with_advice
from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import AppPlace, Place, ReleaseName
from ..nginx.renew import tell
from . import audit, drain, job_units, memory, process_steps, prune, routes
from .attempts import Attempts
from .events import of_release
from .job_units import JobFiles
from .lock import Lock, holder, release, renew
from .record import Link, Record, forget, live_links
from .release import FILES
from .remove import Remove
from .services import rotation
from .work import Outcome

Drained = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Finished:
    """The result of the end of a run. failures: what could not be done; the rest was done."""

    drained: Drained = field(default_factory=dict)
    pruned: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Finish:
    """What comes after the switch, or after a failure before it.

    Each step of each application is a separate attempt, so that nothing prevents an unlock, an
    audit or a prune.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        lock: what the run has locked.
        outcomes: the outcome of each application with work.
        action: what the run did, for the audit.
        program: what gets the events; "" for nothing.
        events: those of before this run had work.
        reverted: the applications whose release served, and was taken back.
        jobs: the jobs to write, of applications with other ones.
        archive: the program that runs them, as it was sent; None where it was not.
    """

    def __init__(
        self,
        root: str,
        nginx_root: str,
        lock: Lock,
        outcomes: Iterable[Outcome],
        action: str = "deploy",
        program: str = "",
        events: Iterable[Mapping[str, Any]] = (),
        reverted: Iterable[str] = (),
        jobs: JobFiles | None = None,
        archive: Path | None = None,
    ) -> None:
        self.root, self.nginx_root, self.action = root, nginx_root, action
        self.program, self.events, self.reverted = program, list(events), set(reverted)
        self.jobs, self.archive = jobs or JobFiles(), archive
        self.token, self.names = lock.token, list(lock.names)
        self.outcomes = list(outcomes)
        self.failed = [outcome for outcome in self.outcomes if not outcome.is_live]
        self.docker = Docker()
        self.links: dict[str, tuple[Link, ...]] = {}
        self.attempts = Attempts()

    def run(
        self, remove: Sequence[str] = (), failed: bool = False, data: Collection[str] = ()
    ) -> Finished:
        """Finish.

        Args:
            remove: the applications to remove.
            failed: whether an application failed: then none is removed, because the failed one may
            be the replacement.
            data: those of the removed whose data is removed too.
        """
        removed = self._remove(remove, data) if remove and not failed else []
        there = [name for name in self.names if self._place(name).directory.is_dir()]
        held = []
        for name in there:
            with self.attempts.of(name, "it was left as it is"):
                renew(self.root, [name], self.token, "drain")
                held.append(name)
        self.outcomes = [outcome for outcome in self.outcomes if outcome.work.name in held]
        # Before the drain, which takes its time: a timer starts what serves now.
        self._write_jobs(held)
        drained, pruned = self._settle(held)
        # A service that two have shared goes when both have left it.
        last = sorted(self.outcomes, key=lambda each: self._has_services(each.work.name))
        for outcome in last:
            name = outcome.work.name
            with self.attempts.of(name, "its unused network could not be removed", warn=True):
                prune.remove_network(self.root, self.docker, outcome)
            with self.attempts.of(name, "its unused services could not be removed", warn=True):
                self.attempts.warnings += prune.remove_services(self.root, self.docker, outcome)
        for outcome in self.outcomes:
            name = outcome.work.name
            with self.attempts.of(name, f"this run is not in {self._place(name).audit}"):
                self._audit(outcome, drained)
        for name in held:
            with self.attempts.of(
                name, "what its containers wrote could not be removed", warn=True
            ):
                prune.empty(self.root, self.docker, name, self.attempts)
        for name in there:
            with self.attempts.of(
                name,
                "it could not be unlocked; break its lock with -e"
                f" flask_apps_break_lock={self.token}",
            ):
                release(self.root, [name], self.token)
        with self.attempts.of("", "The trash could not be emptied", warn=True):
            self.attempts.warnings += trees.sweep(self.root)
        # Last, when nothing waits for this run any more.
        self.attempts.warnings += tell(self.program, [*self.events, *map(self._event, self.failed)])
        kept = [f"Because of that not removed: {', '.join(remove)}"] if remove and failed else []
        return Finished(
            drained,
            tuple(pruned),
            tuple(removed),
            (*self.attempts.failures.values(), *kept),
            tuple(self.attempts.warnings),
        )

    def _remove(self, names: Sequence[str], data: Collection[str]) -> list[str]:
        try:
            return Remove(self.root, self.nginx_root, self.docker, self.attempts).run(
                names, self.token, data
            )
        except Exception as error:  # a failure with a full disk too: it is what was asked for
            words = f"{', '.join(names)} could not be removed: {error}"
            self.attempts.failures[""] = with_advice(words)
            return []

    def _write_jobs(self, held: Sequence[str]) -> None:
        """Write the jobs of what serves; those of a release that failed stay as they were."""
        failed = {outcome.work.name for outcome in self.failed}
        apps = {name: jobs for name, jobs in self.jobs.apps.items() if name in {*held} - failed}
        if apps:
            wanted = replace(self.jobs, apps=apps)
            job_units.apply(self.root, wanted, self.archive, self.attempts)

    def _settle(self, held: Sequence[str]) -> tuple[Drained, list[str]]:
        """What depends on what serves: undo, drain, prune. Returns how the old releases drained,
        and the releases that were pruned.
        """
        drained: Drained = {}
        pruned: list[str] = []
        with self.attempts.of("", "What serves is unknown, so nothing was stopped or removed"):
            self.links = live_links(self.nginx_root)
            self._undo()
            for outcome in self.outcomes:
                name = outcome.work.name
                with self.attempts.of(
                    name, "another password of its services could not be settled"
                ):
                    self._settle_passwords(name)
            with self.attempts.of("", "What served before could not be drained"):
                drained = self._drain()
            with self.attempts.of(
                "", "Whether a release runs out of memory could not be checked", warn=True
            ):
                self._warn_of_starved()
            for name in held:
                with self.attempts.of(name, "the links of its earlier paths could not be removed"):
                    routes.sweep(self.root, name, self._links_of(name))
            for outcome in self.outcomes:
                name = outcome.work.name
                with self.attempts.of(name, "its old releases could not be removed"):
                    gone = prune.prune(
                        self.root, self.docker, outcome, self._links_of(name), self.attempts
                    )
                    pruned += [f"{name} {old}" for old in gone]
        return drained, pruned

    def _settle_passwords(self, name: str) -> None:
        """A new password of a service holds if all applications that have it work with it."""
        if not (changed := rotation.pending(self.root, name)):
            return
        # What another run works on finds it itself.
        live = {
            app: links[0].id
            for app, links in self.links.items()
            if links and (app in self.names or not holder(self.root, app))
        }
        users = {name, *rotation.sharing(self.root, name, changed, live)}
        failed = sorted({each.work.name for each in self.outcomes if not each.is_live} & users)
        if not failed:
            for app in rotation.confirm(self.docker, self.root, name, live):
                self.attempts.warnings.append(
                    f"{app}: it was restarted, because a service of {name} has another password"
                )
        elif back := rotation.revert(self.docker, self.root, name, live):
            why = f", because {', '.join(failed)} failed" if failed != [name] else ""
            self.attempts.warnings.append(
                f"{name}: the password before was put back for {', '.join(back)}{why}"
            )

    def _undo(self) -> None:
        """Remove what does not serve; what serves is not touched."""
        # The link leads to what serves, whatever the result of the switch; the next run repairs the
        # rest.
        failed = [
            outcome
            for outcome in self.outcomes
            if not outcome.is_live and not self._serves(outcome)
        ]
        gone = [outcome.work.container for outcome in failed]
        self._all("stopped", lambda names, docker: drain.stop(names, docker, 2), gone)
        self._all("removed", drain.remove, gone)
        for outcome in failed:
            work = outcome.work
            with self.attempts.of(work.name, "its processes that failed could not be removed"):
                process_steps.undo(self.docker, work.name, work.id)
        for outcome in self.outcomes:
            # The release that serves now must have its processes, even where a release failed
            # before it stopped one.
            name = outcome.work.name
            links = self._links_of(name)
            if not outcome.is_live and links and links[0].file != FILES["stopped"]:
                with self.attempts.of(name, "its processes could not be started again"):
                    process_steps.restore(self.docker, name, links[0].id)
        for outcome in failed:
            with self.attempts.of(outcome.work.name, "its failure could not be recorded"):
                self._record_failure(outcome)

    def _record_failure(self, outcome: Outcome) -> None:
        name, identity = outcome.work.name, outcome.work.id
        record = Record(self.root, name)
        state = record.of(identity).state
        # A release that is only repaired, or was live before, keeps its state.
        if state in ("", "prepared") and no_room(outcome.reason):
            forget(self.docker, record, name, identity)
            record.save()
        elif state == "prepared":
            record.mark(identity, "failed", reason=outcome.reason[:2000])
            record.save()

    def _links_of(self, name: str) -> tuple[Link, ...]:
        return self.links.get(name, ())

    def _place(self, name: str) -> AppPlace:
        return Place(self.root).app(name)

    def _has_services(self, name: str) -> bool:
        return bool(Place(self.root).services_of(name))

    def _serves(self, outcome: Outcome) -> bool:
        return any(link.id == outcome.work.id for link in self._links_of(outcome.work.name))

    def _drain(self) -> Drained:
        """What served before finishes its requests."""
        live = [outcome.work for outcome in self.outcomes if outcome.is_live]
        old = [
            replace(drain.Old.of(self.root, work.name, work.live), drain_seconds=work.drain_seconds)
            for work in live
            if work.live and (work.live != work.id or not work.runs)
        ]
        names = [each.container for each in old]
        # The container of this very release of a stopped application stops, and is kept.
        still = [outcome.work.container for outcome in self.outcomes if not outcome.work.runs]
        leaving, staying = self._processes()
        self._disable_restart([name for name in names if name in still] + staying)
        with ThreadPoolExecutor(1) as beside:
            stopped = beside.submit(self._all, "stopped", process_steps.stop, leaving + staying)
            drained = drain.drain(old)
            self._all("stopped", drain.stop, names)
            self._all("removed", drain.remove, [name for name in names if name not in still])
            stopped.result()
        self._all("removed", drain.remove, leaving)
        return drained

    def _warn_of_starved(self) -> None:
        """Warn of releases that serve and run out of memory."""
        live = {
            outcome.work.container: outcome.work
            for outcome in self.outcomes
            if outcome.is_live and outcome.work.runs
        }
        for container, words in memory.starved(self.docker, live).items():
            self.attempts.warnings.append(
                f"{live[container].name}: release {live[container].id} serves, and {words}"
            )

    def _all(
        self, what: str, step: Callable[[list[str], Docker], None], containers: list[str]
    ) -> None:
        """Act on all at once; where that fails, one by one."""
        try:
            step(containers, self.docker)
        except HostError:
            for container in containers:
                with self.attempts.of("", f"The container {container} could not be {what}"):
                    step([container], self.docker)

    def _processes(self) -> tuple[list[str], list[str]]:
        """The containers of processes: those of releases that no longer serve, and those of stopped
        applications.
        """
        leaving, staying = [], []
        for outcome in self.outcomes:
            if outcome.is_live:
                for process in process_steps.found(self.docker, outcome.work.name):
                    if process.release != outcome.work.id:
                        leaving.append(process.container)
                    elif not outcome.work.runs:
                        staying.append(process.container)
        return leaving, staying

    def _disable_restart(self, containers: list[str]) -> None:
        if containers:
            with self.attempts.of(
                "", "The restart policy of stopped containers could not be disabled"
            ):
                self.docker.run("update", "--restart", "no", *containers, check=False)

    def _event(self, outcome: Outcome) -> dict[str, Any]:
        work = outcome.work
        kind = "release_reverted" if work.name in self.reverted else "release_failed"
        return of_release(kind, outcome.reason, work.name, self.action, work.live, work.id)

    def _audit(self, outcome: Outcome, drained: Mapping[str, Mapping[str, float]]) -> None:
        """Write one line about what was done, by whom, and with which result."""
        work = outcome.work
        held = holder(self.root, work.name)
        audit.write(
            self.root,
            work.name,
            held,
            action=self.action,
            before=work.live,
            to=work.id,
            state=work.state,
            result=outcome.result,
            reason=outcome.reason.splitlines()[0] if outcome.reason else "",
            seconds=round(time.time() - held.clock, 1) if held and held.clock else None,
            drained=drained.get(ReleaseName(work.name, work.live or "").container),
        )
