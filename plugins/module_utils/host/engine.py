# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one client of the Docker Engine: its command, and its answers on containers and images."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypedDict

from .disk import refuse_without
from .files import HostError
from .places import APP_LABEL, LABELS
from .shown import cut, shown

# The settings of the engine, and how much of its log a container keeps by default.
DAEMON_FILE = "/etc/docker/daemon.json"
LOG_BOUND = {"max-file": "3", "max-size": "10m"}
# The command of the engine's package first: another one in PATH may lack the plugins.
DOCKER = ("/usr/bin/docker", "docker")
# bin/dev sets it: on a developer's machine the engine is the one of the developer's context.
CONTEXT = "FLASKOPS_DOCKER_CONTEXT"
# Of a log: how many bytes of its end are read, how long a line may be, and how long the engine may
# take to find it.
LOG_BYTES, LINE_LENGTH, LOG_SECONDS = 1 << 20, 2000, 20
# Of a command that reads or writes a file: its limit, and how often its disk is checked.
PIPE_SECONDS, ROOM_SECONDS = 24 * 3600, 0.2
# What is kept of a program in a container: the beginning of its output, and the end of its errors.
OUTPUT_BYTES, ERROR_BYTES = 1 << 20, 2000
PLUGINS = (
    "/usr/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
)


# The output of docker inspect for one object, and of docker info.
Inspected = Mapping[str, Any]


class Listed(TypedDict):
    """A container in the output of docker ps."""

    Names: str
    State: str
    Labels: dict[str, str]


class NoAnswer(HostError):
    """The engine did not answer in time."""


class Docker:
    """The docker command of the host."""

    def __init__(self) -> None:
        self.command = next((found for name in DOCKER if (found := shutil.which(name))), "")
        # For every docker command of this process: the context that root has chosen may be another
        # engine's, and some calls read root's settings while others do not.
        os.environ["DOCKER_CONTEXT"] = os.environ.get(CONTEXT, "default")

    @property
    def plugins(self) -> dict[str, bool]:
        """Which of the plugins that this collection uses are installed."""
        return {
            name: any(Path(place, f"docker-{name}").exists() for place in PLUGINS)
            for name in ("buildx", "compose")
        }

    def run(
        self,
        *arguments: str,
        check: bool = True,
        merge: bool = False,
        seconds: float = 600,
        environment: Mapping[str, str] | None = None,
        last: int = 0,
        given: str | None = None,
    ) -> str:
        """Run it and return its standard output.

        Args:
            check: raise an error when it fails.
            merge: return the standard error too.
            seconds: after these it is stopped.
            environment: further environment variables.
            last: return at most so many bytes of the end of both outputs; a slow or failed command
                is not an error.
            given: the standard input.

        Raises:
            HostError: it failed; the text has its standard error. NoAnswer: it was stopped.
        """
        if not self.command:
            raise HostError(
                "there is no docker command on this host; run the role flaskops.host.docker first."
            )
        if last:
            return self._end(arguments, last, seconds)
        errors = subprocess.STDOUT if merge else subprocess.PIPE
        known = {**os.environ, **(environment or {})}
        try:
            if arguments[0] == "exec":  # a program of an application, which may write without end
                done = self._bounded(arguments, errors, seconds, known, given)
            else:
                done = subprocess.run(
                    [self.command, *arguments],
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    errors="replace",
                    timeout=seconds,
                    env=known,
                    check=False,
                    input=given,
                )
        except subprocess.TimeoutExpired:
            raise NoAnswer(
                f"docker {' '.join(arguments[:2])}: no answer within {seconds:.0f} s; is the engine"
                " at work?"
            ) from None
        if check and done.returncode:
            raise HostError(
                shown(f"docker {' '.join(arguments[:2])}: {(done.stderr or done.stdout).strip()}")
            )
        return done.stdout

    def _bounded(
        self,
        arguments: Sequence[str],
        errors: int,
        seconds: float,
        environment: Mapping[str, str],
        given: str | None,
    ) -> subprocess.CompletedProcess[str]:
        """Run it, and keep the first bytes of its output and the last ones of its errors."""
        command, kept = [self.command, *arguments], [b"", b""]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        ) as process:
            try:
                if process.stdin:
                    with suppress(BrokenPipeError), process.stdin as stdin:
                        stdin.write((given or "").encode())
                deadline = time.monotonic() + seconds
                for number, part in _parts((process.stdout, process.stderr), deadline):
                    both = kept[number] + part
                    kept[number] = both[-ERROR_BYTES:] if number else both[:OUTPUT_BYTES]
                code = process.wait(max(0.1, deadline - time.monotonic()))
            except BaseException:
                process.kill()
                raise
        said, error = (text.decode(errors="replace") for text in kept)
        return subprocess.CompletedProcess(command, code, said, error)

    def pipe(
        self,
        *arguments: str,
        source: Path | None = None,
        target: Path | None = None,
        seconds: float = PIPE_SECONDS,
    ) -> None:
        """Run it with a file as its standard input, or as its standard output. Neither is ever in
        memory.

        Args:
            source: what it reads; None for nothing.
            target: a new file that only root may read; None to discard the output. Before its disk
                is full, the command is stopped.

        Raises:
            HostError: it failed, or the disk has no room.
        """
        with ExitStack() as files:
            given = files.enter_context(source.open("rb")) if source else subprocess.DEVNULL
            said: Any = subprocess.DEVNULL
            if target:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                said = files.enter_context(os.fdopen(os.open(target, flags, 0o600), "wb"))
            errors = files.enter_context(tempfile.TemporaryFile())
            words, deadline = " ".join(arguments[:2]), time.monotonic() + seconds
            with subprocess.Popen(
                [self.command, *arguments], stdin=given, stdout=said, stderr=errors
            ) as process:
                try:
                    while not _ended(process, ROOM_SECONDS):
                        if target:
                            refuse_without(0, [target.parent], f"docker {words} was stopped.")
                        if time.monotonic() > deadline:
                            raise NoAnswer(f"docker {words}: it did not end within {seconds:.0f} s")
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                errors.seek(-min(errors.tell(), ERROR_BYTES), os.SEEK_END)
                text = errors.read().decode(errors="backslashreplace").strip()
                raise HostError(shown(f"docker {words}: {text}"))

    @cached_property
    def info(self) -> Inspected:
        """The output of docker info."""
        found = json.loads(self.run("info", "--format", "{{json .}}"))
        return found if isinstance(found, dict) else {}

    @property
    def data(self) -> list[str]:
        """The directories where the engine keeps images and containers."""
        containerd = any(
            "io.containerd" in str(entry) for entry in self.info.get("DriverStatus") or []
        )
        return [
            self.info.get("DockerRootDir") or "/var/lib/docker",
            *(["/var/lib/containerd"] if containerd else []),
        ]

    def _end(self, arguments: Iterable[str], size: int, seconds: float) -> str:
        """The last bytes of both outputs that came in time."""
        kept, command = b"", [self.command, *arguments]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            try:
                for _number, part in _parts((process.stdout,), time.monotonic() + seconds):
                    kept = (kept + part)[-size:]
            except subprocess.TimeoutExpired:
                process.kill()
        return kept.decode(errors="backslashreplace")

    def containers(self, label: str) -> list[Listed]:
        """All containers of applications that have a label, stopped ones too.

        A container has the labels of its image too: a foreign container, whose name does not begin
        with the name of its application, is left out.
        """
        # Each label is asked for: docker ps joins labels with commas, which cannot be split again.
        labels = ",".join(f'"{name}":{{{{json (.Label "{name}")}}}}' for name in LABELS)
        line = f'{{"Names":{{{{json .Names}}}},"State":{{{{json .State}}}},"Labels":{{{labels}}}}}'
        lines = self.run(
            "ps", "--all", "--no-trunc", "--filter", f"label={label}", "--format", line
        ).splitlines()
        found = [json.loads(text) for text in lines]
        return [
            entry for entry in found if entry["Names"].startswith(f"{entry['Labels'][APP_LABEL]}-")
        ]

    def inspect(self, name: str, kind: str = "container") -> dict[str, Any]:
        """The output of docker inspect for a container, image or network; {} for an unknown one."""
        found = self.run(kind, "inspect", name, check=False)
        return next(iter(json.loads(found or "[]")), {})


def _parts(streams: Sequence[IO[bytes] | None], deadline: float) -> Iterator[tuple[int, bytes]]:
    """What comes from streams until all have ended, each part with the number of its stream.

    Raises:
        TimeoutExpired: that was not until the deadline.
    """
    with selectors.DefaultSelector() as readable:
        for number, stream in enumerate(streams):
            if stream:
                readable.register(stream, selectors.EVENT_READ, number)
        while readable.get_map():
            if not (ready := readable.select(max(0.0, deadline - time.monotonic()))):
                raise subprocess.TimeoutExpired("docker", 0)
            for key, _events in ready:
                if part := os.read(key.fd, 1 << 16):
                    yield key.data, part
                else:
                    readable.unregister(key.fileobj)


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process ends in time."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def inspected(docker: Docker, names: Iterable[str]) -> dict[str, Inspected]:
    """The output of docker inspect for containers, by name; one call for all of them."""
    words = ["inspect", "--type", "container", *names]
    found = docker.run(*words, check=False) if len(words) > 3 else ""
    return {entry["Name"].lstrip("/"): entry for entry in json.loads(found or "[]")}


def running_containers(docker: Docker) -> list[Inspected]:
    """The output of docker inspect for all running containers of the host."""
    return [*inspected(docker, docker.run("ps", "--quiet", "--no-trunc").split()).values()]


def logs(
    docker: Docker, container: str, lines: int, details: Mapping[str, Any] | None = None
) -> str:
    """The last lines of a container's log, escaped and bounded.

    Args:
        docker: the engine.
        container: its name.
        lines: how many.
        details: the output of C(docker inspect), for only what it said since it was started again,
            such as after a restore.
    """
    since = _started_again(details or {})
    said = docker.run(
        "logs",
        "--tail",
        str(lines),
        *(["--since", since] if since else []),
        container,
        merge=True,
        check=False,
        seconds=LOG_SECONDS,
        last=LOG_BYTES,
    )
    return "\n".join(shortened(line) for line in tail(shown(said), lines))


def _started_again(details: Mapping[str, Any]) -> str:
    """When somebody started it again; "" for its first start, for one that has ended, and for one
    that the engine starts again and again. Times of the engine sort as text.
    """
    state = details.get("State") or {}
    started, finished = str(state.get("StartedAt", "")), str(state.get("FinishedAt", ""))
    again = not finished.startswith("0001-") and "" < finished < started
    return started if again and not details.get("RestartCount") else ""


def shortened(line: str) -> str:
    """A line of a log, of at most LINE_LENGTH characters."""
    return cut(line, LINE_LENGTH)


def tail(text: str, lines: int) -> list[str]:
    """The last lines of a text."""
    return text.splitlines()[-lines:]
