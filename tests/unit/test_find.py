# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which application a source contains, by its files: the order, the layouts, and the message if it
has no application or several.
"""

import os
import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import find

APP = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = "from flask import Flask\ndef create_app(config=None):\n    return Flask(__name__)\n"


@pytest.fixture
def look(tmp_path):
    """The application of a source with these files."""

    def run(files, **keys):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return find.find(tmp_path, **keys)

    return run


# --- the order ------------------------------------------------------------------------------------

EVERYTHING = {
    "Procfile": "worker: celery -A tasks worker\nweb: gunicorn -c gunicorn.conf.py one:app\n",
    ".flaskenv": "FLASK_APP=two.py\n",
    "wsgi.py": APP,
    "main.py": APP,
    "pyproject.toml": "[project]\nname = 'my-shop'\n",
    "my_shop/__init__.py": FACTORY,
    "one.py": APP,
    "two.py": APP,
    "three.py": APP,
}


@pytest.mark.parametrize(
    ("without", "keys", "found"),
    [
        (0, {"module": "three"}, "three:app"),
        (0, {}, "one:app"),
        (1, {}, "two:app"),
        (1, {"flask_app": "three"}, "three:app"),
        (2, {}, "wsgi:app"),
        (3, {}, "main:app"),
        (4, {}, "my_shop:create_app()"),
    ],
)
def test_the_order_of_the_search(look, without, keys, found):
    files = dict(list(EVERYTHING.items())[without:])
    assert ":".join(look(files, **keys)[:2]) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("gunicorn shop.web:site", "shop.web:site"),
        ("gunicorn shop.web", "shop.web:site"),
        ("gunicorn --preload shop.web", "shop.web:site"),
        (
            "gunicorn --bind 0.0.0.0:$PORT -k gevent -w 4 --log-file - shop.web:site",
            "shop.web:site",
        ),
        ("gunicorn -b localhost:8000 -c python:shop.conf 'shop.web:make(1)'", "shop.web:make(1)"),
        ("flask db upgrade && exec gunicorn 'shop.web:site' --timeout 60", "shop.web:site"),
        ("FLASK_ENV=x newrelic-admin run-program gunicorn shop.web:site", "shop.web:site"),
        ("python3 -m gunicorn shop.web:site", "shop.web:site"),
        ("waitress-serve --port=$PORT --call shop:create_app", "shop:create_app()"),
        ("waitress-serve --listen=*:8000 shop.web:site", "shop.web:site"),
        ("uwsgi --http :$PORT --module shop.web --callable site", "shop.web:site"),
        ("uwsgi --http-socket=:8000 -w shop.web:site", "shop.web:site"),
        ("uwsgi --wsgi-file shop/web.py --callable site", "shop.web:site"),
        ("hypercorn shop.web:site", "shop.web:site"),
        ("flask --app shop.web run --port $PORT", "shop.web:site"),
        ("python shop/web.py", "shop.web:site"),
        ("python -m shop", "shop:create_app()"),
    ],
)
def test_a_command_names_the_served_application(look, command, found):
    files = {
        "Procfile": f"web: {command}\n",
        "shop/__init__.py": FACTORY,
        "shop/web.py": APP.replace("app", "site"),
        "app.py": APP,
    }
    assert ":".join(look(files)[:2]) == found


@pytest.mark.parametrize(
    "command",
    ["", "gunicorn $MODULE", "gunicorn elsewhere:app", "python manage.py runserver",
     "gunicorn 'app:create_app(open(\"x\"))'", "npm start", "gunicorn 'app:app", "bash -c",
     "gunicorn --chdir ../.. none:app",
     "uwsgi --ini uwsgi.ini", "uwsgi uwsgi.ini"],
)  # fmt: skip
def test_a_procfile_that_names_nothing_of_the_source_is_ignored(look, command):
    assert look({"Procfile": f"web: {command}\n", "main.py": APP, "manage.py": "import sys\n"})[
        :2
    ] == ("main", "app")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("shop", ("shop", "create_app()")),
        ("shop/__init__.py", ("shop", "create_app()")),
        ("shop:create_app", ("shop", "create_app()")),
        ("'shop:create_app(\"x\")'", ("shop", 'create_app("x")')),
        ("shop/web.py", ("shop.web", "site")),
        ("./run.py", ("run", "app")),
        ("run.py:app", ("run", "app")),
        ("deploy/start.py", ("start", "app", "", "deploy")),
        ("src/store", ("store", "create_app()", "", "src")),
        ("/app/run.py", ("run", "app")),
        ("../run.py", ("wsgi", "app")),
        ("none", ("wsgi", "app")),
    ],
)
@pytest.mark.parametrize("file", [".flaskenv", ".env", "the environment"])
def test_flask_app_is_read_as_flask_reads_it(look, value, found, file):
    files = {
        "shop/__init__.py": FACTORY,
        "shop/web.py": APP.replace("app", "site"),
        "run.py": APP,
        "deploy/start.py": APP,
        "wsgi.py": APP,
    }
    files["src/store/__init__.py"] = FACTORY
    if file == "the environment":
        place = look(files, flask_app=value.strip("'"))
    else:
        place = look({**files, file: f"# FLASK_APP=no\nSECRET_KEY=x\nexport FLASK_APP = {value}\n"})
    assert place[: len(found)] == found


# --- layouts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "keys", "place"),
    [
        (
            {"src/shop/__init__.py": FACTORY, "pyproject.toml": "[project]\nname = 'shop'"},
            {},
            ("shop", "create_app()", "", "src"),
        ),
        ({"src/shop/__init__.py": FACTORY}, {}, ("shop", "create_app()", "", "src")),
        (
            {"src/shop/__init__.py": FACTORY},
            {"module": "shop"},
            ("shop", "create_app()", "", "src"),
        ),
        (
            {"src/shop/__init__.py": "", "src/shop/web.py": APP},
            {"module": "shop.web"},
            ("shop.web", "app", "", "src"),
        ),
        (
            {"src/shop/__init__.py": "", "src/shop/wsgi.py": APP},
            {},
            ("shop.wsgi", "app", "", "src"),
        ),
        ({"src/main.py": APP}, {}, ("main", "app", "", "src")),
        ({"app/app.py": APP, "app/models.py": ""}, {}, ("app", "app", "app", "")),
        (
            {"app/main.py": APP + "import models\n", "app/models.py": ""},
            {},
            ("main", "app", "app", ""),
        ),
        (
            {"app/main.py": APP + "import models\n", "app/models.py": "", "app/__init__.py": ""},
            {},
            ("main", "app", "app", ""),
        ),
        (
            {"app/main.py": APP + "from app.models import x\n", "app/models.py": ""},
            {},
            ("app.main", "app", "", ""),
        ),
        (
            {
                "app/main.py": APP + "from .models import x\n",
                "app/models.py": "",
                "app/__init__.py": "",
            },
            {},
            ("app.main", "app", "", ""),
        ),
        (
            {"app/main.py": APP + "import models\n", "app/models.py": ""},
            {"module": "app.main"},
            ("app.main", "app", "", "app"),
        ),
        (
            {"app/main.py": APP + "import models\n", "app/models.py": ""},
            {"module": "main"},
            ("main", "app", "app", ""),
        ),
        (
            {"Procfile": "web: gunicorn --chdir web serve:app", "web/serve.py": APP, "app.py": APP},
            {},
            ("serve", "app", "web", ""),
        ),
        (
            {"Procfile": "web: cd web && gunicorn serve:app", "web/serve.py": APP, "app.py": APP},
            {},
            ("serve", "app", "web", ""),
        ),
        (
            {
                "Procfile": "web: gunicorn --pythonpath lib serve:app",
                "lib/serve.py": APP,
                "app.py": APP,
            },
            {},
            ("serve", "app", "", "lib"),
        ),
        (
            {"Procfile": "web: gunicorn shop:create_app()", "src/shop/__init__.py": FACTORY},
            {},
            ("shop", "create_app()", "", "src"),
        ),
        (
            {"pyproject.toml": "[tool.poetry]\nname = 'Blog'\n", "blog/__init__.py": FACTORY},
            {},
            ("blog", "create_app()", "", ""),
        ),
        (
            {
                "pyproject.toml": "[tool.poetry]\npackages = [{include = 'blog', from = 'src'}]\n",
                "src/blog/__init__.py": FACTORY,
            },
            {},
            ("blog", "create_app()", "", "src"),
        ),
        (
            {"my_shop/__init__.py": "", "my_shop/app.py": APP},
            {"name": "my-shop"},
            ("my_shop.app", "app", "", ""),
        ),
        ({"app.py": APP.replace("app", "server")}, {}, ("app", "server", "", "")),
        ({"main.py": "import flask\nsite = flask.Flask('x')\n"}, {}, ("main", "site", "", "")),
    ],
)
def test_the_directory_of_imports_is_found(look, files, keys, place):
    assert look(files, **keys)[:4] == place


# --- two candidates of one rank -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"app.py": APP, "main.py": APP},
            (
                "app.py has app and main.py has app; write one of these lines: module: app, or"
                " module: main."
            ),
        ),
        (
            {"application.py": APP, "app/__init__.py": FACTORY},
            (
                "app/__init__.py has create_app() and application.py has app; write one of these"
                " lines: module: app, or module: application."
            ),
        ),
        (
            {
                "Procfile": "api: gunicorn one:app\npages: gunicorn two:site\n",
                "one.py": APP,
                "two.py": APP.replace("app", "site"),
            },
            (
                "one.py has app and two.py has site; write one of these lines: module: one, or"
                " module: two, callable: site."
            ),
        ),
        (
            {"src/one/__init__.py": FACTORY, "src/two/__init__.py": FACTORY},
            "module: one, or module: two.",
        ),
        (
            {"app/app.py": APP, "app/main.py": APP},
            "app/app.py has app and app/main.py has app; write one of these lines: module: app, or",
        ),
        (
            {"app.py": APP, "main.py": APP, "Dockerfile": "FROM x\nCMD gunicorn main:app"},
            "module: app, or module: main. Its Dockerfile starts main:app: write module: main.",
        ),
    ],
)
def test_two_candidates_of_one_rank_are_refused(look, files, words):
    with pytest.raises(find.NotFound, match="2 Flask applications were found in") as error:
        look(files)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"app.py": APP, "main.py": "from app import app\n"}, ("main", "app")),
        (
            {
                "app/__init__.py": FACTORY,
                "main.py": "from app import create_app\napp = create_app()\n",
            },
            ("main", "app"),
        ),
        (
            {
                "app/__init__.py": APP + "from app import main\n",
                "app/main.py": "from app import app\n",
            },
            ("app", "app"),
        ),
        (
            {
                "main.py": "from core import app\n",
                "core.py": APP,
                "app.py": "from core import app\n",
            },
            ("app", "app"),
        ),
        (
            {
                "app.py": APP,
                "main.py": (
                    "import app\nif __name__ == '__main__':\n    app = app.app\n    app.run()\n"
                ),
            },
            ("app", "app"),
        ),
        ({"app.py": APP, "wsgi.py": APP}, ("wsgi", "app")),
        ({"app.py": APP + "application = app\n"}, ("app", "app")),
    ],
)
def test_a_module_that_imports_the_application_is_not_a_second_one(look, files, found):
    assert look(files)[:2] == found


# --- no application -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"autoapp.py": APP}, "autoapp.py has app: write module: autoapp."),
        (
            {"shop/web/front.py": APP.replace("app", "site")},
            "shop/web/front.py has site: write module: shop.web.front, callable: site.",
        ),
        ({"src/a/b.py": FACTORY}, "src/a/b.py has create_app: write module: a.b."),
        (
            {"start.py": FACTORY.replace("create_app", "build")},
            "start.py has build: write module: start, callable: build().",
        ),
        (
            {"app.py": FACTORY.replace("=None", "")},
            "app.py has create_app: write module: app, callable: create_app('…').",
        ),
        (
            {"one.py": APP, "two.py": APP},
            "one.py has app: write module: one; two.py has app: write module: two.",
        ),
        (
            {"tests/conftest.py": APP, "venv/lib/x.py": APP, ".hidden/x.py": APP, "a-b.py": APP},
            "for example module: shop.web",
        ),
        (
            {"Procfile": "web: gunicorn gone:app"},
            "its Procfile names gone:app, which the source has not.",
        ),
        (
            {
                "a/b.py": "from x import *\n",
                "Dockerfile": 'FROM x\nCMD ["gunicorn", "-b", ":5000", "a.b:app"]\n',
            },
            "Its Dockerfile starts a.b:app: write module: a.b.",
        ),
        (
            {
                "a/b.py": "from x import *\n",
                "compose.yaml": (
                    "services:\n  web:\n    command:\n      - gunicorn\n      - a.b:web\n"
                ),
            },
            "Its compose.yaml starts a.b:web: write module: a.b, callable: web.",
        ),
        (
            {
                "a/b.py": "from x import *\n",
                "docker-compose.yml": "services:\n  web:\n    command: flask --app a.b run\n",
            },
            "Its docker-compose.yml starts a.b: write module: a.b.",
        ),
        (
            {
                "run.py": "from x import *\n",
                "Dockerfile": "FROM x\nENV FLASK_APP=run.py\nCMD flask run\n",
            },
            "Its Dockerfile starts run: write module: run.",
        ),
    ],
)
def test_the_message_shows_what_to_write(look, files, words):
    with pytest.raises(find.NotFound) as error:
        look(files)
    assert words in str(error.value)


def test_an_application_made_only_under_main_is_not_used(look):
    with pytest.raises(find.NotFound):
        look({"app.py": "if __name__ == '__main__':\n    app = make()\n    app.run()\n"})
    assert look({"app.py": "if __name__ != '__main__':\n    app = make()\n"})[:2] == ("app", "app")


@pytest.mark.parametrize(
    "name", ["Procfile", ".env", ".flaskenv", "pyproject.toml", "Dockerfile", "compose.yaml"]
)
@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"web: gunicorn " + b"x" * (2 << 20), b"\0" * 100, b"[" * 50_000,
     b"web: " + b"a:" * 30_000, b"command:\n" + b" - a\n" * 20_000,
     b"a: &a [*b]\nb: &b [*a]\ncommand: *a\n", b"FLASK_APP=" + b"a/" * 5000 + b"x.py\n",
     "directory", "pipe", "link out", "link in a circle"],
    ids=lambda content: str(content)[:20],
)  # fmt: skip
def test_odd_files_beside_the_application_are_ignored(tmp_path, name, content):
    source, file = tmp_path / "source", tmp_path / "source" / name
    source.mkdir()
    (tmp_path / "outside").write_text("web: gunicorn secret:app\nFLASK_APP=secret\n")
    if content == "directory":
        file.mkdir()
    elif content == "pipe":
        os.mkfifo(file)
    elif content == "link out":
        file.symlink_to("../outside")
    elif content == "link in a circle":
        file.symlink_to(name)
    else:
        file.write_bytes(content)
    with pytest.raises(find.NotFound) as error:
        find.find(source)
    assert "secret" not in str(error.value) and len(str(error.value)) < 2000
    (source / "main.py").write_text(APP)
    assert find.find(source)[:2] == ("main", "app")


# --- a single candidate, and the order of the message ---------------------------------------------

ROUTES = APP + "@app.get('/')\ndef page():\n    return ''\n"
RUN = "if __name__ == '__main__':\n    app.run(debug=True)\n"
BEGIN = "def begin():\n    'For developers.'\n    app.run(port=1)\n"


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"hall/__init__.py": "", "hall/desk.py": ROUTES}, ("hall.desk", "app")),
        (
            {"hall/__init__.py": "", "hall/desk.py": ROUTES, "hall/dates.py": APP},
            ("hall.desk", "app"),
        ),
        (
            {
                "hall/__init__.py": "",
                "hall/desk.py": ROUTES,
                "hall/dates.py": "from .desk import app\napp.debug = True\n",
            },
            ("hall.desk", "app"),
        ),
        (
            {
                "src/hall/__init__.py": "x = 1\n",
                "src/hall/deep/__init__.py": "",
                "src/hall/deep/desk.py": ROUTES,
            },
            ("hall.deep.desk", "app", "", "src"),
        ),
        (
            {
                "desk.py": ROUTES,
                "tests/web.py": ROUTES,
                "examples/one.py": ROUTES,
                "test_desk.py": ROUTES,
                "benchmarks/x.py": ROUTES,
            },
            ("desk", "app"),
        ),
        ({"desk.py": ROUTES.replace("app", "site")}, ("desk", "site")),
        ({"hall/__init__.py": "", "hall/made.py": FACTORY}, ("hall.made", "create_app()")),
        (
            {
                "hall/__init__.py": "",
                "hall/made.py": FACTORY,
                "serve.py": "from hall.made import create_app\napp = create_app('x')\n",
            },
            ("serve", "app"),
        ),
        (
            {"hall/__init__.py": ROUTES, "start.py": "from hall import app\n" + RUN},
            ("start", "app"),
        ),
        (
            {
                "hall/__init__.py": FACTORY,
                "start.py": (
                    "from hall import create_app\nif __name__ == '__main__':\n"
                    "    create_app().run()\n"
                ),
            },
            ("hall", "create_app()"),
        ),
        (
            {
                "hall/__init__.py": APP + "from hall import pages\n",
                "hall/pages.py": "from hall import app\n@app.get('/')\ndef x(): ...\n",
            },
            ("hall", "app"),
        ),
        (
            {
                "hall/__init__.py": "",
                "hall/core.py": APP,
                "hall/pages.py": "from .core import app\n@app.get('/')\ndef x(): ...\n",
            },
            ("hall.pages", "app"),
        ),
        (
            {
                "back/hall/__init__.py": "",
                "back/hall/desk.py": "from hall.data import x\n" + ROUTES,
                "back/hall/data.py": "x = 1\n",
            },
            ("hall.desk", "app", "", "back"),
        ),
        (
            {"back/end/desk.py": "import data\n" + ROUTES, "back/end/data.py": "x = 1\n"},
            ("desk", "app", "", "back/end"),
        ),
        (
            {
                "hall/__init__.py": "",
                "hall/desk.py": ROUTES + BEGIN,
                "setup.cfg": "console_scripts =\n  hall = hall.desk:begin\n",
            },
            ("hall.desk", "app"),
        ),
    ],
)
def test_the_only_module_that_creates_an_application_is_used(look, files, place):
    found = look(files)
    assert found[: len(place)] == place and found.said == find.ONLY


@pytest.mark.parametrize(
    "files",
    [
        {"one.py": ROUTES, "two.py": ROUTES},
        {"hall/__init__.py": "", "hall/core.py": APP},
        {"start.py": FACTORY.replace("create_app", "build")},
        {"start.py": FACTORY.replace("config=None", "config")},
        {"tests/web.py": ROUTES, "examples/one.py": ROUTES},
        {"backend/hall/__init__.py": ROUTES},
        {"hall/__init__.py": "", "hall/desk.py": ROUTES, "other/desk.py": ROUTES},
        {"a.py": ROUTES, "b.py": FACTORY.replace("create_app", "build")},
        {"a.py": ROUTES, "Procfile": "web: gunicorn gone:app"},
        {"a.py": ROUTES, "app.py": "def broken(:\n"},
    ],
)
def test_an_uncertain_candidate_is_not_used(look, files):
    with pytest.raises(find.NotFound):
        look(files)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            (
                "from flask import Flask\nfrom x import create_app\nshop ="
                " create_app(config='x.cfg')\n"
            ),
            "shop",
        ),
        (FACTORY + "shop = create_app()\n", "shop"),
        (FACTORY + "shop = create_app()\nother = create_app()\n", "create_app()"),
        (
            (
                "from x import create_app, make_celery\nworker = make_celery(create_app())\ncelery"
                " = create_celery_app()\n"
            ),
            "create_app()",
        ),
        ("from dash import Dash\napp = Dash(__name__)\ninner = app.server\n", "inner"),
        ("import connexion\napp = connexion.App(__name__)\napplication = app.app\n", "application"),
        ("from x import wrapped\napp = wrapped.app\n", "app"),
    ],
)
def test_a_created_application_takes_precedence_over_its_factory(look, text, name):
    assert look({"wsgi.py": text})[:2] == ("wsgi", name)


SERVER = (
    "def main():\n    port = 7070\n    app = make()\n    WSGIServer(('', port),"
    " app).serve_forever()\n"
)
BUILT = (
    "[build-system]\nrequires = []\n[project.scripts]\nhall-web = 'hall.cli:main'\nhall-load ="
    " 'hall.load:main'\n[tool.x]\ny = 'z:a'\n"
)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"hall/core.py": APP + "def create_app():\n    return app\n"},
            "hall/core.py has create_app: write module: hall.core, callable: create_app().",
        ),
        (
            {"a.py": APP, "hall.py": ROUTES, "b.py": ROUTES},
            "none of which exists; b.py has app: write module: b; hall.py has app: write",
        ),
        (
            {
                "back/one.py": "import data\n" + ROUTES,
                "back/two.py": "import data\n" + ROUTES.replace("app", "site"),
                "back/data.py": "",
            },
            (
                "back/one.py has app: write env: {FLASK_APP: 'back/one.py'}; back/two.py has site:"
                " write env: {FLASK_APP: 'back/two.py:site'}."
            ),
        ),
        (
            {"test/one.py": ROUTES, "examples/one.py": ROUTES},
            "examples/one.py has app: write module: examples.one.",
        ),
        (
            {"hall/cli.py": SERVER, "hall/web.py": ROUTES, "pyproject.toml": BUILT},
            (
                "none of which exists; hall-web starts its own server: write engine: command,"
                " command: hall-web, port: 7070; hall/web.py has app: write"
            ),
        ),
        (
            {
                "hall/cli.py": "from hall.core import begin as main\n",
                "hall/core.py": SERVER,
                "pyproject.toml": BUILT,
            },
            "write engine: command, command: hall-web, port: 7070; hall-load starts",
        ),
        (
            {
                "hall/cli.py": SERVER,
                "setup.cfg": (
                    "[options.entry_points]\nconsole_scripts =\n"
                    "    hall-web = hall.cli:main\n[x]\na = b:c\n"
                ),
            },
            (
                'write engine: command, command: python3 -c "from hall.cli import main; main()",'
                " port: 7070."
            ),
        ),
        (
            {
                "hall/cli.py": SERVER.replace("port = 7070", "port = load()"),
                "hall/web.py": ROUTES,
                "go.py": "from hall import cli\nif __name__ == '__main__':\n    cli.main()\n",
            },
            (
                "write engine: command, command: python3 go.py, port: the one that it listens on;"
                " hall/web.py has app"
            ),
        ),
        (
            {
                "go.py": (
                    "from x import build\nif __name__ == '__main__':\n    app = build()\n"
                    "    app.run(host='x', port=5005)\n"
                )
            },
            "write engine: command, command: python3 go.py, port: 5005.",
        ),
        (
            {
                "hall/cli.py": SERVER,
                "setup.py": (
                    "from setuptools import setup\nif __name__ == '__main__':\n    setup()\n"
                ),
                "noxfile.py": "if __name__ == '__main__':\n    run()\n",
                "setup.cfg": (
                    "[options.entry_points]\nconsole_scripts =\n"
                    "    hall-web = hall.cli:main\n[x]\na = b:c\n"
                ),
            },
            (
                "none of which exists; hall-web starts its own server: write engine: command,"
                " command: hall-web, port: 7070."
            ),
        ),
    ],
)
def test_the_best_suggestion_comes_first(look, files, words):
    with pytest.raises(find.NotFound) as error:
        look(files)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\nif __name__ == '__main__':\n    subprocess.run(['x'])\n",
        "cli.run()\n",
        SERVER,
    ],
)
def test_a_file_that_starts_no_server_is_not_suggested_as_a_program(look, text):
    with pytest.raises(find.NotFound) as error:
        look({"go.py": text})
    assert "engine: command" not in str(error.value)


@pytest.mark.parametrize(
    "files",
    [
        {"Procfile": f"web: a{' ' * 100_000}b"},
        {"Procfile": "web: " + "gunicorn " * 50_000},
        {
            "shop.py": (
                "from flask import Flask\n"
                + "".join(f"a{number} = Flask(__name__)\n" for number in range(5000))
            )
        },
        {f"a{number}/big.py": "x = [\n" + "1,\n" * 300_000 + "]\n" for number in range(60)},
    ],
    ids=["spaces", "servers", "names", "bytes"],
)
def test_no_source_slows_the_search_down(look, tmp_path, files, monkeypatch):
    monkeypatch.setattr(find, "READ_BYTES", 2**21)
    begun = time.monotonic()
    with pytest.raises(find.NotFound):
        look(files)
    find.gunicorn_conf(tmp_path)
    assert time.monotonic() - begun < 10


DASH = "import dash\n{0} = dash.Dash(__name__)\nserver = {0}.server\n{0}.layout = []\n"


def test_the_server_of_a_dash_application_takes_precedence_over_it(look):
    assert look({"board.py": DASH.format("board")})[:2] == ("board", "server")
    assert look({"board.py": DASH.format("board")}, module="board")[:2] == ("board", "server")
    with pytest.raises(find.NotFound) as error:
        look({"other.py": DASH.format("other")})
    assert (
        "board.py has server: write module: board, callable: server; other.py has server: write"
        in str(error.value)
    )


def test_a_refusal_reads_the_texts_once(look, monkeypatch):
    read, text = [], find._text
    monkeypatch.setattr(find, "_text", lambda root, name: read.append(name) or text(root, name))
    with pytest.raises(find.NotFound, match="command: hall-web, port: 7070"):
        look({"hall/cli.py": SERVER, "hall/web.py": ROUTES, "pyproject.toml": BUILT})
    assert read.count("hall/cli.py") == read.count("hall/web.py") == 1
