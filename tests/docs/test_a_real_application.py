# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/a-real-application.md: its inventory is accepted, and its commands exist."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.apps.normalize import normalize_apps
from ansible_collections.flaskops.host.plugins.module_utils.hands import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/a-real-application.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [(found[1], found[2]) for found in BLOCK.finditer(PAGE)]
COMMANDS = [
    line.removeprefix("$ ")
    for kind, text in BLOCKS
    if kind == "console"
    for line in text.splitlines()
    if line.startswith("$ ")
]


@pytest.fixture
def inventory():
    (text,) = [text for kind, text in BLOCKS if kind == "yaml"]
    return yaml.safe_load(text)["all"]


@pytest.fixture
def app(inventory):
    """The entry of the page, as a run reads it."""
    values = inventory["vars"]
    password = values["flask_apps"][0]["backup"]
    assert "ansible.builtin.password" in password["password"]
    password["password"] = "what the lookup creates"
    (found,), problems = normalize_apps(
        values["flask_apps"], source_root=str(ROOT), bootstrapped="3.13", suite="trixie"
    )
    assert problems == []
    return found


def test_its_entry_has_what_the_page_promises(app):
    assert [service.engine for service in app.services] == ["postgresql", "redis"]
    assert [process.name for process in app.processes] == ["worker"]
    assert [job.name for job in app.jobs] == ["nightly"]
    assert app.backup.to and app.backup.drill.schedule


def test_its_variables_are_those_of_the_roles(inventory):
    roles = ROOT.glob("roles/*/defaults/main.yml")
    known = {name for file in roles for name in yaml.safe_load(file.read_text())}
    assert {*inventory["vars"]} <= known


def test_it_takes_less_than_fifteen_commands():
    assert 8 < len(COMMANDS) < 15


def test_what_it_shows_of_the_application_is_there():
    code = (ROOT / "molecule/operate/apps/shop/shop.py").read_text().splitlines()
    shown = [line for kind, text in BLOCKS if kind == "python" for line in text.splitlines()]
    assert shown
    assert [line for line in shown if line not in code] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_exists(command, app, inventory):
    words = shlex.split(command)
    if words[0] in ("git", ".", "curl"):
        urls = [word for word in words if word.startswith("http:")]
        (host,) = inventory["hosts"].values()
        assert all(url == f"http://{host['ansible_host']}{app.path}/" for url in urls)
        return
    assert words[words.index("-i") + 1] == "shop.yml"
    if words[0] == "bin/flaskops":
        end = words.index("--") if "--" in words else len(words)  # after it, any command
        cli.parser().parse_args(words[1:end])
    elif words[0] == "ansible-playbook":
        entry = (ROOT / words[1]).read_text()
        tasks = re.search(r"tasks_from: (\w+)", entry)[1]
        text = (ROOT / f"roles/flask_apps/tasks/{tasks}.yml").read_text()
        given = [words[number + 1] for number, word in enumerate(words) if word == "-e"]
        assert given == ["app=shop"]
        assert "{{ app }}" in text
    elif words[0] == "ansible":
        unit = re.search(rf"flaskops-job-{app.name}_(\w+)", command)[1]
        assert unit == "drill" or unit in [job.name for job in app.jobs]
        assert words[1] in inventory["hosts"]
    else:
        assert words[0] == "bin/deploy"
        assert (ROOT / words[0]).is_file()
