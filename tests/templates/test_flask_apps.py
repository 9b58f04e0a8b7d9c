# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lookup releases returns for an application: its files, and an id that changes only when
it must.
"""

import configparser
import os
import re
import subprocess
from pathlib import Path

import jinja2
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.flaskops.host.plugins.module_utils.releases.describe import PLACEHOLDER
from entries import normalize_apps
from nginx_findings import findings
from test_nginx import render

# bin/test sets it; then the tests that need Nginx must run.
NGINX = os.environ.get("FLASKOPS_TEST_NGINX", "/usr/sbin/nginx")
ROLE = Path(__file__).resolve().parents[2] / "roles/flask_apps"
KINDS = [
    {},
    {"path": "/"},
    {"websocket": True},
    {"static": []},
    {"proxy": {"buffering": False, "body_size": "1g"}},
    {"proxy": {"forward_auth": {"url": "http://[::1]:9091/", "headers": ["Remote-User"]}}},
]
ALL_OF_UWSGI = {
    "processes": 4,
    "cheaper": 2,
    "cheaper_algorithm": "busyness",
    "harakiri_seconds": 20,
    "max_requests": 500,
    "buffer_size": 65535,
    "offload_threads": 2,
    "lazy_apps": True,
    "stats": True,
    "options": {"max-worker-lifetime": "3600", "cheaper-overload": "5"},
}
KINDS += [
    {"uwsgi": ALL_OF_UWSGI},
    {"engine": "gunicorn"},
    {"engine": "gunicorn", "websocket": True, "gunicorn": {"max_requests": 9}},
]
RUNTIME = "flaskops/runtime:0123456789ab"
TYPES = ROLE.parent / "nginx/templates/flaskops.types.j2"


@pytest.fixture
def source(tmp_path):
    place = tmp_path / "shop"
    place.mkdir()
    (place / "app.py").write_text("app = 1\n")
    (place / "requirements.txt").write_text("flask\n")
    (place / ".dockerignore").write_text("*.log\n")
    return place


@pytest.fixture
def make(source, tmp_path):
    """The release of one application; keys are as the user writes them."""

    def run(runtime=RUNTIME, root="/var/lib/flaskops", variables=None, **keys):
        entry = {"name": "shop", "source": str(source), "path": "/shop", **keys}
        apps, problems = normalize_apps([entry], sites=["default", "www"], root=root)
        assert problems == []
        known = {
            "ansible_managed": "Ansible managed",
            "ansible_search_path": [str(ROLE)],
            **(variables or {}),
        }
        loader = DataLoader()
        lookup = lookup_loader.get(
            "flaskops.host.releases", loader=loader, templar=Templar(loader, variables=known)
        )
        options = {"templates": str(ROLE / "templates"), "key_file": str(tmp_path / "release.key")}
        (release,) = lookup.run(
            [apps], variables=known, runtimes={"": runtime}, root=root, **options
        )
        return release

    return run


@pytest.fixture
def nginx(make):
    return lambda **keys: make(**keys)["files"]["nginx.conf"]


@pytest.fixture
def uwsgi(make):
    """The settings of uWSGI; options may be repeated."""

    def run(**keys):
        lines = make(**keys)["files"]["uwsgi.ini"].splitlines()
        options = [line.split(" = ", 1) for line in lines if line and line[0] not in ";["]
        assert all(len(option) == 2 for option in options)
        return {key: [value for name, value in options if name == key] for key, _ in options}

    return run


def locations(text):
    """The blocks of a fragment by their heads."""
    return dict(re.findall(r"^location ([^{]+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE))


# --- the id ---------------------------------------------------------------------------------------


def test_the_same_inputs_give_the_same_release(make):
    first, second = make(), make()
    assert first == second
    assert re.fullmatch("[0-9a-f]{12}", first["id"])


@pytest.mark.parametrize(
    "keys",
    [
        {"path": "/other"},
        {"env": {"A": "1"}},
        {"uwsgi": {"threads": 8}},
        {"uwsgi": {"processes": 2}},
        {"uwsgi": {"harakiri_seconds": 30}},
        {"websocket": True},
        {"secrets": {"KEY": "x"}},
        {"static": []},
        {"proxy": {"read_timeout_seconds": 5}},
        {"resources": {"pids": 99}},
        {"networks": ["bridge"]},
        {"drain_seconds": 5},
        {"runtime": "flaskops/runtime:ba9876543210"},
        {"root": "/srv/flaskops"},
        {"uid": 20001},
    ],
    ids=str,
)
def test_every_input_of_a_release_makes_another_release(make, keys):
    assert make(**keys)["id"] != make()["id"]


@pytest.mark.parametrize(
    "keys",
    [
        {"health": {"deadline_seconds": 5, "status": ["200"]}},
        {"state": "maintenance"},
        {"keep_releases": 9},
        {"release_command": "flask db upgrade"},
        {"site": "www"},
        {"uwsgi": {"gevent": 7}},
        {"path": "/shop/"},
        {"drain_seconds": "30"},
        {"module": "app", "callable": "app"},
    ],
    ids=str,
)
def test_other_keys_keep_the_release(make, keys):
    assert make(**keys)["id"] == make()["id"]


def test_one_byte_of_the_source_makes_another_release(make, source):
    before = make()["id"]
    (source / "app.py").write_text("app = 2\n")
    assert make()["id"] != before


def test_times_caches_and_ignored_files_keep_the_release(make, source):
    before = make()["id"]
    os.utime(source / "app.py", (1, 1))
    (source / "today.log").write_text("x")
    (source / "__pycache__").mkdir()
    (source / "__pycache__/app.cpython-311.pyc").write_bytes(b"x")
    assert make()["id"] == before


def test_another_secret_value_makes_another_release_that_does_not_contain_it(make):
    first, second = make(secrets={"KEY": "hunter2"}), make(secrets={"KEY": "hunter3"})
    assert first["id"] != second["id"]
    assert "hunter2" not in str(
        {key: value for key, value in first.items() if key not in ("app", "secrets")}
    )


def test_variables_of_the_user_do_not_reach_the_templates(make):
    mine = {
        "app": {"name": "mine"},
        "release": "mine",
        "runtime": "mine",
        "socket": "mine",
        "directory": "mine",
        "backlog": 1,
    }
    assert make(variables=mine) == make()


def test_contents_of_configuration_and_env_files_are_secret_too(make, tmp_path):
    def release(content, variable):
        (tmp_path / "shop.env").write_text(f"COLOUR={variable}\n")
        return make(
            env_file=str(tmp_path / "shop.env"),
            config_files=[{"path": "/app/x.cfg", "content": content}],
        )

    first, others = (
        release("hunter2", "hunter4"),
        [release("hunter3", "hunter4"), release("hunter2", "hunter5")],
    )
    assert len({release["id"] for release in (first, *others)}) == 3
    assert "hunter" not in str(
        {key: value for key, value in first.items() if key not in ("app", "secrets")}
    )
    assert "FLASKOPS_SECRETS=COLOUR\n" in first["files"]["container.env"]
    assert sorted(first["secrets"].values()) == ["hunter2", "hunter4"]
    assert first["variables"] == ["COLOUR"]


def test_processes_of_another_image_get_their_secrets_from_the_relay(make):
    keys = {
        "engine": "command",
        "command": "serve",
        "processes": [{"name": "worker", "command": "work"}],
    }
    (process,) = make(secrets={"KEY": "x"}, **keys)["process_containers"]
    assert (process["entrypoint"][-1], process["command"]) == (
        "/etc/flaskops/relay.py",
        ["--run", "sh", "-c", "exec work"],
    )
    (process,) = make(**keys)["process_containers"]
    assert (process["entrypoint"], process["command"]) == (["sh", "-c"], ["exec work"])


def test_the_key_for_secrets_is_created_only_if_there_are_secrets(make, tmp_path):
    make()
    assert not (tmp_path / "release.key").exists()
    make(secrets={"KEY": "x"})
    assert (tmp_path / "release.key").exists()


def test_the_id_replaces_the_placeholder_everywhere(make):
    release = make()
    identity = release["id"]
    assert PLACEHOLDER not in str(release)
    assert release["container"]["image"] == f"flaskops/shop:{identity}"
    assert release["container"]["name"] == f"shop-{identity}"
    assert f"FLASKOPS_RELEASE={identity}\n" in release["files"]["container.env"]
    assert f"http-socket = /run/flaskops/{identity}/app.sock" in release["files"]["uwsgi.ini"]
    assert release["files"]["release.txt"] == f"shop {identity}\n"


def test_a_fragment_has_no_id_so_that_a_code_change_needs_no_reload(make):
    one, two = make(env={"VERSION": "1"}), make(env={"VERSION": "2"})
    assert one["id"] != two["id"]
    for file in ("nginx.conf", "maintenance.conf", "stopped.conf"):
        assert one["files"][file] == two["files"][file]
    assert (
        f"proxy_pass http://unix:/var/lib/flaskops/apps/shop/{one['route']}/run/app.sock;"
        in one["files"]["nginx.conf"]
    )


def test_a_fragment_with_a_cache_has_the_id_so_that_no_answer_outlives_its_release(make):
    one, two = (make(env={"VERSION": version}, proxy={"cache_seconds": 1}) for version in "12")
    assert one["files"]["nginx.conf"] != two["files"]["nginx.conf"]


def test_a_fragment_answers_to_its_own_digest(make):
    one, two = make(), make(proxy={"read_timeout_seconds": 7})
    digests = [
        re.findall(r'arg_config !~ "\^\(\|([0-9a-f]{12})\)\$"', release["files"]["nginx.conf"])
        for release in (one, two)
    ]
    assert [len(found) for found in digests] == [1, 1]
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("keys", "same"),
    [
        ({"env": {"A": "1"}}, True),
        ({"proxy": {"read_timeout_seconds": 7}}, True),
        ({"path_mode": "script_name"}, True),
        ({"engine": "gunicorn"}, True),
        ({"path": "/store"}, False),
        ({"path": "/"}, False),
        ({"engine": "command", "command": "serve", "path_mode": "script_name"}, False),
    ],
    ids=str,
)
def test_an_old_worker_reaches_a_new_release_only_when_it_expects_the_same_path(make, keys, same):
    assert (make(**keys)["route"] == make()["route"]) is same


@pytest.mark.parametrize("keys", KINDS, ids=str)
def test_the_rendered_files_are_readable(make, keys):
    release = make(**keys)
    for name, text in {**release["files"], "Dockerfile": release["dockerfile"]}.items():
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        assert "\n\n\n" not in text, name
        assert "\t" not in text, name
        assert not re.search(r" +$", text, re.MULTILINE), name
        assert not re.search(
            r"\{\{|\}\}|\{%|%\}|(?<!If-)None|False" + ("" if name.endswith(".py") else "|True"),
            text,
        ), name


# --- Nginx ----------------------------------------------------------------------------------------


def test_a_path_without_its_slash_is_redirected_relatively_and_keeps_the_query(nginx):
    for text, head in (
        (nginx(path_mode="script_name"), "= /shop"),
        (nginx(), "@flaskops_shop_bare"),
    ):
        block = locations(text)[head]
        assert "absolute_redirect off;" in block
        assert "return 308 /shop/$is_args$args;" in block


def test_a_path_matches_its_subpaths_and_not_paths_with_the_same_prefix(nginx):
    found = locations(nginx(static=[]))
    assert set(found) == {
        "= /shop",
        "@flaskops_shop_bare",
        "^~ /shop/",
        "= /shop/.flaskops/release",
    }


def test_at_the_root_there_is_nothing_to_redirect(nginx):
    text = nginx(path="/")
    assert set(locations(text)) == {
        "/",
        "^~ /static/",
        "@flaskops_shop_before",
        "@flaskops_shop",
        "= /.flaskops/release",
    }
    assert "308" not in text


def test_the_whole_path_is_passed_on(nginx):
    assert re.search(r"proxy_pass http://unix:[^:;]+\.sock;", nginx())


def test_only_nginx_sets_forwarded_headers(nginx):
    text = nginx()
    for block in (locations(text)["^~ /shop/"], locations(text)["@flaskops_shop"]):
        headers = dict(re.findall(r"proxy_set_header (\S+) (.*);", block))
        assert headers == {
            "Host": "$flaskops_host",
            "X-Real-IP": "$remote_addr",
            "X-Forwarded-For": "$remote_addr",
            "X-Forwarded-Proto": "$flaskops_scheme",
            "X-Forwarded-Host": "$flaskops_host",
            "X-Forwarded-Prefix": '""',
            "X-Forwarded-Port": '""',
            "X-Forwarded-Server": '""',
            "X-Forwarded-Ssl": '""',
            "Forwarded": '""',
            "Proxy": '""',
            "X-Request-ID": "$request_id",
            "Upgrade": "$flaskops_upgrade",
            "Connection": "$flaskops_connection",
            "HTTP2-Settings": '""',
        }


def test_static_files_come_from_the_release_then_from_the_one_before_then_from_the_application(
    nginx, make
):
    found = locations(nginx())
    own, before = found["^~ /shop/static/"], found["@flaskops_shop_before"]
    assert f"root /var/lib/flaskops/apps/shop/{make()['route']}/static;" in own
    assert "try_files $uri @flaskops_shop_before;" in own
    assert "root /var/lib/flaskops/apps/shop/before;" in before
    assert "try_files $uri @flaskops_shop;" in before
    for block in (own, before):
        assert "disable_symlinks on from=$document_root;" in block


def test_under_maintenance_every_client_gets_503_with_retry_after(make):
    release = make(maintenance={"retry_after_seconds": 60})
    found = locations(release["files"]["maintenance.conf"])
    assert set(found) == {
        "= /shop",
        "^~ /shop/",
        "= /shop/.flaskops/maintenance",
        "= /shop/.flaskops/release",
    }
    for head in ("= /shop", "^~ /shop/"):
        assert "return 503;" in found[head]
    assert "add_header Retry-After 60 always;" in found["= /shop/.flaskops/maintenance"]
    assert "Back soon" in release["files"]["maintenance.html"]


def test_under_maintenance_a_custom_health_check_reaches_the_application(make):
    block = locations(make(health={"path": "/health?deep=1"})["files"]["maintenance.conf"])[
        "^~ /shop/"
    ]
    assert re.search(
        r"    location = /shop/health \{.*proxy_pass http://unix:[^:;]+\.sock;", block, re.DOTALL
    )


def test_the_maintenance_page_may_be_custom(make, tmp_path):
    (tmp_path / "page.html").write_text("<p>We move.</p>")
    assert (
        make(maintenance={"page": str(tmp_path / "page.html")})["files"]["maintenance.html"].strip()
        == "<p>We move.</p>"
    )


def test_a_stopped_application_answers_503_without_asking_it(make):
    text = make()["files"]["stopped.conf"]
    for head in ("= /shop", "^~ /shop/"):
        assert "return 503;" in locations(text)[head]
    assert "proxy_pass" not in text


def test_each_static_url_has_a_location(nginx):
    found = locations(
        nginx(static=[{"url": "/css", "path": "web/css"}, {"url": "/js/", "path": "/usr/share/js"}])
    )
    assert {"^~ /shop/css/", "^~ /shop/js/"} <= set(found)
    assert "^~ /shop/static/" not in found


def test_without_static_files_the_application_answers_all(nginx):
    text = nginx(static=[])
    assert "/static" not in text
    assert set(re.findall(r"@flaskops\w+", text)) == {"@flaskops_shop_bare"}


def test_only_the_host_itself_can_read_the_release(nginx, make):
    block = locations(nginx())["= /shop/.flaskops/release"]
    assert "if ($flaskops_loopback = 0) {\n        return 404;" in block
    assert f"alias /var/lib/flaskops/apps/shop/{make()['route']}/release.txt;" in block


def test_settings_of_the_proxy_are_written(nginx):
    text = nginx(
        proxy={
            "connect_timeout_seconds": 3,
            "read_timeout_seconds": 90,
            "body_size": "20m",
            "buffering": False,
        }
    )
    for line in (
        "proxy_connect_timeout 3s;",
        "proxy_read_timeout 90s;",
        "client_max_body_size 20m;",
        "proxy_buffering off;",
    ):
        assert line in text
    text = nginx()
    assert "client_max_body_size" not in text
    assert "proxy_buffering" not in text


def test_every_variable_is_built_into_nginx_or_defined_by_the_nginx_role(nginx):
    """With an unmanaged Nginx, conf.d/flaskops.conf is the only file of the role."""
    used = set(re.findall(r"\$(\w+)", nginx()))
    own = set(
        re.findall(
            r"^(?:map (?:\S+|\".*?\")|geo(?: \S+)?) \$(\w+) \{",
            render()["conf.d/flaskops.conf"],
            re.MULTILINE,
        )
    )
    known = {
        "remote_addr",
        "scheme",
        "request_id",
        "http_upgrade",
        "is_args",
        "args",
        "arg_config",
        "uri",
        "document_root",
    }
    assert used <= own | known


@pytest.mark.skipif(
    "FLASKOPS_TEST_NGINX" not in os.environ and not os.access(NGINX, os.X_OK), reason="needs Nginx"
)
@pytest.mark.parametrize("keys", KINDS, ids=str)
def test_nginx_accepts_the_fragment(nginx, keys, tmp_path):
    names = render()["conf.d/flaskops.conf"].replace("/var/cache", str(tmp_path))
    fragment = nginx(**keys).replace("/etc/nginx/conf.d/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\nserver_tokens off;\n"
        f"{names}\nserver {{\n{fragment}\n}}\n}}\n"
    )
    (tmp_path / "flaskops.types").write_text(re.sub(r"\{\{.*?\}\}", "", TYPES.read_text()))
    run = subprocess.run(
        [NGINX, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert findings(tmp_path / "nginx.conf") == []


# --- uWSGI ----------------------------------------------------------------------------------------


def test_plain_requests_are_answered_by_processes_and_threads(uwsgi):
    options = uwsgi(uwsgi={"processes": 3, "threads": 8})
    assert (options["processes"], options["threads"]) == (["3"], ["8"])
    assert not {"gevent", "http-websockets", "gevent-monkey-patch"} & set(options)


def test_websockets_are_answered_by_greenlets(uwsgi):
    options = uwsgi(websocket=True, uwsgi={"gevent": 250})
    assert (options["gevent"], options["http-websockets"], options["gevent-monkey-patch"]) == (
        ["250"],
        ["true"],
        ["true"],
    )
    assert "threads" not in options


def test_a_number_of_processes_that_the_container_computes_is_not_written(uwsgi):
    assert "processes" not in uwsgi()


def test_an_application_that_does_not_load_ends_the_container(uwsgi):
    options = uwsgi()
    assert (options["strict"], options["need-app"], options["master"], options["vacuum"]) == (
        ["true"],
    ) * 4


def test_the_server_loads_the_wrapper(uwsgi, make, source):
    (source / "web.py").write_text("def make_app():\n    return 1\n")
    assert uwsgi(module="web")["module"] == ["flaskops_wsgi:application"]
    values = make(module="web")["files"]["container.env"].splitlines()
    assert {"FLASKOPS_MODULE=web", "FLASKOPS_CALLABLE=make_app()"} <= set(values)


def test_stopping_lets_requests_finish(uwsgi):
    options = uwsgi(drain_seconds=12)
    assert options["hook-master-start"] == ["unix_signal:15 gracefully_kill_them_all"]
    assert options["worker-reload-mercy"] == ["12"]
    assert uwsgi(drain_seconds=0)["worker-reload-mercy"] == ["1"]


def test_harakiri_is_off_by_default(uwsgi):
    assert "harakiri" not in uwsgi()
    assert uwsgi(uwsgi={"harakiri_seconds": 20})["harakiri"] == ["20"]


def test_all_settings_of_uwsgi_are_written(uwsgi):
    options = uwsgi(uwsgi=ALL_OF_UWSGI)
    expected = {
        "processes": "4",
        "cheaper": "2",
        "cheaper-initial": "2",
        "cheaper-algo": "busyness",
        "harakiri": "20",
        "max-requests": "500",
        "max-requests-delta": "50",
        "buffer-size": "65535",
        "offload-threads": "2",
        "lazy-apps": "true",
        "max-worker-lifetime": "3600",
        "cheaper-overload": "5",
    }
    assert {name: options[name] for name in expected} == {
        name: [value] for name, value in expected.items()
    }
    assert re.fullmatch(r"/run/flaskops/[0-9a-f]{12}/stats\.sock", options["stats"][0])
    assert not {*expected, "stats"} - {"buffer-size"} & set(uwsgi())
    assert uwsgi()["buffer-size"] == ["65535"]


def test_the_settings_are_an_ini_file(make):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(make()["files"]["uwsgi.ini"])
    assert parser.sections() == ["uwsgi"]


# --- Gunicorn -------------------------------------------------------------------------------------


@pytest.fixture
def gunicorn(make):
    """The settings of Gunicorn."""

    def run(**keys):
        files = make(engine="gunicorn", **keys)["files"]
        assert "uwsgi.ini" not in files
        found = {}
        exec(files["gunicorn.conf.py"], found)  # Gunicorn does it, too
        return {name: value for name, value in found.items() if name[0] != "_"}

    return run


def test_gunicorn_answers_plain_requests_with_threads(gunicorn):
    options = gunicorn(gunicorn={"threads": 8, "timeout_seconds": 9, "log_level": "warning"})
    assert (
        options["worker_class"],
        options["threads"],
        options["timeout"],
        options["loglevel"],
    ) == ("gthread", 8, 9, "warning")
    assert not {"worker_connections", "max_requests", "accesslog", "workers"} & set(options)


def test_gunicorn_answers_websockets_with_greenlets(gunicorn):
    options = gunicorn(websocket=True, gunicorn={"gevent": 250})
    assert (options["worker_class"], options["worker_connections"]) == ("gevent", 250)
    assert "threads" not in options


def test_gunicorn_lets_requests_finish_and_replaces_workers(gunicorn):
    options = gunicorn(drain_seconds=12, gunicorn={"max_requests": 100, "max_requests_jitter": 10})
    assert (
        options["graceful_timeout"],
        options["max_requests"],
        options["max_requests_jitter"],
    ) == (12, 100, 10)
    assert gunicorn(drain_seconds=0)["graceful_timeout"] == 1


def test_gunicorn_listens_where_nginx_can_connect_and_writes_nowhere_else(gunicorn):
    options = gunicorn()
    assert re.fullmatch(r"unix:/run/flaskops/[0-9a-f]{12}/app\.sock", options["bind"])
    assert 0o777 & ~options["umask"] == 0o666
    assert (options["worker_tmp_dir"], options["control_socket_disable"], options["errorlog"]) == (
        "/dev/shm",
        True,
        "-",
    )


def test_gunicorn_accepts_every_request_that_nginx_accepts(gunicorn):
    """nginx_header_buffer_size is at most 999k. A 0 would select Gunicorn's default for the second
    option, 8190.
    """
    options = gunicorn()
    assert (options["limit_request_line"], options["limit_request_field_size"]) == (0, 1024**2)


def test_gunicorn_leaves_the_headers_to_the_wrapper(gunicorn):
    options = gunicorn()
    assert (
        options["forwarded_allow_ips"],
        options["secure_scheme_headers"],
        options["forwarder_headers"],
    ) == ("", {}, "")


# --- the image ------------------------------------------------------------------------------------


def test_requirements_are_installed_before_the_code_is_copied(make):
    text = make()["dockerfile"]
    first = text.index('COPY ["app/requirements.txt", "./requirements.txt"]')
    assert first < text.index("flaskops-install") < text.index("COPY app/ /app/")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == [f"{RUNTIME}-build", RUNTIME]


def test_certificates_of_the_build_are_not_in_the_final_image(make):
    final = make()["dockerfile"].rpartition("FROM ")[2]
    assert "trust" not in final


def test_the_image_does_not_depend_on_settings(make):
    """Otherwise every change of a setting would rebuild it."""
    assert (
        make(uwsgi={"threads": 9}, env={"A": "1"}, path="/x")["dockerfile"] == make()["dockerfile"]
    )


def test_templates_of_the_role_are_compiled_once_for_all_applications(
    source, tmp_path, monkeypatch
):
    """Twenty unchanged applications add time to a run on the controller only."""
    read = []
    compiled = jinja2.Environment.compile

    def compile_(self, text, *args, **kwargs):
        read.append(len(text))
        return compiled(self, text, *args, **kwargs)

    monkeypatch.setattr(jinja2.Environment, "compile", compile_)

    def size_of(count):
        entries = [
            {"name": f"shop{number}", "source": str(source), "path": f"/shop{number}"}
            for number in range(count)
        ]
        known = {"ansible_managed": "Ansible managed", "ansible_search_path": [str(ROLE)]}
        loader = DataLoader()
        lookup = lookup_loader.get(
            "flaskops.host.releases", loader=loader, templar=Templar(loader, variables=known)
        )
        options = {
            "templates": str(ROLE / "templates"),
            "key_file": str(tmp_path / "release.key"),
            "root": "/var/lib/flaskops",
        }
        read.clear()
        assert (
            len(
                lookup.run(
                    [normalize_apps(entries)[0]], variables=known, runtimes={"": RUNTIME}, **options
                )
            )
            == count
        )
        return sum(read)

    assert size_of(20) < 2 * size_of(1)
