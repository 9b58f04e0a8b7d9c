# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-doc shows every plugin, as from a clone."""

import functools
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "flaskops.host."


def stems(kind):
    return tuple(
        sorted(
            file.stem for file in (ROOT / "plugins" / kind).glob("*.py") if file.stem != "__init__"
        )
    )


def filters():
    """The functions by name, from all filter files."""
    found = {}
    for stem in stems("filter"):
        module = importlib.import_module(f"ansible_collections.flaskops.host.plugins.filter.{stem}")
        found.update(module.FilterModule().filters())
    return found


@functools.cache
def ansible_doc(kind, names):
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = [
        str(Path(sys.executable).parent / "ansible-doc"),
        "-t",
        kind,
        "--json",
        *(PREFIX + name for name in names),
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert run.returncode == 0, run.stderr
    return {name.removeprefix(PREFIX): entry for name, entry in json.loads(run.stdout).items()}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("module", stems("modules")),
        ("filter", tuple(sorted(filters()))),
        ("lookup", stems("lookup")),
        ("callback", stems("callback")),
    ],
    ids=["modules", "filters", "lookups", "callbacks"],
)
def test_every_plugin_has_a_page(kind, names):
    pages = ansible_doc(kind, names)
    assert sorted(pages) == sorted(names)
    for name, page in pages.items():
        assert page["doc"]["short_description"], name
        assert page["doc"]["version_added"], name
        if kind != "callback":
            assert page["examples"], name


def test_the_page_of_a_filter_names_its_parameters():
    functions = filters()
    for name, page in ansible_doc("filter", tuple(sorted(functions))).items():
        parameters = list(inspect.signature(functions[name]).parameters.values())
        documented = set(page["doc"]["options"]) - {"_input"}
        if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            continue
        assert documented == {parameter.name for parameter in parameters[1:]}, name


def test_every_module_documents_what_it_supports():
    for name, page in ansible_doc("module", stems("modules")).items():
        assert {"check_mode", "diff_mode"} <= set(page["doc"].get("attributes", {})), name


def documented(options):
    """The options of a page, in the form of an argument_spec."""
    keys = ("type", "elements", "default", "required", "choices")
    found = {}
    for name, option in options.items():
        found[name] = {key: option[key] for key in keys if option.get(key) not in (None, False)}
        if below := option.get("suboptions"):
            found[name]["options"] = documented(below)
    return found


def spec(arguments):
    """An argument_spec in the same form, without the parts that the documentation omits."""
    found = {}
    for name, argument in arguments.items():
        found[name] = {
            key: value
            for key, value in argument.items()
            if key != "no_log" and value not in (None, False)
        }
        if "options" in argument:
            found[name]["options"] = spec(argument["options"])
    return found


def test_the_page_of_a_module_shows_its_arguments():
    for name, page in ansible_doc("module", stems("modules")).items():
        module = importlib.import_module(
            f"ansible_collections.flaskops.host.plugins.modules.{name}"
        )
        assert documented(page["doc"]["options"]) == spec(module.ARGUMENTS), name


def test_every_role_has_a_page():
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = [str(Path(sys.executable).parent / "ansible-doc"), "-t", "role", "--json"]
    names = [PREFIX + path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir()]
    run = subprocess.run(
        [*command, *names], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert run.returncode == 0, run.stderr
    assert sorted(json.loads(run.stdout)) == sorted(names)
