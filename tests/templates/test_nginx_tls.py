"""Sites with TLS, as rendered for the versions of Nginx that hosts have: the text, and `nginx -t`
with as much as the Nginx here knows.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import subprocess
import time
from contextlib import closing, suppress

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx import certificates, config
from test_nginx import NGINX, render, takes

WWW = {"name": "www", "server_names": ["shop.example.org", "b.example.org"], "tls": "selfsigned"}
ACME = {**WWW, "tls": "acme", "redirect_from": ["www.example.org", "old.example.net"]}
PLAIN = {"name": "plain", "server_names": ["plain.example.org"], "redirect_from": ["old.example"]}
OPENSSL = {"1.18.0": "1.1.1", "1.22.1": "3.0.19", "1.24.0": "3.0.13", "1.26.3": "3.5.4"}
VERSIONS = list(OPENSSL)


def sites_of(version, sites, **overrides):
    facts = {"version": version, "openssl": OPENSSL[version], "programs": ["openssl", "certbot"]}
    facts |= overrides.pop("facts", {})
    return render(facts=facts, nginx_sites=sites, **overrides)


def servers(text):
    """The server blocks of a file, each as a dictionary of the arguments of its directives."""
    found = []
    for server in config.parse(text):
        assert server.name == "server"
        directives = {}
        for each in server.block:
            directives.setdefault(each.name, []).append(" ".join(each.arguments))
        found.append((directives, {" ".join(x.arguments): x for x in server.block if x.block}))
    return found


def returned(block):
    return [" ".join(each.arguments) for each in block.block if each.name == "return"]


@pytest.mark.parametrize("version", VERSIONS)
def test_plain_http_of_a_site_with_tls_only_redirects(version):
    (plain, places), (encrypted, _places) = servers(sites_of(version, [WWW])["flaskops/www.conf"])
    assert plain["listen"] == ["80", "[::]:80"]
    assert plain["server_name"] == encrypted["server_name"] == ["shop.example.org b.example.org"]
    assert returned(places["/"]) == ["308 https://$host$request_uri"]
    assert set(places) == {"/", "= /healthz"} and "include" not in plain
    assert not any(name.startswith("ssl") for name in plain)
    assert encrypted["include"] == ["/etc/nginx/flaskops/www/*.conf"]
    assert "add_header" not in encrypted


def test_the_redirect_to_another_port_names_it():
    site = {**WWW, "https_port": 8443, "http_port": 8080, "redirect_from": ["www.example.org"]}
    first, second, _last = servers(sites_of("1.26.3", [site])["flaskops/www.conf"])
    assert returned(first[1]["/"]) == ["308 https://$host:8443$request_uri"]
    assert returned(second[1]["/"]) == ["308 https://shop.example.org:8443$request_uri"]
    assert second[0]["listen"] == ["8080", "[::]:8080", "8443 ssl", "[::]:8443 ssl"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_certificate_is_used_through_a_link(version):
    *_before, (encrypted, _places) = servers(sites_of(version, [WWW])["flaskops/www.conf"])
    place = "/etc/nginx/flaskops/www.certificate"
    assert encrypted["ssl_certificate"] == [f"{place}/chain.pem"]
    assert encrypted["ssl_certificate_key"] == [f"{place}/key.pem"]


@pytest.mark.parametrize(
    ("version", "listen", "http2", "tickets", "hybrid"),
    [
        ("1.18.0", "443 ssl http2", None, ["off"], False),
        ("1.22.1", "443 ssl http2", None, ["off"], False),
        ("1.24.0", "443 ssl http2", None, None, False),
        ("1.26.3", "443 ssl", ["on"], None, True),
    ],
)
def test_each_version_gets_what_it_knows(version, listen, http2, tickets, hybrid):
    *_before, (encrypted, _places) = servers(sites_of(version, [WWW])["flaskops/www.conf"])
    assert encrypted["listen"] == [listen, f"[::]:{listen}"]
    assert encrypted.get("http2") == http2
    assert encrypted.get("ssl_session_tickets") == tickets
    assert ("X25519MLKEM768" in encrypted["ssl_ecdh_curve"][0]) is hybrid
    assert encrypted["ssl_protocols"] == ["TLSv1.2 TLSv1.3"]
    for name in ("ssl_dhparam", "ssl_stapling", "ssl_trusted_certificate", "ssl_verify_client"):
        assert name not in encrypted


@pytest.mark.parametrize(
    ("version", "refuses"),
    [("1.18.0", False), ("1.22.1", True), ("1.24.0", True), ("1.26.3", True)],
)
def test_a_handshake_for_an_unknown_name_is_refused(version, refuses):
    (plain, _places), (unknown, places) = servers(sites_of(version, [WWW])["flaskops/default.conf"])
    assert not any(name.startswith("ssl") for name in plain)
    assert unknown["server_name"] == ["_"] and returned(places["/"]) == ["444"]
    assert all("default_server" in listen and " ssl" in listen for listen in unknown["listen"])
    if refuses:
        assert unknown["ssl_reject_handshake"] == ["on"] and "ssl_certificate" not in unknown
    else:
        assert "ssl_reject_handshake" not in unknown
        assert unknown["ssl_certificate"] == ["/etc/nginx/flaskops/default.certificate/chain.pem"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_site_default_with_tls_answers_unknown_names(version):
    files = sites_of(version, [PLAIN, {**ACME, "name": "default"}])
    plain, other, last = servers(files["flaskops/default.conf"])
    assert plain[0]["listen"] == ["80 default_server", "[::]:80 default_server"]
    assert not any("default_server" in each for each in other[0]["listen"])
    assert all(each.endswith(" default_server") for each in last[0]["listen"])
    assert last[0]["ssl_certificate"] == ["/etc/nginx/flaskops/default.certificate/chain.pem"]
    assert last[0]["include"] == ["/etc/nginx/flaskops/default/*.conf"]
    assert returned(plain[1]["/"]) == ["308 https://$host$request_uri"]
    assert "ssl_reject_handshake" not in last[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plain_site_default_refuses_handshakes(version):
    files = sites_of(version, [WWW, {**PLAIN, "name": "default"}])
    redirect, named, unknown = servers(files["flaskops/default.conf"])
    assert "ssl_certificate" not in {**redirect[0], **named[0]}
    assert named[0]["server_name"] == ["plain.example.org"] and "include" in named[0]
    assert ("ssl_reject_handshake" in unknown[0]) is (version != "1.18.0")


def test_without_tls_nothing_of_it_is_rendered():
    files = sites_of("1.26.3", [PLAIN])
    for name in ("default", "plain"):
        assert "ssl" not in files[f"flaskops/{name}.conf"], name
        assert "443" not in files[f"flaskops/{name}.conf"], name


def test_other_names_are_redirected_to_the_first_one():
    first, second, last = servers(sites_of("1.26.3", [ACME])["flaskops/www.conf"])
    assert second[0]["server_name"] == ["www.example.org old.example.net"]
    assert second[0]["listen"] == ["80", "[::]:80", "443 ssl", "[::]:443 ssl"]
    assert returned(second[1]["/"]) == ["308 https://shop.example.org$request_uri"]
    assert second[0]["ssl_certificate"] == last[0]["ssl_certificate"]
    assert "include" not in second[0] and "include" not in first[0]


def test_plain_names_are_redirected_too():
    redirect, last = servers(sites_of("1.26.3", [PLAIN])["flaskops/plain.conf"])
    assert redirect[0]["listen"] == last[0]["listen"] == ["80", "[::]:80"]
    assert returned(redirect[1]["/"]) == ["308 http://plain.example.org$request_uri"]


def test_the_question_of_an_authority_is_answered_by_plain_http():
    challenge = "^~ /.well-known/acme-challenge/"
    first, second, last = servers(sites_of("1.26.3", [ACME])["flaskops/www.conf"])
    for _directives, places in (first, second):
        inner = {each.name: each.arguments for each in places[challenge].block}
        assert inner["root"] == ["/var/lib/flaskops-acme"]
        assert inner["try_files"] == ["$uri", "=404"]
    assert challenge not in last[1]
    for text in sites_of("1.26.3", [WWW]).values():
        assert "acme-challenge" not in text


@pytest.mark.parametrize(
    ("site", "overrides", "seconds"),
    [
        (ACME, {}, "86400"),
        (ACME, {"nginx_hsts_seconds": 63072000}, "63072000"),
        ({**ACME, "hsts_seconds": 300}, {"nginx_hsts_seconds": 63072000}, "300"),
        (ACME, {"nginx_hsts_seconds": 0}, None),
        (ACME, {"nginx_acme_directory": "letsencrypt-staging"}, None),
        (
            {**WWW, "redirect_from": ["www.example.org"]},
            {"nginx_hsts_seconds": 63072000},
            None,
        ),
    ],
)
def test_hsts_is_sent_over_https_alone(site, overrides, seconds):
    redirect, names, last = servers(sites_of("1.26.3", [site], **overrides)["flaskops/www.conf"])
    assert "add_header" not in redirect[0] and "if" not in redirect[0]
    for directives, blocks in (names, last):
        if seconds is None:
            assert "add_header" not in directives and "if" not in directives
        else:
            only = ["set", "$flaskops_hsts", f"max-age={seconds}"]
            (inner,) = blocks["( $https )" if "( $https )" in blocks else "($https)"].block
            assert [inner.name, *inner.arguments] == only
            sent = ["Strict-Transport-Security $flaskops_sent_hsts always"]
            assert directives["add_header"] == sent


def test_the_settings_of_all_sites_reach_each_server():
    overrides = {"nginx_trusted_proxies": ["10.0.0.0/8"], "nginx_header_buffer_size": "16k"}
    files = sites_of("1.26.3", [ACME], **overrides)
    for directives, _places in servers(files["flaskops/www.conf"] + files["flaskops/default.conf"]):
        assert directives["set_real_ip_from"] == ["10.0.0.0/8"]
        assert directives["large_client_header_buffers"] == ["4 16k"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("site", [WWW, ACME, {**PLAIN, "name": "www"}])
def test_the_rendered_files_are_neat(version, site):
    files = sites_of(version, [site], nginx_trusted_proxies=["10.0.0.0/8"])
    for name in ("flaskops/www.conf", "flaskops/default.conf"):
        text = files[name]
        assert text.endswith("}\n") and "\n\n\n" not in text and "\t" not in text, name
        assert "{\n\n" not in text and "\n\n}" not in text and "\n\n    }" not in text, text
        assert not re.search(r" +$", text, re.MULTILINE), name
        for line in text.splitlines():
            assert (len(line) - len(line.lstrip())) % 4 == 0, f"{name}: {line}"
            assert len(line) <= 100 or "ssl_ciphers" in line, line
            if not line.lstrip().startswith("#"):
                assert line == "" or line[-1] in ";{}", f"{name}: {line}"


# --- nginx -t -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    return certificates.self_signed(["shop.example.org"])


def accepted(tmp_path, files, pair):
    """Nginx takes the files, below another root, with a certificate for each site."""
    for content in files.values():
        for name in re.findall(r"flaskops/(\S+)\.certificate/chain\.pem", content):
            place = tmp_path / "nginx/flaskops" / f"{name}.certificate"
            place.mkdir(parents=True, exist_ok=True)
            (place / "chain.pem").write_text(pair[0])
            (place / "key.pem").write_text(pair[1])
    takes(tmp_path, files)


def version_here():
    said = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=False).stderr
    return tuple(map(int, re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said).groups()))


needs_nginx = pytest.mark.skipif(
    "FLASKOPS_TEST_NGINX" not in os.environ and not os.access(NGINX, os.X_OK), reason="needs Nginx"
)
LONG = ".".join(["x" * 63, "y" * 63, "z" * 63, "example-of-a-long-name", "o" * 30])
ALL = [
    [WWW],
    [ACME],
    [{**WWW, "server_names": ["*.example.org"]}],
    [{**WWW, "server_names": [LONG, f"*.{LONG[2:]}"]}],
    [PLAIN, ACME],
    [
        {**ACME, "hsts_seconds": 0},
        {"name": "blog", "server_names": ["blog.example.org"], "tls": "selfsigned",
         "https_port": 8443, "http_port": 8080, "header_buffer_size": "32k"},
        {"name": "same", "server_names": ["shop.example.org"], "http_port": 8081},
    ],
    [{**ACME, "name": "default"}],
    [PLAIN, {**ACME, "name": "default"},
     {**WWW, "name": "blog", "server_names": ["b.example"], "https_port": 8443, "http_port": 81}],
    [WWW, {**PLAIN, "name": "default"}],
    [{**WWW, "name": f"s{number}", "server_names": [f"{number}.example.org"]}
     for number in range(40)],
]  # fmt: skip


def usable_versions():
    """The versions whose directives the Nginx here knows: its own and older ones."""
    if not os.access(NGINX, os.X_OK):
        return VERSIONS
    return [each for each in VERSIONS if tuple(map(int, each.split("."))) <= version_here()]


@needs_nginx
@pytest.mark.parametrize("sites", ALL)
@pytest.mark.parametrize("version", usable_versions())
def test_nginx_accepts_sites_with_tls(tmp_path, pair, version, sites):
    accepted(tmp_path, sites_of(version, sites, facts={"ipv6": False}), pair)


@needs_nginx
@pytest.mark.parametrize(
    "overrides",
    [
        {"nginx_tls_profile": "modern"},
        {"nginx_hsts_seconds": 63072000, "nginx_health_path": ""},
        {"nginx_default_site_enabled": True, "nginx_trusted_proxies": ["10.0.0.0/8", "::1"]},
        {"nginx_http_port": 8080, "nginx_https_port": 8443, "nginx_header_buffer_size": "999k"},
    ],
)
def test_nginx_accepts_the_settings_with_tls(tmp_path, pair, overrides):
    version = max(v for v in VERSIONS if tuple(map(int, v.split("."))) <= version_here())
    files = sites_of(version, [ACME, PLAIN], facts={"ipv6": False}, **overrides)
    accepted(tmp_path, files, pair)


@needs_nginx
def test_each_name_sends_hsts_over_https_alone(tmp_path, pair):
    """Also the names that only redirect."""
    version = max(v for v in VERSIONS if tuple(map(int, v.split("."))) <= version_here())
    files = sites_of(version, [ACME], facts={"ipv6": False})  # other ports send no HSTS
    for path, content in files.items():
        files[path] = content.replace("listen 80", "listen 18411").replace(
            "listen 443", "listen 18412"
        )
    accepted(tmp_path, files, pair)
    main = tmp_path / "nginx/nginx.conf"
    command = [NGINX, "-e", "stderr", "-c", str(main), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for name in ("shop.example.org", "b.example.org", "www.example.org", "old.example.net"):
            for port, hsts in ((18411, None), (18412, "max-age=86400")):
                answer = asked(port, name)
                assert answer.getheader("Strict-Transport-Security") == hsts, (name, port)
                assert answer.status == (404 if hsts and name in WWW["server_names"] else 308)
    finally:
        process.terminate()
        process.communicate(timeout=10)


def asked(port, name):
    """The answer to a request for a name, when Nginx has started."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    for _time in range(100):
        with suppress(ConnectionRefusedError), closing(socket.socket()) as plain:
            plain.connect(("127.0.0.1", port))
            tls = port == 18412
            line = trusting.wrap_socket(plain, server_hostname=name) if tls else plain
            line.sendall(f"GET /x HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(line)
            answer.begin()
            return answer
        time.sleep(0.05)
    raise AssertionError("Nginx does not answer")
