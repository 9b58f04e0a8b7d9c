#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What TLS costs: a site with TLS compared with one without, and both with a hand-written server
block of the same Nginx, with the same certificate and the same TLS settings.

    benchmarks/tls/run.py CONTAINER [--quick]     a test host of `molecule converge -s releases`

All results are from one run on one machine. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from commands import play

MEASURE = ROOT / "benchmarks/serve/measure.py"
PLACE = "/srv/tls"
NAMES = {"https": "secure.example.org", "http": "plain.example.org"}
ROWS: list[dict[str, Any]] = [
    {"name": f"{answer}{connections}", "path": path, "connections": 16, **keys}
    for answer, path in (("page of the application", "/bench/"), ("fixed answer", "/healthz"))
    for connections, keys in (
        ("", {}),
        (", a new connection each", {"close": True}),
        (", a new visitor each", {"strangers": True}),
    )
]
SETTINGS = re.compile(r"^ *(?:ssl_\w+|http2) .*;$", re.MULTILINE)
BY_HAND = """
server {{
    listen 8080;
    listen 8443 ssl;
    server_name {secure} {plain};
    access_log /var/log/nginx/access.log flaskops;
{settings}
    location /bench/ {{
        proxy_pass {upstream};
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header Connection "";
    }}
    location = /healthz {{
        access_log off;
        default_type text/plain;
        return 200 "ok\\n";
    }}
}}
"""


def on_host(*command: str, **more: Any) -> str:
    done = subprocess.run(
        ["docker", "exec", "-i", HOST, *command], stdout=subprocess.PIPE, text=True, **more
    )
    if done.returncode:
        sys.exit(f"{command}: {done.stdout}")
    return done.stdout


def deploy(directory: Path) -> list[dict[str, Any]]:
    """Deploy the application to a site with TLS and to one without, as a user does."""
    variables = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
        "flask_apps_release_key_file": str(directory / "key"),
        "nginx_sites": [
            {"name": "secure", "server_names": [NAMES["https"]], "tls": "selfsigned"},
            {"name": "plain", "server_names": [NAMES["http"]]},
        ],
        "flask_apps": [
            {
                "name": f"bench-{site}",
                "source": str(ROOT / "benchmarks/serve/app"),
                "path": "/bench",
                "site": site,
                "drain_seconds": 1,
            }
            for site in ("secure", "plain")
        ],
        **json.loads(os.environ.get("FLASKOPS_BENCHMARK_VARIABLES", "{}")),
    }
    inventory = directory / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {HOST: variables}}}))
    play("site", inventory)
    containers = {
        site: on_host(
            *("docker", "ps", "-q", "--no-trunc", "-f", f"label=host.flaskops.app=bench-{site}")
        ).split()
        for site in ("secure", "plain")
    }
    write_by_hand()
    ways = []
    for server, ports in (("ours", ("", "")), ("Nginx alone", (":8443", ":8080"))):
        for scheme, port in zip(NAMES, ports, strict=True):
            # Written by hand are two ports of one block, with one application behind it.
            site = "plain" if (server, scheme) == ("ours", "http") else "secure"
            url = f"{scheme}://{NAMES[scheme]}{port}"
            way = {"name": f"{server}, {scheme}", "url": url, "first": "/healthz"}
            ways.append({**way, "containers": containers[site]})
    return ways


def write_by_hand() -> None:
    """Write a server block with the TLS settings of the site, and without all other settings."""
    ours = on_host("cat", "/etc/nginx/flaskops/secure.conf").rpartition("\nserver {")[2]
    fragment = on_host("cat", "/etc/nginx/flaskops/secure/bench-secure.conf")
    upstream = re.search(r"proxy_pass (\S+);", fragment)
    assert upstream
    block = BY_HAND.format(
        secure=NAMES["https"],
        plain=NAMES["http"],
        settings="\n".join(SETTINGS.findall(ours)),
        upstream=upstream[1],
    )
    on_host("sh", "-c", "cat > /etc/nginx/sites-enabled/bench", input=block)
    on_host("sh", "-c", "nginx -t 2>&1 && nginx -s reload")


def clean_up(directory: Path) -> None:
    on_host("sh", "-c", "rm -f /etc/nginx/sites-enabled/bench && nginx -s reload")
    names = "bench-secure,bench-plain"
    play("remove", directory / "hosts.json", "-e", f"flask_apps_remove={names}")


def report(found: dict[str, Any], ways: list[dict[str, Any]]) -> None:
    names = [way["name"] for way in ways]
    for key, title in (("rate", "requests per second"), ("cpu", "CPU time per request, µs")):
        print(f"\n| {title} | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
        for row in ROWS:
            cells = []
            for name in names:
                results = [
                    each
                    for each in found["results"]
                    if (each["row"], each["way"]) == (row["name"], name)
                ]
                mark = "*" if any(each["failed"] for each in results) else ""
                cells.append(f"{statistics.median(each[key] for each in results):.0f}{mark}")
            print(f"| {row['name']} | {' | '.join(cells)} |")
    for fault in sorted(set(found["faults"])):
        print(f"- {fault}")
    if any(each["failed"] for each in found["results"]):
        print("\n`*` requests failed")


def main(quick: bool) -> None:
    plan = {"rounds": 1, "seconds": 1} if quick else {"rounds": 3, "seconds": 3}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        on_host("apt-get", "install", "-y", "-qq", "wrk", "hey")
        on_host("mkdir", "-p", PLACE)
        subprocess.run(["docker", "cp", "-q", str(MEASURE), f"{HOST}:{PLACE}/"], check=True)
        line = f"127.0.0.1 {' '.join(NAMES.values())}"
        on_host("sh", "-c", f"grep -qxF '{line}' /etc/hosts || echo '{line}' >> /etc/hosts")
        try:
            ways = deploy(directory)
            question = json.dumps({"ways": ways, "rows": ROWS, "warm": 0.5, **plan})
            report(json.loads(on_host("python3", f"{PLACE}/measure.py", input=question)), ways)
        finally:
            clean_up(directory)


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("host", metavar="CONTAINER", help="the test host")
parser.add_argument("--quick", action="store_true", help="one short round, to check that it works")
arguments = parser.parse_args()
HOST = arguments.host
main(arguments.quick)
