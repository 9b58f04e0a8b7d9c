# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificates of the sites on a host, with the real openssl in a temporary directory."""

import json
import os
import ssl
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import files
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import CERTIFICATES
from ansible_collections.flaskops.host.plugins.module_utils.host.typed import plain
from ansible_collections.flaskops.host.plugins.module_utils.nginx import certificates, renew
from ansible_collections.flaskops.host.plugins.module_utils.nginx.certificates import (
    Certificate,
    Wanted,
)
from ansible_collections.flaskops.host.plugins.modules import nginx_certificates

NAMES = ("shop.example.org", "*.example.org", "192.0.2.7", "2001:db8::7")
DAY = 86400


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where certificates are; the files belong to the user of the tests."""
    for name in ("chown", "fchown"):
        monkeypatch.setattr(files.os, name, lambda *_words: None)
    if not os.access(certificates.OPENSSL, os.X_OK):
        pytest.skip("needs openssl")
    return tmp_path / "etc" / "certificates"


@pytest.fixture
def make(place):
    place.parent.mkdir()
    return lambda site="shop", kind="selfsigned", names=NAMES, source="", **pair: (
        certificates.create(Wanted(site, kind, names, source), place, **pair)
    )


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def link(root, site, target):
    (root / "flaskops").mkdir(parents=True, exist_ok=True)
    (root / "flaskops" / f"{site}.certificate").symlink_to(target)


def directories(place, site="shop"):
    return sorted(path.name for path in (place / site).iterdir())


def test_a_self_signed_certificate_is_complete(make, place, tmp_path):
    before = int(time.time())
    made = make()
    directory = place / "shop" / made.directory.rpartition("/")[2]
    assert made.directory == str(directory)
    assert sorted(path.name for path in directory.iterdir()) == [
        "about.json",
        "chain.pem",
        "key.pem",
    ]
    assert (made.kind, made.names, made.source) == ("selfsigned", NAMES, "")
    assert abs(made.not_before - before) < 300
    assert made.not_after - made.not_before == certificates.YEARS * 365 * DAY
    # Python's ssl refuses a pair that does not match, as Nginx does.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "chain.pem", directory / "key.pem")
    said = certificates.openssl(
        "x509", "-noout", "-ext", "subjectAltName", given=(directory / "chain.pem").read_text()
    )
    assert "DNS:shop.example.org, DNS:*.example.org, IP Address:192.0.2.7, IP Address:2001:" in said
    assert list((tmp_path).glob("**/.new-*")) == []


@pytest.mark.parametrize(
    ("has", "kind", "days", "used"),
    [
        (NAMES[:2], "acme", 60, True),
        (NAMES[:1], "provided", 60, True),
        (NAMES[1:], "acme", 60, False),  # not all names
        (NAMES[:1], "selfsigned", 60, False),
        (NAMES[:1], "placeholder", 60, False),
        (NAMES[:1], "acme", -1, False),
    ],
)
def test_a_placeholder_is_what_another_site_has_for_the_names(make, place, has, kind, days, used):
    """A site that is renamed, or gets a name of another one."""
    chain, key = certificates.self_signed(has)
    made = certificates.store(Wanted("www", kind, has), chain, key, place)
    about = replace(made, not_after=int(time.time()) + days * DAY)
    (place / "www" / Path(made.directory).name / "about.json").write_text(json.dumps(plain(about)))
    new = make("web", "placeholder", NAMES[:1])
    assert (new.kind, new.names) == ("placeholder", NAMES[:1])
    assert ((Path(new.directory) / "chain.pem").read_text() == chain) is used
    assert ((Path(new.directory) / "key.pem").read_text() == key) is used


def test_a_placeholder_of_a_site_that_comes_back_leaves_the_record_of_its_certificate(make, place):
    """Which an authority may have issued within the last day: it is used again."""
    chain, key = certificates.self_signed(NAMES[:1])
    before = certificates.store(
        Wanted("shop", "acme", NAMES[:1], "the directory"), chain, key, place
    )
    placeholder = make("shop", "placeholder", NAMES[:1])
    assert (
        before in certificates.stored("shop", place) and placeholder.directory != before.directory
    )
    certificates.prune("shop", before.directory, place)
    assert certificates.stored("shop", place) == [before]


def test_of_several_the_one_that_is_valid_for_longest_is_used(make, place):
    for number, days in enumerate((10, 30, 20, 40)):
        names = NAMES[: 1 if days < 40 else 2]  # one with another name is the last choice
        chain, key = certificates.self_signed(names)
        made = certificates.store(Wanted(f"s{number}", "acme", names), chain, key, place)
        about = replace(made, not_after=int(time.time()) + days * DAY)
        (Path(made.directory) / "about.json").write_text(json.dumps(plain(about)))
    assert certificates.covering(NAMES[:1], place).directory.startswith(str(place / "s1"))


def test_only_root_reads_what_is_written(make, place):
    old = os.umask(0)
    try:
        made = make()
    finally:
        os.umask(old)
    assert [mode(path) for path in (place, place / "shop", made.directory)] == [0o700] * 3
    for name in ("chain.pem", "key.pem", "about.json"):
        assert mode(f"{made.directory}/{name}") == 0o600


def test_a_missing_parent_is_created_for_all_to_enter(place):
    old = os.umask(0o077)
    try:
        certificates.create(Wanted("shop", "placeholder", NAMES), place)
    finally:
        os.umask(old)
    assert (mode(place.parent), mode(place)) == (0o755, 0o700)


def test_two_certificates_have_two_directories(make, place):
    first, second = make(), make()
    assert first.directory != second.directory and len(directories(place)) == 2


@pytest.fixture
def pair(tmp_path):
    return certificates.self_signed(["shop.example.org"])


def test_a_provided_pair_is_written_as_it_is(make, pair):
    chain, key = pair
    made = make(kind="provided", source="0123", chain=chain, key=key)
    assert certificates.about(files.Path(made.directory)) == made
    assert (made.kind, made.source) == ("provided", "0123")
    with open(f"{made.directory}/chain.pem") as one, open(f"{made.directory}/key.pem") as two:
        assert (one.read(), two.read()) == pair


def test_the_same_pair_for_other_names_keeps_the_files_that_nginx_uses(make, pair, monkeypatch):
    """The link leads to the directory: at no moment a file is missing there."""
    chain, key = pair
    first = make(kind="provided", chain=chain, key=key)
    seen = []
    real = os.replace

    def watch(source, target):
        seen.append(all(os.path.exists(f"{first.directory}/{n}") for n in ("chain.pem", "key.pem")))
        real(source, target)

    monkeypatch.setattr(files.os, "replace", watch)
    monkeypatch.setattr(certificates.shutil, "rmtree", _only_aside(certificates.shutil.rmtree))
    second = make(kind="provided", names=("other.example.org",), chain=chain, key=key)
    assert second.directory == first.directory and second.names == ("other.example.org",)
    assert certificates.about(files.Path(first.directory)) == second
    assert all(seen)
    assert mode(first.directory) == 0o700 and mode(f"{first.directory}/key.pem") == 0o600


def _only_aside(real):
    def rmtree(path, **words):
        assert files.Path(path).name.startswith(".new-")
        real(path, **words)

    return rmtree


@pytest.mark.parametrize("name", ["chain.pem", "key.pem", "about.json"])
def test_a_run_that_ends_between_leaves_no_half_certificate(make, place, monkeypatch, name):
    make()
    real = certificates.write_file

    def stop(path, content, given_mode):
        if path.name == name:
            raise KeyboardInterrupt
        real(path, content, given_mode)

    monkeypatch.setattr(certificates, "write_file", stop)
    with pytest.raises(KeyboardInterrupt):
        make()
    assert len(directories(place)) == 1


def test_what_a_killed_run_has_left_is_removed(make, place):
    used = make()
    (place / "shop" / ".new-abc").mkdir()
    (place / "shop" / ".new-abc" / "key.pem").write_text("x")
    certificates.prune("shop", used.directory, place)
    assert directories(place) == [used.directory.rpartition("/")[2]]


def test_the_certificate_before_is_kept(make, place):
    made = [make() for _ in range(4)]
    for age, each in enumerate(reversed(made)):
        os.utime(each.directory, (1000 - age, 1000 - age))
    (place / "shop" / "tries.json").write_text("{}")
    certificates.prune("shop", made[3].directory, place)
    kept = [each.directory.rpartition("/")[2] for each in made[2:]]
    assert directories(place) == sorted([*kept, "tries.json"])


def test_the_one_in_use_is_kept_though_it_is_old(make, place):
    made = [make() for _ in range(3)]
    for age, each in enumerate(reversed(made)):
        os.utime(each.directory, (1000 - age, 1000 - age))
    certificates.prune("shop", made[0].directory, place)
    assert directories(place) == sorted(made[n].directory.rpartition("/")[2] for n in (0, 2))


def test_prune_of_a_site_without_certificates_does_nothing(place):
    certificates.prune("nobody", "/x", place)
    assert not place.exists()


def test_fewer_are_kept_before_another_one_is_created(make, place):
    made = [make() for _ in range(3)]
    certificates.prune("shop", made[1].directory, place, kept=1)
    assert directories(place) == [made[1].directory.rpartition("/")[2]]


def test_a_replacement_that_a_killed_run_has_left_is_removed(make, place):
    used = make()
    (place / "shop" / ".tries.json.4711").write_text("{")
    (place / "shop" / "tries.json").write_text("{}")
    certificates.sweep("shop", place)
    assert directories(place) == sorted([used.directory.rpartition("/")[2], "tries.json"])


def test_the_keys_of_a_removed_site_are_removed_after_a_month(make, place, tmp_path):
    root, now = tmp_path / "nginx", time.time()
    for site in ("linked", "dangling", "removed", "today"):
        made = make(site)
        os.utime(place / site, (now - 31 * DAY, now - 31 * DAY))
        if site in ("linked", "dangling"):
            link(root, site, made.directory if site == "linked" else "/nonexistent")
    certificates.leave("today", place)
    certificates.leave("nobody", place)
    assert certificates.forgotten(root, now, place) == ["removed"]
    certificates.forget(["removed"], place)
    assert sorted(path.name for path in place.iterdir()) == ["dangling", "linked", "today"]
    assert certificates.forgotten(root, now + 30 * DAY + 9, place) == ["today"]
    assert certificates.forgotten(root, now, tmp_path / "nothing") == []


# --- what is in use -------------------------------------------------------------------------------


def test_the_certificates_in_use_are_those_that_links_lead_to(make, tmp_path):
    root = tmp_path / "nginx"
    assert certificates.current(root) == {}
    shop, _unused, other = make(), make(), make("other-site", "placeholder", ("b.example.org",))
    link(root, "shop", shop.directory)
    link(root, "other-site", other.directory)
    assert certificates.current(root) == {"shop": shop, "other-site": other}


GARBLED = [
    "",
    "x",
    "{",
    "null",
    "7",
    "[]",
    '""',
    "{}",
    '{"directory": "/x", "kind": "acme"}',
    '{"directory": "/x", "kind": "acme", "names": 7, "not_before": 1, "not_after": 2}',
    '{"directory": "/x", "kind": "acme", "names": [], "not_before": "1", "not_after": 2}',
    '{"directory": "/x", "kind": "acme", "names": [], "not_before": 1, "not_after": null}',
    "\udcff",
]


@pytest.mark.parametrize("text", GARBLED)
def test_a_garbled_record_is_left_out(make, tmp_path, text):
    made, root = make(), tmp_path / "nginx"
    good = make("good")
    link(root, "shop", made.directory)
    link(root, "good", good.directory)
    with open(f"{made.directory}/about.json", "wb") as file:
        file.write(text.encode(errors="surrogateescape"))
    assert certificates.current(root) == {"good": good}


def test_odd_links_are_left_out(make, tmp_path):
    root = tmp_path / "nginx"
    link(root, "gone", "/nonexistent")
    link(root, "round", f"{root}/flaskops/round.certificate")
    (root / "flaskops" / "file.certificate").write_text("x")
    (root / "flaskops" / "directory.certificate").mkdir()
    assert certificates.current(root) == {}


# --- time -----------------------------------------------------------------------------------------


def test_the_validity_is_that_of_the_first_certificate(tmp_path):
    def dated(days):
        return certificates.openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-noenc", "-days", str(days), "-subj", "/CN=x", "-keyout", str(tmp_path / "k")),
        )

    short, long = dated(5), dated(50)
    begin, end = certificates.validity(short + long)
    assert end - begin == 5 * DAY and abs(begin - time.time()) < 300
    begin, end = certificates.validity(long + short)
    assert end - begin == 50 * DAY


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Jan  1 00:00:00 1970 GMT", 0),
        ("Nov  7 09:08:07 2026 GMT", 1794042487),
        ("Dec 31 23:59:59 9999 GMT", 253402300799),
    ],
)
def test_a_time_of_openssl_is_read(text, seconds):
    assert certificates._seconds(text) == seconds


FOUND = Certificate("/x", "acme", ("a.example", "b.example"), 0, 90 * DAY)


@pytest.mark.parametrize(
    ("now", "due", "days"),
    [
        (0, False, 90),
        (60 * DAY - 1, False, 30),
        (60 * DAY, False, 30),
        (60 * DAY + 1, True, 29),
        (90 * DAY - 1, True, 0),
        (90 * DAY, True, 0),
        (90 * DAY + 1, True, -1),
        (91 * DAY + 1, True, -2),
        (-10 * DAY, False, 100),
    ],
)
def test_a_certificate_is_due_in_the_last_third_of_its_lifetime(now, due, days):
    assert certificates.is_due(FOUND, now) is due
    assert certificates.days_left(FOUND, now) == days


def test_one_of_160_hours_is_due_after_106():
    short = replace(FOUND, not_after=160 * 3600)
    assert not certificates.is_due(short, 106 * 3600)
    assert certificates.is_due(short, 107 * 3600)


YEAR = 365 * DAY


@pytest.mark.parametrize(
    ("off", "skew"), [(0, 0), (3600, 0), (-3000, 0), (10 * YEAR, 10 * YEAR), (-2 * YEAR, -2 * YEAR)]
)
def test_a_clock_that_is_wrong_does_not_make_a_new_certificate_due(place, off, skew):
    """By a clock in the future it would be due at once, and again after each renewal."""
    chain, key = certificates.self_signed(["shop.example.org"])
    real = certificates.validity(chain)[0] + 3600
    wanted = Wanted("shop", "acme", ("shop.example.org",))
    chain = _of_90_days(place)
    found = certificates.store(wanted, chain, key, place, now=real + off)
    assert abs(found.skew - skew) <= 2 * 3600
    assert certificates.about(files.Path(found.directory)) == found
    shown = real + off
    assert not certificates.is_due(found, shown)
    assert not certificates.is_due(found, shown + 59 * DAY)
    assert certificates.days_left(found, shown) in (89, 90)
    if off >= 0:  # a clock that is behind never comes to the lifetime of the certificate
        assert certificates.is_due(found, shown + 61 * DAY)
    # Somebody sets it.
    assert not certificates.is_due(found, real)
    assert certificates.is_due(found, real + 61 * DAY)


def _of_90_days(place):
    place.parent.mkdir(parents=True, exist_ok=True)
    return certificates.openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-days", "90", "-subj", "/CN=x", "-keyout", str(place.parent / "other.key")),
    )


@pytest.mark.parametrize(
    ("names", "same"),
    [
        (["a.example", "b.example"], True),
        (["b.example", "a.example"], True),
        (["a.example"], False),
        (["a.example", "b.example", "c.example"], False),
        ([], False),
    ],
)
def test_the_order_of_names_does_not_count(names, same):
    assert certificates.same_names(FOUND, names) is same


# --- openssl --------------------------------------------------------------------------------------


def test_what_openssl_refuses_is_an_error_with_its_words(make, place):
    with pytest.raises(HostError, match=r"^openssl x509 failed: .*"):
        make(kind="provided", chain="-----BEGIN CERTIFICATE-----\nx\n", key="hunter2")
    assert directories(place) == []


def test_a_missing_openssl_leads_to_its_package(make, monkeypatch):
    monkeypatch.setattr(certificates, "OPENSSL", "/nonexistent/openssl")
    with pytest.raises(HostError, match=r"could not be run: .*Install the package openssl\.$"):
        make()


def test_an_openssl_that_hangs_is_ended(make, monkeypatch, tmp_path):
    slow = tmp_path / "openssl"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr(certificates, "OPENSSL", str(slow))
    monkeypatch.setattr(certificates, "SECONDS", 0.2)
    with pytest.raises(HostError, match=r"^openssl could not be run: .*timed out"):
        make()


def test_no_key_is_in_a_command_or_left_in_a_temporary_directory(make, monkeypatch, tmp_path):
    monkeypatch.setattr(certificates.tempfile, "tempdir", str(tmp_path))
    made = make()
    left = [path for path in tmp_path.rglob("*.pem") if not str(path).startswith(made.directory)]
    assert left == []


def test_the_record_is_json_that_people_read(make):
    made = make(kind="placeholder")
    with open(f"{made.directory}/about.json") as file:
        assert json.load(file) == {
            "directory": made.directory,
            "kind": "placeholder",
            "names": list(NAMES),
            "not_before": made.not_before,
            "not_after": made.not_after,
            "source": "",
            "skew": 0,
        }


# --- the module -----------------------------------------------------------------------------------


class Ended(Exception):
    """The module has ended, with its results."""


@pytest.fixture
def module(place, tmp_path, monkeypatch):
    """Runs the module, without Ansible's wrapper, on a host below a temporary directory."""
    for name in ("create", "forgotten", "forget", "leave", "prune", "place_of", "store", "sweep"):
        function = getattr(certificates, name)
        values = [place if each == CERTIFICATES else each for each in function.__defaults__]
        monkeypatch.setattr(function, "__defaults__", tuple(values))
    monkeypatch.setattr(nginx_certificates, "NGINX_ROOT", str(tmp_path / "nginx"))
    monkeypatch.setattr(nginx_certificates, "CERTIFICATES", place)
    monkeypatch.setattr(renew, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(renew, "LOCK_SECONDS", 0.2)

    class Module:
        def __init__(self, **_words):
            pass

        def exit_json(self, **results):
            raise Ended(results)

        def fail_json(self, msg):
            raise Ended({"msg": msg})

    def run(check_mode=False, **params):
        Module.check_mode = check_mode
        Module.params = {"create": [], "keys": {}, "unused": [], "issue": [], **params}
        with pytest.raises(Ended) as ended:
            nginx_certificates.main()
        return ended.value.args[0]

    monkeypatch.setattr(nginx_certificates, "AnsibleModule", Module)
    return run


SELF_SIGNED = {"site": "shop", "names": ["a.example"], "kind": "selfsigned", "source": "",
               "chain": ""}  # fmt: skip


def test_what_is_older_than_the_one_in_use_is_removed_before_another_is_created(
    module, place, make, tmp_path
):
    """So that after the switch there are the one in use, and the one before."""
    _oldest, used = make(), make()
    link(tmp_path / "nginx", "shop", used.directory)
    result = module(create=[SELF_SIGNED])
    new = result["links"][0]["target"]
    assert result["links"][0]["path"] == "flaskops/shop.certificate"
    assert directories(place) == sorted(path.rpartition("/")[2] for path in (used.directory, new))


def test_certificates_are_removed_and_created_under_the_lock_alone(module, place, make, tmp_path):
    """Else it would remove what a renewal has got, and has not linked yet."""
    used, got = make(), make()
    link(tmp_path / "nginx", "shop", used.directory)
    with renew.alone():
        result = module(create=[SELF_SIGNED])
        assert module(create=[SELF_SIGNED], check_mode=True)["changed"]
    assert "another process has been changing certificates" in result["msg"]
    assert directories(place) == sorted(
        path.rpartition("/")[2] for path in (used.directory, got.directory)
    )


def test_the_module_begins_the_time_of_a_removed_site(module, place, make, tmp_path):
    for site in ("shop", "old"):
        make(site)
        os.utime(place / site, (0, 0))
    link(tmp_path / "nginx", "shop", make("shop").directory)
    os.utime(place / "shop", (0, 0))
    result = module(unused=["shop", "old"])
    assert result["actions"] == ["Remove the certificates of the removed site old"]
    assert not (place / "old").exists()
    assert time.time() - (place / "shop").stat().st_mtime < 60
    assert not module(unused=["shop"])["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_site_that_comes_back_after_a_month_is_not_removed(module, place, make, check_mode):
    made = make()
    os.utime(place / "shop", (0, 0))
    result = module(create=[SELF_SIGNED], unused=[], check_mode=check_mode)
    assert result["actions"] == ["Create the certificate of shop (selfsigned)"]
    assert os.path.isdir(made.directory)
