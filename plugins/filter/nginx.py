# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role nginx; their logic is in module_utils/nginx/plan.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.nginx import plan
from ..module_utils.nginx.facts import Facts, Tree
from ..module_utils.program import archive

FACTS = "the value 'nginx' that the module flaskops.host.nginx_info returns"


def nginx_plan(inputs: Any, facts: Any = None, main_config: str = "") -> dict[str, Any]:
    """The work of the role nginx on a host, and what prevents it."""
    _expect("nginx_plan", inputs, "a dictionary of the inputs of the role nginx", "sites")
    if facts:
        _expect("nginx_plan", facts, FACTS, "installed")
    found = Facts.from_dict(facts) if facts else None
    return plan.make_plan(found, inputs, main_config, program=archive.name).to_dict()


def nginx_split_files(text: Any) -> list[dict[str, Any]]:
    """The files in one rendered text."""
    if not isinstance(text, str):
        raise AnsibleFilterError(f"nginx_split_files: got {text!r}; expected a text.")
    return [file.to_dict() for file in plan.split_files(text)]


def nginx_is_current(facts: Any, tree: Any) -> bool:
    """Whether a host already has the wanted files."""
    expected = "the parameters of the module flaskops.host.nginx_tree"
    _expect("nginx_is_current", facts, FACTS, "files")
    _expect("nginx_is_current", tree, expected, "files")
    return plan.is_current(Facts.from_dict(facts), Tree.from_dict(tree))


def _expect(name: str, value: Any, expected: str, key: str) -> None:
    if not isinstance(value, dict) or key not in value:
        raise AnsibleFilterError(f"{name}: got {value!r}; expected {expected}.")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "nginx_plan": nginx_plan,
            "nginx_split_files": nginx_split_files,
            "nginx_is_current": nginx_is_current,
        }
