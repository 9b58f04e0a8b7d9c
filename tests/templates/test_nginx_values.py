"""Any value in any key of a site, and in any variable of the role, is refused with a message or
rendered into exactly the lines that its plain twin has: no directive is smuggled.

Each line of a rendered file is one directive, the start of a block or its end. The shape of a file
is the first word of each line with its last character; a smuggled directive, block or line changes
it. The twin is the same site with harmless values, of the same kind of TLS.
"""

from __future__ import annotations

import datetime
import os
import re
from functools import cache

import pytest
import test_nginx
import yaml
from ansible_collections.flaskops.host.plugins.filter.nginx import nginx_plan
from ansible_collections.flaskops.host.plugins.module_utils.nginx import certificates, schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_nginx import render
from test_nginx_tls import accepted, needs_nginx

EXAMPLES = 400 if os.environ.get("FLASKOPS_TEST_ALL") else 120
SLOW = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
FACTS = {
    **test_nginx.FACTS,
    "version": "1.22.1",
    "openssl": "3.0.19",
    "programs": ["openssl", "certbot"],
    "ipv6": False,
}
DEFAULTS = yaml.safe_load((test_nginx.ROLE / "defaults/main.yml").read_text())
LOST = {
    "nginx_gzip_enabled",
    "nginx_access_log_enabled",
    "nginx_access_log_format",
    "nginx_error_log_level",
}
BOOLEANS = {f"nginx_{key}" for key, option in schema.INPUTS.items() if option.kind == "bool"}
VARIABLES = sorted(set(DEFAULTS) - LOST - BOOLEANS - {"nginx_sites"})
SITE = {"name": "www", "server_names": ["shop.example.org"], "tls": "acme"}

# Pieces that would end a directive, a block, a string or a line of Nginx, or of Jinja.
NASTY = [
    ";", "; deny all", "}", "{", "} server {", "\n", "\r", "\0", "\t", " ", "#", '"', "'", "\\",
    "$host", "${x}", "{{ 7 * 7 }}", "{% raw %}", "\u2028", "\u0085", "\x0b", "\x0c", "=== x\n",
    "\n=== flaskops/evil.conf\n", " ssl", "*.", "_", "~", "~^(.*)$", "..", "-", "\u212a", "٣",
    "%0a",
]  # fmt: skip
words = st.lists(
    st.one_of(
        st.sampled_from(NASTY), st.sampled_from(["a", "shop", ".example.org", "8k", "80", "www"])
    ),
    max_size=4,
).map("".join)
scalars = st.one_of(
    words,
    st.text(max_size=12),
    st.integers(-(2**40), 2**40),
    st.integers(1, 65535),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=4),
    st.just(datetime.date(2026, 1, 1)),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
# Few are patterns, which neither acme nor a redirect takes.
plain_names = st.from_regex(rf"{schema.LABEL}(?:\.{schema.LABEL}){{0,3}}", fullmatch=True)
names = st.one_of(*[plain_names] * 5, st.from_regex(schema.SERVER_NAME, fullmatch=True))
labels = st.from_regex(schema.NAME, fullmatch=True)
VALID = {
    "name": labels,
    "server_names": st.lists(names, min_size=1, max_size=3),
    "redirect_from": st.lists(plain_names, max_size=2),
    "tls": st.sampled_from(schema.TLS),
    "acme_email": st.from_regex(schema.SITE["acme_email"].pattern, fullmatch=True),
    "hsts_seconds": st.integers(0, 126144000) | st.integers(0, 9).map(str),
    "http_port": st.integers(1, 65535) | st.integers(1, 65535).map(str),
    "https_port": st.integers(1, 65535),
    "header_buffer_size": st.from_regex(r"[1-9][0-9]{0,2}k", fullmatch=True),
}


def one_changed(valid):
    """A valid value with something nasty at one place."""

    def change(value, nasty, at):
        if isinstance(value, list):
            return [*value, nasty] if not value else [*value[:-1], f"{value[-1]}{nasty}"]
        text = str(value)
        return f"{text[:at]}{nasty}{text[at:]}"

    return st.builds(change, valid, st.sampled_from(NASTY), st.integers(0, 30))


def value_of(key):
    if key not in VALID:
        return anything
    return st.one_of(anything, VALID[key], one_changed(VALID[key]), st.lists(words, max_size=2))


changes = st.sampled_from(sorted(schema.SITE)).flatmap(
    lambda key: st.tuples(st.just(key), value_of(key))
)


def fitting(tls):
    """Sites without a problem, except names and ports that are there twice."""
    keys = {"redirect_from", "header_buffer_size", "http_port"}
    keys |= {"none": set(), "selfsigned": {"https_port"}}.get(
        tls, {"https_port", "acme_email", "hsts_seconds"}
    )
    first = {"name": labels, "server_names": VALID["server_names"], "tls": st.just(tls)}
    return st.fixed_dictionaries(first, optional={key: VALID[key] for key in sorted(keys)})


sites = st.sampled_from(["acme", "selfsigned", "none"]).flatmap(fitting)


def shape(text):
    """The first word of each line, and whether it is a directive or a block."""
    found = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        bare = re.sub(r'"(?:\\.|[^"\\])*"|\$\{\w+\}', "", stripped)
        marks = re.findall(r"[;{}]", bare)
        assert marks in ([";"], ["{"], ["}"]), f"more than one directive: {line!r}"
        assert "#" not in bare and "'" not in bare, line
        found.append(f"{stripped.split()[0]} {stripped[-1]}")
    return found


def rendered(site=None, **variables):
    """The files of one site, or None where the plan has problems; they name the site."""
    if site is not None:
        variables["nginx_sites"] = [site]
    inputs = {key.removeprefix("nginx_"): value for key, value in {**DEFAULTS, **variables}.items()}
    inputs["default_site_enabled"] = variables.get("nginx_default_site_enabled", False)
    problems = nginx_plan({**inputs, "directory": "/nonexistent"}, FACTS)["problems"]
    for problem in problems:
        assert problem.startswith("nginx_") and "\n" not in problem and len(problem) < 2000
    if problems:
        return None
    return render(facts=FACTS, **{"nginx_default_site_enabled": False, **variables})


def twin_of(site):
    """The same site with harmless values."""
    twin = {"name": site["name"], "server_names": ["a.example"], "tls": site.get("tls") or "none"}
    if site.get("redirect_from"):
        twin["redirect_from"] = ["b.example"]
    if site.get("header_buffer_size"):
        # The site default has the largest one, if it is larger than that of Nginx.
        twin["header_buffer_size"] = "9k" if int(site["header_buffer_size"][:-1]) > 8 else "1k"
    if site.get("hsts_seconds") is not None:
        twin["hsts_seconds"] = min(int(site["hsts_seconds"]), 1)
    for key, number in (("http_port", 80), ("https_port", 443)):
        if site.get(key) is not None:
            twin[key] = site[key] if int(site[key]) == number else number + 8000
    return twin


@SLOW
@given(site=sites, change=st.lists(changes, max_size=1) | st.lists(changes, max_size=3))
def test_any_value_of_a_site_is_refused_or_harmless(site, change):
    site |= dict(change)
    files = rendered(site)
    if files is None:
        return
    assert sorted(files) == [
        "conf.d/flaskops.conf",
        "conf.d/flaskops.types",
        *sorted(["flaskops/default.conf", f"flaskops/{site['name']}.conf"]),
        "nginx.conf",
    ]
    twin = rendered(twin_of(site))
    for path, text in files.items():
        if path.startswith("flaskops/"):
            assert shape(text) == shape(twin[path])
        else:
            assert text == twin[path]
    own = files[f"flaskops/{site['name']}.conf"]
    hosts = " ".join(dict.fromkeys(name.lower() for name in site["server_names"]))
    assert set(re.findall(r"server_name (.*);", own)) <= {
        hosts,
        " ".join(dict.fromkeys(name.lower() for name in site.get("redirect_from") or ())),
    }


def lines_without_value(text):
    """The words at the start of the lines of the main configuration, with its marks."""
    return [
        (line.split()[0], re.findall(r"[;{}]", re.sub(r'"[^"]*"', "", line)))
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith("#") and "/" not in line.split()[0]
    ]


OPTIONAL = {"client_max_body_size", "large_client_header_buffers", "set_real_ip_from", "gzip_types"}


def skeleton(text):
    """Without what a variable leaves out when it is empty."""
    return [(first, marks) for first, marks in lines_without_value(text) if first not in OPTIONAL]


VALUES = {
    "nginx_health_path": st.from_regex(r"/[a-z]{1,8}", fullmatch=True),
    "nginx_trusted_proxies": st.lists(st.ip_addresses().map(str), max_size=2),
    "nginx_gzip_types": st.lists(st.from_regex(r"[a-z]+/[a-z.+*-]+", fullmatch=True), max_size=2),
    "nginx_client_max_body_size": st.sampled_from(["", 0, "0", "1g", None]),
    "nginx_acme_directory": st.sampled_from(["letsencrypt-staging", "https://a.example/d"]),
}


def value_of_variable(key):
    nasty = st.sampled_from(NASTY).map(lambda text: f"{DEFAULTS[key]}{text}")
    usual = VALUES.get(key, st.just(DEFAULTS[key]))
    return st.one_of(anything, st.none(), st.lists(words, max_size=2), nasty, usual)


@pytest.mark.parametrize("key", VARIABLES)
@settings(SLOW, max_examples=EXAMPLES // 4)
@given(data=st.data())
def test_any_value_of_a_variable_is_refused_or_harmless(key, data):
    files = rendered(SITE, **{key: data.draw(value_of_variable(key))})
    if files is None:
        return
    usual = rendered(SITE)
    assert sorted(files) == sorted(usual)
    for path in files:
        if path.startswith("flaskops/"):
            shape(files[path])  # one directive in each line
    found, expected = skeleton(files["nginx.conf"]), skeleton(usual["nginx.conf"])
    assert found == expected
    assert not re.search(r"\bNone\b|\bTrue\b", files["nginx.conf"])


@needs_nginx
@settings(SLOW, max_examples=EXAMPLES // 4)
@given(site=sites)
def test_nginx_takes_what_is_not_refused(tmp_path_factory, site):
    files = rendered(site)
    if files is not None:
        accepted(tmp_path_factory.mktemp("nginx"), files, _pair())


@cache
def _pair():
    return certificates.self_signed(["shop.example.org"])


@pytest.mark.parametrize(
    ("text", "smuggled"),
    [
        ("listen 80;\nserver_name a;\n", False),
        ("listen 80; deny all;\n", True),
        ("location / {\n}\n", False),
        ("location / { deny all; }\n", True),
        ("server_name a } server {\n", True),
        ("server_name a # ;\n", True),
        ("server_name a\n", True),
    ],
)
def test_the_shape_sees_what_is_smuggled(text, smuggled):
    if smuggled:
        with pytest.raises(AssertionError):
            shape(text)
    else:
        assert len(shape(text)) == 2
