"""What the templates of the nginx role render from its defaults and from a change to each; with
`nginx -t` if Nginx is installed.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from nginx_findings import findings

# bin/test sets it; then the tests that need Nginx must run.
NGINX = os.environ.get("FLASKOPS_TEST_NGINX", "/usr/sbin/nginx")
ROLE = Path(__file__).resolve().parents[2] / "roles/nginx"
FACTS = {
    "administrator": True,
    "configuration_error": "",
    "default_sites": [],
    "distribution": {"id": "debian", "version": "13", "name": "Debian"},
    "files": {},
    "foreign": [],
    "gzip_static": True,
    "installed": True,
    "ipv6": True,
    "boot_guard": "none",
    "log_rotation": {"by": "nobody", "installed": True},
    "main_config": {"state": "absent", "content": ""},
    "namespace_error": "",
    "port_holders": [],
    "running": True,
    "service": "enabled",
}


_rendered: dict[str, dict[str, str]] = {}


def render(**overrides) -> dict[str, str]:
    """The files below /etc/nginx, by path. The same settings are rendered once."""
    settings = repr(overrides)
    if settings not in _rendered:
        _rendered[settings] = _render(**overrides)
    return dict(_rendered[settings])


@functools.cache
def _variables_of_the_role() -> dict:
    loader, variables = DataLoader(), {}
    for name in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / name / "main.yml"), trusted_as_template=True)
    return variables


def _render(**overrides) -> dict[str, str]:
    loader = DataLoader()
    variables: dict = {"ansible_search_path": [str(ROLE)], "ansible_managed": "Ansible managed"}
    variables |= _variables_of_the_role()
    facts = {**FACTS, **overrides.pop("facts", {})}
    variables |= overrides | {"__nginx_facts": facts}
    templar = Templar(loader, variables=variables)
    plan = templar.template(
        trust_as_template("{{ __nginx_inputs | flaskops.host.nginx_plan(__nginx_facts) }}")
    )
    assert plan["problems"] == []
    variables["__nginx_plan"] = plan
    tree = Templar(loader, variables=variables).template(trust_as_template("{{ __nginx_tree }}"))
    return {item["path"]: item["content"] for item in tree["files"]}


def test_the_files_with_default_settings():
    files = render()
    assert list(files) == [
        "conf.d/flaskops.conf",
        "conf.d/flaskops.types",
        "flaskops/default.conf",
        "nginx.conf",
    ]
    for path, content in files.items():
        assert content.startswith(
            "#\n# Ansible managed\n#\n# Written by flaskops.host (role nginx)"
        ), path
        assert content.endswith("\n") and not content.endswith("\n\n"), path
        assert "\n\n\n" not in content and "\t" not in content, path
        assert not re.search(r" +$", content, re.MULTILINE), path
        for line in content.splitlines():
            assert (len(line) - len(line.lstrip())) % 4 == 0, f"{path}: {line}"


def test_names_for_the_fragments_are_defined():
    names = render()["conf.d/flaskops.conf"]
    defined = re.findall(
        r"^(?:map (?:\S+|\".*?\")|geo(?: \S+)?) (\$\w+) \{|^log_format (\w+)", names, re.MULTILINE
    )
    assert [variable or name for variable, name in defined] == [
        "$flaskops_upgrade", "$flaskops_connection", "$flaskops_authority", "$flaskops_host",
        "$flaskops_reached", "$flaskops_address", "$flaskops_own_port", "$flaskops_hsts",
        "$flaskops_sent_hsts", "$flaskops_nosniff", "$flaskops_sent_nosniff",
        "$flaskops_referrer", "$flaskops_sent_referrer", "$flaskops_frame",
        "$flaskops_sent_frame", "$flaskops_csp", "$flaskops_sent_csp", "$flaskops_features",
        "$flaskops_sent_features", "$flaskops_coop", "$flaskops_sent_coop", "$flaskops_corp",
        "$flaskops_sent_corp", "$flaskops_coep", "$flaskops_sent_coep", "$flaskops_trusted",
        "$flaskops_scheme", "$flaskops_from_host", "$flaskops_loopback", "$flaskops_paths",
        "$flaskops_prefix", "$flaskops_target", "$flaskops_taken", "$flaskops_location",
        "$flaskops_cache_control", "$flaskops_wants_page", "$flaskops_verifier", "$flaskops_login",
        "$flaskops_to_login", "$flaskops_named_login", "$flaskops_site", "$flaskops_app",
        "$flaskops_release", "$flaskops_led_to", "$flaskops_client", "$flaskops_counted",
        "$flaskops_retry_after", "flaskops", "$flaskops_json_status", "$flaskops_json_answered",
        "$flaskops_json_connect", "$flaskops_json_header", "$flaskops_json_response",
        "$flaskops_json_request", "$flaskops_json_referer", "$flaskops_json_agent",
        "$flaskops_json_host", "$flaskops_json_user", "flaskops_json",
    ]  # fmt: skip
    for word in (
        "$request_id",
        "$upstream_response_time",
        "$upstream_connect_time",
        "$request_time",
    ):
        assert word in names


def test_the_main_configuration_keeps_the_includes_of_other_packages():
    main = render()["nginx.conf"]
    for place in ("modules-enabled/*.conf", "conf.d/*.conf", "sites-enabled/*", "flaskops/*.conf"):
        assert f"include /etc/nginx/{place};" in main
    assert main.index("conf.d/*.conf") < main.index(
        "access_log /var/log/nginx/access.log flaskops;"
    )
    for line in (
        "server_tokens off;",
        "worker_processes auto;",
        "worker_shutdown_timeout 14400s;",
        "gzip on;",
    ):
        assert line in main


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("nginx_worker_processes", 3, "worker_processes 3;"),
        ("nginx_worker_connections", 8192, "    worker_connections 8192;"),
        ("nginx_worker_rlimit_nofile", 9000, "worker_rlimit_nofile 9000;"),
        ("nginx_worker_shutdown_timeout_seconds", 90, "worker_shutdown_timeout 90s;"),
        ("nginx_client_max_body_size", "1g", "    client_max_body_size 1g;"),
        ("nginx_keepalive_timeout_seconds", 5, "    keepalive_timeout 5s;"),
        ("nginx_keepalive_requests", 7, "    keepalive_requests 7;"),
        ("nginx_gzip_enabled", False, "    gzip off;"),
        ("nginx_gzip_level", 9, "    gzip_comp_level 9;"),
        ("nginx_gzip_min_length_bytes", 1, "    gzip_min_length 1;"),
        ("nginx_gzip_types", ["text/x-mine"], "        text/x-mine;"),
        ("nginx_access_log_enabled", False, "    access_log off;"),
        (
            "nginx_access_log_format",
            "json",
            "    access_log /var/log/nginx/access.log flaskops_json;",
        ),
        ("nginx_error_log_level", "info", "error_log /var/log/nginx/error.log info;"),
        ("nginx_user", "web", "user web;"),
    ],
)
def test_each_setting_changes_its_line(name, value, line):
    changed = {name: value} | (
        {"nginx_worker_rlimit_nofile": 20000} if name == "nginx_worker_connections" else {}
    )
    main = render(**changed)["nginx.conf"]
    assert line in main.splitlines()
    assert line not in render()["nginx.conf"].splitlines()


@pytest.mark.parametrize("empty", ["", None])
def test_body_size_can_be_left_to_conf_d(empty):
    assert "client_max_body_size" not in render(nginx_client_max_body_size=empty)["nginx.conf"]


def test_the_body_size_0_removes_the_limit():
    assert "client_max_body_size 0;" in render(nginx_client_max_body_size=0)["nginx.conf"]


def test_gzip_off_leaves_its_settings_out():
    assert "gzip_types" not in render(nginx_gzip_enabled=False)["nginx.conf"]


SHOP = [
    {
        "name": "shop",
        "server_names": ["shop.example.org", "www.shop.example.org"],
        "http_port": 8080,
    }
]


def test_the_buffer_for_request_headers_is_set():
    def of(path, **settings):
        return re.findall(
            r"^    large_client_header_buffers (.*);$",
            render(**settings)[f"flaskops/{path}.conf"],
            re.MULTILINE,
        )

    large = [
        {**SHOP[0], "header_buffer_size": "64k"},
        {"name": "blog", "server_names": ["blog.example.org"]},
    ]
    assert of("default") == of("shop", nginx_sites=SHOP) == []
    assert (
        of("default", nginx_header_buffer_size="16k")
        == of("shop", nginx_sites=SHOP, nginx_header_buffer_size="16k")
        == ["4 16k"]
    )
    # Nginx reads the lines before Host with the settings of the catch-all.
    assert (
        of("shop", nginx_sites=large),
        of("blog", nginx_sites=large),
        of("default", nginx_sites=large),
    ) == (["4 64k"], [], ["4 64k"])
    assert of("default", nginx_sites=large, nginx_header_buffer_size="128k") == ["4 128k"]


def test_the_catch_all_serves_applications_while_it_is_the_only_site():
    site = render()["flaskops/default.conf"]
    assert "include /etc/nginx/flaskops/default/*.conf;" in site and "444" not in site
    assert (
        "    listen 80 default_server;\n    listen [::]:80 default_server;\n    server_name _;\n"
        in site
    )
    assert "location = /healthz {" in site


def test_the_catch_all_refuses_requests_beside_named_sites():
    files = render(nginx_sites=SHOP)
    site = files["flaskops/default.conf"]
    assert "return 444;" in site and "include" not in site and "location = /healthz {" in site
    assert re.findall(r"listen (.*);", site) == [
        "80 default_server", "[::]:80 default_server", "8080 default_server",
        "[::]:8080 default_server",
    ]  # fmt: skip
    shop = files["flaskops/shop.conf"]
    assert "server_name shop.example.org www.shop.example.org;" in shop
    assert re.findall(r"listen (.*);", shop) == ["8080", "[::]:8080"]
    assert "include /etc/nginx/flaskops/shop/*.conf;" in shop and "location = /healthz {" in shop


def test_the_catch_all_continues_while_it_serves_an_application():
    site = render(nginx_sites=SHOP, nginx_default_site_enabled=True)["flaskops/default.conf"]
    assert "include /etc/nginx/flaskops/default/*.conf;" in site and "444" not in site


def test_without_ipv6_no_ipv6_line_is_written():
    assert "[::]" not in render(facts={"ipv6": False})["flaskops/default.conf"]
    assert "[::]" not in render(nginx_ipv6="disabled")["flaskops/default.conf"]


def test_the_health_path_can_be_moved_or_left_out():
    assert "location = /up {" in render(nginx_health_path="/up")["flaskops/default.conf"]
    for empty in ("", None):
        assert "location =" not in render(nginx_health_path=empty)["flaskops/default.conf"]


def test_an_unmanaged_nginx_gets_only_the_names():
    facts = {"included_sites": ["default"], "conf_d_included": True}
    assert list(render(nginx_manage=False, facts=facts)) == [
        "conf.d/flaskops.conf",
        "conf.d/flaskops.types",
    ]


def takes(tmp_path, files):
    """Nginx takes the files, below another root."""
    tree = tmp_path / "nginx"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content.replace("/etc/nginx/", f"{tree}/"))
    (tree / "mime.types").write_text("types { text/html html; }\n")
    (tree / "sites-enabled").mkdir()
    main = tree / "nginx.conf"
    main.write_text(
        main.read_text()
        .replace("/run/nginx.pid", f"{tmp_path}/pid")
        .replace("/var/log/nginx", str(tmp_path))
    )
    result = subprocess.run([NGINX, "-T", "-c", main], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "[warn]" not in result.stderr, result.stderr
    whole = tmp_path / "whole.conf"
    whole.write_text(result.stdout)
    assert findings(whole) == []


@pytest.mark.skipif(
    "FLASKOPS_TEST_NGINX" not in os.environ and not os.access(NGINX, os.X_OK), reason="needs Nginx"
)
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"nginx_sites": SHOP},
        {
            "nginx_sites": [{**SHOP[0], "header_buffer_size": "64k"}],
            "nginx_header_buffer_size": "16k",
        },
        {
            "nginx_sites": SHOP,
            "nginx_default_site_enabled": True,
            "nginx_health_path": "",
            "nginx_gzip_types": [],
        },
        {"nginx_trusted_proxies": ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]},
        {"nginx_access_log_format": "json"},
        {
            "nginx_gzip_enabled": False,
            "nginx_access_log_enabled": False,
            "nginx_client_max_body_size": "",
        },
    ],
)
def test_nginx_accepts_the_configuration(tmp_path, overrides):
    files = render(facts={"ipv6": False}, **overrides)
    takes(tmp_path, files)


@pytest.mark.skipif(
    "FLASKOPS_TEST_NGINX" not in os.environ and not os.access(NGINX, os.X_OK), reason="needs Nginx"
)
def test_the_names_cause_no_warning_in_an_nginx_of_the_users(tmp_path):
    """Its hash of variables is smaller than ours."""
    names = render()["conf.d/flaskops.conf"].replace("/var/cache", str(tmp_path))
    main = tmp_path / "nginx.conf"
    main.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{names}\n}}\n")
    result = subprocess.run([NGINX, "-t", "-c", main], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "[warn]" not in result.stderr, result.stderr
