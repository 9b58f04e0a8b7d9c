# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trees that an application may leave behind: no depth, name, mode or number prevents their
removal, and nothing outside is touched.
"""

import errno
import fcntl
import os
import resource
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import trees

AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root is not stopped by modes and may make devices"
)


def dig(top: Path, depth: int, name: str = "d") -> None:
    """Nested directories; the path of the last one is longer than the limit of the kernel."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        here, above = os.open(name, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def deep(top: Path) -> None:
    dig(top, 2200)


def deep_with_long_names(top: Path) -> None:
    dig(top, 500, "d" * 255)


def names_that_are_no_text(top: Path) -> None:
    for name in (
        b"\xff\xfe",
        b"\n",
        b"-rf",
        b"*",
        b"\x1b[31m",
        b"a" * 255,
        "ä".encode() * 127,
        b"\\",
        b" ",
    ):
        os.mkdir(os.fsencode(top) + b"/" + name)
        os.close(os.open(os.fsencode(top) + b"/" + name + b"/" + name, os.O_CREAT | os.O_WRONLY))


def links(top: Path) -> None:
    (top / "loop").symlink_to(".")
    (top / "nowhere").symlink_to("missing")
    (top / "away").symlink_to(top.parents[1] / "precious")
    (top / "d").mkdir()
    (top / "d/up").symlink_to("../..")
    os.link(top.parents[1] / "precious/file", top / "d/hard")


def no_files(top: Path) -> None:
    os.mkfifo(top / "fifo")
    where = os.getcwd()
    os.chdir(top)
    try:
        socket.socket(socket.AF_UNIX).bind("socket")
    finally:
        os.chdir(where)


def wide(top: Path) -> None:
    branches(top, 300)


def branches(top: Path, count: int = 30) -> None:
    for number in range(count):
        (top / f"{number}/a/b").mkdir(parents=True)
        (top / f"{number}/a/file").touch()


def closed(top: Path) -> None:
    (top / "a/b/c").mkdir(parents=True)
    (top / "a/b/file").touch(0)
    for path in ("a/b/c", "a/b", "a"):
        (top / path).chmod(0)


def devices(top: Path) -> None:
    os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (top / "d").mkdir()
    os.mknod(top / "d/loop", stat.S_IFBLK | 0o666, os.makedev(7, 0))


HOSTILE = [
    deep,
    deep_with_long_names,
    names_that_are_no_text,
    links,
    no_files,
    wide,
    pytest.param(closed, marks=AS_ROOT),
    pytest.param(devices, marks=AS_ROOT),
]


@pytest.fixture
def precious(tmp_path):
    """A file outside, which must still exist afterwards."""
    (tmp_path / "precious/directory").mkdir(parents=True)
    (tmp_path / "precious/file").write_text("precious")
    yield tmp_path / "precious"
    assert (tmp_path / "precious/file").read_text() == "precious"
    assert (tmp_path / "precious/directory").is_dir()


@pytest.fixture
def tree(tmp_path, precious):
    """A directory of the application inside a directory of root."""
    path = tmp_path / "apps/spool"
    path.mkdir(parents=True)
    yield path
    subprocess.run(
        ["rm", "-rf", tmp_path / "apps"], check=True
    )  # the cleanup of pytest is recursive


def left(root: Path) -> list[str]:
    return os.listdir(root / "apps/.trash")


@pytest.mark.parametrize("make", HOSTILE)
def test_a_tree_is_moved_to_the_trash_and_deleted(tmp_path, tree, make):
    make(tree)
    trees.put_away(tree, str(tmp_path))
    assert not os.path.lexists(tree)
    assert not trees.is_clean(str(tmp_path))
    assert trees.sweep(str(tmp_path), seconds=60) == []  # the tests of its limit are below
    assert trees.is_clean(str(tmp_path))


@pytest.mark.parametrize("make", HOSTILE)
def test_a_tree_is_deleted_in_place(tree, make):
    make(tree)
    trees.delete(tree)
    assert not os.path.lexists(tree)
    trees.delete(tree)


@pytest.mark.parametrize("make", HOSTILE)
def test_a_directory_is_emptied_and_keeps_its_attributes(tmp_path, tree, make):
    tree.chmod(0o2750)
    make(tree)
    assert trees.empty(tree, str(tmp_path))
    assert os.listdir(tree) == []
    assert stat.S_IMODE(tree.stat().st_mode) == 0o2750
    assert not trees.empty(tree, str(tmp_path))


@pytest.mark.parametrize("make", HOSTILE)
def test_a_tree_is_measured(tree, make):
    make(tree)
    found = trees.size([tree], 30)
    assert found.whole
    du = subprocess.run(["du", "-sxB1", tree], capture_output=True, text=True).stdout
    hard = (
        (tree / "d/hard").stat().st_blocks * 512 if make is links else 0
    )  # du does not see the name outside
    assert (
        found.bytes == int(du.split()[0]) - tree.stat().st_blocks * 512 - hard // 2
    )  # the directory itself belongs to root


def test_a_missing_directory_is_not_an_error(tmp_path):
    (tmp_path / "apps").mkdir()
    (tmp_path / "link").symlink_to("missing")
    (tmp_path / "file").touch()
    for name in ("missing", "link", "file"):
        assert not trees.empty(tmp_path / name, str(tmp_path))
        assert trees.size([tmp_path / name], 1) == (0, True)
        trees.put_away(tmp_path / name, str(tmp_path))
        assert not os.path.lexists(tmp_path / name)
    assert trees.sweep(str(tmp_path)) == []
    assert left(tmp_path) == []
    assert trees.is_clean(str(tmp_path / "missing"))
    assert trees.sweep(str(tmp_path / "missing")) == []


def test_many_files_are_deleted_within_the_budget_and_the_next_run_continues(tmp_path, tree):
    for number in range(20_000):
        os.close(os.open(tree / str(number), os.O_CREAT | os.O_WRONLY))
    start = time.monotonic()
    trees.put_away(tree, str(tmp_path))
    assert time.monotonic() - start < 0.1
    start, found = time.monotonic(), 0.0
    trees.sweep(str(tmp_path), 0.05)
    assert time.monotonic() - start < 0.45
    remaining = len(os.listdir(tmp_path / "apps/.trash" / left(tmp_path)[0]))
    assert 0 < remaining < 20_000
    while not trees.is_clean(str(tmp_path)):
        trees.sweep(str(tmp_path), 0.5)
        found += 1
        assert found < 100


@pytest.mark.long
def test_many_directories_cost_no_memory(tmp_path, tree, root):
    """A separate process, to measure its peak; with names that take Python twice their length."""
    for number in range(55_000):
        os.mkdir(os.fsencode(tree) + b"/" + b"\xff" * 245 + str(number).encode())
    program = (
        "import resource, sys, pathlib\n"
        f"from {trees.__name__.rpartition('.')[0]} import trees\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = peak()\n"
        "print(trees.size([pathlib.Path(sys.argv[1])], 600).whole, peak() - before)\n"
        "trees.put_away(pathlib.Path(sys.argv[1]), sys.argv[2]); trees.sweep(sys.argv[2], 600)\n"
        "print(trees.is_clean(sys.argv[2]), peak() - before)\n"
    )
    place = {**os.environ, "PYTHONPATH": str(root / "collections")}
    done = subprocess.run(
        [sys.executable, "-c", program, tree, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        env=place,
    )
    (whole, walked), (clean, swept) = (line.split() for line in done.stdout.splitlines())
    assert (whole, clean) == ("False", "True")
    assert int(walked) < 50
    assert int(swept) < 50


def test_two_file_descriptors_are_enough(tmp_path, tree):
    deep(tree)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, before[1]))
    try:
        assert trees.size([tree], 10).whole
        trees.delete(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not tree.exists()


@pytest.fixture
def swapping(tmp_path, tree, precious):
    """A running program of the application: it creates directories and replaces them with links to
    foreign paths.
    """
    end, rounds = threading.Event(), [0]

    def swap():
        while not end.is_set():
            rounds[0] += 1
            for number in range(20):
                try:
                    (tree / f"{number}/in").mkdir(parents=True, exist_ok=True)
                    (tree / f"{number}/in/file").touch()
                    os.rename(tree / f"{number}", tree / f"was{number}")
                    (tree / f"{number}").symlink_to(precious)
                    (tree / f"was{number}/link").symlink_to(precious)
                    os.rename(tree / f"was{number}/in", tree / f"moved{number}")
                    os.unlink(tree / f"{number}")
                except OSError:
                    continue

    thread = threading.Thread(target=swap)
    thread.start()
    yield rounds
    end.set()
    thread.join()


def test_links_that_replace_directories_meanwhile_are_not_followed(
    tmp_path, tree, precious, swapping
):
    for name in ("a", "b", "c"):
        (precious / name).mkdir()
        (precious / name / "file").touch()
    begin, enough = time.monotonic(), False
    while not enough:  # the other thread gets little of a busy processor
        seconds = time.monotonic() - begin
        enough = seconds > 3 and swapping[0] > 10
        assert seconds < 60
        trees.size([tree], 0.2)
        try:
            trees.delete(tree, 0.2)
        except OSError:
            continue
    assert all((precious / name / "file").exists() for name in ("a", "b", "c"))


def test_a_walk_up_into_a_moved_directory_ends(tmp_path, tree, monkeypatch):
    (tree / "a/b/c").mkdir(parents=True)
    real = os.open

    def moved(path, *arguments, **more):
        if path == "..":
            monkeypatch.setattr(os, "open", real)
            os.rename(tree / "a/b/c", tmp_path / "c")
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", moved)
    assert not trees.size([tree], 5).whole


def test_only_one_run_at_a_time_deletes_the_trash(tmp_path, tree):
    branches(tree)
    trees.put_away(tree, str(tmp_path))
    handle = os.open(tmp_path / "apps/.trash", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert trees.sweep(str(tmp_path)) == []
    assert len(left(tmp_path)) == 1
    os.close(handle)
    trees.sweep(str(tmp_path))
    assert trees.is_clean(str(tmp_path))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EROFS, errno.EBUSY, errno.EIO])
def test_files_that_cannot_be_deleted_are_reported(tmp_path, tree, monkeypatch, number):
    """For example an immutable file: the attribute needs a capability that no container has."""
    branches(tree)
    (tree / "7/a/kept").touch()
    real = os.unlink

    def unlink(name, **more):
        if name == "kept":
            raise OSError(number, os.strerror(number))
        real(name, **more)

    monkeypatch.setattr(os, "unlink", unlink)
    trees.put_away(tree, str(tmp_path))
    (problem,) = trees.sweep(str(tmp_path))
    assert f"'kept' ({os.strerror(number)})" in problem
    assert "chattr -R -i" in problem
    assert [
        name for _path, _dirs, files in os.walk(tmp_path / "apps/.trash") for name in files
    ] == ["kept"]
    assert len(left(tmp_path)) == 1
    monkeypatch.undo()
    assert trees.sweep(str(tmp_path)) == []
    assert trees.is_clean(str(tmp_path))


@pytest.mark.parametrize("number", trees.IN_PLACE)
def test_a_tree_that_cannot_be_moved_is_deleted_in_place(tmp_path, tree, monkeypatch, number):
    """A separate mount, or a disk without space for another directory."""
    branches(tree)
    real = os.rename

    def rename(path, target, **more):
        if path == tree:
            raise OSError(number, os.strerror(number))
        real(path, target, **more)

    monkeypatch.setattr(os, "rename", rename)
    assert trees.empty(tree, str(tmp_path))
    assert os.listdir(tree) == []
    branches(tree)
    trees.put_away(tree, str(tmp_path))
    assert not tree.exists()


@pytest.fixture
def mounted(tmp_path):
    """A directory mounted at another path, as a bind mount of the same file system."""

    def mount(source: Path, place: Path) -> None:
        done = subprocess.run(["mount", "--bind", source, place], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no mounts here: {done.stderr.strip()}")

    yield mount
    # The mount moves with its parent directory.
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if (place := line.split()[4]).startswith(f"{tmp_path}/"):
            subprocess.run(["umount", place], check=True)


@AS_ROOT
def test_mounts_inside_a_tree_are_left_alone(tmp_path, tree, precious, mounted):
    branches(tree)
    mounted(precious, tree / "7/a/b")
    assert trees.size([tree], 5).whole
    with pytest.raises(OSError, match=r"'b' \(Device or resource busy\)"):
        trees.delete(tree)


@AS_ROOT
def test_a_mount_point_itself_is_emptied_and_stays(tmp_path, tree, mounted):
    branches(tmp_path / "apps/spool")
    (tmp_path / "mounted").mkdir()
    mounted(tree, tmp_path / "mounted")
    assert trees.empty(tmp_path / "mounted", str(tmp_path))
    assert os.listdir(tree) == []


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (trees.Size(0, True), "0 B"),
        (trees.Size(999, True), "999 B"),
        (trees.Size(4096, True), "4.1 kB"),
        (trees.Size(1_234_567_890, False), ">1.2 GB"),
        (trees.Size(5 * 10**15, True), "5000.0 TB"),
    ],
)
def test_a_size_is_shown_with_a_unit(size, words):
    assert str(size) == words
