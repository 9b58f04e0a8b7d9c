# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Applications that were written for a known image need no key; their settings keep their names."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.origin import own_dockerfile
from ansible_collections.flaskops.host.plugins.module_utils.apps.presets import preset_of
from ansible_collections.flaskops.host.plugins.module_utils.releases.our_images import needed_images
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from entries import normalize_apps, typed

FLASK = "FROM tiangolo/uwsgi-nginx-flask:python3.8\nCOPY ./app /app\n"


@pytest.fixture
def check(tmp_path):
    """Normalise one entry whose source has these files."""

    def run(files, **keys):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        (app,), problems = normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/", **keys}]
        )
        return app, problems

    return run


@pytest.mark.parametrize(
    ("image", "preset"),
    [
        ("tiangolo/uwsgi-nginx-flask", "tiangolo/uwsgi-nginx-flask"),
        ("tiangolo/uwsgi-nginx-flask:python3.8-alpine-2019-10-14", "tiangolo/uwsgi-nginx-flask"),
        ("docker.io/tiangolo/meinheld-gunicorn:python3.9@sha256:00", "tiangolo/meinheld-gunicorn"),
        ("hellt/nginx-uwsgi-flask-alpine-docker:py3", "hellt/nginx-uwsgi-flask-alpine-docker"),
        ("python:3.13", ""),
        ("localhost:5000/tiangolo/uwsgi-nginx-flask", ""),
        ("tiangolo/uvicorn-gunicorn:python3.11", ""),
    ],
)
def test_an_image_is_matched_to_its_preset(image, preset):
    assert preset_of(image) == preset


@pytest.mark.parametrize(
    ("base", "engine"),
    [
        ("tiangolo/uwsgi-nginx-flask:python3.8", "uwsgi"),
        ("tiangolo/uwsgi-nginx:python3.11", "uwsgi"),
        ("tiangolo/meinheld-gunicorn-flask:python3.9", "gunicorn"),
        ("hellt/nginx-uwsgi-flask-alpine-docker:py3", "uwsgi"),
    ],
)
def test_an_application_with_a_preset_needs_no_key(check, base, engine):
    app, problems = check({"Dockerfile": f"FROM {base}\nCOPY ./app /app\n", "app/main.py": "x = 1"})
    assert problems == []
    assert (app["preset"], app["engine"], app["module"], app["callable"]) == (
        preset_of(base),
        engine,
        None,
        None,
    )
    assert (app["build"]["kind"], app["build"]["dockerfile"]) == ("dockerfile", "Dockerfile")
    assert base in app["notes"][0]


def test_the_runtime_image_replaces_the_image_of_the_preset(check):
    app, _ = check({"Dockerfile": FLASK, "app/main.py": ""})
    text = typed(own_dockerfile)(app, "flaskops/runtime:1")
    assert (
        text
        == "# instead of tiangolo/uwsgi-nginx-flask:python3.8\nFROM flaskops/runtime:1-compat\nCOPY"
        " ./app /app\n"
    )
    assert needed_images(
        [
            Release(
                "shop",
                "0123456789ab",
                "default",
                "/",
                dockerfile=text,
                runtime="flaskops/runtime:1",
            )
        ]
    ) == ["flaskops/runtime:1-compat"]


@pytest.mark.parametrize("name", ["${FLASKOPS_RUNTIME}", "$FLASKOPS_RUNTIME"])
@pytest.mark.parametrize(
    "lines",
    [
        "FROM {}-seed\n",
        "FROM {0} AS first\nFROM {0}-build\nCOPY --from={0}-seed /x /x\n",
        "ARG BASE={0}-seed\nFROM $BASE\n",
    ],
)
def test_the_old_name_of_the_compatibility_image_is_refused_with_the_new_one(
    check, tmp_path, name, lines
):
    text = f"ARG FLASKOPS_RUNTIME\n# {name}-seed\n{lines.format(name)}"
    line = next(
        number
        for number, each in enumerate(text.splitlines(), 1)
        if "-seed" in each and each[0] != "#"
    )
    problems = check({"Dockerfile": text, "main.py": ""}, dockerfile="Dockerfile")[1]
    assert problems == [
        f"flask_apps: shop: dockerfile {tmp_path}/Dockerfile, line {line}, names {name}-seed; write"
        f" {name}-compat, the name of the compatibility image."
    ]
    assert (
        check(
            {"Dockerfile": text.replace("-seed", "-compat"), "main.py": ""}, dockerfile="Dockerfile"
        )[1]
        == []
    )


def test_written_keys_take_precedence_over_the_preset(check):
    app, problems = check(
        {"Dockerfile": FLASK, "app/main.py": ""},
        engine="gunicorn",
        module="main",
        callable="app",
        path="/shop",
        path_mode="domain",
    )
    assert problems == []
    assert (app["engine"], app["module"], app["callable"], app["path_mode"]) == (
        "gunicorn",
        "main",
        "app",
        "domain",
    )


@pytest.mark.parametrize(
    ("env", "keys", "static"),
    [
        ("STATIC_INDEX 1", {}, {"url": "/static", "path": "/app/static", "index": True}),
        (
            "STATIC_PATH /app/app/static",
            {},
            {"url": "/static", "path": "/app/app/static", "index": False},
        ),
        ("STATIC_URL /content", {}, {"url": "/content", "path": "/app/static", "index": False}),
        (
            "STATIC_URL /content",
            {"env": {"STATIC_URL": "/other"}},
            {"url": "/other", "path": "/app/static", "index": False},
        ),
        (
            "STATIC_URL /content",
            {"static": [{"url": "/mine", "path": "x"}]},
            {"url": "/mine", "path": "x", "index": False},
        ),
    ],
)
def test_static_files_follow_the_settings_of_the_preset(check, env, keys, static):
    app, problems = check({"Dockerfile": f"{FLASK}ENV {env}\n", "app/main.py": ""}, **keys)
    assert problems == []
    assert [{key: entry[key] for key in static} for entry in app["static"]] == [static]
    assert any("STATIC_" in note for note in app["notes"])


@pytest.mark.parametrize(
    ("env", "keys", "size"),
    [
        ("A=1", {}, "0"),
        ("NGINX_MAX_UPLOAD 1M", {}, "1m"),
        ("NGINX_MAX_UPLOAD 1m", {"proxy": {"body_size": "5m"}}, "5m"),
    ],
)
def test_the_upload_limit_follows_the_settings_of_the_preset(check, env, keys, size):
    app, problems = check({"Dockerfile": f"{FLASK}ENV {env}\n", "app/main.py": ""}, **keys)
    assert (problems, app["proxy"]["body_size"]) == ([], size)


@pytest.mark.parametrize(
    ("env", "keys", "found"),
    [
        ("UWSGI_CHEAPER=4 UWSGI_PROCESSES=64", {}, ("64", 4)),
        ("UWSGI_CHEAPER=4", {}, ("16", 4)),
        ("UWSGI_PROCESSES=2", {}, ("2", 0)),
        ("UWSGI_PROCESSES=8", {}, ("8", 2)),
        ("UWSGI_PROCESSES=8", {"uwsgi": {"processes": 3}}, ("3", 0)),
        ("A=1", {}, ("auto", 0)),
    ],
)
def test_processes_follow_the_settings_of_the_preset(check, env, keys, found):
    app, problems = check({"Dockerfile": f"{FLASK}ENV {env}\n", "app/main.py": ""}, **keys)
    assert (problems, (app["uwsgi"]["processes"], app["uwsgi"]["cheaper"])) == ([], found)


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        (
            "UWSGI_CHEAPER=16",
            "env: UWSGI_CHEAPER must be less than UWSGI_PROCESSES, which is 16; got 16.",
        ),
        (
            "UWSGI_PROCESSES=many",
            "env: UWSGI_PROCESSES must be a number from 1 to 999; its value is hidden.",
        ),
        (
            "NGINX_MAX_UPLOAD=huge",
            (
                "env: NGINX_MAX_UPLOAD must be a size such as 20m, 0 for no limit; its value is"
                " hidden."
            ),
        ),
        (
            "STATIC_URL=x;",
            (
                "env: STATIC_URL must be a path below the application's own, such as /static; its"
                " value is hidden."
            ),
        ),
    ],
)
def test_invalid_values_of_the_preset_are_refused(check, env, problem):
    assert check({"Dockerfile": f"{FLASK}ENV {env}\n", "app/main.py": ""})[1] == [
        f"flask_apps: shop: {problem}"
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("ENV LISTEN_PORT 8080", "LISTEN_PORT has no effect: the server listens on a unix socket"),
        ("ENV PORT 8080", "PORT has no effect"),
        ("ENV HOST 127.0.0.1", "HOST has no effect"),
        ("ENV BIND 0.0.0.0:80", "BIND has no effect"),
        ("ENV NGINX_WORKER_PROCESSES auto", "write nginx_worker_processes"),
        ("ENV NGINX_WORKER_CONNECTIONS 2048", "write nginx_worker_connections"),
        ("ENV NGINX_WORKER_OPEN_FILES 2048", "write nginx_worker_rlimit_nofile"),
        (
            "COPY custom.conf /etc/nginx/conf.d/",
            "custom.conf has no effect at /etc/nginx/conf.d/custom.conf",
        ),
        ("COPY nginx.conf /app/nginx.conf", "nginx.conf has no effect at /app/nginx.conf"),
    ],
)
def test_settings_without_effect_are_reported_with_the_replacing_key(check, lines, words):
    app, problems = check(
        {"Dockerfile": f"{FLASK}{lines}\n", "app/main.py": "", "custom.conf": "", "nginx.conf": ""}
    )
    assert problems == []
    assert any(words in note for note in app["notes"]), app["notes"]


def test_an_application_that_knows_no_prefix_gets_script_name(check):
    app, _ = check({"Dockerfile": FLASK, "app/main.py": "x = 1"}, path="/shop")
    assert app["path_mode"] == "script_name"
    assert any("script_name" in note for note in app["notes"])


def test_an_application_that_reads_domain_keeps_it(check):
    app, _ = check(
        {"Dockerfile": FLASK, "app/main.py": "import os\nx = os.environ.get('DOMAIN')"},
        path="/shop",
    )
    assert app["path_mode"] == "domain"


def test_the_same_names_work_for_an_ordinary_source(check):
    files = {"main.py": "app = 1", "requirements.txt": "flask"}
    env = {
        "STATIC_INDEX": "1",
        "NGINX_MAX_UPLOAD": "2m",
        "UWSGI_PROCESSES": "4",
        "PORT": "80",
        "LISTEN_PORT": "81",
    }
    app, problems = check(files, env=env)
    assert problems == []
    assert app["static"][0] == {
        "url": "/static",
        "path": "static",
        "required": False,
        "index": True,
        "fallback": False,
        "immutable": False,
    }
    assert (app["proxy"]["body_size"], app["uwsgi"]["processes"], app["uwsgi"]["cheaper"]) == (
        "2m",
        "4",
        0,
    )
    assert [note.split(" ")[0] for note in app["notes"] if "no effect" in note] == ["LISTEN_PORT"]
