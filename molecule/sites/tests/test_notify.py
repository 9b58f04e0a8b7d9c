# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""A program on the host gets an event for what goes wrong, and delays nothing for long."""

import json
import time

import pytest
from conftest import shop
from test_sites import STORE, WWW, age, used

pytestmark = [pytest.mark.usefixtures("https"), pytest.mark.long]

PROGRAM = "/usr/local/bin/notify"
EVENTS = "/root/events.jsonl"
SECRET = "a-secret-of-the-shop"


@pytest.fixture
def program(host):
    """Write the program; it adds each event to a file."""

    def write(text=f"cat >> {EVENTS}", mode="0755"):
        host.check_output(
            "printf '#!/bin/sh\\n%%s\\n' %s > %s && chmod %s %s", text, PROGRAM, mode, PROGRAM
        )
        host.check_output("rm -f %s /etc/flaskops/certificates/*/event.json", EVENTS)

    write()
    yield write
    host.check_output("rm -f %s", PROGRAM)


@pytest.fixture
def events(host):
    """The events since the last look."""

    def look():
        found = host.run("cat %s; rm -f %s", EVENTS, EVENTS).stdout
        assert SECRET not in found
        return [json.loads(line) for line in found.splitlines()]

    return look


def bad(version, **keys):
    """A release whose command fails, with a secret as its last words."""
    command = 'echo "cannot log in with $TOKEN" >&2; exit 3'
    return {**shop(version), "secrets": {"TOKEN": SECRET}, "release_command": command, **keys}


def test_each_failure_is_one_event(site, host, program, events):
    site(WWW, apps=[bad(2), STORE], flask_apps_notify=PROGRAM).failed()
    [event] = events()
    print(json.dumps(event))
    assert (event["event"], event["app"], event["action"]) == ("release_failed", "shop", "deploy")
    assert event["from"] and event["to"] and event["from"] != event["to"]
    assert event["host"] == host.check_output("uname -n")

    age(host)
    host.check_output("systemctl stop authority")
    try:
        assert host.run("systemctl start flaskops-renew.service").rc != 0
        [event] = events()
        print(json.dumps(event))
        assert (event["event"], event["site"]) == ("certificate_failed", "www")
        assert event["from"] == used(host).rpartition("/")[2]
        # Nothing is renewed while it pauses; it had its event today.
        host.check_output("rm /etc/flaskops/certificates/www/event.json")
        tries = {"failures": 9, "last": int(time.time()), "reason": "down"}
        host.check_output("echo %s > /etc/flaskops/certificates/www/tries.json", json.dumps(tries))
        for wanted in (["certificate_expiring"], []):
            assert host.run("systemctl start flaskops-renew.service").rc != 0
            assert [event["event"] for event in events()] == wanted
    finally:
        host.check_output("systemctl start authority")
        ask = "curl -sSk -o /dev/null --retry 20 --retry-connrefused --retry-delay 1"
        host.check_output(f"{ask} https://localhost:14000/dir")
        host.check_output("rm -f /etc/flaskops/certificates/www/tries.json")
    host.check_output("systemctl start flaskops-renew.service")
    assert events() == []


def test_a_program_that_hangs_costs_ten_seconds_and_fails_nothing(site, host, program, events):
    program(f"cat >> {EVENTS}; sleep 3600 & sleep 3600")
    apps = [bad(4), bad(4, name="blog", path="/blog"), STORE]
    run = site(WWW, apps=apps, flask_apps_notify=PROGRAM).failed()
    assert "was killed after 10 seconds" in run.output
    assert sorted(event["app"] for event in events()) == ["blog", "shop"]
    assert host.run("pgrep -f '[s]leep 3600'").rc != 0


def test_a_program_that_others_can_change_is_refused_with_words(site, host, program, events):
    program(mode="0775")
    run = site(WWW, apps=[shop(1), STORE], flask_apps_notify=PROGRAM).ok()
    assert f"{PROGRAM} must be writable by root alone" in run.output
    assert events() == []
