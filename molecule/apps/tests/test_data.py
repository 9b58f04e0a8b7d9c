# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The data of an application: it owns its new volumes from the start, without any command on the
host.
"""

import json

import pytest
from conftest import APPS, ask, question

APP = APPS["keeps"]
WORD = "kept"


@pytest.fixture(scope="module")
def kept(host):
    """What it has after it has received a word, which must survive its container."""
    words = [
        question(f"{APP.prefix}/keep", method="POST", body=WORD),
        question(f"{APP.prefix}/kept"),
    ]
    answer, found = ask(host, words)
    assert answer.status == 204, answer.body
    return found.json


def test_a_database_on_a_new_volume_was_created_by_the_release_command(kept):
    assert WORD in kept["volume"]


def test_a_database_and_a_file_beside_the_code_are_writable_and_start_with_the_sources_content(
    kept,
):
    assert WORD in kept["notes"]
    assert (kept["seed"][0], WORD in kept["seed"]) == ("first", True)


def test_a_volume_over_a_directory_of_the_image_starts_with_its_files(kept):
    assert kept["media"] == [f"{WORD}.txt", "logo.txt"]


@pytest.mark.parametrize(
    "volume", ["keeps-data", "keeps-media", "keeps-data-files", "keeps-too-data-files"]
)
def test_the_top_directory_of_a_new_volume_is_its_own(host, volume):
    uids = json.loads(host.file("/var/lib/flaskops/uids.json").content_string)["current"]
    uid = uids["keeps-too" if "too" in volume else "keeps"]
    assert host.check_output(
        "stat -c %%u $(docker volume inspect --format '{{.Mountpoint}}' %s)", volume
    ) == str(uid)


def test_the_files_of_the_image_keep_the_owner_with_which_the_engine_copied_them(host):
    assert (
        host.check_output(
            "stat -c %u $(docker volume inspect --format '{{.Mountpoint}}' keeps-media)/logo.txt"
        )
        == "0"
    )


def test_no_container_that_copied_the_files_is_left(host):
    assert host.check_output("docker ps --all --quiet --filter name=volumes") == ""
