import json
import os
import subprocess
from pathlib import Path

SCENARIO = Path(__file__).parent.parent


def test_check_mode_on_a_converged_host_promises_to_change_nothing():
    """Molecule's own `check` ignores the result; `idempotence` checks a real run."""
    run = subprocess.run(
        [
            "ansible-playbook",
            "--check",
            "--inventory",
            os.environ["MOLECULE_INVENTORY_FILE"],
            "converge.yml",
        ],
        cwd=SCENARIO,
        env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr
    report, _ = json.JSONDecoder().raw_decode(run.stdout, run.stdout.index("{"))
    changing = [
        (task["task"]["name"], host)
        for play in report["plays"]
        for task in play["tasks"]
        for host, result in task["hosts"].items()
        if result.get("changed")
    ]
    assert changing == []
    assert all(host["changed"] == 0 and host["ok"] > 0 for host in report["stats"].values()), (
        report["stats"]
    )
