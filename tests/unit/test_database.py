# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The source shows where the SQLite database is, so that the advice names the key and the right
path.
"""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import database
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice
from ansible_collections.flaskops.host.plugins.module_utils.releases.describe import container
from entries import normalize_apps, typed

TUTORIAL = """import os
from flask import Flask
def create_app(test_config=None):
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(
        SECRET_KEY='dev', DATABASE=os.path.join(app.instance_path, 'flaskr.sqlite')
    )
    return app
"""
ALCHEMY = (
    "from flask import Flask\nfrom flask_sqlalchemy import SQLAlchemy\napp = Flask(__name__)\n"
)
BASEDIR = (
    "import os\nfrom flask import Flask\napp = Flask(__name__)\nbasedir ="
    " os.path.abspath(os.path.dirname(__file__))\n"
)
SHOP = BASEDIR + "X = 'sqlite:///' + os.path.join(basedir, 'x.db')\n"
PATH = "import sqlite3\nfrom pathlib import Path\nfrom flask import Flask\napp = Flask(__name__)\n"
ENVIRON = "URL = os.environ.get('DATABASE_URL') or "
UNABLE = "sqlite3.OperationalError: unable to open database file"


@pytest.mark.parametrize(
    "text",
    [
        "WHERE = 'sqlite' " + "+ 'a' " * 950,
        "a0 = 'sqlite'\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(40)),
    ],
)
def test_no_expression_slows_the_search_down(tmp_path, text):
    (tmp_path / "shop.py").write_text(f"{text}\nURL = 'sqlite:////srv/data/x.db'\n")
    assert database.places(str(tmp_path)) in ([], ["/srv/data/"])


@pytest.fixture
def normal(tmp_path):
    def run(files, **keys):
        for name, text in {"requirements.txt": "flask\n", **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        entry = {"name": "blog", "source": str(tmp_path), "path": "/blog", **keys}
        (app,), problems = normalize_apps([entry], source_root=str(tmp_path))
        assert problems == []
        return app

    return run


PLACES = [
    ({"flaskr/__init__.py": TUTORIAL}, ["/app/instance/"]),
    (
        {"src/flaskr/__init__.py": TUTORIAL, "pyproject.toml": "[project]\nname = 'flaskr'\n"},
        ["/app/src/instance/"],
    ),
    (
        {"app.py": ALCHEMY + "app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///project.db'\n"},
        ["/app/instance/"],
    ),
    (
        {"app.py": ALCHEMY, "config.py": f"import os\n{ENVIRON}'sqlite:///site.db'\n"},
        ["/app/instance/"],
    ),
    ({"app.py": ALCHEMY + "URL = f'sqlite:///{app.instance_path}/x.db'\n"}, ["/app/instance/"]),
    ({"app.py": PATH + "X = Path(app.instance_path) / 'x.db'\n"}, ["/app/instance/"]),
    (
        {
            "app.py": (
                "from flask import Flask\napp = Flask(__name__, instance_path='/srv/i')\nX ="
                " app.instance_path + '/x.db'\n"
            )
        },
        ["/srv/i/"],
    ),
    (
        {"app.py": BASEDIR + f"{ENVIRON}'sqlite:///' + os.path.join(basedir, 'app.db')\n"},
        ["/app/app.db"],
    ),
    ({"shop/__init__.py": SHOP, "wsgi.py": "from shop import app"}, ["/app/shop/x.db"]),
    (
        {"app.py": BASEDIR + "URL = 'sqlite:///' + os.path.join(basedir, 'data', 'app.db')\n"},
        ["/app/data/"],
    ),
    (
        {
            "app.py": BASEDIR + "URL = 'sqlite:///' + os.path.join(basedir, 'data', 'app.db')\n",
            "data/schema.sql": "x",
        },
        ["/app/data/"],
    ),
    (
        {
            "app.py": (
                PATH
                + "db = sqlite3.connect(Path(__file__).resolve().parent / 'var' / 'x.sqlite3')\n"
            )
        },
        ["/app/var/"],
    ),
    ({"app.py": PATH + "db = sqlite3.connect('x.db')\n"}, ["/app/x.db"]),
    ({"app.py": PATH + "DATABASE = '/data/x.db'\n"}, ["/data/"]),
    ({"app.py": PATH + "URL = 'sqlite:////srv/x.db?timeout=3'\n"}, ["/srv/"]),
    (
        {
            "app.py": (
                PATH + "A = 'sqlite://'\nB = 'sqlite:///:memory:'\nC = 'thumbs.db'\nD ="
                " 'postgresql:///x'\n"
            )
        },
        [],
    ),
    ({"app.py": PATH, "tests/test_x.py": "URL = 'sqlite:///test.db'\n"}, []),
    ({"app.py": PATH + "URL = 'sqlite:////etc/x.db'\nV = 'sqlite:////app/a b.db'\n"}, []),
]


@pytest.mark.parametrize(("files", "places"), PLACES)
def test_the_database_is_found_in_the_source(normal, files, places):
    assert normal(files)["build"]["database"] == places


def of(app):
    return typed(container)(app, "0" * 12, "i", "/r")["labels"]


@pytest.mark.parametrize(
    "keys",
    [
        {"volumes": ["blog-data:/app/instance"]},
        {"volumes": ["/srv/blog:/app/instance"]},
        {"writable": ["/app/instance"]},
        {"data_files": ["instance/flaskr.sqlite"]},
    ],
)
def test_a_release_with_a_database_on_a_volume_keeps_its_id(normal, keys):
    files = {"flaskr/__init__.py": TUTORIAL}
    assert of(normal(files))["host.flaskops.database"] == "/app/instance/"
    assert "host.flaskops.database" not in of(normal(files, **keys))


def test_an_application_without_sqlite_has_no_label(normal):
    assert set(of(normal({"app.py": "from flask import Flask\napp = Flask(__name__)\n"}))) == {
        "host.flaskops.app",
        "host.flaskops.release",
    }


@pytest.mark.parametrize(
    ("places", "mounts", "write"),
    [
        ("/app/instance/", [], "write volumes: [blog-data:/app/instance]."),
        ("/app/data/", [], "write volumes: [blog-data:/app/data]."),
        ("/app/app.db", [], "write data_files: [app.db]."),
        (
            "/app/instance/,/app/app.db",
            [],
            "write volumes: [blog-data:/app/instance] and data_files: [app.db].",
        ),
        ("/app/instance/", ["/data"], "have it below /data where"),
    ],
)
def test_the_advice_names_the_key_and_the_place(places, mounts, write):
    labels = {"host.flaskops.app": "blog", "host.flaskops.database": places}
    here = [
        {"Destination": path, "Source": "/nowhere", "RW": True, "Name": "blog-x"} for path in mounts
    ]
    (words,) = advice(UNABLE, {"Config": {"Labels": labels}, "Mounts": here})
    assert write in words
    assert ("DATABASE_URL" in words) == bool(mounts)
    if mounts:
        assert "volumes: [blog-data:/app/instance]" in words


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("/app/shop/db.py", "data_files: [shop/shop.db]"),
        ("/app/app.py", "write volumes: [blog-shop:/app/shop]."),
    ],
)
def test_a_directory_with_code_is_not_suggested_as_a_volume(file, write):
    log = (
        f'  File "{file}", line 4, in <module>\n    sqlite3.connect("/app/shop/shop.db")\n{UNABLE}'
    )
    (words,) = advice(log, {"Config": {"Labels": {"host.flaskops.app": "blog"}}})
    assert write in words


def test_without_a_known_path_the_advice_names_all_three_keys():
    (words,) = advice(UNABLE, {"Config": {"Labels": {"host.flaskops.app": "blog"}}})
    for key in (
        "volumes: [blog-data:/data]",
        "volumes: [blog-data:/app/instance]",
        "data_files: [app.db]",
    ):
        assert key in words


def test_the_search_ends_on_an_odd_source(tmp_path):
    long, deep = "+".join(["'x'"] * 500), "Path('/x.db')" + ".parent" * 200
    (tmp_path / "app.py").write_text(f"x = 'sqlite'\na = a\nb = {long}\nc = {deep}\n")
    assert database.places(str(tmp_path)) == []
