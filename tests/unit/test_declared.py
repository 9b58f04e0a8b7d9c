# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dependencies that projects without a requirements.txt declare: setup.py, setup.cfg,
pyproject.toml, and archives of PyPI.
"""

import itertools
import time
import tracemalloc

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.declared import Project
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.requirements import (
    python_problem,
)
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.source import source_files
from entries import arguments, find

SETUP = "from setuptools import setup\n"
CFG = (
    "[metadata]\nname = shop\n[options]\ninstall_requires =\n    flask>=3\n    # not this\n   "
    " redis; python_version > '3'\n"
)
INFO = "Metadata-Version: 2.1\nName: shop\nVersion: 2.0\n"
LEGACY = {"requires": ["setuptools<81", "wheel"], "version": ""}


def look(place, files, wanted=""):
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return find(place, source_files(str(place)), wanted)


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        (
            {"setup.py": SETUP + "setup(name='x', install_requires=['flask', 'b>1'])"},
            ["b>1", "flask"],
        ),
        (
            {
                "setup.py": (
                    "import setuptools as s\nREQ = ['flask']\ns.setup(install_requires=REQ + ['b'])"
                )
            },
            ["b", "flask"],
        ),
        (
            {
                "setup.py": SETUP
                + (
                    "BASE = ('flask',)\nsetup(install_requires=[*BASE, 'b'], extras_require={'x':"
                    " ['c']})"
                )
            },
            ["b", "flask"],
        ),
        (
            {
                "setup.py": SETUP
                + "C = dict(a=1)\nKW = {'install_requires': ['flask'], 'version': V}\nsetup(**KW)"
            },
            ["flask"],
        ),
        (
            {
                "setup.py": SETUP
                + (
                    "setup(install_requires=['flask'], extras_require={':python_version<\"3.9\"':"
                    " ['b']})"
                )
            },
            ['b; python_version<"3.9"', "flask"],
        ),
        (
            {
                "setup.py": SETUP
                + "setup(install_requires=open('req/base.txt').read().splitlines())",
                "req/base.txt": "flask # web\n\n# x\n",
            },
            ["flask"],
        ),
        (
            {
                "setup.py": SETUP
                + "import os\nwith open(os.path.join(os.path.dirname(__file__), 'r.in')) as f:\n"
                "    R = f.readlines()\n"
                "setup(install_requires=R)",
                "r.in": "flask\nb\n",
            },
            ["b", "flask"],
        ),
        (
            {
                "setup.py": SETUP
                + (
                    "from pathlib import Path\nsetup(install_requires=(Path(__file__).parent /"
                    " 'r.in').read_text().split())"
                ),
                "r.in": "flask\n",
            },
            ["flask"],
        ),
        ({"setup.cfg": CFG}, ["flask>=3", "redis; python_version > '3'"]),
        (
            {"setup.cfg": CFG, "setup.py": SETUP + "setup()"},
            ["flask>=3", "redis; python_version > '3'"],
        ),
        (
            {"setup.cfg": "[options]\ninstall_requires = file: base.in\n", "base.in": "flask\n"},
            ["flask"],
        ),
        ({"setup.cfg": "[options]\ninstall_requires = flask; b\n"}, ["b", "flask"]),
        (
            {
                "setup.cfg": "[flake8]\nx = 1\n",
                "setup.py": SETUP + "setup(install_requires=['flask'])",
                "pyproject.toml": "[tool.ruff]\n",
            },
            ["flask"],
        ),
        # Only a build knows them; the archive of PyPI lists them.
        (
            {
                "setup.py": SETUP + "setup(install_requires=read())",
                "PKG-INFO": INFO + "Requires-Dist: flask\nRequires-Dist: b; extra == 'x'\n",
            },
            ["flask"],
        ),
        (
            {
                "setup.py": SETUP + "setup(install_requires=read())",
                "PKG-INFO": INFO,
                "shop.egg-info/requires.txt": "flask\n\n[:sys_platform == 'x']\nb\n\n[more]\nc\n",
            },
            ["b; sys_platform == 'x'", "flask"],
        ),
        (
            {
                "pyproject.toml": "[project]\ndynamic = ['dependencies']\n",
                "setup.py": SETUP + "setup(install_requires=['flask'])",
            },
            ["flask"],
        ),
        (
            {
                "pyproject.toml": (
                    "[project]\ndynamic = ['dependencies']\n"
                    "[tool.setuptools.dynamic]\ndependencies = {file = ['r.in']}\n"
                ),
                "r.in": "flask\n",
            },
            ["flask"],
        ),
        (
            {
                "pyproject.toml": (
                    "[build-system]\nrequires = ['poetry-core']\n[tool.poetry]\nname = 'x'\n"
                ),
                "PKG-INFO": INFO + "Requires-Dist: flask (>=2,<3)\n\nRequires-Dist: not this\n",
            },
            ["flask (>=2,<3)"],
        ),
    ],
)
def test_the_declared_dependencies_of_a_project(tmp_path, files, packages):
    found, problems = look(tmp_path, files)
    assert (problems, found["kind"], found["packages"], found["whole"]) == (
        [],
        "list",
        packages,
        False,
    )


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": SETUP + "setup(install_requires=read())"},
        {"setup.py": SETUP + "R = ['a']\nR.append('b')\nsetup(install_requires=R)"},
        {"setup.py": SETUP + "R = ['a']\nR += ['b']\nsetup(install_requires=R)"},
        {"setup.py": SETUP + "R = ['a']\nif x:\n    R = ['b']\nsetup(install_requires=R)"},
        {"setup.py": SETUP + "setup(install_requires=['a'] if x else ['b'])"},
        {"setup.py": SETUP + "setup(install_requires=open('../r.txt').read().splitlines())"},
        {"setup.py": SETUP + "setup(install_requires=open('/etc/passwd').read().splitlines())"},
        {
            "setup.py": SETUP + "setup(install_requires=open('r.in').read().splitlines())",
            "r.in": "-r other.txt\n",
        },
        {"setup.py": SETUP + "setup(**read())"},
        {"setup.py": SETUP + "R = R\nsetup(install_requires=R)"},
        {
            "setup.py": SETUP
            + "A0 = ['a']\n"
            + "".join(f"A{n + 1} = A{n} + A{n}\n" for n in range(60))
            + "setup(install_requires=A60)"
        },
        {
            "setup.py": SETUP + "setup(install_requires=" + "[" * 5000 + "]" * 5000 + ")",
            "setup.cfg": "[metadata]\nname = x\n[options]\ninstall_requires = file: gone\n",
        },
        {
            "pyproject.toml": (
                "[build-system]\nrequires = ['poetry-core']\n[tool.poetry]\nname = 'x'\n"
            )
        },
        {
            "pyproject.toml": (
                "[build-system]\nrequires = ['setuptools']\n[project]\n"
                "name = 'x'\ndynamic = ['dependencies']\n"
            )
        },
        # The file may be out of date.
        {
            "setup.py": SETUP + "setup(install_requires=read())",
            "shop.egg-info/requires.txt": "flask\n",
        },
    ],
)
def test_dynamic_dependencies_are_left_to_a_build_in_the_image(tmp_path, files):
    began = time.monotonic()
    found, problems = look(tmp_path, files)
    assert (problems, found["packages"], found["whole"], found["project"], arguments(found)) == (
        [],
        ["."],
        True,
        {},
        ".",
    )
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"setup.py": SETUP + "setup(name='x')"},
            "setup.py names no dependencies in install_requires; write at least flask there, or",
        ),
        # Another kind of setup.py: it sets up the database.
        (
            {"setup.py": "from shop import db\ndb.create_all()\n"},
            "source has no requirements.txt: ",
        ),
        (
            {"setup.py": "from shop import setup\nsetup(install_requires=['flask'])\n"},
            "source has no requirements.txt: ",
        ),
        ({"setup.cfg": "[flake8]\nmax-line-length = 99\n"}, "source has no requirements.txt: "),
        ({"setup.cfg": "no section\n"}, "source has no requirements.txt: "),
        ({"setup.py": "(" * 60_000}, "source has no requirements.txt: "),
    ],
)
def test_files_without_dependencies_are_not_a_project(tmp_path, files, problem):
    assert look(tmp_path, files)[1][0].startswith(problem)


def test_binary_and_oversized_files_are_not_a_project(tmp_path):
    (tmp_path / "setup.py").write_bytes(b"\xff\xfe setuptools \0" * 9)
    (tmp_path / "setup.cfg").write_bytes(b"[metadata]\nname = x\n" + b"#" * 2**21)
    assert find(tmp_path, ["setup.py", "setup.cfg"])[1][0].startswith(
        "source has no requirements.txt: "
    )


@pytest.mark.parametrize(
    "files",
    [
        {
            "setup.py": SETUP
            + (
                "setup(install_requires=['flask'], extras_require={'Post_gres': ['pg>1'], 'more':"
                " M})"
            ),
            "PKG-INFO": INFO
            + (
                "Requires-Dist: flask\nRequires-Dist: pg>1; extra == 'post-gres'\n"
                "Provides-Extra: more\n"
            ),
        },
        {
            "setup.py": SETUP
            + (
                "EXTRA = {'post.gres': ['pg>1'], 'more': []}\n"
                "setup(install_requires=['flask'], extras_require=EXTRA)"
            )
        },
        {
            "setup.cfg": (
                "[options]\ninstall_requires = flask\n[options.extras_require]\n"
                "post-gres = pg>1\nmore =\n"
            )
        },
        {
            "pyproject.toml": (
                "[project]\ndependencies = ['flask']\n"
                "optional-dependencies = {post_gres = ['pg>1'], more = []}\n"
            )
        },
    ],
)
def test_extras_are_selected_by_the_requirements_key(tmp_path, files):
    found, problems = look(tmp_path, {**files, "requirements.txt": "pinned==1\n"}, ".[post-gres]")
    assert (problems, found["packages"]) == ([], ["flask", "pg>1"])
    assert look(tmp_path, {}, ".[post-gres, nosuch]")[1] == [
        f"requirements: no extra 'nosuch' in {next(iter(files))}; defined extras: more,"
        ' post-gres. Write defined ones alone, as in requirements: ".[NAME]", or requirements:'
        ' ".".'
    ]
    assert look(tmp_path, {}, ".")[0]["packages"] == ["flask"]


def test_dynamic_extras_are_left_to_a_build(tmp_path):
    found, problems = look(
        tmp_path,
        {"setup.py": SETUP + "setup(install_requires=['flask'], extras_require=read())"},
        ".[web, db]",
    )
    assert (problems, found["packages"], found["whole"], arguments(found)) == (
        [],
        [".[web,db]"],
        True,
        "'.[web,db]'",
    )
    assert "that describes one" in look(tmp_path, {"setup.py": ""}, ".[web]")[1][0]


@pytest.mark.parametrize(
    ("files", "project"),
    [
        ({"setup.py": SETUP + "setup(install_requires=['flask'])"}, LEGACY),
        (
            {"setup.py": SETUP + "setup(install_requires=['flask'])", "requirements.txt": "flask"},
            LEGACY,
        ),
        (
            {
                "setup.py": SETUP + "setup(setup_requires=['pbr>=2'], pbr=True)",
                "requirements.txt": "flask",
            },
            {"requires": ["pbr>=2", "setuptools<81", "wheel"], "version": ""},
        ),
        ({"setup.cfg": CFG, "pyproject.toml": "[tool.ruff]\n"}, LEGACY),
        # pip does not install a directory with neither file.
        ({"setup.cfg": CFG}, {}),
        ({"setup.py": "import shop\nshop.setup()", "requirements.txt": "flask"}, {}),
        (
            {
                "pyproject.toml": "[build-system]\nrequires = ['hatchling']\n[project]\n"
                "name = 'x'\n[tool.hatch.build.hooks.custom]\n"
                "dependencies = ['babel']\n[tool.hatch.build.targets.wheel.hooks.x]\n"
                "dependencies = ['jinja2']\n",
                "requirements.txt": "flask",
            },
            {"requires": ["babel", "hatchling", "jinja2"], "version": ""},
        ),
        (
            {
                "pyproject.toml": (
                    "[build-system]\nrequires = ['hatchling']\n[project]\n"
                    "name = 'x'\n[tool.hatch.build]\nhooks = ['x']\n"
                ),
                "requirements.txt": "flask",
            },
            {"requires": ["hatchling"], "version": ""},
        ),
    ],
)
def test_a_project_is_built_as_a_package(tmp_path, files, project):
    found, problems = look(tmp_path, files)
    assert (problems, found["project"]) == ([], project)


BOMB = "".join(f"a{n} = a{n - 1} + a{n - 1}\n" for n in range(1, 12))


@pytest.mark.parametrize(
    "files",
    [
        {
            "setup.py": (
                SETUP + "a0 = '" + "x" * 200_000 + "'\n" + BOMB + "setup(install_requires=[a11])"
            )
        },
        {
            "setup.py": (
                SETUP
                + "a0 = ['x']\n"
                + BOMB.replace("a0 + a0", "[" + "*a0, " * 2000 + "]")
                + "setup(install_requires=a11)"
            )
        },
        {
            "setup.py": (
                SETUP + "a0 = open('r').readlines()\n" + BOMB + "setup(install_requires=a11)"
            ),
            "r": "a\n" * 100_000,
        },
        {
            "setup.cfg": (
                "[metadata]\nname = x\n[options]\ninstall_requires = file: "
                + ", ".join(["r"] * 1000)
            ),
            "r": "a\n" * 100_000,
        },
        {
            "setup.cfg": (
                CFG
                + "[options.extras_require]\n"
                + "".join(f"a{n} = file: r\n" for n in range(1000))
            ),
            "r": "a\n" * 100_000,
        },
        {
            "setup.py": (
                SETUP + "".join(f"b{n} = 1\n" for n in range(30_000)) + "setup(install_requires=b1)"
            )
        },
    ],
    ids=["text", "lists", "file", "files", "extras", "names"],
)
def test_endless_expressions_are_left_to_a_build_and_cost_no_time_or_memory(tmp_path, files):
    tracemalloc.start()
    began = time.monotonic()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = Project(tmp_path, files).setup
    took, most = time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.packages is None or found.extras is None
    assert (took < 15, most < 150_000_000) == (True, True), (took, most)


def test_requirements_that_name_the_project_do_not_change_with_its_code(tmp_path):
    files = {
        "setup.py": SETUP + "setup(install_requires=['flask'], extras_require={'web': ['gevent']})",
        "requirements.txt": "-e .[web]\n",
    }
    found, problems = look(tmp_path, files)
    assert (problems, found["own"], found["whole"], arguments(found)) == (
        [],
        True,
        False,
        "-r requirements.txt flask gevent",
    )


@pytest.mark.parametrize(
    ("files", "old"),
    [
        (
            {
                "shop/a.py": "import pkg_resources\n",
                "b.py": "from distutils.util import strtobool\n",
            },
            ["distutils", "pkg_resources"],
        ),
        (
            {
                "shop/a.py": (
                    "def version():\n    with x:\n        from pkg_resources import require\n"
                )
            },
            ["pkg_resources"],
        ),
        ({"a.py": "try:\n    import pkg_resources\nexcept ImportError:\n    pass\n"}, []),
        ({"a.py": "if sys.version_info < (3, 12):\n    import distutils\n"}, []),
        (
            {
                "a.py": "# pkg_resources\nfrom . import distutils\n",
                "setup.py": "import distutils\n",
                "tests/t.py": "import distutils\n",
            },
            [],
        ),
        ({"versioneer.py": "def commands():\n    from distutils.core import Command\n"}, []),
        ({"a.py": "import distutils (\n", "b.py": "import distutils" + "(" * 60_000}, []),
    ],
)
def test_imports_of_setuptools_in_the_project_are_found(tmp_path, files, old):
    assert look(tmp_path, {**files, "requirements.txt": "flask\n"})[0]["old"] == old


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.py", SETUP + "setup(python_requires='<3.9')"),
        ("setup.cfg", "[metadata]\nname = x\n[options]\npython_requires = <3.9\n"),
    ],
)
def test_the_required_python_is_found(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert python_problem(tmp_path, [name], "3.13").startswith(
        f"python_requires in {name} is '<3.9'"
    )
    assert python_problem(tmp_path, [name], "3.8") == ""


TABLE = (
    "[build-system]\nrequires = ['setuptools']\n[project]\nname = 'The_Shop'\ndependencies ="
    " ['flask']\n"
)
TABLE += "[project.optional-dependencies]\n"
EXTRAS = {
    "pyproject.toml": {
        "pyproject.toml": (
            TABLE + "pg = ['psycopg2']\nall = ['the-shop[pg]', 'the.shop[all]', 'redis[x]']\n"
        )
    },
    "setup.cfg": {
        "setup.cfg": (
            CFG + "[options.extras_require]\npg = psycopg2\nall =\n    Shop[pg]\n    shop[all]\n   "
            " redis[x]\n"
        ),
        "setup.py": SETUP + "setup()",
    },
    "setup.py": {
        "setup.py": (
            SETUP
            + "setup(name='shop', install_requires=['flask'], extras_require={'pg': ['psycopg2'],"
            " 'all': ['shop[pg]', 'redis[x]']})"
        )
    },
}


@pytest.mark.parametrize("files", EXTRAS.values(), ids=EXTRAS)
def test_an_extra_that_names_others_of_the_project_asks_no_index_for_the_project(tmp_path, files):
    found, problems = look(tmp_path, files, ".[all]")
    assert problems == [] and {"psycopg2", "redis[x]"} < set(found["packages"])
    assert not any("shop" in package.lower() for package in found["packages"])


def test_an_extra_of_the_project_on_a_condition_is_left_to_a_build(tmp_path):
    text = TABLE + "pg = ['x']\nall = [\"the-shop[pg]; python_version > '3'\"]\n"
    found, _problems = look(tmp_path, {"pyproject.toml": text}, ".[all]")
    assert found["packages"] == [".[all]"] and found["whole"]


@pytest.mark.parametrize(
    "content", [b"flask # \xe9\n", b"flask\n" * 400_000], ids=["latin", "large"]
)
def test_dynamic_dependencies_in_a_file_that_cannot_be_read_are_left_to_a_build(tmp_path, content):
    (tmp_path / "req.in").write_bytes(content)
    text = "[build-system]\nrequires = []\n[project]\nname = 'x'\ndynamic = ['dependencies']\n"
    text += "[tool.setuptools.dynamic]\ndependencies = {file = 'req.in'}\n"
    assert look(tmp_path, {"pyproject.toml": text})[0]["packages"] == ["."]


LETTERS = "abcdefghijklm"
DOUBLED = "\n".join(
    f"{after} = [*{before}, *{before}]" for before, after in itertools.pairwise(LETTERS)
)
ADDED = "\n".join(f"{after} = {before} + {before}" for before, after in itertools.pairwise(LETTERS))
HOSTILE = {
    "a name of itself": {
        "setup.py": SETUP + "from x import a\na = a.strip()\nsetup(install_requires=a.split())"
    },
    "many names": {
        "setup.py": SETUP
        + "\n".join(f"a{number} = 1" for number in range(20_000))
        + "\nsetup(install_requires=f())"
    },
    "lines again and again": {
        "setup.py": f"{SETUP}a = open('r.in').readlines()\n{DOUBLED}\nsetup(install_requires=m)",
        "r.in": "flask\n" * 20_000,
    },
    "a text again and again": {
        "setup.py": f"{SETUP}a = '{'x' * 500_000}'\n{ADDED}\nsetup(install_requires=[m])"
    },
    "spaces in setup.cfg": {
        "setup.cfg": f"[metadata]\nname = x\na{' ' * 20_000}b\n",
        "setup.py": SETUP + "setup(install_requires=f())",
    },
    "spaces in PKG-INFO": {
        "PKG-INFO": f"Requires-Dist: a;{' ' * 3000}(extra)\n\n",
        "setup.py": SETUP + "setup(install_requires=f())",
    },
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_no_source_slows_the_controller_down(tmp_path, files):
    begun = time.monotonic()
    assert look(tmp_path, files)[0]["packages"] == ["."]
    assert time.monotonic() - begun < 4


def test_hooks_that_are_not_a_table_are_ignored(tmp_path):
    text = (
        "[build-system]\nrequires = ['hatchling']\n[project]\nname = 'x'\ndependencies ="
        " ['flask']\n[tool.hatch.build]\nhooks = 3\n"
    )
    assert look(tmp_path, {"pyproject.toml": text})[0]["project"]["requires"] == ["hatchling"]
