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
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from ..host.files import HostError, make_directory, put_in_place, sync_directory, write_file
from ..host.places import CERTIFICATES, NGINX_SITES, NginxPlace
from ..host.typed import Typed, plain, read

CHAIN, KEY, ABOUT = "chain.pem", "key.pem", "about.json"
OPENSSL = "/usr/bin/openssl"
KEPT = 2  # certificates of a site: the one in use, and the one before
YEARS = 10  # of a certificate that no browser trusts
SECONDS = 60  # for one openssl


@dataclass(frozen=True)
class Certificate(Typed):
    """One on the host.

    directory: its path. kind: provided, selfsigned, acme, or placeholder (until the first acme).
    names: its host names. not_before, not_after: seconds since 1970. source: what it was made of:
    the digest of a provided one, the directory of an acme one.
    """

    directory: str
    kind: str
    names: tuple[str, ...]
    not_before: int
    not_after: int
    source: str = ""


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


def about(directory: Path) -> Certificate:
    """What is known of a certificate on the host."""
    found = read(Certificate, json.loads((directory / ABOUT).read_text()))
    if not all(isinstance(moment, int) for moment in (found.not_before, found.not_after)):
        raise ValueError(f"{directory / ABOUT}: its times must be numbers")
    return found


def create(
    wanted: Wanted, place: Path = CERTIFICATES, chain: str = "", key: str = ""
) -> Certificate:
    """Write a provided or a self-signed certificate, also a placeholder.

    Args:
        wanted: which.
        place: where certificates are.
        chain, key: of a provided one, PEM.

    Raises:
        HostError: it cannot be made.
    """
    if wanted.kind != "provided":
        chain, key = self_signed(wanted.names)
    return store(wanted, chain, key, place)


def store(wanted: Wanted, chain: str, key: str, place: Path = CERTIFICATES) -> Certificate:
    """Write a certificate in its own directory."""
    parent = place / wanted.site
    for directory in (place.parent, place, parent):
        if not directory.is_dir():
            make_directory(directory, 0o755 if directory == place.parent else 0o700)
    identity = hashlib.sha256(f"{chain}\n{key}".encode()).hexdigest()[:12]
    directory = parent / identity
    begin, end = validity(chain)
    known = Certificate(str(directory), wanted.kind, wanted.names, begin, end, wanted.source)
    aside = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
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


def prune(site: str, used: str, place: Path = CERTIFICATES) -> None:
    """Remove old certificates of a site, and what interrupted runs have left.

    Args:
        site: whose.
        used: the directory that its link leads to.
    """
    with contextlib.suppress(OSError):
        found = sorted(
            (path for path in (place / site).iterdir() if path.is_dir() and str(path) != used),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        kept = [path for path in found if not path.name.startswith(".")][: KEPT - 1]
        for path in found:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)


def self_signed(names: Sequence[str]) -> tuple[str, str]:
    """A certificate that no browser trusts, and its key."""
    listed = ",".join(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory(prefix="flaskops-") as directory:
        key, chain = Path(directory, KEY), Path(directory, CHAIN)
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-noenc", "-days", str(YEARS * 365), "-subj", "/CN=flaskops", "-sha256"),
            *("-addext", f"subjectAltName={listed}", "-keyout", str(key), "-out", str(chain)),
        )
        return chain.read_text(), key.read_text()


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
    return int((certificate.not_after - (time.time() if now is None else now)) // 86400)


def expiry(site: str, certificate: Certificate, host: str, now: float) -> str:
    """A sentence about the certificate of a site whose lifetime is nearly over."""
    days = days_left(certificate, now)
    when = f"expires in {days} day{'s' if days > 1 else ''}" if days else "expires today"
    when = "has expired" if days < 0 else when
    renewed = certificate.kind == "acme"
    what = "its renewal has not worked so far." if renewed else "provide a new one."
    return f"The certificate of the site {site} {when} ({host}); {what}"


def is_due(certificate: Certificate, now: float) -> bool:
    """Whether less than a third of its lifetime is left."""
    lifetime = certificate.not_after - certificate.not_before
    return certificate.not_after - now < lifetime / 3


def same_names(certificate: Certificate, names: Iterable[str]) -> bool:
    return set(certificate.names) == set(names)
