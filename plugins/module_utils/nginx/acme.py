# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of an ACME authority (RFC 8555), by certbot: the question comes by plain http, and
Nginx answers it from a directory that only root writes.

Certbot keeps only its account, in /etc/flaskops/acme. The key and the request are ours, and each
try has its own directory: a try that is killed leaves nothing that a later one takes for its own.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..host.disk import no_room, with_advice
from ..host.files import HostError, make_directory, write_file
from ..host.places import ACME_WEBROOT, CERTIFICATES
from ..host.shown import shown, shown_line
from ..host.typed import Typed, plain, read
from . import certificates
from .certificates import Certificate, Wanted, at

CERTBOT = "/usr/bin/certbot"
# Directories of certbot beside those of the accounts, of the time when it had the keys: it kept all
# of them.
BEFORE = (
    *("accounts", "archive", "csr", "keys", "live", "logs"),
    *("renewal", "renewal-hooks", "work"),
)
# One whose parent is killed would hold its lock, and finish a try that nobody waits for.
SETPRIV = ("setpriv", "--pdeathsig", "KILL")
HOME = CERTIFICATES.parent / "acme"
WEBROOT = ACME_WEBROOT
CHALLENGES = ".well-known/acme-challenge"
SECONDS = 300  # for one certbot
ROOM = 4 << 20  # bytes; certbot writes its log too, and what cannot be kept must not be asked for
REQUEST, ISSUED = "request.pem", "fullchain.pem"  # of one try
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# After so many failures in a row the next try waits: an hour, then twice as long, at most a day.
# Authorities limit failures too, and count them per hour.
TRIES = "tries.json"  # of a site, beside its certificates
PATIENCE, PAUSE, LONGEST_PAUSE = 3, 3600, certificates.DAY
NONCES = 3  # runs of certbot in which a nonce may be refused
ASK_SECONDS = 5  # for one token, when the reason of a failure is looked for
ADVICE_SECONDS = 60
# Certbot names the type of an error of a check, and of any other error only its description.
_REASON = re.compile(r"urn:ietf:params:acme:error:(\w+)|^ *Type: +(\w+)", re.MULTILINE)
_LOST_ACCOUNT = re.compile(
    r"account that does not exist|accountDoesNotExist|Account is not valid|"
    r"Account .{0,200}not found"
)
_BAD_NONCE = re.compile(r"badNonce|anti-replay nonce")
_CHECKS = {"connection", "dns", "unauthorized", "caa", "incorrectResponse", "dnssec", "tls"}


@dataclass(frozen=True)
class Order(Typed):
    """What is asked of an authority. directory: its URL. ca_bundle: a file with the authorities
    that the connection to it trusts; "" for the system's. http_port: where Nginx answers it.
    notify: the program that gets the event of a failure; "" for none.
    certbot_path: of another one than the distribution's.
    """

    site: str
    names: tuple[str, ...]
    directory: str
    email: str = ""
    ca_bundle: str = ""
    http_port: int = 80
    notify: str = ""
    certbot_path: str = ""

    @property
    def program(self) -> str:
        return self.certbot_path or CERTBOT

    @property
    def authority(self) -> str:
        """The host of the authority, with its port."""
        return self.directory.split("/")[2]

    @property
    def wanted(self) -> str:
        """What is asked for, as one text."""
        return " ".join([self.directory, *sorted(self.names)])

    @property
    def home(self) -> Path:
        """Where certbot keeps the account: each authority knows an account by its address."""
        return HOME / self.authority / hashlib.sha256(self.email.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class State(Typed):
    """The last tries of a site. failures: in a row. last: seconds since 1970. reason: of the last
    failure. wanted: of what authority for which names; other ones start at 0.
    """

    failures: int = 0
    last: int = 0
    reason: str = ""
    wanted: str = ""

    @property
    def next_try(self) -> int:
        """When the next try may be, in seconds since 1970."""
        if self.failures < PATIENCE:
            return 0
        return self.last + min(PAUSE << min(self.failures - PATIENCE, 10), LONGEST_PAUSE)


class Refused(HostError):
    """There is no certificate; the text says why, and what to do."""


class NotRun(HostError):
    """Certbot could not be started, so nobody was asked."""


class Paused(Refused):
    """The authority was not asked: the pause after failures is not over."""


def state_of(site: str, place: Path = CERTIFICATES) -> State:
    """What is recorded of a site; an unreadable record is an empty one."""
    try:
        found = read(State, json.loads((place / site / TRIES).read_text()))
        return State(int(found.failures), int(found.last), str(found.reason), str(found.wanted))
    except (OSError, ValueError, TypeError, OverflowError):
        return State()


def record(site: str, state: State, place: Path = CERTIFICATES) -> None:
    """Record the tries of a site, if there is room: the certificate does not depend on it."""
    with contextlib.suppress(OSError):
        write_file(place / site / TRIES, json.dumps(plain(state)).encode(), 0o600)


def issue(order: Order, now: float | None = None) -> Certificate:
    """Get a certificate and store it; nothing uses it yet.

    Args:
        order: for which site.
        now: seconds since 1970.

    Raises:
        Refused: the authority gave no certificate, or was not asked. Only what was asked counts as
            a failure, after which there may be a pause.
    """
    moment = time.time() if now is None else now
    if not Path(order.program).exists():
        raise Refused(
            f"{order.site}: no certificate; {order.program} is missing; a run of the playbook"
            " installs it."
        )
    state = _tries(order)
    # A failure in the future is of a clock that was wrong.
    if state.last <= moment < state.next_try:
        until = at(state.next_try)
        raise Paused(
            f"{order.site}: no certificate; the last {state.failures} tries failed, so the next one"
            f" is not before {until}, because authorities limit failures. To try at once, remove"
            f" {CERTIFICATES / order.site / TRIES}. The last reason: {state.reason}"
        )
    asked = False
    try:
        with _prepared(order) as directory:
            request, key = certificates.request(order.names)
            (directory / REQUEST).write_text(request)
            asked = True
            _run(order, directory)
            found = certificates.store(
                Wanted(order.site, "acme", order.names, order.directory),
                (directory / ISSUED).read_text(),
                key,
                now=moment,
            )
    except (HostError, OSError) as error:
        reason = with_advice(error)
        if asked and not isinstance(error, NotRun):
            failed(order, reason, moment)
        raise Refused(f"{order.site}: no certificate; {reason}") from error
    return found


def failed(order: Order, reason: str, now: float) -> None:
    """Record that there is no certificate, or that Nginx does not use it."""
    failures = _tries(order).failures + 1
    record(order.site, State(failures, int(now), reason[:2000], order.wanted))


def _tries(order: Order) -> State:
    """The tries of an order; those of other names or of another authority do not count."""
    state = state_of(order.site)
    return state if state.wanted in ("", order.wanted) else State()


@contextlib.contextmanager
def _prepared(order: Order) -> Iterator[Path]:
    """The directories of certbot, and an empty one for this try, which is removed at its end. That
    of a killed one is removed at the next try.
    """
    place = certificates.place_of(order.site)
    for directory, mode in (
        (HOME, 0o700),
        (HOME / order.authority, 0o700),
        (order.home, 0o700),
        (WEBROOT, 0o755),
    ):
        if not directory.is_dir():
            make_directory(directory, mode)
    for directory in (place, HOME, WEBROOT):
        room = os.statvfs(directory)
        if room.f_bfree * room.f_frsize < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))
    certificates.sweep(order.site)
    shutil.rmtree(WEBROOT / CHALLENGES, ignore_errors=True)
    clean()
    with tempfile.TemporaryDirectory(prefix=certificates.ASIDE, dir=place) as name:
        yield Path(name)


def clean() -> None:
    """Remove what certbot has kept of any authority when it had the keys."""
    for name in BEFORE:
        for path in HOME.glob(f"*/{name}"):
            shutil.rmtree(path, ignore_errors=True)


def _run(order: Order, directory: Path) -> None:
    """Run certbot; a lost account is created again, once."""
    text = _patiently(order, directory)
    if _LOST_ACCOUNT.search(text):
        shutil.rmtree(order.home / "accounts", ignore_errors=True)
        text = _patiently(order, directory)
    if text:
        raise HostError(explain(order, text))


def _patiently(order: Order, directory: Path) -> str:
    """What certbot says when it fails, else nothing. Authorities refuse a nonce at any time (RFC
    8555, 6.5); certbot tries again only once.
    """
    for _number in range(NONCES):
        text = _certbot(order, directory)
        if not _BAD_NONCE.search(text):
            break
    return text


def _certbot(order: Order, directory: Path) -> str:
    """What it says when it fails, else nothing."""
    account = ["--email", order.email] if order.email else ["--register-unsafely-without-email"]
    command = [
        *SETPRIV,
        *(order.program, "certonly", "--non-interactive", "--agree-tos", *account),
        *("--webroot", "--webroot-path", str(WEBROOT), "--preferred-challenges", "http"),
        *("--config-dir", str(order.home), "--work-dir", str(order.home / "work")),
        *("--logs-dir", str(order.home / "logs"), "--max-log-backups", "10"),
        *("--server", order.directory, "--csr", str(directory / REQUEST)),
        *("--cert-path", str(directory / "certificate.pem")),
        *("--chain-path", str(directory / "chain.pem")),
        *("--fullchain-path", str(directory / ISSUED)),
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env=_environment(order),
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"certbot did not end within {SECONDS} seconds; run again") from None
    except OSError as error:
        raise NotRun(f"certbot could not be run: {error}") from None
    return "" if done.returncode == 0 else _with_log(order, done.stdout.strip())


# By the library of a newer certbot, which chooses a time in the window of the authority (RFC 9773).
_ADVICE = """
import sys
from acme.client import ClientNetwork, ClientV2
net = ClientNetwork(user_agent="flaskops.host")
client = ClientV2(ClientV2.get_directory(sys.argv[1], net), net)
found = client.renewal_time(sys.stdin.buffer.read())[0]
print(int(found.timestamp()) if found else "")
"""


def is_advised(order: Order, there: Certificate | None) -> bool:
    """Whether the authority advises a new certificate now. Without an answer it does not: a third
    of the lifetime is the limit in any case.
    """
    if not order.certbot_path or there is None:
        return False
    try:
        done = subprocess.run(
            [Path(order.certbot_path).with_name("python"), "-I", "-c", _ADVICE, order.directory],
            input=(Path(there.directory) / certificates.CHAIN).read_text(),
            capture_output=True,
            text=True,
            timeout=ADVICE_SECONDS,
            check=False,
            env=_environment(order),
        )
        return int(done.stdout) <= there.true_time(time.time())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False


def _environment(order: Order) -> dict[str, str]:
    # The distribution's trusts the authorities of the system, that of the package index its own.
    bundle = order.ca_bundle or (SYSTEM_BUNDLE if order.certbot_path else "")
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/root",
        **({"REQUESTS_CA_BUNDLE": bundle} if bundle else {}),
    }


def _with_log(order: Order, said: str) -> str:
    """What certbot says, or the error of the authority in its log: certbot 2.1 with Python 3.11
    (Debian 12) shows "can't set attribute" instead of it.
    """
    try:
        log = (order.home / "logs/letsencrypt.log").read_text(errors="replace")
    except OSError:
        log = ""
    errors = list(dict.fromkeys(re.findall(r"^acme\.messages\.Error: (.+)$", log, re.MULTILINE)))
    if errors and ("can't set attribute" in said or not said):
        return "\n".join(errors)
    return said or "certbot failed"


# --- why ------------------------------------------------------------------------------------------


def explain(order: Order, text: str) -> str:
    """What certbot says, with what to do."""
    said = "\n    ".join(_essence(text))
    host = order.authority
    kinds = {urn or kind for urn, kind in _REASON.findall(text)}
    if "Another instance of Certbot is already running" in text:
        return f"another certbot runs on this host:\n    {said}\n  Run again when it has ended."
    if no_room(text):
        return f"certbot could not write what it needs:\n    {said}"
    if "Could not find a suitable TLS CA certificate bundle" in text:
        return (
            f"the file of nginx_acme_ca_bundle, {order.ca_bundle}, must exist on this host:\n   "
            f" {said}"
        )
    if "challenges have failed" in text or kinds & _CHECKS:
        return _unchecked(order, host, said)
    if "rateLimited" in kinds or re.search(r"too many|rate.?limit", text, re.IGNORECASE):
        return (
            f"the authority {host} limits how much it issues:\n    {said}\n  Wait until the time"
            " that it names; for trials, set nginx_acme_directory: letsencrypt-staging."
        )
    if re.search(r"certificate (?:has expired|is not yet valid)", text):
        return (
            f"the certificate of the authority {host} itself is not valid by the clock of this"
            f" host, which says {at(time.time())}:\n    {said}\n  `timedatectl` shows whether it"
            " is right. If it is, the authority needs a new certificate."
        )
    if re.search(r"certificate verify failed|SSLError|self.signed certificate", text):
        return (
            f"the certificate of the authority {host} itself is not trusted on this host:\n   "
            f" {said}\n  For your own authority, set nginx_acme_ca_bundle to a file on the"
            " host with its root certificate."
        )
    if re.search(
        r"Max retries exceeded|NewConnectionError|ConnectionError|ConnectTimeout|Failed to resolve|"
        r"Name or service not known|[Tt]imed? ?out|Connection refused|serverInternal|HTTP 50\d|"
        r"[Tt]he server experienced an internal error|50\d Server Error|Connection aborted",
        text,
    ):
        return (
            f"the authority {host} does not answer:\n    {said}\n  Is it down, or does a firewall"
            " keep this host from it? Run again later; what serves stays."
        )
    return f"the authority {host} refuses:\n    {said}"


def _unchecked(order: Order, host: str, said: str) -> str:
    where = "\n    ".join(look(order))
    return (
        f"the authority {host} could not check the names:\n    {said}\n  Seen from this"
        f" host:\n    {where}\n  Each name must lead to this host (A and AAAA records), and"
        f" port {order.http_port} must be open to the internet as port 80. Then run again."
    )


def _essence(text: str) -> list[str]:
    """The lines of certbot that say something."""
    noise = re.compile(
        r"Saving debug log|Ask for help|See the logfile|^- - -|^Hint:|renew-hook|^\s*$|"
        r"Account registered|Requesting a certificate|Renewing an existing"
    )
    lines = [shown(line.strip()) for line in text.splitlines() if not noise.search(line)]
    return lines[-12:] or [shown(text.strip()[-500:])]


def look(order: Order) -> list[str]:
    """For each name its addresses, and whether a token is found at each: a hint, seen from here."""
    own = own_addresses()
    lines = [f"this host has the addresses {', '.join(own) or '(none)'}"]
    token = f"flaskops-{os.getpid()}-{time.time_ns()}"
    place = WEBROOT / CHALLENGES / token
    try:
        for directory in (WEBROOT, place.parent.parent, place.parent):
            if not directory.is_dir():
                make_directory(directory, 0o755)
        write_file(place, token.encode(), 0o644)
        for name in order.names:
            found = addresses(name)
            if not found:
                lines.append(f"{name}: has no A or AAAA record")
            for kind, address in found:
                answer = ask(address, order.http_port, name, f"/{CHALLENGES}/{token}")
                seen = "a token is found there" if answer == token else f"no token: {answer}"
                whose = "this host" if address in own else "another address"
                lines.append(f"{name}: {kind} {address} ({whose}), {seen}")
    except OSError as error:
        lines.append(f"the directory of the tokens cannot be written: {error}")
    finally:
        with contextlib.suppress(OSError):
            place.unlink()
    return lines


def addresses(name: str) -> list[tuple[str, str]]:
    """The addresses of a name, each with the kind of its record."""
    kinds = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    pairs = [(kinds[entry[0]], str(entry[4][0])) for entry in found if entry[0] in kinds]
    return sorted(dict.fromkeys(pairs))


def own_addresses() -> list[str]:
    """The addresses of this host that others may reach."""
    try:
        said = subprocess.run(
            ["ip", "-json", "address", "show", "scope", "global"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        ).stdout
        found: Iterable[dict[str, list[dict[str, str]]]] = json.loads(said or "[]")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return [
        info["local"] for link in found for info in link.get("addr_info", []) if "local" in info
    ]


def ask(address: str, port: int, host: str, path: str) -> str:
    """The start of the body of one GET, or why it failed."""
    end = time.monotonic() + ASK_SECONDS
    try:
        with socket.create_connection((address, port), ASK_SECONDS) as line:
            line.settimeout(ASK_SECONDS)
            line.sendall(
                f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b""
            while len(answer) < 8192 and time.monotonic() < end and (piece := line.recv(4096)):
                answer += piece
    except OSError as error:
        return str(error) or type(error).__name__
    top, _end, body = answer.partition(b"\r\n\r\n")
    status = top.split(b" ", 2)[1:2]
    if status != [b"200"]:
        return f"the answer is {shown_line((status or [b'none'])[0].decode('ascii', 'replace'))}"
    # Another machine wrote it, if the name leads elsewhere.
    return shown_line(body.decode("utf-8", "replace").strip()[:200])
