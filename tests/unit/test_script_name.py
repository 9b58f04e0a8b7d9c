# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which server of an image gets its path as SCRIPT_NAME and strips it: Gunicorn, wherever it is
started.
"""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from ansible_collections.flaskops.host.plugins.module_utils.releases.describe import environment
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from entries import normalize_apps, typed

FROM = "FROM python:3.13-slim\nCOPY . /app\nEXPOSE 8000\n"


@pytest.fixture
def entry(tmp_path):
    def complete(dockerfile=None, files=(), **keys):
        (tmp_path / "app.py").write_text("app = 1\n")
        for name, text in dict(files).items():
            (tmp_path / name).write_text(text)
        came = {"image": "registry.example.org/shop:1", "port": 8000}
        if dockerfile is not None:
            (tmp_path / "Dockerfile").write_text(FROM + dockerfile)
            came = {"source": str(tmp_path), "dockerfile": "Dockerfile"}
        (app,), problems = normalize_apps(
            [{"name": "shop", "path": "/shop", "path_mode": "script_name", **came, **keys}]
        )
        assert problems == []
        return app

    return complete


@pytest.mark.parametrize(
    ("dockerfile", "files", "found"),
    [
        ('CMD ["gunicorn", "-b", "0.0.0.0:8000", "app:app"]', {}, True),
        ("CMD gunicorn -b 0.0.0.0:8000 app:app", {}, True),
        ("CMD exec /venv/bin/gunicorn app:app", {}, True),
        ('ENTRYPOINT ["python", "-m", "gunicorn"]\nCMD ["app:app"]', {}, True),
        (
            'ENTRYPOINT ["/app/start.sh"]',
            {"start.sh": '#!/bin/sh\nset -e\nexec gunicorn "app:create_app()"\n'},
            True,
        ),
        (
            'ENTRYPOINT ["sh", "boot.sh"]',
            {"boot.sh": "flask db upgrade\r\nexec gunicorn -b :5000 app:app\r\n"},
            True,
        ),
        (
            'CMD ["supervisord", "-c", "/app/supervisor.conf"]',
            {"supervisor.conf": "[program:web]\ncommand=gunicorn app:app\n"},
            True,
        ),
        ('CMD ["waitress-serve", "--port=8000", "app:app"]', {}, False),
        ('CMD ["flask", "run"]', {"gunicorn.conf.py": "workers = 2\n"}, False),
        ('CMD ["gunicorn-like", "x"]', {}, False),
        (
            'ENTRYPOINT ["/app/start.sh"]',
            {"start.sh": "# gunicorn is not used\nexec flask run\n"},
            False,
        ),
        ('ENTRYPOINT ["/app/start.sh"]', {"start.sh": "\x00\xff" * 100}, False),
        (
            'ENTRYPOINT ["/app/start.sh"]',
            {"start.sh": "exec gunicorn app:app\n" + "#" * (1 << 20)},
            False,
        ),
        ('CMD ["gunicorn", "app:app"]\nCMD ["flask", "run"]', {}, False),
        ("", {}, False),
    ],
)
def test_a_gunicorn_of_the_dockerfile_is_found(entry, dockerfile, files, found):
    app = entry(dockerfile, files)
    assert (app["script_name"], app["socket_prefix"]) == (("/shop", "/shop") if found else ("", ""))
    assert typed(environment)(app).get("SCRIPT_NAME") == ("/shop" if found else None)


@pytest.mark.parametrize(
    ("keys", "prefix"),
    [
        ({"command": "gunicorn --bind :8000 app:app"}, "/shop"),
        ({"command": "flask run"}, ""),
        ({}, ""),
        ({"env": {"SCRIPT_NAME": "/shop"}}, "/shop"),
        ({"command": "gunicorn app:app", "env": {"SCRIPT_NAME": ""}}, ""),
        ({"command": "gunicorn app:app", "path": "/"}, ""),
        ({"command": "gunicorn app:app", "path_mode": "domain"}, "/shop"),
    ],
)
def test_the_entry_decides_for_a_prebuilt_image(entry, keys, prefix):
    app = entry(**keys)
    assert app["socket_prefix"] == prefix
    assert typed(environment)(app).get("SCRIPT_NAME", "") == (
        app["script_name"] or keys.get("env", {}).get("SCRIPT_NAME", "")
    )


def test_the_command_of_the_entry_takes_precedence_over_the_dockerfile(entry):
    assert entry('CMD ["gunicorn", "app:app"]', command="flask run")["script_name"] == ""


def test_a_release_records_script_name_and_older_releases_get_a_stripped_path(entry):
    app = entry('CMD ["gunicorn", "app:app"]')
    release = Release.from_dict({**app, "id": "0123456789ab"})
    facts = {"app": "shop", "id": "0123456789ab", **release.to_record()}
    assert Release.from_record(facts, "/x").app_path.socket_prefix == "/shop"
    del facts["script_name"]
    assert (
        Release.from_record(facts, "/x").app_path.socket_prefix
        == AppPath.of(facts).socket_prefix
        == ""
    )
