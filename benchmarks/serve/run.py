#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cost of serving: our deployment compared with each well-known image's own way of running the
same application.

    benchmarks/serve/run.py CONTAINER [--quick]     a test host of `molecule converge -s releases`

All results are from one run on one machine. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from commands import play

PLACE = "/srv/serve"
IMAGE = "flaskops-benchmark-rivals"
BASE = "flaskops-benchmark-base"
# For the rows at one rate: the share of what the best of the others can do, and the most that the
# load generator can send without slowing down the servers.
SHARE, MOST_PER_SECOND = 0.25, 2000

# Our ways, each with the keys of its entry. The last one is only for the microcache.
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, 1 thread": {"uwsgi": {"threads": 1}},
    "ours, gunicorn": {"engine": "gunicorn"},
    "ours, cached": {"proxy": {"cache_seconds": 1}},
}
CACHED = "ours, cached"
# The ways of the rivals: the arguments of `docker run` for each container, and the port and path of
# its address (0: through the host's Nginx).
RIVALS: dict[str, dict[str, Any]] = {
    "uwsgi-nginx-flask": {"containers": [["uwsgi-nginx-flask/start.sh"]], "port": 80},
    "meinheld": {
        "containers": [["meinheld-gunicorn/start.sh", "egg:meinheld#gunicorn_worker"]],
        "port": 80,
    },
    "gunicorn": {"containers": [["meinheld-gunicorn/start.sh", "sync"]], "port": 80},
    "alpine": {"containers": [["alpine/start.sh"]], "port": 80},
    "compose": {
        "containers": [["nginx", "-c", "/rivals/compose/nginx.conf"], ["compose/start.sh"]],
        "port": 5000,
    },
    "subpath": {
        "containers": [["subpath/start.sh"]],
        "publish": "127.0.0.1:5001:5000",
        "path": "/subpath",
        "port": 0,
    },
}
ROWS: list[dict[str, Any]] = [
    {"name": "tiny dynamic page", "path": "/", "connections": 16},
    {"name": "template page, 20 kB", "path": "/page", "connections": 16, "paths": 1},
    {"name": "JSON API", "path": "/api/parts", "connections": 16},
    {"name": "static css", "path": "/static/site.css", "connections": 16},
    {"name": "static image, 1 MB", "path": "/static/image.jpg", "connections": 16},
    {"name": "tiny page, 200 connections", "path": "/", "connections": 200},
    {"name": "tiny page beside 100 slow clients", "path": "/", "connections": 16, "slow": True},
]
MICROCACHE = {
    "name": "microcache, template page",
    "path": "/page",
    "connections": 16,
    "paths": 1,
    "only": ["ours", CACHED],
}

WAITING = {"name": "eight requests wait 1 s each, a ninth asks", "path": "/wait", "waiting": 8}


def on_host(*command: str, check: bool = True, **more: Any) -> str:
    done = subprocess.run(
        ["docker", "exec", "-i", HOST, *command], stdout=subprocess.PIPE, text=True, **more
    )
    if check and done.returncode:
        sys.exit(f"{command}: {done.stdout}")
    return done.stdout


def copy_app(directory: Path) -> Path:
    source = directory / "app"
    shutil.copytree(HERE / "app", source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "static/image.jpg").write_bytes(random.Random(1).randbytes(1_000_000))
    return source


def send_recipes() -> None:
    """Copy this directory to the host, with the certificates and the index for the builds there."""
    bundle, index = (
        VARIABLES.get("flask_apps_build_ca_bundle", ""),
        VARIABLES.get("flask_apps_build_index_url", ""),
    )
    on_host("rm", "-rf", PLACE)
    on_host("mkdir", "-p", f"{PLACE}/trust")
    subprocess.run(["docker", "cp", "-q", f"{HERE}/.", f"{HOST}:{PLACE}"], check=True)
    lines = []
    if bundle:
        on_host("cp", bundle, f"{PLACE}/trust/ca-bundle.crt")
        lines += [
            f"export {name}=/run/trust/ca-bundle.crt"
            for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        ]
        lines.append("APT_OPTIONS='-o Acquire::https::CAInfo=/run/trust/ca-bundle.crt'")
    if index:
        lines.append(f"export PIP_INDEX_URL='{index}'")
    on_host("sh", "-c", f"cat > {PLACE}/trust/env", input="\n".join(lines) + "\n")


def build(recipe: str, image: str, **arguments: str) -> None:
    words = [
        word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")
    ]
    on_host("docker", "build", "-q", *words, "-f", f"{PLACE}/{recipe}", "-t", image, PLACE)


def linked_base() -> str:
    """The base image, if its python3 is linked with libpython like uWSGI: Docker's is, Debian's is
    not (see rivals/base.Dockerfile).
    """
    defaults = yaml.safe_load((ROOT / "roles/flask_apps/defaults/main.yml").read_text())
    base = VARIABLES.get("flask_apps_base_image", defaults["flask_apps_base_image"])
    # ldd itself fails for a program that is linked statically.
    libraries = on_host(
        "docker",
        "run",
        "--rm",
        base,
        "sh",
        "-c",
        'ldd "$(readlink -f "$(command -v python3)")"',
        check=False,
    )
    if "libpython" in libraries:
        return base
    build("rivals/base.Dockerfile", BASE, BASE=base)
    return BASE


def deploy_ours(directory: Path, source: Path, base: str) -> list[dict[str, Any]]:
    """Deploy our ways as a user does."""
    apps = []
    for number, keys in enumerate(OURS.values()):
        apps.append(
            {
                "name": f"serve-{number}",
                "source": str(source),
                "path": f"/serve-{number}",
                "drain_seconds": 1,
                **keys,
            }
        )
    connection = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    variables = {
        "flask_apps": apps,
        "flask_apps_release_key_file": str(directory / "key"),
        **connection,
        **VARIABLES,
    }
    variables["flask_apps_base_image"] = base
    inventory = directory / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": {HOST: variables}}}))
    play("deploy", inventory)
    ways = []
    for app, name in zip(apps, OURS, strict=True):
        containers = on_host(
            "docker", "ps", "-q", "--no-trunc", "-f", f"label=host.flaskops.app={app['name']}"
        ).split()
        ways.append(
            {"name": name, "url": f"http://127.0.0.1{app['path']}", "containers": containers}
        )
    return ways


def remove_ours(directory: Path) -> None:
    names = ",".join(f"serve-{number}" for number in range(len(OURS)))
    play("remove", directory / "hosts.json", "-e", f"flask_apps_remove={names}")


def build_rivals(app_container: str) -> str:
    """One image for all of them, on the image that our release of the application has. Returns what
    became of Meinheld.
    """
    app = on_host("docker", "inspect", "-f", "{{.Config.Image}}", app_container).strip()
    builds = on_host(
        "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "flaskops/runtime"
    ).split()
    # The newest comes first.
    build(
        "rivals/Dockerfile",
        IMAGE,
        APP=app,
        BUILD=next(name for name in builds if name.endswith("-build")),
    )
    look = "test -e /opt/rivals/has-meinheld && echo yes || tail -n 1 /opt/rivals/meinheld.log"
    return on_host("docker", "run", "--rm", IMAGE, "sh", "-c", look).strip()


def start_rivals(leave_out: set[str]) -> list[dict[str, Any]]:
    ways = []
    on_host("docker", "volume", "create", "serve-shared")
    for name, rival in RIVALS.items():
        if name in leave_out:
            continue
        containers = []
        for number, command in enumerate(rival["containers"]):
            words = [
                "-e",
                "ENV=PROD",
                "-e",
                f"DOMAIN={rival.get('path', '')}",
                "-v",
                "serve-shared:/shared",
            ]
            if rival.get("publish"):
                words += ["-p", rival["publish"]]
            program = (
                [f"/rivals/{command[0]}", *command[1:]] if command[0].endswith(".sh") else command
            )
            containers.append(
                on_host(
                    "docker",
                    "run",
                    "-d",
                    "--name",
                    f"serve-{name}-{number}",
                    *words,
                    IMAGE,
                    *program,
                ).strip()
            )
        address = on_host(
            "docker",
            "inspect",
            "-f",
            "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
            containers[0],
        ).strip()
        # At the container's own address: a client from outside does not pass the engine's port
        # forwarder either.
        url = (
            f"http://{address}:{rival['port']}"
            if rival["port"]
            else f"http://127.0.0.1:8081{rival['path']}"
        )
        ways.append({"name": name, "url": url, "containers": containers})
    location = (HERE / "rivals/subpath/location.conf").read_text()
    on_host(
        "sh",
        "-c",
        "cat > /etc/nginx/conf.d/serve.conf",
        input=f"server {{\nlisten 8081;\n{location}}}\n",
    )
    on_host("nginx", "-s", "reload")
    return ways


def stop_rivals() -> None:
    names = [
        f"serve-{name}-{number}"
        for name, rival in RIVALS.items()
        for number in range(len(rival["containers"]))
    ]
    on_host(
        "sh",
        "-c",
        f"docker rm -f {' '.join(names)} 2>/dev/null; docker volume rm serve-shared",
        check=False,
    )
    on_host("sh", "-c", "rm -f /etc/nginx/conf.d/serve.conf && nginx -s reload", check=False)


def medians(results: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, float]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        found.setdefault((result["row"], result["way"]), []).append(result)
    return {
        place: {
            key: statistics.median(entry[key] for entry in entries)
            for key in ("cpu", "rate", "p99", "failed")
        }
        for place, entries in found.items()
    }


def at_one_rate(measured: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """The rows again, each at a share of what the best of the others can do, up to the limit of the
    load generator.
    """
    found, faulty = medians(measured["results"]), faulty_ways(measured)
    rivals = [name for name in names if name not in OURS and name not in faulty]
    best = [max(found[row["name"], name]["rate"] for name in rivals) for row in ROWS]
    return [
        {**row, "rate": min(round(rate * SHARE), MOST_PER_SECOND), "only": names}
        for row, rate in zip(ROWS, best, strict=True)
    ]


def faulty_ways(measured: dict[str, Any]) -> set[str]:
    return {fault.partition(":")[0] for fault in measured["faults"]}


def table(
    title: str,
    key: str,
    measured: dict[str, Any],
    names: list[str],
    better: Any,
    rows: list[dict[str, Any]],
) -> None:
    """Print a row for each page; the last column compares ours with the best of the others."""
    found, faulty = medians(measured["results"]), faulty_ways(measured)
    heads = [f"{name} †" if name in faulty else name for name in names]
    print(
        f"\n{title}\n\n| | {' | '.join(heads)} | ours / best of the others"
        f" |\n|---|{'---|' * (len(names) + 1)}"
    )
    for row in rows:
        values = {name: found[row["name"], name] for name in names}
        enough = row.get("rate", 0) * 0.95
        marks = {
            name: "*" if value["failed"] or not value["rate"] else "‡" * (value["rate"] < enough)
            for name, value in values.items()
        }
        cells = [
            f"{value[key]:.{1 if key == 'p99' else 0}f}{marks[name]}"
            for name, value in values.items()
        ]
        # A way that loses requests, or cannot answer as many, is not the best, however fast it is.
        rivals = [
            values[name][key]
            for name in names
            if name not in OURS and name not in faulty and not marks[name]
        ]
        ratio = f"{values['ours'][key] / better(rivals):.2f}" if rivals else "-"
        rate = f", {row['rate']}/s" if "rate" in row else ""
        print(f"| {row['name']}{rate} | {' | '.join(cells)} | {ratio} |")


def waiting_table(measured: dict[str, Any], names: list[str]) -> None:
    """Print how long requests take that arrive while others wait."""
    of = {
        (name, key): statistics.median(
            result[key] for result in measured["results"] if result["way"] == name
        )
        for name in names
        for key in ("all", "one_more")
    }
    print(f"\n{WAITING['name']}, ms\n\n| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for key, words in (("one_more", "the ninth is answered"), ("all", "all eight are answered")):
        print(f"| {words} | {' | '.join(f'{of[name, key]:.0f}' for name in names)} |")


def report(
    measured: dict[str, Any],
    steady: dict[str, Any],
    rows: list[dict[str, Any]],
    names: list[str],
    meinheld: str,
) -> None:
    found = medians(measured["results"])
    table("CPU time per request, µs", "cpu", measured, names, min, ROWS)
    table("requests per second", "rate", measured, names, max, ROWS)
    table(
        "99th percentile, ms, each at its own requests per second",
        "p99",
        measured,
        names,
        min,
        ROWS,
    )
    title = (
        f"99th percentile, ms, all at one rate: {SHARE:.0%} of what the best of the others can do,"
        f" at most {MOST_PER_SECOND}/s"
    )
    table(title, "p99", steady, names, min, rows)
    print(
        "\nNot counted as the best: `*` requests failed; `‡` it cannot answer as many; `†` its"
        " answers differ from those of the others:\n"
    )
    print("\n".join(f"- {fault}" for fault in sorted(set(measured["faults"]))))
    if meinheld != "yes":
        print(f"- meinheld: it cannot be compiled, {meinheld}")
    print("\n| static files | requests/s | subpath blog's | times |\n|---|---|---|---|")
    for row in ROWS:
        if row["name"].startswith("static"):
            ours, theirs = found[row["name"], "ours"]["rate"], found[row["name"], "subpath"]["rate"]
            print(f"| {row['name']} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.1f} |")
    plain, cached = found[MICROCACHE["name"], "ours"], found[MICROCACHE["name"], CACHED]
    print(
        "\n| microcache, template page | without | `cache_seconds: 1` | times |\n|---|---|---|---|"
    )
    print(
        f"| requests/s | {plain['rate']:.0f} | {cached['rate']:.0f} |"
        f" {cached['rate'] / plain['rate']:.1f} |"
    )
    print(
        f"| CPU time per request, µs | {plain['cpu']:.0f} | {cached['cpu']:.0f} |"
        f" {plain['cpu'] / cached['cpu']:.1f} |"
    )


def ask(plan: dict[str, Any]) -> dict[str, Any]:
    return json.loads(on_host("python3", f"{PLACE}/measure.py", input=json.dumps(plan)))


def ended(number: int, _frame: Any) -> None:
    sys.exit(128 + number)  # and clean up


def main(quick: bool, keep: bool, output: str) -> None:
    signal.signal(signal.SIGTERM, ended)
    began = time.monotonic()
    rounds = (
        {"rounds": 1, "warm": 0.3, "seconds": 1}
        if quick
        else {"rounds": 3, "warm": 0.5, "seconds": 2}
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        source = copy_app(directory)
        try:
            stop_rivals()
            on_host("apt-get", "install", "-y", "-qq", "wrk", "hey")
            send_recipes()
            ours = deploy_ours(directory, source, linked_base())
            meinheld = build_rivals(ours[0]["containers"][0])
            ways = ours + start_rivals({"meinheld"} if meinheld != "yes" else set())
            rows = [
                {**row, "only": [way["name"] for way in ways if way["name"] != CACHED]}
                for row in ROWS
            ]
            measured = ask({"ways": ways, "rows": [*rows, MICROCACHE], **rounds})
            compared = [way["name"] for way in ways if way["name"] != CACHED]
            at_rate = at_one_rate(measured, compared)
            # At a lower rate there are fewer answers for the percentile.
            steady = ask(
                {"ways": ways, "rows": at_rate, **rounds, "seconds": rounds["seconds"] * 2}
            )
            if output:
                Path(output).write_text(json.dumps({"full": measured, "steady": steady}, indent=1))
            report(measured, steady, at_rate, compared, meinheld)
            row = {**WAITING, "only": compared}
            waiting_table(ask({"ways": ways, "rows": [row], **rounds}), compared)
            minutes = (time.monotonic() - began) / 60
            print(
                f"\n{rounds['rounds']} rounds of {rounds['seconds']} s, twice that at one rate,"
                f" {minutes:.1f} minutes in all"
            )
        finally:
            if not keep:
                stop_rivals()
                remove_ours(directory)


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("host", metavar="CONTAINER", help="the test host")
parser.add_argument("--quick", action="store_true", help="one short round, to check that it works")
parser.add_argument("--keep", action="store_true", help="leave everything running for inspection")
parser.add_argument("--output", default="", help="a file for every measurement, as JSON")
arguments = parser.parse_args()
HOST = arguments.host
VARIABLES = json.loads(os.environ.get("FLASKOPS_BENCHMARK_VARIABLES", "{}"))
main(arguments.quick, arguments.keep, arguments.output)
