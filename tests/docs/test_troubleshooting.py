# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/troubleshooting.md names messages of the code, and existing keys."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS
from ansible_collections.flaskops.host.plugins.module_utils.nginx.schema import SITE

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\|(?P<message>.+?)\|(?P<meaning>.+?)\| ?(?P<write>.+?) ?\|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
# `key: value`, `key.of.key`, `key`, `-e variable=value`; a command has a space and no colon before
# it.
KEY = re.compile(r"(?:.* -e |-e )?([a-z_]+(?:\.(?!txt|toml)[a-z_]+)*)(?:: .*|=.*)?")

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
ROWS = [row for row in ROW.finditer(PAGE) if row["write"] not in ("what to write", "---")]
# Keys of a program, a file or an application: the text to write is not always a key of an entry.
OTHERS = {"chown", "host.docker.internal", "default_server", "dependencies", "url_for"}
OTHERS |= {"ansible_connection", "ansible_become_method"}


def texts(file):
    """The strings of a Python file, split at inserted values; adjacent literals are one."""
    return [
        node.value
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


@pytest.fixture(scope="module")
def said():
    python = [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("roles/*/files/**/*.py")]
    tasks = [" ".join(file.read_text().split()) for file in ROOT.glob("roles/*/tasks/**/*.yml")]
    return "\n".join([*(text for file in python for text in texts(file)), *tasks])


@pytest.fixture(scope="module")
def keys():
    def below(options, prefix=""):
        for name, option in options.items():
            yield prefix + name
            inner = option.options or (option.elements and option.elements.options) or {}
            yield from below(inner, f"{prefix}{name}.")

    variables = set()
    for file in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(file.read_text())["argument_specs"].values():
            variables |= set(entry["options"])
    return {*below(OPTIONS), *below(SITE), *variables}


@pytest.mark.parametrize(
    "message", [message for row in ROWS for message in CODE.findall(row["message"])]
)
def test_each_documented_message_is_in_the_code(message, said):
    parts = [part.strip() for part in re.split(r"…", message) if len(part.strip()) > 2]
    assert parts
    assert [part for part in parts if part not in said] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["message"][:60])
def test_each_documented_key_is_in_the_schema(row, keys):
    named = [found[1] for code in CODE.findall(row["write"]) if (found := KEY.fullmatch(code))]
    assert [key for key in named if key not in keys | OTHERS] == []


def test_the_table_has_rows_with_keys(keys):
    assert len(ROWS) > 40
    assert (
        len(
            {
                found[1]
                for row in ROWS
                for code in CODE.findall(row["write"])
                if (found := KEY.fullmatch(code))
            }
            & keys
        )
        > 30
    )
