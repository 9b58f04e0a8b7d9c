# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The defaults, the argument specs and the README describe the same inputs."""

import subprocess
import sys
from itertools import pairwise

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS

ROLES = ("docker", "nginx", "flask_apps")
TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}


def load(root, role, file):
    return yaml.safe_load((root / "roles" / role / file).read_text())


def plain(option):
    """An entry of a spec without its descriptions."""
    kept = {
        key: option[key]
        for key in ("type", "elements", "required", "choices", "default")
        if key in option
    }
    if "options" in option:
        kept["options"] = {name: plain(below) for name, below in option["options"].items()}
    return kept


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_name_the_same_inputs_with_the_same_values(root, role):
    defaults = load(root, role, "defaults/main.yml")
    options = load(root, role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert list(defaults) == list(options)
    assert {name: (type(value), value) for name, value in defaults.items()} == {
        name: (type(option["default"]), option["default"]) for name, option in options.items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_of_the_type_that_the_spec_says(root, role):
    for name, option in load(root, role, "meta/argument_specs.yml")["argument_specs"]["main"][
        "options"
    ].items():
        default = option["default"]
        if not (isinstance(default, str) and default.startswith("{{")):
            assert isinstance(default, TYPES[option["type"]]), name
        if "choices" in option:
            assert default in option["choices"], name


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_takes_the_inputs_of_main_and_has_its_tasks(root, role):
    specs = load(root, role, "meta/argument_specs.yml")["argument_specs"]
    for entry, spec in specs.items():
        if entry == "app":
            continue
        assert spec["options"] == specs["main"]["options"], entry
        assert (root / "roles" / role / "tasks" / f"{entry}.yml").is_file()


@pytest.mark.parametrize("role", ROLES)
def test_every_input_begins_with_the_name_of_its_role(root, role):
    assert [
        name
        for name in load(root, role, "defaults/main.yml")
        if not f"{name}_".startswith(f"{role}_")
    ] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_default_has_a_comment(root, role):
    lines = (root / "roles" / role / "defaults/main.yml").read_text().splitlines()
    bare = [
        line
        for before, line in pairwise(lines)
        if line[:1].isalpha() and not before.startswith("#")
    ]
    assert bare == []


def options_below(options, where=""):
    for name, option in options.items():
        yield f"{where}{name}", option
        yield from options_below(option.options or {}, f"{where}{name}.")


@pytest.mark.parametrize(("name", "option"), list(options_below(OPTIONS)))
def test_every_key_of_an_application_is_described_and_its_messages_say_what_is_allowed(
    name, option
):
    words = option.elements or option
    assert option.about.strip(), name
    assert not (words.pattern or words.minimum is not None) or words.allowed, name


def test_the_main_spec_leaves_the_entries_of_flask_apps_to_the_filter(root):
    """The check of Ansible would run first, and name neither the application nor the value."""
    option = load(root, "flask_apps", "meta/argument_specs.yml")["argument_specs"]["main"][
        "options"
    ]["flask_apps"]
    assert plain(option) == {"type": "list", "elements": "dict", "default": []}


def test_reference_and_readmes_are_current(root):
    run = subprocess.run(
        [sys.executable, str(root / "bin/docs"), "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
