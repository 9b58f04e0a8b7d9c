# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The stages of bin/test. To run only one: bin/test lint; or, in a clone that bin/test has set up,
nox --session lint.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"  # bin/test installs everything in .venv
nox.options.envdir = ".cache/nox"
nox.options.sessions = ["lint"]

REPORTS = Path(os.environ.get("FLASKOPS_TEST_REPORTS", Path(".cache/test-reports").absolute()))
DOCKER = Path(".cache/docker/environment")  # tests/hosts/docker writes it
SERVERS = Path(".cache/servers").absolute()

# The packages that run on hosts: all except those that run only on the controller.
ON_HOSTS = sorted(
    {str(file.parent) for file in Path("plugins/module_utils").glob("*/__init__.py")}
    - {"plugins/module_utils/apps"}
)
# .pre-commit-config.yaml calls each by its name.
LINTERS = {
    "yamllint": ["yamllint", "--strict", "."],
    "ruff": ["ruff", "check", "."],
    "ruff-format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy", "plugins"],
    # Ubuntu 22.04 has Python 3.10.
    "vermin": [
        "vermin",
        "--target=3.10-",
        "--no-tips",
        "--violations",
        "plugins/modules",
        *ON_HOSTS,
    ],
    "shellcheck": ["shellcheck"],
    "ansible-lint": ["ansible-lint", "--offline"],
}


def shell_scripts() -> list[str]:
    """Our shell scripts; in molecule/*/apps are applications as users write them."""
    places = [
        *Path("bin").iterdir(),
        *Path(".ci").iterdir(),
        *Path("tests/hosts").rglob("*"),
        *Path("tests/sanity").iterdir(),
    ]
    places += [*Path("roles").rglob("*.sh"), *Path("molecule").glob("*/*.sh")]
    scripts = [
        place
        for place in places
        if place.is_file() and place.read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))
    ]
    return [*map(str, sorted(scripts)), "bin/lib.sh"]


@nox.session
def lint(session: nox.Session) -> None:
    """All linters, or only those that are named: nox --session lint -- ruff mypy."""
    for name in session.posargs or LINTERS:
        session.run(*LINTERS[name], *(shell_scripts() if name == "shellcheck" else []))


@nox.session
def sanity(session: nox.Session) -> None:
    """Ansible's own checks of a collection."""
    session.run("tests/sanity/run", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Pure Python, rendered templates, documentation; and the tests of the sample application."""
    session.run("python3", "-m", "venv", str(SERVERS))
    session.run(
        f"{SERVERS}/bin/pip", "install", "--quiet", "--requirement", "tests/unit/servers.txt"
    )
    session.run(
        "tests/hosts/with-nginx",
        "pytest",
        f"--junitxml={REPORTS}/unit-collection.xml",
        "tests",
        *session.posargs,
        env={"FLASKOPS_TEST_SERVERS": str(SERVERS)},
    )
    session.chdir("files/pc-builder-app")
    session.run("pytest", f"--junitxml={REPORTS}/unit-sample-app.xml", "tests", *session.posargs)


@nox.session
def docker(session: nox.Session) -> None:
    """Start a Docker for the test hosts, if none answers."""
    session.run("tests/hosts/docker", "start")


@nox.session
def hosts(session: nox.Session) -> None:
    """Build the images of the test hosts."""
    session.run("tests/hosts/prepare", env=docker_environment())


def docker_environment() -> dict[str, str]:
    lines = DOCKER.read_text().splitlines() if DOCKER.exists() else []
    return dict(line.split("=", 1) for line in lines)


def scenario(session: nox.Session) -> None:
    """Run a scenario of Molecule, from create to destroy."""
    minutes = 85 if os.environ.get("FLASKOPS_TEST_ALL") else 60
    place = Path(".cache/molecule", session.name).absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    session.run(
        *("timeout", "--foreground", "--kill-after=60", f"{minutes}m"),
        *("molecule", "test", "--scenario-name", session.name),
        env={**docker_environment(), "MOLECULE_EPHEMERAL_DIRECTORY": str(place)},
    )


for file in sorted(Path("molecule").glob("*/molecule.yml")):
    nox.session(scenario, name=file.parent.name)
