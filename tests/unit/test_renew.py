# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The renewal of certificates, and the program on the host that does it between two runs."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import host_program
from ansible_collections.flaskops.host.plugins.module_utils.host.typed import plain
from ansible_collections.flaskops.host.plugins.module_utils.nginx import (
    acme,
    certificates,
    gather,
    renew,
)
from ansible_collections.flaskops.host.plugins.module_utils.nginx.acme import Order, Refused
from ansible_collections.flaskops.host.plugins.module_utils.nginx.certificates import Certificate
from ansible_collections.flaskops.host.plugins.module_utils.nginx.steps import NginxError
from ansible_collections.flaskops.host.plugins.module_utils.program import archive, main

TOP = Path(__file__).resolve().parents[2]
DAY = 86400
URL = "https://ca.example.org/dir"
ORDER = Order("www", ("shop.example.org", "www.shop.example.org"), URL)


def certificate(**more):
    now = int(time.time())
    values = {
        "directory": "/etc/flaskops/certificates/www/0123456789ab",
        "kind": "acme",
        "names": ORDER.names,
        "not_before": now - 10 * DAY,
        "not_after": now + 80 * DAY,
        "source": URL,
    }
    return Certificate(**{**values, **more})


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (certificate(), False),
        (None, True),
        (certificate(kind="placeholder"), True),
        (certificate(kind="selfsigned"), True),
        (certificate(source="https://staging.example.org/dir"), True),
        (certificate(names=ORDER.names[::-1]), False),
        (certificate(names=ORDER.names[:1]), True),
        (certificate(not_after=int(time.time()) + 6 * DAY), False),
        (certificate(not_after=int(time.time()) + 4 * DAY), True),
        (certificate(not_after=int(time.time()) - DAY), True),
    ],
)
def test_what_is_due(found, due):
    """Less than a third of its lifetime is left: of 16 days 6 are more, of 14 days 4 are less."""
    assert renew.is_due(found, ORDER, time.time()) is due


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host on which the authority gives what `issued` has, or raises it."""
    (tmp_path / "nginx/flaskops").mkdir(parents=True)
    for name in ("ORDERS", "AUDIT", "LOCK"):
        monkeypatch.setattr(renew, name, tmp_path / name.lower())
    monkeypatch.setattr(renew, "NGINX_ROOT", str(tmp_path / "nginx"))

    class Host:
        root, used, issued, refuses, unused, recorded = tmp_path, [], certificate(), None, None, []

        def audit(self):
            return [json.loads(line) for line in renew.AUDIT.read_text().splitlines()]

    made = Host()

    def issue(order):
        if isinstance(made.issued, Exception):
            raise made.issued
        return made.issued

    def use(site, found):
        if made.refuses:
            raise made.refuses
        made.used.append((site, found))

    monkeypatch.setattr(acme, "issue", issue)
    for function in (certificates.forgotten, certificates.forget):
        monkeypatch.setattr(function, "__defaults__", (tmp_path / "certificates",))
    monkeypatch.setattr(certificates.prune, "__defaults__", (tmp_path / "certificates", 2))
    monkeypatch.setattr(acme, "HOME", tmp_path / "acme")
    monkeypatch.setattr(renew, "_use", use)
    monkeypatch.setattr(renew, "_unused", lambda *_words: made.unused)
    monkeypatch.setattr(acme, "record", lambda _site, state: made.recorded.append(state))
    monkeypatch.setattr(acme, "failed", lambda *_words: made.recorded.append("failed"))
    renew.ORDERS.write_text(json.dumps([plain(ORDER)]))
    return made


def test_a_certificate_is_got_and_used(host):
    assert renew.renew_all() == ([], [])
    assert host.used == [("www", host.issued)]
    line = host.audit()[0]
    assert (line["site"], line["action"], line["reason"], line["from"], line["to"]) == (
        "www", "issued", None, None, "0123456789ab",
    )  # fmt: skip


def test_one_that_is_not_due_is_left_alone(host, tmp_path):
    there = certificates.Certificate(**{**plain(certificate()), "directory": str(tmp_path / "c")})
    (tmp_path / "c").mkdir()
    (tmp_path / "c/about.json").write_text(json.dumps(plain(there)))
    (tmp_path / "nginx/flaskops/www.certificate").symlink_to(tmp_path / "c")
    assert renew.renew_all() == ([], [])
    assert host.used == [] and not renew.AUDIT.exists()


@pytest.mark.parametrize(
    ("issued", "refuses", "words"),
    [
        (Refused("www: no certificate; the authority does not answer"), None, "does not answer"),
        (OSError(28, "No space left on device"), None, "No space left"),
        (certificate(), NginxError("Nginx refuses the new configuration"), "Nginx refuses"),
    ],
)
def test_a_failure_is_reported_and_recorded(host, issued, refuses, words):
    host.issued, host.refuses = issued, refuses
    (failure,), _beside = renew.renew_all()
    assert words in failure and host.used == []
    line = host.audit()[0]
    assert (line["action"], line["to"]) == ("failed", None) and words in line["reason"]


def test_what_was_got_and_not_used_is_used_and_not_asked_for_again(host):
    host.unused = certificate(directory="/etc/flaskops/certificates/www/abcdef012345")
    host.issued = AssertionError("the authority was asked")
    assert renew.renew_all() == ([], [])
    assert host.used == [("www", host.unused)]


def test_what_nginx_refuses_counts_as_a_failure(host):
    host.refuses = NginxError("Nginx refuses the new configuration")
    assert renew.renew_all()[0] and host.recorded == ["failed"]


def test_an_error_that_nobody_expects_leaves_the_others_alone(host):
    host.issued = UnicodeDecodeError("utf-8", b"x", 0, 1, "why")
    (failure,), _beside = renew.renew_all()
    assert failure.startswith("www: no certificate; UnicodeDecodeError")


def test_the_others_go_on_when_one_fails(host, monkeypatch):
    renew.ORDERS.write_text(json.dumps([plain(ORDER), {**plain(ORDER), "site": "blog"}]))

    def issue(order):
        if order.site == "www":
            raise Refused("www: no certificate")
        return certificate()

    monkeypatch.setattr(acme, "issue", issue)
    assert renew.renew_all() == (["www: no certificate"], [])
    assert [site for site, _found in host.used] == ["blog"]


def test_a_site_that_a_run_removes_meanwhile_is_not_renewed(host, monkeypatch):
    """The list is read again before each site."""
    renew.ORDERS.write_text(json.dumps([plain(ORDER), {**plain(ORDER), "site": "blog"}]))

    def issue(_order):
        renew.ORDERS.unlink()
        return certificate()

    monkeypatch.setattr(acme, "issue", issue)
    assert renew.renew_all() == ([], [])
    assert [site for site, _found in host.used] == ["www"]


@pytest.fixture
def in_use(host, tmp_path):
    """The host's certificate, which is not due."""
    there = certificate(directory=str(tmp_path / "c"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c/about.json").write_text(json.dumps(plain(there)))
    (tmp_path / "nginx/flaskops/www.certificate").symlink_to(tmp_path / "c")
    return there


def test_an_authority_may_advise_a_new_one_before_it_is_due(host, in_use, monkeypatch):
    asked = []
    monkeypatch.setattr(acme, "is_advised", lambda *words: asked.append(words) or True)
    host.unused = None
    assert renew.renew_all() == ([], [])
    assert asked == [(ORDER, in_use)] and host.used == [("www", host.issued)]


def test_what_is_advised_is_newer_than_the_one_in_use(tmp_path, monkeypatch):
    """An authority that revokes a certificate revokes it for all its time."""
    now = int(time.time())
    ages = {"older": 20, "used": 10, "newer": 1}  # hours
    found = {name: certificate(directory=name, not_before=now - hours * 3600)
             for name, hours in ages.items()}  # fmt: skip
    monkeypatch.setattr(certificates, "stored", lambda _site: [*found.values()])
    assert renew._unused(ORDER, found["used"]) == found["newer"]
    del found["newer"]
    assert renew._unused(ORDER, found["used"]) is None
    assert renew._unused(ORDER) in found.values()


@pytest.mark.parametrize(("hours", "again"), [(0, True), (24, True), (26, False), (240, False)])
def test_one_that_was_got_more_than_a_day_ago_is_not_used_again(monkeypatch, hours, again):
    """Nobody asks whether it was revoked meanwhile."""
    there = certificate(not_before=int(time.time()) - hours * 3600)
    monkeypatch.setattr(certificates, "stored", lambda _site: [there])
    assert renew._unused(ORDER) == (there if again else None)


def test_what_a_renewal_leaves_that_is_killed_after_it_was_loaded_is_removed(host, tmp_path):
    """The next one is two months later."""
    place = tmp_path / "certificates/www"
    for age, name in enumerate(["first", "second", "third"]):
        (place / name).mkdir(parents=True)
        os.utime(place / name, (age, age))
    there = certificate(directory=str(place / "third"), not_after=int(time.time()) + 80 * DAY)
    (place / "third/about.json").write_text(json.dumps(plain(there)))
    (tmp_path / "nginx/flaskops/www.certificate").symlink_to(place / "third")
    assert renew.renew_all() == ([], []) and host.used == []
    assert sorted(path.name for path in place.iterdir()) == ["second", "third"]


def test_what_certbot_has_kept_of_earlier_is_removed_twice_a_day(host, in_use, tmp_path):
    old = tmp_path / "acme/staging.example.org/keys/0000_key-certbot.pem"
    old.parent.mkdir(parents=True)
    old.touch()
    assert renew.renew_all() == ([], []) and not old.exists()


def test_what_a_killed_process_has_written_is_loaded(host, in_use, monkeypatch, tmp_path):
    """It was killed after it had moved the link: nothing is due, and Nginx has not loaded it."""
    pending = tmp_path / "run" / renew.PENDING
    settings = renew.Settings
    monkeypatch.setattr(
        renew,
        "Settings",
        lambda root: settings(root, tmp_path / "run/lock", tmp_path / "run"),
    )
    reloads = []

    class Running(renew.Host):
        def master(self, root):
            return 1

        def reload(self, root):
            reloads.append(root)

    monkeypatch.setattr(renew, "Host", Running)
    monkeypatch.setattr(Running, "installed", lambda _self: True)
    assert renew.renew_all() == ([], []) and reloads == []
    pending.parent.mkdir()
    pending.touch()
    assert renew.renew_all() == ([], [])
    assert reloads == [tmp_path / "nginx"] and not pending.exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"site": "www"}', '[{"site": "www"}]'])
def test_a_garbled_list_has_a_message(host, text):
    renew.ORDERS.write_text(text)
    (failure,), _beside = renew.renew_all()
    assert "cannot be read" in failure and failure.endswith("Run the playbook again.")


def test_a_second_process_waits_for_the_first(host, monkeypatch):
    monkeypatch.setattr(renew, "LOCK_SECONDS", 0.3)
    with renew.alone():
        (failure,), _beside = renew.renew_all()
    assert "another process has been changing certificates" in failure
    assert renew.renew_all() == ([], [])


# --- what is sent ---------------------------------------------------------------------------------


@pytest.fixture
def events(host, tmp_path, monkeypatch):
    """What a program is sent; the site www has a certificate that is due."""
    sent = []
    monkeypatch.setattr(
        renew.notify, "send", lambda program, events: sent.extend(events if program else ()) or []
    )
    monkeypatch.setattr(renew, "CERTIFICATES", tmp_path)
    (tmp_path / "www").mkdir()
    there = certificate(directory=str(tmp_path / "c"), not_after=int(time.time()) + 4 * DAY)
    (tmp_path / "c").mkdir()
    (tmp_path / "c/about.json").write_text(json.dumps(plain(there)))
    (tmp_path / "nginx/flaskops/www.certificate").symlink_to(tmp_path / "c")
    renew.ORDERS.write_text(json.dumps([{**plain(ORDER), "notify": "/usr/local/bin/notify"}]))
    return sent


def kinds(events):
    found = [event["event"] for event in events]
    events.clear()
    return found


def test_a_renewal_that_fails_is_one_event(host, events):
    host.issued = Refused("www: no certificate; the authority does not answer\n  log: secret")
    assert renew.renew_all()[0]
    [event] = events
    assert (
        event.items()
        >= {
            "event": "certificate_failed",
            "site": "www",
            "from": "c",
            "to": None,
            "reason": "www: no certificate; the authority does not answer",
        }.items()
    )
    assert "secret" not in json.dumps(event)


def test_a_run_calls_the_program_once_with_all_events(host, events, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(renew.notify, "send", lambda *words: calls.append(words) or [])
    (tmp_path / "nginx/flaskops/shop.certificate").symlink_to(tmp_path / "c")
    host.issued = Refused("www: no certificate")
    assert renew.renew_all() == (["www: no certificate"], [])
    [(program, given)] = calls
    assert program == "/usr/local/bin/notify"
    assert [(event["event"], event["site"]) for event in given] == [
        ("certificate_failed", "www"), ("certificate_expiring", "shop"),
    ]  # fmt: skip


def test_what_a_program_did_not_get_is_sent_again(host, events, monkeypatch):
    answers = [["it must be writable by root alone"], []]
    tried = []
    monkeypatch.setattr(
        renew.notify, "send", lambda _program, given: tried.append(kinds(given)) or answers.pop(0)
    )
    assert renew.tell("/usr/local/bin/notify") == ["it must be writable by root alone"]
    assert renew.tell("/usr/local/bin/notify") == []
    answers.append([])
    assert renew.tell("/usr/local/bin/notify") == []
    assert tried == [["certificate_expiring"], ["certificate_expiring"], []]


def test_one_that_works_is_none(host, events):
    assert renew.renew_all() == ([], [])
    # The test moves no link, so that the old one is still found to expire.
    assert "certificate_failed" not in kinds(events)


def test_a_certificate_that_expires_is_sent_once_a_day(host, events, tmp_path):
    host.issued = acme.Paused("www: no certificate; the last 3 tries failed")
    now = time.time()
    assert renew.renew_all()[0]
    [event] = events
    assert (event["event"], event["site"], event["names"]) == (
        "certificate_expiring", "www", list(ORDER.names),
    )  # fmt: skip
    assert "expires in 3 days" in event["reason"] or "expires in 4 days" in event["reason"]
    events.clear()
    for later, wanted in [(60, 0), (22 * 3600, 0), (24 * 3600, 1), (25 * 3600, 0), (48 * 3600, 1)]:
        renew.tell("/usr/local/bin/notify", now=now + later)
        assert len(kinds(events)) == wanted, later
    renew.tell("/usr/local/bin/notify", now=now)  # the clock was wrong
    assert kinds(events) == ["certificate_expiring"]
    (tmp_path / "www/event.json").write_text("{")
    renew.tell("/usr/local/bin/notify", now=now)
    assert kinds(events) == ["certificate_expiring"]
    renew.tell("", now=now + 9 * DAY)
    assert kinds(events) == []


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({"kind": "provided"}, True),
        ({"kind": "selfsigned"}, False),
        ({"kind": "placeholder"}, False),
        ({"not_after": int(time.time()) + 80 * DAY}, False),
        ({"not_after": int(time.time()) - DAY}, True),
    ],
)
def test_which_certificates_are_sent(events, tmp_path, more, sent):
    there = {**plain(certificate()), "directory": str(tmp_path / "c")}
    there |= {"not_after": int(time.time()) + 4 * DAY, **more}
    (tmp_path / "c/about.json").write_text(json.dumps(there))
    renew.tell("/usr/local/bin/notify")
    assert kinds(events) == (["certificate_expiring"] if sent else [])


@pytest.mark.parametrize("kind", ["acme", "provided"])
@pytest.mark.parametrize("managed", [True, False])
def test_an_event_says_who_renews_and_how_it_ends(events, tmp_path, kind, managed):
    """The links stay with nginx_manage: false, and the list of the renewal does not."""
    there = {**plain(certificate()), "directory": str(tmp_path / "c"), "kind": kind}
    there |= {"not_after": int(time.time()) + 4 * DAY}
    (tmp_path / "c/about.json").write_text(json.dumps(there))
    (tmp_path / "nginx/nginx.conf").write_text(f"# {renew.MARKER}\n" if managed else "http {}\n")
    if not managed:
        renew.ORDERS.unlink()
    renew.tell("/usr/local/bin/notify")
    [event] = events
    wanted = {
        ("acme", True): "its renewal has not worked so far.",
        ("provided", True): "provide a new one.",
    }.get(
        (kind, managed),
        "with nginx_manage: false nothing renews it. If your own Nginx does not use it, remove"
        " /etc/nginx/flaskops/www.certificate on the host.",
    )
    assert event["reason"].endswith(f"; {wanted}")
    (tmp_path / "nginx/flaskops/www.certificate").unlink()
    events.clear()
    renew.tell("/usr/local/bin/notify", now=time.time() + 9 * DAY)
    assert kinds(events) == []


# --- the program ----------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path):
    path = tmp_path / archive.name()
    path.write_bytes(archive.archive())
    path.chmod(0o755)
    return path


def run(path, *words):
    return subprocess.run(
        [sys.executable, "-I", path, *words], capture_output=True, text=True, check=False, cwd="/"
    )


def test_the_program_runs_without_ansible(program):
    with zipfile.ZipFile(program) as zipped:
        sources = [zipped.read(name).decode() for name in zipped.namelist()]
    assert not any("ansible_collections" in text or "import ansible" in text for text in sources)
    shown = run(program, "--help")
    assert shown.returncode == 0 and "renew" in shown.stdout
    assert run(program).returncode == 2


def test_its_name_is_its_version(program):
    archive.archive.cache_clear()
    archive.name.cache_clear()
    assert archive.name() == program.name
    assert program.read_bytes() == archive.archive()


@pytest.mark.skipif(os.path.exists("/etc/flaskops/renew.json"), reason="this machine renews")
def test_the_program_without_a_list_fails(program):
    older = program.with_name("flaskops-000000000000.pyz")
    older.touch()
    ended = run(program, "renew")
    assert ended.returncode == 1 and "Run the playbook again" in ended.stderr
    # Nothing starts this one, so another may be the one that is started.
    assert program.exists() and older.exists()


def test_the_program_that_is_started_removes_its_earlier_versions(tmp_path, monkeypatch):
    own, older, newer, other = (tmp_path / f"flaskops-{number}.pyz" for number in (2, 1, 3, 4))
    for path in (own, older, newer, other):
        path.touch()
        os.utime(path, (0, 0))
    os.utime(newer, (9, 9))
    unit = tmp_path / "flaskops-renew.service"
    monkeypatch.setattr(main.sys, "argv", [str(own), "renew"])
    monkeypatch.setattr(host_program, "STARTERS", ((tmp_path, "flaskops-*.service"),))
    main._sweep()
    assert older.exists()
    unit.write_text(f"ExecStart=python3 -I {own} renew\n")
    (tmp_path / "flaskops-job-shop_nightly.service").write_text(f"ExecStart={other} job x\n")
    main._sweep()
    assert own.exists() and not older.exists()
    # A run may be about to write the unit that starts it, and a job starts the other one.
    assert newer.exists() and other.exists()


@pytest.mark.parametrize("unit", ["systemd/system/flaskops-renew.service", "cron.d/flaskops-renew"])
def test_the_host_knows_which_program_renews(tmp_path, unit, monkeypatch):
    monkeypatch.setattr(gather, "run", lambda _command: (0, "active"))
    links = tmp_path / "etc/systemd/system/timers.target.wants"
    links.mkdir(parents=True)
    (links / "flaskops-renew.timer").symlink_to("/etc/systemd/system/flaskops-renew.timer")
    places = gather.Places(system=tmp_path)
    path = tmp_path / "etc" / unit
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x python3 -I /usr/local/lib/flaskops/flaskops-0a1b2c.pyz renew\n")
    assert gather.renewal(places).program == ""  # the file does not exist
    program = tmp_path / "usr/local/lib/flaskops/flaskops-0a1b2c.pyz"
    program.parent.mkdir(parents=True)
    program.touch()
    assert gather.renewal(places).program == "flaskops-0a1b2c.pyz"
    monkeypatch.setattr(gather, "run", lambda _command: (3, "inactive"))
    stopped = gather.renewal(places).program
    assert stopped == ("" if unit.startswith("systemd") else "flaskops-0a1b2c.pyz")


def test_the_host_knows_what_a_renewal_has_left(tmp_path):
    """Also one that does not run, so that it can be removed."""
    names = ("flaskops-0a1b2c.pyz", "certbot-1", "certbot-2")
    programs = [f"/usr/local/lib/flaskops/{name}" for name in names]
    for path in (renew.TIMER, renew.ORDERS, *programs):
        at = tmp_path / str(path).lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.touch()
    found = gather.renewal(gather.Places(system=tmp_path))
    assert found.program == ""
    assert found.files == (str(renew.TIMER), str(renew.ORDERS), *programs)


def test_the_certbot_of_the_package_index_is_that_for_the_python_of_the_host(tmp_path):
    places = gather.Places(system=tmp_path)
    assert gather.certbot_there(places) == ""
    programs = tmp_path / "usr/local/lib/flaskops"
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (programs / "certbot-1/lib" / own / "site-packages/certbot").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir()
    python = tmp_path / "usr/bin/python3"
    python.symlink_to(sys.executable)
    assert gather.certbot_there(places) == ""  # it was not completed
    (programs / "certbot").symlink_to("certbot-1")
    assert gather.certbot_there(places) == "certbot-1"
    # Another link before, as update-alternatives writes it, and no link at all.
    python.unlink()
    (tmp_path / "alternative").symlink_to(sys.executable)
    python.symlink_to(tmp_path / "alternative")
    assert gather.certbot_there(places) == "certbot-1"
    python.unlink()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert gather.certbot_there(places) == "certbot-1"
    (programs / "certbot-1/lib" / own).rename(programs / "certbot-1/lib/python3.1")
    assert gather.certbot_there(places) == ""  # the distribution was upgraded


@pytest.mark.parametrize("there", ["", "certbot-0"])
def test_a_certbot_for_another_python_is_not_used_while_a_new_one_is_installed(tmp_path, there):
    """The tasks themselves, with a package index that does not answer. One that works stays."""
    (tmp_path / "certbot-1").mkdir()
    (tmp_path / "certbot").symlink_to("certbot-1")
    tasks = TOP / "roles/nginx/tasks/certbot.yml"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "__nginx_facts": {"certbot_there": there},
            "__nginx_plan": {
                "programs": str(tmp_path), "certbot_new": "certbot-1", "certbot_old": there,
            },
        },
        "tasks": [{"ansible.builtin.import_tasks": str(tasks)}],
    }  # fmt: skip
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "files").mkdir()
    (tmp_path / "files/certbot.txt").write_text("certbot==5\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local",
         tmp_path / "play.yml"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"},
    )  # fmt: skip
    assert "could not be installed from the package index" in done.stdout, done.stdout
    assert "TASK [certbot | Create the virtual environment]" in done.stdout
    assert (tmp_path / "certbot").is_symlink() is bool(there), done.stdout
