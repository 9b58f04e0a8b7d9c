# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter of the role docker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.docker import schema
from ..module_utils.docker.facts import Facts
from ..module_utils.docker.plan import Plan, make_plan


def docker_plan(facts: Any, inputs: Any) -> dict[str, Any]:
    """The work of the role docker on a host, and what prevents it."""
    _expect(facts, "the value 'docker' that the module flaskops.host.docker_info returns", "engine")
    _expect(inputs, "a dictionary of the inputs of the role docker", "daemon_options")
    values, problems = schema.read(inputs)
    plan = Plan.of(problems) if problems else make_plan(Facts.from_dict(facts), values)
    return plan.to_dict()


def _expect(value: Any, expected: str, key: str) -> None:
    if not isinstance(value, dict) or key not in value:
        raise AnsibleFilterError(f"docker_plan: got {value!r}; expected {expected}.")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"docker_plan": docker_plan}
