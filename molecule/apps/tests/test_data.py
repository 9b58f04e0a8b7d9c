# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What an application keeps: its new volumes are its own from the start, and no command on the host
was needed.
"""

import json

import pytest
from conftest import APPS, ask, question

APP = APPS["keeps"]
WORD = "kept"


@pytest.fixture(scope="module")
def told(host):
    """What it has after it was told a word, which has to survive its container."""
    words = [
        question(f"{APP.prefix}/keep", method="POST", body=WORD),
        question(f"{APP.prefix}/kept"),
    ]
    kept, found = ask(host, words)
    assert kept.status == 204, kept.body
    return found.json


def test_a_database_on_a_new_volume_was_made_by_the_release_command(told):
    assert WORD in told["volume"]


def test_a_database_and_a_file_beside_the_code_are_written_and_begin_with_those_of_the_source(told):
    assert WORD in told["notes"]
    assert (told["seed"][0], WORD in told["seed"]) == ("first", True)


def test_a_volume_over_a_directory_of_the_image_begins_with_its_files(told):
    assert told["media"] == [f"{WORD}.txt", "logo.txt"]


@pytest.mark.parametrize(
    "volume", ["keeps-data", "keeps-media", "keeps-data-files", "keeps-too-data-files"]
)
def test_the_top_directory_of_a_new_volume_is_its_own(host, volume):
    uids = json.loads(host.file("/var/lib/flaskops/uids.json").content_string)["current"]
    uid = uids["keeps-too" if "too" in volume else "keeps"]
    assert host.check_output(
        "stat -c %%u $(docker volume inspect --format '{{.Mountpoint}}' %s)", volume
    ) == str(uid)


def test_what_the_image_had_stays_as_the_engine_copied_it(host):
    assert (
        host.check_output(
            "stat -c %u $(docker volume inspect --format '{{.Mountpoint}}' keeps-media)/logo.txt"
        )
        == "0"
    )


def test_nothing_that_copied_the_files_is_left(host):
    assert host.check_output("docker ps --all --quiet --filter name=volumes") == ""
