# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of the sites on a host.

    /etc/flaskops/certificates/SITE/ID/chain.pem, key.pem, about.json     root only
    /etc/nginx/flaskops/SITE.certificate                                  a link to one of them

A certificate is written once and never changed. The link is moved by the transaction of the Nginx
configuration, which tests it.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path

from ..host.files import (
    HostError,
    left_aside,
    make_directory,
    put_in_place,
    sync_directory,
    write_file,
)
from ..host.places import CERTIFICATES, NGINX_ROOT, NGINX_SITES, NginxPlace
from ..host.typed import Typed, plain, read

CHAIN, KEY, ABOUT = "chain.pem", "key.pem", "about.json"
OPENSSL = "/usr/bin/openssl"
ASIDE = ".new-"  # begins the name of a directory that is not complete yet
KEPT = 2  # certificates of a site: the one in use, and the one before
REMEMBERED_DAYS = 30  # the certificates of a removed site: it may come back
PROVIDED_DAYS = 30  # before its end, the owner of a certificate is warned
YEARS = 10  # of a certificate that no browser trusts
SECONDS = 60  # for one openssl
DAY = 86400


@dataclass(frozen=True)
class Certificate(Typed):
    """One on the host.

    directory: its path. kind: provided, selfsigned, acme, or placeholder (until the first acme).
    names: its host names. not_before, not_after: seconds since 1970. source: what it was made of:
    the digest of a provided one, the directory of an acme one. skew: by how many seconds the clock
    of the host was ahead when the authority issued it, or behind (negative); 0 where it may have
    been right. Issued on day 100 while the host said day 1100: not_before 100 days, skew 1000 days.
    """

    directory: str
    kind: str
    names: tuple[str, ...]
    not_before: int
    not_after: int
    source: str = ""
    skew: int = 0

    @property
    def lifetime(self) -> int:
        return self.not_after - self.not_before

    def true_time(self, now: float) -> float:
        """The time as the authority has it, where the clock of the host is still as wrong as when
        it came: by such a clock a new certificate would be due at once, again and again.

        With not_before on day 100 and a skew of 1000 days, a host that says day 1130 means day 130;
        after somebody has set its clock, it says day 130 and means it.
        """
        ahead = self.skew > 0 and now >= self.not_before + self.skew - DAY
        behind = self.skew < 0 and now < self.not_before
        return now - self.skew if ahead or behind else now


@dataclass(frozen=True)
class Wanted(Typed):
    """A certificate that a site needs."""

    site: str
    kind: str
    names: tuple[str, ...]
    source: str = ""


def link_path(site: str) -> str:
    """The link of a site, below /etc/nginx."""
    return f"{NGINX_SITES}/{site}.certificate"


def current(root: Path) -> dict[str, Certificate]:
    """The certificates that links lead to, by site.

    Args:
        root: the directory of the Nginx configuration.
    """
    found = {}
    for link in NginxPlace(root).sites.glob("*.certificate"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found[link.name.removesuffix(".certificate")] = about(Path(os.readlink(link)))
    return found


def stored(site: str, place: Path = CERTIFICATES) -> list[Certificate]:
    """All certificates of a site on the host, used or not."""
    found = []
    for path in (place / site).glob(f"[!.]*/{ABOUT}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = about(path.parent)
            if (path.parent / KEY).is_file() and (path.parent / CHAIN).is_file():
                found.append(known)
    return found


def covering(names: Iterable[str], place: Path = CERTIFICATES) -> Certificate | None:
    """The certificate of an authority, of any site on the host, that has all these names and is
    valid: one with no others, then that which is valid for longest.
    """
    now, wanted = time.time(), {*names}
    found = [
        each
        for path in place.glob("*")
        for each in stored(path.name, place)
        if each.kind in ("acme", "provided")
        and wanted <= {*each.names}
        and each.not_before <= each.true_time(now) < each.not_after
    ]
    return max(found, key=lambda each: (wanted == {*each.names}, each.not_after), default=None)


def about(directory: Path) -> Certificate:
    """What is known of a certificate on the host."""
    found = read(Certificate, json.loads((directory / ABOUT).read_text()))
    if not all(isinstance(moment, int) for moment in (found.not_before, found.not_after)):
        raise ValueError(f"{directory / ABOUT}: its times must be numbers")
    return found


def create(
    wanted: Wanted, place: Path = CERTIFICATES, chain: str = "", key: str = ""
) -> Certificate:
    """Write a provided or a self-signed certificate, or a placeholder: what the host has, of any
    site, for these names, else a self-signed one.

    Args:
        wanted: which.
        place: where certificates are.
        chain, key: of a provided one, PEM.

    Raises:
        HostError: it cannot be made.
    """
    known = covering(wanted.names, place) if wanted.kind == "placeholder" else None
    if known:
        chain, key = ((Path(known.directory) / name).read_text() for name in (CHAIN, KEY))
    elif wanted.kind != "provided":
        chain, key = self_signed(wanted.names)
    return store(wanted, chain, key, place)


def place_of(site: str, place: Path = CERTIFICATES) -> Path:
    """The directory of a site; it is created."""
    parent = place / site
    for directory in (place.parent, place, parent):
        if not directory.is_dir():
            make_directory(directory, 0o755 if directory == place.parent else 0o700)
    return parent


def store(
    wanted: Wanted, chain: str, key: str, place: Path = CERTIFICATES, now: float | None = None
) -> Certificate:
    """Write a certificate in its own directory.

    Args:
        wanted: what it is.
        chain, key: PEM.
        place: where certificates are.
        now: when an authority has just issued it, by the clock of the host.
    """
    parent = place_of(wanted.site, place)
    # A placeholder may be a copy, whose record must not replace that of the certificate itself.
    kind = "placeholder\n" if wanted.kind == "placeholder" else ""
    identity = hashlib.sha256(f"{kind}{chain}\n{key}".encode()).hexdigest()[:12]
    directory = parent / identity
    begin, end = validity(chain)
    known = Certificate(str(directory), wanted.kind, wanted.names, begin, end, wanted.source)
    if now is not None and (now < begin or is_due(known, now)):
        known = replace(known, skew=int(now) - begin)
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=parent))
    try:
        for name, text in (
            (CHAIN, chain),
            (KEY, key),
            (ABOUT, json.dumps(plain(known), indent=2) + "\n"),
        ):
            write_file(aside / name, text.encode(), 0o600)
        if directory.is_dir():  # of an earlier run; a link may lead to it
            for name in (CHAIN, KEY, ABOUT):
                put_in_place(aside / name, directory / name)
        else:
            aside.rename(directory)
            sync_directory(parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return known


def prune(site: str, used: str, place: Path = CERTIFICATES, kept: int = KEPT) -> None:
    """Remove old certificates and placeholders of a site, and what interrupted runs have left.

    Args:
        site: whose.
        used: the directory that its link leads to.
        place: where certificates are.
        kept: how many stay, with that one.
    """
    sweep(site, place)
    with contextlib.suppress(OSError):
        found = sorted(
            (path for path in (place / site).iterdir() if path.is_dir() and str(path) != used),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        over = {each.directory for each in stored(site, place) if each.kind == "placeholder"}
        real = [path for path in found if str(path) not in over]
        for path in {*found} - {*real[: kept - 1]}:
            shutil.rmtree(path, ignore_errors=True)


def sweep(site: str, place: Path = CERTIFICATES) -> None:
    """Remove what interrupted runs have left of a site; under the lock nobody else writes there."""
    for path in (place / site).glob(f"{ASIDE}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in left_aside(place / site):
        path.unlink(missing_ok=True)


def forgotten(root: Path, now: float, place: Path = CERTIFICATES) -> list[str]:
    """The sites that have been removed so long ago that their keys are removed too.

    Args:
        root: the directory of the Nginx configuration.
        now: seconds since 1970.
        place: where certificates are.
    """
    found = []
    for path in place.glob("*"):
        with contextlib.suppress(OSError):
            linked = os.path.lexists(root / link_path(path.name))
            old = now - path.stat().st_mtime > REMEMBERED_DAYS * DAY
            if path.is_dir() and old and not linked:
                found.append(path.name)
    return sorted(found)


def forget(sites: Iterable[str], place: Path = CERTIFICATES) -> None:
    """Remove the keys and certificates of sites."""
    for site in sites:
        shutil.rmtree(place / site, ignore_errors=True)


def leave(site: str, place: Path = CERTIFICATES) -> None:
    """Begin the time after which the certificates of a removed site are removed."""
    with contextlib.suppress(OSError):
        os.utime(place / site)


def request(names: Sequence[str]) -> tuple[str, str]:
    """A request for a certificate of an authority, and its new key."""
    key = _new_key()
    return _of_key(key, names, "-new", "-subj", "/"), key


def self_signed(names: Sequence[str]) -> tuple[str, str]:
    """A certificate that no browser trusts, and its key."""
    key, days = _new_key(), str(YEARS * 365)
    return _of_key(key, names, "-x509", "-days", days, "-subj", "/CN=flaskops"), key


def _new_key() -> str:
    return openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def _of_key(key: str, names: Sequence[str], *words: str) -> str:
    """Through pipes: openssl does not notice a disk that is full."""
    listed = ",".join(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names)
    alternative = f"subjectAltName={listed}"
    return openssl(
        "req", *words, "-sha256", "-addext", alternative, "-key", "/dev/stdin", given=key
    )


def is_address(name: str) -> bool:
    """Whether a name of a site is an address."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def validity(chain: str) -> tuple[int, int]:
    """From when and until when the first certificate of a chain is valid, in seconds since 1970."""
    said = openssl("x509", "-noout", "-startdate", "-enddate", given=chain)
    times = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", said, re.MULTILINE))
    return _seconds(times["notBefore"]), _seconds(times["notAfter"])


def _seconds(text: str) -> int:
    """A time of openssl, such as "Nov 27 20:00:00 2026 GMT"."""
    month, day, clock, year, _zone = text.split()
    return int(parsedate_to_datetime(f"{day} {month} {year} {clock} +0000").timestamp())


def openssl(*words: str, given: str = "") -> str:
    """The output of one openssl command."""
    try:
        done = subprocess.run(
            [OPENSSL, *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(
            f"openssl could not be run: {error}. Install the package openssl."
        ) from None
    if done.returncode:
        raise HostError(f"openssl {words[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def days_left(certificate: Certificate, now: float | None = None) -> int:
    """The days until it expires; negative when it has."""
    moment = time.time() if now is None else now
    return int((certificate.not_after - certificate.true_time(moment)) // DAY)


def is_due(certificate: Certificate, now: float) -> bool:
    """Whether less than a third of its lifetime is left."""
    return certificate.not_after - certificate.true_time(now) < certificate.lifetime / 3


def is_ending(certificate: Certificate, now: float) -> bool:
    """Whether a warning is due: it was not renewed, or its owner should provide a new one."""
    if certificate.kind == "provided" and days_left(certificate, now) > PROVIDED_DAYS:
        return False
    return certificate.kind in ("acme", "provided") and is_due(certificate, now)


def expiry(site: str, certificate: Certificate, host: str, now: float, managed: bool = True) -> str:
    """A sentence about the certificate of a site whose lifetime is nearly over."""
    days = days_left(certificate, now)
    when = f"expires in {days} day{'s' if days > 1 else ''}" if days else "expires today"
    when = "has expired" if days < 0 else when
    if not managed:
        what = (
            "with nginx_manage: false nothing renews it. If your own Nginx does not use it, remove"
            f" {NGINX_ROOT}/{link_path(site)} on the host."
        )
    elif certificate.kind == "acme":
        what = "its renewal has not worked so far."
    else:
        what = "provide a new one."
    return f"The certificate of the site {site} {when} ({host}); {what}"


def at(seconds: float) -> str:
    """A time for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def same_names(certificate: Certificate, names: Iterable[str]) -> bool:
    return set(certificate.names) == set(names)
