# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release command is often the first program that writes or needs a server: its advice is
reported with it.
"""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.engine import NoAnswer
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    one_off as release_command,
)

WRITES = "OSError: [Errno 30] Read-only file system: '/app/instance/shop.db'"
ASKS = 'could not translate host name "db" to address: Name or service not known'


@pytest.fixture
def run():
    """The command, whose container exits with a code after some log lines; a late request finds no
    container.
    """

    def command(code, log):
        class Engine:
            there = True

            def inspect(self, _name):
                found = {
                    "Config": {"Labels": {"host.flaskops.app": "shop"}},
                    "HostConfig": {"NetworkMode": "none"},
                }
                return found if self.there else {}

            def run(self, word, *_words, **_how):
                self.there = self.there and word != "rm"
                if word == "wait" and code is None:
                    raise NoAnswer("docker wait: no answer within 9 s")
                return {"logs": log, "inspect": "[]"}.get(word, f"{code}\n")

        return release_command.run(Engine(), "shop-1-command", 9)

    return command


def test_a_successful_command_reports_nothing(run):
    assert run(0, "done") == (["done"], [])


@pytest.mark.parametrize("code", [1, None])
@pytest.mark.parametrize(
    ("log", "key"), [(WRITES, "writable: [/app/instance]"), (ASKS, "networks: [NAME]")]
)
def test_a_command_that_fails_or_never_ends_names_the_key(run, code, log, key):
    with pytest.raises(HostError) as refused:
        run(code, log)
    *_said, last, advice = str(refused.value).splitlines()
    assert last == f"  {log}"
    assert key in advice


def test_a_command_that_never_ends_names_its_deadline(run):
    with pytest.raises(HostError, match=r"exit code none within 9 s \(release_command_seconds\)"):
        run(None, "")


def test_a_command_that_succeeds_despite_an_error_reports_it_too(run):
    (words,) = run(0, WRITES)[1]
    assert "volumes: [shop-data:/app/instance]" in words
