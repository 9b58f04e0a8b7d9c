# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What may go wrong with certificates, and what changes with them: killed processes, a full
disk, a wrong clock, another account, another certbot. With a real ACME authority on the host.
"""

import json
import time

import pytest
from conftest import wait_for
from test_sites import about, age, audit, used

pytestmark = pytest.mark.long

WWW = {"name": "www", "server_names": ["shop.example.org"], "tls": "acme"}
RENEW = "$(sed -n s/^ExecStart=//p /etc/systemd/system/flaskops-renew.service)"
PLACE = "/etc/flaskops/certificates/www"


@pytest.fixture(scope="session")
def sites(site):
    """Run site.yml with these sites and no application."""

    def run(*listed, **variables):
        return site(*listed, apps=[], **variables)

    return run


@pytest.fixture
def www(sites, host):
    """A site with its certificate, which has just been issued."""
    sites(WWW).ok()
    assert about(host)["kind"] == "acme"
    return WWW


def remove_others(host):
    """Remove the certificates that are not used: a good one would be used again."""
    host.check_output(f"find {PLACE} -mindepth 1 -maxdepth 1 ! -path {used(host)} | xargs rm -rf")


def serial(host, path=""):
    """That of the certificate that Nginx serves, or of one on the disk."""
    source = f"cat {path}/chain.pem" if path else (
        "echo | openssl s_client -connect 127.0.0.1:443 -servername shop.example.org 2>/dev/null"
    )  # fmt: skip
    return host.check_output(f"{source} | openssl x509 -noout -serial")


def left(host):
    """What is incomplete on the host."""
    return host.check_output(f"find /etc/flaskops -name '.*' ; find {PLACE} -size 0")


@pytest.mark.parametrize("tenths", [3, 8, 12, 16, 22, 30, 40, 60])
def test_a_renewal_that_is_killed_at_any_moment_is_made_by_the_next(www, host, tenths):
    age(host)
    # The whole group: certbot too.
    host.run(f"setsid --wait timeout --signal KILL {tenths / 10} {RENEW}")
    before = audit(host)
    assert host.run(RENEW).rc == 0
    print(f"killed after {tenths / 10} s:", [line["action"] for line in audit(host)[len(before) :]])
    assert about(host)["not_after"] - time.time() > 80 * 86400
    assert serial(host) == serial(host, used(host)), "Nginx has loaded what the link leads to"
    key = f"openssl pkey -in {used(host)}/key.pem -pubout"
    assert host.check_output(key) == host.check_output(
        f"openssl x509 -in {used(host)}/chain.pem -noout -pubkey"
    )
    assert left(host) == ""
    assert len(host.check_output(f"ls -d {PLACE}/*/").split()) <= 2


def test_a_renewal_that_is_cut_before_the_reload_is_loaded_by_the_next(www, host):
    age(host)
    host.check_output(RENEW)
    time.sleep(1.5)
    before = host.check_output(f"ls -d {PLACE}/*/ | grep -v {used(host)}").split()[0].rstrip("/")
    # The state after the rename, as the transaction leaves it when it is killed.
    host.check_output(
        f"touch /run/flaskops-nginx/reload-pending && ln -sfn {before}"
        " /etc/nginx/flaskops/www.certificate"
    )
    known = about(host) | {
        "not_before": int(time.time()),
        "not_after": int(time.time()) + 90 * 86400,
    }
    host.check_output("echo %s > %s/about.json", json.dumps(known), before)
    assert serial(host) != serial(host, before)
    host.check_output("systemctl start flaskops-renew.service")
    assert used(host) == before and serial(host) == serial(host, before)
    assert not host.file("/run/flaskops-nginx/reload-pending").exists


def test_another_address_is_another_account(www, sites, host):
    accounts = "ls -d /etc/flaskops/acme/localhost:14000/*/accounts"
    before = host.check_output(accounts).split()
    age(host)
    remove_others(host)
    sites({**WWW, "acme_email": "www@example.org"}).ok()
    now = host.check_output(accounts).split()
    assert len(now) == len(before) + 1 and set(before) < set(now)
    assert sites({**WWW, "acme_email": "www@example.org"}).ok().changed == 0


def test_a_full_disk_keeps_the_old_certificate(www, host):
    """Everything below /etc/flaskops is on a small file system, which really is full."""
    age(host)
    before, was = used(host), serial(host)
    host.check_output(
        "mkdir -p /run/small && mount -t tmpfs -o size=12m small /run/small"
        " && cp -a /etc/flaskops/. /run/small/ && mount --bind /run/small /etc/flaskops"
    )
    try:
        # What certbot needs is there at first; a second time nothing is.
        for room in ("6", "0"):
            free = host.check_output("df --output=avail -k /etc/flaskops | tail -n 1").strip()
            host.run(f"head -c {int(free) - int(room) * 1024}K /dev/zero > /etc/flaskops/zero")
            if room == "6":
                host.run("(sleep 1.5; cat /dev/zero > /etc/flaskops/more) >/dev/null 2>&1 &")
            done = host.run(RENEW)
            host.run("sleep 2")
            assert host.check_output("readlink /etc/nginx/flaskops/www.certificate")
            tries = host.file(f"{PLACE}/tries.json")
            assert not tries.exists or json.loads(tries.content_string) is not None
            if room == "0":
                assert done.rc == 1 and "A disk of this host is full." in done.stderr, done.stderr
                assert audit(host)[-1]["action"] == "failed"
                assert (used(host), serial(host)) == (before, was)
            elif done.rc == 0:
                age(host)  # it was quicker than the disk
                before, was = used(host), serial(host)
            host.check_output("rm -f /etc/flaskops/more /etc/flaskops/zero")
        assert host.run(RENEW).rc == 0
        assert used(host) != before and left(host) == ""
    finally:
        host.check_output("umount /etc/flaskops && rm -f /run/small/zero /run/small/more")
        host.check_output("cp -a /run/small/. /etc/flaskops/ && umount /run/small")
    assert serial(host) == serial(host, used(host))


@pytest.mark.parametrize("clock", ["+3 years", "-3 years"])
def test_a_wrong_clock_does_not_renew_again_and_again(www, sites, host, clock):
    host.check_output("dpkg -s faketime >/dev/null 2>&1 || apt-get install --yes faketime")
    # As on a first run: there is a placeholder alone.
    known = about(host) | {"kind": "placeholder", "source": ""}
    host.check_output("echo %s > %s/about.json", json.dumps(known), used(host))
    remove_others(host)
    lines = len(audit(host))
    for _run in range(3):
        host.check_output(f"faketime -f '{clock.replace(' years', 'y')}' {RENEW}")
    assert len(audit(host)) == lines + 1
    assert abs(about(host)["skew"]) > 2 * 365 * 86400
    # With a right one it is an ordinary certificate.
    host.check_output(RENEW)
    assert len(audit(host)) == lines + 1
    assert sites(WWW).ok().changed == 0


def test_the_timer_goes_with_the_last_site_that_needs_it(www, sites, host):
    files = ["flaskops-renew.timer", "flaskops-renew.service"]
    paths = [f"/etc/systemd/system/{name}" for name in files] + ["/etc/flaskops/renew.json"]
    assert all(host.file(path).exists for path in paths)
    sites(nginx_default_site_enabled=True).ok()
    assert not any(host.file(path).exists for path in paths)
    assert host.run("ls /usr/local/lib/flaskops/flaskops-*.pyz").rc != 0
    assert host.run("systemctl is-active flaskops-renew.timer").rc != 0
    assert host.run("systemctl is-enabled flaskops-renew.timer").rc != 0
    assert sites(nginx_default_site_enabled=True).ok().changed == 0
    # Its certificate is still there: no other one is asked for.
    lines = len(audit(host))
    sites(WWW).ok()
    assert len(audit(host)) == lines + 1 and about(host)["kind"] == "acme"
    assert audit(host)[-1]["to"] == used(host).rpartition("/")[2]
    assert host.check_output("systemctl is-active flaskops-renew.timer") == "active"
    sites(WWW, nginx_manage=False, nginx_required_sites=[]).ok()
    assert not any(host.file(path).exists for path in paths)
    sites(WWW).ok()


def test_the_site_default_answers_unknown_names_with_its_certificate(www, sites, host):
    sites({**WWW, "name": "default"}).ok()
    try:
        asked = "curl -sS --insecure -o /dev/null -w '%{http_code} %{redirect_url}' "
        lead = "--resolve other.example.org:{0}:127.0.0.1 "
        plain = host.check_output(f"{asked}{lead.format(80)} http://other.example.org/x")
        assert plain == "308 https://other.example.org/x"
        known = host.check_output(f"{asked}{lead.format(443)} https://other.example.org/x")
        assert known.split()[0] == "404"
        assert sites({**WWW, "name": "default"}).ok().changed == 0
    finally:
        sites(WWW).ok()


def test_the_certbot_of_the_package_index_takes_over_and_goes_again(www, sites, host):
    before = used(host)
    accounts = "find /etc/flaskops/acme -name private_key.json"
    account = host.check_output(accounts)
    sites(WWW, nginx_acme_client="pip").ok()
    assert host.check_output("/usr/local/lib/flaskops/certbot/bin/certbot --version") >= "certbot 5"
    assert used(host) == before
    assert sites(WWW, nginx_acme_client="pip").ok().changed == 0
    age(host)
    host.check_output("systemctl start flaskops-renew.service")
    assert used(host) != before and host.check_output(accounts) == account
    before = used(host)
    sites(WWW).ok()
    assert used(host) == before and not host.file("/usr/local/lib/flaskops/certbot").exists
    assert host.run("ls -d /usr/local/lib/flaskops/certbot-*").rc != 0
    age(host)
    host.check_output("systemctl start flaskops-renew.service")
    assert used(host) != before and host.check_output(accounts) == account
    wait_for(lambda: serial(host) == serial(host, used(host)), 5, "the new certificate")
