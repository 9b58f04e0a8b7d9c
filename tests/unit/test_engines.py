# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application servers: what each one has, and that no other file of the code depends on a
specific one.
"""

import ast
import re
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS
from ansible_collections.flaskops.host.plugins.module_utils.releases.engines.known import (
    DEFAULT,
    ENGINES,
    OF_IMAGE,
    engine_in,
    engine_named,
)

ROOT = Path(__file__).parents[2]
PLUGINS, ROLES = ROOT / "plugins", ROOT / "roles"
TEMPLATES = ROLES / "flask_apps/templates"
# Where another file names a server, how often, and why.
NAMED = {
    "plugins/module_utils/apps/normalize.py": (
        1,
        "a Gunicorn that is the image's own, whatever the engine",
    ),
    "plugins/module_utils/apps/origin.py": (
        4,
        "what a uwsgi.ini of the source says of module and callable",
    ),
    "plugins/module_utils/apps/presets.py": (
        7,
        "which server the known images have, and UWSGI_PROCESSES of them",
    ),
    "plugins/module_utils/apps/foreign.py": (1, "a package of a Dockerfile"),
    "plugins/module_utils/apps/sources/find.py": (
        3,
        "programs of a Procfile; the runtime image has this file",
    ),
    "plugins/module_utils/images/dockerfile.py": (1, "a program of a Dockerfile"),
}


def named_in_code(text):
    """The strings of a Python file that are the name of an engine; "command" counts only beside the
    word engine, because it has many uses.
    """
    lines = text.splitlines()
    constants = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [
        node.value
        for node in constants
        if re.fullmatch(r"(FLASKOPS_ENGINE=.+|(uwsgi|gunicorn)(\.\w+)?)", node.value)
        or (node.value == "command" and re.search(r"\bengine\b", lines[node.lineno - 1]))
    ]


def named_in_templates(text):
    """Where a template or a task checks the engine, or reads the options of one."""
    return re.findall(r"engine\s*(?:==|!=|\bin\b|is\b)[^\n]*|app\.(?:uwsgi|gunicorn)\b", text)


def files_of_code():
    own = {PLUGINS / "module_utils/releases/engines" / f"{name}.py" for name in ENGINES}
    # The files of the runtime image are not checked: that image contains the servers.
    files = [
        *PLUGINS.rglob("*.py"),
        *(ROOT / "bin").glob("*.py"),
        *(ROLES / "flask_apps/files").glob("*.py"),
    ]
    # One table lists the uWSGI options of the role; that image contains it, too.
    return sorted(set(files) - own - {PLUGINS / "module_utils/releases/replaced.py"})


def test_no_other_file_names_an_application_server():
    found = {
        str(path.relative_to(ROOT)): named_in_code(path.read_text()) for path in files_of_code()
    }
    assert {path: len(names) for path, names in found.items() if names} == {
        path: count for path, (count, _why) in NAMED.items()
    }


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for path in ROLES.rglob("*")
        if path.suffix in (".j2", ".yml") and "argument_specs" not in path.name
    ),
    ids=lambda path: str(path.relative_to(ROLES)),
)
def test_no_shared_template_or_task_depends_on_an_engine(path):
    own = [TEMPLATES / f"{engine.settings}.j2" for engine in ENGINES.values()]
    assert path in own or named_in_templates(path.read_text()) == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ('x = app["engine"] == "command"', 1),
        ('x = container["command"]', 0),
        ('if engine in ("uwsgi", "gunicorn"): pass', 2),
        ('x = "FLASKOPS_ENGINE=uwsgi" in env', 1),
        ('x = {"key": "gunicorn.workers"}', 1),
        ('x = "write engine: gunicorn"', 0),
    ],
)
def test_the_scan_finds_each_kind_of_use(line, count):
    assert len(named_in_code(line)) == count


@pytest.mark.parametrize(
    "line",
    ["{% if app.engine == 'uwsgi' %}", "when: engine != 'command'", "{{ app.gunicorn.threads }}"],
)
def test_the_scan_of_templates_finds_each_kind_of_use(line):
    assert len(named_in_templates(line)) == 1


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_each_engine_has_what_a_release_needs(engine):
    """A new engine is a file, a template and a branch in the entrypoint; this test shows which one
    is missing.
    """
    template, file = (
        TEMPLATES / f"{engine.settings}.j2",
        ROLES / "flask_apps/files" / engine.settings,
    )
    assert (template if engine.in_runtime else file).is_file()
    assert set(engine.options) <= set(OPTIONS) and engine.name in OPTIONS["engine"].choices
    if engine.in_runtime:
        section, _dot, key = engine.processes.partition(".")
        assert key in OPTIONS[section].options
        assert engine.load_late and re.compile(engine.noise)
        entrypoint = (ROLES / "flask_apps/files/runtime/entrypoint.py").read_text()
        assert f"def {engine.name}(" in entrypoint


def test_an_entry_selects_its_engine():
    assert (DEFAULT.name, OF_IMAGE.name) == ("uwsgi", "command")
    assert (
        engine_in({"Config": {"Env": ["A=b", "FLASKOPS_ENGINE=gunicorn"]}}) is ENGINES["gunicorn"]
    )
    assert engine_in({"Config": {"Env": None}}) is None and engine_in({}) is None
    assert [engine_named(name) for name in ("command", "", "apache", ["uwsgi"])] == [
        OF_IMAGE,
        DEFAULT,
        DEFAULT,
        DEFAULT,
    ]
