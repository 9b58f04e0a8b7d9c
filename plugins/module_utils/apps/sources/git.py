# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources from Git repositories, fetched on the controller into the cache of this collection, one
directory for each commit.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from ...host.shown import shown
from ...inputs.options import hidden
from ...releases.app import Git
from .source import ENTRIES, SOURCE_BYTES, size

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
SHORT = re.compile(r"[0-9a-f]{7,63}")
KEPT_SECONDS = 30 * 24 * 3600  # an unused directory is removed after that
RUN_SECONDS = 3600


class GitError(Exception):
    """The repository cannot be read; the text has the repository, the version and the message of
    Git.
    """


def cache_directory(environment: Mapping[str, str] | None = None) -> Path:
    """Where checkouts are kept: C(flaskops/git) below XDG_CACHE_HOME or ~/.cache."""
    values = os.environ if environment is None else environment
    return Path(values.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "flaskops/git")


class Checkouts:
    """What the entries of one flask_apps name; each version of a repository is fetched once. An
    error is a problem beside the others.

    Args:
        run: names the run of Ansible.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.known: dict[tuple[str, ...], dict[str, str]] = {}

    def __call__(self, git: Git) -> dict[str, str]:
        """The C(path) and C(origin) (the commit in words) of a complete C(git), or the C(problem)
        as a sentence.
        """
        key = (git.repo, git.version, git.key_file)
        if key not in self.known:
            self.known[key] = _checkout(git, self.run)
        return self.known[key]


def _checkout(git: Git, run: str) -> dict[str, str]:
    try:
        path, commit = Repository(git.repo, git.key_file, run=run).checkout(git.version)
    except (GitError, OSError) as error:
        return {"problem": str(error)}
    return {
        "path": str(path),
        "origin": f"{hidden(git.repo)} at {git.version} ({commit[:12]})",
    }


class Repository:
    """One repository in the cache.

    Args:
        repo: its address.
        key_file: of the private key for SSH; "" for the default of ssh. cache: the directory of the
        cache. run: names the run of Ansible; within one, a branch is asked for once, so that all
        hosts get the same commit.
    """

    def __init__(
        self, repo: str, key_file: str = "", cache: Path | None = None, run: str = ""
    ) -> None:
        self.repo, self.key_file, self.run = repo, key_file, run
        self.place = (cache or cache_directory()) / sha256(repo.encode()).hexdigest()[:16]
        self.bare = self.place / "repository"

    def checkout(self, version: str) -> tuple[Path, str]:
        """The directory with the files of a version, and its commit. Nothing is written into the
        repository.
        """
        with self._lock():
            commit = version if COMMIT.fullmatch(version) else self._resolve(version)
            tree = self.place / commit
            if tree.is_dir():
                os.utime(tree)
            else:
                self._fetch(commit, version)
                self._measure(commit, version)
                self._unpack(commit, tree)
                self._forget(tree)
            return tree, commit

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.place / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _resolve(self, version: str) -> str:
        """The commit of a branch, a tag or a short commit, with one request to the repository."""
        file = self.place / "asked.json"
        try:
            asked = json.loads(file.read_text())
            if (
                self.run
                and asked["run"] == self.run
                and time.time() - asked["time"] < RUN_SECONDS
                and version in asked["commits"]
            ):
                return str(asked["commits"][version])
        except (OSError, ValueError, KeyError, TypeError):
            asked = {}
        names = (
            ["HEAD"]
            if version == "HEAD"
            else [f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}"]
        )
        lines = self._git("ls-remote", "--", self.repo, *names, version=version).splitlines()
        found = {
            name: commit for commit, name in (line.split("\t") for line in lines if "\t" in line)
        }
        commit = next((found[name] for name in names if name in found), "")
        if not commit and SHORT.fullmatch(version):
            commit = self._long(version)
        if not commit:
            raise GitError(f"git: {hidden(self.repo)} has no branch, tag or commit {version!r}.")
        commits = asked.get("commits", {}) if asked.get("run") == self.run else {}
        file.write_text(
            json.dumps(
                {"run": self.run, "time": time.time(), "commits": {**commits, version: commit}}
            )
        )
        return commit

    def _long(self, short: str) -> str:
        self._all(short)
        return self._git(
            "rev-parse",
            "--verify",
            "--quiet",
            f"{short}^{{commit}}",
            inside=True,
            version=short,
            check=False,
        ).strip()

    def _fetch(self, commit: str, version: str) -> None:
        self._init()
        if self._has(commit):
            return
        # Not every server sends a commit by its id; all send branches and tags.
        wanted = commit if version == commit else version
        self._git(
            "fetch",
            "--quiet",
            "--depth",
            "1",
            "--no-tags",
            "--",
            self.repo,
            wanted,
            inside=True,
            version=version,
            check=False,
        )
        if not self._has(commit):
            self._all(version)
        if not self._has(commit):
            raise GitError(f"git: {hidden(self.repo)} has no commit {commit}.")

    def _all(self, version: str) -> None:
        self._init()
        shallow = ["--unshallow"] if (self.bare / "shallow").exists() else []
        references = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        self._git(
            "fetch",
            "--quiet",
            "--force",
            "--no-tags",
            *shallow,
            "--",
            self.repo,
            *references,
            inside=True,
            version=version,
        )

    def _has(self, commit: str) -> bool:
        words = ("cat-file", "-e", f"{commit}^{{tree}}")
        return self._run(words, inside=True).returncode == 0

    def _init(self) -> None:
        if not (self.bare / "HEAD").exists():
            self._git("init", "--quiet", "--bare", str(self.bare))

    def _measure(self, commit: str, version: str) -> None:
        """Refuse a source that is too large before it is unpacked or completely listed: a few
        nested trees may have a billion entries.
        """
        command, environment = self._command(("ls-tree", "-r", "-l", commit), inside=True)
        count = total = 0
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
        ) as process:
            for line in process.stdout or ():
                size_of = line.split(b"\t")[0].split()[-1]
                count, total = count + 1, total + (int(size_of) if size_of.isdigit() else 0)
                if count > ENTRIES or total > SOURCE_BYTES:
                    process.kill()
                    most = f"it must have at most {ENTRIES} files with {size(SOURCE_BYTES)}"
                    raise GitError(
                        f"git: {hidden(self.repo)} at {version!r} is too large for a source;"
                        f" {most}."
                    )
        if process.returncode:
            raise GitError(f"git: {hidden(self.repo)} at {version!r} cannot be listed.")

    def _unpack(self, commit: str, tree: Path) -> None:
        """The files of the commit, moved to their place when they are complete."""
        with tempfile.TemporaryDirectory(dir=self.place) as aside:
            more = {"GIT_INDEX_FILE": f"{aside}/index"}
            self._git("read-tree", commit, inside=True, more=more, version=commit)
            words = (
                "--work-tree",
                f"{aside}/tree",
                "checkout-index",
                "--all",
                "--quiet",
                f"--prefix={aside}/tree/",
            )
            Path(aside, "tree").mkdir()
            self._git(*words, inside=True, more=more, version=commit)
            Path(aside, "tree").rename(tree)

    def _forget(self, keep: Path) -> None:
        for tree in self.place.iterdir():
            if (
                COMMIT.fullmatch(tree.name)
                and tree != keep
                and time.time() - tree.stat().st_mtime > KEPT_SECONDS
            ):
                shutil.rmtree(tree, ignore_errors=True)

    def _git(
        self,
        *words: str,
        inside: bool = False,
        version: str = "",
        check: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> str:
        done = self._run(words, inside, more)
        if check and done.returncode:
            said = shown(hidden(done.stderr.strip() or done.stdout.strip()))
            if "Host key verification failed" in said:
                said += (
                    "\nThe controller does not know that host: connect to it once with ssh, or add"
                    " its key to ~/.ssh/known_hosts."
                )
            command = next(word for word in words if not word.startswith(("-", "/")))
            raise GitError(
                f"git: {hidden(self.repo)} cannot be read at {version or 'HEAD'!r}; git {command}"
                f" said: {said}"
            )
        return done.stdout

    def _command(
        self, words: tuple[str, ...], inside: bool, more: Mapping[str, str] | None = None
    ) -> tuple[list[str], dict[str, str]]:
        """A git command with its options and its environment."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
        }
        # Without a terminal and a helper, Git never asks for a password.
        environment.update(
            GIT_TERMINAL_PROMPT="0",
            GIT_ASKPASS="true",
            SSH_ASKPASS="true",
            SSH_ASKPASS_REQUIRE="never",
            LC_ALL="C",
            **(more or {}),
        )
        if self.key_file:
            words_of_ssh = (
                "ssh",
                "-i",
                self.key_file,
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "BatchMode=yes",
            )
            environment["GIT_SSH_COMMAND"] = shlex.join(words_of_ssh)
        command = [
            "git",
            "-c",
            "protocol.ext.allow=never",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gc.auto=0",
        ]
        # Files of Git LFS stay pointers, so that the result is the same on controllers with and
        # without it.
        command += [
            "-c",
            "filter.lfs.required=false",
            "-c",
            "filter.lfs.process=",
            "-c",
            "filter.lfs.smudge=cat",
        ]
        command += ["--git-dir", str(self.bare)] if inside else []
        return [*command, *words], environment

    def _run(
        self, words: tuple[str, ...], inside: bool, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command, environment = self._command(words, inside, more)
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                env=environment,
                start_new_session=True, timeout=600, cwd="/", check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise GitError(
                "git is not installed on the controller; install it, or write source instead of"
                " git."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise GitError(
                f"git: {hidden(self.repo)} did not answer within ten minutes."
            ) from error
