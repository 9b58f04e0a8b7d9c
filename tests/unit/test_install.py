# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs in the stages of a build: pip with setuptools for old packages, and the application
as a package.
"""

import ast
import importlib.util
import os
import re
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.images.outdated import SETUPTOOLS
from packaging.specifiers import SpecifierSet

RUNTIME = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime"


def load(name):
    spec = importlib.util.spec_from_file_location(f"flaskops_{name}", RUNTIME / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_last_setuptools_that_old_packages_take_is_the_same_everywhere():
    """The files of the runtime are read only in the image, those of the controller only there."""
    named = [
        line
        for line in (RUNTIME / "setuptools.in").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert named == [load("install").OLDER] == [SETUPTOOLS]
    locked = re.match(r"setuptools==(\S+)", (RUNTIME / "setuptools.txt").read_text())[1]
    assert SpecifierSet(SETUPTOOLS.removeprefix("setuptools")).contains(locked)


@pytest.mark.parametrize(
    ("files", "has_distutils", "found"),
    [
        ({"old/api.py": "import flask\nimport pkg_resources\n"}, False, ("old", "pkg_resources")),
        ({"old.py": "from pkg_resources import parse_version\n"}, True, ("old", "pkg_resources")),
        ({"old/x.py": "from distutils.version import LooseVersion\n"}, False, ("old", "distutils")),
        ({"old/x.py": "from distutils.version import LooseVersion\n"}, True, None),
        (
            {"new/x.py": "try:\n    import pkg_resources\nexcept ImportError:\n    pass\n"},
            False,
            None,
        ),
        ({"new/x.py": "def version():\n    import pkg_resources\n"}, False, None),
        (
            {"new/tests/x.py": "import pkg_resources\n", "new/setup.py": "import distutils\n"},
            False,
            None,
        ),
        ({"new/distutils/y.py": "import distutils\n"}, False, None),
        (
            {
                "old/x.py": "import pkg_resources\n",
                "setuptools/__init__.py": "",
                "pkg_resources/__init__.py": "",
            },
            False,
            None,
        ),
        # Newer versions no longer have it.
        (
            {"old/x.py": "import pkg_resources\n", "setuptools/__init__.py": ""},
            False,
            ("old", "pkg_resources"),
        ),
        ({"old/x.py": "import distutils\n", "setuptools/__init__.py": ""}, False, None),
        ({"odd/x.py": "import pkg_resources\n(((\n"}, False, None),
        ({"odd/x.py": "# pkg_resources\n" + "(" * 50_000}, False, None),
        ({"new/x.py": "from . import pkg_resources\n"}, False, None),
    ],
)
def test_packages_that_need_setuptools_are_found(tmp_path, files, has_distutils, found):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert load("install").needed_by(tmp_path, has_distutils) == found


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """The installer with a fake pip, and the calls of that pip."""
    module = load("install")
    script = tmp_path / "pip"
    site = tmp_path / "site"
    site.mkdir()
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\necho {site}; echo False\n")
    python.chmod(0o755)

    def run(text, *arguments):
        script.write_text(
            f'#!/bin/sh\necho "$PIP_BUILD_CONSTRAINT|$*" >> {tmp_path}/calls\n{text}\n'
        )
        script.chmod(0o755)
        monkeypatch.setattr(module, "PIP", [str(script), "--python", str(python), "install"])
        code = module.main(list(arguments))
        return code, (tmp_path / "calls").read_text().splitlines()

    return run, site


def test_an_old_build_is_retried_with_an_older_setuptools(pip):
    run, _site = pip
    text = (
        '[ -n "$PIP_BUILD_CONSTRAINT" ] || { echo "ModuleNotFoundError: No module named'
        " 'pkg_resources'\"; exit 1; }"
    )
    code, calls = run(text, "-r", "r.txt")
    assert (
        code == 0 and len(calls) == 2 and calls[0].startswith("|") and not calls[1].startswith("|")
    )


def test_any_other_failure_is_kept(pip):
    code, calls = pip[0]("echo no; exit 3", "-r", "r.txt")
    assert (code, len(calls)) == (3, 1)


def test_setuptools_is_installed_only_with_an_old_package(pip):
    run, site = pip
    assert len(run("exit 0", "-r", "r.txt")[1]) == 1
    (site / "old.py").write_text("import pkg_resources\n")
    calls = run("exit 0", "-r", "r.txt")[1]
    assert len(calls) == 3 and calls[2].endswith(
        "--no-deps --require-hashes -r /run/setuptools.txt"
    )


def test_setuptools_is_installed_if_the_application_imports_it(pip):
    run, site = pip
    calls = run("exit 0", "--imported=distutils,pkg_resources", "-r", "r.txt")[1]
    assert [call.partition(" install ")[2] for call in calls] == [
        "-r r.txt",
        "--no-deps --require-hashes -r /run/setuptools.txt",
    ]
    (site / "setuptools").mkdir()  # it has distutils, and this version has no pkg_resources
    assert len(run("exit 0", "--imported=distutils", "-r", "r.txt")[1]) == 3
    assert len(run("exit 0", "--imported=pkg_resources", "-r", "r.txt")[1]) == 5


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The builder with a fake uv."""
    module = load("project")
    (tmp_path / "app/src").mkdir(parents=True)
    monkeypatch.setattr(module, "APP", tmp_path / "app")
    monkeypatch.setattr(module, "TARGET", str(tmp_path / "project"))
    monkeypatch.setattr(module, "UV", str(tmp_path / "uv"))

    def run(text, *arguments):
        (tmp_path / "uv").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "uv").chmod(0o755)
        return module.main(*arguments)

    return run


def test_leftovers_of_a_backend_are_removed_and_its_output_is_kept(project, tmp_path, capsys):
    here = tmp_path / "app"
    (here / "dist").mkdir()
    (here / "dist/site.js").write_text("")
    text = (
        f"[ $1 = pip ] && exit; cd {here}; mkdir -p build/lib src/shop.egg-info; touch"
        " src/_version.py"
    )
    project(f"{text}; while [ $1 != --out-dir ]; do shift; done; touch $2/x.whl", "1.2")
    assert capsys.readouterr().out == ""
    assert sorted(str(path.relative_to(here)) for path in here.rglob("*")) == [
        "dist",
        "dist/site.js",
        "src",
        "src/_version.py",
    ]


def test_the_backend_gets_the_version_and_has_no_network(project, tmp_path):
    project(f"env > {tmp_path}/env; exit 1", "1.2")
    env = (tmp_path / "env").read_text()
    assert (
        "SETUPTOOLS_SCM_PRETEND_VERSION=1.2\n" in env
        and "UV_OFFLINE=1\n" in env
        and "POETRY_DYNAMIC_VERSIONING_BYPASS=1.2\n" in env
    )


def test_a_project_that_cannot_be_built_is_a_warning_in_one_line(project, tmp_path, capsys):
    project(
        "echo \"  ModuleNotFoundError: No module named 'x'\"; echo 'error: Failed to build'; exit 2"
    )
    assert capsys.readouterr().out.endswith(
        "The build said: ModuleNotFoundError: No module named 'x'\n"
    )
    project(
        "echo Building; echo 'error: Multiple top-level packages discovered in a flat-layout'; echo"
        " hint; exit 2"
    )
    output = capsys.readouterr().out
    assert (
        output.startswith(
            "flaskops warning: the project could not be built, so it runs from its source"
        )
        and output.count("\n") == 1
    )
    assert "error: Multiple top-level packages discovered" in output
    assert "runs from its source (src/ is on the path) and has no" in output
    (tmp_path / "app/src").rmdir()
    project("exit 2")
    assert "runs from its source and has no" in capsys.readouterr().out
    assert (tmp_path / "project").is_dir()


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (
            "ModuleNotFoundError: No module named 'jinja2'",
            "the Python module jinja2: add its package to requires of [build-system], or",
        ),
        (
            "RuntimeError: npm is missing",
            "the program npm: write build_command with what it does, and apt_packages",
        ),
        ("/bin/sh: 1: yarn: not found", "the program yarn: "),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'sass'", "the program sass: "),
        ("error: command 'gcc' failed: No such file or directory", "the program gcc: "),
        (
            "error: Multiple top-level packages discovered",
            "if it needs its commands or its version, the build must work",
        ),
        (
            "OSError: [Errno 2] No such file or directory: '/app/README.rst'",
            "if it needs its commands",
        ),
    ],
)
def test_a_missing_requirement_of_a_build_is_reported(project, capsys, output, advice):
    project(f"cat <<'END'\n{output}\nEND\nexit 2")
    assert advice in capsys.readouterr().out


def test_hooks_see_the_packages_of_the_backend_before_those_of_the_application(
    project, tmp_path, monkeypatch
):
    module = load("project")
    for name in ("backend", "own"):
        (tmp_path / name / "lib/python3.99/site-packages").mkdir(parents=True)
    monkeypatch.setattr(module, "BACKEND", str(tmp_path / "backend/bin/python3"))
    monkeypatch.setattr(module, "PYTHON", str(tmp_path / "own/bin/python3"))
    monkeypatch.setenv("PATH", "/usr/bin")
    module.lend_packages()
    text = (tmp_path / "backend/lib/python3.99/site-packages/flaskops-app.pth").read_text()
    assert text == f"{tmp_path}/own/lib/python3.99/site-packages\n"
    assert os.environ["PATH"] == f"{tmp_path}/backend/bin:{tmp_path}/own/bin:/usr/bin"


def test_earlier_build_results_are_not_older_than_the_source_during_a_build(project, tmp_path):
    """The times of a context depend on the contents of its files."""
    here = tmp_path / "app"
    for name, seconds in (("site.js", 1000), ("site.ts", 2000), ("changed.js", 3000)):
        (here / name).write_text(name)
        os.utime(here / name, (seconds, seconds))
    project(
        f"cd {here}; [ site.ts -nt site.js ] && echo built >> site.js; echo x >> changed.js; exit 1"
    )
    assert (here / "site.js").read_text() == "site.js"
    times = [(here / name).stat().st_mtime for name in ("site.js", "site.ts", "changed.js")]
    assert times[:2] == [1000, 2000] and times[2] > 1e9


@pytest.mark.parametrize(
    "file", [*sorted(RUNTIME.glob("*.py")), RUNTIME.parent / "relay.py"], ids=lambda file: file.name
)
def test_the_scripts_run_on_every_python_of_a_base(file):
    ast.parse(file.read_text(), feature_version=(3, 9))
