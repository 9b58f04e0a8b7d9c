#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Run stages (the sessions of noxfile.py), each as soon as the stages that it needs have passed;
bin/test calls it.

The output of each stage is in .cache/test-logs, the reports of pytest are in .cache/test-reports.
The first stage that fails ends the run; if it is a scenario, the stages that are running finish.
At the end, the failures, a table, and a line with the counts are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache/test-logs"
REPORTS = ROOT / ".cache/test-reports"
SCENARIOS = (
    "default", "local", "apps", "recovery", "operate", "releases", "trust", "sites", "consumer",
)  # fmt: skip
# The scenario default saves it for the scenarios that do not build it, and continues.
RUNTIME = ROOT / ".cache/runtime.tar"
# In the order in which the stages start. "runtime" is not a stage: it stands for the file RUNTIME.
NEEDS = {
    "lint": (),
    "docker": (),  # linting keeps one processor busy
    "hosts": ("docker",),
    "default": ("hosts",),
    "unit": ("lint",),
    "sanity": ("lint",),
    "local": ("hosts",),
    **dict.fromkeys(
        ("apps", "recovery", "operate", "releases", "trust", "sites", "consumer"), ("runtime",)
    ),
}
AT_ONCE = 4  # they keep two processors busy; with more, tests that measure times fail
# Headings of Molecule's actions, of nox, and our own; not the output of every task.
HEADING = re.compile(
    r"^INFO +\[(\w+ > \w+)\] Executing$|^nox > (?!Running|Session|Command)(.*)|^-- (.*)"
)
FAILURE = re.compile(
    r"(FAILED|ERROR) [^ ]*::|fatal: |\[ERROR\]: |ERROR: |bin/test: |tests/hosts/prepare: "
)


@dataclass
class Stage:
    name: str
    options: list[str] = field(default_factory=list)
    status: int | None = None
    seconds: float = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    process: subprocess.Popen[str] | None = None
    thread: threading.Thread | None = None
    ended: bool = False  # by this program, so it does not count as failed

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def needs(self) -> tuple[str, ...]:
        return NEEDS[self.name]

    def begin(self, show: bool) -> None:
        """Start the stage in its own process group, so that all its processes can be ended
        together. When this returns, `end` knows the process.
        """
        self.process = subprocess.Popen(
            ["nox", "--session", self.name, "--", *self.options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.thread = threading.Thread(target=self.follow, args=(self.process, show), daemon=True)
        self.thread.start()

    def follow(self, process: subprocess.Popen[str], show: bool) -> None:
        started = time.monotonic()
        assert process.stdout
        with self.log.open("w") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if show:
                    say(line.rstrip("\n"))
                elif heading := HEADING.match(line):
                    say(f"   {self.name}: {next(filter(None, heading.groups()), '')}")
        status = process.wait()
        self.seconds = time.monotonic() - started
        # A stage that is ended while it writes its report leaves an incomplete one.
        with contextlib.suppress(ElementTree.ParseError):
            self.count()
        if status and not self.ended:
            self.failed = self.failed or 1
        self.status = status

    def count(self) -> None:
        for file in (
            *REPORTS.glob(f"{self.name}-*.xml"),
            *REPORTS.glob(f"molecule-{self.name}-*.xml"),
        ):
            for suite in ElementTree.parse(file).iter("testsuite"):
                failed, skipped = (
                    int(suite.get("failures", 0)) + int(suite.get("errors", 0)),
                    int(suite.get("skipped", 0)),
                )
                self.failed += failed
                self.skipped += skipped
                self.passed += int(suite.get("tests", 0)) - failed - skipped

    @property
    def at_work(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def end(self) -> None:
        """End the stage and wait for it; afterwards, its counts are complete."""
        if self.process and self.process.poll() is None:
            self.ended = True
            for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
        if self.thread:
            self.thread.join(10)

    def show_failures(self) -> None:
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        say(f"\n---- stage {self.name} failed; its whole output is in {self.log.relative_to(ROOT)}")
        for line in [line for line in text if FAILURE.match(line)][-10:]:
            say(line[:600])


def say(line: str) -> None:
    print(line, flush=True)


class Interrupted:
    """The signal that stops the run. The handler only records it, so that it never interrupts
    between the start of a stage's process and its record.
    """

    number = 0

    def __call__(self, number: int, _frame: object) -> None:
        self.number = number

    def check(self) -> None:
        if self.number:
            raise SystemExit(128 + self.number)


def run(
    stages: list[Stage], show: bool, at_once: int, interrupted: Interrupted | None = None
) -> bool:
    """Run the stages; return whether all have passed. After a failure, no further stage starts."""
    waiting = list(stages)
    running: list[Stage] = []
    names = {stage.name for stage in stages} | ({"runtime"} if at_once > 1 else set())
    done: set[str] = set()
    while waiting or running:
        if interrupted:
            interrupted.check()
        if RUNTIME.exists():
            done.add("runtime")
        for stage in [
            stage for stage in waiting if done.issuperset(names.intersection(stage.needs))
        ]:
            if len(running) >= at_once:
                break
            say(f"== {stage.name} ({time.strftime('%T')})")
            stage.begin(show)
            running.append(stage)
            waiting.remove(stage)
        time.sleep(0.2)
        for stage in [stage for stage in running if not stage.at_work]:
            running.remove(stage)
            if stage.status == 0:
                done.add(stage.name)
                continue
            waiting.clear()
            if stage.name not in SCENARIOS:
                return False
    return all(stage.status == 0 for stage in stages)


def table(stages: Iterable[Stage], setup_seconds: float, seconds: float) -> str:
    rows = [("setup", 0, 0, 0, setup_seconds)]
    rows += [
        (s.name, s.passed, s.failed, s.skipped, s.seconds) for s in stages if s.status is not None
    ]
    rows.append(("total", *(sum(row[column] for row in rows) for column in (1, 2, 3)), seconds))  # type: ignore[arg-type, misc]
    lines = [f"{'stage':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    lines += [
        f"{name:<10}{passed:>8}{failed:>8}{skipped:>9}{took:>9.0f}"
        for name, passed, failed, skipped, took in rows
    ]
    return "\n".join(lines)


def report(
    stages: list[Stage], show: bool, setup_seconds: float, seconds: float, status: int
) -> None:
    failed = [stage for stage in stages if stage.status and not stage.ended]
    for stage in failed:
        if not show:
            say(f"\n---- the end of {stage.log.relative_to(ROOT)}:")
            say("\n".join(stage.log.read_text(errors="replace").splitlines()[-40:]))
    for stage in failed:
        stage.show_failures()
    say(f"\n{table(stages, setup_seconds, seconds)}")
    took = [f"{stage.name} {stage.seconds:.0f}" for stage in stages if stage.status is not None]
    counts = [
        sum(getattr(stage, name) for stage in stages) for name in ("passed", "failed", "skipped")
    ]
    counts[1] = counts[1] or int(status != 0)
    seconds_of = ", ".join([f"setup {setup_seconds:.0f}", *took])
    say("\n{} passed, {} failed, {} skipped; seconds: {}".format(*counts, seconds_of))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--one-at-a-time",
        action="store_true",
        help="run them in the given order, with their whole output",
    )
    parser.add_argument("--setup-seconds", type=float, default=0)
    parser.add_argument(
        "--options", nargs=argparse.REMAINDER, default=[], help="passed to the last stage"
    )
    parser.add_argument(
        "names", nargs="*", metavar="STAGE", help=f"of: {' '.join(NEEDS)}; all by default"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NEEDS]
    if unknown:
        parser.error(f"no stage '{unknown[0]}'; stages: {' '.join(NEEDS)}")
    stages = [Stage(name) for name in arguments.names or NEEDS]
    stages[-1].options = arguments.options
    show, started, status = arguments.one_at_a_time, time.monotonic(), 1
    interrupted = Interrupted()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        status = 0 if run(stages, show, 1 if show else AT_ONCE, interrupted) else 1
    except SystemExit as stop:
        status = int(stop.code or 1)
    finally:
        # A second signal must not interrupt the cleanup.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for stage in stages:
            stage.end()
        subprocess.run([ROOT / "tests/hosts/docker", "stop"], check=False)
        report(
            stages,
            show,
            arguments.setup_seconds,
            arguments.setup_seconds + time.monotonic() - started,
            status,
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
