# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run an application while you write it, in the image that it has in production.

    bin/dev files/shop                              at http://127.0.0.1:5000/shop/
    bin/dev files/shop --path / engine=gunicorn     with any key of an application, as in flask_apps
    bin/dev files/shop -i prod                      with its entry in that inventory

The source is mounted: the next request sees what you save, and the browser shows why an application
does not start. Ctrl-C stops it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))
from ansible_collections.flaskops.host.plugins.module_utils.apps import dev
from ansible_collections.flaskops.host.plugins.module_utils.host.disk import (
    with_advice,
)
from ansible_collections.flaskops.host.plugins.module_utils.host.engine import (
    CONTEXT,
    Docker,
)
from ansible_collections.flaskops.host.plugins.module_utils.host.files import (
    HostError,
)

CALLER = Path(os.environ.get("FLASKOPS_CALLER", "."))


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/dev", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("app", metavar="APP_DIR", help="the directory of the application")
    parser.add_argument(
        "keys",
        metavar="KEY=VALUE",
        nargs="*",
        help="a key of the application, such as uwsgi.threads=2; its value is YAML",
    )
    parser.add_argument(
        "--path", help="its path (that of the entry, or / and the name of the directory)"
    )
    parser.add_argument("--port", type=int, default=5000, help="the port on 127.0.0.1 (5000)")
    parser.add_argument("--env", metavar="FILE", help="lines NAME=VALUE for its environment")
    parser.add_argument(
        "--secrets",
        metavar="FILE",
        help="lines NAME=VALUE for its secrets, variables and files as in production",
    )
    parser.add_argument(
        "-i",
        "--inventory",
        metavar="INVENTORY",
        help="one with its entry and the role's variables (inventories/local)",
    )
    parser.add_argument(
        "-l",
        "--limit",
        metavar="HOST",
        default="all[0]",
        help="the host of the inventory whose variables are used (the first one)",
    )
    parser.add_argument(
        "-e",
        metavar="VARIABLE=VALUE",
        action="append",
        default=[],
        help="a variable of the role, as for ansible-playbook",
    )
    return parser.parse_intermixed_args(arguments)


def stop(text: str) -> NoReturn:
    sys.exit(f"bin/dev: {text}")


def pairs(lines: list[str], what: str) -> dict[str, str]:
    found = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name:
            stop(f"{what} must be NAME=VALUE; got {line!r}.")
        found[name.strip()] = value
    return found


def lines_of(file: str) -> dict[str, str]:
    path = CALLER / file
    if not path.is_file():
        stop(f"{path} is not a file.")
    lines = [line.strip().removeprefix("export ") for line in path.read_text().splitlines()]
    found = pairs([line for line in lines if line and not line.startswith("#")], str(path))
    return {
        name: (
            value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
        )
        for name, value in found.items()
    }


def keys_of(options: argparse.Namespace) -> dict[str, Any]:
    """The keys of the command line, as a part of the entry."""
    keys: dict[str, Any] = {}
    for name, value in pairs(options.keys, "a key of the application").items():
        *above, last = name.split(".")
        place = keys
        for word in above:
            place = place.setdefault(word, {})
        place[last] = yaml.safe_load(value)
    if options.path:
        keys["path"] = options.path
    if options.env:
        keys["env"] = {**lines_of(options.env), **keys.get("env", {})}
    if options.secrets:
        keys["secrets"] = {**lines_of(options.secrets), **keys.get("secrets", {})}
    return keys


def check_machine(port: int) -> None:
    if not shutil.which("docker"):
        stop(
            "there is no docker command here; install Docker, or run bin/deploy once on Debian or"
            " Ubuntu."
        )
    said = subprocess.run(
        ["docker", "info", "--format", "{{.ClientInfo.Context}} {{.ServerVersion}}"],
        capture_output=True,
        text=True,
    )  # without a field of the server, docker does not ask it
    if said.returncode:
        stop(
            f"Docker does not answer: {said.stderr.strip() or said.stdout.strip()}\nStart it, or"
            " become a member of the group docker."
        )
    os.environ[CONTEXT] = said.stdout.partition(" ")[0].strip() or "default"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            stop(
                f"port {port} of 127.0.0.1 cannot be used: {error.strerror}. Choose another with"
                " --port."
            )


def source_of(options: argparse.Namespace) -> Path:
    source = (CALLER / options.app).resolve()
    if not source.is_dir():
        stop(f"{source} is not a directory.")
    owner = source.stat()
    if owner.st_uid == 0 and owner.st_mode & 0o005 != 0o005:
        stop(
            f"only root can read {source}, and no container runs as root: chmod -R go+rX {source},"
            " or chown it to another user."
        )
    return source


def inventory_of(options: argparse.Namespace) -> str:
    """The one of the command line; else that of bin/deploy, where its base image exists or can be
    built, so that the application runs on the same base.
    """
    if options.inventory:
        return (
            str(CALLER / options.inventory)
            if (CALLER / options.inventory).exists()
            else str(options.inventory)
        )
    made = subprocess.run(
        ["docker", "image", "ls", "--quiet", "flaskops/base"], capture_output=True, text=True
    ).stdout.strip()
    return (
        "inventories/local"
        if made or (os.geteuid() == 0 and shutil.which("apt-get"))
        else "localhost,"
    )


def prepare(options: argparse.Namespace, source: Path, place: Path) -> dict[str, Any]:
    """Normalise its entry and build its image; returns how it is run."""
    owner = source.stat()
    known = {
        "source": str(source),
        "entry": keys_of(options),
        "host": options.limit,
        "place": str(place),
    }
    variables: dict[str, Any] = {
        "flask_apps_dev": known,
        "flask_apps_root": str(place),
        "flask_apps_release_key_file": f"{place}/key",
    }
    if owner.st_uid > 0:
        # Only their owner may be able to read its files.
        variables["flask_apps_uid"] = owner.st_uid
    file = place / "variables.json"
    file.touch(mode=0o600)  # it has the secrets
    file.write_text(json.dumps(variables))
    command = [str(ROOT / ".venv/bin/ansible-playbook"), "playbooks/dev.yml", "-e", f"@{file}"]
    command += ["-i", inventory_of(options)]
    for variable in options.e:
        command += ["-e", variable]
    quiet = {
        "ANSIBLE_DISPLAY_OK_HOSTS": "false",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **quiet})
    if done.returncode:
        sys.exit(done.returncode)
    if not (place / "release.json").exists():
        stop(f"the inventory has no host {options.limit!r}; choose another with --limit.")
    written = json.loads((place / "release.json").read_text())
    shutil.copyfile(ROOT / "roles/flask_apps/files/dev.py", place / "dev.py")
    (place / "dev.py").chmod(0o644)
    print("Build the image of the application …", flush=True)
    try:
        run = dev.prepare(Docker(), written["release"], place, options.port, written["trust"])
    except (HostError, OSError) as error:
        stop(f"the image could not be built: {with_advice(error)}")
    if problem := run.get("problem"):
        stop(problem)
    return run


def serve(run: dict[str, Any]) -> int:
    """Run the container until Ctrl-C, and remove it in any case."""
    process = subprocess.Popen(["docker", "run", *run["words"]])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The terminal sends Ctrl-C to docker too, which passes it on, as it does a signal that only
        # this process gets.
        signal.signal(
            number,
            lambda number, _frame: (
                process.send_signal(signal.SIGTERM) if number != signal.SIGINT else None
            ),
        )
    try:
        code = process.wait()
    finally:
        subprocess.run(
            ["docker", "rm", "--force", run["name"]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return code


def main() -> int:
    options = parse(sys.argv[1:])
    source = source_of(options)
    check_machine(options.port)
    place = Path(tempfile.mkdtemp(prefix="flaskops-dev."))
    try:
        return serve(prepare(options, source, place))
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
