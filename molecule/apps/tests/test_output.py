"""What a failed run prints: the log of each application once, and at the end which application
failed, why, and what to write.
"""

import re

import pytest

PLAIN = {"source": "plain", "path_mode": "script_name", "drain_seconds": 1}
BUILD = "FROM python:3.13-slim-trixie\nRUN echo said-by-the-build; exit 3\n"
AWAY = "FROM registry.invalid/none:1\n"
DYING = "import os\nprint('said-by-the-container', flush=True)\nos.environ['NO_SUCH_NAME']\n"


@pytest.fixture(scope="module")
def run(deploy, tmp_path_factory):
    """One run in which a release command, a container, a build and a registry fail."""
    sources = {
        "dying": ("app.py", DYING),
        "build": ("Dockerfile", BUILD),
        "away": ("Dockerfile", AWAY),
    }
    entries = []
    for name, (file, text) in sources.items():
        place = tmp_path_factory.mktemp(name)
        (place / "requirements.txt").write_text("flask==3.1.3\n")
        (place / "app.py").write_text("app = 1\n")
        (place / file).write_text(text)
        own = (
            {"dockerfile": "Dockerfile", "port": 80}
            if file == "Dockerfile"
            else {"module": "app", "callable": "app"}
        )
        entries.append(
            {"name": f"says-{name}", "source": str(place), "path": f"/says-{name}", **own}
        )
    command = {
        **PLAIN,
        "name": "says-command",
        "path": "/says-command",
        "release_command": "echo said-by-the-command; exit 3",
    }
    found = deploy(*entries, command)
    assert found.code != 0
    return found


@pytest.mark.parametrize("who", ["build", "command", "container"])
def test_the_output_of_an_application_is_printed_once(run, who):
    lines = [
        line
        for line in run.output.splitlines()
        if re.search(rf"^\s*(log: )?(#\d+ )?(\d+\.\d+ )?said-by-the-{who}\b", line)
    ]
    assert len(lines) == 1, run.output


def last_message(run):
    return run.output[run.output.rindex("fatal: ") : run.output.index("PLAY RECAP")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("says-dying", "Its log says: KeyError: 'NO_SUCH_NAME'"),
        ("says-build", "exit code: 3"),
        ("says-command", "exit code 3. The new release was not started."),
        ("says-away", "This host does not reach the registry registry.invalid."),
    ],
)
def test_the_last_message_names_the_application_and_the_reason(run, name, words):
    parts = [part for part in re.split(r"\n\s*\n", last_message(run)) if f"{name}: release" in part]
    assert len(parts) == 1
    assert words in " ".join(parts[0].split())


def test_the_last_message_has_no_log(run):
    assert not re.search(r"^\s*said-by-the-container", last_message(run), re.MULTILINE)
