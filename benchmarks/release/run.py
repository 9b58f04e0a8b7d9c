#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a change of code takes until it serves, against compose; and how long a run takes that has nothing to do.

    benchmarks/release/run.py CONTAINER      a test host that `molecule converge -s releases` has made

Both tables are ratios of one run on one machine. See README.md beside this file.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOST = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
ROUNDS = 3
COUNTS = [int(number) for number in os.environ.get("FLASKOPS_BENCHMARK_APPS", "1,5,20,50").split(",")]

# Asks without a pause until it is told to stop; on the host, so that nothing but the host is measured.
POLLER = r"""
import http.client, json, signal, sys, time
port, path, seen, failed, gap, last = int(sys.argv[1]), sys.argv[2], {}, 0, 0.0, time.time()
go = [1]
signal.signal(signal.SIGTERM, lambda *_: go.clear())
while go:
    try:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        line.request("GET", path, headers={"Host": "localhost"})
        answer = line.getresponse()
        body = answer.read().decode().strip()
        if answer.status == 200:
            now = time.time()
            gap, last = max(gap, now - last), now
            seen.setdefault(body, now)
        else:
            failed += 1
        line.close()
    except (OSError, http.client.HTTPException):
        failed += 1
    time.sleep(0.01)
print(json.dumps({"seen": seen, "failed": failed, "gap": gap}))
"""


def on_host(*command: str, check: bool = True, **more: Any) -> str:
    done = subprocess.run(["docker", "exec", HOST, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if check and done.returncode:
        sys.exit(f"{command}: {done.stdout}")
    return done.stdout


def play(inventory: Path, *words: str) -> str:
    command = ["ansible-playbook", "-i", str(inventory), str(ROOT / "site.yml"), *words]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


def watched(port: int, path: str, wanted: str, change: Any) -> dict[str, float]:
    """Seconds from the command to its first answer, failed requests and the longest gap meanwhile."""
    poller = subprocess.Popen(["docker", "exec", HOST, "python3", "-c", POLLER, str(port), path], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    began = time.time()
    change()
    ended = time.time()
    time.sleep(1)
    on_host("pkill", "-TERM", "-f", r"[g]o.clear", check=False)
    found = json.loads(poller.communicate(timeout=30)[0])
    return {"live": found["seen"][wanted] - began, "whole": ended - began, "failed": found["failed"], "gap": found["gap"]}


class Bench:
    """An application of which there may be many."""

    def __init__(self, directory: Path) -> None:
        self.source = directory / "app"
        (self.source / "static").mkdir(parents=True)
        (self.source / "requirements.txt").write_text("flask\n")
        self.inventory = directory / "hosts.json"
        self.variables = json.loads(os.environ.get("FLASKOPS_BENCHMARK_VARIABLES", "{}"))
        self.key = directory / "key"

    def write(self, version: str) -> str:
        code = (HERE / "compose/app.py").read_text().replace("@version@", version)
        (self.source / "app.py").write_text(code)
        return code

    def list(self, count: int) -> None:
        same = {"source": str(self.source), "drain_seconds": 1, "uwsgi": {"processes": 2, "threads": 2}}
        apps = [{**same, "name": f"bench-{n}", "path": f"/bench-{n}"} for n in range(count)]
        connection = {"ansible_connection": "community.docker.docker", "ansible_python_interpreter": "/usr/bin/python3"}
        variables = {"flask_apps": apps, "flask_apps_release_key_file": str(self.key), **connection, **self.variables}
        self.inventory.write_text(json.dumps({"all": {"hosts": {HOST: variables}}}))


def change_of_code(bench: Bench) -> None:
    bench.list(1)
    bench.write("0")
    play(bench.inventory)
    served = on_host("docker", "ps", "-q", "-f", "label=host.flaskops.app=bench-0").split()
    base = on_host("docker", "inspect", "-f", "{{.Config.Image}}", *served)
    on_host("mkdir", "-p", "/srv/compose")
    subprocess.run(["docker", "cp", "-q", f"{HERE}/compose/.", f"{HOST}:/srv/compose"], check=True)

    def compose(code: str) -> None:
        place = ["docker", "exec", "-i", HOST, "sh", "-c", "cat > /srv/compose/app.py"]
        subprocess.run(place, input=code, text=True, check=True)
        on_host("env", f"RUNTIME={base.strip()}", "docker", "compose", "--project-directory", "/srv/compose", "up", "-d", "--build")

    compose(bench.write("0"))
    ours, theirs = [], []
    for number in range(1, ROUNDS + 1):
        bench.write(f"o{number}")
        ours.append(watched(80, "/bench-0/", f"o{number}", lambda: play(bench.inventory)))
        code = bench.write(f"c{number}")
        theirs.append(watched(8000, "/compose/", f"c{number}", lambda code=code: compose(code)))
    began = time.time()
    on_host("docker", "compose", "--project-directory", "/srv/compose", "stop")
    stop = time.time() - began
    on_host("env", f"RUNTIME={base.strip()}", "docker", "compose", "--project-directory", "/srv/compose", "down")
    both = {"ours": ours, "compose": theirs}
    middle = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in both.items()}
    print(f"\nchange of code -> live, median of {ROUNDS}\n")
    print("| | until it serves, s | the whole command, s | failed requests | longest gap, s |\n|---|---|---|---|---|")
    for name, row in middle.items():
        print(f"| {name} | {row['live']:.1f} | {row['whole']:.1f} | {row['failed']:.0f} | {row['gap']:.2f} |")
    without = middle["compose"]["live"] - stop
    print(f"\nratio {middle['ours']['live'] / middle['compose']['live']:.2f}; stop of compose's container {stop:.1f} s, ", end="")
    print(f"ratio without it {middle['ours']['live'] / without:.2f}")


def nothing_to_do(bench: Bench) -> None:
    print("\nno-op run of site.yml\n\n| apps | seconds | tasks | remote calls | to deploy them, s |\n|---|---|---|---|---|")
    for count in COUNTS:
        bench.list(count)
        began = time.time()
        play(bench.inventory)
        deployed = time.time() - began
        times = []
        for _ in range(ROUNDS):
            began = time.time()
            output = play(bench.inventory)
            times.append(time.time() - began)
            assert " changed=0 " in output, output
        tasks = re.search(r"TIME .* (\d+) tasks", output)
        calls = len(re.findall(r"^<\S+> EXEC ", play(bench.inventory, "-vvv"), re.MULTILINE))
        print(f"| {count} | {statistics.median(times):.1f} | {tasks[1] if tasks else '?'} | {calls} | {deployed:.0f} |", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        try:
            change_of_code(bench)
            nothing_to_do(bench)
        finally:
            bench.list(0)
            names = ",".join(f"bench-{n}" for n in range(max(COUNTS)))
            subprocess.run(
                ["ansible-playbook", "-i", str(bench.inventory), str(ROOT / "playbooks/remove.yml"), "-e", f"flask_apps_remove={names}"],
                cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            )  # fmt: skip


main()
