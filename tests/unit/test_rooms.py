# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of plugins/module_utils: which imports are allowed, and what the __init__.py of a room
contains.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
ROOMS = PLUGINS / "module_utils"
# Each room, and the rooms that it may import from.
MAY_IMPORT = {
    "host": set(),
    "inputs": {"host"},
    "docker": {"host", "inputs"},
    "images": {"host", "inputs"},
    "nginx": {"host", "inputs"},
    # It reads and writes what releases mount, by their records; no release knows of backups.
    "backups": {"host", "nginx", "releases"},
    "program": {"backups", "host", "inputs", "nginx", "releases"},
    "releases": {"host", "inputs", "images", "nginx"},
    "apps": {"host", "inputs", "images", "nginx", "releases"},
    "hands": {"host", "apps", "releases"},
}
FILES = sorted(path for path in ROOMS.rglob("*.py") if path.name != "__init__.py")
PACKAGES = sorted({path.parent / "__init__.py" for path in FILES})


def imports_of(path: Path, text: str) -> list[tuple[str, ...]]:
    """The imports of a room's file from module_utils, each as the parts of its path below it."""
    here = path.relative_to(ROOMS).parts[:-1]
    found: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level <= len(here) + 1, f"{path}: leaves module_utils"
            module = (
                *here[: len(here) + 1 - node.level],
                *(node.module.split(".") if node.module else ()),
            )
            is_file = module and not ROOMS.joinpath(*module).is_dir()
            found += [module] if is_file else [(*module, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("ansible"), f"{path}: {node.module}"
        elif isinstance(node, ast.Import):
            assert not any(name.name.startswith("ansible") for name in node.names), path
    return found


def strangers(path: Path, text: str) -> list[str]:
    """The imports that the room of a file does not allow."""
    room = path.relative_to(ROOMS).parts[0]
    return [
        ".".join(place)
        for place in imports_of(path, text)
        if place[0] != room and place[0] not in MAY_IMPORT[room]
    ]


def test_exactly_these_rooms_exist():
    assert {
        path.name for path in ROOMS.iterdir() if path.is_dir() and path.name != "__pycache__"
    } == set(MAY_IMPORT)
    assert [path.name for path in ROOMS.iterdir() if path.is_file()] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOMS)))
def test_a_file_imports_only_from_allowed_rooms(path):
    assert strangers(path, path.read_text()) == []
    assert not path.name.startswith("_"), "what is private is the package"


@pytest.mark.parametrize(
    ("place", "line", "found"),
    [
        ("releases/plan.py", "from ..apps.schema import NAME", ["apps.schema"]),
        ("releases/plan.py", "from ..apps import schema", ["apps.schema"]),
        ("images/build.py", "from ..nginx import tree", ["nginx.tree"]),
        ("docker/plan.py", "def late():\n    from ..images.build import build", ["images.build"]),
        ("apps/sources/git.py", "from ...docker.apt import RELEASES", ["docker.apt"]),
        ("apps/sources/git.py", "from ..schema import NAME", []),
        ("host/files.py", "from .. import releases", ["releases"]),
    ],
)
def test_the_check_finds_each_kind_of_import(place, line, found):
    assert strangers(ROOMS / place, line) == found


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOMS)))
def test_a_room_has_a_docstring_and_imports_nothing(path):
    """Ansible sends it with each module that imports from the room."""
    (only,) = ast.parse(path.read_text()).body
    assert isinstance(only, ast.Expr)
    assert len(ast.literal_eval(only.value).split()) > 15, (
        "what comes in, what goes out, what it must not know"
    )


@pytest.mark.parametrize(
    "path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: str(path.relative_to(PLUGINS))
)
def test_no_plugin_imports_its_own_collection_by_name(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("ansible_collections.flaskops"), node.module
