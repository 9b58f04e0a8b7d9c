# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The tasks at which the scenario recovery kills the controller are tasks of the roles."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_each_name_in_the_table_of_kills_is_a_task():
    tests = (ROOT / "molecule/recovery/tests/test_recovery.py").read_text()
    table = tests[tests.index("BUILD = ") : tests.index("\n]\n", tests.index("STEPS = ["))]
    named = set(re.findall(r'"(\w+ \| [^"]+)"', table))
    tasks = {
        name.strip("\"'")
        for file in (ROOT / "roles/flask_apps/tasks").glob("*.yml")
        for name in re.findall(r"^ *- name: (.+)$", file.read_text(), re.MULTILINE)
    }
    assert len(named) > 4
    assert named - tasks == set()
