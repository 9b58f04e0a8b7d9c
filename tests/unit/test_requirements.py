# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of an application, and the files that list them."""

import tracemalloc

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import declared
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.requirements import (
    python_problem,
)
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.source import source_files
from entries import arguments, export, find


def look(place, files, wanted=""):
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return find(place, source_files(str(place)), wanted)


@pytest.mark.parametrize(
    ("files", "wanted", "found"),
    [
        (
            {"requirements.txt": "flask\n"},
            "",
            {"kind": "pip", "file": "requirements.txt", "files": ["requirements.txt"]},
        ),
        ({"requirements.txt": "flask\n", "uv.lock": "", "pyproject.toml": ""}, "", {"kind": "pip"}),
        (
            {"uv.lock": "", "pyproject.toml": ""},
            "",
            {"kind": "uv", "file": "uv.lock", "files": ["pyproject.toml", "uv.lock"]},
        ),
        (
            {"pyproject.toml": "[project]\ndependencies = ['flask>=3', 'b']"},
            "",
            {"kind": "list", "packages": ["b", "flask>=3"], "files": []},
        ),
        (
            {"requirements.txt": "", "deploy/uv.lock": "", "deploy/pyproject.toml": ""},
            "deploy/uv.lock",
            {"kind": "uv"},
        ),
        (
            {"r/prod.txt": "-r base.txt\n", "r/base.txt": "flask\n"},
            "r/prod.txt",
            {"file": "r/prod.txt", "files": ["r/prod.txt", "r/base.txt"]},
        ),
        (
            {
                "requirements.txt": "-r r/a.txt # one\n--constraint=c.txt\n",
                "r/a.txt": "-rb.txt\n",
                "r/b.txt": "-r a.txt",
                "c.txt": "",
            },
            "",
            {"files": ["requirements.txt", "r/a.txt", "c.txt", "r/b.txt"], "whole": False},
        ),
        (
            {
                "requirements.txt": (
                    "-r https://example.org/r.txt\nflask @ https://x/y.whl\n-f https://x/\n"
                )
            },
            "",
            {"whole": False},
        ),
        ({"requirements.txt": "-e .\n"}, "", {"whole": True}),
        ({"requirements.txt": "./lib\n"}, "", {"whole": True}),
        ({"requirements.txt": ".[web]\n"}, "", {"whole": True}),
        ({"requirements.txt": "--find-links wheels\nflask\n"}, "", {"whole": True}),
        ({"requirements.txt": "lib @ file:///app/lib\n"}, "", {"whole": True}),
        (
            {
                "requirements.txt": "vendor/foo-1.0-py3-none-any.whl\n",
                "vendor/foo-1.0-py3-none-any.whl": "",
            },
            "",
            {"whole": True},
        ),
        (
            {
                "requirements.txt": "libs/common[x]; python_version > '3'\n",
                "libs/common/setup.py": "",
            },
            "",
            {"whole": True},
        ),
        ({"requirements.txt": "flask\n", "flask/__init__.py": ""}, "", {"whole": False}),
        (
            {"requirements.txt": "shop @ git+https://example.org/shop.git\n"},
            "",
            {"git": True, "whole": False},
        ),
        (
            {
                "pyproject.toml": (
                    "[project]\ndependencies = ['shop @ git+ssh://git@example.org/shop']"
                )
            },
            "",
            {"git": True},
        ),
        (
            {
                "uv.lock": 'source = { git = "https://example.org/x?rev=1#2" }\n',
                "pyproject.toml": "",
            },
            "",
            {"git": True, "whole": False},
        ),
        (
            {"uv.lock": 'source = { editable = "libs/a" }\n', "pyproject.toml": ""},
            "",
            {"git": False, "whole": True},
        ),
        ({"requirements.txt": "flask \\\n  --hash=sha256:0\n"}, "", {"whole": False}),
        ({"requirements.txt": "uWSGI==2.0.25.1\nflask\n"}, "", {"left_out": ["uwsgi"]}),
        (
            {"requirements.txt": "-r b.txt\n", "b.txt": "Meinheld\nuwsgi[x]>2\n"},
            "",
            {"left_out": ["meinheld", "uwsgi"]},
        ),
        ({"requirements.txt": "uwsgitop\nuwsgi-tools\n"}, "", {"left_out": []}),
        (
            {"uv.lock": 'name = "uwsgi"\nname = "uwsgitop"\n', "pyproject.toml": ""},
            "",
            {"left_out": ["uwsgi"]},
        ),
        (
            {"pyproject.toml": "[project]\ndependencies = ['uwsgi', 'flask']"},
            "",
            {"left_out": ["uwsgi"]},
        ),
        (
            {"requirements.txt": "flask\npkg-resources==0.0.0\n"},
            "",
            {"frozen": True, "left_out": []},
        ),
        (
            {"requirements.txt": "-r b.txt\n", "b.txt": "pkg_resources == 0.0.0"},
            "",
            {"frozen": True},
        ),
        ({"requirements.txt": "pkg-resources==0.0.0.1\n"}, "", {"frozen": False}),
        # Lock files, each read by the tool that wrote it.
        (
            {"Pipfile.lock": '{"default": {}}'},
            "",
            {
                "kind": "lock",
                "exporter": "pipenv",
                "files": ["Pipfile.lock"],
                "git": False,
                "whole": False,
            },
        ),
        (
            {"poetry.lock": "", "pyproject.toml": ""},
            "",
            {"kind": "lock", "exporter": "poetry", "files": ["poetry.lock", "pyproject.toml"]},
        ),
        (
            {"pdm.lock": 'name = "uwsgi"\n', "pyproject.toml": ""},
            "",
            {"kind": "lock", "exporter": "pdm", "left_out": ["uwsgi"]},
        ),
        (
            {"pylock.toml": "", "pyproject.toml": ""},
            "",
            {"kind": "pylock", "files": ["pylock.toml"], "exporter": ""},
        ),
        ({"pylock.toml": "", "requirements.txt": "flask"}, "", {"kind": "pip"}),
        (
            {"pylock.web.toml": "", "requirements.txt": "flask"},
            "pylock.web.toml",
            {"kind": "pylock", "file": "pylock.web.toml"},
        ),
        (
            {"d/poetry.lock": "", "d/pyproject.toml": ""},
            "d/poetry.lock",
            {"kind": "lock", "files": ["d/poetry.lock", "d/pyproject.toml"]},
        ),
        (
            {"Pipfile.lock": '{"default": {"shop": {"editable": true, "path": "."}}}'},
            "",
            {"whole": True},
        ),
        (
            {"Pipfile.lock": '{"default": {"x": {"git": "https://example.org/x", "ref": "1"}}}'},
            "",
            {"git": True, "whole": False},
        ),
        (
            {"Pipfile.lock": '{\n  "default": {\n    "uwsgi": {"version": "==2"}}}'},
            "",
            {"left_out": ["uwsgi"]},
        ),
        (
            {"poetry.lock": '[package.source]\ntype = "git"\n', "pyproject.toml": ""},
            "",
            {"git": True, "whole": False},
        ),
        (
            {
                "poetry.lock": '[package.source]\ntype = "directory"\nurl = "lib"\n',
                "pyproject.toml": "",
            },
            "",
            {"whole": True},
        ),
        ({"pdm.lock": 'git = "https://example.org/x"\n', "pyproject.toml": ""}, "", {"git": True}),
        ({"pdm.lock": 'path = "./lib"\n', "pyproject.toml": ""}, "", {"whole": True}),
        ({"pylock.toml": "[packages.vcs]\ntype = 'git'\n"}, "", {"git": True}),
        (
            {"pylock.toml": "[[packages]]\nname = 'x'\ndirectory = {path = 'lib'}\n"},
            "",
            {"whole": True},
        ),
    ],
)
def test_the_files_and_packages_that_are_installed(tmp_path, files, wanted, found):
    result, problems = look(tmp_path, files, wanted)
    assert problems == []
    assert {key: result[key] for key in found} == found


@pytest.mark.parametrize(
    ("files", "wanted", "problem"),
    [
        (
            {"app.py": ""},
            "",
            "source has no requirements.txt: {place}. Write one; it must name at least Flask.",
        ),
        (
            {"app.py": ""},
            "r.txt",
            "requirements is 'r.txt'; source has no such file: {place}/r.txt.",
        ),
        (
            {"requirements.txt": "-r more.txt"},
            "",
            "requirements.txt includes more.txt, which is not in the source: {place}/more.txt.",
        ),
        (
            {"requirements.txt": "-r ../more.txt"},
            "",
            (
                "requirements.txt includes ../more.txt, which is not in the source:"
                " {place}/../more.txt."
            ),
        ),
        (
            {"uv.lock": ""},
            "",
            (
                "source has a uv.lock and no pyproject.toml beside it, which uv needs; add it, or"
                " name another file in requirements."
            ),
        ),
        (
            {"Pipfile": "[packages]"},
            "",
            (
                "source has a Pipfile and no Pipfile.lock, which says what to install; write one"
                " with: pipenv lock"
            ),
        ),
        (
            {"poetry.lock": ""},
            "",
            (
                "source has a poetry.lock and no pyproject.toml beside it, which poetry needs; add"
                " it, or name another file in requirements."
            ),
        ),
        (
            {"pyproject.toml": "[project]\ndynamic = ['dependencies']"},
            "",
            (
                "pyproject.toml says that its dependencies are dynamic, so only a build of it knows"
                " them; write a requirements.txt, for example with: pip-compile pyproject.toml"
            ),
        ),
        (
            {"pyproject.toml": "[tool.ruff]\n"},
            "",
            (
                "pyproject.toml has no [project], so it does not say what to install; "
                "write a requirements.txt, for example with: pip-compile pyproject.toml"
            ),
        ),
        (
            {"pyproject.toml": "[project]\nname = 'x'\n"},
            "",
            (
                "pyproject.toml names no dependencies in [project]; write at least dependencies ="
                " ['flask'] there, or a requirements.txt."
            ),
        ),
    ],
)
def test_invalid_requirements_are_refused(tmp_path, files, wanted, problem):
    assert look(tmp_path, files, wanted)[1] == [problem.replace("{place}", str(tmp_path))]


def test_a_broken_file_is_named(tmp_path):
    assert look(tmp_path, {"pyproject.toml": "["})[1][0].startswith(
        f"{tmp_path}/pyproject.toml cannot be read: "
    )


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 10_000 + " = 1",
        "[a" + ". 'a'" * 10_000 + "]",
        "b = {a" + ".a" * 10_000 + " = 1}",
    ],
)
def test_a_key_with_many_parts_costs_no_memory(tmp_path, text):
    tracemalloc.start()
    (problem,) = look(tmp_path, {"pyproject.toml": text})[1]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (problem, most < 20_000_000) == (
        f"{tmp_path}/pyproject.toml cannot be read: it has a key of more than 1000 parts",
        True,
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_file_is_decoded_by_the_mark_at_its_beginning_as_pip_does(tmp_path, encoding):
    (tmp_path / "requirements.txt").write_text("-r base.txt\nuwsgi\n", encoding=encoding)
    (tmp_path / "base.txt").write_text("flask\n")
    found, problems = find(tmp_path, source_files(str(tmp_path)))
    assert (problems, found["files"]) == ([], ["requirements.txt", "base.txt"])
    # In text that is not UTF-8 the package is not found, so the note does not name it.
    assert found["left_out"] == (["uwsgi"] if encoding == "utf-8-sig" else [])


# --- the application as a package -----------------------------------------------------------------

BUILD = "[build-system]\nrequires = ['hatchling', 'a']\n"
PROJECT = "[project]\nname = 'shop'\ndependencies = ['flask']\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"pyproject.toml": PROJECT + BUILD}, {"requires": ["a", "hatchling"], "version": ""}),
        (
            {"pyproject.toml": PROJECT + BUILD, "requirements.txt": "flask"},
            {"requires": ["a", "hatchling"], "version": ""},
        ),
        (
            {"pyproject.toml": PROJECT + BUILD, "uv.lock": ""},
            {"requires": ["a", "hatchling"], "version": ""},
        ),
        (
            {"pyproject.toml": "[tool.poetry]\nname = 'x'\n" + BUILD, "poetry.lock": ""},
            {"requires": ["a", "hatchling"], "version": ""},
        ),
        (
            {"pyproject.toml": PROJECT + BUILD, "PKG-INFO": "Name: x\nVersion: 1.2\n"},
            {"requires": ["a", "hatchling"], "version": "1.2"},
        ),
        (
            {"pyproject.toml": BUILD, "setup.py": "", "requirements.txt": "flask"},
            {"requires": ["a", "hatchling"], "version": ""},
        ),
        ({"pyproject.toml": BUILD, "requirements.txt": "flask"}, {}),
        ({"pyproject.toml": PROJECT}, {}),
        ({"pyproject.toml": PROJECT + BUILD + "[tool.uv]\npackage = false\n"}, {}),
        (
            {"pyproject.toml": "[tool.poetry]\npackage-mode = false\n" + BUILD, "poetry.lock": ""},
            {},
        ),
        # The requirements name the application.
        (
            {"pyproject.toml": PROJECT + BUILD, "requirements.txt": "-e .\n"},
            {"requires": ["a", "hatchling"], "version": ""},
        ),
        # The application is installed with the parts of the source that it needs.
        ({"pyproject.toml": PROJECT + BUILD, "requirements.txt": "-e .\n./lib\n"}, {}),
        (
            {
                "pyproject.toml": "[project]\ndynamic = ['dependencies']\n" + BUILD,
                "requirements.txt": ".",
            },
            {},
        ),
        (
            {
                "pyproject.toml": PROJECT + "[build-system]\nrequires = 'x'\n",
                "requirements.txt": "flask",
            },
            {},
        ),
        (
            {
                "pyproject.toml": PROJECT + '[build-system]\nrequires = ["a\\nb"]\n',
                "requirements.txt": "flask",
            },
            {},
        ),
        ({"pyproject.toml": "[", "requirements.txt": "flask"}, {}),
        (
            {"pyproject.toml": PROJECT + BUILD, "PKG-INFO": "Version: $(x)\n"},
            {"requires": ["a", "hatchling"], "version": ""},
        ),
    ],
)
def test_the_build_of_the_application_as_a_package_is_found(tmp_path, files, found):
    result, problems = look(tmp_path, files)
    assert (problems, result["project"]) == ([], found)


@pytest.mark.parametrize(
    ("text", "python", "good"),
    [
        ("[project]\nrequires-python = '>=3.10'", "3.13", True),
        ("[project]\nrequires-python = '>=3.14'", "3.13", False),
        ("[project]\nrequires-python = '<3.13'", "3.13", False),
        ("[project]\nrequires-python = '>=3.13.2'", "3.13", True),
        ("[project]\nrequires-python = '>=3.13.2'", "3.13.1", False),
        ("[project]\nrequires-python = '==3.13.*'", "3.13", True),
        ("[project]\nrequires-python = '~=3.12'", "3.13", True),
        ("[project]\nrequires-python = '>=3.14'", "", True),
        ("[project]\nrequires-python = 'nonsense'", "3.13", True),
        ("[project]\nrequires-python = 3", "3.13", True),
        ("[tool.poetry.dependencies]\npython = '^3.10'", "3.13", True),
        ("[tool.poetry.dependencies]\npython = '^2.7 || ^3.10'", "3.13", True),
        ("[tool.poetry.dependencies]\npython = '~3.10'", "3.13", False),
        ("[tool.poetry.dependencies]\npython = '>=3.8,<3.12'", "3.13", False),
        ("[tool.poetry.dependencies]\npython = '3.11'", "3.13", False),
        ("[tool.poetry.dependencies]\npython = '*'", "3.13", True),
        ("[tool.poetry.dependencies]\npython = {version = '3'}", "3.13", True),
        ("[", "3.13", True),
    ],
)
def test_the_required_python_is_found(tmp_path, text, python, good):
    (tmp_path / "pyproject.toml").write_text(text)
    found = python_problem(tmp_path, ["pyproject.toml"], python)
    assert (found == "") == good, found
    assert good or f"and the Python of the images is {python}" in found


def test_requirements_in_the_parent_directory_are_named(tmp_path):
    (tmp_path / "requirements.txt").write_text("flask")
    (tmp_path / "app").mkdir()
    (problem,) = find(tmp_path / "app", [], "")[1]
    assert problem.startswith(
        f"source has no requirements.txt: {tmp_path}/app, and the directory above it has"
        " requirements.txt;"
    )


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (
            {"poetry.lock": "", "pyproject.toml": ""},
            "export --no-interaction --format requirements.txt --output /run/requirements.txt",
        ),
        (
            {"poetry.lock": 'type = "git"\n', "pyproject.toml": ""},
            "requirements.txt --without-hashes --output /run/requirements.txt",
        ),
        (
            {"pdm.lock": "", "pyproject.toml": ""},
            "pdm export --format requirements --prod --output /run/requirements.txt",
        ),
        (
            {"pdm.lock": 'path = "./x"\n', "pyproject.toml": ""},
            "--prod --no-hashes --output /run/requirements.txt",
        ),
        ({"Pipfile.lock": ""}, "pipenv requirements --hash > /run/requirements.txt"),
        ({"Pipfile.lock": '"git": "x"'}, "pipenv requirements > /run/requirements.txt"),
        ({"pylock.toml": ""}, ""),
        ({"requirements.txt": ""}, ""),
    ],
)
def test_hashes_are_kept_if_all_packages_have_one(tmp_path, files, command):
    result, _ = look(tmp_path, files)
    assert export(result).endswith(command) and bool(command) == bool(export(result))
    wanted = "/run/requirements.txt" if command else next(iter(files))
    assert arguments(result) == f"-r {wanted}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-e .", "-r requirements.txt b flask"),
        (".", "-r requirements.txt b flask"),
        (".[web]", "-r requirements.txt b flask 'gevent>1'"),
        ("--editable=.[web] # all of it", "-r requirements.txt b flask 'gevent>1'"),
    ],
)
def test_requirements_that_name_the_application_itself_do_not_change_with_its_code(
    tmp_path, line, words
):
    text = (
        "[project]\nname = 'x'\ndependencies = ['flask', 'b']\noptional-dependencies = {web ="
        " ['gevent>1']}\n" + BUILD
    )
    result, problems = look(
        tmp_path, {"pyproject.toml": text, "requirements.txt": f"waitress\n{line}\n"}
    )
    assert (problems, result["whole"], result["own"], arguments(result)) == ([], False, True, words)


@pytest.mark.parametrize("line", [".[nosuch]", "./lib", "-e ./lib", "lib @ file:."])
def test_other_parts_of_the_source_are_still_installed_with_all_of_it(tmp_path, line):
    text = "[project]\nname = 'x'\ndependencies = ['flask', 'b']\n" + BUILD
    result, problems = look(
        tmp_path, {"pyproject.toml": text, "requirements.txt": f"{line}\n", "lib/setup.py": ""}
    )
    assert (problems, result["whole"], result["own"], result["project"]) == ([], True, False, {})


@pytest.mark.parametrize("wanted", ["", "pyproject.toml", ".[extra]"])
def test_the_project_is_parsed_once(tmp_path, monkeypatch, wanted):
    read, parse = [], declared.load_toml
    monkeypatch.setattr(declared, "load_toml", lambda text: read.append(text) or parse(text))
    text = (
        "[build-system]\nrequires = ['hatchling']\n[project]\nname = 'x'\ndependencies ="
        " ['flask']\n"
    )
    text += "optional-dependencies = {extra = ['a']}\n"
    found, problems = look(tmp_path, {"pyproject.toml": text}, wanted)
    assert (problems, found["project"]["requires"], read) == ([], ["hatchling"], [text])
