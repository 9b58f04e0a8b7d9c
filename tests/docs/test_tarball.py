# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Galaxy tarball: the collection, without development files."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

TOP = {
    "bin",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "docs",
    "files",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}
SECOND = {
    "bin": {"flaskops"},
    "docs": {
        "a-real-application.md",
        "apps.md",
        "hands.md",
        "backups.md",
        "how-it-works.md",
        "outputs.yml",
        "pc-builder.jpg",
        "proxy.md",
        "public-apps.md",
        "reference.md",
        "presets.md",
        "jobs.md",
        "notify.md",
        "services.md",
        "sites.md",
        "sources.md",
        "troubleshooting.md",
    },
    "files": {"pc-builder-app"},
    "meta": {"runtime.yml"},
    "playbooks": {
        "attach.yml",
        "backup.yml",
        "deploy.yml",
        "dev.yml",
        "remove.yml",
        "restore.yml",
        "rollback.yml",
        "site.yml",
        "status.yml",
        "upgrade_service.yml",
    },
    "plugins": {
        "action",
        "callback",
        "doc_fragments",
        "filter",
        "lookup",
        "module_utils",
        "plugin_utils",
        "modules",
    },
    "roles": {"docker", "flask_apps", "nginx"},
}


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The names in the tarball that is built from the files in git."""
    root = Path(__file__).resolve().parents[2]
    listing = subprocess.run(
        [
            "git",
            "-c",
            f"safe.directory={root}",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=root,
        capture_output=True,
        check=True,
    )
    export = tmp_path_factory.mktemp("export")
    for name in filter(None, listing.stdout.decode().split("\0")):
        source, target = root / name, export / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    built = tmp_path_factory.mktemp("built")
    galaxy = str(Path(sys.executable).parent / "ansible-galaxy")
    run = subprocess.run(
        [galaxy, "collection", "build", "--output-path", str(built), str(export)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    with tarfile.open(next(built.glob("flaskops-host-*.tar.gz"))) as archive:
        return sorted(member.name for member in archive if not member.isdir())


def below(members, *parents):
    """The names of the contents of a directory of the tarball."""
    split = [Path(name).parts for name in members]
    return {
        parts[len(parents)]
        for parts in split
        if parts[: len(parents)] == parents and len(parts) > len(parents)
    }


def test_the_top_level_of_the_tarball_is_as_agreed(members):
    assert below(members) == TOP


@pytest.mark.parametrize("name", sorted(SECOND))
def test_the_directories_of_the_tarball_are_as_agreed(members, name):
    assert below(members, name) == SECOND[name]


def test_the_tarball_contains_no_development_files(members):
    unwanted = {
        "tests",
        "molecule",
        "__pycache__",
        ".git",
        ".venv",
        ".cache",
        ".github",
        ".ci",
        "collections",
        "inventories",
        "benchmarks",
    }
    assert [name for name in members if unwanted & set(Path(name).parts)] == []


def test_the_sample_application_is_complete(members):
    files = below(members, "files", "pc-builder-app")
    assert {
        "app.py",
        "requirements.txt",
        ".dockerignore",
        "templates",
        "static",
        "README.md",
    } <= files


def test_the_recipe_of_the_runtime_image_is_complete(members):
    assert {"Dockerfile", "entrypoint.py", "requirements.txt", "pip.txt", ".dockerignore"} <= below(
        members, "roles", "flask_apps", "files", "runtime"
    )
