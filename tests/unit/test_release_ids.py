# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ids of releases: entries that do not change keep theirs, or a host releases everything again.

The templates are stand-ins, so that the wording of a comment in one of the role's does not count.
"""

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from entries import normalize_apps

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
SOURCES = {
    "plain": {"app.py": FLASK, "requirements.txt": "flask\n"},
    "lock": {"main.py": FLASK, "requirements.txt": "flask==3.1.0\ngunicorn\n", "static/a.css": "a"},
    "known": {
        "app/main.py": FLASK,
        "Dockerfile": "FROM tiangolo/uwsgi-nginx-flask\nCOPY ./app /app\n",
    },
    "own": {
        "app.py": FLASK,
        "Dockerfile": "ARG FLASKOPS_RUNTIME\nFROM $FLASKOPS_RUNTIME\nCOPY . /app\n",
    },
    "files": {"shop.env": "A=1\nSECRET=x\nENV=y\n"},
}
TEMPLATES = (
    "Dockerfile", "nginx.conf", "fragment.conf", "maintenance.conf", "stopped.conf",
    "maintenance.html", "uwsgi.ini", "gunicorn.conf.py",
)  # fmt: skip
# Keys of proxy that came later: a template writes nothing of one that is not used.
LATER = (
    "allow", "basic_auth", "limits", "streamed_uploads", "error_pages", "error_page",
    "security_headers", "forward_auth",
)  # fmt: skip
TEXT = (
    f"{{% set later = {list(LATER)} %}}"
    "{{ app.name }} {{ app.prefix }} {{ app.mapped }} {{ app.stripped }} {{ app.script_name }}"
    " {{ app.proxy.items() | rejectattr('0', 'in', later) | sort }}"
    " {{ app.static | map('dictsort') | list }}"
    " {{ app.build.requirements.packages }} {{ runtime }} {{ socket }} {{ config }}\n"
)
ENTRIES = {
    "153bb4caa159": {"source": "plain", "path": "/"},
    "237a7c02d504": {
        "source": "lock",
        "path": "/lock/",
        "engine": "gunicorn",
        "gunicorn": {"workers": 3},
    },
    "cb8b95ca5e80": {"source": "known", "path": "/t", "env": {"NGINX_MAX_UPLOAD": "2m"}},
    "a82bdea8e9f7": {"source": "own", "path": "/own", "dockerfile": "Dockerfile", "uid": 3000},
    "892619cf13a9": {
        "source": "plain",
        "path": "/db",
        "data_files": ["data.db"],
        "writable": ["/app/cache"],
        "volumes": ["shop-data:/app/x"],
        "resources": {"memory": "300m", "cpus": 1.5},
    },
    "0d191e6105c9": {
        "image": "registry.example.org/x:1",
        "path": "/i",
        "path_mode": "script_name",
        "command": "gunicorn --bind unix:$FLASKOPS_SOCKET main:app",
    },
    "3e4758caf23b": {
        "image": "registry.example.org/y:1",
        "path": "/p",
        "port": 8080,
        "networks": ["n"],
        "host_access": True,
    },
    "311539668237": {
        "source": "plain",
        "path": "/s",
        "secrets": {"KEY": "v", "PATH": "x"},
        "env_file": "files/shop.env",
        "config_files": [{"path": "/app/instance/c.py", "content": "X"}],
    },
    "4bb891c0955d": {
        "source": "plain",
        "path": "/w",
        "internet": True,
        "release_command": "flask db upgrade",
        "processes": [
            {"name": "w", "command": "celery worker"},
            {"name": "beat", "command": "A=1 celery beat", "overlap": False},
        ],
    },
    "0320bdc3dc6d": {
        "source": "plain",
        "path": "/ws",
        "websocket": True,
        "proxy": {"websocket_paths": ["/s/"], "cache_seconds": 3, "static_headers": {"X-A": "b"}},
    },
    "a1988db26b43": {
        "source": "plain",
        "path": "/m",
        "path_mode": "script_name",
        "state": "maintenance",
        "static": [{"url": "/s", "path": "/x", "index": True}],
    },
    "69d1b2828e42": {
        "source": "plain",
        "path": "/c",
        "engine": "command",
        "command": "python3 app.py",
        "path_mode": "script_name",
        "python": "3.12",
    },
}


@pytest.fixture
def identity(tmp_path, root):
    for source, files in SOURCES.items():
        for name, text in files.items():
            path = tmp_path / source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    templates = tmp_path / "role" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "role" / "files").mkdir()
    (tmp_path / "role" / "files" / "relay.py").write_text("relay\n")
    (templates / "managed.j2").write_text("managed\n")
    for name in TEMPLATES:
        (templates / f"{name}.j2").write_text(TEXT)
    key = tmp_path / "key"
    key.write_text("k" * 64)

    def of(**keys):
        apps, problems = normalize_apps([{"name": "shop", **keys}], source_root=str(tmp_path))
        assert problems == []
        loader = DataLoader()
        lookup = lookup_loader.get(
            "flaskops.host.releases", loader=loader, templar=Templar(loader, variables={})
        )
        known = dict.fromkeys(
            (app["build"]["base"] for app in apps), "flaskops/runtime:0123456789ab"
        )
        (release,) = lookup.run(
            [apps],
            variables={},
            templates=str(templates),
            runtimes=known,
            root="/var/lib/flaskops",
            key_file=str(key),
        )
        return release["id"]

    return of


@pytest.mark.parametrize(("wanted", "keys"), [*ENTRIES.items()], ids=lambda value: str(value)[:60])
def test_an_entry_keeps_its_id(identity, wanted, keys):
    assert identity(**keys) == wanted
