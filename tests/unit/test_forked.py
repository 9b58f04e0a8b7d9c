# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The tasks of a run are forked from a process that has imported what they use."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from ansible.plugins.loader import callback_loader, filter_loader, init_plugin_loader, lookup_loader
init_plugin_loader([sys.argv[1]])
assert callback_loader.get("flaskops.host.summary")
before = set(sys.modules)
assert filter_loader.get("flaskops.host.normalize_apps")
assert lookup_loader.get("flaskops.host.releases")
print(*[name for name in sys.modules if ".module_utils." in name and name not in before])
"""


def test_with_the_summary_callback_tasks_do_not_import_filters_and_lookups_again():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, ROOT / "collections"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
