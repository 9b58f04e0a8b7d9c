# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""gixy and what is accepted of it: a bad configuration is found, in whichever file it is."""

from __future__ import annotations

import pytest
from nginx_findings import ACCEPTED, findings

MAIN = """
# configuration file /etc/nginx/nginx.conf:
events {{}}
http {{
    server_tokens off;
    include /etc/nginx/flaskops/*.conf;
}}

# configuration file /etc/nginx/flaskops/default.conf:
server {{
    listen 80;
    server_name _;
    include /etc/nginx/flaskops/default/*.conf;
}}

# configuration file /etc/nginx/flaskops/default/shop.conf:
{fragment}
"""


@pytest.fixture
def found(tmp_path):
    def look(fragment, **words):
        (tmp_path / "nginx.conf").write_text(MAIN.format(fragment=fragment))
        return findings(tmp_path / "nginx.conf", **words)

    return look


@pytest.mark.parametrize(
    ("fragment", "line"),
    [
        (
            "location /files { alias /srv/files/; }",
            "alias_traversal: location /files: alias /srv/files/",
        ),
        (
            "location / { proxy_pass http://unix:/run/app; proxy_set_header Host $http_host; }",
            "host_spoofing: location /: proxy_set_header Host $http_host",
        ),
        (
            "location ~ ^/go/([^/]*)$ { return 302 http://example.org/$uri; }",
            "http_splitting: location ~ ^/go/([^/]*)$: return 302 http://example.org/$uri",
        ),
        (
            "location /all { allow 10.0.0.0/8; deny all; return 200 secret; }",
            "return_bypasses_allow_deny: location /all: deny all; return 200 secret",
        ),
        (
            "location /all { allow 10.0.0.0/8; deny all;"
            " if ($flaskops_host = '') { return 400; } return 308 /other; }",
            "return_bypasses_allow_deny: location /all: deny all; return 400; return 308 /other",
        ),
    ],
)
def test_a_bad_fragment_is_found(found, fragment, line):
    assert line in found(fragment), found(fragment)


def test_what_is_accepted_is_found_without_the_list(found):
    fragment = """
        location = /shop/.flaskops/release {
            if ($arg_config = '') { return 404; }
            allow all;
            alias /var/lib/release.txt;
        }
        location ^~ /shop/static/ { try_files $uri @flaskops_shop; }
    """
    assert found(fragment) == []
    assert [line.split(":")[0] for line in found(fragment, accepted=[])] == [
        "return_bypasses_allow_deny",
        "try_files_is_evil_too",
    ]


def test_expressions_with_possessive_quantifiers_are_read(found):
    fragment = 'location ~ "^/(?<flaskops_a>(?:a|b{2})++)*+c?+$" { return 302 /$flaskops_a; }'
    assert found(fragment) == []
    fragment = 'location ~ "^/(?<flaskops_a>[^b]++)$" { return 302 /$flaskops_a; }'
    assert [line.split(":")[0] for line in found(fragment)] == ["http_splitting"]


def test_only_findings_in_the_given_files_are_reported(found):
    fragment = "location /files { alias /srv/files/; }"
    place = "/etc/nginx/flaskops/default"
    assert found(fragment, files=[f"{place}/shop.conf"]) == found(fragment) != []
    assert found(fragment, files=[f"{place}.conf"]) == []


def test_each_accepted_finding_has_a_reason():
    assert all(len(each.reason) > 30 for each in ACCEPTED)


@pytest.mark.parametrize(
    ("listen", "tls"),
    [
        ("unix:/tmp/443-ssl/web", False),
        ("34430", False),
        ("127.0.0.1:44300", False),
        ("[::1]:44443 default_server", False),
        ("443", True),
        ("[::1]:443", True),
        ("34430 ssl", True),
    ],
)
def test_only_the_port_443_and_the_word_ssl_say_tls(tmp_path, listen, tls):
    (tmp_path / "nginx.conf").write_text(
        f"events {{}}\nhttp {{\nserver_tokens off;\n"
        f"server {{ listen {listen}; server_name _; }}\n}}\n"
    )
    assert any("ssl" in each or "tls" in each for each in findings(tmp_path / "nginx.conf")) == tls
