# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the role docker on a host: inputs and facts in, problems and work out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..host.engine import DAEMON_FILE
from ..host.typed import Typed
from ..inputs.options import hidden
from .apt import (
    APT_NAME,
    APT_SOURCE,
    COMPANIONS,
    DISTRIBUTION_PACKAGES,
    DOCKER_PACKAGES,
    ENGINE_PACKAGE,
    RELEASES,
    REPOSITORY_TOOLS,
    version_matches,
)
from .checks import Situation, notes, problems
from .daemon import (
    LIMIT_FILE,
    daemon_action,
    daemon_config,
    daemon_differences,
    daemon_text,
    holds,
    text_digest,
)
from .facts import Config, Facts, Inputs, Record

INIT_SCRIPT_NOFILE = 1048576
PINNED = ("docker-ce", "docker-ce-cli", "docker.io", "docker-cli")


@dataclass(frozen=True)
class Repository(Typed):
    """The APT source that is written."""

    name: str
    url: str
    suite: str
    component: str
    architecture: str
    key: str


@dataclass(frozen=True)
class Install(Typed):
    """actions: the work in words. tools: what writing APT sources needs. suite_url: where the
    repository is asked for its suite; "" for nowhere. limits: whether Docker's init script gets the
    limits of the host.
    """

    actions: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    repository: Repository | None = None
    suite_url: str = ""
    remove: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    downgrade: bool = False
    limits: bool = False


@dataclass(frozen=True)
class Daemon(Typed):
    """action: none, reload or restart. keep_containers: whether live-restore is switched on first.
    record_before, record_after: the record before the file is written, and once the engine has
    taken it over; "" where it stays.
    """

    actions: tuple[str, ...] = ()
    write: bool = False
    text: str = ""
    action: str = "none"
    keep_containers: bool = False
    backup: bool = False
    record_before: str = ""
    record_after: str = ""


@dataclass(frozen=True)
class Users(Typed):
    """add: those who become members of the group docker."""

    actions: tuple[str, ...] = ()
    add: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceWork(Typed):
    """needed: whether docker.service is started or enabled."""

    actions: tuple[str, ...] = ()
    needed: bool = False


@dataclass(frozen=True)
class EngineOutput(Typed):
    """The output docker_engine. predicted: no engine answers yet."""

    version: str = ""
    api_version: str = ""
    buildx: bool = False
    buildx_version: str = ""
    compose: bool = False
    cli: str = ""
    source: str = ""
    swarm: bool = False
    predicted: bool = True


@dataclass(frozen=True)
class Plan(Typed):
    """The work on one host, and the problems that prevent it. notes: for the user."""

    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    mode: str = ""
    install: Install = Install()
    daemon: Daemon = Daemon()
    users: Users = Users()
    service: ServiceWork = ServiceWork()
    engine: EngineOutput = EngineOutput()
    message: str = ""
    changed: bool = False

    @classmethod
    def of(cls, found: Sequence[str], **parts: object) -> Plan:
        """With the message and whether there is work, which the other fields determine."""
        plan = cls(tuple(found), message=message(found), **parts)  # type: ignore[arg-type]
        work = (plan.install, plan.daemon, plan.users, plan.service)
        return replace(plan, changed=any(part.actions for part in work))


def message(found: Sequence[str]) -> str:
    """All problems as one text."""
    if not found:
        return ""
    head = f"docker: {len(found)} problem{'s' if len(found) > 1 else ''}, nothing has been changed:"
    return "\n".join([head, *(f"- {problem}" for problem in found)])


def make_plan(facts: Facts, inputs: Inputs) -> Plan:
    """All problems are found before any is reported."""
    return _Planner(Situation(facts, inputs)).make()


class _Planner:
    def __init__(self, here: Situation) -> None:
        self.here = here
        self.facts = here.facts
        self.inputs = here.inputs
        self.managed = here.mode == "managed"
        self.problems = list(problems(here))
        self.notes = list(notes(here))

    def make(self) -> Plan:
        install = self.install()
        package = ENGINE_PACKAGE[self.here.source]
        fresh = any(name.split("=")[0] == package for name in install.packages)
        daemon = self.daemon(fresh)
        users, service = self.users(), self.service(daemon)
        return Plan.of(
            self.problems,
            notes=tuple(self.notes),
            mode=self.here.mode,
            install=install,
            daemon=daemon,
            users=users,
            service=service,
            engine=self.engine(),
        )

    def wanted_packages(self) -> list[str]:
        here = self.here
        if here.source == "docker":
            return DOCKER_PACKAGES
        name = "Ubuntu" if here.distribution == "Ubuntu" else f"Debian {here.release}"
        return DISTRIBUTION_PACKAGES.get(name, ["docker.io"])

    # --- packages ---------------------------------------------------------------------------------

    def install(self) -> Install:
        if not self.managed:
            return Install()
        here, there = self.here, self.facts.packages
        repository = self.repository() if here.source == "docker" else None
        tools = [name for name in REPOSITORY_TOOLS if repository and name not in there]
        packages, limits = self.packages(), self.needs_limits()
        actions = [f"install {name}" for name in tools]
        if repository:
            actions.append(
                f"add the APT source {APT_SOURCE} ({here.url} {repository.suite}"
                f" {repository.component})"
            )
        actions += [f"remove {name} {there[name]}" for name in here.conflicts]
        actions += [f"install {name}" for name in packages]
        if limits:
            actions.append(
                f"write to {LIMIT_FILE} that Docker's init script goes on with the limits of this"
                " host"
            )
        return Install(
            tuple(actions),
            tuple(tools),
            repository,
            suite_url=self.suite_url(repository),
            remove=tuple(here.conflicts),
            packages=tuple(packages),
            downgrade=bool(here.pattern),
            limits=limits,
        )

    def packages(self) -> list[str]:
        """Those to install, with the pinned version as APT has it."""
        found = []
        for name in [*self.wanted_packages(), *COMPANIONS]:
            pattern = self.here.pattern if name in PINNED else ""
            there = self.facts.packages.get(name)
            if there is None or not version_matches(there, pattern):
                found.append(f"{name}={pattern}" if pattern else name)
        return sorted(found)

    def suite_url(self, repository: Repository | None) -> str:
        """The address of the repository to check before any change, if the host can reach it."""
        asks = "ca-certificates" in self.facts.packages or self.here.url.startswith("http:")
        suite = repository.suite if repository and asks else ""
        return f"{self.here.url}/dists/{suite}/InRelease" if suite else ""

    def needs_limits(self) -> bool:
        limits = self.facts.limits
        return (
            self.facts.pid1 != "systemd"
            and limits.nofile < INIT_SCRIPT_NOFILE
            and not limits.may_raise
            and not limits.handled
        )

    def repository(self) -> Repository | None:
        """The APT source that is written; None where it exists as wanted, ours or another's."""
        here, channel = self.here, self.inputs.channel
        suite = RELEASES.get(here.distribution, {}).get(here.release, self.facts.distribution.suite)
        same = [
            source
            for source in self.facts.apt.sources
            if here.url in source.uris and suite in source.suites
        ]
        foreign = [source for source in same if source.path != APT_SOURCE]
        if any(channel in source.components for source in foreign):
            return None
        if foreign:
            # APT refuses one address with two keys, so a second source beside it would break every
            # apt-get.
            self.problems.append(
                f"{foreign[0].path} already names {here.url} {suite}, without the component"
                f" {channel}; add it there (docker_channel), or remove that file."
            )
        ours = [
            (source.uris, source.suites, source.components)
            for source in same
            if source.path == APT_SOURCE
        ]
        current = ours == [((here.url,), (suite,), (channel,))] and self.facts.apt.key_exists
        if current and self.facts.record.apt_key == self.key_id():
            return None
        return Repository(APT_NAME, here.url, suite, channel, self.facts.architecture, key=here.key)

    def key_id(self) -> str:
        """The key as the record names it: an address, or the digest of a key itself."""
        return self.here.key if len(self.here.key) < 200 else text_digest(self.here.key)

    # --- daemon.json ------------------------------------------------------------------------------

    def daemon(self, fresh: bool) -> Daemon:
        """The file and what the engine needs to take it over. fresh: the engine is installed in
        this run.
        """
        file = self.facts.daemon
        if not self.managed:
            return Daemon()
        config = daemon_config(self.inputs.daemon_options, self.facts.swarm)
        text, have = daemon_text(config), file.config
        ours = file.sha256 in self.facts.record.daemon_config
        foreign = bool(file.exists and not ours and (have or file.error))
        if foreign and not file.error and holds(have, config):
            return Daemon()  # another wrote it, with the same options
        if foreign and not self.inputs.replace_daemon_config:
            self.refuse_daemon_file(have, config, bool(self.facts.record.daemon_config))
        if file.validation:
            self.problems.append(
                f"docker_daemon_options are refused by dockerd: {hidden(file.validation)}"
            )
        write = file.text != text
        action = self.action(config, text, fresh)
        before, after = self.records(text_digest(text), [file.sha256] if ours else [], write)
        actions = [f"write {DAEMON_FILE}"] if write else []
        actions += [f"  {line}" for line in daemon_differences(have, config)] if write else []
        actions += [f"{action} Docker"] if action != "none" else []
        return Daemon(
            tuple(actions),
            write,
            text,
            action,
            keep_containers=action == "restart" and self.keeps_containers(config, fresh),
            backup=foreign,
            record_before=daemon_text(before.to_dict()) if write else "",
            record_after=daemon_text(after.to_dict()) if after != self.facts.record else "",
        )

    def action(self, config: Config, text: str, fresh: bool) -> str:
        """What the engine needs: none, reload or restart."""
        file, write = self.facts.daemon, self.facts.daemon.text != text
        if fresh and write:
            return "restart"  # the package has started it already, or not
        if not self.facts.engine and not self.facts.service.active:
            return "none"  # it reads the file when it is started
        if write:
            return "restart" if file.error else daemon_action(file.config, config)
        # Otherwise a run was interrupted between the file and the restart.
        return "none" if self.facts.record.applied == text_digest(text) else "restart"

    def keeps_containers(self, config: Config, fresh: bool) -> bool:
        """Whether a restart needs live-restore first; without it a note names what stops."""
        engine = self.facts.engine
        if not engine or not engine.containers_running or fresh:
            return False
        if config.get("live-restore"):
            return not engine.live_restore
        self.notes.append(
            f"The restart of Docker stops {engine.containers_running} running container(s), because"
            " live-restore is off; those with a restart policy come back with it."
        )
        return False

    def records(self, wanted: str, present: list[str], write: bool) -> tuple[Record, Record]:
        """The record before the file is written, and once the engine has taken it over."""
        record = self.facts.record
        before = Record(
            self.key_id() if self.here.source == "docker" else None,
            tuple(dict.fromkeys([wanted, *present])),
            record.applied,
        )
        after = replace(before, applied=wanted)
        if not write and record.daemon_config:
            after = replace(after, daemon_config=record.daemon_config)
        return before, after

    def refuse_daemon_file(self, have: Config, config: Config, edited: bool) -> None:
        whose = "was edited after this role wrote it" if edited else "was not written by this role"
        error = self.facts.daemon.error
        lines = [f"it is not valid JSON: {error}"] if error else daemon_differences(have, config)
        self.problems.append(
            f"{DAEMON_FILE} {whose} and differs from what is wanted:\n"
            + "".join(f"    {line}\n" for line in lines)
            + "  Put what you want to keep into docker_daemon_options, then set"
            " docker_replace_daemon_config: true to have the file replaced (a backup is kept)."
        )

    # --- users and service ------------------------------------------------------------------------

    def users(self) -> Users:
        if self.here.mode == "unmanaged":
            return Users()
        add = []
        for name in self.inputs.users:
            state = self.facts.users.get(name)
            if not state or not state.exists:
                self.problems.append(
                    f"docker_users: no user {name!r} on this host; create it first, or take it out"
                    " of the list."
                )
            elif not state.member:
                add.append(name)
        if add and self.here.mode == "found" and not self.facts.group:
            self.problems.append(
                "docker_users: this host has no group docker, because the engine that was started"
                " by hand comes from no package; create the group and restart that engine, or empty"
                " the list."
            )
        return Users(tuple(f"add {name} to the group docker" for name in add), tuple(add))

    def service(self, daemon: Daemon) -> ServiceWork:
        service = self.facts.service
        if not self.managed:
            return ServiceWork()
        actions = []
        if not service.active and daemon.action != "restart":
            actions.append("start Docker")
        if not service.enabled:
            actions.append("enable Docker at boot")
        return ServiceWork(tuple(actions), not service.active or not service.enabled)

    def engine(self) -> EngineOutput:
        """The output docker_engine, as far as it is known before anything is installed."""
        engine, cli = self.facts.engine, self.facts.cli
        if not engine:
            names = self.wanted_packages()
            return EngineOutput(
                buildx=any("buildx" in name for name in names),
                compose=any("compose" in name for name in names),
                cli="/usr/bin/docker",
                source=self.here.source,
            )
        return EngineOutput(
            engine.version,
            engine.api_version,
            bool(cli and cli.buildx),
            cli.buildx if cli else "",
            bool(cli and cli.compose),
            cli.path if cli else "",
            source=self.here.source if self.managed else "found",
            swarm=engine.swarm,
            predicted=False,
        )
