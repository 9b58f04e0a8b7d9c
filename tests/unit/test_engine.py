# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the application server, checked before any connection to a host."""

import re
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.replaced import (
    UWSGI,
    UWSGI_KEYS,
)
from entries import normalize_apps

TEMPLATE = Path(__file__).resolve().parents[2] / "roles/flask_apps/templates/uwsgi.ini.j2"


@pytest.fixture
def problems(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")

    def check(**keys):
        return normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}])[
            1
        ]

    return check


def test_options_that_the_role_sets_are_refused_with_their_key(problems):
    found = problems(
        uwsgi={
            "options": {
                "max-worker-lifetime": "60",
                "threads": "2",
                "master": "false",
                "socket": ":5000",
            }
        }
    )
    assert found == [
        (
            "flask_apps: shop: uwsgi.options must not have threads: the role decides it; the key"
            " for it is uwsgi.threads."
        ),
        "flask_apps: shop: uwsgi.options must not have master: the role decides it.",
        "flask_apps: shop: uwsgi.options must not have socket: the role decides it.",
    ]


def test_every_option_of_the_template_is_known():
    """Otherwise an option of the user would be written beside that of the role."""
    written = set(re.findall(r"^([a-z0-9-]+) = ", TEMPLATE.read_text(), re.MULTILINE))
    # These options may be repeated or changed without harm.
    assert written - {*UWSGI, *UWSGI_KEYS} <= {
        "disable-logging",
        "log-5xx",
        "log-format",
        "max-requests-delta",
    }


@pytest.mark.parametrize(
    ("harakiri", "timeout", "refused"),
    [(0, 60, False), (59, 60, False), (60, 60, True), (90, 60, True), (90, 120, False)],
)
def test_harakiri_must_end_before_the_timeout_of_nginx(problems, harakiri, timeout, refused):
    found = problems(uwsgi={"harakiri_seconds": harakiri}, proxy={"read_timeout_seconds": timeout})
    assert bool(found) == refused
    if refused:
        assert (
            f"uwsgi.harakiri_seconds is {harakiri}, and Nginx waits {timeout} s for an answer"
            " (proxy.read_timeout_seconds)" in found[0]
        )


@pytest.mark.parametrize(
    ("processes", "cheaper", "refused"),
    [(4, 2, False), (4, 4, True), (2, 3, True), ("auto", 8, False), (1, 0, False)],
)
def test_cheaper_must_be_less_than_processes(problems, processes, cheaper, refused):
    found = problems(uwsgi={"processes": processes, "cheaper": cheaper})
    expected = (
        f"flask_apps: shop: uwsgi.cheaper must be less than uwsgi.processes, which is {processes};"
        f" got {cheaper}."
    )
    assert found == ([expected] if refused else [])


def test_options_of_another_engine_are_ignored(problems):
    assert problems(engine="gunicorn", uwsgi={"harakiri_seconds": 90}) == []
