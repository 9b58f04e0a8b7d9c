# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For a setting without effect, the deploy, which reads it, and the container, which finds it,
report the same.
"""

import re

import pytest
from ansible_collections.flaskops.host.plugins.filter import flask_apps as filters
from ansible_collections.flaskops.host.plugins.module_utils.apps import recipe
from ansible_collections.flaskops.host.plugins.module_utils.releases import replaced
from entries import normalize_apps
from test_entrypoint import RUNTIME, app, entrypoint, started  # noqa: F401

NAMES = [
    "BIND",
    "LISTEN_PORT",
    "NGINX_WORKER_PROCESSES",
    "NGINX_WORKER_CONNECTIONS",
    "NGINX_WORKER_OPEN_FILES",
    "HOST",
    "PORT",
]
# Each of these was left out of a uwsgi.ini of the application; uwsgi.options refused some of
# them.
OPTIONS = [
    "socket",
    "fastcgi-socket",
    "chown-socket",
    "plugins",
    "emperor",
    "pidfile2",
    "log-master",
    "die-on-term",
    "mount",
    "uid",
]


@pytest.fixture
def deployed(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/main.py").write_text("app = 1\n")
    (tmp_path / "source/requirements.txt").write_text("flask\n")

    def check(**keys):
        (shop,), problems = normalize_apps(
            [{"name": "shop", "source": str(tmp_path / "source"), "path": "/", **keys}]
        )
        return shop, problems

    return check


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_without_effect_is_reported_alike(started, app, deployed, capsys, name):  # noqa: F811
    app()
    started(**{name: "80"})
    container = [
        line.removeprefix("flaskops: ")
        for line in capsys.readouterr().out.splitlines()
        if name in line
    ]
    assert container == [note for note in deployed(env={name: "80"})[0]["notes"] if name in note]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_uwsgi_option_without_effect_is_reported_alike(started, app, deployed, capsys, option):  # noqa: F811
    app(uwsgi__ini=f"[uwsgi]\n{option} = odd\n")
    started()
    (container,) = re.findall(f"{option} = odd is left out: (.*)", capsys.readouterr().out)
    assert deployed(uwsgi={"options": {option: "odd"}})[1] == [
        f"flask_apps: shop: uwsgi.options must not have {option}: {container}."
    ]


def test_the_runtime_image_contains_the_table_and_its_tag_depends_on_it(tmp_path, monkeypatch):
    before = filters.runtimes([], str(RUNTIME), "debian")
    changed = tmp_path / "_replaced.py"
    changed.write_text("VARIABLES = {}\n")
    monkeypatch.setattr(replaced, "__file__", str(changed))
    assert filters.runtimes([], str(RUNTIME), "debian") != before
    assert recipe.shared_files()["_replaced.py"] == changed.read_bytes()
    assert re.search(
        r"(?m)^COPY entrypoint.py .*\b_replaced\.py\b", (RUNTIME / "Dockerfile").read_text()
    )
