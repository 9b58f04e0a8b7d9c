# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the Nginx configuration as one transaction.

The order of a change, and why a cut at any point is safe:

    lock        one flock for the whole host
    compare     nothing differs: nothing is done, not even a test
    candidate   a private copy of the tree; every state the real tree will go through is tested on
    it with `nginx -t`
                in a private mount namespace, where the copy lies over the real directory
    stage       every new file is written beside its place under a dotted name (no glob of Nginx
    reads those),
                every old one gets a second name: whatever a full disk can break, breaks here
    commit      renames only, in the order that was tested: a kill leaves one of the tested states
    reload      and wait for workers of the new configuration; else the old names are put back and
    loaded again
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host.flock import locked
from ..host.places import NGINX_BACKUPS, NGINX_LOCK, NGINX_ROOT, NGINX_RUNTIME
from .files import PENDING, Transaction, apply_plain, copy_tree, keep_backup, read_entry, sweep_tree
from .process import Host, emergencies, nginx_warnings
from .steps import (
    Entry,
    NginxError,
    Step,
    Wanted,
    check_steps,
    describe,
    make_diff,
    missing_directories,
    parents,
    parse_wanted,
    plan_steps,
    safe_order,
)


class Interrupted(NginxError):
    """The run received a signal to end: it is handled like any other failure."""


@dataclass
class Settings:
    """Where things are; only the tests use others than these."""

    root: Path = Path(NGINX_ROOT)
    lock: Path = NGINX_LOCK
    runtime: Path = NGINX_RUNTIME
    backups: Path = NGINX_BACKUPS
    lock_seconds: float = 120.0


@contextlib.contextmanager
def host_lock(path: Path, seconds: float, check_mode: bool) -> Iterator[None]:
    """One change of the Nginx configuration at a time on this host. Check mode makes no file for
    it.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_RDONLY if check_mode else os.O_RDWR | os.O_CREAT)
    if not check_mode:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, flags, 0o600)
    except FileNotFoundError:
        if not check_mode:
            raise
        yield
        return
    except OSError as error:
        raise NginxError(
            f"The lock {path} cannot be opened ({error.strerror}). Is the task run as root?"
        ) from error
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            raise NginxError(
                f"The lock {path} belongs to another user; remove it, and root creates it again."
            )
        if not locked(handle, seconds):
            holder = os.pread(handle, 64, 0).decode("ascii", "replace").strip() or "unknown"
            raise NginxError(
                "Another run has been changing the Nginx configuration for more than"
                f" {seconds:g} s (process {holder}, lock {path}). Wait for it to end, or stop it,"
                " and run again."
            )
        if not check_mode:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def move_links(root: str, links: Sequence[Mapping[str, str]], absent: Sequence[str]) -> list[str]:
    """Set links and take others away, as one transaction. Returns the warnings.

    Args:
        root: the directory of the configuration.
        links: each with C(path) and C(target).
        absent: paths.
    """
    wanted = {"directories": [], "files": [], "links": links, "absent": absent}
    warnings: list[str] = NginxTree(
        parse_wanted(Path(root), wanted), Settings(root=Path(root)), Host()
    ).run()["warnings"]
    return warnings


class NginxTree:
    """One change of the tree, as the head of this file describes it."""

    def __init__(
        self,
        wanted: Wanted,
        settings: Settings,
        host: Host,
        reload: bool = True,
        check_mode: bool = False,
    ):
        self.wanted = wanted
        self.settings = settings
        self.host = host
        self.want_reload = reload
        self.check_mode = check_mode
        # /etc/nginx may itself be a link; everything below it must not leave it
        self.root = Path(os.path.realpath(settings.root))
        self.shown_root = settings.root
        self.warnings: list[str] = []
        self.actions: list[str] = []
        self.backups: list[str] = []
        self.tested = False
        self.reloaded = False

    def run(self) -> dict[str, Any]:
        with host_lock(self.settings.lock, self.settings.lock_seconds, self.check_mode):
            return self._run()

    def _run(self) -> dict[str, Any]:
        if not self.check_mode:
            for old in self.settings.runtime.glob(
                "candidate-*"
            ):  # of killed runs: we hold the lock
                shutil.rmtree(old, ignore_errors=True)
        self._check_parents()
        directories = missing_directories(self.wanted, lambda path: (self.root / path).is_dir())
        steps = plan_steps(self.wanted, lambda path: read_entry(self.root / path))
        check_steps(steps, self.shown_root, lambda path: os.listdir(self.root / path))
        self.actions = describe(steps, directories, self.shown_root)
        changed = bool(steps or directories)
        if changed:
            self._change(directories, steps)
        elif self.want_reload and self.pending.exists():
            changed = self._finish_cut_run()
        return {
            "changed": changed,
            "actions": self.actions,
            "backups": self.backups,
            "diff": make_diff(steps, self.shown_root),
            "reloaded": self.reloaded,
            "tested": self.tested,
            "version": self.host.version(),
            "warnings": self.warnings,
        }

    @property
    def pending(self) -> Path:
        return self.settings.runtime / PENDING

    def _check_parents(self) -> None:
        """No path may be reached through a link: it would lead out of the tree, and out of the
        candidate.
        """
        problems = set()
        for path in [
            *self.wanted.entries,
            *(f"{directory}/" for directory in self.wanted.directories),
        ]:
            for parent in parents(path):
                kind = read_entry(self.root / parent).kind
                if kind not in ("directory", "absent"):
                    problems.add(
                        f"{self.shown_root / parent} is a {kind}; flaskops.host needs a real"
                        " directory there."
                    )
        if problems:
            raise NginxError("\n".join(sorted(problems)))

    def _change(self, directories: list[str], steps: list[Step]) -> None:
        if not self.host.installed():
            if not self.check_mode:
                raise NginxError(f"{self.host.nginx} is not there: install Nginx first.")
        elif steps:
            missing = [step.after.target for step in steps if step.after.kind == "link"]
            missing = [target for target in missing if not os.path.exists(target)]
            if not missing and self._differs(steps):
                steps = self._try_out(directories, steps)
            elif missing and not self.check_mode:
                raise NginxError(
                    "These targets of links do not exist, Nginx would not start: "
                    + ", ".join(missing)
                    + ". Nothing was changed."
                )
        if not self.check_mode:
            self._write(directories, steps)
        elif self.want_reload and self._differs(steps) and self.host.master(self.root):
            self.actions.append("Reload Nginx")

    def _differs(self, steps: Sequence[Step]) -> bool:
        """Whether Nginx reads anything else after these steps than before: a link to the same text
        is nothing new to it.
        """
        return any(not self._same_text(step.before, step.after) for step in steps)

    @staticmethod
    def _same_text(before: Entry, after: Entry) -> bool:
        if before.kind != "link" or after.kind != "link":
            return False
        try:
            return Path(before.target).read_bytes() == Path(after.target).read_bytes()
        except OSError:
            return False

    def _try_out(self, directories: Sequence[str], steps: list[Step]) -> list[Step]:
        """Test the change on a candidate; the steps come back in an order that is valid all the
        way.
        """
        with self._candidate() as candidate:
            for path in directories:
                (candidate / path).mkdir(exist_ok=True)

            def accepted(some: Sequence[Step]) -> bool:
                try:
                    return self._test_states(candidate, some)[0]
                except OSError:
                    return False  # a directory that is not empty yet

            good, words = self._test_states(candidate, steps)
            good_before, words_before = (
                (True, "") if good and len(steps) == 1 else self._test_states(candidate, [])
            )
            if not good and not good_before:
                now, then = emergencies(words_before), emergencies(words)
                raise NginxError(
                    "Nginx refuses the configuration that this host has already, before the"
                    f" change:\n{now}\n"
                    + (f"and after it:\n{then}\n" if now != then else "")
                    + "Fix or move what it names (`nginx -t` shows it), then run again. Nothing"
                    " was changed."
                )
            if not good:
                raise NginxError(
                    f"Nginx refuses the new configuration:\n{emergencies(words)}\n"
                    "Nothing was changed, the old configuration goes on serving."
                )
            self.tested = True
            self.warnings += nginx_warnings(words)
            if len(steps) == 1 or not good_before:
                return steps
            ordered = safe_order(steps, accepted)
            if ordered is None:
                self.warnings.append(
                    "No order of the steps keeps Nginx able to start after each of them;"
                    " a power cut within the next milliseconds would leave a mixed configuration."
                )
            return ordered or steps

    def _test_states(self, candidate: Path, steps: Sequence[Step]) -> tuple[bool, str]:
        """Apply steps to the candidate, test, and take them back."""
        done: list[Step] = []
        try:
            for step in steps:
                apply_plain(candidate, step)
                done.append(step)
            return self.host.test(candidate, self.root)
        finally:
            for step in reversed(done):
                apply_plain(candidate, Step(step.path, step.after, step.before))

    @contextlib.contextmanager
    def _candidate(self) -> Iterator[Path]:
        runtime = self.settings.runtime
        if self.check_mode:  # may run beside a real one: in a separate place
            place = Path(tempfile.mkdtemp(prefix="flaskops-nginx-", dir=runtime.parent))
        else:
            runtime.mkdir(mode=0o700, exist_ok=True)
            place = Path(tempfile.mkdtemp(prefix="candidate-", dir=runtime))
        try:
            try:
                copy_tree(self.root, place / "nginx")
            except (OSError, shutil.Error) as error:
                raise NginxError(
                    f"{self.shown_root} cannot be copied to {place} for the test: {error}. Nothing"
                    " was changed."
                ) from error
            yield place / "nginx"
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _write(self, directories: Sequence[str], steps: Sequence[Step]) -> None:
        transaction = Transaction(self.root, directories, steps)
        try:
            sweep_tree(self.root)
            if self.want_reload and self._differs(steps):
                self.pending.touch()
            transaction.stage()
            kept = [
                keep_backup(step, self.settings.backups)
                for step in steps
                if step.path in self.wanted.backups
            ]
            self.backups = [path for path in kept if path]
            for step in steps:
                transaction.commit(step)
            self._reload()
        except BaseException as error:
            self._put_back(transaction, error)
            raise
        with contextlib.suppress(
            OSError, Interrupted
        ):  # the change is made; the next run sweeps again
            transaction.sweep()
            if self.want_reload:
                self.pending.unlink(missing_ok=True)

    def _reload(self) -> None:
        if self.want_reload and self.pending.exists() and self.host.master(self.root):
            self.host.reload(self.root)
            self.reloaded = True
            self.actions.append("Reload Nginx")
            self.warnings += self.host.end_oldest(self.root)

    def _put_back(self, transaction: Transaction, error: BaseException) -> None:
        """The last good state, on the disk and in the running Nginx; the error says what happened
        to it.
        """
        touched = bool(transaction.done)
        try:
            transaction.revert()
        except OSError as second:
            raise NginxError(
                f"{error}\nThe old configuration could not be put back: {second}. Its files lie"
                f" beside the new ones, named .NAME.flaskops-old, below {self.shown_root}."
            ) from error
        outcome = "Nothing was changed."
        if touched:
            outcome = "The old configuration is back in its place."
            if self.want_reload and self.host.master(self.root):
                try:
                    self.host.reload(self.root)
                    outcome = "The old configuration is back in its place and loaded."
                except NginxError as second:
                    outcome += f" Nginx did not load it again, though: {second}"
        if self.want_reload:
            self.pending.unlink(missing_ok=True)
        if isinstance(error, Interrupted):
            raise Interrupted(f"{error} {outcome}") from error
        if isinstance(error, NginxError):
            raise NginxError(
                f"Nginx did not load the new configuration:\n{error}\n{outcome}"
            ) from error
        if isinstance(error, OSError):
            raise NginxError(
                f"The new configuration could not be written: {error}. {outcome}"
            ) from error

    def _finish_cut_run(self) -> bool:
        """An earlier run was killed between its writes and the reload: load the configuration
        now.
        """
        if not self.check_mode:
            sweep_tree(self.root)
        running = self.host.installed() and self.host.master(self.root) is not None
        if running:
            self.actions.append("Reload Nginx (an earlier run was interrupted before it)")
        if not self.check_mode:
            if running:  # else it reads the tree when it starts
                self.host.reload(self.root)
                self.reloaded = True
            self.pending.unlink(missing_ok=True)
        return running
