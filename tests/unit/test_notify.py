# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that gets events: real processes."""

import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import notify

EVENT = notify.event("release_failed", "it did not start\npassword=secret", app="shop", to="1")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the program must belong to root")


@pytest.fixture
def place():
    """A directory that nobody but root can change, as /tmp is not."""
    directory = Path(f"/var/lib/flaskops-test-{os.getpid()}")
    directory.mkdir(mode=0o755)
    yield directory
    subprocess.run(["rm", "-rf", directory], check=True)


@pytest.fixture
def program(place):
    def write(text, mode=0o755, name="notify"):
        path = place / name
        path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return str(path)

    return write


def test_an_event_is_one_line_of_json_without_secrets(program, place):
    path = program(f"cat > {place}/out; env | sort > {place}/env; echo $# > {place}/count; pwd >&2")
    os.environ["FLASKOPS_TEST_SECRET"] = "x"
    assert notify.send(path, [EVENT]) == []
    [line] = (place / "out").read_text().splitlines()
    got = json.loads(line)
    assert got == EVENT
    assert (got["version"], got["event"], got["app"]) == (1, "release_failed", "shop")
    assert got["reason"] == "it did not start"
    assert (place / "count").read_text() == "0\n"
    names = {line.partition("=")[0] for line in (place / "env").read_text().splitlines()}
    assert names <= {"HOME", "LC_ALL", "PATH", "PWD", "SHLVL", "_", "OLDPWD"}


def test_a_reason_has_no_control_characters_and_an_end():
    assert notify.event("x", "a\x1b[31mb")["reason"] == "a\\x1b[31mb"
    assert len(notify.event("x", "a" * 5000)["reason"]) == notify.REASON_LENGTH
    assert notify.event("x")["reason"] == ""


def test_without_a_program_or_an_event_nothing_runs(place):
    assert notify.send("", [EVENT]) == []
    [words] = notify.send(str(place / "missing"), [])
    assert "gets no events: No such file" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exit 1", "ended with 1"),
        ("kill -9 $$", "died of signal 9"),
        ("exec <&-; exit 0", ""),
        ("exit 0", ""),  # it does not read
        ("head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2", ""),
        ("#!/nonexistent/interpreter\n", "could not be run: No such file or directory"),
        ("#!/bin/sh -e\nfalse\n", "ended with 1"),
    ],
)
def test_whatever_it_does_is_a_sentence(program, text, words):
    path, begun = program(text), time.monotonic()
    found = notify.send(path, [EVENT])
    assert found == ([f"{path} got the event release_failed and {words}"] if words else [])
    assert time.monotonic() - begun < 8


def runs(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def left(pids):
    """Which of them run; one that was killed takes a moment."""
    there, end = list(pids), time.monotonic() + 20
    while there and time.monotonic() < end:
        there = [pid for pid in there if runs(pid)]
        time.sleep(0.02)
    return there


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sleep 60 & echo $! >> pids; sleep 61", "was killed after 1 seconds"),
        ("trap '' TERM INT HUP; sleep 60 & echo $! >> pids; wait", "was killed after 1 seconds"),
        ("sleep 60 & echo $! >> pids", ""),  # its child stays
        ("kill -STOP $$", "was killed after 1 seconds"),
    ],
)
def test_it_is_killed_with_its_children(program, place, monkeypatch, text, words):
    monkeypatch.setattr(notify, "SECONDS", 1.0)
    path, begun = program(text.replace(">> pids", f">> {place}/pids")), time.monotonic()
    found = notify.send(path, [EVENT, {**EVENT, "app": "blog"}, {**EVENT, "app": "wiki"}])
    assert found == ([f"{path} got the event release_failed and {words}"] * 3 if words else [])
    assert time.monotonic() - begun < 5  # all at once
    if (place / "pids").exists():
        assert not left((place / "pids").read_text().split())


def test_a_fork_bomb_of_its_group_ends(program, monkeypatch, place):
    monkeypatch.setattr(notify, "SECONDS", 1.0)
    path = program(f"for n in 1 2 3 4 5 6 7 8; do (sleep 60; : {place}) & done; sleep 60")
    assert notify.send(path, [EVENT])
    found = subprocess.run(["pgrep", "-f", str(place)], capture_output=True, text=True).stdout
    assert not left(found.split())


def refusals(place, path):
    """How to spoil a good program, and the message."""
    return {
        "group": (lambda: path.chmod(0o775), f"{path} must be writable by root alone; its mode is"),
        "others": (lambda: path.chmod(0o757), "its mode is 0757 (chmod go-w "),
        "plain": (lambda: path.chmod(0o644), f"{path} must be executable (chmod 0755 {path})"),
        "owner": (
            lambda: os.chown(path, 1234, 0),
            f"{path} must belong to root; its owner is 1234",
        ),
        "directory": (lambda: place.chmod(0o777), f"{place} must be writable by root alone"),
        "sticky": (lambda: place.chmod(0o1777), f"{place} must be writable by root alone"),
        "directory's owner": (lambda: os.chown(place, 1234, 0), f"{place} must belong to root"),
        "missing": (path.unlink, "No such file or directory"),
        "not a file": (lambda: (path.unlink(), path.mkdir()), f"{path} must be a file"),
        "a pipe": (lambda: (path.unlink(), os.mkfifo(path)), f"{path} must be"),
    }


@pytest.mark.parametrize("kind", refusals(Path(), Path()))
@pytest.mark.parametrize("linked", [False, True])
def test_a_program_that_others_can_change_is_refused(program, place, kind, linked):
    path = Path(program(f"echo ran > {place}/ran"))
    asked = path
    if linked:
        asked = Path(f"{place}.link")
        asked.symlink_to(path)
    spoil, words = refusals(place, path)[kind]
    try:
        assert notify.problem(str(asked)) == ""
        spoil()
        [found] = notify.send(str(asked), [EVENT])
        assert found.startswith(f"{asked} gets no events: ") and words in found
        assert found == notify.problem(str(asked))
        assert not (place / "ran").exists()
    finally:
        if linked:
            asked.unlink()


@pytest.mark.parametrize("text", ["notify", "./notify", "~/notify", "/bin/../../tmp/x"])
def test_a_path_that_is_not_one_is_refused(text):
    assert notify.problem(text).startswith(f"{text} gets no events: ")


def test_links_are_followed_step_by_step(program, place):
    """A link in a directory that others may write to is refused, whatever it leads to."""
    path = program("exit 0")
    open_directory = place / "open"
    open_directory.mkdir()
    (open_directory / "link").symlink_to(path)
    (place / "first").symlink_to("open/link")
    assert notify.problem(str(place / "first")) == ""
    open_directory.chmod(0o777)
    assert f"{open_directory} must be writable" in notify.problem(str(place / "first"))
    (place / "loop").symlink_to("loop")
    assert "too many links" in notify.problem(str(place / "loop"))
    os.lchown(place / "first", 1234, 0)
    assert f"{place}/first must belong to root" in notify.problem(str(place / "first"))
