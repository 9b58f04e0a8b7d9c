# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the action plugins do with a host that has no room for Ansible's own files."""

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.flaskops.host.plugins.action import (
    release_finish,
    release_prepare,
    runtime_image,
)


@pytest.fixture
def action(monkeypatch):
    """An action plugin as Ansible runs it, ActionBase.run included."""

    def make(kind, **arguments):
        plugin = object.__new__(kind)
        plugin._task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False)
        plugin._task.environment, plugin._supports_async = [], False
        plugin._connection = SimpleNamespace(
            _shell=SimpleNamespace(tmpdir=None, join_path="/".join), has_pipelining=True
        )
        plugin._play_context = SimpleNamespace()

        def no_room():
            raise AnsibleConnectionFailure("mkdir: No space left on device")

        monkeypatch.setattr(plugin, "_make_tmp_path", no_room)
        monkeypatch.setattr(plugin, "_execute_module", lambda *_, **__: {"called": True})
        return plugin

    return make


def test_a_pull_needs_no_directory_on_the_host(action):
    plugin = action(runtime_image.ActionModule, repository="registry.example.org/runtime")
    assert plugin.run(task_vars={}) == {"called": True}


def test_without_room_the_runtime_image_fails_and_the_host_is_not_unreachable(action, tmp_path):
    archive = tmp_path / "runtime.tar"
    archive.touch()
    plugin = action(runtime_image.ActionModule, image_archive=str(archive))
    with pytest.raises(AnsibleActionFail, match="The archive of the runtime image could not be"):
        plugin.run(task_vars={})


def test_without_room_for_jobs_the_run_ends_as_it_must_with_a_failure(action, monkeypatch):
    jobs = {"shop": {"nightly": {"change": "is new"}}, "blog": {"nightly": {"change": ""}}}
    wanted = [
        {"name": name, "id": "1", "site": "default", "path": "/", "jobs": []}
        for name in ("shop", "blog")
    ]
    plugin = action(release_finish.ActionModule, root="/r", jobs=jobs, wanted=wanted)
    given = {}

    def execute(_module, module_args, task_vars):
        given.update(module_args)
        return {"failures": ["another one"]}

    monkeypatch.setattr(plugin, "_execute_module", execute)
    another, unsent = plugin.run(task_vars={})["failures"]
    assert another == "another one" and "No space left" in unsent
    assert unsent.startswith("The jobs of shop could not be sent: ")
    # Nothing of the entries reaches the host in an argument.
    assert given == {"root": "/r"}


@pytest.mark.parametrize(
    "kind", [runtime_image.ActionModule, release_prepare.ActionModule, release_finish.ActionModule]
)
def test_no_action_lets_ansible_make_the_directory_first(kind):
    assert not getattr(kind, "TRANSFERS_FILES", False)
