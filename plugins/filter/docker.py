# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the docker role; the thinking is in module_utils/docker/plan.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.docker.plan import engine_output
from ..module_utils.docker.plan import plan as plan_of


def docker_plan(facts: Any, inputs: Any) -> dict[str, Any]:
    """What the docker role has to do on a host, and what stands against it."""
    _expect(
        "docker_plan",
        facts,
        "the value 'docker' that the module flaskops.host.docker_facts returns",
        "engine",
    )
    _expect(
        "docker_plan", inputs, "a dictionary of the inputs of the docker role", "daemon_options"
    )
    return plan_of(facts, inputs)


def docker_engine(facts: Any, plan: Any) -> dict[str, Any]:
    """The output docker_engine of the docker role."""
    _expect(
        "docker_engine",
        facts,
        "the value 'docker' that the module flaskops.host.docker_facts returns",
        "engine",
    )
    _expect(
        "docker_engine", plan, "what the filter flaskops.host.docker_plan made", "predicted_engine"
    )
    return engine_output(facts, plan)


def _expect(name: str, value: Any, expected: str, key: str) -> None:
    if not isinstance(value, dict) or key not in value:
        raise AnsibleFilterError(f"{name}: got {value!r}; expected {expected}.")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"docker_plan": docker_plan, "docker_engine": docker_engine}
