"""The inputs of the nginx role and the reasons to refuse a host, with the exact messages."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import pytest
import test_provided
import yaml
from ansible_collections.flaskops.host.plugins.filter import nginx as filters
from ansible_collections.flaskops.host.plugins.module_utils.nginx import plan as _nginx_plan
from ansible_collections.flaskops.host.plugins.module_utils.nginx import schema

ROLE = Path(__file__).resolve().parents[2] / "roles/nginx"
INPUTS = {
    "manage": True,
    "sites": [],
    "default_site_enabled": True,
    "required_sites": ["default"],
    "http_port": 80,
    "https_port": 443,
    "tls_profile": "intermediate",
    "hsts_seconds": 86400,
    "acme_email": "",
    "acme_client": "distribution",
    "acme_directory": "letsencrypt",
    "acme_ca_bundle": "",
    "notify": "",
    "ipv6": "auto",
    "health_path": "/healthz",
    "trusted_proxies": [],
    "user": "www-data",
    "worker_processes": "auto",
    "worker_connections": 4096,
    "worker_rlimit_nofile": 16384,
    "worker_shutdown_timeout_seconds": 30,
    "required_shutdown_timeout_seconds": 0,
    "header_buffer_size": "",
    "client_max_body_size": "16m",
    "keepalive_timeout_seconds": 65,
    "keepalive_requests": 1000,
    "gzip_level": 5,
    "gzip_min_length_bytes": 256,
    "gzip_types": ["text/css"],
    "replace_main_config": False,
    "replace_default_site": False,
}
BARE = {
    "administrator": True,
    "boot_guard": "missing",
    "conf_d_included": False,
    "configuration_error": "",
    "default_sites": [],
    "directories": [],
    "distribution": {"id": "debian", "name": "Debian GNU/Linux 13 (trixie)", "version": "13"},
    "files": {},
    "foreign": [],
    "group": "www-data",
    "gzip_static": True,
    "included_sites": [],
    "installed": False,
    "ipv6": True,
    "log_rotation": {"by": "nobody", "installed": False, "sha256": ""},
    "main_config": {"state": "absent", "content": ""},
    "master_pid": None,
    "namespace_error": "",
    "openssl": None,
    "port_holders": [],
    "reload_pending": False,
    "running": False,
    "service": "",
    "user": "www-data",
    "version": None,
}
FRESH = {
    **BARE,
    "conf_d_included": True,
    "default_sites": [{"path": "sites-enabled/default", "state": "untouched", "content": ""}],
    "installed": True,
    "log_rotation": {"by": "theirs", "installed": True, "sha256": ""},
    "main_config": {"state": "untouched", "content": ""},
    "running": True,
    "service": "enabled",
    "version": "1.26.3",
}


def plan(facts=None, rendered="", **inputs):
    return filters.nginx_plan({**INPUTS, **inputs}, copy.deepcopy(facts), rendered)


def test_a_bare_host_gets_everything():
    result = plan(BARE)
    assert result["problems"] == []
    assert result["packages"] == ["nginx", "logrotate"]
    assert (result["start"], result["enable"], result["rotate_logs"]) == (True, True, False)
    assert result["directories"] == ["flaskops", "flaskops/default"]
    assert result["absent"] == ["sites-enabled/default", "conf.d/default.conf"]


def test_the_site_default_is_alone_on_a_fresh_host():
    result = plan(FRESH)
    assert (
        result["problems"] == []
        and result["packages"] == []
        and not result["start"]
        and not result["enable"]
    )
    assert result["sites"] == [
        {
            "name": "default",
            "catch_all": True,
            "enabled": True,
            "server_names": ["_"],
            "ports": [80],
            "listens": ["80 default_server", "[::]:80 default_server"],
            "header_buffer_size": "",
            "plain_listens": [],
            "redirect_from": [],
            "redirect_listens": [],
            "origin": "",
            "https_port_shown": "",
            "tls": [],
            "hsts_seconds": 0,
            "challenges": False,
            "reject_listens": [],
            "reject": "",
        }
    ]


def test_the_catch_all_answers_on_every_port():
    sites = [
        {"name": "shop", "server_names": ["Shop.Example.org"], "http_port": "8080"},
        {"name": "blog", "server_names": ["*.blog.example.org"]},
    ]
    result = plan({**FRESH, "ipv6": False}, sites=sites, default_site_enabled=False)
    assert result["problems"] == []
    assert [(site["name"], site["listens"], site["server_names"]) for site in result["sites"]] == [
        ("default", ["80 default_server", "8080 default_server"], ["_"]),
        ("shop", ["8080"], ["shop.example.org"]),
        ("blog", ["80"], ["*.blog.example.org"]),
    ]
    assert result["ports"] == [80, 8080]


@pytest.mark.parametrize(("ipv6", "host", "expected"), [
    ("auto", True, True), ("auto", False, False), ("enabled", False, True),
    ("disabled", True, False),
])  # fmt: skip
def test_ipv6_follows_the_setting_and_the_host(ipv6, host, expected):
    assert plan({**FRESH, "ipv6": host}, ipv6=ipv6)["host"]["ipv6"] is expected


BUFFER = "a size such as 16k, at most 999k, or '' for Nginx's own 8k"
NAME = "1 to 40 of a-z, 0-9 and -, not at the ends, for example shop"
HOST = "a host name such as shop.example.org or *.example.org"
SHOP = {"name": "shop", "server_names": ["shop.example.org"]}


@pytest.mark.parametrize(
    ("sites", "messages"),
    [
        (
            "shop",
            ["nginx_sites must be a list of dictionaries with name and server_names; got 'shop'."],
        ),
        (["shop"], ["nginx_sites[0] must be a dictionary with name and server_names; got 'shop'."]),
        (
            [{"server_names": ["a.example"]}],
            [f"nginx_sites[0]: name is missing; write name: {NAME}"],
        ),
        (
            [{"name": "Shop!", "server_names": ["a.example"]}],
            [f"nginx_sites[0]: name must be {NAME}; got 'Shop!'."],
        ),
        (
            [{"name": "default"}],
            [
                "nginx_sites: default: server_names is missing; write server_names: a list of host"
                " names, for example [shop.example.org]"
            ],
        ),
        (
            [SHOP, {"name": "shop", "server_names": ["b.example"]}],
            ["nginx_sites: shop: 2 entries have this name; names must differ."],
        ),
        (
            [{**SHOP, "servername": "x", "ssl": True}],
            [
                (
                    "nginx_sites: shop: 'servername' is not a known key (its value is hidden); did"
                    " you mean 'server_names'?"
                ),
                (
                    "nginx_sites: shop: 'ssl' is not a known key (its value is hidden); allowed are"
                    " acme_email, certificate, certificate_key, header_buffer_size, hsts_seconds,"
                    " http_port, https_port, name, redirect_from, server_names, tls."
                ),
            ],
        ),
        (
            [{"name": "shop"}],
            [
                "nginx_sites: shop: server_names is missing; write server_names: a list of host"
                " names, for example [shop.example.org]"
            ],
        ),
        (
            [{"name": "shop", "server_names": []}],
            [
                "nginx_sites: shop: server_names is an empty list; write a host name such as"
                " shop.example.org or *.example.org."
            ],
        ),
        (
            [{"name": "shop", "server_names": "a.example"}],
            ["nginx_sites: shop: server_names must be a list; got 'a.example'."],
        ),
        (
            [
                {
                    "name": "shop",
                    "server_names": [
                        "a.example; return 200",
                        "~^x",
                        "$host",
                        "bücher.example",
                        7,
                        "_",
                    ],
                }
            ],
            [
                f"nginx_sites: shop: server_names[0] must be {HOST}; got 'a.example; return 200'.",
                f"nginx_sites: shop: server_names[1] must be {HOST}; got '~^x'.",
                f"nginx_sites: shop: server_names[2] must be {HOST}; got '$host'.",
                (
                    f"nginx_sites: shop: server_names[3] must be {HOST} (international names in"
                    " their xn-- form); got 'bücher.example'."
                ),
                f"nginx_sites: shop: server_names[4] must be {HOST}; got 7.",
                (
                    "nginx_sites: shop: server_names[5] must be a name; to catch every host is the"
                    " job of the site default; got '_'."
                ),
            ],
        ),
        (
            [{"name": "shop", "server_names": ["a.example", "A.example"]}],
            ["nginx_sites: shop: server_names: a.example is there twice; leave one out."],
        ),
        (
            [SHOP, {"name": "blog", "server_names": ["SHOP.example.org"]}],
            [
                "nginx_sites: blog: server_names: shop.example.org belongs to the site shop already"
                " (port 80); a name leads to one site."
            ],
        ),
        ([SHOP, {"name": "blog", "server_names": ["shop.example.org"], "http_port": 81}], []),
        (
            [{**SHOP, "http_port": 70000}],
            [
                "nginx_sites: shop: http_port must be the number of a port, at most 65535; got"
                " 70000."
            ],
        ),
        (
            [
                {**SHOP, "http_port": 81, "ssl": True},
                {"name": "blog", "server_names": ["shop.example.org"]},
            ],
            [
                (
                    "nginx_sites: shop: 'ssl' is not a known key (its value is hidden); allowed are"
                    " acme_email, certificate, certificate_key, header_buffer_size, hsts_seconds,"
                    " http_port, https_port, name, redirect_from, server_names, tls."
                ),
            ],
        ),
        ([{**SHOP, "header_buffer_size": "32k"}], []),
        (
            [{**SHOP, "header_buffer_size": "32k; deny all"}],
            [f"nginx_sites: shop: header_buffer_size must be {BUFFER}; got '32k; deny all'."],
        ),
        (
            [{**SHOP, "http_port": True}],
            ["nginx_sites: shop: http_port must be the number of a port; got True."],
        ),
    ],
)
def test_invalid_sites_are_refused(sites, messages):
    assert plan(sites=sites)["problems"] == messages


@pytest.mark.parametrize(
    "name", ["a.example\n", "a.example\n;", "", "-a.example", "a..example", "a.example.", "*"]
)
def test_names_that_nginx_would_misread_are_refused(name):
    assert len(plan(sites=[{"name": "shop", "server_names": [name]}])["problems"]) == 1


@pytest.mark.parametrize(
    ("inputs", "messages"),
    [
        ({"http_port": "80"}, []),
        ({"http_port": 0}, ["nginx_http_port must be the number of a port, at least 1; got 0."]),
        (
            {"worker_processes": "many"},
            ["nginx_worker_processes must be auto or a number of processes; got 'many'."],
        ),
        (
            {"user": "root;"},
            ["nginx_user must be the name of a user of the system, such as www-data; got 'root;'."],
        ),
        (
            {"client_max_body_size": "16 MB"},
            [
                (
                    "nginx_client_max_body_size must be a size such as 16m, 0 for no limit, or ''"
                    " to leave it out; got '16 MB'."
                )
            ],
        ),
        ({"client_max_body_size": ""}, []),
        ({"header_buffer_size": "32k"}, []),
        *(
            (
                {"header_buffer_size": value},
                [f"nginx_header_buffer_size must be {BUFFER}; got {shown}."],
            )
            for value, shown in (
                ("32", "'32'"),
                ("0k", "'0k'"),
                ("1000k", "'1000k'"),
                ("4 32k", "'4 32k'"),
                ("1m", "'1m'"),
                (True, "True"),
            )
        ),
        ({"client_max_body_size": 0}, []),
        (
            {"health_path": "health"},
            ["nginx_health_path must be a path such as /healthz, or '' for none; got 'health'."],
        ),
        (
            {"health_path": "/a {"},
            ["nginx_health_path must be a path such as /healthz, or '' for none; got '/a {'."],
        ),
        (
            {"health_path": "/healthz\n"},
            [
                (
                    "nginx_health_path must be a path such as /healthz, or '' for none; got"
                    " '/healthz\\n'."
                )
            ],
        ),
        ({"health_path": ""}, []),
        ({"gzip_level": 11}, ["nginx_gzip_level must be a whole number, at most 9; got 11."]),
        ({"gzip_types": "text/css"}, ["nginx_gzip_types must be a list; got 'text/css'."]),
        (
            {"gzip_types": ["css;"]},
            ["nginx_gzip_types[0] must be a media type such as text/css; got 'css;'."],
        ),
        (
            {"worker_connections": 10000},
            [
                "nginx_worker_rlimit_nofile must be at least 20000, twice"
                " nginx_worker_connections, for a proxied request needs two"
                " files; got 16384."
            ],
        ),
        (
            {"required_sites": ["shop"]},
            ["nginx_required_sites: no site 'shop'; defined sites: default."],
        ),
        ({"required_sites": "default"}, ["nginx_required_sites must be a list; got 'default'."]),
    ],
)
def test_invalid_settings_are_refused(inputs, messages):
    assert plan(**inputs)["problems"] == messages


def test_all_problems_are_reported_together():
    result = plan({**BARE, "administrator": False}, sites=["x"], user="", http_port=-1)
    assert len(result["problems"]) == 4
    assert result["message"] == "\n".join(result["problems"])


REFUSALS = [
    (
        {"administrator": False},
        {},
        "nginx: the tasks do not run as root on this host; add become: true to the play.",
    ),
    (
        {"namespace_error": "unshare: unshare failed: Operation not permitted"},
        {},
        (
            "nginx: this host refuses a private mount namespace, in which every change of the Nginx"
            " configuration is tested (unshare: unshare failed: Operation not permitted). In a"
            " container give it CAP_SYS_ADMIN (--cap-add SYS_ADMIN)."
        ),
    ),
    (
        {"distribution": {"id": "fedora", "version": "43", "name": "Fedora Linux 43"}},
        {},
        (
            "nginx: this host runs Fedora Linux 43, which is not supported; supported are Debian"
            " 12, 13; Ubuntu 22.04, 24.04, 26.04. With nginx_manage: false your own Nginx is"
            " used."
        ),
    ),
    (
        {"service": "masked"},
        {},
        (
            "nginx: the service is masked on this host; run `systemctl unmask nginx`, or set"
            " nginx_manage: false."
        ),
    ),
    (
        {"port_holders": [{"port": 80, "program": "apache2", "pid": 123}]},
        {},
        (
            "nginx: port 80 is held by apache2 (process 123); stop it, or choose another port with"
            " nginx_http_port."
        ),
    ),
    (
        {"main_config": {"state": "changed", "content": "user nobody;\nevents {}\n"}},
        {"rendered": "user www-data;\nevents {}\n"},
        (
            "nginx: /etc/nginx/nginx.conf was changed by somebody and would be replaced:\n    ---"
            " nginx.conf (on the host)\n    +++ nginx.conf (ours)\n    @@ -1,2 +1,2 @@\n    -user"
            " nobody;\n    +user www-data;\n     events {}\n  Set nginx_replace_main_config: true"
            " to replace it (a copy is kept in /var/backups/flaskops/nginx), or nginx_manage: false"
            " to keep your own."
        ),
    ),
    (
        {"foreign": [{"path": "sites-enabled/shop", "default_ports": []}]},
        {},
        (
            "nginx: /etc/nginx/nginx.conf would be replaced under somebody else's configuration"
            " (sites-enabled/shop). Set nginx_replace_main_config: true if they may run under ours"
            " (they stay as they are and included), or nginx_manage: false to keep your own."
        ),
    ),
    (
        {
            "default_sites": [
                {
                    "path": "sites-enabled/default",
                    "state": "changed",
                    "content": "# c\n\nserver {}\n",
                }
            ]
        },
        {},
        (
            "nginx: /etc/nginx/sites-enabled/default is not the distribution's default site any"
            " more and would be switched off:\n    server {}\n  Set nginx_replace_default_site:"
            " true to switch it off (a copy of a file is kept in /var/backups/flaskops/nginx), or"
            " rename it."
        ),
    ),
    (
        {
            "foreign": [{"path": "conf.d/x.conf", "default_ports": [80, 443]}],
            "main_config": {"state": "ours"},
        },
        {},
        (
            "nginx: /etc/nginx/conf.d/x.conf is the default server of port 80, and so is our site"
            " default; Nginx starts with one only. Take default_server away from its listen line,"
            " or choose another port with nginx_http_port."
        ),
    ),
    (
        {"configuration_error": '[emerg] unknown directive "x" in /etc/nginx/conf.d/x.conf:1'},
        {},
        (
            "nginx: the configuration on this host is refused by Nginx:\n    [emerg] unknown"
            ' directive "x" in /etc/nginx/conf.d/x.conf:1\n  Fix or move what it names (`nginx -t`'
            " shows it), then run again."
        ),
    ),
]


@pytest.mark.parametrize(("facts", "inputs", "message"), REFUSALS)
def test_unsupported_hosts_are_refused(facts, inputs, message):
    assert plan({**FRESH, **facts}, **inputs)["problems"] == [message]


@pytest.mark.parametrize(
    ("facts", "inputs"),
    [
        ({"main_config": {"state": "changed", "content": "x"}}, {"replace_main_config": True}),
        (
            {"foreign": [{"path": "sites-enabled/shop", "default_ports": []}]},
            {"replace_main_config": True},
        ),
        (
            {
                "foreign": [{"path": "sites-enabled/shop", "default_ports": [8080]}],
                "main_config": {"state": "ours"},
            },
            {},
        ),
        (
            {
                "default_sites": [
                    {"path": "sites-enabled/default", "state": "changed", "content": "x"}
                ]
            },
            {"replace_default_site": True},
        ),
        ({"configuration_error": "[emerg] x in /etc/nginx/sites-enabled/default:2"}, {}),
        ({"configuration_error": "[emerg] x in /etc/nginx/nginx.conf:2"}, {}),
        (
            {
                "configuration_error": (
                    "[emerg] socket() [::]:80 failed (97: Address family not supported)"
                )
            },
            {},
        ),
        (
            {
                "configuration_error": "[emerg] x in /etc/nginx/flaskops/default.conf:2",
                "files": {"flaskops/default.conf": {"sha256": "", "mode": "0644"}},
            },
            {},
        ),
        ({"distribution": {"id": "ubuntu", "version": "26.04", "name": "Ubuntu"}}, {}),
    ],
)
def test_supported_hosts_are_accepted(facts, inputs):
    assert plan({**FRESH, **facts}, **inputs)["problems"] == []


def test_a_site_that_is_no_longer_listed_is_removed():
    files = {
        name: {"sha256": "", "mode": "0644"}
        for name in (
            "nginx.conf",
            "conf.d/flaskops.conf",
            "flaskops/default.conf",
            "flaskops/old.conf",
        )
    }
    assert "flaskops/old.conf" in plan({**FRESH, "files": files})["absent"]
    assert "flaskops/default.conf" not in plan({**FRESH, "files": files})["absent"]


@pytest.mark.parametrize(("found", "wanted"), [("missing", True), ("ours", False), ("none", False)])
def test_the_start_is_guarded_with_systemd(found, wanted):
    assert plan({**FRESH, "boot_guard": found})["boot_guard"] is wanted


def test_the_role_rotates_logs_only_if_nothing_else_does():
    assert plan({**FRESH, "log_rotation": {"by": "nobody", "installed": True}})["rotate_logs"]
    assert plan({**FRESH, "log_rotation": {"by": "ours", "installed": True}})["rotate_logs"]
    assert not plan(FRESH)["rotate_logs"]


OWN = {**FRESH, "included_sites": ["default"]}


def test_an_unmanaged_nginx_is_only_checked():
    result = plan(OWN, manage=False)
    assert result["problems"] == []
    assert (result["packages"], result["absent"], result["start"], result["enable"]) == (
        [],
        [],
        False,
        False,
    )
    assert result["site_names"] == ["default"] and result["sites"] == [] and result["ports"] == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"installed": False},
            (
                "nginx: nginx_manage is false and Nginx is not installed on this host"
                " (/usr/sbin/nginx); install it, or set nginx_manage: true."
            ),
        ),
        (
            {"running": False},
            "nginx: nginx_manage is false and Nginx does not run on this host; start it.",
        ),
        (
            {"gzip_static": False},
            (
                "nginx: this Nginx was built without --with-http_gzip_static_module, which static"
                " files need (`nginx -V` shows it); the packages of Debian, Ubuntu and nginx.org"
                " have it."
            ),
        ),
        (
            {"included_sites": []},
            (
                "nginx: no server block includes the applications of the site default; add this"
                " line to the server block that is to serve them (`nginx -T` shows where it is):\n "
                "   include /etc/nginx/flaskops/default/*.conf;"
            ),
        ),
        (
            {"conf_d_included": False},
            (
                "nginx: nothing includes /etc/nginx/conf.d/flaskops.conf; add this line to the http"
                " block of /etc/nginx/nginx.conf:\n    include /etc/nginx/conf.d/*.conf;"
            ),
        ),
        (
            {"configuration_error": "[emerg] a\n[emerg] b"},
            (
                "nginx: the configuration on this host is refused by Nginx:\n    [emerg] a\n   "
                " [emerg] b\n  Fix or move what it names (`nginx -t` shows it), then run again."
            ),
        ),
    ],
)
def test_an_unmanaged_nginx_that_lacks_something_is_refused(facts, message):
    assert plan({**OWN, **facts}, manage=False)["problems"] == [message]


@pytest.mark.parametrize(
    ("keys", "hsts", "port"),
    [
        ({}, '    set $flaskops_hsts "max-age=86400";\n', ""),
        ({"hsts_seconds": 300}, '    set $flaskops_hsts "max-age=300";\n', ""),
        ({"tls": "selfsigned", "https_port": 8443}, "", ":8443"),
    ],
)
def test_the_message_has_all_lines_that_an_unmanaged_site_with_tls_needs(keys, hsts, port):
    site = {"name": "www", "server_names": ["shop.example.org"], "tls": "acme", **keys}
    given = {"manage": False, "sites": [site], "required_sites": ["www"]}
    assert plan(OWN, **given)["problems"] == [
        "nginx: no server block includes the applications of the site www; add to the server block"
        " that has the certificate of shop.example.org (`nginx -T` shows where it is):\n"
        f"{hsts}    include /etc/nginx/flaskops/www/*.conf;\n"
        "  and to the one that serves it by plain HTTP:\n"
        f"    return 308 https://$host{port}$request_uri;"
    ]
    assert plan({**OWN, "included_sites": ["www"]}, **given)["problems"] == []


def tree():
    return {
        "directories": ["flaskops", "flaskops/default"],
        "files": [{"path": "nginx.conf", "content": "x"}],
        "absent": ["sites-enabled/default"],
    }


@pytest.mark.parametrize(
    ("facts", "current"),
    [
        ({}, True),
        ({"reload_pending": True}, False),
        ({"directories": []}, False),
        ({"default_sites": [{"path": "sites-enabled/default"}]}, False),
        ({"files": {}}, False),
        (
            {"files": {"nginx.conf": {"sha256": hashlib.sha256(b"x").hexdigest(), "mode": "0600"}}},
            False,
        ),
        (
            {"files": {"nginx.conf": {"sha256": hashlib.sha256(b"y").hexdigest(), "mode": "0644"}}},
            False,
        ),
    ],
)
def test_a_current_host_is_not_checked_again(facts, current):
    host = {
        "reload_pending": False,
        "directories": ["default"],
        "default_sites": [],
        "files": {"nginx.conf": {"sha256": hashlib.sha256(b"x").hexdigest(), "mode": "0644"}},
    }
    assert filters.nginx_is_current({**host, **facts}, tree()) is current


def test_the_differences_of_several_files_are_one_text():
    assert filters.nginx_split_files("=== a\nx\n\n=== b/c\n\ny\n\n") == [
        {"path": "a", "content": "x\n"},
        {"path": "b/c", "content": "y\n"},
    ]


def test_filters_report_what_they_expect():
    for call in (
        lambda: filters.nginx_plan("x"),
        lambda: filters.nginx_plan(INPUTS, {"x": 1}),
        lambda: filters.nginx_is_current({}, tree()),
        lambda: filters.nginx_split_files(1),
    ):
        with pytest.raises(filters.AnsibleFilterError, match="expected"):
            call()
    assert filters.nginx_plan(INPUTS)["problems"] == []
    assert set(filters.FilterModule().filters()) == {
        "nginx_plan",
        "nginx_split_files",
        "nginx_is_current",
    }


def test_a_long_difference_is_shortened():
    theirs = "".join(f"line {number};\n" for number in range(100))
    text = _nginx_plan.difference(theirs, "", "x")
    assert len(text.splitlines()) == _nginx_plan.LINES_SHOWN + 1 and text.endswith("more lines")


def test_the_known_keys_of_a_site_are_documented():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    words = " ".join(specs["main"]["options"]["nginx_sites"]["description"])
    assert all(f"C({key})" in words for key in schema.SITE)


def test_the_tables_and_the_argument_spec_agree():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"][
        "main"
    ]["options"]
    for name, option in schema.INPUTS.items():
        spec = specs[f"nginx_{name}"]
        assert (option.kind, list(option.choices)) == (spec["type"], spec.get("choices", [])), name
        assert option.kind != "list" or option.elements.kind == spec["elements"], name


def test_every_input_reaches_the_plan():
    names = set(yaml.safe_load((ROLE / "defaults/main.yml").read_text()))
    given = {f"nginx_{name}" for name in INPUTS}
    only_in_templates = {
        "nginx_access_log_enabled",
        "nginx_access_log_format",
        "nginx_error_log_level",
        "nginx_gzip_enabled",
    }
    assert names - only_in_templates == given
    assert {*schema.INPUTS, "sites"} == set(INPUTS)


@pytest.mark.parametrize(
    ("given", "proxies", "message"),
    [
        ([], [], None),
        (
            ["192.0.2.7", "10.0.0.0/8", "192.0.2.7/32", "2001:DB8::/32"],
            ["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"],
            None,
        ),
        ("192.0.2.7", [], "nginx_trusted_proxies must be a list; got '192.0.2.7'."),
        (None, [], "nginx_trusted_proxies must be a list; got None."),
        (["10.0.0.1/8"], [], "2001:db8::/32, without bits beside the network; got '10.0.0.1/8'."),
        (
            ["proxy.example.org"],
            [],
            (
                "an address or a network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32; got"
                " 'proxy.example.org'."
            ),
        ),
        ([7], [], "; got 7."),
        (["10.0.0.1; allow all"], [], "; got '10.0.0.1; allow all'."),
        (["fe80::1%a; return 200"], [], "; got 'fe80::1%a; return 200'."),
        (
            ["0.0.0.0/0"],
            ["0.0.0.0/0"],
            "'0.0.0.0/0' is every client, and each could pass for another address",
        ),
        (["::/0"], ["::/0"], "'::/0' is every client"),
    ],
)
def test_trusted_proxies_are_validated(given, proxies, message):
    result = plan(FRESH, trusted_proxies=given)
    assert result["trusted_proxies"] == proxies
    assert (
        [message in problem for problem in result["problems"]] == [True]
        if message
        else result["problems"] == []
    )
    assert [site["https_in_front"] for site in result["host"]["sites"]] == [bool(proxies)]


# --- sites with TLS -------------------------------------------------------------------------------

NOW = 1_800_000_000
DAY = 86400
WWW = {"name": "www", "server_names": ["shop.example.org"], "tls": "selfsigned"}
LETSENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
TLS_1_22 = {**FRESH, "version": "1.22.1", "openssl": "3.0.19", "programs": ["openssl", "certbot"]}
TLS_1_18 = {**TLS_1_22, "version": "1.18.0", "openssl": "3.0.2"}
TLS_1_26 = {**TLS_1_22, "version": "1.26.3", "openssl": "3.5.4"}


def made(facts, sites, **inputs):
    """The plan at a fixed time."""
    given = {**INPUTS, "default_site_enabled": False, **inputs, "sites": sites}
    found = _nginx_plan.Facts.from_dict(copy.deepcopy(facts))
    return _nginx_plan.make_plan(found, given, now=NOW).to_dict()


def held(kind="acme", names=("shop.example.org",), source=LETSENCRYPT, left=60, lifetime=90):
    """A certificate on the host, as a fact."""
    end = NOW + left * DAY
    return {
        "directory": "/etc/flaskops/certificates/www/0123456789ab",
        "kind": kind,
        "names": list(names),
        "not_before": end - lifetime * DAY,
        "not_after": end,
        "source": source,
    }


def with_certificate(facts=TLS_1_22, site="www", **words):
    return {**facts, "certificates": {site: held(**words)}}


@pytest.mark.parametrize(
    ("facts", "listens", "reject_listens", "reject", "last"),
    [
        (
            TLS_1_18,
            ["443 ssl http2", "[::]:443 ssl http2"],
            ["443 ssl http2 default_server", "[::]:443 ssl http2 default_server"],
            "certificate",
            "ssl_session_tickets off",
        ),
        (
            TLS_1_22,
            ["443 ssl http2", "[::]:443 ssl http2"],
            ["443 ssl http2 default_server", "[::]:443 ssl http2 default_server"],
            "reject",
            "ssl_session_tickets off",
        ),
        (
            {**TLS_1_22, "version": "1.24.0"},
            ["443 ssl http2", "[::]:443 ssl http2"],
            ["443 ssl http2 default_server", "[::]:443 ssl http2 default_server"],
            "reject",
            "ssl_session_timeout 1d",
        ),
        (
            TLS_1_26,
            ["443 ssl", "[::]:443 ssl"],
            ["443 ssl default_server", "[::]:443 ssl default_server"],
            "reject",
            "http2 on",
        ),
    ],
)
def test_a_site_with_tls_by_the_version_of_nginx(facts, listens, reject_listens, reject, last):
    result = made(facts, [WWW])
    assert result["problems"] == []
    default, www = result["sites"]
    assert (www["listens"], www["plain_listens"]) == (listens, ["80", "[::]:80"])
    assert (www["tls"][-1], www["hsts_seconds"], www["challenges"]) == (last, 0, False)
    assert (default["reject"], default["reject_listens"]) == (reject, reject_listens)
    assert default["tls"] == www["tls"] and default["ports"] == [80, 443] == result["ports"]
    assert default["listens"] == ["80 default_server", "[::]:80 default_server"]
    wanted = [("www", "selfsigned", ["shop.example.org"])]
    if reject == "certificate":
        wanted.insert(0, ("default", "selfsigned", ["flaskops.invalid"]))
    assert [(each["site"], each["kind"], each["names"]) for each in result["create"]] == wanted


def test_each_port_of_tls_refuses_unknown_names():
    sites = [
        {**WWW, "https_port": 8443, "http_port": 8080},
        {"name": "blog", "server_names": ["blog.example.org"], "tls": "selfsigned"},
        {"name": "old", "server_names": ["old.example.org"], "http_port": 81},
    ]
    default, www, _blog, old = made({**TLS_1_26, "ipv6": False}, sites)["sites"]
    assert default["ports"] == [80, 81, 8080, 443, 8443]
    assert default["reject_listens"] == ["443 ssl default_server", "8443 ssl default_server"]
    assert (www["origin"], www["https_port_shown"]) == ("https://shop.example.org:8443", ":8443")
    assert (old["tls"], old["plain_listens"], old["listens"]) == ([], [], ["81"])


def test_the_modern_profile_is_that_of_all_sites():
    default, www = made(TLS_1_26, [WWW], tls_profile="modern")["sites"]
    assert default["tls"][0] == www["tls"][0] == "ssl_protocols TLSv1.3"
    assert not any(line.startswith("ssl_ciphers") for line in www["tls"])


@pytest.mark.parametrize(
    ("facts", "hybrid"),
    [
        (TLS_1_26, True),
        (TLS_1_22, False),
        ({**TLS_1_26, "openssl": None}, False),  # another library
        ({**BARE, "version": None, "openssl": None}, True),  # not known before it is installed
    ],
)
def test_the_hybrid_curve_is_for_an_openssl_that_has_it(facts, hybrid):
    text = " ".join(made(facts, [WWW])["sites"][1]["tls"])
    assert ("X25519MLKEM768" in text) is hybrid


@pytest.mark.parametrize(
    ("site", "inputs", "seconds"),
    [
        ({"tls": "acme"}, {}, 86400),
        ({"tls": "acme"}, {"hsts_seconds": 0}, 0),
        ({"tls": "acme", "hsts_seconds": 63072000}, {}, 63072000),
        ({"tls": "acme", "hsts_seconds": 0}, {}, 0),
        ({"tls": "acme", "hsts_seconds": "300"}, {}, 300),
        ({"tls": "acme"}, {"acme_directory": "letsencrypt-staging"}, 0),
        ({"tls": "acme", "hsts_seconds": 9}, {"acme_directory": "letsencrypt-staging"}, 0),
        ({"tls": "acme"}, {"acme_directory": "https://ca.example.org/dir"}, 86400),
        ({"tls": "selfsigned"}, {}, 0),
        ({"tls": "none"}, {}, 0),
        ({"tls": "none", "hsts_seconds": 0}, {}, 0),
    ],
)
def test_only_a_certificate_that_browsers_trust_gets_hsts(site, inputs, seconds):
    result = made(TLS_1_26, [{**WWW, **site}], **inputs)
    assert result["problems"] == [] and result["sites"][1]["hsts_seconds"] == seconds


def test_the_first_run_of_acme_has_a_placeholder_and_an_order():
    site = {**WWW, "tls": "acme", "redirect_from": ["www.example.org"]}
    result = made(TLS_1_26, [site], acme_email="ops@example.org", acme_ca_bundle="/etc/ca.pem")
    names = ["shop.example.org", "www.example.org"]
    assert result["create"] == [
        {
            "site": "www",
            "kind": "placeholder",
            "names": names,
            "source": "",
        }
    ]
    assert result["issue"] == [
        {
            "site": "www",
            "names": names,
            "directory": LETSENCRYPT,
            "email": "ops@example.org",
            "ca_bundle": "/etc/ca.pem",
            "http_port": 80,
            "notify": "",
            "certbot_path": "",
        }
    ]
    assert result["sites"][1]["challenges"] and result["warnings"] == []


@pytest.mark.parametrize(
    ("there", "ordered", "inputs"),
    [
        ({}, False, {}),
        ({"kind": "placeholder", "source": ""}, True, {}),
        ({"kind": "selfsigned", "source": ""}, True, {}),
        ({"kind": "provided", "source": "0123"}, True, {}),
        ({"names": ["shop.example.org", "b.example.org"]}, True, {}),
        ({"names": []}, True, {}),
        ({"source": STAGING}, True, {}),
        ({"source": STAGING}, False, {"acme_directory": "letsencrypt-staging"}),
        ({"source": "https://ca.example.org/d"}, False, {"acme_directory": "https://ca.example.org/d"}),
        ({"left": 31}, False, {}),
        ({"left": 29}, True, {}),
        ({"left": -1}, True, {}),
    ],
)  # fmt: skip
def test_an_authority_is_asked_only_if_there_is_a_reason(there, ordered, inputs):
    result = made(with_certificate(**there), [{**WWW, "tls": "acme"}], **inputs)
    assert [each["site"] for each in result["issue"]] == (["www"] if ordered else [])
    assert result["create"] == []  # what serves goes on


@pytest.mark.parametrize(
    ("there", "created"),
    [
        ({"kind": "selfsigned", "source": "", "left": 31}, False),
        ({"kind": "selfsigned", "source": "", "left": 30}, True),
        ({"kind": "placeholder", "source": ""}, True),
        ({"kind": "acme"}, True),
        ({"kind": "selfsigned", "source": "", "names": ["other.example.org"]}, True),
    ],
)
def test_a_self_signed_certificate_is_replaced_in_time(there, created):
    result = made(with_certificate(**there), [WWW])
    assert [each["kind"] for each in result["create"]] == (["selfsigned"] if created else [])


def test_the_fallback_of_an_old_nginx_is_kept_and_renewed():
    words = {"kind": "selfsigned", "names": ["flaskops.invalid"], "source": ""}

    def created(left):
        fallback = held(left=left, **words)
        certificates = {"default": fallback, "www": held("selfsigned", source="")}
        return made({**TLS_1_18, "certificates": certificates}, [WWW])

    assert created(300)["create"] == []
    assert [each["site"] for each in created(3)["create"]] == ["default"]
    assert "flaskops/default.certificate" not in created(300)["absent"]
    later = made(with_certificate(TLS_1_26, "default", **words), [WWW])
    assert "flaskops/default.certificate" in later["absent"]


@pytest.mark.parametrize(
    ("sites", "absent"),
    [
        ([], True),
        ([{**WWW, "tls": "none"}], True),
        ([{**WWW, "name": "other"}], True),
        ([WWW], False),
        ([{**WWW, "tls": "acme"}], False),
    ],
)
def test_the_link_of_a_site_without_tls_is_removed(sites, absent):
    result = made(with_certificate(), sites, default_site_enabled=not sites)
    assert ("flaskops/www.certificate" in result["absent"]) is absent


@pytest.mark.parametrize(
    ("facts", "sites", "packages"),
    [
        (BARE, [{**WWW, "tls": "acme"}], ["nginx", "logrotate", "openssl", "certbot"]),
        (BARE, [WWW], ["nginx", "logrotate", "openssl"]),
        (BARE, [{**WWW, "tls": "none"}], ["nginx", "logrotate"]),
        ({**TLS_1_22, "programs": ["openssl"]}, [{**WWW, "tls": "acme"}], ["certbot"]),
        ({**TLS_1_22, "programs": []}, [WWW], ["openssl"]),
        ({**TLS_1_18, "programs": []}, [WWW], ["openssl"]),
        (TLS_1_22, [{**WWW, "tls": "acme"}], []),
        ({**TLS_1_22, "programs": []}, [{**WWW, "tls": "none"}], []),
    ],
)
def test_only_the_packages_that_sites_need_are_installed(facts, sites, packages):
    assert made(facts, sites)["packages"] == packages


EXPIRES = "The certificate of the site www {0} (shop.example.org); {1}"


@pytest.mark.parametrize(
    ("there", "tls", "words"),
    [
        ({"left": 40}, "acme", None),
        ({"left": 20}, "acme", ("expires in 20 days", "its renewal has not worked so far.")),
        ({"left": 1}, "acme", ("expires in 1 day", "its renewal has not worked so far.")),
        ({"left": 0}, "acme", ("expires today", "its renewal has not worked so far.")),
        ({"left": -4}, "acme", ("has expired", "its renewal has not worked so far.")),
        ({"left": 5, "kind": "placeholder"}, "acme", None),
        ({"left": 5, "kind": "selfsigned"}, "selfsigned", None),
        ({"left": 5}, "none", None),
    ],
)
def test_an_expiring_certificate_is_a_warning(there, tls, words):
    result = made(with_certificate(**there), [{**WWW, "tls": tls}])
    assert result["warnings"] == ([EXPIRES.format(*words)] if words else [])


@pytest.mark.parametrize(("left", "warns"), [(100, False), (31, False), (30, True), (5, True)])
def test_a_provided_certificate_is_a_warning_in_its_last_month(left, warns):
    """A third of a year would be too early."""
    there = with_certificate(kind="provided", source="x", left=left, lifetime=398)
    result = made(there, [{**WWW, "tls": "provided", "certificate": "x", "certificate_key": "x"}])
    words = EXPIRES.format(f"expires in {left} days", "provide a new one.")
    assert result["warnings"] == ([words] if warns else [])


@pytest.mark.parametrize(
    ("off", "skew", "words"),
    [
        (0, 0, None),
        (600, 0, None),
        (86400 * 400, 0, "and that of the controller 2027-01-15 "),
        (-86400 * 400, 0, "and that of the controller 2027-01-15 "),
        # Both are wrong: it is the same machine, and the authority's certificate shows it.
        (0, 86400 * 4000, "and that of the authority of the site www 2016-02-02 "),
        (0, -86400 * 4000, None),  # somebody has set it
    ],
)
def test_a_clock_that_is_wrong_is_a_warning(off, skew, words):
    there = held()
    there |= {"skew": skew, "not_before": there["not_before"] - max(skew, 0)}
    facts = {**TLS_1_26, "certificates": {"www": there}, "clock": int(NOW + off)}
    warnings = [
        text
        for text in made(facts, [{**WWW, "tls": "acme"}])["warnings"]
        if text.startswith("The clock of this host says ")
    ]
    assert len(warnings) == bool(words) and (not words or words in warnings[0]), warnings


RENEWAL = {
    "program": "flaskops-0a1b2c.pyz",
    "orders": "0",
    "files": ["/etc/systemd/system/flaskops-renew.timer", "/etc/flaskops/renew.json"],
}


@pytest.mark.parametrize(
    ("sites", "inputs", "removed"),
    [
        ([{**WWW, "tls": "acme"}], {}, False),
        ([WWW], {}, True),
        ([], {"default_site_enabled": True}, True),
        ([{**WWW, "tls": "acme"}], {"manage": False, "required_sites": []}, True),
    ],
)
def test_a_renewal_without_anything_to_renew_is_removed(sites, inputs, removed):
    result = made({**TLS_1_26, "renewal": RENEWAL}, sites, **inputs)
    assert result["problems"] == []
    assert result["obsolete"] == (RENEWAL["files"] if removed else [])
    assert (result["renewal"] is None) is removed
    # Also one that does not run: its program is missing.
    stopped = {**TLS_1_26, "renewal": {"files": RENEWAL["files"]}}
    assert bool(made(stopped, sites, **inputs)["obsolete"]) is removed
    assert made(TLS_1_26, sites, **inputs)["obsolete"] == []


def test_an_nginx_of_the_user_that_still_has_our_certificate_is_warned():
    facts = with_certificate(TLS_1_26, left=9)
    result = made(facts, [{**WWW, "tls": "acme"}], manage=False, required_sites=[])
    wanted = EXPIRES.format(
        "expires in 9 days",
        "with nginx_manage: false nothing renews it. If your own Nginx does not use it, remove"
        " /etc/nginx/flaskops/www.certificate on the host.",
    )
    assert result["warnings"] == [wanted]


def test_the_certificates_of_removed_sites_are_forgotten_later():
    facts = {**with_certificate(TLS_1_26), "forgotten": ["old", "blog"]}
    blog = {**WWW, "name": "blog", "server_names": ["blog.example.org"]}
    assert made(facts, [blog])["unused"] == ["www", "old"]
    assert made(facts, [WWW, blog])["unused"] == ["old"]


def test_the_site_default_may_have_names_and_a_certificate():
    """It answers on all ports, to all names that no other site has."""
    own = {**WWW, "name": "default", "tls": "acme", "redirect_from": ["www.example.org"]}
    blog = {"name": "blog", "server_names": ["b.example.org"], "tls": "selfsigned",
            "https_port": 8443, "http_port": 8080, "header_buffer_size": "32k"}  # fmt: skip
    facts = {**TLS_1_18, "ipv6": False}
    result = made(facts, [blog, own])
    assert result["problems"] == [] and result["site_names"] == ["default", "blog"]
    default, other = result["sites"]
    assert (default["enabled"], default["server_names"]) == (True, ["shop.example.org"])
    words = [f"{port} ssl http2 default_server" for port in (443, 8443)]
    assert (default["listens"], default["reject"], default["reject_listens"]) == (words, "", [])
    assert default["plain_listens"] == ["80 default_server", "8080 default_server"]
    assert default["redirect_listens"] == ["80", "8080", "443 ssl http2", "8443 ssl http2"]
    assert default["ports"] == [80, 8080, 443, 8443] and default["challenges"]
    assert default["header_buffer_size"] == "32k" and default["hsts_seconds"] == 86400
    assert other["listens"] == ["8443 ssl http2"]
    # No certificate for nobody, though this Nginx cannot refuse a handshake.
    assert [(each["site"], each["kind"]) for each in result["create"]] == [
        ("blog", "selfsigned"), ("default", "placeholder"),
    ]  # fmt: skip
    assert result["host"]["sites"][0]["scheme"] == "https"
    # By plain http, it still refuses handshakes for the others.
    default = made(facts, [blog, {**own, "tls": "none"}])["sites"][0]
    assert default["reject"] == "certificate"
    assert default["reject_listens"] == ["8443 ssl http2 default_server"]
    assert default["listens"] == ["80 default_server", "8080 default_server"]
    assert default["redirect_listens"] == ["80", "8080"]


PROGRAM = "/usr/local/lib/flaskops/certbot/bin/certbot"


@pytest.mark.parametrize(
    ("client", "there", "certbot", "absent", "packages"),
    [
        ("distribution", "", "", "", ["certbot"]),
        ("distribution", "certbot-1", "", "certbot-1", ["certbot"]),
        ("pip", "", "certbot-2", "", ["python3-venv", "ca-certificates"]),
        ("pip", "certbot-1", "certbot-2", "certbot-1", ["python3-venv", "ca-certificates"]),
        ("pip", "certbot-2", "", "", []),
    ],
)
def test_the_certbot_of_the_package_index_replaces_that_of_the_distribution(
    client, there, certbot, absent, packages
):
    facts = {**TLS_1_26, "programs": ["openssl"], "certbot_there": there}
    inputs = {"acme_client": client, "certbot_name": "certbot-2" if client == "pip" else ""}
    result = made(facts, [{**WWW, "tls": "acme"}], **inputs)
    assert (result["certbot_new"], result["certbot_old"]) == (certbot, absent)
    assert result["packages"] == packages
    assert result["issue"][0]["certbot_path"] == (PROGRAM if client == "pip" else "")
    # Account and certificate stay: the authority is the same.
    held_by_other = {**facts, "certificates": {"www": held()}}
    assert made(held_by_other, [{**WWW, "tls": "acme"}], **inputs)["issue"] == []
    # Without a site that needs it, it is removed.
    assert made(facts, [WWW], **inputs)["certbot_old"] == there


@pytest.mark.parametrize(
    ("port", "sites", "inputs", "keys"),
    [
        (80, [WWW], {}, "nginx_http_port"),
        (443, [WWW], {}, "nginx_https_port"),
        (8443, [WWW], {"https_port": 8443}, "nginx_https_port"),
        (8443, [{**WWW, "https_port": 8443}], {}, "https_port of the site www"),
        (8080, [{**WWW, "http_port": 8080}], {}, "http_port of the site www"),
        (8080, [{**WWW, "tls": "none", "http_port": 8080}], {}, "http_port of the site www"),
        (
            8443,
            [
                {**WWW, "https_port": 8443},
                {**WWW, "name": "b", "server_names": ["b.example.org"], "https_port": 8443},
            ],
            {},
            "https_port of the site www and https_port of the site b",
        ),
    ],
)
def test_a_port_that_is_held_names_what_sets_it(port, sites, inputs, keys):
    holder = {"port": port, "program": "apache2", "pid": 0}
    result = made({**TLS_1_26, "port_holders": [holder]}, sites, **inputs)
    assert result["problems"] == [
        f"nginx: port {port} is held by apache2; stop it, or choose another port with {keys}."
    ]


PAIR = {"certificate": "x", "certificate_key": "x"}


@pytest.mark.parametrize(
    ("www", "other", "why"),
    [
        ({}, {"http_port": 81}, "open it by https alone, and this site has tls: none"),
        ({"server_names": ["*.example.org"], "tls": "provided", **PAIR}, {}, "open it by https"),
        (
            {},
            {"tls": "selfsigned", "http_port": 81, "https_port": 444},
            "refuse a certificate that they do not trust, and this site has tls: selfsigned",
        ),
        ({"hsts_seconds": 0}, {"http_port": 81}, ""),
        ({"https_port": 8443}, {"http_port": 81}, ""),  # browsers look on port 443
        ({"server_names": ["example.org"]}, {}, ""),  # it is not sent for names below
        ({}, {"tls": "acme", "http_port": 81, "https_port": 444}, ""),
        # What redirects sends it too.
        ({"server_names": ["a.example.org"], "redirect_from": WWW["server_names"]},
         {"http_port": 81}, "open it by https alone"),
        ({}, {"server_names": ["a.example.org"], "redirect_from": WWW["server_names"],
              "http_port": 81}, "open it by https alone"),
    ],
)  # fmt: skip
def test_hsts_of_one_site_must_not_lock_out_another_of_the_same_name(www, other, why):
    first = {**WWW, "tls": "acme", **www}
    plain = {**WWW, "name": "plain", "tls": "none", **other}
    problems = [
        words
        for words in made(TLS_1_26, [first, plain])["problems"]
        if "nginx_sites: plain:" in words
    ]
    assert len(problems) == bool(why), problems
    if why:
        assert why in problems[0] and problems[0].endswith(
            "Write hsts_seconds: 0 for the site www, or another name."
        )
    # An Nginx of the user's own sends what its server block says.
    facts = {**TLS_1_26, "included_sites": ["www"]}
    own = made(facts, [first, plain], manage=False, required_sites=[])["problems"]
    assert not any("hsts_seconds: 0" in words for words in own)


def test_a_provided_certificate_is_checked_written_and_watched(tmp_path):
    key, leaf = test_provided.pem(test_provided.KEY), test_provided.LEAF
    moment = test_provided.NOW.timestamp()
    (tmp_path / "key.pem").write_text(key)
    site = {**WWW, "tls": "provided", "certificate": leaf, "certificate_key": "key.pem"}

    def at(facts, when=moment, **more):
        given = {**INPUTS, "default_site_enabled": False, "directory": str(tmp_path)}
        found = _nginx_plan.Facts.from_dict(facts)
        return _nginx_plan.make_plan(found, {**given, "sites": [{**site, **more}]}, now=when)

    result = at(TLS_1_26)
    (wanted,) = result.create
    assert result.problems == () and result.sites[1].hsts_seconds == 86400
    assert wanted.kind == "provided"
    # The plan is a fact of the play: it has no key.
    assert set(wanted.to_dict()) == {"site", "kind", "names", "source"}
    there = held("provided", source=wanted.source)
    facts = {**TLS_1_26, "certificates": {"www": there}}
    assert at(facts).create == ()
    other = {**there, "source": "another"}
    assert at({**TLS_1_26, "certificates": {"www": other}}).create == (wanted,)
    times = {"not_before": int(moment) - 85 * DAY, "not_after": int(moment) + 5 * DAY}
    late = at({**TLS_1_26, "certificates": {"www": {**there, **times}}})
    assert late.warnings == (EXPIRES.format("expires in 5 days", "provide a new one."),)
    # The name is in the certificate, whose lifetime is over later.
    assert at(TLS_1_26, moment + 200 * DAY).problems == (
        "nginx_sites: www: certificate: 'CN=shop.example.org' expired on 2027-02-15; renew it.",
    )
    assert at(TLS_1_26, server_names=["a.example.org"]).message == (
        "nginx_sites: www: certificate must be for all names of the site; it is not for"
        " a.example.org (it is for shop.example.org, www.shop.example.org)."
    )
    missing = at(TLS_1_26, certificate_key="none.pem").message
    assert "certificate_key must be a file that can be read on the controller; got 'none.pem'" in (
        missing
    )


@pytest.mark.parametrize("value", [["hunter2"], {"a": "hunter2"}, b"hunter2", True, 7, 1.5])
def test_no_message_shows_a_value_of_a_certificate(value):
    site = {**WWW, "tls": "provided", "certificate": value, "certificate_key": value}
    result = made(TLS_1_26, [site])
    assert result["problems"] and "hunter2" not in result["message"]


@pytest.mark.parametrize("sites", [7, None, {"name": "www"}, "www", True])
def test_sites_must_be_a_list_on_any_host(sites):
    assert made(TLS_1_26, sites)["message"].startswith("nginx_sites must be a list of dictionaries")


TLS_REFUSALS = [
    (
        {"tls": "provided"},
        [
            "certificate is missing; with tls: provided, write certificate: a file on the"
            " controller, or its text.",
            "certificate_key is missing; with tls: provided, write certificate_key: a file on the"
            " controller, or its text.",
        ],
    ),
    (
        {"tls": "acme", "certificate": "x"},
        ["certificate is for tls: provided; got tls: acme. Leave one out."],
    ),
    (
        {"tls": "none", "certificate_key": "x"},
        ["certificate_key is for tls: provided; got tls: none. Leave one out."],
    ),
    (
        {"acme_email": "a@example.org"},
        ["acme_email is for tls: acme; got tls: selfsigned. Leave one out."],
    ),
    (
        {"hsts_seconds": 5},
        [
            "hsts_seconds is for tls: acme or provided; got tls: selfsigned. Browsers would refuse"
            " the site."
        ],
    ),
    (
        {"tls": "none", "hsts_seconds": 5},
        [
            "hsts_seconds is for tls: acme or provided; got tls: none. Browsers would refuse the"
            " site."
        ],
    ),
    (
        {"tls": "acme", "server_names": ["*.example.org"]},
        [
            "server_names must be names without * for tls: acme; got '*.example.org'. Write each"
            " name, or use tls: provided with a certificate for all of them."
        ],
    ),
    (
        {"tls": "acme", "server_names": ["192.0.2.7"]},
        [
            "server_names must be host names for TLS; got the address '192.0.2.7', for which"
            " clients send no name. Write a name, or tls: none."
        ],
    ),
    (
        {"tls": "letsencrypt"},
        ["tls must be acme, provided, selfsigned or none; got 'letsencrypt'."],
    ),
    (
        {"tls": "letsencrypt", "certificate": "x"},
        ["tls must be acme, provided, selfsigned or none; got 'letsencrypt'."],
    ),
    (
        {"redirect_from": ["*.example.org"]},
        ["redirect_from[0] must be a host name such as www.example.org; got '*.example.org'."],
    ),
    (
        {"redirect_from": ["_"]},
        [
            "redirect_from[0] must be a name; to catch every host is the job of the site default;"
            " got '_'."
        ],
    ),
    (
        {"redirect_from": ["a b"]},
        [
            "redirect_from[0] must be a host name such as shop.example.org or *.example.org; got"
            " 'a b'."
        ],
    ),
    (
        {"redirect_from": ["SHOP.example.org"]},
        ["redirect_from: shop.example.org is there twice; leave one out."],
    ),
    (
        {"redirect_from": ["a.example.org"], "server_names": ["*.example.org", "b.example.org"]},
        [
            "redirect_from leads to the first of server_names, which must be a host name such as"
            " www.example.org; got '*.example.org'."
        ],
    ),
    (
        {"redirect_from": ["a.example.org"], "server_names": ["localhost"]},
        [
            "redirect_from leads to the first of server_names, which must be a host name such as"
            " www.example.org; got 'localhost'."
        ],
    ),
    (
        {"redirect_from": ["a.example.org"], "server_names": ["_x.example.org"]},
        [
            "redirect_from leads to the first of server_names, which must be a host name such as"
            " www.example.org; got '_x.example.org'."
        ],
    ),
    ({"https_port": 80}, ["https_port 80 is the http_port of www; a port speaks one of both."]),
    (
        {"https_port": 80, "http_port": 81},
        [
            "https_port 80 is the http_port of the site default (nginx_http_port); a port speaks"
            " one of both."
        ],
    ),
    ({"https_port": 80, "http_port": 81, "tls": "none"}, []),
    ({"redirect_from": ["www.example.org"]}, []),
    ({"redirect_from": []}, []),
    ({"tls": "acme", "acme_email": "ops+x@sub.example.org"}, []),
]


@pytest.mark.parametrize(("site", "messages"), TLS_REFUSALS)
def test_sites_that_contradict_themselves_are_refused(site, messages):
    problems = made(TLS_1_26, [{**WWW, **site}])["problems"]
    assert problems == [f"nginx_sites: www: {words}" for words in messages]


@pytest.mark.parametrize(
    ("other", "messages"),
    [
        ({"server_names": ["b.example.org"]}, []),
        (
            {"server_names": ["shop.example.org"]},
            [
                "server_names: shop.example.org belongs to the site www already (port 80); a name"
                " leads to one site.",
                "server_names: shop.example.org belongs to the site www already (port 443); a name"
                " leads to one site.",
            ],
        ),
        (
            {"server_names": ["b.example.org"], "redirect_from": ["shop.example.org"]},
            [
                "redirect_from: shop.example.org belongs to the site www already (port 80); a name"
                " leads to one site.",
                "redirect_from: shop.example.org belongs to the site www already (port 443); a name"
                " leads to one site.",
            ],
        ),
        (
            {"server_names": ["www.example.org"], "tls": "none"},
            [
                "server_names: www.example.org belongs to the site www already (port 80); a name"
                " leads to one site.",
            ],
        ),
        ({"server_names": ["shop.example.org"], "tls": "none", "http_port": 81}, []),
        (
            {"server_names": ["b.example.org"], "http_port": 8080, "https_port": 8080},
            ["https_port 8080 is the http_port of blog; a port speaks one of both."],
        ),
    ],
)
def test_two_sites_share_no_name_and_no_port_of_another_kind(other, messages):
    www = {**WWW, "redirect_from": ["www.example.org"]}
    problems = made(TLS_1_26, [www, {"name": "blog", "tls": "selfsigned", **other}])["problems"]
    assert problems == [f"nginx_sites: blog: {words}" for words in messages]


def test_a_plain_port_of_a_later_site_is_not_for_tls():
    sites = [WWW, {"name": "blog", "server_names": ["b.example.org"], "http_port": 443}]
    assert made(TLS_1_26, sites)["problems"] == [
        "nginx_sites: www: https_port 443 is the http_port of blog; a port speaks one of both."
    ]


def test_problems_of_a_site_without_a_valid_name_show_its_place():
    site = {"name": "W W", "server_names": ["a.example", "a.example"], "tls": "provided"}
    problems = made(TLS_1_26, [site, {**site, "name": None}])["problems"]
    assert {words.split(":")[0] for words in problems} == {"nginx_sites[0]", "nginx_sites[1]"}
    assert len(problems) == 8


def test_a_nginx_of_the_user_gets_no_certificates():
    facts = {**TLS_1_26, "included_sites": ["www"]}
    result = made(facts, [{**WWW, "tls": "acme"}], manage=False, required_sites=["www"])
    assert result["problems"] == []
    assert (result["create"], result["issue"], result["packages"]) == ([], [], [])
    assert result["host"]["sites"][0]["scheme"] == "https"


def test_the_output_has_the_scheme_and_port_of_each_site():
    sites = made(TLS_1_26, [{**WWW, "https_port": 8443}])["host"]["sites"]
    assert [(each["name"], each["scheme"], each["port"]) for each in sites] == [
        ("default", "http", 80),
        ("www", "https", 8443),
    ]
