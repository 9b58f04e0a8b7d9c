# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words and line lengths are those of the house; files that are not swept yet only get better."""

import house_style
import pytest

KINDS = ["words", "tasks", "lines"]


@pytest.fixture(scope="module")
def found():
    return house_style.found()


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_has_more_findings_than_the_table_allows(found, kind):
    allowed = house_style.unswept()[kind] or {}
    new = {name: hits for name, hits in found[kind].items() if len(hits) > allowed.get(name, 0)}
    assert new == {}


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_shrinks_with_the_findings(found, kind):
    allowed = house_style.unswept()[kind] or {}
    stale = {
        name: f"{count} in the table, {len(found[kind].get(name, []))} found"
        for name, count in allowed.items()
        if count > len(found[kind].get(name, []))
    }
    assert stale == {}, "run python3 tests/docs/house_style.py --write"


# Their findings are in what others own: generated tables, and messages of the code.
FROM_CODE = {
    "docs/reference.md",
    "docs/troubleshooting.md",
    "roles/docker/README.md",
    "roles/nginx/README.md",
    "roles/flask_apps/README.md",
}


def test_markdown_that_is_written_here_is_swept():
    table = house_style.unswept()
    names = {name for kind in KINDS for name in table[kind] or {} if name.endswith(".md")}
    assert names - FROM_CODE == set()
    assert [name for name in table["lines"] or {} if name.endswith(".md")] == []


@pytest.mark.parametrize(
    "text",
    [
        "All problems are told at once.",
        "- name: Tell of what is left",
        "engine has to be uwsgi",
        "It is built anew.",
        "Mend what nginx -t names.",
        "The release lays its files down.",
        "a user of its own",
        "a network of ours",
        "What is said of applications",
        "What follows from the entry",
        "only keys that there are.",
        "where there are none",
        "The run is surely dead.",
        "It takes the place of the shell.",
        "It stands in two files.",
        "A name that is no word",
        "It starts by itself.",
        "Docker wants a login.",
        "Whoever is in the group",
        "It comes to its end.",
        "what comes of it",
        "a run that was cut off",
        "when it was last heard of",
        "It knows nothing of its path.",
        "a ready-made image",
        "- name: Say what was understood",
        "- name: Have the engine make it",
        "Copies lie where they lay in the image.",
        "def test_a_link_is_told_at_once(): pass",
        "# It has\n# to be long.",
        'fail(\n    "It has "\n    "to be long."\n)',
    ],
)
def test_a_phrase_outside_the_register_is_found(text):
    assert len(house_style.phrases(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "This tells Nginx to reload its configuration.",
        "It is no longer maintained.",
        "There is no network.",
        "You do not have to restart it.",
        "DOMAIN stands for the path.",
        "If you want buildx, install it.",
        "The run was interrupted.",
        "told_once = True",
        "mkosi(wants=1)",
    ],
)
def test_plain_english_is_not(text):
    assert house_style.phrases(text) == []


@pytest.mark.parametrize(
    ("task", "count"),
    [
        ("- name: Create the container", 0),
        ("- name: preflight | Check the host", 0),
        ("- name: Wait for the health check", 0),
        ("- name: Look at the host", 1),
        ("- name: preflight | Tell what there will be", 1),
        ('    - name: "Make the directories"', 1),
    ],
)
def test_the_name_of_a_task_begins_with_a_verb_of_the_list(task, count):
    assert len(house_style.task_names("roles/docker/tasks/main.yml", task)) == count
    assert house_style.task_names("molecule/default/verify.yml", task) == []


LONG = "word " * 24 + "end"


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.md", LONG, 1),
        ("a.md", f"```\n{LONG}\n```\n", 0),
        ("a.md", f"| {LONG} |", 0),
        ("a.md", f"[{'word ' * 10}](https://example.org/{'x' * 90})", 0),
        ("a.md", f"<!-- Made by bin/docs -->\n{LONG}", 0),
        ("a.yml", f"# {LONG[:98]}", 0),
        ("a.yml", f"# {LONG[:99]}", 1),
        ("a.yml", f"- {'x' * 120}", 0),
        ("a.j2", LONG, 1),
        ("bin/a", f"#!/bin/sh\n{LONG}", 1),
        ("a.py", LONG, 0),
    ],
)
def test_a_long_line_is_found_where_it_can_be_broken(name, text, lines):
    assert len(house_style.long_lines(name, text)) == lines
