# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which client address a site and an application see behind trusted and untrusted proxies; a real
Nginx on loopback.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from contextlib import closing, suppress

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import probe
from test_nginx import render
from test_proxy import NGINX, base, needs_nginx, place  # noqa: F401

PORT = 18399
CLIENT, PROXY, OTHER = "127.0.0.1", "127.0.0.2", "127.0.0.3"  # the address that connects
FAR = "203.0.113.9"


@pytest.fixture
def site(base, place):  # noqa: F811
    """Send a request to an application through a site of the role, from an address."""
    running = []

    def start(trusted, **keys):
        made = place(**keys)
        files = render(
            facts={"ipv6": False},
            nginx_http_port=PORT,
            nginx_trusted_proxies=trusted,
            nginx_worker_processes=1,
        )
        tree = base / "nginx"
        for path, content in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            text = content.replace("/etc/nginx/", f"{tree}/").replace(
                "/var/cache/flaskops", f"{base}/cache"
            )
            text = text.replace("/run/nginx.pid", f"{base}/pid").replace(
                "/var/log/nginx", str(base)
            )
            (tree / path).write_text(
                re.sub(r"^user .*", "user root root;", text, flags=re.MULTILINE)
            )
        (tree / "mime.types").write_text("types { text/html html; }\n")
        (tree / "sites-enabled").mkdir()
        (tree / "flaskops/default").mkdir(parents=True)
        (tree / "flaskops/default/shop.conf").write_text(
            made.release["files"]["nginx.conf"].replace("/etc/nginx/", f"{tree}/")
        )
        command = [NGINX, "-e", "stderr", "-c", str(tree / "nginx.conf"), "-g", "daemon off;"]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        for _time in range(200):
            with suppress(OSError):
                ask(CLIENT, "/healthz")
                return made
            time.sleep(0.05)
        running[-1].kill()
        raise AssertionError(running[-1].communicate()[1])

    yield start
    for one in running:
        one.terminate()
        one.communicate(timeout=10)


def ask(source, path="/shop/", **headers):
    connection = http.client.HTTPConnection(
        "127.0.0.1", PORT, timeout=10, source_address=(source, 0)
    )
    with closing(connection):
        connection.putrequest("GET", path, skip_host=True)
        for name, value in [
            ("Host", "shop.example.org"),
            *((name.replace("_", "-"), value) for name, value in headers.items()),
        ]:
            for each in value if isinstance(value, list) else [value]:
                connection.putheader(name, each)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()


def public_check(made):
    """What a deploy asks after the switch; writes the files of the release that it needs."""
    for name in ("nginx.conf", "release.txt", "nginx.passwords"):
        (made.directory / name).write_text(made.release["files"].get(name, ""))
    return probe.Question(
        "shop",
        made.release["id"],
        "/shop",
        "/shop/up",
        "shop.example.org",
        PORT,
        ("2xx",),
        config=probe.config_of(made.directory / "nginx.conf"),
    )


def received(source, **headers):
    """The address and the scheme that the application receives."""
    status, body = ask(source, **headers)
    assert status == 200
    seen = json.loads(body)["headers"]
    assert seen["x-real-ip"] == seen["x-forwarded-for"]
    return seen["x-real-ip"], seen["x-forwarded-proto"]


HTTPS = {"X_Forwarded_Proto": "https"}


@needs_nginx
def test_only_a_listed_proxy_is_trusted(site):
    site([PROXY])
    assert received(PROXY, X_Forwarded_For=FAR, **HTTPS) == (FAR, "https")
    assert received(PROXY, X_Forwarded_For=f"10.1.1.1, {FAR}", **HTTPS) == (
        FAR,
        "https",
    )  # the first one comes from the client
    assert received(PROXY, X_Forwarded_For=["127.0.0.1", FAR]) == (FAR, "http")
    assert received(PROXY, X_Forwarded_For=FAR, X_Forwarded_Proto="http, HTTPS") == (FAR, "https")
    assert received(PROXY, X_Forwarded_For=FAR, X_Forwarded_Proto="https, http") == (FAR, "http")
    assert received(PROXY, X_Forwarded_For=FAR, X_Forwarded_Proto="javascript") == (FAR, "http")
    assert received(OTHER, X_Forwarded_For=FAR, **HTTPS) == (OTHER, "http")


@needs_nginx
def test_without_a_list_no_proxy_is_trusted(site):
    site([])
    assert received(PROXY, X_Forwarded_For=FAR, **HTTPS) == (PROXY, "http")


@needs_nginx
def test_a_chain_of_trusted_proxies_is_skipped(site):
    site(["127.0.0.2/32", "192.0.2.0/24"])
    assert received(PROXY, X_Forwarded_For=f"{FAR}, 192.0.2.7", **HTTPS) == (FAR, "https")


@needs_nginx
@pytest.mark.parametrize("proxy", [CLIENT, PROXY], ids=["on this host", "elsewhere"])
def test_a_forged_address_of_the_host_gives_no_access(site, proxy):
    """Only the host itself can read the release path of the deploy, and allow uses the trusted
    address.
    """
    site([proxy], proxy={"directives": ["allow 127.0.0.1", "deny all"]})
    assert ask(proxy, X_Forwarded_For=f"127.0.0.1, {FAR}")[0] == 403
    for forged in ("127.0.0.1", f"127.0.0.1, {FAR}", "::1"):
        assert ask(proxy, "/shop/.flaskops/release", X_Forwarded_For=forged)[0] == 404, forged


@needs_nginx
def test_allow_and_deny_use_the_trusted_address(site):
    site([PROXY], proxy={"directives": [f"allow {FAR}", "deny all"]})
    assert ask(PROXY, X_Forwarded_For=FAR)[0] == 200
    assert ask(PROXY, X_Forwarded_For="203.0.113.10")[0] == 403
    assert ask(OTHER, X_Forwarded_For=FAR)[0] == 403
    assert ask(PROXY, X_Forwarded_For=f"{FAR}, 203.0.113.10")[0] == 403


@needs_nginx
def test_the_host_itself_can_read_which_release_serves(site):
    made = site([CLIENT])
    (made.directory / "release.txt").write_text("shop 0123\n")
    assert ask(CLIENT, "/shop/.flaskops/release") == (200, b"shop 0123\n")
    assert ask(PROXY, "/shop/.flaskops/release")[0] == 404
    assert received(CLIENT, X_Forwarded_For=FAR, **HTTPS) == (FAR, "https")


@needs_nginx
def test_answers_to_http_and_https_are_cached_separately(site):
    site([PROXY], proxy={"cache_seconds": 9})
    schemes = [
        received(PROXY, X_Forwarded_For=FAR, **headers)[1] for headers in ({}, HTTPS, {}, HTTPS)
    ]
    assert schemes == ["http", "https", "http", "https"]


def test_each_site_trusts_the_listed_proxies():
    sites = [{"name": "shop", "server_names": ["shop.example.org"]}]
    files = render(nginx_sites=sites, nginx_trusted_proxies=["10.0.0.0/8", "2001:DB8::1"])
    for name in ("default", "shop"):
        text = files[f"flaskops/{name}.conf"]
        assert re.findall(r"set_real_ip_from (.*);", text) == ["10.0.0.0/8", "2001:db8::1"]
        assert "real_ip_header X-Forwarded-For;\n    real_ip_recursive on;" in text
    assert "real_ip" not in "".join(render().values()).replace("realip", "")
