# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a build leaves processor time to the running applications."""

import json
import os
import subprocess
import sys
from pathlib import Path

GENTLY = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime/gently.py"
ASK = """
import json, os
idle = os.sched_getscheduler(0) == os.SCHED_IDLE
jobs = os.environ["MAKEFLAGS"], os.environ["MAX_JOBS"]
print(json.dumps([len(os.sched_getaffinity(0)), idle, *jobs]))
"""


def run(**env):
    command = [sys.executable, GENTLY, sys.executable, "-c", ASK]
    return json.loads(
        subprocess.run(
            command, env={**os.environ, **env}, stdout=subprocess.PIPE, check=True
        ).stdout
    )


def test_a_build_has_half_of_the_processors_and_the_lowest_priority():
    half = max(1, len(os.sched_getaffinity(0)) // 2)
    assert run() == [half, True, f"-j{half}", str(half)]


def test_a_single_processor_counts_as_one():
    one = min(os.sched_getaffinity(0))
    command = [
        "taskset",
        "--cpu-list",
        str(one),
        sys.executable,
        str(GENTLY),
        sys.executable,
        "-c",
        ASK,
    ]
    assert json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) == [
        1,
        True,
        "-j1",
        "1",
    ]


def test_existing_settings_are_kept():
    assert run(MAX_JOBS="7", MAKEFLAGS="-j3")[2:] == ["-j3", "7"]


def test_the_exit_code_is_that_of_the_command():
    assert subprocess.run([sys.executable, GENTLY, "sh", "-c", "exit 7"]).returncode == 7
