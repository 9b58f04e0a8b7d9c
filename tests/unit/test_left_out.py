# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables that only a development run creates are reported before the first deploy."""

import pytest
from ansible_collections.flaskops.host.plugins.filter import flask_apps as filters

HEAD = (
    "from flask import Flask\nimport store\nsite = Flask(__name__)\n@site.get('/')\ndef page():"
    " return ''\ndef init_db(): pass\n"
)
MAIN = "if __name__ == '__main__':\n"


@pytest.fixture
def notes(tmp_path):
    def run(text, name="desk.py", **keys):
        (tmp_path / "requirements.txt").write_text("flask\n")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        found = filters.normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}]
        )
        assert found["problems"] == []
        return " ".join(note for note in found["apps"][0]["notes"] if "no server runs" in note)

    return run


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (
            "    with site.app_context():\n        db.create_all()\n    site.run()\n",
            "db: db.create_all()",
        ),
        ("    init_db()\n    site.run()\n", "init_db: init_db()"),
        ("    if not exists():\n        store.create_tables()\n", "store: store.create_tables()"),
    ],
)
def test_the_call_that_creates_the_tables_is_reported_with_its_line(notes, body, written):
    note = notes(HEAD + MAIN + body)
    name, call = written.split(": ")
    command = f"python3 -c 'from desk import site, {name}; site.app_context().push(); {call}'"
    assert note.startswith("desk.py, line ") and note.endswith(f"write release_command: {command}.")
    assert notes(HEAD + MAIN + body, release_command="true") == ""


@pytest.mark.parametrize(
    "body",
    [
        "    site.run()\n",
        "    print('create_all')\n",
        "    store.init_db(site)\n",
        "    create_all\n",
    ],
)
def test_a_development_only_run_is_not_reported(notes, body):
    assert notes(HEAD + MAIN + body) == ""


def test_tables_created_at_import_are_not_reported(notes):
    assert (
        notes(f"{HEAD}with site.app_context():\n    db.create_all()\n{MAIN}    site.run()\n") == ""
    )


def test_a_factory_gives_no_application_to_import(notes):
    text = (
        "from flask import Flask\ndef create_app(): return Flask(__name__)\nif __name__ =="
        " '__main__':\n    db.create_all()\n"
    )
    assert notes(text, "app.py").endswith("write release_command with what does the same.")
