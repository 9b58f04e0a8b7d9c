# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Sites with TLS, with certificates of a real ACME authority on the host: it asks by plain HTTP,
and refuses one in twenty nonces. The site default is under load meanwhile.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import nothing_lost, shop

WWW = {
    "name": "www",
    "server_names": ["shop.example.org"],
    "redirect_from": ["www.shop.example.org"],
    "tls": "acme",
}
BLOG = {"name": "blog", "server_names": ["blog.example.org"], "tls": "acme"}
EVERYWHERE = ("--limit", "all")
SHOP = shop(1)
STORE = {**shop(1), "name": "store", "path": "/store", "site": "www"}


def used(host, name="www"):
    return host.check_output("readlink /etc/nginx/flaskops/%s.certificate", name)


def about(host, name="www"):
    return json.loads(host.check_output("cat %s/about.json", used(host, name)))


def audit(host):
    lines = host.check_output("cat /var/lib/flaskops/certificates.jsonl").splitlines()
    return [json.loads(line) for line in lines]


def age(host, name="www"):
    """Let the host believe that a certificate is nearly over."""
    known, now = about(host, name), int(time.time())
    known |= {"not_before": now - 80 * 86400, "not_after": now + 10 * 86400}
    host.check_output("echo %s > %s/about.json", json.dumps(known), used(host, name))


def test_one_run_gets_the_certificate_beside_a_site_under_load(
    site, load, curl, host, others, note
):
    site(apps=[SHOP]).ok()
    with load() as found:
        run = site(WWW, apps=[SHOP, STORE], arguments=EVERYWHERE).ok()
    nothing_lost(found)
    assert run.output.count("https://shop.example.org/store/") >= 3
    for machine in (host, *others):
        answer = curl("https://shop.example.org/store/", machine=machine)
        assert answer.startswith("HTTP/2 200"), answer
        assert "strict-transport-security: max-age=86400" in answer
        answer = curl("http://shop.example.org/store/?a=1", machine=machine)
        assert answer.startswith("HTTP/1.1 308")
        for scheme in ("http", "https"):
            answer = curl(f"{scheme}://www.shop.example.org/store/?a=1", machine=machine)
            assert " 308" in answer.split("\n")[0], answer
            assert "ocation: https://shop.example.org/store/?a=1" in answer
        assert about(machine)["names"] == ["shop.example.org", "www.shop.example.org"]
        line = audit(machine)[-1]
        assert (line["site"], line["action"], line["reason"]) == ("www", "issued", None)
        note(f"audit: {line}")
    # A run that needs no certificate does not wait for the authority.
    host.check_output("systemctl kill --signal=STOP authority")
    try:
        assert site(WWW, apps=[SHOP, STORE]).ok().changed == 0
    finally:
        host.check_output("systemctl kill --signal=CONT authority")


@pytest.mark.long
def test_a_second_run_changes_nothing_on_any_of_the_hosts(https, site):
    assert site(WWW, apps=[SHOP, STORE], arguments=EVERYWHERE).ok().changed == 0


def test_unknown_names_get_no_answer(https, curl):
    assert "unrecognized name" in curl(
        "https://other.example.org/", "--resolve other.example.org:443:127.0.0.1"
    )
    # The server name is known, the host is not.
    answer = curl("https://shop.example.org/store/", "-H 'Host: other.example.org'", "--http1.1")
    assert "HTTP/" not in answer, answer


def test_keys_are_readable_by_root_only(https, host):
    owners = "find /etc/flaskops/certificates /etc/flaskops/acme -printf '%u:%g\n' | sort -u"
    assert host.check_output(owners) == "root:root"
    assert host.file(f"{used(host)}/key.pem").mode == 0o600
    assert host.file("/etc/flaskops/certificates").mode == 0o700
    assert host.run("runuser -u www-data -- cat %s/key.pem", used(host)).rc != 0


def test_a_renewal_by_the_timer_under_load_loses_nothing(https, host, others, load, curl, note):
    machines = (host, *others)
    before = [used(machine) for machine in machines]

    def renew(machine):
        assert machine.check_output("systemctl is-active flaskops-renew.timer") == "active"
        machine.check_output("systemctl start flaskops-renew.service")

    with ThreadPoolExecutor() as pool:
        list(pool.map(renew, machines))
        assert [used(machine) for machine in machines] == before  # none was due
        for machine in machines:
            age(machine)
        with load("https://shop.example.org/store/") as found:
            list(pool.map(renew, machines))
            time.sleep(1)
    nothing_lost(found)
    for machine, old in zip(machines, before, strict=True):
        assert used(machine) != old
        line = audit(machine)[-1]
        assert (line["action"], line["from"]) == ("issued", old.rpartition("/")[2])
        note(f"audit: {line}")
        answer = curl("https://shop.example.org/store/", machine=machine)
        assert answer.startswith("HTTP/2 200")


def test_an_authority_that_is_down_changes_nothing_for_those_who_are_served(
    https, site, host, curl, authority
):
    before = used(host)
    authority("stop")
    try:
        age(host)
        assert host.run("systemctl start flaskops-renew.service").rc != 0
        assert used(host) == before
        assert "does not answer" in audit(host)[-1]["reason"]
        run = site(WWW, BLOG, apps=[shop("down"), STORE]).failed()
        assert "blog: no certificate; the authority localhost:14000 does not answer" in run.output
        assert "its renewal has not worked so far" in " ".join(run.output.split())
        # The release of the application went on.
        assert "version down" in host.check_output("curl -s http://localhost/shop/")
    finally:
        authority("start")
    # It has forgotten its accounts. The certificate of www is due and that of blog is missing.
    site(WWW, BLOG, apps=[SHOP, STORE]).ok()
    assert used(host) != before
    assert curl("https://blog.example.org/").startswith("HTTP/2 404")


def test_a_name_that_leads_elsewhere_is_explained(https, site, host, curl):
    hosts = host.check_output("cat /etc/hosts")
    lost = {"name": "lost", "server_names": ["lost.example.org"], "tls": "acme"}
    run = site(WWW, lost, apps=[SHOP, STORE]).failed()
    assert "lost: no certificate; the authority localhost:14000 could not check" in run.output
    assert "lost.example.org: has no A or AAAA record" in run.output
    assert curl("https://shop.example.org/store/").startswith("HTTP/2 200")
    host.check_output("echo 127.0.0.2 lost.example.org >> /etc/hosts")
    time.sleep(5)  # the authority keeps what it has read of that file for so long
    try:
        site(WWW, lost, apps=[SHOP, STORE]).ok()
    finally:
        host.check_output("echo %s > /etc/hosts", hosts)
    assert audit(host)[-1]["action"] == "issued"


@pytest.mark.long
def test_a_provided_key_is_in_no_log(https, site, host, curl):
    """With the key in the same text as the certificate, as many tools write it."""
    made = (
        "cd /root && openssl req -x509 -newkey rsa:2048 -noenc -days 30 -subj /CN=own -keyout k.pem"
        " -out c.pem -addext subjectAltName=DNS:blog.example.org 2>/dev/null && cat k.pem c.pem"
    )
    both = host.check_output(made)
    own = {**BLOG, "tls": "provided", "certificate": both, "certificate_key": both}
    run = site(WWW, own, apps=[SHOP, STORE]).ok()
    secret = both.splitlines()[5]
    assert secret not in run.output
    assert secret not in host.check_output("journalctl --no-pager")
    assert secret in host.check_output("cat %s/key.pem", used(host, "blog"))
    assert "PRIVATE" not in host.check_output("cat %s/chain.pem", used(host, "blog"))
    assert curl("https://blog.example.org/", "--insecure").startswith("HTTP/2 404")
    assert site(WWW, own, apps=[SHOP, STORE]).ok().changed == 0
    other = {**own, "server_names": ["shop.example.net"]}
    refused = site(WWW, other, apps=[SHOP, STORE]).failed()
    assert "certificate must be for all names of the site" in " ".join(refused.output.split())


@pytest.mark.long
def test_a_site_that_leaves_leaves_no_certificate_in_use(https, site, host, http):
    site(apps=[SHOP, {"name": "store", "state": "absent"}]).ok()
    assert host.run("ls /etc/nginx/flaskops/*.certificate").rc != 0
    assert not host.file("/etc/flaskops/renew.json").exists
    assert http("/shop/").status == 200
