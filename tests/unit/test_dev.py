# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How bin/dev runs an application, and the first process of its container with a server that
replaces uWSGI.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.apps import dev as _dev
from ansible_collections.flaskops.host.plugins.module_utils.releases import secrets
from ansible_collections.flaskops.host.plugins.module_utils.releases.describe import container
from entries import normalize_apps, typed

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("dev", ROOT / "roles/flask_apps/files/dev.py")
dev = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(dev)
COMMAND = importlib.util.spec_from_file_location("dev_command", ROOT / "bin/dev.py")
command = importlib.util.module_from_spec(COMMAND)
COMMAND.loader.exec_module(command)


def entry(tmp_path, apps=(), **keys):
    return _dev.dev_entry(list(apps), str(tmp_path), "/nowhere", keys)


def test_without_an_inventory_the_directory_gives_the_name_and_the_path(tmp_path):
    directory = tmp_path / "My_Shop"
    directory.mkdir()
    assert _dev.dev_entry([], str(directory), "", {}) == {
        "name": "my-shop",
        "path": "/my-shop",
        "source": str(directory),
    }
    assert _dev.dev_entry([], str(directory), "", {"name": "s"}) == {
        "name": "s",
        "path": "/s",
        "source": str(directory),
    }


def test_the_entry_with_this_source_is_used_without_its_host_settings(tmp_path):
    listed = {
        "name": "shop",
        "source": tmp_path.name,
        "path": "/s",
        "site": "example",
        "state": "maintenance",
        "uwsgi": {"threads": 2},
    }
    found = _dev.dev_entry(
        [{"name": "other", "source": "x"}, listed],
        str(tmp_path),
        str(tmp_path.parent),
        {"uwsgi": {"processes": 1}},
    )
    assert found == {
        "name": "shop",
        "source": str(tmp_path),
        "path": "/s",
        "uwsgi": {"threads": 2, "processes": 1},
    }


def test_an_entry_from_git_is_found_by_its_name(tmp_path):
    listed = {"name": "shop", "git": {"repo": "https://git.example.org/shop.git"}, "path": "/s"}
    assert entry(tmp_path, [listed], name="shop") == {
        "name": "shop",
        "path": "/s",
        "source": str(tmp_path),
    }


@pytest.mark.parametrize(
    ("dockerfile", "files", "mounts"),
    [
        ("FROM tiangolo/uwsgi-nginx-flask\nCOPY ./app /app\n", ["app/main.py"], {"/app": "app"}),
        (
            "FROM tiangolo/uwsgi-nginx-flask\nCOPY requirements.txt /app/\nCOPY ./app /app\n",
            ["app/main.py"],
            {"/app": "app"},
        ),
        (
            "FROM tiangolo/uwsgi-nginx-flask\nCOPY ./app /app\nCOPY assets /app/static\n",
            ["app/main.py", "app/static/a", "assets/b"],
            {"/app": "app", "/app/static": "assets"},
        ),
        (
            "FROM tiangolo/uwsgi-nginx-flask\nCOPY ./app /app\nCOPY assets /app/static\n",
            ["app/main.py", "assets/b"],
            {"/app": "app"},
        ),
        (
            "FROM tiangolo/uwsgi-nginx-flask\nWORKDIR /code\nCOPY . .\n",
            ["shop/a.py", "main.py"],
            {"/code": ""},
        ),
        ("FROM tiangolo/uwsgi-nginx-flask\nCOPY main.py /app/other.py\n", ["main.py"], {}),
    ],
)
def test_the_source_is_mounted_where_the_dockerfile_copies_it(tmp_path, dockerfile, files, mounts):
    for file in [*files, "requirements.txt"]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / "Dockerfile").write_text(dockerfile)
    app = {"source": str(tmp_path), "build": {"kind": "dockerfile", "dockerfile": "Dockerfile"}}
    assert typed(_dev.source_mounts)(app, [*files, "requirements.txt"]) == mounts


def words(tmp_path, **keys):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    apps, problems = normalize_apps(
        [entry(tmp_path, name="shop", path="/shop", **keys)],
        {},
        ["default"],
        "/",
        "/var/lib/flaskops",
    )
    assert not problems
    release = {
        "id": "0123456789ab",
        "app": apps[0],
        "container": typed(container)(apps[0], "0123456789ab", "x", "/tmp/place"),
    }
    return _dev.dev_run(
        release, "/tmp/place", 5001, "flaskops-dev/shop", {"Entrypoint": ["/start"], "Cmd": ["now"]}
    )


def test_the_port_is_on_loopback_only_and_the_limits_are_those_of_production(tmp_path):
    run = words(tmp_path)
    assert (run["name"], run["prefix"]) == ("dev-shop", "/shop")
    joined = " ".join(run["words"])
    assert "--publish 127.0.0.1:5001:5000 --user 10001:10001 --read-only" in joined
    assert "--memory 512m" in joined
    assert "--cap-drop ALL --security-opt no-new-privileges" in joined
    assert f"--volume {tmp_path}:/app:ro" in joined
    assert "--env FLASKOPS_URL=http://127.0.0.1:5001/shop/" in joined
    assert joined.endswith(
        "/etc/flaskops/dev.py /opt/runtime/bin/python3 -I /opt/runtime/flaskops/entrypoint.py"
    )


def test_secrets_and_configuration_files_are_mounted_as_in_production(tmp_path):
    file = secrets.config_name("/etc/shop.cfg")
    run = words(
        tmp_path,
        secrets={"KEY": "hunter2"},
        config_files=[{"path": "/etc/shop.cfg", "content": "hunter3"}],
    )
    joined = " ".join(run["words"])
    assert "--volume /tmp/place/secrets:/run/secrets:ro" in joined
    assert f"--volume /tmp/place/secrets/{file}:/etc/shop.cfg:ro" in joined
    assert "hunter" not in joined
    assert "problem" not in run


def test_a_configuration_file_inside_the_mounted_source_needs_a_mount_point(tmp_path):
    config = [{"path": "/app/instance/config.py", "content": "x"}]
    message = (
        "config_files has /app/instance/config.py, which is in the source here: make an empty {},"
        " which it covers."
    )
    assert words(tmp_path, config_files=config)["problem"] == message.format(
        tmp_path / "instance/config.py"
    )
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance/config.py").touch()
    assert "problem" not in words(tmp_path, config_files=config)


def test_the_server_of_a_foreign_image_is_started_by_the_relay(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.13\nCOPY . /srv\n")
    run = words(
        tmp_path, dockerfile="Dockerfile", engine="command", port=8000, path_mode="script_name"
    )
    assert run["words"][-5:] == [
        "/etc/flaskops/dev.py",
        "python3",
        "/etc/flaskops/relay.py",
        "/start",
        "now",
    ]
    assert "FLASKOPS_PREFIX_MODE=strip" in run["words"]
    keys = {
        "dockerfile": "Dockerfile",
        "engine": "command",
        "port": 8000,
        "path_mode": "script_name",
        "command": "gunicorn app:app",
    }
    assert "FLASKOPS_PREFIX_MODE=tell" in words(tmp_path, **keys)["words"]  # like Nginx
    assert "FLASKOPS_PREFIX_MODE=" in words(tmp_path, **{**keys, "path_mode": "domain"})["words"]


def test_the_head_of_a_request_is_the_one_that_nginx_would_send():
    sent = (
        b"GET /a HTTP/1.1\r\nHost: x:5000\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP:"
        b" 6.6.6.6\r\nConnection: keep-alive\r\nCookie: a=b"
    )
    head, host, waits = dev.rewrite(sent, "")
    assert (host, waits) == ("x:5000", False)
    assert head.split(b"\r\n") == [
        b"GET /a HTTP/1.1", b"Host: x:5000", b"Cookie: a=b", b"X-Real-IP: 127.0.0.1",
        b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: x:5000",
        b"Connection: close", b"", b"",
    ]  # fmt: skip


def test_an_upgrade_is_kept_and_a_waiting_client_is_noticed():
    head, _host, _waits = dev.rewrite(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade", "/shop"
    )
    assert b"\r\nUpgrade: websocket\r\n" in head
    assert head.endswith(b"X-Forwarded-Prefix: /shop\r\nConnection: upgrade\r\n\r\n")
    assert dev.rewrite(b"POST / HTTP/1.1\r\nExpect: 100-continue", "")[2]


@pytest.mark.parametrize(
    ("location", "reached"),
    [
        ("/cart", "/shop/cart"),
        ("/", "/shop/"),
        ("http://x:5000/cart?a=/b", "/shop/cart?a=/b"),
        ("/shops", "/shop/shops"),
        ("/shop/cart", "/shop/cart"),
        ("/shop?a", "/shop?a"),
        ("cart", "cart"),
        ("//x:5000/cart", "//x:5000/cart"),
        ("http://other.example/cart", "http://other.example/cart"),
        ("http://x:50001/cart", "http://x:50001/cart"),
    ],
)
def test_a_redirect_leads_below_the_path_as_behind_nginx(location, reached):
    head = f"HTTP/1.1 302 Found\r\nLOCATION: {location}\r\nA: b\r\n\r\n".encode()
    assert dev.led_back(head, "x:5000", "/shop", "").split(b"\r\n")[1:] == [
        f"LOCATION: {reached}".encode(),
        b"A: b",
        b"",
        b"",
    ]
    assert dev.led_back(head, "x:5000", "", "") == head


@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        ("a=b; Path=/", "a=b; Path=/shop/"),
        ("a=b; HttpOnly; path=/ ; Secure", "a=b; HttpOnly; path=/shop/ ; Secure"),
        ("a=b; Path=/cart", "a=b; Path=/cart"),
        ("a=/; Domain=x", "a=/; Domain=x"),
    ],
)
def test_a_cookie_for_the_whole_host_is_limited_to_the_path(cookie, kept):
    head = f"HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\n\r\n".encode()
    assert dev.led_back(head, "x", "", "/shop/") == head.replace(cookie.encode(), kept.encode())
    assert dev.led_back(head, "x", "", "") == head


def test_cookies_have_the_same_path_as_in_production(tmp_path):
    assert "FLASKOPS_COOKIE_PATH=/shop" in words(tmp_path)["words"]
    keys = {"path_mode": "script_name"}
    assert "FLASKOPS_COOKIE_PATH=/shop/" in words(tmp_path, **keys)["words"]
    keys["proxy"] = {"cookie_path": "keep"}
    assert "FLASKOPS_COOKIE_PATH=" in words(tmp_path, **keys)["words"]


def test_files_of_editors_and_static_files_are_not_watched(tmp_path):
    for name in (
        "app.py",
        "app.py~",
        ".app.py.swp",
        "4913",
        "__pycache__/app.pyc",
        ".git/HEAD",
        "static/a.css",
        "templates/a.html",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = dev.snapshot([str(tmp_path)], [str(tmp_path / "static")])
    assert sorted(os.path.relpath(path, tmp_path) for path in found) == [
        "app.py",
        "templates/a.html",
    ]


SERVER = """
    import os, socket, sys
    text = open(sys.argv[1]).read()
    if text == "broken":
        sys.exit("it is broken")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.environ["FLASKOPS_SOCKET"])
        server.listen()
        while True:
            client, _ = server.accept()
            path = client.recv(65536).split(b" ")[1].partition(b"?")[0]
            head = {b"/shop": b"404 Not Found", b"/shop/r": b"302 Found\\r\\nLocation: /cart"}
            early = b"HTTP/1.1 103 Early Hints\\r\\n\\r\\n" if path == b"/shop/r" else b""
            answer = b"HTTP/1.1 " + head.get(path, b"200 OK") + b"\\r\\n\\r\\n"
            client.sendall(early + answer + text.encode())
            client.close()
"""


@pytest.mark.parametrize("mode", ["", "tell"])
def test_the_next_request_sees_saved_changes(tmp_path, monkeypatch, capsys, mode):
    source, server = tmp_path / "source", tmp_path / "server.py"
    source.mkdir()
    server.write_text(textwrap.dedent(SERVER))
    file = source / "app.txt"
    file.write_text("one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(dev, "PORT", port)
    monkeypatch.setattr(dev, "PAUSE", 60)
    monkeypatch.setenv("FLASKOPS_SOCKET", str(tmp_path / "s"))
    answers = []

    async def ask(path):
        for _ in range(100):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.05)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answers.append((await reader.read()).decode())
        writer.close()

    async def visit():
        await ask("/shop/")
        for text in ("two", "broken", "three"):
            file.write_text(text)
            await ask("/shop/")
        await ask("/shop?a=b")
        await ask("/")
        await ask("/shop/r")
        os.kill(os.getpid(), signal.SIGTERM)

    async def both():
        environment = {
            "FLASKOPS_SOCKET": str(tmp_path / "s"),
            "FLASKOPS_WATCH": str(source),
            "FLASKOPS_PREFIX": "/shop",
            "FLASKOPS_PREFIX_MODE": mode,
        }
        environment["FLASKOPS_URL"] = "http://127.0.0.1:5001/shop/"
        await asyncio.gather(
            dev.run(environment, [sys.executable, str(server), str(file)]), visit()
        )

    asyncio.run(both())
    assert (
        capsys.readouterr().out.count("==> http://127.0.0.1:5001/shop/   Press Ctrl-C to stop\n")
        == 1
    )
    assert [answer.split("\r\n\r\n")[1] for answer in answers[:2]] == ["one", "two"]
    assert answers[2].startswith("HTTP/1.1 502 ")
    assert "it is broken" in answers[2]
    assert answers[3].endswith("three")
    assert answers[4].startswith("HTTP/1.1 308 ")
    assert "Location: /shop/?a=b" in answers[4]
    assert answers[5].endswith("The application is at /shop/\n")
    assert answers[6].startswith("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 302 Found\r\n")
    assert f"\r\nLocation: {'/shop' if mode else ''}/cart\r\n" in answers[6]


SLOW = """
    import signal, socket, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(0.5)
    server = socket.create_server(("127.0.0.1", int(sys.argv[2])), reuse_port=False)
    while True:
        client, _ = server.accept()
        if client.recv(65536):
            client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n" + open(sys.argv[1], "rb").read())
        client.close()
"""


def test_a_server_behind_the_relay_is_asked_once_it_listens(tmp_path, monkeypatch):
    """The server starts slowly and ignores SIGTERM, like a server with a long request."""
    (tmp_path / "source").mkdir()
    file, script = tmp_path / "source/app.txt", tmp_path / "slow.py"
    file.write_text("one")
    script.write_text(textwrap.dedent(SLOW))
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    monkeypatch.setattr(dev, "PORT", ports[0])
    monkeypatch.setattr(dev, "PAUSE", 60)
    monkeypatch.setattr(dev, "STOP", 0.5)
    environment = {
        "FLASKOPS_SOCKET": str(tmp_path / "s"),
        "FLASKOPS_WATCH": str(file.parent),
        "FLASKOPS_PORT": str(ports[1]),
        "FLASKOPS_COMMAND": f"exec {sys.executable} {script} {file} {ports[1]}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    answers = []

    async def visit():
        for text in ("one", "two", "three"):
            file.write_text(text)
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
                    break
                except OSError:
                    await asyncio.sleep(0.05)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append((await reader.read()).decode())
            writer.close()
        os.kill(os.getpid(), signal.SIGTERM)

    async def both():
        relay = [sys.executable, str(ROOT / "roles/flask_apps/files/relay.py")]
        await asyncio.gather(dev.run(environment, relay), visit())

    asyncio.run(both())
    assert [answer.partition("\r\n\r\n")[2] for answer in answers] == ["one", "two", "three"]


INVENTORY = """
    all:
      vars:
        flask_apps_source_root: "{{ inventory_dir }}/.."
        ansible_become: true
      children:
        web:
          hosts:
            db1: {ansible_connection: ssh}
            web1: {ansible_host: 192.0.2.1}
"""
BANNER = ["*** Starting uWSGI 2.0.31 ***\n", "compiled with version: 14.2.0\n"]
FIRST = [
    "Traceback (most recent call last):\n",
    '  File "/app/app.py", line 1\n',
    "KeyError: 'A'\n",
]
SECOND = [
    "\n",
    "During handling of the above exception, another exception occurred:\n",
    "\n",
    *FIRST,
]
END = ["unable to load app 0\n"]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([*BANNER, *FIRST, *END], [*FIRST, *END]),
        ([*BANNER, *FIRST, *SECOND, *END], [*FIRST, *SECOND, *END]),
        ([*FIRST, *BANNER, *FIRST, *END], [*FIRST, *END]),
        (
            [*BANNER, "flaskops: app.py has a syntax error in line 2.\n"],
            ["flaskops: app.py has a syntax error in line 2.\n"],
        ),
        (
            [*BANNER, "ModuleNotFoundError: No module named 'x'\n", *END],
            ["ModuleNotFoundError: No module named 'x'\n", *END],
        ),
        (BANNER, BANNER),
        ([], []),
    ],
)
def test_the_page_of_an_application_that_does_not_start_begins_with_its_error(lines, shown):
    assert dev.telling(lines) == shown


@pytest.mark.parametrize(
    ("given", "base", "root", "apt", "inventory"),
    [
        ("prod", "", True, True, "prod"),
        ("", "0123", False, True, "inventories/local"),
        ("", "", True, True, "inventories/local"),
        ("", "", False, True, "localhost,"),  # the base image could not be built
        ("", "", True, False, "localhost,"),
    ],
)
def test_bin_dev_uses_the_inventory_of_bin_deploy_if_its_base_exists(
    monkeypatch, given, base, root, apt, inventory
):
    monkeypatch.setattr(command, "CALLER", Path("/nowhere"))
    monkeypatch.setattr(
        command.subprocess,
        "run",
        lambda *_words, **_how: subprocess.CompletedProcess([], 0, f"{base}\n"),
    )
    monkeypatch.setattr(command.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(command.shutil, "which", lambda _name: "/usr/bin/apt-get" if apt else None)
    assert (
        command.inventory_of(command.parse(["shop", *(["-i", given] if given else [])]))
        == inventory
    )


@pytest.mark.parametrize(("given", "host"), [([], "db1"), (["-l", "web1"], "web1")])
def test_the_variables_of_an_inventory_host_are_used(monkeypatch, tmp_path, given, host):
    """For example inventory_dir, which only listed hosts have; without connection and become
    settings.
    """
    (tmp_path / "hosts.yml").write_text(textwrap.dedent(INVENTORY))
    (tmp_path / "shop").mkdir()
    place = tmp_path / "place"
    place.mkdir()
    play = yaml.safe_load((ROOT / "playbooks/dev.yml").read_text())
    names = "inventory_hostname, flask_apps_source_root, ansible_connection, ansible_become"
    seen = tmp_path / "seen.json"
    play[0]["tasks"] = [{"copy": {"content": f"{{{{ [{names}] | to_json }}}}", "dest": str(seen)}}]
    playbook = tmp_path / "dev.yml"
    playbook.write_text(yaml.safe_dump(play))
    run, ansible = subprocess.run, Path(sys.executable).parent / "ansible-playbook"

    def once(words, **how):
        run([str(ansible), str(playbook), *words[2:]], **{**how, "cwd": tmp_path, "check": True})
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(command.subprocess, "run", once)
    options = command.parse([str(tmp_path / "shop"), "-i", str(tmp_path / "hosts.yml"), *given])
    with pytest.raises(SystemExit, match="3"):
        command.prepare(options, tmp_path / "shop", place)
    assert json.loads(seen.read_text()) == [host, f"{tmp_path}/..", "local", False]


def test_a_missing_directory_is_reported_before_the_machine_is_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(
        command, "check_machine", lambda _port: command.stop("port 5000 of 127.0.0.1 is in use")
    )
    monkeypatch.setattr(sys, "argv", ["bin/dev", str(tmp_path / "shpo")])
    with pytest.raises(SystemExit, match="shpo is not a directory"):
        command.main()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deploy", "--help"], "Deploy: bin/deploy"),
        (["dev", "x", "-h"], "Development: bin/dev APP_DIR"),
    ],
)
def test_help_comes_before_anything_is_installed(tmp_path, words, message):
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    done = subprocess.run(
        [str(tmp_path / "bin" / words[0]), *words[1:]],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.startswith(message)
    assert os.listdir(tmp_path) == ["bin"]
