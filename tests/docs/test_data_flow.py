# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The input of the user is read once, and documented names are public."""

import re

import pytest
import yaml

READER = "roles/flask_apps/tasks/normalize.yml"
# Only the variable: not a longer name, not a word of a sentence, not the name of the role.
VARIABLE = re.compile(r"(?<![\w.])flask_apps(?![\w.])|\[['\"]flask_apps['\"]\]")


def expressions(value):
    """The templated parts of a YAML value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in (
                "when",
                "that",
                "failed_when",
                "changed_when",
                "loop",
            ):  # expressions without braces
                yield from [str(each) for each in (inner if isinstance(inner, list) else [inner])]
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)
    elif isinstance(value, str):
        yield from re.findall(r"\{[{%].*?[%}]\}", value, re.DOTALL)


def readers(root):
    """The tasks, variables and templates that read flask_apps."""
    found = []
    for pattern in (
        "roles/*/tasks/**/*.yml",
        "roles/*/vars/*.yml",
        "roles/*/defaults/*.yml",
        "playbooks/*.yml",
    ):
        for file in root.glob(pattern):
            if any(VARIABLE.search(text) for text in expressions(yaml.safe_load(file.read_text()))):
                found.append(file)
    for file in root.glob("roles/*/templates/**/*.j2"):
        if any(VARIABLE.search(text) for text in expressions(file.read_text())):
            found.append(file)
    for file in root.glob("plugins/*/*.py"):  # from the host variables that lookups and actions get
        if re.search(
            r"variables(?:\.get\(|\[)\s*['\"]flask_apps['\"]|task_vars(?:\.get\(|\[)\s*['\"]flask_apps['\"]",
            file.read_text(),
        ):
            found.append(file)
    return sorted(str(file.relative_to(root)) for file in found)


def test_flask_apps_is_read_in_one_place(root):
    assert readers(root) == [READER]
    assert (
        sum(
            bool(VARIABLE.search(text))
            for text in expressions(yaml.safe_load((root / READER).read_text()))
        )
        == 1
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("roles/a/tasks/main.yml", '- debug: {msg: "{{ flask_apps | length }}"}'),
        ("roles/a/tasks/main.yml", "- debug: {}\n  when: flask_apps | length > 0"),
        ("roles/a/vars/main.yml", 'x: "{{ [1] + flask_apps }}"'),
        ("roles/a/templates/a.j2", "{% for app in flask_apps %}{% endfor %}"),
        ("roles/a/tasks/main.yml", "- debug: {msg: \"{{ hostvars['a']['flask_apps'] }}\"}"),
        ("plugins/lookup/a.py", "variables['flask_apps']"),
    ],
)
def test_the_scan_finds_another_reader(tmp_path, file, text):
    place = tmp_path / file
    place.parent.mkdir(parents=True)
    place.write_text(text)
    assert readers(tmp_path) == [file]


def test_documented_names_are_public(root):
    files = [
        root / "README.md",
        *root.glob("docs/**/*.md"),
        *root.glob("docs/**/*.yml"),
        *root.glob("roles/*/README.md"),
    ]
    files += root.glob("roles/*/meta/*.yml")
    found = [
        f"{file.name}: {name}"
        for file in files
        for name in re.findall(r"\b__(?:flask_apps|nginx|docker)_\w+", file.read_text())
    ]
    assert found == []


def variables_of(tasks):
    """The variables that tasks set for themselves and for what they include."""
    for task in tasks:
        yield from task.get("vars", {})
        for part in ("block", "rescue", "always"):
            yield from variables_of(task.get(part, []))


def test_no_task_takes_a_name_that_an_input_of_the_user_may_read(root):
    """An input is a template of the user's, evaluated where a task uses it: with the variables of
    that task. With flask_apps_runtime_image: "{{ archive }}", a task's own archive is a loop.
    """
    inputs = ("__", "docker_", "nginx_", "flask_apps_")
    found = [
        (str(file.relative_to(root)), name)
        for file in root.glob("roles/*/tasks/**/*.yml")
        for name in variables_of(yaml.safe_load(file.read_text()) or [])
        if not name.startswith(inputs)
    ]
    assert found == []


def test_a_bool_of_the_user_is_converted_where_it_decides(root):
    """With -e name=false it is a text, which is true; no_log then errs on the safe side."""
    names = [
        name
        for path in root.glob("roles/*/meta/argument_specs.yml")
        for spec in yaml.safe_load(path.read_text())["argument_specs"].values()
        for name, option in spec["options"].items()
        if option.get("type") == "bool"
    ]
    decides = re.compile(
        rf"\b(?:if|not|and|or|when:) \(?({'|'.join(names)})\b(?! *\| *bool)"
        rf"|\b({'|'.join(names)}) (?:if|and|or|else|is)\b"
    )
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in sorted(root.glob("roles/*/*/*"))
        if path.suffix in (".yml", ".j2") and path.parent.name in ("tasks", "vars", "templates")
        for line in path.read_text().splitlines()
        if decides.search(line.partition("# ")[0]) and "no_log:" not in line
    ]
    assert len(names) > 10 and found == []
