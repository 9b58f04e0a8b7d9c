# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site and its URL, and the upstream of a release: no other file builds these addresses."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx.site import (
    Site,
    heard,
    site_named,
)
from ansible_collections.flaskops.host.plugins.module_utils.nginx.upstream import Upstream

ROOT = Path(__file__).parents[2]
WWW = {
    "name": "www",
    "server_names": ["*.example.org", "www.example.org"],
    "redirect_from": ["example.org"],
    "tls": "none",
    "http_port": 8080,
    "https_port": 443,
    "trusted": True,
    "hsts_seconds": 0,
    "acme_email": "",
    "https_in_front": True,
    "header_buffer_size": "",
    "scheme": "http",
    "port": 8080,
}
# Files that contain an address that is not of a site, and why.
ADDRESSES = {
    "plugins/module_utils/apps/proxy.py": "the example of a message",
    "plugins/module_utils/apps/schema.py": "the address of a verifier",
    "plugins/module_utils/nginx/site.py": "the one place",
    "plugins/module_utils/nginx/acme.py": "the kind of the question",
    "plugins/module_utils/nginx/schema.py": "certificate authorities, and the usual ports",
    "plugins/module_utils/nginx/upstream.py": "what Nginx speaks to a release",
    "plugins/module_utils/images/registry.py": "the proxy of a user's network, in a message",
    "plugins/module_utils/docker/checks.py": "what an address of packages may be, in messages",
    "plugins/module_utils/nginx/gather.py": "a block of Nginx's configuration",
    "plugins/module_utils/releases/replaced.py": "options of uWSGI",
    "plugins/modules/release_start.py": "what clients speak, as an option",
    "plugins/module_utils/apps/dev.py": "loopback of the developer, where no Nginx is",
}


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["www.example.com"], "www.example.com"),
        (["*.example.com", "example.com"], "example.com"),
        (["*.example.com"], "www.example.com"),
        (["_"], "localhost"),
        (["~^x"], "localhost"),
        ([".example.com"], "localhost"),
        ([], "localhost"),
        (None, "localhost"),
    ],
)
def test_a_request_for_a_site_carries_its_first_plain_name(names, host):
    assert site_named("www", [{"name": "www", "server_names": names}]).host == host


def test_a_site_without_a_description_is_localhost_on_port_80():
    site = site_named("x", [WWW])
    assert (site.name, site.host, site.port, site.scheme) == ("x", "localhost", 80, "http")


def test_a_playbook_sees_all_fields_of_a_site():
    site = site_named("www", [{"name": "default"}, WWW])
    assert site == Site(
        "www",
        ("*.example.org", "www.example.org"),
        ("example.org",),
        http_port=8080,
        https_in_front=True,
    )
    assert site.to_dict() == WWW


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({}, "http://www.example.org:8080/shop/"),
        ({"http_port": 80}, "http://www.example.org/shop/"),
        ({"server_names": ()}, "http://192.0.2.1:8080/shop/"),
        ({"tls": "acme", "https_port": 8443}, "https://www.example.org:8443/shop/"),
        ({"tls": "acme"}, "https://www.example.org/shop/"),
    ],
)
def test_the_url_of_a_path_on_a_site(more, url):
    assert replace(Site.from_dict(WWW), **more).url("/shop/", "192.0.2.1") == url


def test_an_ipv6_address_is_in_brackets():
    assert Site("default", http_port=8080).url("/", "2001:db8::7") == "http://[2001:db8::7]:8080/"


def test_an_application_does_not_get_the_port():
    assert (
        Site.from_dict(WWW).heard("/shop/")
        == heard("www.example.org", "/shop/")
        == "http://www.example.org/shop/"
    )
    assert replace(Site.from_dict(WWW), tls="provided").heard("/") == "https://www.example.org/"


def test_the_upstream_of_a_release():
    assert Upstream("/run/app.sock").words("/shop$rest") == {
        "whole": "http://unix:/run/app.sock",
        "path": "http://unix:/run/app.sock:/shop$rest",
    }


def addresses(text):
    """The strings of a Python file that start an address or are a scheme, except documentation."""
    tree = ast.parse(text)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    documents = ("DOCUMENTATION", "EXAMPLES", "RETURN")
    prose |= {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in documents
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in prose
    ]
    return [
        text for text in texts if isinstance(text, str) and re.search(r"\bhttp://|^https?$", text)
    ]


def test_no_other_file_contains_an_address():
    files = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "bin").glob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in files if addresses(path.read_text())}
    assert found == set(ADDRESSES)
    templates = [
        *(ROOT / "roles").glob("*/templates/*.j2"),
        *(ROOT / "roles").glob("*/tasks/*.yml"),
    ]
    assert [str(path) for path in templates if "http://" in path.read_text()] == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ('url = f"http://{host}{path}"', 1),
        ('own = parts.scheme in ("http", "https")', 2),
        ('EXAMPLES = "url: http://x"', 0),
        ('"""http:// in words."""', 0),
        ('words = "this host speaks http alone"', 0),
    ],
)
def test_the_scan_finds_each_kind_of_use(line, count):
    assert len(addresses(line)) == count
