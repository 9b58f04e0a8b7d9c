"""Reading configurations and hosts: the parts, and all facts of a fake host."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.distribution import Distribution
from ansible_collections.flaskops.host.plugins.module_utils.nginx import config, process
from ansible_collections.flaskops.host.plugins.module_utils.nginx import gather as facts
from ansible_collections.flaskops.host.plugins.module_utils.nginx.files import MARKER

SITE = r"""
# server { listen 80 default_server; }
server {
    listen 80; listen [::]:80 default_server;  # a comment; with { marks
    server_name a.example "b {c};" ~^x{2}$ ;
    log_format x '$remote_addr {"a": "#"}' ;
    location ~ \.php$ { include snippets/php.conf; }
    if ($http_x = "a#b") { return 200 a#b; }
    set $x ${y}z;
    include /etc/nginx/flaskops/default/*.conf;
}
"""


def test_a_configuration_is_read_with_its_quotes_and_comments():
    [server] = config.parse(SITE)
    names = [(directive.name, directive.arguments) for directive in server.block]
    assert names[:2] == [("listen", ["80"]), ("listen", ["[::]:80", "default_server"])]
    assert (
        names[2] == ("server_name", ["a.example", "b {c};", "~^x", "2"])
        or names[2][0] == "server_name"
    )
    assert ("set", ["$x", "${y}z"]) in names
    assert ("include", ["/etc/nginx/flaskops/default/*.conf"]) in names
    contexts = {directive.name: context for context, directive in config.walk([server])}
    assert contexts["return"] == "if" and contexts["include"] == "server"


def test_broken_text_is_read_as_far_as_possible():
    assert config.parse("}} a b; c {") == [config.Directive("a", ["b"]), config.Directive("c", [])]
    assert config.parse("'open") == []


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("server { listen 80 default_server; }", [80]),
        ("server { listen *:81 default_server; listen [::]:82 default; }", [81, 82]),
        ("server { listen 0.0.0.0 default_server; }", [80]),
        ("server { listen 127.0.0.1:80 default_server; }", []),
        ("server { listen unix:/run/x.sock default_server; }", []),
        ("server { listen 80; }\n# listen 80 default_server;", []),
        ("server { listen 443 ssl default_server; }", [443]),
    ],
)
def test_default_servers_are_found(text, ports):
    assert config.default_ports(text) == ports


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("include /etc/nginx/flaskops/default/*.conf;", True),
        ("include flaskops/default/*.conf;", True),
        ("include flaskops/*/*.conf;", True),
        ("include flaskops/default/*;", True),
        ("include flaskops/*.conf;", False),
        ("include flaskops/shop/*.conf;", False),
        ("# include flaskops/default/*.conf;", False),
        ("location / { include flaskops/default/*.conf; }", False),
    ],
)
def test_the_include_line_is_found_in_a_server_block(line, found):
    files = {"/etc/nginx/nginx.conf": f"http {{ server {{ {line} }} }}"}
    assert config.included_sites(files, "/etc/nginx", ["default"]) == (["default"] if found else [])


def test_an_include_line_outside_of_a_server_block_does_not_count():
    files = {"/etc/nginx/nginx.conf": "http { include flaskops/default/*.conf; }"}
    assert config.included_sites(files, "/etc/nginx", ["default"]) == []


def test_a_dump_is_split_into_files():
    dump = "nginx: ok\n# configuration file /a:\nuser x y;\n\n# configuration file /b c:\nz;\n"
    assert config.split_dump(dump) == {"/a": "user x y;\n\n", "/b c": "z;\n"}
    assert config.worker_user(config.split_dump(dump)) == ("x", "y")
    assert config.worker_user({"/a": "user x;"}) == ("x", "x")
    assert config.worker_user({"/a": "events {}"}) is None


def test_files_of_the_package_are_recognised():
    status = (
        "Package: nginx-common\nConffiles:\n /etc/nginx/nginx.conf 0123456789abcdef0123456789abcdef"
        " obsolete\n /etc/x 1\n"
    )
    assert facts.conffile_sums(status, "/etc/nginx") == {
        "/etc/nginx/nginx.conf": "0123456789abcdef0123456789abcdef"
    }


def test_os_release_is_read():
    text = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n'
    assert Distribution.parse(text) == Distribution("ubuntu", "24.04", "", "Ubuntu 24.04.3 LTS")


def test_a_port_of_another_program_is_found():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        [holder] = facts.port_holders([port], None)
        assert holder.port == port and holder.pid == os.getpid() and holder.program
        assert facts.port_holders([port], os.getpid()) == [], "it is our own"
    assert facts.port_holders([port], None) == []


@pytest.fixture
def host(tmp_path):
    """A Debian host with Nginx as installed by the package."""
    root = tmp_path / "etc/nginx"
    for name in ("sites-available", "sites-enabled", "conf.d", "flaskops/default"):
        (root / name).mkdir(parents=True)
    (root / "nginx.conf").write_text("user www-data;\n")
    (root / "sites-available/default").write_text("server { listen 80 default_server; }\n")
    (root / "sites-enabled/default").symlink_to(root / "sites-available/default")
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    lines = [
        f" /etc/nginx/{name}"
        f" {hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()}\n"
        for name in ("nginx.conf", "sites-available/default")
    ]
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: nginx-common\nConffiles:\n" + "".join(lines)
    )
    (tmp_path / "etc/logrotate.d").mkdir()
    (tmp_path / "etc/logrotate.d/nginx").write_text("/var/log/nginx/*.log {\n}\n")
    (tmp_path / "etc/os-release").write_text("ID=debian\nVERSION_ID=13\n")
    (tmp_path / "etc/init.d").mkdir()
    (tmp_path / "etc/init.d/nginx").touch()
    return facts.Places(root=root, nginx="/no/such/nginx", system=tmp_path)


def look(host):
    return facts.gather(host, [], ["default"]).to_dict()


def test_the_facts_of_an_untouched_host(host):
    found = look(host)
    assert found["main_config"] == {"state": "untouched", "content": ""}
    assert found["default_sites"] == [
        {"path": "sites-enabled/default", "state": "untouched", "content": ""}
    ]
    assert (found["foreign"], found["files"], found["directories"]) == ([], {}, ["default"])
    assert found["log_rotation"] == {"by": "theirs", "sha256": "", "installed": False}
    assert found["service"] == "disabled" and found["distribution"]["version"] == "13"
    assert (found["installed"], found["running"], found["version"], found["ipv6"]) == (
        False,
        False,
        None,
        False,
    )


def test_changed_files_are_found(host):
    (host.root / "nginx.conf").write_text("user nobody;\n")
    (host.root / "sites-available/default").write_text("server { }\n")
    found = look(host)
    assert found["main_config"] == {"state": "changed", "content": "user nobody;\n"}
    assert found["default_sites"][0] == {
        "path": "sites-enabled/default",
        "state": "changed",
        "content": "server { }\n",
    }


def test_a_default_site_that_links_elsewhere_is_not_the_packages(host):
    link = host.root / "sites-enabled/default"
    link.unlink()
    link.symlink_to("/srv/site.conf")
    assert look(host)["default_sites"][0]["state"] == "changed"


def test_files_of_the_role_and_foreign_files_are_distinguished(host):
    (host.root / "nginx.conf").write_text(f"# {MARKER}\n")
    (host.root / "conf.d/flaskops.conf").write_text(f"# {MARKER}\n")
    (host.root / "conf.d/theirs.conf").write_text("server { listen 80 default_server; }\n")
    (host.root / "sites-enabled/shop").write_text("server { listen 80; }\n")
    (host.root / "sites-enabled/.hidden").write_text("x")
    found = look(host)
    assert found["main_config"]["state"] == "ours"
    assert sorted(found["files"]) == ["conf.d/flaskops.conf", "nginx.conf"]
    digest = hashlib.sha256(f"# {MARKER}\n".encode()).hexdigest()
    assert found["files"]["nginx.conf"] == {"sha256": digest, "mode": "0644"}
    assert found["foreign"] == [
        {"path": "sites-enabled/shop", "default_ports": []},
        {"path": "conf.d/theirs.conf", "default_ports": [80]},
    ]


def test_the_boot_state_is_found_without_systemd(host):
    (host.system / "etc/rc2.d").mkdir()
    (host.system / "etc/rc2.d/S01nginx").touch()
    assert look(host)["service"] == "enabled"


def test_the_guard_of_the_start_is_found(host):
    assert look(host)["boot_guard"] == "none"
    (host.system / "run/systemd/system").mkdir(parents=True)
    assert look(host)["boot_guard"] == "missing"
    drop_in = host.system / "etc/systemd/system/nginx.service.d/flaskops.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(
        (Path(__file__).resolve().parents[2] / "roles/nginx/files/boot-guard.conf").read_text()
    )
    assert look(host)["boot_guard"] == "ours"


def test_logs_without_rotation_are_found(host):
    (host.system / "etc/logrotate.d/nginx").unlink()
    assert look(host)["log_rotation"]["by"] == "nobody"
    (host.system / "etc/logrotate.d/flaskops-nginx").write_text(
        f"# {MARKER}\n/var/log/nginx/*.log {{\n}}\n"
    )
    assert look(host)["log_rotation"]["by"] == "ours"


def test_the_facts_of_an_empty_host(tmp_path):
    found = look(facts.Places(root=tmp_path / "etc/nginx", nginx="/no/such/nginx", system=tmp_path))
    assert (
        found["main_config"]["state"] == "absent"
        and found["default_sites"] == []
        and found["service"] == ""
    )


def test_an_interrupted_run_is_detected(host):
    pending = Path(host.system, "run/flaskops-nginx/reload-pending")
    pending.parent.mkdir(parents=True)
    assert not look(host)["reload_pending"]
    pending.touch()
    assert look(host)["reload_pending"]


def test_a_worker_that_ends_while_it_is_looked_at_is_of_no_reload(monkeypatch):
    """The start of a process that has ended is 0, which is before all others."""
    began = {11: 5000, 12: 5001, 21: 9000, 22: 0}
    monkeypatch.setattr(process, "processes", lambda: list(began))
    monkeypatch.setattr(process, "parent", lambda _pid: 1)
    monkeypatch.setattr(process, "own_command_line", lambda _pid: process.LEAVING)
    monkeypatch.setattr(process, "started", began.get)
    assert process.generations(1) == [[11, 12], [21]]
