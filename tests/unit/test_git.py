# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sources from Git, with a real git and real repositories."""

import os
import subprocess
import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import git as _git
from entries import normalize_apps


def git(place, *words):
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(
        ["git", *identity, *words], cwd=place, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(place, text):
    (place / "app.py").write_text(text)
    git(place, "add", ".")
    git(place, "commit", "--quiet", "-m", text)
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path):
    """A repository with two commits: the first is tagged v1, the second is on main."""
    place = tmp_path / "origin"
    place.mkdir()
    git(place, "init", "--quiet", "--initial-branch=main")
    (place / "requirements.txt").write_text("flask\n")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("app.py")
    commit(place, "app = 1")
    git(place, "tag", "-a", "v1", "-m", "v1")
    commit(place, "app = 2")
    return place


@pytest.fixture
def repository(origin, tmp_path):
    return _git.Repository(f"file://{origin}", cache=tmp_path / "cache", run="1")


@pytest.fixture
def calls(monkeypatch):
    """The git commands that ran."""
    seen = []
    run = _git.Repository._run

    def spy(self, words, inside, more=None):
        seen.append(words[0])
        return run(self, words, inside, more)

    monkeypatch.setattr(_git.Repository, "_run", spy)
    return seen


@pytest.mark.parametrize(
    ("version", "text"), [("HEAD", "app = 2"), ("main", "app = 2"), ("v1", "app = 1")]
)
def test_a_branch_a_tag_and_the_head_are_fetched(repository, origin, version, text):
    tree, found = repository.checkout(version)
    assert (tree / "app.py").read_text() == text
    assert found == git(origin, "rev-parse", f"{version}^{{commit}}")
    assert os.access(tree / "run.sh", os.X_OK)
    assert (tree / "link").is_symlink()
    assert not (tree / ".git").exists()


@pytest.mark.parametrize("length", [40, 12])
def test_a_commit_that_is_not_the_head_of_a_branch_is_fetched(repository, origin, length):
    first = git(origin, "rev-parse", "v1^{commit}")
    tree, found = repository.checkout(first[:length])
    assert (found, (tree / "app.py").read_text()) == (first, "app = 1")


def test_nothing_is_written_into_the_repository(repository, origin):
    before = sorted((path, path.lstat().st_mtime_ns) for path in origin.rglob("*"))
    repository.checkout("main")
    assert sorted((path, path.lstat().st_mtime_ns) for path in origin.rglob("*")) == before


def test_a_branch_that_moved_is_followed_by_the_next_run(repository, origin):
    repository.checkout("main")
    newer = commit(origin, "app = 3")
    assert repository.checkout("main")[1] != newer, "one run, one commit"
    repository.run = "2"
    tree, found = repository.checkout("main")
    assert (found, (tree / "app.py").read_text()) == (newer, "app = 3")


def test_an_unchanged_branch_costs_one_request_and_a_commit_none(repository, calls):
    _, found = repository.checkout("main")
    repository.run = "2"
    calls.clear()
    repository.checkout("main")
    assert calls == ["ls-remote"]
    calls.clear()
    repository.checkout("main")
    repository.checkout(found)
    assert calls == []


def test_a_rewritten_branch_is_followed(repository, origin):
    repository.checkout("main")
    git(origin, "reset", "--quiet", "--hard", "v1")
    other = commit(origin, "app = 4")
    repository.run = "2"
    assert repository.checkout("main")[1] == other


def test_unused_directories_are_removed(repository, origin):
    old, _ = repository.checkout("v1")
    past = time.time() - _git.KEPT_SECONDS - 1
    os.utime(old, (past, past))
    repository.checkout("main")
    assert not old.exists()


@pytest.mark.parametrize("version", ["nowhere", "abcdef1"])
def test_a_missing_version_is_reported(repository, origin, version):
    with pytest.raises(_git.GitError) as failure:
        repository.checkout(version)
    assert str(failure.value) == f"git: file://{origin} has no branch, tag or commit {version!r}."


def test_a_missing_commit_is_reported(repository, origin):
    with pytest.raises(_git.GitError) as failure:
        repository.checkout("0" * 40)
    assert str(failure.value) == f"git: file://{origin} has no commit {'0' * 40}."


def test_a_missing_repository_is_named_without_its_credentials(tmp_path):
    with pytest.raises(_git.GitError) as failure:
        _git.Repository(
            f"file://user:hunter2@localhost{tmp_path}/none", cache=tmp_path / "cache"
        ).checkout("main")
    text = str(failure.value)
    assert text.startswith(
        f"git: file://***@localhost{tmp_path}/none cannot be read at 'main'; git ls-remote said: "
    )
    assert "hunter2" not in text


def test_ssh_gets_the_key_and_never_prompts(tmp_path, monkeypatch):
    seen = {}

    def run(command, **options):
        seen.update(options)
        return subprocess.CompletedProcess(command, 128, "", "Permission denied (publickey).")

    monkeypatch.setattr(_git.subprocess, "run", run)
    with pytest.raises(_git.GitError) as failure:
        _git.Repository("git@example.org:shop.git", "/keys/my key", tmp_path).checkout("main")
    assert "Permission denied (publickey)." in str(failure.value)
    assert (
        seen["env"]["GIT_SSH_COMMAND"]
        == "ssh -i '/keys/my key' -o IdentitiesOnly=yes -o BatchMode=yes"
    )
    assert (seen["env"]["GIT_TERMINAL_PROMPT"], seen["stdin"]) == ("0", subprocess.DEVNULL)


# --- as an entry of flask_apps --------------------------------------------------------------------


@pytest.fixture
def fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return _git.Checkouts(run="1")


def test_an_application_from_git_is_fetched(fetch, origin, tmp_path):
    apps = [{"name": "shop", "git": {"repo": str(origin), "version": "v1"}, "path": "/"}]
    (app,), problems = normalize_apps(apps, checkout=fetch)
    assert problems == []
    assert app["source"].startswith(f"{tmp_path}/cache/flaskops/git/")
    assert (app["module"], app["build"]["origin"]) == (
        "app",
        f"{origin} at v1 ({app['source'][-40:-28]})",
    )


def test_problems_of_a_repository_are_reported_with_the_others(fetch, origin):
    apps = [
        {"name": "a", "git": {"repo": str(origin), "version": "nowhere"}, "path": "/a"},
        {"name": "b", "git": {"repo": str(origin), "directory": "web"}, "path": "/b"},
        {"name": "c", "git": {"repo": str(origin), "key_file": "/none"}, "path": "/c"},
        {"name": "d", "git": {"repo": "ext::sh -c x"}, "path": "/d"},
        {"name": "e", "git": "x", "path": "/e"},
        "f",
    ]
    _, problems = normalize_apps(apps, checkout=fetch)
    assert problems[0] == f"flask_apps: a: git: {origin} has no branch, tag or commit 'nowhere'."
    assert problems[1].startswith(
        f"flask_apps: b: git: directory is 'web'; there is no such directory in {origin} at HEAD ("
    )
    assert (
        problems[2] == "flask_apps: c: git.key_file is not a file: /none. It starts from"
        " flask_apps_source_root."
    )
    assert problems[3:] == [
        (
            "flask_apps: d: git: repo must be the address of a repository, such as"
            " https://git.example.org/shop.git or git@git.example.org:shop.git; got 'ext::sh -c x'."
        ),
        "flask_apps: e: git must be a dictionary; got 'x'.",
        "flask_apps[5] must be a dictionary with name, source and path; got 'f'.",
    ]


def test_the_defaults_may_name_the_repository(fetch, origin):
    apps, defaults = [{"name": "shop", "path": "/"}], {"git": {"repo": str(origin)}}
    assert normalize_apps(apps, defaults, checkout=fetch)[1] == []


def test_files_of_git_lfs_stay_pointers_on_every_controller(origin, tmp_path, monkeypatch):
    (origin / ".gitattributes").write_text("*.bin filter=lfs\n")
    (origin / "large.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    commit(origin, "large")
    (tmp_path / ".gitconfig").write_text(
        '[filter "lfs"]\n\tprocess = git-lfs-gone filter-process\n\trequired = true\n\tsmudge ='
        " false\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    tree, _ = _git.Repository(f"file://{origin}", cache=tmp_path / "cache", run="1").checkout(
        "main"
    )
    assert (tree / "large.bin").read_text().startswith("version https://git-lfs")


def test_an_unknown_ssh_host_is_reported_with_what_to_do(tmp_path, monkeypatch):
    error = "Host key verification failed.\nfatal: Could not read from remote repository."
    monkeypatch.setattr(
        _git.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 128, "", error),
    )
    with pytest.raises(_git.GitError, match="connect to it once with ssh, or add its key to "):
        _git.Repository("git@example.org:shop.git", "", tmp_path).checkout("main")


def test_nested_trees_are_listed_only_up_to_the_limit_of_a_source(origin, tmp_path):
    blob = git(origin, "hash-object", "-w", "app.py")
    tree = subprocess.run(
        ["git", "mktree"],
        input=f"100644 blob {blob}\tx\n",
        cwd=origin,
        capture_output=True,
        text=True,
    ).stdout.strip()
    for _ in range(5):
        lines = "".join(f"040000 tree {tree}\td{number:02}\n" for number in range(100))
        tree = subprocess.run(
            ["git", "mktree"], input=lines, cwd=origin, capture_output=True, text=True
        ).stdout.strip()
    git(origin, "update-ref", "refs/heads/bomb", git(origin, "commit-tree", "-m", "bomb", tree))
    started = time.monotonic()
    with pytest.raises(
        _git.GitError,
        match="at 'bomb' is too large for a source; it must have at most 200000 files with 4 GB",
    ):
        _git.Repository(f"file://{origin}", cache=tmp_path / "cache", run="1").checkout("bomb")
    assert time.monotonic() - started < 60
