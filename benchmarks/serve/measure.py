#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on the test host: requests each page from each way in turn, and measures. Reads the plan as
JSON from stdin, writes the measurements as JSON to stdout.

measure.py slow URL UPLOAD    is started for slow clients
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TICK = os.sysconf("SC_CLK_TCK")
# The processes that serve outside of the containers: the host's Nginx, and those of the engine that
# forward a published port and record the log.
OUTSIDE = ("nginx", "docker-proxy", "dockerd", "containerd-shim")
SLOW_CLIENTS = 100
# A certificate may be that of nobody.
ANY: dict[str, Any] = {"timeout": 30, "context": ssl._create_unverified_context()}


def in_container(process: Path) -> bool:
    return bool(re.search(r"docker[/-][0-9a-f]{12}", (process / "cgroup").read_text()))


def cgroup_seconds(containers: list[str]) -> float:
    total = 0.0
    for identity in containers:
        # Version 1 of cgroups, and version 2 with each of the engine's drivers.
        files = [
            Path(f"/sys/fs/cgroup/cpuacct/docker/{identity}/cpuacct.usage"),
            Path(f"/sys/fs/cgroup/system.slice/docker-{identity}.scope/cpu.stat"),
            Path(f"/sys/fs/cgroup/docker/{identity}/cpu.stat"),
        ]
        file = next((file for file in files if file.exists()), None)
        if file is None:
            sys.exit(
                f"there is no CPU account of the container {identity} among"
                f" {', '.join(map(str, files))}"
            )
        text = file.read_text()
        total += (
            int(text) / 1e9
            if file.name == "cpuacct.usage"
            else int(text.split("usage_usec ")[1].split()[0]) / 1e6
        )
    return total


def outside_seconds() -> float:
    total = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if (process / "comm").read_text().strip().startswith(OUTSIDE) and not in_container(
                process
            ):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        except OSError:
            continue  # it has ended
    return total / TICK


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def wrk(url: str, connections: int, seconds: float, *words: str) -> dict[str, float]:
    command = [
        "wrk",
        "--latency",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--timeout",
        "10s",
        *words,
        url,
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count, took = re.search(r"(\d+) requests in ([\d.]+\w+)", text).groups()  # type: ignore[union-attr]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    failed = (int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0)
    good = int(count) - (int(refused[1]) if refused else 0)
    p99 = re.search(r"99%\s+([\d.]+\w+)", text)
    return {
        "good": good,
        "failed": failed,
        "rate": good / (milliseconds(took) / 1000),
        "p99": milliseconds(p99[1]) if p99 else 0.0,
    }


def hey(url: str, connections: int, seconds: float, rate: float = 0) -> dict[str, float]:
    """Measure at a given rate, below the limit of the way: how long a visitor waits while the
    machine is not saturated. Without a rate, each request comes from a new visitor.
    """
    numbers = [f"-c={connections}", f"-z={seconds:g}s", "-t=10"]
    numbers.append(f"-q={rate / connections:.3f}" if rate else "-disable-keepalive")
    began = time.monotonic()
    text = subprocess.run(
        ["hey", *numbers, "-o=csv", url], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    # Each connection waits for its turn before its first request.
    took = time.monotonic() - began - (connections / rate if rate else 0)
    # Unanswered requests are not in the list, and reduce the rate.
    answers = list(csv.DictReader(text.splitlines()))
    waits = sorted(
        float(answer["response-time"]) * 1000
        for answer in answers
        if answer["status-code"] == "200"
    )
    p99 = waits[len(waits) * 99 // 100] if waits else 0.0
    return {
        "good": len(waits),
        "failed": len(answers) - len(waits),
        "rate": len(waits) / took,
        "p99": p99,
    }


def seconds_of(url: str) -> float:
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()
    return time.monotonic() - began


def waiting(way: dict[str, Any], row: dict[str, Any]) -> dict[str, float]:
    """Milliseconds until the last of several requests that wait a second each is answered; and
    until a request for a tiny page is answered that is sent a tenth of a second after them.
    """
    with ThreadPoolExecutor(row["waiting"]) as pool:
        began = time.monotonic()
        answers = [pool.submit(seconds_of, way["url"] + row["path"]) for _ in range(row["waiting"])]
        time.sleep(0.1)
        one_more = seconds_of(way["url"] + "/")
        for answer in answers:
            answer.result()
        return {"all": (time.monotonic() - began) * 1000, "one_more": one_more * 1000}


def warm_up(url: str, connections: int, seconds: float) -> None:
    """Run wrk for a fraction of a second; its own option accepts whole seconds only."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            ["wrk", "-t1", f"-c{connections}", "-d60s", url],
            stdout=subprocess.DEVNULL,
            timeout=seconds,
        )


def measure(
    way: dict[str, Any], row: dict[str, Any], warm: float, seconds: float
) -> dict[str, float]:
    if row.get("waiting"):
        return waiting(way, row)
    url = way["url"] + row["path"]
    slow = None
    if row.get("slow"):
        command = [
            sys.executable,
            __file__,
            "slow",
            way["url"] + "/static/image.jpg",
            way["url"] + "/upload",
        ]
        slow = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(max(warm, 1))
    try:
        warm_up(url, row["connections"], warm)
        before = cgroup_seconds(way["containers"]) + outside_seconds()
        load = (row["connections"], seconds)
        words = ["-H", "Connection: close"] if row.get("close") else []
        if row.get("rate") or row.get("strangers"):
            found = hey(url, *load, row.get("rate", 0))
        else:
            found = wrk(url, *load, *words)
        used = cgroup_seconds(way["containers"]) + outside_seconds() - before
    finally:
        if slow:
            slow.kill()
            slow.wait()
    return {**found, "cpu": used / found["good"] * 1e6 if found["good"] else 0.0}


def slow_clients(download: str, upload: str) -> None:
    """Half of the clients send a form a little at a time, half read an image a little at a time;
    each starts again when it has finished.
    """
    at = urlsplit(download)
    body = 30000
    head = (
        f"POST {urlsplit(upload).path} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length:"
        f" {body}\r\nConnection: close\r\n\r\n".encode()
    )
    get = f"GET {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nConnection: close\r\n\r\n".encode()
    lines: list[Any] = [None] * SLOW_CLIENTS
    left = [0] * SLOW_CLIENTS
    while True:
        for number in range(SLOW_CLIENTS):
            sends = number % 2 == 0
            try:
                if lines[number] is None:
                    line = socket.socket()
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    line.settimeout(2)
                    line.connect((at.hostname, at.port or 80))
                    line.sendall(head if sends else get)
                    line.setblocking(False)
                    lines[number], left[number] = line, body if sends else 0
                elif left[number] > 0:
                    left[number] -= lines[number].send(b"x" * min(300, left[number]))
                elif not lines[number].recv(2048):
                    raise OSError("answered")
            except BlockingIOError:
                pass
            except OSError:
                if lines[number] is not None:
                    lines[number].close()
                lines[number] = None
        time.sleep(0.1)


def wait_for(way: dict[str, Any]) -> None:
    for _ in range(60):
        try:
            urllib.request.urlopen(way["url"] + way.get("first", "/"), **ANY).close()
            return
        except OSError as error:
            last = error
            time.sleep(0.5)
    logs = [
        subprocess.run(
            ["docker", "logs", "--tail", "20", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout
        for name in way["containers"]
    ]
    sys.exit(f"{way['name']} does not answer at {way['url']}: {last}\n{''.join(logs)}")


def check(ways: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """Check before the measurements that all ways give the same answers; return the differences."""
    faults = []
    for way in ways:
        wait_for(way)
    for row in rows:
        if row.get("waiting"):
            continue
        wanted = 0
        for way in ways:
            # Often enough for a fault that only every other answer has.
            for _ in range(20):
                try:
                    with urllib.request.urlopen(way["url"] + row["path"], **ANY) as answer:
                        # The page contains the path of its way.
                        length = len(answer.read()) - len(urlsplit(way["url"]).path) * row.get(
                            "paths", 0
                        )
                    wanted = wanted or length
                    if length != wanted:
                        faults.append(
                            f"{way['name']}: {row['path']} has {length} bytes and not {wanted}"
                        )
                except IncompleteRead:
                    faults.append(f"{way['name']}: {row['path']} was truncated")
                except (OSError, HTTPException) as error:
                    faults.append(f"{way['name']}: {row['path']} was answered with {error!r}")
    return faults


@contextlib.contextmanager
def docker(action: str, back: str, ways: list[dict[str, Any]]) -> Iterator[None]:
    names = {name for way in ways for name in way["containers"]}
    subprocess.run(["docker", action, *names], check=True, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        subprocess.run(["docker", back, *names], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    plan = json.load(sys.stdin)
    ways = plan["ways"]
    turns = [
        (row, way)
        for row in plan["rows"]
        for way in ways
        if not row.get("only") or way["name"] in row["only"]
    ]
    faults = check(ways, plan["rows"])
    results = []
    # One way at a time: a server that is still working after its clients have left would slow down
    # the others.
    with docker("pause", "unpause", ways):
        for number in range(plan["rounds"]):
            for row, way in turns:
                with docker("unpause", "pause", [way]):
                    found = measure(way, row, plan["warm"], plan["seconds"])
                results.append({"round": number, "row": row["name"], "way": way["name"], **found})
            print(f"round {number + 1} of {plan['rounds']} done", file=sys.stderr, flush=True)
    json.dump({"faults": faults, "results": results}, sys.stdout)


if sys.argv[1:2] == ["slow"]:
    slow_clients(*sys.argv[2:])
else:
    main()
