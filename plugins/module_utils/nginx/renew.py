# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Get the certificate of a site and let Nginx use it: in a run, and between two runs by the program
on the host.

    /etc/flaskops/renew.json                    what is renewed, written by the role nginx
    /var/lib/flaskops/certificates.jsonl        the audit: one line for each try
    /etc/flaskops/certificates/SITE/event.json  the last certificate with an event, and when
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host import notify
from ..host.files import HostError, append_line, moment, write_file
from ..host.flock import locked
from ..host.places import CERTIFICATES, CERTIFICATES_LOCK, NGINX_ROOT, ROOT
from ..host.typed import read
from . import acme, certificates
from .acme import Order, Paused, Refused
from .certificates import DAY, Certificate
from .files import MARKER, PENDING, read_text
from .process import Host
from .steps import NginxError, parse_wanted
from .tree import NginxTree, Settings

# What starts the program on the host.
UNITS = (
    Path("/etc/systemd/system/flaskops-renew.service"),
    Path("/etc/cron.d/flaskops-renew"),
)
TIMER = UNITS[0].with_suffix(".timer")
ORDERS = CERTIFICATES.parent / "renew.json"
AUDIT = Path(ROOT) / "certificates.jsonl"
LOCK = CERTIFICATES_LOCK
LOCK_SECONDS = 600.0  # a run waits so long for the timer, and the other way round
NGINX = "/usr/sbin/nginx"
RELOAD_SECONDS = 20.0
LAST_EVENT = "event.json"
FAILED = "certificate_failed"
HOUR = 3600  # the timer is up to an hour late
REUSED_SECONDS = DAY + HOUR  # authorities date a certificate back by an hour


@dataclass(frozen=True)
class Attempt:
    """How one try ended: both are empty when the new certificate is in use."""

    failure: str = ""  # why the old one stays in use
    event: Mapping[str, Any] | None = None  # for the program of the order


def renew_all() -> tuple[list[str], list[str]]:
    """Renew what is due.

    Returns:
        Why that failed for each site where it did, or for all of them; and what went wrong beside.
    """
    try:
        orders = _listed()
    except (OSError, ValueError, TypeError) as error:
        return [f"{ORDERS} cannot be read: {error}. Run the playbook again."], []
    failures = []
    events: dict[str, list[Mapping[str, Any]]] = {order.notify: [] for order in orders}
    try:
        _load_pending()
    except (NginxError, OSError) as error:
        failures.append(f"nginx: {error}")
    for order in orders:
        there = certificates.current(Path(NGINX_ROOT)).get(order.site)
        due = is_due(there, order, time.time())
        advised = not due and acme.is_advised(order, there)
        # A run may have changed the list meanwhile.
        if (due or advised) and _is_listed(order):
            tried = attempt(order, advised)
            failures += [tried.failure] if tried.failure else []
            events[order.notify] += [tried.event] if tried.event else []
    with suppress(Refused), alone():
        _clean(orders)
    return failures, [words for program in events for words in tell(program, events[program])]


def _clean(orders: Iterable[Order]) -> None:
    """Remove what is no longer used, also that of a process that was killed."""
    root = Path(NGINX_ROOT)
    linked = certificates.current(root)
    for order in orders:
        if order.site in linked:
            certificates.prune(order.site, linked[order.site].directory)
    certificates.forget(certificates.forgotten(root, time.time()))
    acme.clean()


def _listed() -> list[Order]:
    return [read(Order, each) for each in json.loads(ORDERS.read_text())]


def _is_listed(order: Order) -> bool:
    with suppress(OSError, ValueError, TypeError):
        return order in _listed()
    return False


def _load_pending() -> None:
    """Load a configuration that an interrupted process has written and Nginx has not loaded."""
    root = Path(NGINX_ROOT)
    settings = Settings(root=root)
    if (settings.runtime / PENDING).exists():
        NginxTree(parse_wanted(root, {}), settings, Host(NGINX, RELOAD_SECONDS)).run()


def is_due(found: Certificate | None, order: Order, now: float) -> bool:
    """Whether a site needs a certificate: none of this authority yet, other names, or less than a
    third of its lifetime left.
    """
    return (
        found is None
        or (found.kind, found.source) != ("acme", order.directory)
        or not certificates.same_names(found, order.names)
        or certificates.is_due(found, now)
    )


def attempt(order: Order, advised: bool = False) -> Attempt:
    """Get a certificate and let Nginx use it. The old one stays in use if that fails.

    Args:
        order: for which site.
        advised: the authority advises a new one, though this one is not due.
    """
    begun, before = time.time(), certificates.current(Path(NGINX_ROOT)).get(order.site)
    found, words, asked = None, "", True
    try:
        with alone():
            # Another process may have done it meanwhile.
            there = certificates.current(Path(NGINX_ROOT)).get(order.site)
            if not is_due(there, order, time.time()) and not (advised and there == before):
                return Attempt()
            before = there
            found = _unused(order, before if advised else None) or acme.issue(order)
            _use(order.site, found)
            acme.record(order.site, acme.State())
    except Refused as error:
        words, asked = str(error), not isinstance(error, Paused)
    except Exception as error:  # whatever it is, the other sites go on
        kind = "" if isinstance(error, (HostError, NginxError, OSError)) else type(error).__name__
        words = f"{order.site}: no certificate; {f'{kind}: ' if kind else ''}{error}"
        acme.failed(order, words, begun)
    line = {
        "time": moment(begun),
        "site": order.site,
        "names": list(order.names),
        "action": "failed" if words else "issued",
        "reason": words or None,
        "from": Path(before.directory).name if before else None,
        "to": Path(found.directory).name if found and not words else None,
        "expires": moment(found.not_after) if found else None,
        "seconds": round(time.time() - begun, 1),
    }
    with suppress(OSError):
        AUDIT.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        append_line(AUDIT, json.dumps(line))
    if not (words and asked):
        return Attempt(words)
    facts = {key: line[key] for key in ("site", "names", "from", "to")}
    expires = moment(before.not_after) if before else None
    return Attempt(words, notify.event(FAILED, words, **facts, expires=expires))


def tell(
    program: str, events: Iterable[Mapping[str, Any]] = (), now: float | None = None
) -> list[str]:
    """Give a program events, and one for each certificate that should have been replaced: once a
    day, and again in the next run if something goes wrong.

    Nothing may be locked then, because a program may take its time.

    Args:
        program: its path on this host; "" for none.
        events: see notify.event.
        now: seconds since 1970.

    Returns:
        What went wrong.
    """
    if not program:
        return []
    clock, given = time.time() if now is None else now, list(events)
    failed = {each["site"] for each in given if each["event"] == FAILED}
    linked = certificates.current(Path(NGINX_ROOT))
    ending = {
        site: found
        for site, found in linked.items()
        if certificates.is_ending(found, clock)
        and site not in failed
        and not _had_event(site, found, clock)
    }
    warnings = notify.send(program, [*given, *_expiring(ending, clock)])
    if not warnings:
        for site in failed & linked.keys() | ending.keys():
            _remember(site, linked[site], clock)
    return warnings


def _expiring(ending: Mapping[str, Certificate], now: float) -> list[Mapping[str, Any]]:
    """The events of certificates that should have been replaced."""
    renewed: set[str] = set()
    with suppress(OSError, ValueError, TypeError):
        renewed = {order.site for order in _listed()}
    ours = MARKER in read_text(Path(NGINX_ROOT) / "nginx.conf") if ending else False
    return [
        notify.event(
            "certificate_expiring",
            certificates.expiry(
                site,
                found,
                found.names[0],
                now,
                site in renewed if found.kind == "acme" else ours,
            ),
            site=site,
            names=list(found.names),
            **{"from": Path(found.directory).name, "to": None},
            expires=moment(found.not_after),
        )
        for site, found in sorted(ending.items())
    ]


def _had_event(site: str, found: Certificate, now: float) -> bool:
    """Whether this certificate had an event within a day; a time in the future does not count."""
    try:
        known = json.loads((CERTIFICATES / site / LAST_EVENT).read_text())
        since = now - int(known["time"])
        return bool(known["certificate"] == found.directory and 0 <= since < DAY - HOUR)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remember(site: str, found: Certificate, now: float) -> None:
    content = json.dumps({"certificate": found.directory, "time": int(now)})
    with suppress(OSError):
        write_file(CERTIFICATES / site / LAST_EVENT, f"{content}\n".encode(), 0o600)


def _unused(order: Order, than: Certificate | None = None) -> Certificate | None:
    """A good certificate that an earlier try got and Nginx did not use: authorities limit how many
    of the same they give. It must be newer than the given one, and not older than a day, because
    an older one may have been revoked.
    """
    now = time.time()
    good = [
        found
        for found in certificates.stored(order.site)
        if not is_due(found, order, now)
        and found.true_time(now) - found.not_before < REUSED_SECONDS
        and (than is None or found.not_before > than.not_before)
    ]
    return max(good, key=lambda found: found.not_after, default=None)


def _use(site: str, certificate: Certificate) -> None:
    """Move the link of a site to a certificate: tested, loaded, and put back if Nginx does not load
    it.

    Raises:
        NginxError: Nginx refuses it; the old one is in use.
    """
    root = Path(NGINX_ROOT)
    link = {"path": certificates.link_path(site), "target": certificate.directory}
    NginxTree(
        parse_wanted(root, {"links": [link]}),
        Settings(root=root),
        Host(NGINX, RELOAD_SECONDS),
        reload=True,
        check_mode=False,
    ).run()
    certificates.prune(site, certificate.directory)


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time changes the certificates of this host."""
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not locked(handle, LOCK_SECONDS):
            raise Refused(
                f"another process has been changing certificates for {LOCK_SECONDS:.0f} s (lock"
                f" {LOCK}); run again when it has ended."
            )
        yield
    finally:
        os.close(handle)
