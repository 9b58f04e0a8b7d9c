# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the release modules do on a host: whole files, the record of releases, and Docker's command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from ansible_collections.flaskops.host.plugins.module_utils._shown import shown
from ansible_collections.flaskops.host.plugins.module_utils._trees import put_away
from ansible_collections.flaskops.host.plugins.module_utils.host.places import NginxPlace, Place

# The engine's own command first: one that comes earlier in PATH may be foreign and lack the plugins.
DOCKER = ("/usr/bin/docker", "docker")
# Of a log: how much of its end is read, how long a line may be, and how long the engine may take to find it.
LOG_BYTES, LINE_LENGTH, LOG_SECONDS = 1 << 20, 2000, 20
# The labels that are read of those that this collection gives to containers.
LABELS = tuple(f"host.flaskops.{name}" for name in ("app", "release", "process", "pin"))
PLUGINS = ("/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins")


class HostError(Exception):
    """Something on the host is not as it has to be; the text says what and what to do."""


class NoAnswer(HostError):
    """The engine has not answered in time."""


def write_file(path: Path, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Replace a file as a whole: no reader, and no crash, ever meets half of it."""
    put_in_place(write_aside(path, content, mode, uid, gid), path)


def write_aside(path: Path, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Path:
    """Write what is to replace a file beside it, and onto the disk: what can fail for want of room has not failed then."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    return temporary


def put_in_place(temporary: Path, path: Path) -> None:
    """Replace a file by what write_aside has written."""
    try:
        os.replace(temporary, path)
        sync_directory(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def left_aside(directory: Path) -> list[Path]:
    """What was to replace a file or a link, and was left in a directory when its process was killed."""
    return sorted(path for path in directory.glob(".*") if path.suffix[1:].isdecimal() and (path.is_symlink() or not path.is_dir()))


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int, uid: int = 0, gid: int = 0) -> None:
    """A directory with just this mode and owner, whatever the umask."""
    path.mkdir(exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(mode)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, "" when there is none."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


class Docker:
    """The docker command of the host."""

    def __init__(self) -> None:
        self.command = next((found for name in DOCKER if (found := shutil.which(name))), "")

    @property
    def plugins(self) -> dict[str, bool]:
        """Which of the plugins that we can use are there."""
        return {name: any(Path(place, f"docker-{name}").exists() for place in PLUGINS) for name in ("buildx", "compose")}

    def run(
        self,
        *arguments: str,
        check: bool = True,
        merge: bool = False,
        seconds: float = 600,
        environment: Mapping[str, str] | None = None,
        last: int = 0,
    ) -> str:
        """Its standard output, with the standard error where merge says so; its own words in the error.

        With last, it is the end of both, of so many bytes, and being slow or failing is no error.
        """
        if not self.command:
            raise HostError("there is no docker command on this host; run the role flaskops.host.docker first.")
        if last:
            return self._end(arguments, last, seconds)
        errors = subprocess.STDOUT if merge else subprocess.PIPE
        try:
            done = subprocess.run(
                [self.command, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace", timeout=seconds,
                env={**os.environ, **(environment or {})}, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"docker {' '.join(arguments[:2])}: no answer within {seconds:.0f} s; is the engine at work?") from None
        if check and done.returncode:
            raise HostError(shown(f"docker {' '.join(arguments[:2])}: {(done.stderr or done.stdout).strip()}"))
        return done.stdout

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the engine says of itself."""
        found = json.loads(self.run("info", "--format", "{{json .}}"))
        return found if isinstance(found, dict) else {}

    @property
    def data(self) -> list[str]:
        """Where the engine keeps images and containers."""
        containerd = any("io.containerd" in str(entry) for entry in self.info.get("DriverStatus") or [])
        return [self.info.get("DockerRootDir") or "/var/lib/docker", *(["/var/lib/containerd"] if containerd else [])]

    def _end(self, arguments: Iterable[str], size: int, seconds: float) -> str:
        """The last bytes of all it says, of whatever came in time."""
        kept, command = b"", [self.command, *arguments]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            overdue = threading.Timer(seconds, process.kill)
            overdue.start()
            while process.stdout and (part := process.stdout.read(1 << 16)):
                kept = (kept + part)[-size:]
            overdue.cancel()
        return kept.decode(errors="backslashreplace")

    def containers(self, label: str) -> list[dict[str, Any]]:
        """All containers of applications, stopped ones too, that bear a label: C(Names), C(State), and C(Labels) that we know.

        A container has the labels of its image too: one of somebody else's, which is not called after its application, is left out.
        """
        # Each by itself: what docker ps joins with commas cannot be taken apart again.
        labels = ",".join(f'"{name}":{{{{json (.Label "{name}")}}}}' for name in LABELS)
        line = f'{{"Names":{{{{json .Names}}}},"State":{{{{json .State}}}},"Labels":{{{labels}}}}}'
        lines = self.run("ps", "--all", "--no-trunc", "--filter", f"label={label}", "--format", line).splitlines()
        found = [json.loads(text) for text in lines]
        return [entry for entry in found if entry["Names"].startswith(f"{entry['Labels']['host.flaskops.app']}-")]

    def inspect(self, name: str, kind: str = "container") -> dict[str, Any]:
        """What the engine says of a container or image; {} when there is none."""
        found = self.run(kind, "inspect", name, check=False)
        return next(iter(json.loads(found or "[]")), {})


def pin(docker: Docker, name: str, release: str) -> str:
    """Keep the image of a release through C(docker image prune -a): a container that is created and never started.

    Returns:
        The digest of the image's configuration.
    """
    reference, container = f"flaskops/{name}:{release}", f"{name}-{release}-pin"
    image = docker.inspect(reference, "image").get("Id")
    if not image:
        raise HostError(f"the image {reference} is not on this host.")
    there = docker.inspect(container)
    if there and there["Image"] != image:
        docker.run("rm", container)
    if not there or there["Image"] != image:
        labels = ("--label", f"host.flaskops.app={name}", "--label", f"host.flaskops.pin={release}")
        docker.run("create", "--name", container, *labels, "--network", "none", image)
    return str(image)


def forget(docker: Docker, record: Record, name: str, release: str) -> None:
    """Remove all that there is of a release; the record must be saved, and the trash swept, which makes room."""
    there = [entry["Names"] for entry in docker.containers(f"host.flaskops.app={name}")]
    if ours := [container for container in there if f"{container}-".startswith(f"{name}-{release}-")]:
        docker.run("rm", "--force", "--volumes", *ours, check=False)
    docker.run("image", "rm", f"flaskops/{name}:{release}", check=False)
    put_away(Place(record.root).app(name).release(release).directory, record.root)
    record.releases.pop(release, None)


class Record:
    """state.json of one application: a record of its releases. What serves is said by the Nginx link alone."""

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.path = Place(root).app(name).record
        self.aside: Path | None = None
        try:
            self.data: dict[str, Any] = json.loads(self.path.read_text())
            if not _is_record(self.data):
                raise ValueError("it is no record of releases")
        except FileNotFoundError:
            self.data = {"format": 1, "app": name, "live": None, "releases": self._found(root, name)}
        except ValueError as error:
            raise HostError(f"{self.path} cannot be read ({error}); move it away, and the next deploy writes it anew.") from error

    @staticmethod
    def _found(root: str, name: str) -> dict[str, dict[str, Any]]:
        """The releases that lie there, in the order in which they were laid down: a lost record takes no way back with it."""
        files = [release.record for release in Place(root).app(name).all_releases() if release.record.exists()]
        found: dict[str, dict[str, Any]] = {}
        before = None
        for number, (laid, identity) in enumerate(sorted((file.stat().st_mtime, file.parent.name) for file in files), 1):
            found[identity] = {"state": "retired", "retired": now(), "live": moment(laid), "number": number, "previous": before}
            before = identity
        return found

    @property
    def releases(self) -> dict[str, dict[str, Any]]:
        """What is known of each release, by its id."""
        found: dict[str, dict[str, Any]] = self.data["releases"]
        return found

    def mark(self, release: str, state: str, rollback: bool = False, **more: Any) -> None:
        """Set the state of a release: prepared, live, retired or failed.

        A deploy makes it the newest, and remembers which one served before; a rollback leaves that as it is.
        """
        entry = self.releases.setdefault(release, {})
        if state == "live" and self.data["live"] == release and entry.get("state") == "live":
            return  # repaired, or in another state: it is live since then, by that run
        entry.update(state=state, **{state: now()}, **more)
        if state == "live":
            if self.data["live"] != release and not (rollback and "number" in entry):
                entry["number"] = 1 + max((other.get("number", 0) for other in self.releases.values()), default=0)
                entry["previous"] = self.data["live"]
            for other, data in self.data["releases"].items():
                if other != release and data["state"] == "live":
                    data.update(state="retired", retired=now())
            self.data["live"] = release

    def before(self, release: str) -> str | None:
        """The release that a rollback from this one goes to: the one that served when this one was deployed."""
        previous = self.releases.get(release, {}).get("previous")
        return previous if previous in self.releases else None

    def save(self) -> None:
        self.stage()
        self.commit()

    def stage(self) -> None:
        """Write it beside the one that there is, so that only a renaming is missing; it may be discarded still."""
        self.aside = write_aside(self.path, (json.dumps(self.data, indent=2, sort_keys=True) + "\n").encode(), 0o600)

    def commit(self) -> None:
        """Let what was staged be the record."""
        aside, self.aside = self.aside, None
        if aside:
            put_in_place(aside, self.path)

    def discard(self) -> None:
        """Forget what was staged."""
        if self.aside:
            self.aside.unlink(missing_ok=True)
            self.aside = None


def _is_record(data: Any) -> bool:
    """Whether this is what mark() has made, as far as others rely on it."""
    releases = data.get("releases") if isinstance(data, dict) else None
    return (
        isinstance(releases, dict)
        and isinstance(data.get("live", 0), (str, type(None)))
        and all(isinstance(entry, dict) and isinstance(entry.get("state"), str) for entry in releases.values())
    )


EPOCH, SPAN = 946684800, 631152000  # 2000-01-01, and twenty years


def stable_time(content: bytes) -> int:
    """A modification time that follows from the content.

    Nginx and Flask make the ETag of time and size, and BuildKit decides by them whether a file has changed: the same file
    keeps its time from release to release, and another content, be it of the same size, has another.
    """
    return stable_time_of(sha256(content).digest())


def stable_time_of(digest: bytes) -> int:
    """The same, from the SHA-256 of a content that is not in memory."""
    return EPOCH + int.from_bytes(digest[:8], "big") % SPAN


def now() -> str:
    """The time as ISO 8601 in UTC, whole seconds."""
    return moment(time.time())


def moment(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def live_links(nginx_root: str) -> dict[str, list[dict[str, str]]]:
    """What serves: for each application the links there are, each with C(site), C(id) of the release and C(file) of it."""
    links: dict[str, list[dict[str, str]]] = {}
    for link in NginxPlace(nginx_root).links():
        if link.is_symlink():
            target = Path(os.readlink(link))
            links.setdefault(link.stem, []).append({"site": link.parent.name, "id": target.parent.name, "file": target.name})
    return links


def read_release(root: str, name: str, release: str) -> dict[str, Any]:
    """The release.json of a release; {} when it is missing or broken."""
    try:
        found = json.loads(Place(root).app(name).release(release).record.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("container"), dict) else {}


def logs(docker: Docker, container: str, lines: int) -> str:
    """The last lines of what a container has said, as they may be shown; bounded, whatever it has said."""
    said = docker.run("logs", "--tail", str(lines), container, merge=True, check=False, seconds=LOG_SECONDS, last=LOG_BYTES)
    return "\n".join(shortened(line) for line in tail(shown(said), lines))


def shortened(line: str) -> str:
    """A line of a log, no longer than anybody reads."""
    return line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]}… ({len(line) - LINE_LENGTH} more)"


def tail(text: str, lines: int) -> list[str]:
    """The last lines of a text."""
    return text.splitlines()[-lines:]


def sentences(actions: Iterable[str], values: Mapping[str, str] | None = None) -> dict[str, str]:
    """An Ansible diff that lists what is done."""
    return {"before": "", "after": "".join(f"{action}\n" for action in actions), **(values or {})}
