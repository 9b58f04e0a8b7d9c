# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The source of an application: what belongs to it, its digest, its archive."""

import io
import os
import shutil
import tarfile

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.source import (
    source_digest,
    source_files,
    write_context,
)


@pytest.fixture
def source(tmp_path):
    place = tmp_path / "source"
    (place / "static/css").mkdir(parents=True)
    (place / "app.py").write_text("app = 1\n")
    (place / "requirements.txt").write_text("flask\n")
    (place / "static/css/site.css").write_text("a {}\n")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("app.py")
    return place


def archive(source, extra=None, below="app/"):
    target = io.BytesIO()
    write_context(target, str(source), extra or {}, below)
    return target.getvalue()


def put(source, name, text=""):
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_text(text)


# --- the files of a source ------------------------------------------------------------------------


def test_files_come_sorted_and_without_directories(source):
    assert list(source_files(str(source))) == [
        "app.py",
        "link",
        "requirements.txt",
        "run.sh",
        "static/css/site.css",
    ]


@pytest.mark.parametrize(
    "name",
    [
        ".git/HEAD",
        "__pycache__/app.pyc",
        "a/__pycache__/x.pyc",
        "old.pyc",
        "a/b.pyc",
        ".venv/bin/python",
        "a/.pytest_cache/x",
    ],
)
def test_files_that_never_belong_to_the_source_are_left_out(source, name):
    before = source_digest(str(source))
    put(source, name, "x")
    assert name not in source_files(str(source))
    assert source_digest(str(source)) == before


def test_no_user_pattern_includes_files_that_never_belong_to_the_source(source):
    put(source, ".git/config", "https://user:password@example.com")
    put(source, ".dockerignore", "!.git\n!.git/**\n")
    assert ".git/config" not in source_files(str(source))


@pytest.mark.parametrize(
    ("patterns", "gone", "kept"),
    [
        ("notes.md", "notes.md", "docs/notes.md"),
        ("/notes.md", "notes.md", "docs/notes.md"),
        ("**/*.md", "docs/notes.md", "notes.txt"),
        ("docs", "docs/notes.md", "notes.md"),
        ("docs/", "docs/notes.md", "notes.md"),
        ("*.md\n!keep.md", "notes.md", "keep.md"),
        ("# notes.md\n\nother.md", "other.md", "notes.md"),
        ("  notes.md  ", "notes.md", "docs/notes.md"),
        ("note?.md", "notes.md", "note.md"),
    ],
)
def test_dockerignore_excludes_files(source, patterns, gone, kept):
    put(source, gone, "x")
    put(source, kept, "x")
    put(source, ".dockerignore", patterns)
    files = list(source_files(str(source)))
    assert gone not in files
    assert kept in files


def test_an_ignored_file_does_not_change_the_digest(source):
    put(source, ".dockerignore", "*.log\n")
    before = source_digest(str(source))
    put(source, "today.log", "x")
    assert source_digest(str(source)) == before


def test_sockets_and_pipes_are_left_out(source):
    os.mkfifo(source / "pipe")
    assert "pipe" not in source_files(str(source))


# --- the digest -----------------------------------------------------------------------------------


def test_a_copy_has_the_same_digest(source, tmp_path):
    copy = shutil.copytree(source, tmp_path / "copy", symlinks=True)
    assert source_digest(str(copy)) == source_digest(str(source))


def test_irrelevant_times_and_modes_do_not_change_the_digest(source):
    before = source_digest(str(source))
    os.utime(source / "app.py", (1, 1))
    (source / "app.py").chmod(0o600)
    (source / "empty").mkdir()
    assert source_digest(str(source)) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda place: (place / "app.py").write_text("app = 2\n"),
        lambda place: (place / "app.py").rename(place / "main.py"),
        lambda place: (place / "app.py").chmod(0o755),
        lambda place: (place / "new.py").write_text(""),
        lambda place: (place / "static/css/site.css").unlink(),
        lambda place: ((place / "link").unlink(), (place / "link").symlink_to("run.sh")),
        lambda place: ((place / "link").unlink(), (place / "link").write_text("app.py")),
        lambda place: (place / ".dockerignore").write_text("app.py"),
    ],
    ids=[
        "a byte",
        "a name",
        "executable",
        "one more",
        "one less",
        "where a link leads",
        "link or file",
        "one ignored",
    ],
)
def test_everything_else_changes_the_digest(source, change):
    before = source_digest(str(source))
    change(source)
    assert source_digest(str(source)) != before


def test_moving_content_between_files_changes_the_digest(tmp_path):
    digests = set()
    for number, files in enumerate(
        ({"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "12", "b": ""}, {"ab": "12"})
    ):
        for name, text in files.items():
            put(tmp_path / str(number), name, text)
        digests.add(source_digest(str(tmp_path / str(number))))
    assert len(digests) == 4


# --- the archive ----------------------------------------------------------------------------------


def test_the_archive_is_identical_wherever_it_is_created(source, tmp_path):
    first = archive(source, {"Dockerfile": "FROM scratch\n"})
    copy = shutil.copytree(source, tmp_path / "copy", symlinks=True)
    os.utime(copy / "app.py", (1, 1))
    assert archive(copy, {"Dockerfile": "FROM scratch\n"}) == first


def test_the_archive_has_the_source_below_app_and_further_files_beside_it(source):
    with tarfile.open(
        fileobj=io.BytesIO(archive(source, {"Dockerfile": "FROM scratch\n"}))
    ) as opened:
        members = {member.name: member for member in opened}
        assert opened.extractfile("Dockerfile").read() == b"FROM scratch\n"
        assert opened.extractfile("app/app.py").read() == b"app = 1\n"
    assert sorted(members) == [
        "Dockerfile",
        "app/app.py",
        "app/link",
        "app/requirements.txt",
        "app/run.sh",
        "app/static/css/site.css",
    ]
    assert members["app/link"].issym()
    assert members["app/link"].linkname == "app.py"
    assert (members["app/run.sh"].mode, members["app/app.py"].mode) == (0o755, 0o644)
    assert {
        (member.uid, member.gid, member.uname, member.gname) for member in members.values()
    } == {(0, 0, "", "")}


def test_the_time_of_a_file_is_derived_from_its_content(source):
    """Nginx and the build cache compare times: an unchanged file has the same time in every
    release, a changed one another time.
    """

    def times():
        with tarfile.open(fileobj=io.BytesIO(archive(source))) as opened:
            return {member.name: member.mtime for member in opened}

    before = times()
    (source / "app.py").write_text("app = 2\n")
    after = times()
    assert before.pop("app/app.py") != after.pop("app/app.py")
    assert before == after


def test_a_source_can_be_the_root_of_the_context(source):
    with tarfile.open(fileobj=io.BytesIO(archive(source, below=""))) as opened:
        assert "app.py" in opened.getnames()


def test_long_and_non_ascii_names_are_kept(source):
    names = ["größe.txt", f"{'long/' * 40}name.txt"]
    for name in names:
        put(source, name, "x")
    with tarfile.open(fileobj=io.BytesIO(archive(source))) as opened:
        assert {f"app/{name}" for name in names} <= set(opened.getnames())
