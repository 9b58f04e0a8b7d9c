# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the backup of an application, or its restore drill, records the result, and gives
the event of a failure.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from ..backups.data import containers_of, unpause
from ..backups.drill import Drilled, Skipped, clean
from ..backups.order import BackupOrder, BackupResult
from ..backups.save import Save
from ..host import notify, trees
from ..host.engine import Docker
from ..host.files import HostError, now
from ..host.flock import alone
from ..host.places import BACKUP, DRILL, JobPlace, Place, ServiceName
from ..releases import audit
from .supervised import BUSY, KILLED, Stopped, stop, write

FAILED = 1


def save(root: str, app: str) -> int:
    """Save the data of an application; returns the exit code."""
    order = BackupOrder.of(root, app)

    def step(result: BackupResult) -> BackupResult:
        saved = Save(order)
        try:
            saved.run()
        except (HostError, OSError, KeyError, ValueError) as error:
            result = replace(result, code=FAILED, reason=str(error))
        return replace(
            result,
            code=result.code or 0,
            release=saved.release,
            bytes=saved.bytes or None,
            snapshot=saved.snapshot,
            paused=saved.paused,
            skipped=saved.skipped,
        )

    return _run(order, BACKUP, order.place, step)


def drill(root: str, app: str) -> int:
    """Restore the newest backup on trial; returns the exit code."""
    order = BackupOrder.of(root, app)

    def step(result: BackupResult) -> BackupResult:
        tried = Drilled(order)
        try:
            tried.run()
        except (HostError, OSError, KeyError, ValueError) as error:
            result = replace(result, code=FAILED, reason=str(error))
        return replace(
            result,
            code=result.code or 0,
            release=tried.release,
            bytes=tried.bytes or None,
            snapshot=tried.snapshot.id,
            saved=tried.saved,
            age=tried.age,
        )

    return _run(order, DRILL, order.drill, step)


def end(root: str, app: str) -> int:
    """Clean up after a backup or a drill whose program was killed."""
    order = BackupOrder.of(root, app)
    with alone(order.place.lock) as free:
        if not free:
            return 0
        for kind, place in ((BACKUP, order.place), (DRILL, order.drill)):
            result = BackupResult.of(place)
            if not result or result.code is not None:
                continue
            if kind == BACKUP:
                docker = Docker()
                own = [ServiceName(app, each).container for each in Place(root).services_of(app)]
                unpause(docker, [*containers_of(docker, app), *own])
                trees.delete(order.place.work)
            else:
                clean(order)
            how = os.environ.get("SERVICE_RESULT", "")
            why = f"its program was killed{f' ({how})' if how else ''}"
            _finish(order, kind, place, replace(result, code=KILLED, reason=why))
    return 0


def _run(
    order: BackupOrder,
    kind: str,
    place: JobPlace,
    step: Callable[[BackupResult], BackupResult],
) -> int:
    result = BackupResult("", now())
    # A drill needs the memory of an application and its services: one at a time on a host.
    locks = [*([Place(order.root).drills] if kind == DRILL else []), order.place.lock]
    with ExitStack() as held:
        # The other half of its time is left for the work.
        wait = order.backup.seconds / 2 / len(locks)
        if not all(held.enter_context(alone(lock, wait)) for lock in locks):
            others = " or another drill of this host" if kind == DRILL else ""
            why = f"another backup, drill or restore of {order.app}{others} did not end in time"
            return _finish(order, kind, place, replace(result, code=BUSY, reason=why))
        start, last = time.monotonic(), BackupResult.of(place)
        write(place, result)
        before = signal.signal(signal.SIGTERM, stop)
        try:
            result = step(result)
        except Skipped as error:
            return _skip(order, kind, place, last, replace(result, reason=str(error)))
        except Stopped:
            result = replace(result, code=KILLED, reason="it was stopped")
        finally:
            signal.signal(signal.SIGTERM, before)
        seconds = round(time.monotonic() - start, 1)
        return _finish(order, kind, place, replace(result, seconds=seconds))


def _skip(
    order: BackupOrder,
    kind: str,
    place: JobPlace,
    last: BackupResult | None,
    skipped: BackupResult,
) -> int:
    """Leave the result of the last one, which a skipped one says nothing about."""
    if last:
        write(place, last)
    else:
        place.result.unlink(missing_ok=True)
    sys.stderr.write(f"{kind} of {order.app} was skipped: {skipped.reason}\n")
    _audit(order, kind, skipped, "skipped")
    return 0


def _finish(order: BackupOrder, kind: str, place: JobPlace, result: BackupResult) -> int:
    """Record the result, write the audit, and give the event of a failure."""
    write(place, result)
    code, app = int(result.code or 0), order.app
    what = f"snapshot {result.snapshot[:8]}" if result.snapshot else "no snapshot"
    words = f"{kind} of {app} ended with {code} after {result.seconds or 0:g} s: " + (
        result.reason or f"{what}, {result.bytes or 0} bytes"
    )
    sys.stderr.write(f"{words}\n")
    _audit(order, kind, result, "failed" if code else "done")
    if code:
        facts = {"code": code, "begun": result.begun, "seconds": result.seconds}
        event = notify.event(
            f"{kind}_failed", result.reason, app=app, snapshot=result.snapshot or None, **facts
        )
        for problem in notify.send(order.notify, [event]):
            sys.stderr.write(f"{problem}\n")
    return code


def _audit(order: BackupOrder, kind: str, result: BackupResult, how: str) -> None:
    with suppress(OSError):
        audit.write(
            order.root,
            order.app,
            None,
            action=kind,
            before=result.release or None,
            to=result.snapshot or None,
            result=how,
            reason=result.reason.splitlines()[0] if result.reason else "",
            seconds=result.seconds,
        )
