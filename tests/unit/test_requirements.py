# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages an application needs, and the files that say so."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils._requirements import find
from ansible_collections.flaskops.host.plugins.module_utils._source import source_files


def look(place, files, wanted=""):
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return find(place, source_files(str(place)), wanted)


@pytest.mark.parametrize(
    ("files", "wanted", "found"),
    [
        ({"requirements.txt": "flask\n"}, "", {"kind": "pip", "file": "requirements.txt", "files": ["requirements.txt"]}),
        ({"requirements.txt": "flask\n", "uv.lock": "", "pyproject.toml": ""}, "", {"kind": "pip"}),
        ({"uv.lock": "", "pyproject.toml": ""}, "", {"kind": "uv", "file": "uv.lock", "files": ["pyproject.toml", "uv.lock"]}),
        (
            {"pyproject.toml": "[project]\ndependencies = ['flask>=3', 'b']"},
            "",
            {"kind": "list", "packages": ["b", "flask>=3"], "files": []},
        ),
        ({"requirements.txt": "", "deploy/uv.lock": "", "deploy/pyproject.toml": ""}, "deploy/uv.lock", {"kind": "uv"}),
        (
            {"r/prod.txt": "-r base.txt\n", "r/base.txt": "flask\n"},
            "r/prod.txt",
            {"file": "r/prod.txt", "files": ["r/prod.txt", "r/base.txt"]},
        ),
        (
            {"requirements.txt": "-r r/a.txt # one\n--constraint=c.txt\n", "r/a.txt": "-rb.txt\n", "r/b.txt": "-r a.txt", "c.txt": ""},
            "",
            {"files": ["requirements.txt", "r/a.txt", "c.txt", "r/b.txt"], "whole": False},
        ),
        ({"requirements.txt": "-r https://example.org/r.txt\nflask @ https://x/y.whl\n-f https://x/\n"}, "", {"whole": False}),
        ({"requirements.txt": "-e .\n"}, "", {"whole": True}),
        ({"requirements.txt": "./lib\n"}, "", {"whole": True}),
        ({"requirements.txt": ".[web]\n"}, "", {"whole": True}),
        ({"requirements.txt": "--find-links wheels\nflask\n"}, "", {"whole": True}),
        ({"requirements.txt": "lib @ file:///app/lib\n"}, "", {"whole": True}),
        ({"requirements.txt": "vendor/foo-1.0-py3-none-any.whl\n", "vendor/foo-1.0-py3-none-any.whl": ""}, "", {"whole": True}),
        ({"requirements.txt": "libs/common[x]; python_version > '3'\n", "libs/common/setup.py": ""}, "", {"whole": True}),
        ({"requirements.txt": "flask\n", "flask/__init__.py": ""}, "", {"whole": False}),
        ({"requirements.txt": "shop @ git+https://example.org/shop.git\n"}, "", {"git": True, "whole": False}),
        ({"pyproject.toml": "[project]\ndependencies = ['shop @ git+ssh://git@example.org/shop']"}, "", {"git": True}),
        ({"uv.lock": 'source = { git = "https://example.org/x?rev=1#2" }\n', "pyproject.toml": ""}, "", {"git": True, "whole": False}),
        ({"uv.lock": 'source = { editable = "libs/a" }\n', "pyproject.toml": ""}, "", {"git": False, "whole": True}),
        ({"requirements.txt": "flask \\\n  --hash=sha256:0\n"}, "", {"whole": False}),
        ({"requirements.txt": "uWSGI==2.0.25.1\nflask\n"}, "", {"left_out": ["uwsgi"]}),
        ({"requirements.txt": "-r b.txt\n", "b.txt": "Meinheld\nuwsgi[x]>2\n"}, "", {"left_out": ["meinheld", "uwsgi"]}),
        ({"requirements.txt": "uwsgitop\nuwsgi-tools\n"}, "", {"left_out": []}),
        ({"uv.lock": 'name = "uwsgi"\nname = "uwsgitop"\n', "pyproject.toml": ""}, "", {"left_out": ["uwsgi"]}),
        ({"pyproject.toml": "[project]\ndependencies = ['uwsgi', 'flask']"}, "", {"left_out": ["uwsgi"]}),
    ],
)
def test_what_is_installed(tmp_path, files, wanted, found):
    result, problems = look(tmp_path, files, wanted)
    assert problems == []
    assert {key: result[key] for key in found} == found


@pytest.mark.parametrize(
    ("files", "wanted", "problem"),
    [
        ({"app.py": ""}, "", "source has no requirements.txt: {place}. Write one; at least Flask has to be in it."),
        ({"app.py": ""}, "r.txt", "requirements is 'r.txt'; source has no such file: {place}/r.txt."),
        ({"requirements.txt": "-r more.txt"}, "", "requirements.txt includes more.txt, which is not in the source: {place}/more.txt."),
        (
            {"requirements.txt": "-r ../more.txt"},
            "",
            "requirements.txt includes ../more.txt, which is not in the source: {place}/../more.txt.",
        ),
        (
            {"uv.lock": ""},
            "",
            "source has a uv.lock and no pyproject.toml beside it, which uv needs; add it, or name another file in requirements.",
        ),
        (
            {"Pipfile.lock": "{}"},
            "",
            "source has a Pipfile.lock, which is not read here; write a requirements.txt: pipenv requirements > requirements.txt",
        ),
        (
            {"poetry.lock": "", "pyproject.toml": "[project]\ndependencies = ['flask']"},
            "",
            "source has a poetry.lock, which is not read here; write a requirements.txt: "
            "poetry export --format requirements.txt --output requirements.txt",
        ),
        (
            {"pyproject.toml": "[project]\ndynamic = ['dependencies']"},
            "",
            "pyproject.toml says that its dependencies are dynamic, so only a build of it knows them; "
            "write a requirements.txt, for example with: pip-compile pyproject.toml",
        ),
        (
            {"pyproject.toml": "[tool.ruff]\n"},
            "",
            "pyproject.toml has no [project], so it does not say what to install; "
            "write a requirements.txt, for example with: pip-compile pyproject.toml",
        ),
        (
            {"pyproject.toml": "[project]\nname = 'x'\n"},
            "",
            "pyproject.toml names no dependencies in [project]; write at least dependencies = ['flask'] there, or a requirements.txt.",
        ),
    ],
)
def test_what_is_wrong_with_it(tmp_path, files, wanted, problem):
    assert look(tmp_path, files, wanted)[1] == [problem.replace("{place}", str(tmp_path))]


def test_a_broken_file_is_named(tmp_path):
    assert look(tmp_path, {"pyproject.toml": "["})[1][0].startswith(f"{tmp_path}/pyproject.toml cannot be read: ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_file_is_decoded_by_the_mark_at_its_beginning_as_pip_does(tmp_path, encoding):
    (tmp_path / "requirements.txt").write_text("-r base.txt\nuwsgi\n", encoding=encoding)
    (tmp_path / "base.txt").write_text("flask\n")
    found, problems = find(tmp_path, source_files(str(tmp_path)))
    assert (problems, found["files"]) == ([], ["requirements.txt", "base.txt"])
    # What is not UTF-8 cannot be told from, so it is not said that it was.
    assert found["left_out"] == (["uwsgi"] if encoding == "utf-8-sig" else [])
