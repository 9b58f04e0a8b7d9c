# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of an ACME authority: tries and pauses, the words of a failure, and what is seen of
a name.

A small script replaces certbot (the constant CERTBOT); what it prints has the form of certbot
2.1 and 4.0. molecule/sites runs the real one.
"""

import contextlib
import http.server
import json
import os
import socket
import socketserver
import ssl
import stat
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import files
from ansible_collections.flaskops.host.plugins.module_utils.nginx import acme, certificates
from ansible_collections.flaskops.host.plugins.module_utils.nginx.acme import (
    Order,
    Refused,
    State,
)

DIRECTORY = "https://ca.example.org/dir"
NAMES = ("shop.example.org", "www.example.org")
ORDER = Order("shop", NAMES, DIRECTORY)
NOW = 1_800_000_000.0
HOUR, DAY = 3600, 86400


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Everything that acme.py writes, in a temporary directory."""
    for name in ("chown", "fchown"):
        monkeypatch.setattr(files.os, name, lambda *_words: None)
    base = tmp_path / "flaskops"
    monkeypatch.setattr(acme, "HOME", base / "acme")
    monkeypatch.setattr(acme, "WEBROOT", tmp_path / "webroot")
    monkeypatch.setattr(acme, "CERTIFICATES", base / "certificates")
    for function in (acme.state_of, acme.record):
        monkeypatch.setattr(function, "__defaults__", (base / "certificates",))
    for function in (certificates.place_of, certificates.sweep):
        monkeypatch.setattr(function, "__defaults__", (base / "certificates",))
    monkeypatch.setattr(certificates.store, "__defaults__", (base / "certificates", None))
    (base / "certificates" / "shop").mkdir(parents=True)
    return base / "certificates"


@pytest.fixture
def certbot(tmp_path, monkeypatch):
    """Writes the script that replaces certbot, and reads how it was called."""
    program, calls = tmp_path / "certbot", tmp_path / "calls"

    def make(body):
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$*" >> {calls}\n'
            f'echo "bundle=$REQUESTS_CA_BUNDLE home=$HOME" >> {calls}.env\n{body}\n'
        )
        program.chmod(0o755)
        monkeypatch.setattr(acme, "CERTBOT", str(program))
        return lambda: calls.read_text().splitlines() if calls.exists() else []

    return make


def fails(text):
    return f"cat <<'END'\n{text}\nEND\nexit 1"


OPENSSL = certificates.OPENSSL
CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")


def succeeds(tmp_path, words="-days 90"):
    """Signs the request, as an authority does."""
    ca = [str(tmp_path / name) for name in ("ca.pem", "ca.key")]
    subprocess.run(
        [OPENSSL, "req", "-x509", "-newkey", "ec", *CURVE, "-subj", "/CN=ca", "-out", ca[0],
         "-keyout", ca[1]], check=True, capture_output=True,
    )  # fmt: skip
    return (
        'while [ $# -gt 0 ]; do case "$1" in --csr) csr=$2;; --fullchain-path) out=$2;; esac\n'
        f'shift; done\n{OPENSSL} x509 -req -in "$csr" -CA {ca[0]} -CAkey {ca[1]} {words}'
        ' -copy_extensions copy -out "$out" 2>/dev/null'
    )


# --- tries and pauses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "pause"),
    [(0, None), (1, None), (2, None), (3, HOUR), (4, 2 * HOUR), (5, 4 * HOUR), (6, 8 * HOUR),
     (7, 16 * HOUR), (8, DAY), (9, DAY), (100, DAY), (10**9, DAY)],
)  # fmt: skip
def test_after_three_failures_the_next_try_waits(failures, pause):
    assert State(failures, 1000).next_try == (0 if pause is None else 1000 + pause)


def test_a_state_is_read_as_it_was_recorded(place):
    state = State(4, 1234, "a\nreason")
    acme.record("shop", state)
    assert acme.state_of("shop") == state
    path = place / "shop" / "tries.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_site_without_a_directory_has_no_record(place):
    acme.record("nobody", State(1, 1, "x"))
    assert acme.state_of("nobody") == State() and not (place / "nobody").exists()


@pytest.mark.parametrize(
    "text",
    ["", "x", "{", "null", "7", "[1]", '"x"', '{"failures": "many"}', '{"failures": null}',
     '{"failures": [3]}', '{"last": {}}', '{"failures": 1e999}', "\0"],
)  # fmt: skip
def test_a_garbled_record_is_an_empty_one(place, text):
    (place / "shop" / "tries.json").write_text(text)
    assert acme.state_of("shop") == State()


def test_a_pause_asks_nobody(certbot, place):
    calls = certbot("exit 1")
    acme.record("shop", State(3, int(NOW) - 10, "the authority is down"))
    with pytest.raises(Refused) as error:
        acme.issue(ORDER, NOW)
    assert str(error.value) == (
        "shop: no certificate; the last 3 tries failed, so the next one is not before 2027-01-15"
        " 08:59 UTC, because authorities limit failures. To try at once, remove"
        f" {place}/shop/tries.json. The last reason: the authority is down"
    )
    assert calls() == [] and acme.state_of("shop").failures == 3


@pytest.mark.parametrize(
    "state",
    [
        State(2, int(NOW) - 1, "x"),
        State(3, int(NOW) - HOUR, "x"),
        State(9, int(NOW) - DAY, "x"),
        State(9, int(NOW) + 365 * DAY, "of a clock that was wrong"),
    ],
)
def test_a_try_that_may_be_is_made_and_counted(certbot, state):
    calls = certbot(fails("An unexpected error occurred:\nno"))
    acme.record("shop", state)
    with pytest.raises(Refused):
        acme.issue(ORDER, NOW)
    assert len(calls()) == 1
    found = acme.state_of("shop")
    assert (found.failures, found.last) == (state.failures + 1, int(NOW))
    assert found.reason.startswith("the authority ca.example.org refuses:")


def test_a_long_reason_is_cut_in_the_record(certbot):
    certbot(fails("An unexpected error occurred:\n" + "x" * 10000))
    with pytest.raises(Refused):
        acme.issue(ORDER, NOW)
    assert len(acme.state_of("shop").reason) == 2000


def test_a_success_stores_the_certificate(certbot, tmp_path, place):
    certbot(succeeds(tmp_path))
    acme.record("shop", State(2, 5, "x"))
    found = acme.issue(ORDER, NOW)
    assert (found.kind, found.source, found.names) == ("acme", DIRECTORY, ORDER.names)
    assert found.directory.startswith(str(place / "shop"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{found.directory}/chain.pem", f"{found.directory}/key.pem")
    said = certificates.openssl(
        *("x509", "-noout", "-subject", "-ext", "subjectAltName"),
        given=files.Path(found.directory, "chain.pem").read_text(),
    )
    assert said.startswith("subject=\n"), "only the names are in it, no common name"
    assert "DNS:shop.example.org, DNS:www.example.org" in said
    # They are forgotten when Nginx uses it.
    assert acme.state_of("shop").failures == 2


def test_failures_of_another_wish_do_not_count(certbot, tmp_path):
    """Names that were corrected, or another authority, are tried at once."""
    certbot(succeeds(tmp_path))
    acme.record("shop", State(9, NOW, "dns", "https://ca.example.org/dir wrong.example.org"))
    assert acme.issue(ORDER, NOW).kind == "acme"
    acme.record("shop", State(9, NOW, "dns", ORDER.wanted))
    with pytest.raises(Refused, match="the last 9 tries failed"):
        acme.issue(ORDER, NOW)


def test_certbot_says_yes_and_there_is_no_certificate(certbot):
    # Each --…-path names a file that does not exist.
    certbot("exit 0")
    with pytest.raises(Refused, match=r"^shop: no certificate; .*fullchain\.pem"):
        acme.issue(ORDER, NOW)
    assert acme.state_of("shop").failures == 1


def test_how_certbot_is_called(certbot, tmp_path):
    calls = certbot(succeeds(tmp_path))
    acme.issue(ORDER, NOW)
    acme.issue(Order("shop", ("a.example",), DIRECTORY, "ops@example.org", "/etc/ca.pem"), NOW)
    first, second = calls()
    assert "--register-unsafely-without-email" in first and "--email" not in first
    assert "--email ops@example.org" in second and "unsafely" not in second
    attempts = {words.partition("--csr ")[2].rpartition("/")[0] for words in (first, second)}
    assert len(attempts) == 2
    for words in (
        "certonly --non-interactive --agree-tos",
        f"--webroot --webroot-path {acme.WEBROOT}",
        f"--config-dir {ORDER.home} --work-dir {ORDER.home}/work",
        f"--logs-dir {ORDER.home}/logs",
        f"--server {DIRECTORY} --csr {acme.CERTIFICATES}/shop/.new-",
    ):
        assert words in first
    environment = (tmp_path / "calls.env").read_text().splitlines()
    assert environment == ["bundle= home=/root", "bundle=/etc/ca.pem home=/root"]


def test_the_directories_of_certbot_are_for_root_and_tokens_for_nginx(certbot):
    certbot("exit 1")
    old = os.umask(0o077)
    try:
        with pytest.raises(Refused):
            acme.issue(ORDER, NOW)
    finally:
        os.umask(old)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (ORDER.home, acme.WEBROOT)]
    assert modes == [0o700, 0o755]


# --- a try that is killed, and a full disk --------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after", "in between"])
def test_a_try_that_is_killed_leaves_nothing_to_the_next_one(certbot, tmp_path, place, moment):
    """kill -9, by the program itself: nothing cleans up."""
    signs = succeeds(tmp_path)
    half = signs.replace('-out "$out" 2>/dev/null', '2>/dev/null | head -c 200 >"$out"')
    bodies = {
        "before": "kill -9 $PPID",
        "after": f"{signs}\nkill -9 $PPID",
        "in between": f"{half}\nkill -9 $PPID",
    }
    certbot(bodies[moment])
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            acme.issue(ORDER, NOW)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    (left,) = place.glob("shop/.new-*")
    calls = certbot(signs)
    found = acme.issue(ORDER, NOW)
    assert not left.exists() and list(place.glob("shop/.new-*")) == []
    assert [path.name for path in place.glob("shop/*")] == [found.directory.rpartition("/")[2]]
    assert str(left) not in calls()[-1]
    # The key belongs to the certificate, or Nginx would refuse both.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{found.directory}/chain.pem", f"{found.directory}/key.pem")


def test_a_certbot_whose_parent_is_killed_ends(certbot, tmp_path):
    certbot(f"echo $$ > {tmp_path}/pid\nexec sleep 60")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            acme.issue(ORDER, NOW)
        os._exit(0)
    pid = tmp_path / "pid"
    waited(lambda: pid.exists() and pid.read_text())
    os.kill(child, 9)
    os.waitpid(child, 0)

    def is_gone():
        status = files.Path("/proc", pid.read_text().strip(), "stat")
        with contextlib.suppress(OSError):
            return status.read_text().split()[2] == "Z"  # nobody has waited for it yet
        return True

    waited(is_gone)


def waited(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def disk(place):
    """A small file system below everything that is written."""
    base = place.parent
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "small", base], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("needs to mount a file system")
    (place / "shop").mkdir(parents=True)
    yield base
    subprocess.run(["umount", base], check=True)


def full(base):
    with contextlib.suppress(OSError), (base / "large").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_is_a_reason_not_to_ask(disk, certbot, tmp_path):
    calls = certbot(succeeds(tmp_path))
    acme.record("shop", State(1, 7, "x"))
    full(disk)
    with pytest.raises(Refused, match="No space left on device") as error:
        acme.issue(ORDER, NOW)
    assert "A disk of this host is full." in str(error.value)
    assert calls() == [] and acme.state_of("shop") == State(1, 7, "x")


@pytest.mark.parametrize("why", ["full", "request", "not run"])
def test_what_nobody_was_asked_for_is_not_a_failure(certbot, monkeypatch, place, why):
    """Four of them in a row lead to no pause."""
    calls = certbot("exit 0")
    if why == "full":
        monkeypatch.setattr(acme, "ROOM", 1 << 60)
    elif why == "request":
        monkeypatch.setattr(certificates, "OPENSSL", "/nonexistent/openssl")
    else:
        monkeypatch.setattr(acme, "SETPRIV", ("/nonexistent/setpriv",))
    for _try in range(4):
        with pytest.raises(Refused) as error:
            acme.issue(ORDER, NOW)
        assert not isinstance(error.value, acme.Paused)
    assert calls() == [] and acme.state_of("shop") == State()


@pytest.mark.parametrize("moment", ["request", "log", "certificate", "store"])
def test_a_disk_that_fills_up_meanwhile_leaves_no_half_file(
    disk, certbot, tmp_path, monkeypatch, moment
):
    """The first try gets a certificate; at the second the disk fills up."""
    monkeypatch.setattr(acme, "ROOM", 0)
    signs = succeeds(tmp_path)
    certbot(signs)
    first = acme.issue(ORDER, NOW)
    fill = f"cat /dev/zero > {disk}/large"
    certbot(
        {
            "request": signs,
            "log": f"{fill} 2>/dev/null\necho No space left on device\nexit 1",
            "certificate": f"{fill} 2>/dev/null\n{signs}",
            "store": f"{signs}\n{fill} 2>/dev/null\ntrue",
        }[moment]
    )
    acme.record("shop", State(1, 7, "x"))
    if moment == "request":
        full(disk)
    with pytest.raises(Refused, match=r"No space left on device|openssl x509 failed"):
        acme.issue(ORDER, NOW)
    assert acme.state_of("shop").failures in (1, 2)
    assert certificates.stored("shop", acme.CERTIFICATES) == [first]
    assert all(path.stat().st_size for path in disk.rglob("*.json"))
    (disk / "large").unlink()
    certbot(signs)
    second = acme.issue(ORDER, NOW)
    assert second.directory != first.directory
    assert list(acme.CERTIFICATES.glob("shop/.*")) == []


# --- the account, and what an authority advises ---------------------------------------------------


def test_an_account_belongs_to_its_address(certbot, tmp_path):
    """Certbot would use the first account for any address."""
    calls = certbot(succeeds(tmp_path))
    for email in ("", "ops@example.org", "dev@example.org"):
        acme.issue(replace(ORDER, email=email), NOW)
    homes = {words.partition("--config-dir ")[2].split()[0] for words in calls()}
    assert len(homes) == 3 and all(acme.HOME in files.Path(home).parents for home in homes)


def test_keys_that_certbot_has_kept_are_removed(certbot, tmp_path):
    """Of all authorities; the account that is in use stays."""
    certbot(succeeds(tmp_path))
    left = ["archive/shop/privkey1.pem", "keys/0000_key-certbot.pem", "csr/0000_csr-certbot.pem",
            "accounts/ca/private_key.json", "live/shop/privkey.pem", "renewal/shop.conf",
            "renewal-hooks/pre/x", "logs/letsencrypt.log", "work/backups/x"]  # fmt: skip
    old = [acme.HOME / authority / name
           for authority in (ORDER.authority, "staging.example.org") for name in left]  # fmt: skip
    now = [ORDER.home / "accounts/ca/private_key.json", ORDER.home / "logs/letsencrypt.log"]
    for path in (*old, *now):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("PRIVATE" if path in old else "x")
    acme.issue(ORDER, NOW)
    assert not any(path.exists() for path in old) and all(path.exists() for path in now)
    assert [path for path in acme.HOME.rglob("*") if path.is_file()] == [
        path for path in acme.HOME.rglob("*") if path in now
    ]
    assert not [path for path in acme.HOME.rglob("*.pem") if "PRIVATE" in path.read_text()]


@pytest.mark.parametrize(
    ("says", "advised"),
    [("1", True), (str(2**33), False), ("", False), ("Traceback", False)],
)
def test_a_newer_certbot_asks_the_authority_when(certbot, tmp_path, says, advised):
    certbot(succeeds(tmp_path))
    there = acme.issue(ORDER, NOW)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/asked\necho {says}\n")
    python.chmod(0o755)
    order = replace(ORDER, certbot_path=str(tmp_path / "bin/certbot"))
    assert acme.is_advised(order, there) is advised
    assert (tmp_path / "asked").read_text().endswith(f"{DIRECTORY}\n")
    # The distribution's does not, and without a certificate there is nothing to ask for.
    assert not acme.is_advised(ORDER, there) and not acme.is_advised(order, None)


# --- an account that is gone ----------------------------------------------------------------------

GONE = [
    (
        "An unexpected error occurred:\nThe request specified an account that does not exist ::"
        ' Account "https://ca.example.org/acct/7" not found'
    ),
    (
        "An unexpected error occurred:\nThe client lacks sufficient authorization :: Account is"
        ' not valid, has status "deactivated"'
    ),
    "acme.messages.Error: urn:ietf:params:acme:error:accountDoesNotExist :: unable to find it",
]


@pytest.mark.parametrize("text", GONE)
def test_a_lost_account_is_created_again_once(certbot, tmp_path, text):
    accounts = ORDER.home / "accounts"
    other = acme.HOME / "another.example.org"
    body = f"if [ -d {accounts} ]; then\n{fails(text)}\nfi\n{succeeds(tmp_path)}"
    calls = certbot(body)
    accounts.mkdir(parents=True)
    other.mkdir()
    assert acme.issue(ORDER, NOW).kind == "acme"
    assert len(calls()) == 2 and not accounts.exists() and other.exists()


NONCE = "urn:ietf:params:acme:error:badNonce :: JWS has an invalid anti-replay nonce :: refused"


def test_a_refused_nonce_is_not_a_failure(certbot, tmp_path):
    seen = tmp_path / "seen"
    calls = certbot(
        f"if [ ! -f {seen} ]; then touch {seen}\n{fails(NONCE)}\nfi\n{succeeds(tmp_path)}"
    )
    assert acme.issue(ORDER, NOW).kind == "acme"
    assert len(calls()) == 2


def test_an_authority_that_refuses_every_nonce_is_a_failure(certbot):
    calls = certbot(fails(NONCE))
    with pytest.raises(Refused, match="anti-replay nonce"):
        acme.issue(ORDER, NOW)
    assert len(calls()) == acme.NONCES


@pytest.mark.parametrize("text", GONE)
def test_an_account_that_is_refused_again_is_a_failure(certbot, text):
    calls = certbot(fails(text))
    with pytest.raises(Refused, match="refuses:"):
        acme.issue(ORDER, NOW)
    assert len(calls()) == 2


# --- why ------------------------------------------------------------------------------------------

DEBUG = "Saving debug log to /etc/flaskops/acme/logs/letsencrypt.log"
HELP = (
    "Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile"
    " /etc/flaskops/acme/logs/letsencrypt.log or re-run Certbot with -v for more details."
)


def unexpected(words):
    asked = "Requesting a certificate for shop.example.org"
    return f"{DEBUG}\n{asked}\nAn unexpected error occurred:\n{words}\n{HELP}"


def challenged(kind, detail):
    return (
        f"{DEBUG}\nAccount registered.\nRequesting a certificate for shop.example.org\n\nCertbot"
        " failed to authenticate some domains (authenticator: webroot). The Certificate Authority"
        f" reported these problems:\n  Domain: shop.example.org\n  Type:   {kind}\n  Detail:"
        f" {detail}\n\nHint: The Certificate Authority failed to download the temporary challenge"
        f" files created by Certbot.\n\nSome challenges have failed.\n{HELP}"
    )


LIMITED, UNTRUSTED, CLOCK, DOWN, CHECK, BUSY, BUNDLE, NO = (
    "limits how much it issues:",
    "itself is not trusted on this host:",
    "itself is not valid by the clock of this host, which says 2026-11-27 20:00 UTC:",
    "does not answer:",
    "could not check the names:",
    "another certbot runs on this host:",
    "the file of nginx_acme_ca_bundle, /etc/ca.pem, must exist on this host:",
    "refuses:",
)
POOL = "HTTPSConnectionPool(host='ca.example.org', port=443): Max retries exceeded with url: /dir"
OUTPUTS = [
    (
        unexpected(
            "There were too many requests of a given type :: Error creating new order :: too many"
            " certificates (5) already issued for this exact set of domains in the last 168 hours"
        ),
        LIMITED,
    ),
    (
        unexpected(
            "There were too many requests of a given type :: too many failed authorizations (5)"
            " for shop.example.org in the last 1h0m0s, retry after 2026-11-27 21:00:00 UTC"
        ),
        LIMITED,
    ),
    (unexpected("Your IP, 192.0.2.7, is on the rate limit list"), LIMITED),
    ("urn:ietf:params:acme:error:rateLimited :: Service busy; retry later.", LIMITED),
    (
        unexpected(
            f"requests.exceptions.SSLError: {POOL} (Caused by SSLError(SSLCertVerificationError(1,"
            " '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local"
            " issuer certificate (_ssl.c:1006)')))"
        ),
        UNTRUSTED,
    ),
    (
        unexpected(
            f"requests.exceptions.SSLError: {POOL} (Caused by SSLError(... self-signed certificate"
            " in certificate chain (_ssl.c:1029)')))"
        ),
        UNTRUSTED,
    ),
    (
        unexpected(
            f"requests.exceptions.ConnectionError: {POOL} (Caused by NewConnectionError('<urllib3"
            ".connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection:"
            " [Errno 111] Connection refused'))"
        ),
        DOWN,
    ),
    (
        unexpected(
            f'requests.exceptions.ConnectionError: {POOL} (Caused by NameResolutionError("Failed'
            " to resolve 'ca.example.org' ([Errno -2] Name or service not known)\"))"
        ),
        DOWN,
    ),
    (
        unexpected(
            f"requests.exceptions.ConnectTimeout: {POOL} (Caused by ConnectTimeoutError(<...>,"
            " 'Connection to ca.example.org timed out. (connect timeout=45)'))"
        ),
        DOWN,
    ),
    (
        unexpected(
            "The server experienced an internal error :: The service is down for maintenance or"
            " had an internal error. Check https://letsencrypt.status.io/ for more details."
        ),
        DOWN,
    ),
    (
        unexpected(
            "requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url:"
            " https://ca.example.org/dir"
        ),
        DOWN,
    ),
    (unexpected("requests.exceptions.ReadTimeout: Read timed out. (read timeout=45)"), DOWN),
    (unexpected("('Connection aborted.', RemoteDisconnected('Remote end closed'))"), DOWN),
    (
        challenged(
            "dns",
            "DNS problem: NXDOMAIN looking up A for shop.example.org - check that a DNS record"
            " exists for this domain",
        ),
        CHECK,
    ),
    (
        challenged(
            "unauthorized",
            "192.0.2.9: Invalid response from"
            " http://shop.example.org/.well-known/acme-challenge/x: 404",
        ),
        CHECK,
    ),
    (
        challenged(
            "connection",
            "192.0.2.9: Fetching http://shop.example.org/.well-known/acme-challenge/x: Timeout"
            " during connect (likely firewall problem)",
        ),
        CHECK,
    ),
    (
        challenged(
            "connection",
            "192.0.2.9: Fetching http://shop.example.org/.well-known/acme-challenge/x:"
            " Connection refused",
        ),
        CHECK,
    ),
    (
        challenged("connection", "Fetching http://shop.example.org/x: Too many redirects"),
        CHECK,
    ),
    (
        challenged("tls", "remote error: certificate verify failed: self-signed certificate"),
        CHECK,
    ),
    (
        challenged("caa", "CAA record for shop.example.org prevents issuance"),
        CHECK,
    ),
    (challenged("serverInternal", "could not look up: timed out"), CHECK),
    ("Another instance of Certbot is already running.", BUSY),
    (
        unexpected(
            "OSError: Could not find a suitable TLS CA certificate bundle, invalid path:"
            " /etc/ca.pem"
        ),
        BUNDLE,
    ),
    (
        unexpected(
            "The server will not issue certificates for the identifier :: Error creating new order"
            ' :: Cannot issue for "shop.internal": Domain name does not end with a valid public'
            " suffix (TLD)"
        ),
        NO,
    ),
    (
        unexpected(
            "The provided contact URI for an account was invalid :: Error validating contact(s)"
        ),
        NO,
    ),
    ("certbot failed", NO),
]


@pytest.fixture
def unseen(monkeypatch):
    monkeypatch.setattr(acme, "look", lambda _order: ["seen nothing"])


@pytest.mark.parametrize(("text", "kind"), OUTPUTS)
def test_a_message_names_the_kind_of_failure(unseen, text, kind):
    words = acme.explain(Order("shop", ("shop.example.org",), DIRECTORY, "", "/etc/ca.pem"), text)
    first, *rest = words.splitlines()
    whole = kind in (BUSY, BUNDLE)
    assert first.endswith(kind if whole else f"the authority ca.example.org {kind}")
    assert all(line.startswith("  ") for line in rest) and len(rest) >= 1
    for noise in ("Saving debug log", "Ask for help", "Hint:", "Account registered"):
        assert noise not in words
    assert ("seen nothing" in words) is (kind == CHECK)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (OUTPUTS[0][0], "for trials, set nginx_acme_directory: letsencrypt-staging."),
        (OUTPUTS[4][0], "set nginx_acme_ca_bundle to a file on the host with its root certificate"),
        (OUTPUTS[6][0], "Is it down, or does a firewall keep this host from it? Run again later"),
        (OUTPUTS[13][0], "port 8080 must be open to the internet as port 80. Then run again."),
    ],
)
def test_each_kind_says_what_to_do(unseen, text, advice):
    order = Order("shop", ("shop.example.org",), DIRECTORY, http_port=8080)
    assert advice in acme.explain(order, text)


def test_the_words_of_certbot_are_few(unseen):
    words = acme.explain(ORDER, "\n".join(f"line {number}" for number in range(500)))
    assert len(words.splitlines()) == 13 and "line 499" in words


def test_the_words_of_an_authority_cannot_write_to_the_terminal(unseen):
    words = acme.explain(ORDER, unexpected("no :: \x1b[2J\u202egood\r"))
    assert "\x1b" not in words and "\u202e" not in words and "\r" not in words


def test_a_certbot_that_is_not_installed_is_not_the_authority(monkeypatch):
    monkeypatch.setattr(acme, "CERTBOT", "/nonexistent/certbot")
    with pytest.raises(Refused) as error:
        acme.issue(ORDER, NOW)
    assert str(error.value) == (
        "shop: no certificate; /nonexistent/certbot is missing; a run of the playbook installs it."
    )
    assert acme.state_of("shop") == State()


def test_a_certbot_that_hangs_is_ended(certbot, monkeypatch):
    certbot("exec sleep 30")
    monkeypatch.setattr(acme, "SECONDS", 0.3)
    with pytest.raises(Refused, match=r"certbot did not end within 0\.3 seconds; run again$"):
        acme.issue(ORDER, NOW)
    assert acme.state_of("shop").failures == 1


def test_output_with_bytes_beside_utf_8_is_shown(certbot):
    certbot("printf 'An unexpected error occurred:\\n\\377\\376\\n'; exit 1")
    with pytest.raises(Refused, match="refuses:"):
        acme.issue(ORDER, NOW)


# --- what is seen of a name -----------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    """Answers from the directory of the tokens, as Nginx does; gives its port and what it heard."""
    heard = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=str(acme.WEBROOT))

        def do_GET(self):
            heard.append((self.headers["Host"], self.path))
            if self.headers["Host"] == "moved.example.org":
                self.send_response(301)
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_words):
            pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running.server_address[1], heard
        running.shutdown()
        thread.join()


ADDRESSES = {
    "shop.example.org": [("A", "127.0.0.1")],
    "moved.example.org": [("A", "127.0.0.1")],
    "both.example.org": [("A", "127.0.0.1"), ("AAAA", "::1")],
    "nowhere.example.org": [],
}


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(acme, "addresses", ADDRESSES.__getitem__)
    monkeypatch.setattr(acme, "own_addresses", lambda: ["127.0.0.1", "192.0.2.7"])


def test_each_name_is_looked_at(server, network):
    port, heard = server
    names = ("shop.example.org", "nowhere.example.org", "moved.example.org")
    lines = acme.look(Order("shop", names, DIRECTORY, http_port=port))
    assert lines == [
        "this host has the addresses 127.0.0.1, 192.0.2.7",
        "shop.example.org: A 127.0.0.1 (this host), a token is found there",
        "nowhere.example.org: has no A or AAAA record",
        "moved.example.org: A 127.0.0.1 (this host), no token: the answer is 301",
    ]
    assert [host for host, _path in heard] == ["shop.example.org", "moved.example.org"]
    assert all(path.startswith("/.well-known/acme-challenge/flaskops-") for _host, path in heard)
    assert list((acme.WEBROOT / acme.CHALLENGES).iterdir()) == []


def test_each_address_of_a_name_is_asked(server, network):
    lines = acme.look(Order("shop", ("both.example.org",), DIRECTORY, http_port=server[0]))
    assert lines[1] == "both.example.org: A 127.0.0.1 (this host), a token is found there"
    assert lines[2].startswith("both.example.org: AAAA ::1 (another address), no token: ")


def test_a_token_is_readable_for_nginx_whatever_the_umask(network, monkeypatch):
    modes = []

    def ask(_address, _port, _host, path):
        token = acme.WEBROOT / path.lstrip("/")
        for each in (token, token.parent, token.parent.parent):
            modes.append(stat.S_IMODE(each.stat().st_mode))
        return token.read_text()

    monkeypatch.setattr(acme, "ask", ask)
    old = os.umask(0o077)
    try:
        lines = acme.look(Order("shop", ("shop.example.org",), DIRECTORY))
    finally:
        os.umask(old)
    assert modes == [0o644, 0o755, 0o755] and lines[1].endswith("a token is found there")


def test_a_directory_that_cannot_be_written_is_reported(network, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(acme, "WEBROOT", tmp_path / "file" / "webroot")
    lines = acme.look(ORDER)
    assert lines[1].startswith("the directory of the tokens cannot be written: ")


def test_a_closed_port_is_reported():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    assert "refused" in acme.ask("127.0.0.1", port, "x", "/")


@contextlib.contextmanager
def answering(pieces, pause=0.0):
    """A server that sends pieces to one client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                line, _address = listener.accept()
                with line:
                    line.recv(4096)
                    for piece in pieces:
                        line.sendall(piece)
                        time.sleep(pause)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n token \n"], "token"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"tok", b"en"], "token"),
        ([b"HTTP/1.1 404 Not Found\r\n\r\nx"], "the answer is 404"),
        ([b"HTTP/1.1 \xff\xfe x\r\n\r\nx"], "the answer is \ufffd\ufffd"),
        ([b"HTTP/1.1 200 OK\r\n\r\n\x1b[2Jok\nchanged"], "\\x1b[2Jok\\x0achanged"),
        ([b"HTTP/1.1 \x1b[2J x\r\n\r\nx"], "the answer is \\x1b[2J"),
        ([b"nonsense"], "the answer is none"),
        ([], "the answer is none"),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000], "x" * 200),
    ],
)
def test_any_answer_is_a_few_words(pieces, said):
    with answering(pieces) as port:
        assert acme.ask("127.0.0.1", port, "x", "/") == said


def test_a_server_that_sends_slowly_is_left(monkeypatch):
    monkeypatch.setattr(acme, "ASK_SECONDS", 0.3)
    begin = time.monotonic()
    with answering([b"HTTP/1.1 200 OK\r\n\r\n", *([b"x"] * 15)], 0.1) as port:
        acme.ask("127.0.0.1", port, "x", "/")
        assert time.monotonic() - begin < 1


def test_a_server_that_says_nothing_is_left(monkeypatch):
    monkeypatch.setattr(acme, "ASK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert acme.ask("127.0.0.1", listener.getsockname()[1], "x", "/") == "timed out"


def test_the_addresses_of_a_name():
    assert ("A", "127.0.0.1") in acme.addresses("localhost")
    assert acme.addresses("192.0.2.7") == [("A", "192.0.2.7")]
    assert acme.addresses("2001:db8::7") == [("AAAA", "2001:db8::7")]


@pytest.mark.parametrize("name", ["x" * 64 + ".invalid", ".invalid", "a..invalid"])
def test_a_name_that_cannot_be_looked_up_has_no_address(name):
    assert acme.addresses(name) == []


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (
            json.dumps(
                [
                    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.7"}, {"local": "2001::7"}]},
                    {"ifname": "lo", "addr_info": []},
                    {},
                ]
            ),
            ["192.0.2.7", "2001::7"],
        ),
        ("", []),
        ("nonsense", []),
    ],
)
def test_the_addresses_of_this_host(monkeypatch, output, found):
    class Done:
        stdout = output

    monkeypatch.setattr(acme.subprocess, "run", lambda *_words, **_keys: Done)
    assert acme.own_addresses() == found


def test_a_host_without_ip_has_no_known_addresses(monkeypatch):
    def missing(*_words, **_keys):
        raise FileNotFoundError

    monkeypatch.setattr(acme.subprocess, "run", missing)
    assert acme.own_addresses() == []
