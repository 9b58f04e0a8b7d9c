# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What happens to sites with TLS in the course of time."""

from __future__ import annotations

import datetime
import json
import subprocess

import pytest
from conftest import nothing_lost, shop, wait_for
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_sites import BLOG, SHOP, STORE, WWW, about, age, audit, used

pytestmark = pytest.mark.long


def on_one_line(run):
    return " ".join(run.output.split())


def own_certificate(name, key, days=30):
    """A certificate for 90 days that has so many left."""
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days - 90, 60))
        .not_valid_after(now + datetime.timedelta(days, 60 * 60))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def text_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_a_name_is_added_and_removed(https, site, host, curl, load):
    more = {**WWW, "server_names": [*WWW["server_names"], "blog.example.org"]}
    for wanted, names in ((more, 3), (WWW, 2)):
        before = used(host)
        with load("https://shop.example.org/store/") as found:
            site(wanted, apps=[SHOP, STORE]).ok()
        nothing_lost(found)
        assert used(host) != before
        assert len(about(host)["names"]) == names
        assert audit(host)[-1]["action"] == "issued"
        answer = curl("https://blog.example.org/store/")
        assert answer.startswith("HTTP/2 200") == (names == 3), answer
        assert site(wanted, apps=[SHOP, STORE]).ok().changed == 0


def test_a_site_with_another_name_has_a_certificate_that_browsers_trust(
    https, site, host, curl, authority
):
    main, there = {**WWW, "name": "main"}, [SHOP, {**STORE, "site": "main"}]
    before = host.check_output("cat %s/chain.pem", used(host))
    authority("stop")
    try:
        run = site(main, apps=there).failed()
        assert "main: no certificate" in on_one_line(run)
        assert host.check_output("cat %s/chain.pem", used(host, "main")) == before
        assert curl("https://shop.example.org/store/").startswith("HTTP/2 200")
    finally:
        authority("start")
    site(main, apps=there).ok()
    assert about(host, "main")["kind"] == "acme"
    assert host.check_output("cat %s/chain.pem", used(host, "main")) != before
    site(WWW, apps=[SHOP, STORE]).ok()


def test_an_account_that_the_authority_has_lost(https, host, curl, authority, note):
    before = used(host)
    authority("restart")
    age(host)
    host.check_output("systemctl start flaskops-renew.service")
    assert used(host) != before
    note(f"audit: {audit(host)[-1]}")
    assert curl("https://shop.example.org/store/").startswith("HTTP/2 200")


def test_a_port_that_another_program_holds(https, site, host, curl):
    host.check_output("systemctl stop nginx")
    server = host.check_output(
        "cd /tmp && { setsid python3 -m http.server 80 >/dev/null 2>&1 </dev/null & echo $!; }"
    )
    try:
        wait_for(lambda: host.run("curl -s localhost").rc == 0, 10, "the other program")
        before = host.check_output("find /etc/nginx /etc/flaskops /var/lib/flaskops | sort")
        run = site(WWW, apps=[shop("busy"), STORE]).failed()
        assert f"port 80 is held by python3 (process {server}); stop it" in on_one_line(run)
        assert host.check_output("find /etc/nginx /etc/flaskops /var/lib/flaskops | sort") == before
    finally:
        host.check_output(f"kill {server}")
    wait_for(lambda: host.run("curl -s localhost").rc != 0, 10, "the port")
    site(WWW, apps=[SHOP, STORE]).ok()
    assert curl("https://shop.example.org/store/").startswith("HTTP/2 200")


def test_a_key_of_another_certificate(https, site, host):
    certificate = own_certificate("blog.example.org", ec.generate_private_key(ec.SECP256R1()))
    key = text_of(ec.generate_private_key(ec.SECP256R1()))
    wrong = {**BLOG, "tls": "provided", "certificate": certificate, "certificate_key": key}
    run = site(WWW, wrong, apps=[shop("never"), STORE]).failed()
    assert "blog: certificate_key does not belong to certificate" in on_one_line(run)
    assert key.splitlines()[1] not in run.output
    assert host.run("ls /etc/nginx/flaskops/blog.conf").rc != 0
    assert "version never" not in host.check_output("curl -s http://localhost/shop/")


def test_a_certificate_that_expires_in_five_days(https, site, play, host):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = own_certificate("blog.example.org", key, days=5)
    own = {**BLOG, "tls": "provided", "certificate": certificate, "certificate_key": text_of(key)}
    site(WWW, own, apps=[SHOP, STORE]).ok()
    # The check of the inputs and of the host sees it, and so does the status.
    said = "The certificate of the site blog expires in 5 days (blog.example.org); provide a new"
    runs = [
        site(WWW, own, apps=[SHOP, STORE]).ok(),
        play("status", [SHOP, STORE], nginx_sites=[WWW, own]).ok(),
    ]
    for run in runs:
        assert said in on_one_line(run), run.output


def test_three_sites_with_five_applications(https, site, host, curl):
    net = {"name": "net", "server_names": ["shop.example.net", "*.shop.example.net"]}
    places = {
        "https://shop.example.org/store/": ("www", "/store"),
        "https://shop.example.org/blog/": ("www", "/blog"),
        "https://blog.example.org/": ("blog", "/"),
        "http://shop.example.net/": ("net", "/"),
        "http://any.shop.example.net/store/": ("net", "/store"),
    }
    apps = [
        {**shop(url), "name": f"app-{number}", "path": path, "site": where}
        for number, (url, (where, path)) in enumerate(places.items())
    ]
    gone = {"name": "store", "state": "absent"}
    run = site(WWW, BLOG, net, apps=[SHOP, gone, *apps]).ok()
    local = "--resolve shop.example.net:80:127.0.0.1 --resolve any.shop.example.net:80:127.0.0.1"
    for url in places:
        assert host.check_output(f"curl -sk {local} {url}") == f"version {url}"
        assert url in run.output or "any." in url  # the address has the first name of the site
    for url in ("https://blog.example.org/store/", "http://shop.example.net/blog/"):
        assert host.check_output(f"curl -sk {local} {url}") != f"version {url}"
    assert curl("https://shop.example.org/").startswith("HTTP/2 404")
    assert site(WWW, BLOG, net, apps=[SHOP, *apps]).ok().changed == 0
    absent = [{"name": entry["name"], "state": "absent"} for entry in apps]
    site(WWW, apps=[SHOP, STORE, *absent]).ok()


def test_a_reboot(https, site, host, curl, authority):
    hosts = host.check_output("cat /etc/hosts")
    before = used(host)
    subprocess.run(
        ["docker", "restart", "--time", "20", host.check_output("hostname")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: host.run("systemctl start authority").rc == 0, 60, "the host to boot")
    authority("start")
    host.check_output("echo %s > /etc/hosts", hosts)  # Docker wrote it again
    wait_for(
        lambda: curl("https://shop.example.org/store/").startswith("HTTP/2 200"),
        60,
        "the site after the reboot",
    )
    assert used(host) == before
    assert host.check_output("systemctl is-active flaskops-renew.timer") == "active"
    assert site(WWW, apps=[SHOP, STORE]).ok().changed == 0


def test_a_rollback_on_a_site_with_https_loses_nothing(https, site, play, host, load):
    new = {**STORE, "env": {"VERSION": "new"}}
    site(WWW, apps=[SHOP, new]).ok()
    with load("https://shop.example.org/store/") as found:
        play("rollback", [SHOP, new], nginx_sites=[WWW], flask_apps_only="store").ok()
    nothing_lost(found)
    assert found["changed"], found
    body = host.check_output("curl -sk https://shop.example.org/store/")
    assert body == "version 1"


def test_the_public_check_uses_https_and_the_name_of_the_site(https, site, host, curl):
    """On port 443 Nginx refuses every other name, and by plain HTTP it only redirects."""
    log = "/var/log/nginx/access.log"
    host.check_output(f"truncate -s 0 {log}")
    site(WWW, apps=[SHOP, {**STORE, "env": {"VERSION": "checked"}}]).ok()
    asked = [
        line
        for line in host.check_output(f"cat {log}").splitlines()
        if "/store/" in line and 'host="shop.example.org"' in line
    ]
    assert any('/store/health HTTP/1.1" 200' in line for line in asked), asked
    # What only clients of Nginx see fails the check: the version before serves on.
    closed = {**STORE, "env": {"VERSION": "closed"}, "proxy": {"directives": ["return 500"]}}
    site(WWW, apps=[SHOP, closed]).failed()
    body = host.check_output("curl -sk https://shop.example.org/store/")
    assert body == "version checked"
    site(WWW, apps=[SHOP, STORE]).ok()


def test_check_mode_on_a_bare_host_predicts_and_changes_nothing(play, host, tmp_path):
    """On a separate machine, from the image of the host."""
    machine = f"{host.check_output('hostname')}-bare"
    known = json.loads(
        subprocess.run(
            ["docker", "inspect", host.check_output("hostname")],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )[0]
    options = [f"--cap-add={name}" for name in known["HostConfig"]["CapAdd"]]
    options += [f"--security-opt={text}" for text in known["HostConfig"]["SecurityOpt"]]
    run = ["docker", "run", "--detach", "--tty", "--cgroupns=private", "--tmpfs=/run", *options]
    run += ["--tmpfs=/tmp", "--name", machine, "--hostname", machine, known["Config"]["Image"]]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(
        f"ready_made: {{hosts: {{{machine}: {{ansible_connection: community.docker.docker}}}}}}\n"
    )

    def changed_files():
        words = ["docker", "diff", machine]
        lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        ours = ("/etc", "/usr", "/opt", "/srv", "/var/lib", "/var/www", "/home")
        return [line for line in sorted(lines.splitlines()) if line[2:].startswith(ours)]

    try:
        waiting = ["docker", "exec", machine, "systemctl", "is-system-running", "--wait"]
        wait_for(
            lambda: (
                subprocess.run(waiting, capture_output=True, text=True).stdout.strip()
                in ("running", "degraded")
            ),
            60,
            "the machine to boot",
        )
        before = changed_files()
        done = play(
            "site",
            [SHOP, STORE],
            nginx_sites=[WWW, {**BLOG, "tls": "selfsigned"}],
            nginx_acme_directory="https://localhost:14000/dir",
            arguments=("-i", str(inventory), "--limit", machine, "--check", "--diff"),
        ).ok()
        assert done.changed > 0
        assert "/etc/nginx/flaskops/www.conf" in done.output or "www.conf" in done.output
        assert "https://shop.example.org/store/" in done.output
        assert [line for line in changed_files() if line not in before] == []
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", machine], check=True)
