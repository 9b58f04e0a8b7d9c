#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a change of code takes until it serves, compared with compose; and how long a run
without a change takes.

    benchmarks/release/run.py CONTAINER      a test host of `molecule converge -s releases`

Both tables are from one run on one machine. See README.md beside this file.
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
ROUNDS = int(os.environ.get("FLASKOPS_BENCHMARK_ROUNDS", "3"))
PROJECT = "/srv/compose"  # on the host
COUNTS = [
    int(number) for number in os.environ.get("FLASKOPS_BENCHMARK_APPS", "1,5,20,50").split(",")
]

# Sends requests until it is stopped; it runs on the host, so that only the host is measured.
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
    done = subprocess.run(
        ["docker", "exec", HOST, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )
    if check and done.returncode:
        sys.exit(f"{command}: {done.stdout}")
    return done.stdout


def play(inventory: Path, *words: str) -> str:
    command = ["ansible-playbook", "-i", str(inventory), str(ROOT / "site.yml"), *words]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


def watched(port: int, path: str, wanted: str, change: Any) -> dict[str, float]:
    """Seconds from the command to the first answer of its version, failed requests, and the longest
    gap.
    """
    poller = subprocess.Popen(
        ["docker", "exec", HOST, "python3", "-c", POLLER, str(port), path],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(1)
    began = time.time()
    change()
    ended = time.time()
    time.sleep(3)  # compose returns before the new code answers
    on_host("pkill", "-TERM", "-f", r"[g]o.clear", check=False)
    found = json.loads(poller.communicate(timeout=30)[0])
    if wanted not in found["seen"]:
        sys.exit(f"{path} never answered {wanted!r}: {found}")
    return {
        "live": found["seen"][wanted] - began,
        "whole": ended - began,
        "failed": found["failed"],
        "gap": found["gap"],
    }


class Bench:
    """An application that is deployed under one or many names."""

    def __init__(self, directory: Path) -> None:
        self.source = directory / "app"
        (self.source / "static").mkdir(parents=True)
        (self.source / "requirements.txt").write_text("flask\n")
        self.inventory = directory / "hosts.json"
        self.variables = json.loads(os.environ.get("FLASKOPS_BENCHMARK_VARIABLES", "{}"))
        self.key = directory / "key"
        self.began = int(time.time())

    def write(self, version: str) -> str:
        """Write a version that no cache of an earlier run has; the application answers with it."""
        code = (HERE / "compose/app.py").read_text().replace("@version@", self.named(version))
        (self.source / "app.py").write_text(code)
        return code

    def named(self, version: str) -> str:
        return f"{version} of {self.began}"

    def list(self, count: int) -> None:
        same = {
            "source": str(self.source),
            "drain_seconds": 1,
            "uwsgi": {"processes": 2, "threads": 2},
        }
        apps = [{**same, "name": f"bench-{n}", "path": f"/bench-{n}"} for n in range(count)]
        connection = {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        variables = {
            "flask_apps": apps,
            "flask_apps_release_key_file": str(self.key),
            **connection,
            **self.variables,
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": {HOST: variables}}}))


class Compose:
    """Compose, with one of its two images."""

    def __init__(self, dockerfile: str, runtime: str, ca_bundle: str) -> None:
        values = {
            "DOCKERFILE": dockerfile,
            "RUNTIME": runtime,
            "PIP_CERT": "/app/ca-bundle.crt" if ca_bundle else "",
        }
        self.command = [
            "env",
            *(f"{name}={value}" for name, value in values.items()),
            "docker",
            "compose",
            "--project-directory",
            PROJECT,
        ]
        on_host("mkdir", "-p", PROJECT)
        subprocess.run(["docker", "cp", "-q", f"{HERE}/compose/.", f"{HOST}:{PROJECT}"], check=True)
        if ca_bundle:
            on_host("cp", "-L", ca_bundle, f"{PROJECT}/ca-bundle.crt")

    def __call__(self, *words: str) -> float:
        """Run a command of compose; return its seconds."""
        began = time.time()
        on_host(*self.command, *words)
        return time.time() - began

    def change(self, code: str) -> None:
        place = ["docker", "exec", "-i", HOST, "sh", "-c", f"cat > {PROJECT}/app.py"]
        subprocess.run(place, input=code, text=True, check=True)
        self("up", "-d", "--build")


def by_compose(bench: Bench, dockerfile: str, runtime: str) -> list[dict[str, float]]:
    compose = Compose(dockerfile, runtime, bench.variables.get("flask_apps_build_ca_bundle", ""))
    runs = []
    try:
        compose.change(bench.write("0"))
        for number in range(1, ROUNDS + 1):
            code = bench.write(f"c{number}")
            run = watched(
                8000, "/compose/", bench.named(f"c{number}"), lambda code=code: compose.change(code)
            )
            runs.append({**run, "stop": compose("stop")})
            compose("start")
            time.sleep(3)
    finally:
        compose("down", "--rmi", "all")
    return runs


def by_ours(bench: Bench) -> list[dict[str, float]]:
    runs = []
    for number in range(1, ROUNDS + 1):
        bench.write(f"o{number}")
        runs.append(
            {
                **watched(
                    80, "/bench-0/", bench.named(f"o{number}"), lambda: play(bench.inventory)
                ),
                "stop": 0.0,
            }
        )
    return runs


def change_of_code(bench: Bench) -> None:
    bench.list(1)
    bench.write("0")
    play(bench.inventory)
    served = on_host("docker", "ps", "-q", "-f", "label=host.flaskops.app=bench-0").split()
    app = on_host("docker", "inspect", "-f", "{{.Config.Image}}", *served).strip()
    tags = on_host(
        "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "flaskops/runtime"
    ).split()
    build = next(tag for tag in tags if tag.endswith("-build"))
    # The image of the release itself may be pruned meanwhile.
    on_host("docker", "tag", app, "flaskops-benchmark:app")
    try:
        runs = {
            "ours": by_ours(bench),
            "compose, as written": by_compose(bench, "Dockerfile", build),
            "compose, requirements in the base": by_compose(
                bench, "Dockerfile.kind", "flaskops-benchmark:app"
            ),
        }
    finally:
        on_host("docker", "image", "rm", "flaskops-benchmark:app", check=False)
    middle = {
        name: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for name, found in runs.items()
    }
    ours = middle["ours"]["live"]
    print(f"\nchange of code -> live, median of {ROUNDS}\n")
    print(
        "| | until it serves, s | the whole command, s | failed requests | longest gap, s | its"
        " stop, s | ours : this | without its stop"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, row in middle.items():
        seconds = (
            f"{row['live']:.1f} | {row['whole']:.1f} | {row['failed']:.0f} | {row['gap']:.2f} |"
            f" {row['stop']:.1f}"
        )
        print(
            f"| {name} | {seconds} | {ours / row['live']:.2f} |"
            f" {ours / (row['live'] - row['stop']):.2f} |"
        )


def nothing_to_do(bench: Bench) -> None:
    print(
        "\nno-op run of site.yml\n\n| apps | seconds | tasks | remote calls | to deploy them, s"
        " |\n|---|---|---|---|---|"
    )
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
        print(
            f"| {count} | {statistics.median(times):.1f} | {tasks[1] if tasks else '?'} | {calls} |"
            f" {deployed:.0f} |",
            flush=True,
        )


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
                [
                    "ansible-playbook",
                    "-i",
                    str(bench.inventory),
                    str(ROOT / "playbooks/remove.yml"),
                    "-e",
                    f"flask_apps_remove={names}",
                ],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            )


main()
