# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bad inputs of the role nginx, each with its message; none of them reaches a host, for the plan
fails before anything is sent.
"""

import datetime

import pytest
from test_nginx_plan import TLS_1_26, made

WWW = {"name": "www", "server_names": ["shop.example.org"], "tls": "selfsigned"}
NAME = "name must be 1 to 40 of a-z, 0-9 and -, not at the ends, for example shop"
HOST = "a host name such as shop.example.org or *.example.org"
PLAIN = "a host name such as www.example.org"
XN = " (international names in their xn-- form)"
CATCH = "must be a name; to catch every host is the job of the site default"
PORT = "the number of a port"
BUFFER = "a size such as 16k, at most 999k, or '' for Nginx's own 8k"
EMAIL = "an address such as ops@example.org, or '' for none"
TLS = "acme, provided, selfsigned or none"
DIRECTORY = "letsencrypt, letsencrypt-staging or the https address of a directory"
BUNDLE = "the absolute path of a file on the host, or '' for the authorities of the system"
PROGRAM = "the absolute path of a program on the host, such as /usr/local/bin/notify"
LEADS = f"redirect_from leads to the first of server_names, which must be {PLAIN}"
LONG = "a." * 126 + "example"


def name(value, shown, words=""):
    return ({"server_names": [value]}, f"server_names[0] must be {HOST}{words}; got {shown}.")


def aside(value, shown, words=""):
    return ({"redirect_from": [value]}, f"redirect_from[0] must be {HOST}{words}; got {shown}.")


def number(key, value, what, limit, shown):
    return ({key: value}, f"{key} must be {what}{limit}; got {shown}.")


def text(key, value, what, shown):
    return ({key: value}, f"{key} must be {what}; got {shown}.")


SITES = [
    # the names of hosts
    name("a.example; return 200", "'a.example; return 200'"),
    name("a.example { }", "'a.example { }'"),
    name("a.example\n", r"'a.example\n'"),
    name("a.example\nserver_name b", r"'a.example\nserver_name b'"),
    name("a.example\r", r"'a.example\r'"),
    name("a.example\0", r"'a.example\x00'"),
    name("a.example\t", r"'a.example\t'"),
    name(" a.example", "' a.example'"),
    name("a b", "'a b'"),
    name("a,b", "'a,b'"),
    name("", "''"),
    name("~^x", "'~^x'"),
    name("~.*", "'~.*'"),
    name("$host", "'$host'"),
    name("${host}", "'${host}'"),
    name("{{ x }}", "'{{ x }}'"),
    name("'a'", "\"'a'\""),
    name('"a"', "'\"a\"'"),
    name("a\\b", r"'a\\b'"),
    name("#", "'#'"),
    name("a#b", "'a#b'"),
    name(".example.org", "'.example.org'"),
    name("example.org.", "'example.org.'"),
    name("a..example", "'a..example'"),
    name("-a.example", "'-a.example'"),
    name("a-.example", "'a-.example'"),
    ({"server_names": ["*"]}, f"server_names[0] {CATCH}; got '*'."),
    ({"server_names": ["_"]}, f"server_names[0] {CATCH}; got '_'."),
    name("*.", "'*.'"),
    name("*.*.example.org", "'*.*.example.org'"),
    name("www.*", "'www.*'"),
    name("a*.example.org", "'a*.example.org'"),
    name("a.example:80", "'a.example:80'"),
    name("http://a.example", "'http://a.example'"),
    name("a.example/x", "'a.example/x'"),
    name("user:word@a.example", "'***@a.example'"),
    name("[::1]", "'[::1]'"),
    name("2001:db8::7", "'2001:db8::7'"),
    name("bücher.example", "'bücher.example'", XN),
    name("shop.example.or\u212a", "'shop.example.or\u212a'", XN),
    name("\u202eshop.example", r"'\u202eshop.example'", XN),
    name("٣.example", "'٣.example'", XN),
    name("x" * 64 + ".example", f"'{'x' * 64}.example'"),
    name(LONG, f"'{LONG[:120]}…'"),
    name(7, "7"),
    name(True, "True"),
    name(None, "None"),
    (
        {"server_names": [1.5]},
        "server_names[0] must be in quotes, as YAML may lose digits of a fraction: '1.5'; got 1.5.",
    ),
    name(["a.example"], "a list"),
    name({"a": 1}, "a dictionary"),
    name(b"a.example", "a value of the type bytes"),
    name(datetime.date(2026, 1, 1), "a value of the type date"),
    (
        {"server_names": ["\ud800"]},
        r"server_names[0] must be text that UTF-8 can write; got '\ud800'.",
    ),
    ({"server_names": "a.example"}, "server_names must be a list; got 'a.example'."),
    ({"server_names": {"a": 1}}, "server_names must be a list; got a dictionary."),
    ({"server_names": 7}, "server_names must be a list; got 7."),
    ({"server_names": []}, f"server_names is an empty list; write {HOST}."),
    (
        {"server_names": None},
        "server_names is missing; write server_names: a list of host names, for example"
        " [shop.example.org]",
    ),
    (
        {"server_names": ["a.example", "A.EXAMPLE"]},
        "server_names: a.example is there twice; leave one out.",
    ),
    # redirects
    aside("a; }", "'a; }'"),
    aside("a\n", r"'a\n'"),
    aside("$host", "'$host'"),
    aside("", "''"),
    aside("http://old.example", "'http://old.example'"),
    aside("öl.example", "'öl.example'", XN),
    (
        {"redirect_from": ["*.old.example"]},
        f"redirect_from[0] must be {PLAIN}; got '*.old.example'.",
    ),
    ({"redirect_from": ["*"]}, f"redirect_from[0] must be {PLAIN}; got '*'."),
    ({"redirect_from": ["_"]}, f"redirect_from[0] {CATCH}; got '_'."),
    ({"redirect_from": [7]}, f"redirect_from[0] must be {PLAIN}; got 7."),
    ({"redirect_from": "old.example"}, "redirect_from must be a list; got 'old.example'."),
    ({"redirect_from": True}, "redirect_from must be a list; got True."),
    (
        {"redirect_from": ["Shop.Example.Org"]},
        "redirect_from: shop.example.org is there twice; leave one out.",
    ),
    (
        {"redirect_from": ["a.example", "a.example"]},
        "redirect_from: a.example is there twice; leave one out.",
    ),
    (
        {"redirect_from": ["a.example"], "server_names": ["*.example.org"]},
        f"{LEADS}; got '*.example.org'.",
    ),
    ({"redirect_from": ["a.example"], "server_names": ["localhost"]}, f"{LEADS}; got 'localhost'."),
    ({"redirect_from": ["a.example"], "server_names": ["_a.b"]}, f"{LEADS}; got '_a.b'."),
    # where the certificate comes from
    text("tls", "letsencrypt", TLS, "'letsencrypt'"),
    text("tls", "ACME", TLS, "'ACME'"),
    text("tls", "", TLS, "''"),
    text("tls", "acme ", TLS, "'acme '"),
    ({"tls": True}, "tls must be a string in quotes; got True."),
    ({"tls": ["acme"]}, "tls must be a string in quotes; got a list."),
    ({"tls": {"kind": "acme"}}, "tls must be a string in quotes; got a dictionary."),
    (
        {"tls": "acme", "server_names": ["*.example.org"]},
        "server_names must be names without * for tls: acme; got '*.example.org'. Write each name,"
        " or use tls: provided with a certificate for all of them.",
    ),
    (
        {"tls": "acme", "server_names": ["192.0.2.7"]},
        "server_names must be host names for TLS; got the address '192.0.2.7', for which"
        " clients send no name. Write a name, or tls: none.",
    ),
    (
        {"tls": "acme", "redirect_from": ["192.0.2.7"]},
        "server_names must be host names for TLS; got the address '192.0.2.7', for which"
        " clients send no name. Write a name, or tls: none.",
    ),
    (
        {"certificate": "/x.pem"},
        "certificate is for tls: provided; got tls: selfsigned. Leave one out.",
    ),
    (
        {"certificate_key": "/x.pem"},
        "certificate_key is for tls: provided; got tls: selfsigned. Leave one out.",
    ),
    (
        {"tls": "provided", "certificate": "/x.pem"},
        "certificate_key is missing; with tls: provided, write certificate_key: a file on the"
        " controller, or its text.",
    ),
    (
        {"tls": "provided", "certificate_key": "/x.pem"},
        "certificate is missing; with tls: provided, write certificate: a file on the controller,"
        " or its text.",
    ),
    (
        {"tls": "provided", "certificate": ["hunter2"], "certificate_key": "/x.pem"},
        "certificate must be a string in quotes; its value is hidden.",
    ),
    (
        {"tls": "provided", "certificate": "/x.pem", "certificate_key": True},
        "certificate_key must be a string in quotes; its value is hidden.",
    ),
    (
        {"tls": "provided", "certificate": "/no.pem", "certificate_key": "/no.key"},
        "certificate must be a file that can be read on the controller; got '/no.pem' (No such file"
        " or directory). Relative paths start at the playbook.",
    ),
    (
        {"tls": "provided", "certificate": "hunter2\n", "certificate_key": "/no.key"},
        "certificate must be the path of a file on the controller, or a PEM text, which begins with"
        " -----BEGIN; its value is hidden.",
    ),
    (
        {"tls": "provided", "certificate": "-----BEGIN x", "certificate_key": "hunter2"},
        "certificate_key must be a file that can be read on the controller; its value is hidden (No"
        " such file or directory). Relative paths start at the playbook.",
    ),
    # the account
    *(
        ({"tls": "acme", "acme_email": value}, f"acme_email must be {EMAIL}; got {shown}.")
        for value, shown in (
            ("ops", "'ops'"),
            ("@example.org", "'***@example.org'"),
            ("ops@", "'***@'"),
            ("ops@example", "'***@example'"),
            ("ops@exa mple.org", "'***@exa mple.org'"),
            ("ops@example.org\n", r"'***@example.org\n'"),
            ("a@b@example.org", "'***@example.org'"),
            ("--staging", "'--staging'"),
            ("Ops <ops@example.org>", "'***@example.org>'"),
            (["ops@example.org"], "a list"),
            (True, "True"),
        )
    ),
    (
        {"acme_email": "ops@example.org"},
        "acme_email is for tls: acme; got tls: selfsigned. Leave one out.",
    ),
    # numbers
    number("http_port", 0, PORT, ", at least 1", "0"),
    number("http_port", -1, PORT, ", at least 1", "-1"),
    number("http_port", 65536, PORT, ", at most 65535", "65536"),
    number("http_port", "80; x", PORT, "", "'80; x'"),
    number("http_port", "80 default_server", PORT, "", "'80 default_server'"),
    number("http_port", "80\n", PORT, "", r"'80\n'"),
    number("http_port", "٨٠", PORT, "", "'٨٠'"),
    number("http_port", "0x50", PORT, "", "'0x50'"),
    number("http_port", "", PORT, "", "''"),
    number("http_port", 80.0, PORT, "", "80.0"),
    number("http_port", float("nan"), PORT, "", "nan"),
    number("http_port", True, PORT, "", "True"),
    number("http_port", [80], PORT, "", "a list"),
    number("https_port", 0, PORT, ", at least 1", "0"),
    number("https_port", 70000, PORT, ", at most 65535", "70000"),
    number("https_port", "443 ssl", PORT, "", "'443 ssl'"),
    number("https_port", "unix:/x", PORT, "", "'unix:/x'"),
    number("https_port", {"a": 1}, PORT, "", "a dictionary"),
    ({"https_port": 80}, "https_port 80 is the http_port of www; a port speaks one of both."),
    ({"http_port": 443}, "https_port 443 is the http_port of www; a port speaks one of both."),
    (
        {"https_port": 80, "http_port": 81},
        "https_port 80 is the http_port of the site default (nginx_http_port); a port speaks one of"
        " both.",
    ),
    *(
        (
            {"tls": "acme", "hsts_seconds": value},
            f"hsts_seconds must be a number of seconds{limit}; got {shown}.",
        )
        for value, limit, shown in (
            (-1, ", at least 0", "-1"),
            (126144001, ", at most 126144000", "126144001"),
            ("1y", "", "'1y'"),
            ('1"; x', "", "'1\"; x'"),
            (True, "", "True"),
            (1.5, "", "1.5"),
            (10**5000, "", "a huge number"),
        )
    ),
    (
        {"hsts_seconds": 9},
        "hsts_seconds is for tls: acme or provided; got tls: selfsigned. Browsers would refuse the"
        " site.",
    ),
    text("header_buffer_size", "32", BUFFER, "'32'"),
    text("header_buffer_size", "32K", BUFFER, "'32K'"),
    text("header_buffer_size", "1m", BUFFER, "'1m'"),
    text("header_buffer_size", "8k; x", BUFFER, "'8k; x'"),
    text("header_buffer_size", "8k\n", BUFFER, r"'8k\n'"),
    text("header_buffer_size", 16, BUFFER, "16"),
    text("header_buffer_size", [], BUFFER, "a list"),
    # keys
    (
        {"server_name": "x"},
        "'server_name' is not a known key (its value is hidden); did you mean 'server_names'?",
    ),
    ({"cert": "x"}, None),
    ({"ssl": True}, None),
    ({7: "x"}, None),
    ({None: "x"}, None),
    ({"extra": "} server {"}, None),
]
UNKNOWN = (
    " is not a known key (its value is hidden); allowed are acme_email, certificate,"
    " certificate_key, header_buffer_size, hsts_seconds, http_port, https_port, name,"
    " redirect_from, server_names, tls."
)


@pytest.mark.parametrize(("change", "message"), SITES)
def test_a_bad_site_is_refused_with_its_message(change, message):
    result = made(TLS_1_26, [{**WWW, **change}])
    if message is None:
        (key,) = change
        message = f"{key!r}{UNKNOWN}"
    assert result["problems"] == [f"nginx_sites: www: {message}"]
    assert "hunter2" not in result["message"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Shop", "'Shop'"),
        ("shop!", "'shop!'"),
        ("", "''"),
        ("-shop", "'-shop'"),
        ("shop-", "'shop-'"),
        ("a.b", "'a.b'"),
        ("a/b", "'a/b'"),
        ("..", "'..'"),
        ("../x", "'../x'"),
        ("a b", "'a b'"),
        ("shop\n", r"'shop\n'"),
        ("shop\0", r"'shop\x00'"),
        ("a_b", "'a_b'"),
        ("größe", "'größe'"),
        ("x" * 41, f"'{'x' * 41}'"),
        ("a;b", "'a;b'"),
        ("$a", "'$a'"),
        ("*", "'*'"),
        (7, "7"),
        (True, "True"),
        (["www"], "a list"),
        (b"www", "a value of the type bytes"),
    ],
)
def test_a_bad_name_of_a_site_is_refused(value, shown):
    assert made(TLS_1_26, [{**WWW, "name": value}])["problems"] == [
        f"nginx_sites[0]: {NAME}; got {shown}."
    ]


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (
            "www",
            "nginx_sites must be a list of dictionaries with name and server_names; got 'www'.",
        ),
        (None, "nginx_sites must be a list of dictionaries with name and server_names; got None."),
        (7, "nginx_sites must be a list of dictionaries with name and server_names; got 7."),
        (
            {"name": "www"},
            "nginx_sites must be a list of dictionaries with name and server_names; got a"
            " dictionary.",
        ),
        (["www"], "nginx_sites[0] must be a dictionary with name and server_names; got 'www'."),
        ([None], "nginx_sites[0] must be a dictionary with name and server_names; got None."),
        ([WWW, []], "nginx_sites[1] must be a dictionary with name and server_names; got a list."),
        (
            [{"name": "default"}],
            "nginx_sites: default: server_names is missing; write server_names: a list of host"
            " names, for example [shop.example.org]",
        ),
        (
            [{**WWW, "name": None}],
            "nginx_sites[0]: name is missing; write name: 1 to 40 of a-z, 0-9 and -, not at the"
            " ends, for example shop",
        ),
        (
            [WWW, WWW],
            "nginx_sites: www: 2 entries have this name; names must differ.",
        ),
        (
            [WWW, {**WWW, "name": "b", "tls": "none"}],
            "nginx_sites: b: server_names: shop.example.org belongs to the site www already (port"
            " 80); a name leads to one site.",
        ),
        (
            [WWW, {"name": "b", "server_names": ["b.example"], "http_port": 443}],
            "nginx_sites: www: https_port 443 is the http_port of b; a port speaks one of both.",
        ),
    ],
)
def test_a_bad_list_of_sites_is_refused(sites, message):
    assert made(TLS_1_26, sites)["problems"] == [message]


VARIABLES = [
    *(
        (key, value, f"{PORT}{limit}; got {shown}.")
        for key in ("http_port", "https_port")
        for value, limit, shown in (
            (0, ", at least 1", "0"),
            (65536, ", at most 65535", "65536"),
            ("80 ssl", "", "'80 ssl'"),
            ("", "", "''"),
            (None, "", "None"),
            (True, "", "True"),
            ("127.0.0.1:80", "", "'127.0.0.1:80'"),
        )
    ),
    *(
        ("tls_profile", value, f"{what}; got {shown}.")
        for value, what, shown in (
            ("old", "intermediate or modern", "'old'"),
            ("Modern", "intermediate or modern", "'Modern'"),
            ("", "intermediate or modern", "''"),
            (None, "a string in quotes", "None"),
            (["modern"], "a string in quotes", "a list"),
            ("modern;", "intermediate or modern", "'modern;'"),
        )
    ),
    *(
        ("hsts_seconds", value, f"a number of seconds{limit}; got {shown}.")
        for value, limit, shown in (
            (-1, ", at least 0", "-1"),
            (126144001, ", at most 126144000", "126144001"),
            ("1d", "", "'1d'"),
            ("max-age=1", "", "'max-age=1'"),
            (None, "", "None"),
            (True, "", "True"),
        )
    ),
    *(
        ("acme_email", value, f"{EMAIL}; got {shown}.")
        for value, shown in (
            ("ops", "'ops'"),
            ("ops@example.org --staging", "'***@example.org --staging'"),
            ("-m@", "'***@'"),
            (7, "7"),
            (["a@example.org"], "a list"),
        )
    ),
    *(
        ("acme_directory", value, f"{DIRECTORY}; got {shown}.")
        for value, shown in (
            ("", "''"),
            ("Letsencrypt", "'Letsencrypt'"),
            ("zerossl", "'zerossl'"),
            ("http://ca.example.org/dir", "'http://ca.example.org/dir'"),
            ("https://", "'https://'"),
            ("https:///dir", "'https:///dir'"),
            ("https://ca.example.org/a b", "'https://ca.example.org/a b'"),
            ("https://ca.example.org/\n", r"'https://ca.example.org/\n'"),
            ("https://ca.example.org/$(id)", "'https://ca.example.org/$(id)'"),
            ("https://user:word@ca.example.org/", "'https://***@ca.example.org/'"),
            ("file:///etc/passwd", "'file:///etc/passwd'"),
            (" https://ca.example.org/", "' https://ca.example.org/'"),
            ("--server", "'--server'"),
        )
    ),
    *(
        (
            "acme_directory",
            value,
            f"letsencrypt, letsencrypt-staging or the address of a directory; got {shown}.",
        )
        for value, shown in ((None, "None"), (True, "True"), ([], "a list"))
    ),
    *(
        ("acme_ca_bundle", value, f"{BUNDLE}; got {shown}.")
        for value, shown in (
            ("ca.pem", "'ca.pem'"),
            ("~/ca.pem", "'~/ca.pem'"),
            ("/a;b", "'/a;b'"),
            ("/a\n", r"'/a\n'"),
            ("/a\0b", r"'/a\x00b'"),
            ("/$HOME/a", "'/$HOME/a'"),
            ("https://a/ca.pem", "'https://a/ca.pem'"),
            (True, "True"),
            (["/a"], "a list"),
        )
    ),
    *(
        ("notify", value, f"{PROGRAM}; got {shown}.")
        for value, shown in (
            ("notify", "'notify'"),
            ("~/notify", "'~/notify'"),
            ("/usr/bin/notify --all", "'/usr/bin/notify --all'"),
            ("/a;b", "'/a;b'"),
            ("/a/../b", "'/a/../b'"),
            ("/a\n", r"'/a\n'"),
            ("/a/", "'/a/'"),
            ("https://a/b", "'https://a/b'"),
            (True, "True"),
            (["/a"], "a list"),
        )
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), VARIABLES)
def test_a_bad_variable_is_refused_with_its_message(key, value, message):
    result = made(TLS_1_26, [{**WWW, "tls": "acme"}], **{key: value})
    assert result["problems"] == [f"nginx_{key} must be {message}"]


def test_the_table_is_long():
    assert len(SITES) + len(VARIABLES) >= 150
    assert len({message for _change, message in SITES}) > 100
