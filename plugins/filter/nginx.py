# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the nginx role; the thinking is in module_utils/nginx/plan.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.nginx import plan


def nginx_plan(inputs: Any, facts: Any = None, main_config: str = "") -> dict[str, Any]:
    """What the nginx role has to do on a host, and what stands against it."""
    _expect("nginx_plan", inputs, "a dictionary of the inputs of the nginx role", "sites")
    if facts:
        _expect(
            "nginx_plan",
            facts,
            "the fact flaskops_nginx of the module flaskops.host.nginx_facts",
            "installed",
        )
    return plan.make_plan(facts or None, inputs, main_config)


def nginx_split_files(text: Any) -> list[dict[str, str]]:
    """The files in one rendered text."""
    if not isinstance(text, str):
        raise AnsibleFilterError(f"nginx_split_files: got {text!r}; expected a text.")
    return plan.split_files(text)


def nginx_is_current(facts: Any, tree: Any) -> bool:
    """Whether a host has the wanted files already."""
    _expect(
        "nginx_is_current",
        facts,
        "the fact flaskops_nginx of the module flaskops.host.nginx_facts",
        "files",
    )
    _expect(
        "nginx_is_current", tree, "the parameters of the module flaskops.host.nginx_tree", "files"
    )
    return plan.is_current(facts, tree)


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
