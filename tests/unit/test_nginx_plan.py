"""The inputs of the nginx role and the reasons to refuse a host, with the exact messages."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import pytest
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
            [{"name": "default", "server_names": ["a.example"]}],
            [
                "nginx_sites: default: name must be another than the built-in site's (leave the"
                " entry out to use that one); got 'default'."
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
                    " header_buffer_size, http_port, name, server_names."
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
                    " header_buffer_size, http_port, name, server_names."
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
            "nginx: port 80 is held by apache2 (process 123); stop it,"
            " or choose another port with nginx_http_port (and http_port of the sites)."
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
            " or set nginx_http_port."
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
    only_in_templates = {"nginx_access_log_enabled", "nginx_error_log_level", "nginx_gzip_enabled"}
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
    assert [site["tls"] for site in result["host"]["sites"]] == [bool(proxies)]
