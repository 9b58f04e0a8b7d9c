# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The statements of the documents and the metadata are correct."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
# The brackets prevent a match in this file.
MACHINES = re.compile("/[o]pt/dev|/[w]ork/(main|shared)|/[h]ome/(?!app|runner)[a-z]+|/[r]oot/")


def tracked():
    run = subprocess.run(
        [
            "git",
            "-c",
            f"safe.directory={ROOT}",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [
        ROOT / name
        for name in run.stdout.decode().split("\0")
        if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink()
    ]


def headings(text):
    """The anchors that GitHub creates from the headings."""
    lines = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE).splitlines()
    words = (line.lstrip("#").strip().lower() for line in lines if line.startswith("#"))
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", word)).replace(" ", "-")
        for word in words
    }


@pytest.mark.parametrize(
    "document",
    [file for file in tracked() if file.suffix == ".md"],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_every_relative_link_leads_somewhere(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for found in LINK.finditer(text):
        target, _, anchor = (found[1] or found[2]).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (document.parent / target).resolve() if target else document
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in headings(file.read_text())
        ):
            broken.append(found[0])
    assert broken == []


def test_no_file_names_the_machine_of_a_developer():
    found = []
    for file in tracked():
        if file.is_relative_to(ROOT / "molecule"):  # it contains paths of the test hosts
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{file.relative_to(ROOT)}: {match[0]}" for match in MACHINES.finditer(text)]
    assert found == []


def test_the_changelog_has_an_entry_for_the_version():
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    lines = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    ]
    assert lines
    assert re.match(rf"## \[?{re.escape(version)}\b", lines[0]), lines[0]


def test_no_other_collection_is_required():
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"] == {}
    tasks = [*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/*.yml")]
    task = re.compile(r"^\s*(?:- )?(?!ansible\.|flaskops\.)\w+\.\w+\.\w+:", re.MULTILINE)
    assert [str(file) for file in tasks if task.search(file.read_text())] == []
    other = re.compile(r"ansible_collections\.(?!flaskops)|\bcommunity\.docker\b")
    files = {*tasks, *ROOT.glob("plugins/**/*.py")}
    # bin/flaskops starts docker where an inventory has this connection.
    files.remove(ROOT / "plugins/module_utils/hands/connection.py")
    assert [str(file) for file in files if other.search(file.read_text())] == []


def test_every_file_that_galaxy_refers_to_exists():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert (ROOT / galaxy["readme"]).is_file()
    for pattern in galaxy["build_ignore"]:
        if "*" not in pattern and pattern != "benchmarks":
            assert (ROOT / pattern).exists() or (ROOT / pattern).is_symlink(), (
                f"build_ignore: {pattern} is not there"
            )
