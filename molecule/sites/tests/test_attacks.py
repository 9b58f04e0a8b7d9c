# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Hostile clients, over TLS. Behind Nginx are servers that record each byte: /raw is for everybody,
/secret for nobody (proxy.allow), and /raw of another site is there to be confused with the first.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from attack import CASES, NAME

RECORDER = {
    "source": str(Path(__file__).parents[1] / "apps/recorder"),
    "engine": "command",
    "command": "exec python3 server.py $FLASKOPS_SOCKET",
    "path": "/raw",
    "drain_seconds": 0,
    "health": {"path": "/health", "interval_seconds": 0.2},
}
APPS = [
    {**RECORDER, "name": "raw", "site": "front"},
    {
        **RECORDER,
        "name": "secret",
        "path": "/secret",
        "site": "front",
        "proxy": {"allow": ["192.0.2.1"]},
    },
    {**RECORDER, "name": "other", "site": "side"},
]
SITES = [
    {"name": "front", "server_names": [NAME], "tls": "selfsigned"},
    {"name": "side", "server_names": ["blog.example.org"], "tls": "selfsigned"},
]


def workers(host):
    return host.check_output("pgrep -f '^nginx: worker process$'").split()


@pytest.fixture(scope="module")
def attacked(site, host):
    """The servers, with the workers of Nginx before all attacks."""
    site(*SITES, apps=APPS).ok()
    return workers(host)


@pytest.fixture(scope="module")
def found(attacked, host, note):
    """What came of each case."""
    found = json.loads(host.check_output("cd /root && python3 attack.py cases"))
    counts = Counter(each["status"] or "closed" for each in found.values())
    note(f"{len(found)} attacks; the client got {dict(counts.most_common())}")
    return found


def is_one_request(text: str) -> bool:
    """One request with one meaning: every line is whole, and its length is that of its body."""
    head, _, body = text.partition("\r\n\r\n")
    lines = head.split("\r\n")
    lengths = [line.split(": ")[1] for line in lines if line.lower().startswith("content-length:")]
    return (
        all(re.fullmatch(r"[^\r\n\0]+", line) for line in lines)
        and re.fullmatch(r"[A-Z]+ /\S* HTTP/1\.1", lines[0]) is not None
        and all(re.fullmatch(r"[\w-]+: .*", line) for line in lines[1:])
        and "transfer-encoding" not in head.lower()
        and lengths in ([], [str(len(body))])
        and (lengths != [] or body == "")
    )


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace("::", "_") for case in CASES])
def test_a_server_receives_one_whole_request_or_none(case, found):
    status, text, received = (found[case.name][key] for key in ("status", "text", "received"))
    about = f"{case.name}: the client got {status!r} {text!r}, the servers received {received}"
    assert status in case.answers, about
    assert case.not_shown not in text, about
    assert received["secret"] == [], about
    assert len(received["other"]) == case.other, about
    assert case.received is None or len(received["raw"]) == case.received, about
    for request in received["raw"] + received["other"]:
        assert is_one_request(request), about
        for part in case.seen:
            here = part.removeprefix("!").lower() in request.lower()
            assert here != part.startswith("!"), f"{part!r}: {about}"


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("idle", 1000),
        ("headers", 300),
        ("body", 300),
        pytest.param("chunks", 300, marks=pytest.mark.long),
        pytest.param("h2-idle", 1000, marks=pytest.mark.long),
        pytest.param("h2-headers", 300, marks=pytest.mark.long),
        pytest.param("h2-body", 100, marks=pytest.mark.long),
        pytest.param("h2-reset", 100, marks=pytest.mark.long),
    ],
)
def test_others_are_answered_within_a_second(attacked, host, note, kind, count):
    """While so many connections are open, and send nothing, or a byte every half second. The
    machine itself may stall once.
    """
    for _ in range(2):
        found = json.loads(
            host.check_output("cd /root && python3 attack.py crowd %s %s", kind, str(count))
        )
        note(f"{count} of {kind}: {found}")
        if found["longest"] <= 1:
            break
    assert found["connections"] == count
    assert list(found["answers"]) == ["200"]
    assert found["answers"]["200"] >= 10
    assert found["longest"] <= 1


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        ("-tls1_2", "R", "no renegotiation"),
        ("-tls1_3 -sess_out /dev/null", "Q", "Max Early Data: 0\n"),
        ("-tls1_2 -cipher ALL:!AESGCM:!CHACHA20:@SECLEVEL=0", "Q", "alert handshake failure"),
    ],
    ids=["renegotiation", "early data", "old ciphers"],
)
def test_tls_has_nothing_that_it_should_not_have(attacked, host, arguments, typed, said):
    done = host.run(
        f"(sleep 0.3; echo {typed}; sleep 0.5) | timeout 10 openssl s_client {arguments}"
        f" -servername {NAME} -connect 127.0.0.1:443 2>&1"
    )
    assert re.search(said, done.stdout), done.stdout[-3000:]


def test_nginx_is_as_before_the_attacks(attacked, found, host, http):
    assert workers(host) == attacked
    log = host.check_output("cat /var/log/nginx/error.log")
    assert not re.search(r"\[(emerg|alert|crit)\].*(exited on signal|worker process)", log)
    assert http("/healthz").status == 200
