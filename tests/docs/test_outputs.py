# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/outputs.yml describes the outputs of the roles, and nothing else."""

import ast
import re
from dataclasses import fields

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.docker.plan import EngineOutput
from ansible_collections.flaskops.host.plugins.module_utils.nginx.plan import HostOutput
from ansible_collections.flaskops.host.plugins.module_utils.releases.plan import Planned
from ansible_collections.flaskops.host.plugins.module_utils.releases.status import AppStatus
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Work


@pytest.fixture
def described(root):
    return yaml.safe_load((root / "docs/outputs.yml").read_text())


def returned(file, function):
    """The keys of the largest dictionary literal in a function."""
    tree = ast.parse(file.read_text())
    body = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return max(
        (
            [key.value for key in node.keys if isinstance(key, ast.Constant)]
            for node in ast.walk(body)
            if isinstance(node, ast.Dict)
        ),
        key=len,
    )


def test_the_documented_keys_of_docker_engine_are_complete(root, described):
    keys = [field.name for field in fields(EngineOutput)]
    assert list(described["docker"]["docker_engine"]["keys"]) == keys


def test_the_documented_keys_of_flask_apps_live_are_complete(root, described):
    keys = returned(root / "plugins/module_utils/releases/report.py", "live_releases")
    assert list(described["flask_apps"]["flask_apps_live"]["keys"]) == keys
    sidecar = yaml.safe_load((root / "plugins/filter/live_releases.yml").read_text())
    assert list(sidecar["RETURN"]["_value"]["contains"]) == keys


def test_the_documented_keys_of_flask_apps_status_are_complete(root, described):
    keys = [field.name for field in fields(AppStatus)]
    assert list(described["flask_apps"]["flask_apps_status"]["keys"]) == keys


def test_the_documented_keys_of_flask_apps_plan_are_complete(described):
    keys = described["flask_apps"]["flask_apps_plan"]["keys"]
    assert list(keys) == [*(field.name for field in fields(Planned)), "lock", "actions", "events"]
    assert set(re.findall(r"`(\w+)`", keys["work"])) == {field.name for field in fields(Work)}


def test_the_documented_keys_of_nginx_host_are_complete(described):
    keys = [field.name for field in fields(HostOutput)]
    assert list(described["nginx"]["nginx_host"]["keys"]) == keys
