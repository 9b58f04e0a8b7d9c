# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The origin of an application, what builds its image, and which keys exclude each other."""

import pytest
from ansible_collections.flaskops.host.plugins.filter.flask_apps import normalize_apps as checked
from ansible_collections.flaskops.host.plugins.module_utils.apps.origin import (
    image_parts,
    own_dockerfile,
)
from ansible_collections.flaskops.host.plugins.module_utils.images.pull import registry_of
from ansible_collections.flaskops.host.plugins.module_utils.releases.our_images import needed_images
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from entries import normalize_apps, typed

RUNTIME = "flaskops/runtime:0123456789ab"


@pytest.fixture
def check(tmp_path):
    """Normalise one entry; its source has a complete application and the given files."""

    def run(files=None, **keys):
        for name, text in {
            "app.py": "app = 1\n",
            "requirements.txt": "flask\n",
            **(files or {}),
        }.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        entry = {
            "name": "shop",
            "path": "/shop",
            **({} if "image" in keys else {"source": str(tmp_path)}),
            **keys,
        }
        (app,), problems = normalize_apps([entry], source_root=str(tmp_path))
        return app, [problem.removeprefix("flask_apps: shop: ") for problem in problems]

    return run


# --- the engine, and the origin of the image ------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "keys", "kind", "engine"),
    [
        ({}, {}, "source", "uwsgi"),
        ({}, {"engine": "gunicorn"}, "source", "gunicorn"),
        ({}, {"engine": "command", "command": "python app.py"}, "source", "command"),
        ({"Dockerfile": "FROM node:22"}, {}, "source", "uwsgi"),
        (
            {"Dockerfile": "FROM node:22"},
            {"dockerfile": "Dockerfile", "port": 80},
            "dockerfile",
            "command",
        ),
        (
            {"Dockerfile": "ARG FLASKOPS_RUNTIME\nFROM ${FLASKOPS_RUNTIME}"},
            {"dockerfile": "Dockerfile"},
            "dockerfile",
            "uwsgi",
        ),
        (
            {"D": "ARG FLASKOPS_RUNTIME\nFROM $FLASKOPS_RUNTIME AS a\nFROM a"},
            {"dockerfile": "D"},
            "dockerfile",
            "uwsgi",
        ),
        (None, {"image": "registry.example.org/shop:1", "port": 8000}, "image", "command"),
        (None, {"image": "registry.example.org/shop:1", "engine": "gunicorn"}, "image", "gunicorn"),
    ],
)
def test_the_origin_of_the_image_decides_the_engine(check, files, keys, kind, engine):
    app, problems = check(files, **keys)
    assert (problems, app["build"]["kind"], app["engine"]) == ([], kind, engine)


def test_an_unused_dockerfile_is_reported(check):
    assert check({"Dockerfile": "FROM node:22"})[0]["notes"] == [
        "its Dockerfile is not used; write dockerfile: Dockerfile to have the image made by it."
    ]


def test_expose_sets_the_port(check):
    app, problems = check({"Dockerfile": "FROM python\nEXPOSE 5000"}, dockerfile="Dockerfile")
    assert (problems, app["port"], app["notes"]) == (
        [],
        5000,
        ["its server listens on port 5000, as EXPOSE says."],
    )


def test_the_notes_name_their_application(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM a")
    (tmp_path / "main.py").write_text("app = 1")
    (tmp_path / "requirements.txt").write_text("flask")
    found = checked([{"name": "shop", "source": str(tmp_path), "path": "/"}])
    assert found["notes"] == [
        "shop: its Dockerfile is not used; write dockerfile: Dockerfile to have the image made"
        " by it."
    ]


@pytest.mark.parametrize(
    ("text", "wanted", "images"),
    [
        (
            "ARG FLASKOPS_RUNTIME\nFROM ${FLASKOPS_RUNTIME}\n",
            f"ARG FLASKOPS_RUNTIME={RUNTIME}\nFROM ${{FLASKOPS_RUNTIME}}\n",
            [RUNTIME],
        ),
        (
            "ARG FLASKOPS_RUNTIME=x\nFROM ${FLASKOPS_RUNTIME}-build AS b\nFROM $FLASKOPS_RUNTIME\n",
            (
                f"ARG FLASKOPS_RUNTIME={RUNTIME}\nFROM ${{FLASKOPS_RUNTIME}}-build AS b\nFROM"
                " $FLASKOPS_RUNTIME\n"
            ),
            [f"{RUNTIME}-build", RUNTIME],
        ),
        ("FROM python\n", "FROM python\n", []),
    ],
)
def test_the_runtime_has_a_name_in_a_dockerfile(check, text, wanted, images):
    app, _ = check({"Dockerfile": text}, dockerfile="Dockerfile")
    assert typed(own_dockerfile)(app, RUNTIME) == wanted
    assert (
        needed_images(
            [Release("shop", "0123456789ab", "default", "/", dockerfile=wanted, runtime=RUNTIME)]
        )
        == images
    )


# --- keys that exclude each other -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "keys", "problem"),
    [
        (
            None,
            {"image": "a/b", "engine": "uwsgi", "apt_packages": ["git"]},
            (
                "apt_packages is written, and image makes the image; write it into what builds the"
                " image."
            ),
        ),
        (
            None,
            {"image": "a/b", "engine": "uwsgi", "requirements": "r.txt"},
            (
                "requirements is written, and image makes the image; write it into what builds the"
                " image."
            ),
        ),
        (
            None,
            {"image": "a/b", "engine": "uwsgi", "dockerfile": "D"},
            (
                "dockerfile is written beside image; keep dockerfile with source or git, or keep"
                " image."
            ),
        ),
        (
            {"Dockerfile": "FROM a"},
            {"dockerfile": "Dockerfile", "port": 1, "apt_packages": ["git"]},
            (
                "apt_packages is written, and the Dockerfile of the source makes the image; write"
                " it into the Dockerfile."
            ),
        ),
        (
            {},
            {"dockerfile": "Nofile"},
            "dockerfile is 'Nofile'; there is no such file: {place}/Nofile.",
        ),
        (
            {"D": "RUN x"},
            {"dockerfile": "D"},
            "dockerfile {place}/D has no FROM, so it makes no image.",
        ),
        (
            {},
            {"port": 80},
            (
                "port is written, and only engine: command has it; write engine: command too, or"
                " leave it out."
            ),
        ),
        (
            {},
            {"command": "x"},
            (
                "command is written, and only engine: command has it; write engine: command too, or"
                " leave it out."
            ),
        ),
        (
            {},
            {"engine": "command"},
            (
                "engine is command; write command: the command line of the server, such as gunicorn"
                " --bind unix:$FLASKOPS_SOCKET main:app"
            ),
        ),
        (
            None,
            {"image": "a/b", "port": 80, "module": "main"},
            (
                "module is written, and with engine: command the server in the image knows it;"
                " leave it out."
            ),
        ),
        (
            {},
            {"registry": {"username": "a", "password": "b"}},
            "registry is written without image; leave it out.",
        ),
        ({}, {"image_archive": "app.py"}, "image_archive is written without image; leave it out."),
        (
            None,
            {"image": "a/b", "image_archive": "x.tar", "port": 80},
            "image_archive is not a file: {place}/x.tar. It starts from flask_apps_source_root.",
        ),
        (
            None,
            {"image": "a/b", "port": 80, "registry": {"username": "a"}},
            "registry: password is missing; a login has username and password.",
        ),
        (
            {},
            {"uwsgi": {"processes": 2, "cheaper": 2}},
            "uwsgi.cheaper must be less than uwsgi.processes, which is 2; got 2.",
        ),
        (
            {},
            {"processes": [{"name": "worker", "command": "a"}, {"name": "worker", "command": "b"}]},
            "processes has 'worker' 2 times; names must differ.",
        ),
        (
            {},
            {"proxy": {"fragment": "none.j2"}},
            "proxy.fragment is not a file: {place}/none.j2. It starts from flask_apps_source_root.",
        ),
        (
            None,
            {"image": "http://a/b"},
            (
                "image must be the reference of an image, such as"
                " registry.example.org/shop@sha256:… or registry.example.org/shop:1.2; got"
                " 'http://a/b'."
            ),
        ),
    ],
)
def test_keys_that_exclude_each_other_are_refused(check, tmp_path, files, keys, problem):
    if files is not None:
        check(files)
    assert check(files, **keys)[1] == [problem.replace("{place}", str(tmp_path))]


def test_a_server_without_a_port_must_know_the_socket(check):
    app, problems = check(image="a/b")
    assert (problems, app["notes"]) == (
        [],
        [
            "port and command are not written, so the server of the image must listen on"
            " $FLASKOPS_SOCKET."
        ],
    )


# --- module and callable --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "keys", "found"),
    [
        ({"web/main.py": "api = 1"}, {"env": {"APP_MODULE": "web.main:api"}}, ("web.main", "api")),
        (
            {"web.py": "api = 1"},
            {"env": {"MODULE_NAME": "web", "VARIABLE_NAME": "api"}},
            ("web", "api"),
        ),
        ({"app.py": "api = 1"}, {"env": {"VARIABLE_NAME": "api"}}, ("app", "api")),
        (
            {"web.py": "app = 1", "uwsgi.ini": "[uwsgi]\nmodule = web\ncallable = app\n"},
            {},
            ("web", "app"),
        ),
        (
            {"web.py": "x = 1", "uwsgi.ini": "[uwsgi]\nmodule = web:x\nprocesses = %(%k + 1)\n"},
            {},
            ("web", "x"),
        ),
        (
            {"web.py": "application = 1", "uwsgi.ini": "[uwsgi]\nwsgi-file = /app/web.py\n"},
            {},
            ("web", "application"),
        ),
        (
            {"web.py": "app = 1", "conf/own.ini": "[uwsgi]\nmodule = web\n"},
            {"env": {"UWSGI_INI": "/app/conf/own.ini"}},
            ("web", "app"),
        ),
        (
            {"web.py": "app = 1", "uwsgi.ini": "[uwsgi]\nmodule = web\n"},
            {"engine": "gunicorn"},
            ("app", "app"),
        ),
        ({"web.py": "app = 1", "uwsgi.ini": "[uwsgi]\nmodule = %n\n"}, {}, ("app", "app")),
        (
            {"web.py": "app = 1", "uwsgi.ini": "[uwsgi]\nmodule = web\n"},
            {"module": "app"},
            ("app", "app"),
        ),
    ],
)
def test_the_name_of_an_application_comes_from_its_source(check, files, keys, found):
    app, problems = check(files, **keys)
    assert (problems, (app["module"], app["callable"])) == ([], found)


# --- prebuilt images ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("shop", ""),
        ("library/shop:1", ""),
        ("registry.example.org/team/shop", "registry.example.org"),
        ("localhost:5000/shop", "localhost:5000"),
        ("localhost/shop", "localhost"),
    ],
)
def test_the_registry_of_an_image(image, registry):
    assert registry_of(image) == registry


def test_a_release_of_an_image_has_a_reference_and_an_archive(check, tmp_path):
    (tmp_path / "shop.tar").write_text("x")
    app, problems = check(image="a/shop:1", image_archive="shop.tar", port=80)
    assert problems == []
    assert typed(image_parts)(app) == {
        "reference": "a/shop:1",
        "archive": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    }
    app, _ = check(image="a/shop:1", port=80, registry={"username": "a", "password": "b"})
    assert typed(image_parts)(app) == {"reference": "a/shop:1", "archive": ""}


def test_defaults_that_do_not_apply_to_an_application_are_ignored(tmp_path):
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    defaults = {"registry": {"username": "a", "password": "b"}, "apt_packages": ["libpq5"]}
    apps = [
        {"name": "made", "source": ".", "path": "/made"},
        {"name": "ready", "image": "a/b", "port": 80, "path": "/ready"},
    ]
    assert normalize_apps(apps, defaults=defaults, source_root=str(tmp_path))[1] == []


def test_the_only_application_of_a_source_is_used_and_reported(check):
    routes = (
        "from flask import Flask\nsite = Flask(__name__)\n@site.get('/')\ndef page(): return ''\n"
    )
    app, problems = check({"app.py": "", "desk.py": routes})
    assert (problems, app["module"], app["callable"]) == ([], "desk", "site")
    assert (
        "its application is desk:site, the only Flask application that its modules make."
        in app["notes"]
    )


# --- translations ---------------------------------------------------------------------------------

DE, FR = "shop/translations/de/LC_MESSAGES/messages", "shop/translations/fr/LC_MESSAGES/messages"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"{DE}.po", f"{FR}.po"], ["pybabel compile -d shop/translations"]),
        (
            [f"{DE}.po", f"{FR}.po", f"{FR}.mo"],
            [],
        ),  # the developer has compiled the complete ones
        ([f"{DE}.po", f"{DE}.mo"], []),
        (
            [f"{DE}.po", f"{DE}.mo", "forum/locale/it/LC_MESSAGES/forum.po"],
            ["pybabel compile -d forum/locale"],
        ),
        (
            ["a/locale/it/LC_MESSAGES/a.po", "b/locale/it/LC_MESSAGES/b.po"],
            ["pybabel compile -d a/locale"],
        ),
        (["it/LC_MESSAGES/a.po"], ["pybabel compile -d ."]),
        (["docs/locale/it/LC_MESSAGES/index.po", "tests/x/it/LC_MESSAGES/a.po"], []),
        (["about.po", f"{DE}.po"], ["pybabel compile -d shop/translations"]),
        (["shop/it.po"], []),
    ],
)
def test_uncompiled_translations_are_reported_once(check, names, expected):
    app, _problems = check(dict.fromkeys(names, ""))
    notes = [note for note in app["notes"] if "not compiled" in note]
    assert len(notes) == len(expected) and all(
        part in note for part, note in zip(expected, notes, strict=True)
    )
