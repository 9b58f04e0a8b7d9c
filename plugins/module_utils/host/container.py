# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container: its options, the arguments that create it, and how an existing one differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from . import kept_logs
from .engine import Docker, Inspected
from .files import HostError
from .size import bytes_of

# docker update changes these while a container runs. Any other difference replaces the container.
UPDATED = ("memory", "memory_swap")
# docker reads no longer lines of an env file (64 KiB). A release that an older version of the
# collection made may have one; it is passed with --env.
ENV_LINE = 65_000
# docker create passes the proxies of root's ~/.docker/config.json to containers. They are not for
# applications.
NO_CONFIG = {"DOCKER_CONFIG": "/nonexistent"}
STOP_SECONDS = 24 * 3600  # at most; each container has its stop_timeout


@dataclass(frozen=True)
class Container:
    """The options of a container. release.json keeps them under these names; one that an older
    collection wrote may lack some.
    """

    name: str
    image: str
    env_file: str
    user: str
    network_mode: str
    memory: str
    memory_swap: str
    pids_limit: int
    stop_timeout: int
    volumes: Sequence[str]
    labels: Mapping[str, str]
    stop_signal: str = "SIGTERM"
    # A first process that reaps orphans and passes signals on.
    init: bool = True
    read_only: bool = True
    tmpfs: Sequence[str] = ()
    cap_drop: Sequence[str] = ("ALL",)
    security_opts: Sequence[str] = ("no-new-privileges",)
    sysctls: Mapping[str, str] | None = None
    hostname: str | None = None
    entrypoint: Sequence[str] | None = None
    command: Sequence[str] | None = None
    cpus: float | None = None
    networks: Sequence[Mapping[str, str]] = ()
    etc_hosts: Mapping[str, str] | None = None
    # Further names in its first network.
    aliases: Sequence[str] = ()
    # The servers that are asked for names beside those of its networks; those of the host if empty.
    dns: Sequence[str] = ()

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> Container:
        """The options as to_dict returns them. Unknown keys are ignored.

        Raises:
            HostError: an option is missing that every release has, or a size is not one.
        """
        known = {field.name for field in fields(cls)}
        try:
            container = cls(**{key: value for key, value in options.items() if key in known})
            bytes_of(container.memory), bytes_of(container.memory_swap)
        except (TypeError, ValueError) as error:
            raise HostError(
                f"release.json must have all options of a container; got an error ({error}); deploy"
                " the application again."
            ) from error
        return container

    def to_dict(self) -> dict[str, Any]:
        """The options that are set, as release.json keeps them."""
        return {
            field.name: _plain(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) not in (None, (), [])
        }

    @property
    def words(self) -> list[str]:
        """The arguments of docker create and docker run, with the image and the command."""
        words = [
            "--user",
            self.user,
            *_flag("--read-only", self.read_only),
            *_flag("--init", self.init),
            "--name",
            self.name,
        ]
        words += [
            "--memory",
            self.memory,
            "--memory-swap",
            self.memory_swap,
            "--pids-limit",
            str(self.pids_limit),
        ]
        words += ["--cpus", _decimal(self.cpus)] if self.cpus else []
        words += ["--hostname", self.hostname] if self.hostname else []
        words += ["--network", self.network_mode, "--env-file", self.env_file]
        words += ["--stop-signal", self.stop_signal, "--stop-timeout", str(self.stop_timeout)]
        words += _each("--network-alias", self.aliases)
        words += _each("--dns", self.dns)
        words += _each("--cap-drop", self.cap_drop)
        words += _each("--security-opt", self.security_opts)
        words += _each("--sysctl", _pairs(self.sysctls, "="))
        words += _each("--add-host", _pairs(self.etc_hosts, ":"))
        words += _each("--label", _pairs(self.labels, "="))
        words += _each("--tmpfs", self.tmpfs)
        words += _each("--volume", self.volumes)
        first, *more = self.entrypoint or [""]
        words += ["--entrypoint", first] if first else []
        return [*words, self.image, *more, *(self.command or [])]

    @property
    def more_networks(self) -> list[str]:
        """The networks after the first one: docker create takes only one before Docker 25."""
        return [
            network["name"] for network in self.networks if network["name"] != self.network_mode
        ]

    def with_image(self, image: Inspected) -> Container:
        """With the entrypoint and command of the image as the command, where the container has our
        entrypoint and no command.
        """
        config = image.get("Config") or {}
        theirs = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
        return (
            replace(self, command=theirs)
            if self.entrypoint and self.command is None and theirs
            else self
        )

    def differences(
        self, found: Inspected, image: Inspected, environment: Iterable[str]
    ) -> list[str]:
        """The names of the options that differ in an existing container.

        Args:
            found: the output of docker inspect for the container.
            image: the same for the image of this one.
            environment: the lines of the env file.
        """
        config, host, default = found["Config"], found["HostConfig"], image.get("Config") or {}
        server = [*(self.entrypoint or default.get("Entrypoint") or [])]
        server += self.command or ([] if self.entrypoint else default.get("Cmd") or [])
        same = {
            "image": (image["Id"], self.image) == (found["Image"], config["Image"]),
            "hostname": self.hostname in (None, config.get("Hostname")),
            "user": self.user == config.get("User"),
            "command": server == [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])],
            "env_file": set(environment) <= set(config.get("Env") or []),
            "labels": self.labels.items() <= (config.get("Labels") or {}).items(),
            "stop_signal": self.stop_signal == config.get("StopSignal"),
            "stop_timeout": self.stop_timeout == config.get("StopTimeout"),
            "init": self.init is bool(host.get("Init")),
            "read_only": self.read_only is bool(host.get("ReadonlyRootfs")),
            "tmpfs": (
                dict(each.partition(":")[::2] for each in self.tmpfs) == (host.get("Tmpfs") or {})
            ),
            "cap_drop": set(self.cap_drop) == set(host.get("CapDrop") or []),
            "security_opts": (
                {_option(each) for each in self.security_opts}
                <= {_option(each) for each in host.get("SecurityOpt") or []}
            ),
            "memory": bytes_of(self.memory) == host.get("Memory"),
            "memory_swap": bytes_of(self.memory_swap) == host.get("MemorySwap"),
            "pids_limit": self.pids_limit == host.get("PidsLimit"),
            "cpus": round((self.cpus or 0) * 10**9) == (host.get("NanoCpus") or 0),
            "sysctls": (self.sysctls or {}).items() <= (host.get("Sysctls") or {}).items(),
            "network_mode": self.network_mode == host.get("NetworkMode"),
            "dns": [*self.dns] == (host.get("Dns") or []),
            "aliases": set(self.aliases) <= self._aliases_of(found),
            "etc_hosts": set(_pairs(self.etc_hosts, ":")) <= set(host.get("ExtraHosts") or []),
            "volumes": (
                {_mount(each) for each in self.volumes}
                == {_mount(each) for each in host.get("Binds") or []}
            ),
        }
        return [option for option, is_same in same.items() if not is_same]

    def _aliases_of(self, found: Inspected) -> set[str]:
        networks = found.get("NetworkSettings", {}).get("Networks") or {}
        return set((networks.get(self.network_mode) or {}).get("Aliases") or [])


def settle(
    docker: Docker,
    wanted: Container,
    restart: str = "no",
    recreate: bool = False,
    log: Sequence[str] = (),
    start: bool = False,
) -> bool:
    """Create, replace or update a container until it has the wanted options, and unpause it.

    Args:
        restart: its restart policy. The host changes it over time; another policy does not replace
            the container.
        recreate: replace the container even if it has the wanted options.
        log: the options of docker create for its log. Other options do not replace the container.
        start: start the container unless it runs.

    Returns:
        Whether anything was changed.
    """
    image = docker.inspect(wanted.image, "image")
    if not image:
        raise HostError(
            f"there is no image {wanted.image} on this host; deploy the application again, which"
            " builds it."
        )
    wanted, environment = wanted.with_image(image), env_lines(Path(wanted.env_file).read_text())
    found = docker.inspect(wanted.name)
    different = wanted.differences(found, image, environment) if found else []
    if found and (recreate or set(different) - set(UPDATED)):
        docker.run("stop", wanted.name, check=False, seconds=STOP_SECONDS)
        kept_logs.keep_one(docker, wanted.name, found)
        docker.run("rm", "--force", "--volumes", wanted.name)
        found = {}
    changed = not found
    if not found:
        _create(docker, wanted, environment, ["--restart", restart, *log])
        found = docker.inspect(wanted.name)
        if not found:
            raise HostError(f"the container {wanted.name} was removed meanwhile; run again.")
    elif different or restart != found["HostConfig"]["RestartPolicy"]["Name"]:
        limits = (
            ["--memory", wanted.memory, "--memory-swap", wanted.memory_swap] if different else []
        )
        docker.run("update", *limits, "--restart", restart, wanted.name)
        changed = True
    for network in set(wanted.more_networks) - set(found["NetworkSettings"]["Networks"]):
        docker.run("network", "connect", network, wanted.name)
        changed = True
    state = found["State"]
    if state.get("Paused") or (start and not state["Running"]):
        docker.run("unpause" if state.get("Paused") else "start", wanted.name)
        changed = True
    return changed


def _create(
    docker: Docker, wanted: Container, environment: Sequence[str], options: Sequence[str]
) -> None:
    long, given = [line for line in environment if len(line.encode()) > ENV_LINE], None
    if long:
        given = "".join(f"{line}\n" for line in environment if line not in long)
        wanted = replace(wanted, env_file="/dev/stdin")
    docker.run(
        *command_to_create(wanted, [*options, *_each("--env", long)]),
        given=given,
        environment=NO_CONFIG,
    )


def command_to_create(wanted: Container, options: Sequence[str]) -> list[str]:
    """The arguments of docker that create a container."""
    return ["create", "--pull", "never", *options, *wanted.words]


def variables_of(found: Inspected) -> dict[str, str]:
    """The environment of a container, or of an image."""
    config = found.get("Config") or {}
    return dict(each.partition("=")[::2] for each in config.get("Env") or [])


def env_lines(text: str) -> list[str]:
    """The variables of an env file, NAME=VALUE each: one per line, and no character is special."""
    return [line for line in text.split("\n") if line]


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _pairs(values: Mapping[str, str] | None, between: str) -> list[str]:
    return [f"{key}{between}{value}" for key, value in (values or {}).items()]


def _flag(option: str, value: bool) -> list[str]:
    return [option if value else f"{option}=false"]


def _decimal(number: float | None) -> str:
    return f"{number or 0:.9f}".rstrip("0").rstrip(".")


def _option(text: str) -> str:
    """A security option in one form; engines write it in several."""
    return text.replace("=", ":").removesuffix(":true")


def _mount(text: str) -> tuple[str, str, frozenset[str]]:
    """A volume: its source, its target and its mode; "rw" is docker's default."""
    source, target, mode = [*text.split(":"), ""][:3]
    return source, target, frozenset(mode.split(",")) - {"", "rw"}
