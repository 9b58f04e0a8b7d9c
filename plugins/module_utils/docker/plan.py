# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker role has to do on a host: inputs and facts in, problems and work out. Pure."""

from __future__ import annotations

from typing import Any

from ..host.engine import DAEMON_FILE
from ..inputs.options import hidden
from . import schema
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
from .checks import Situation, choose_cli, notes, problems
from .daemon import (
    LIMIT_FILE,
    daemon_action,
    daemon_config,
    daemon_differences,
    daemon_text,
    holds,
    text_digest,
)

INIT_SCRIPT_NOFILE = 1048576


def plan(facts: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The work, its parts with the actions they amount to; or the problems, all that there are."""
    wrong = schema.problems(inputs)
    if wrong:
        return {"problems": wrong, "message": message(wrong), "notes": [], "changed": False}
    return DockerPlan(Situation(facts, inputs)).make()


def message(problems: list[str]) -> str:
    """All problems as one text."""
    if not problems:
        return ""
    head = (
        f"docker: {len(problems)} problem{'s' if len(problems) > 1 else ''}, nothing has been"
        " changed:"
    )
    return "\n".join([head, *(f"- {problem}" for problem in problems)])


class DockerPlan:
    """The work on one host. All the problems are found before any is reported."""

    def __init__(self, here: Situation) -> None:
        self.here = here
        self.facts = here.facts
        self.inputs = here.inputs
        self.managed = here.mode == "managed"
        self.problems = list(problems(here))
        self.notes = list(notes(here))

    def make(self) -> dict[str, Any]:
        install = self.install()
        engine = ENGINE_PACKAGE[self.here.source]
        daemon = self.daemon(
            fresh=any(name.split("=")[0] == engine for name in install["packages"])
        )
        users = self.users()
        service = self.service(daemon)
        return {
            "mode": self.here.mode,
            "source": self.here.source if self.managed else "found",
            "problems": self.problems,
            "message": message(self.problems),
            "notes": self.notes,
            "changed": any(part["actions"] for part in (install, daemon, users, service)),
            "install": install,
            "daemon": daemon,
            "users": users,
            "service": service,
            "predicted_engine": self.predicted_engine(),
        }

    def wanted_packages(self) -> list[str]:
        here = self.here
        if here.source == "docker":
            return DOCKER_PACKAGES
        name = "Ubuntu" if here.distribution == "Ubuntu" else f"Debian {here.release}"
        return DISTRIBUTION_PACKAGES.get(name, ["docker.io"])

    def install(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "actions": [], "tools": [], "repository": {}, "suite_url": "", "remove": [], "packages": [],
            "downgrade": False, "limits": False,
        }  # fmt: skip
        here, packages, actions = self.here, self.here.packages, result["actions"]
        if not self.managed:
            return result
        if here.source == "docker" and (repository := self.repository()):
            result["repository"] = repository
            result["tools"] = [name for name in REPOSITORY_TOOLS if name not in packages]
            actions += [f"install {name}" for name in result["tools"]]
            actions.append(
                f"add the APT source {APT_SOURCE} ({here.url} {repository['suite']}"
                f" {repository['component']})"
            )
            if "ca-certificates" in packages or here.url.startswith("http:"):
                result["suite_url"] = f"{here.url}/dists/{repository['suite']}/InRelease"
        result["remove"] = here.conflicts
        actions += [f"remove {name} {packages[name]}" for name in here.conflicts]
        for name in [*self.wanted_packages(), *COMPANIONS]:
            pattern = (
                here.pattern
                if name in ("docker-ce", "docker-ce-cli", "docker.io", "docker-cli")
                else ""
            )
            if name not in packages or not version_matches(packages[name], pattern):
                result["packages"].append(f"{name}={pattern}" if pattern else name)
        result["packages"].sort()
        result["downgrade"] = bool(here.pattern)
        actions += [f"install {name}" for name in result["packages"]]
        limits = self.facts["limits"]
        if (
            self.facts["pid1"] != "systemd"
            and limits["nofile"] < INIT_SCRIPT_NOFILE
            and not limits["may_raise"]
            and not limits["handled"]
        ):
            result["limits"] = True
            actions.append(
                f"write to {LIMIT_FILE} that Docker's init script goes on with the limits of this"
                " host"
            )
        return result

    def repository(self) -> dict[str, Any]:
        """The APT source that is to be written; empty when it is there as wanted, ours or somebody
        else's.
        """
        here, channel = self.here, self.inputs["channel"]
        suite = RELEASES.get(here.distribution, {}).get(
            here.release, self.inputs["distribution_release"]
        )
        same = [
            entry
            for entry in self.facts["apt"]["sources"]
            if here.url in entry["uris"] and suite in entry["suites"]
        ]
        foreign = [entry for entry in same if entry["path"] != APT_SOURCE]
        if any(channel in entry["components"] for entry in foreign):
            return {}
        if foreign:
            # APT refuses one address with two keys, so a second source beside it would break every
            # apt-get.
            self.problems.append(
                f"{foreign[0]['path']} already names {here.url} {suite}, without the component"
                f" {channel}; add it there (docker_channel), or remove that file."
            )
        ours = [
            [entry["uris"], entry["suites"], entry["components"]]
            for entry in same
            if entry["path"] == APT_SOURCE
        ]
        current = ours == [[[here.url], [suite], [channel]]]
        if (
            current
            and self.facts["apt"]["key_exists"]
            and self.facts["record"].get("apt_key") == self.key_id()
        ):
            return {}
        return {
            "name": APT_NAME,
            "url": here.url,
            "suite": suite,
            "component": channel,
            "architecture": self.facts["architecture"],
            "key": here.key,
        }

    def key_id(self) -> str:
        """The key as the record names it: an address, or the digest of a key itself."""
        return self.here.key if len(self.here.key) < 200 else text_digest(self.here.key)

    def daemon(self, fresh: bool) -> dict[str, Any]:
        """The file and what the engine needs to take it over. fresh: the engine is installed in
        this run.
        """
        file, engine = self.facts["daemon"], self.here.engine
        result: dict[str, Any] = {
            "actions": [], "write": False, "text": "", "action": "none", "keep_containers": False, "backup": False,
            "record_before": "", "record_after": "",
        }  # fmt: skip
        if not self.managed:
            return result
        config = daemon_config(self.inputs["daemon_options"], self.here.swarm)
        text = daemon_text(config)
        have = file["config"] or {}
        record = self.facts["record"]
        ours = file["sha256"] in record.get("daemon_config", [])
        foreign = bool(file["exists"] and not ours and (have or file["error"]))
        if foreign and not file["error"] and holds(have, config):
            return result  # somebody else's, and it says what we would say
        if foreign and not self.inputs["replace_daemon_config"]:
            self.refuse_daemon_file(have, config, edited=bool(record.get("daemon_config")))
        if file["validation"]:
            self.problems.append(
                f"docker_daemon_options are refused by dockerd: {hidden(file['validation'])}"
            )
        result["text"] = text
        result["write"] = file["text"] != text
        result["backup"] = foreign
        if result["write"]:
            result["action"] = "restart" if file["error"] else daemon_action(have, config)
        elif record.get("applied") != text_digest(text):
            result["action"] = "restart"  # a run was cut off between the file and the restart
        if fresh and result["write"]:
            result["action"] = "restart"  # the package has started it already, or not
        elif not engine and not self.facts["service"]["active"]:
            result["action"] = "none"  # it reads the file when it is started
        before, after = self.records(
            text_digest(text), [file["sha256"]] if ours else [], result["write"]
        )
        result["record_before"] = daemon_text(before) if result["write"] else ""
        result["record_after"] = daemon_text(after) if after != record else ""
        running = engine["containers_running"] if engine else 0
        if engine and running and result["action"] == "restart" and not fresh:
            if config.get("live-restore"):
                result["keep_containers"] = not engine["live_restore"]
            else:
                self.notes.append(
                    f"The restart of Docker stops {running} running container(s), because"
                    " live-restore is off; those with a restart policy come back with it."
                )
        if result["write"]:
            result["actions"] += [
                f"write {DAEMON_FILE}",
                *(f"  {line}" for line in daemon_differences(have, config)),
            ]
        if result["action"] != "none":
            result["actions"].append(f"{result['action']} Docker")
        return result

    def records(
        self, wanted: str, present: list[str], write: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The record as it has to be before the file is written, and once the engine has taken it
        over.
        """
        record = self.facts["record"]
        before: dict[str, Any] = {"apt_key": self.key_id()} if self.here.source == "docker" else {}
        before |= {
            "daemon_config": list(dict.fromkeys([wanted, *present])),
            "applied": record.get("applied", ""),
        }
        after = {**before, "applied": wanted}
        if not write:
            after["daemon_config"] = record.get("daemon_config", after["daemon_config"])
        return before, after

    def refuse_daemon_file(
        self, have: dict[str, Any], config: dict[str, Any], edited: bool
    ) -> None:
        whose = "was edited after this role wrote it" if edited else "was not written by this role"
        error = self.facts["daemon"]["error"]
        lines = [f"it is not valid JSON: {error}"] if error else daemon_differences(have, config)
        self.problems.append(
            f"{DAEMON_FILE} {whose} and differs from what is wanted:\n"
            + "".join(f"    {line}\n" for line in lines)
            + "  Put what you want to keep into docker_daemon_options, then set"
            " docker_replace_daemon_config: true to have the file replaced (a backup is kept)."
        )

    def users(self) -> dict[str, Any]:
        result: dict[str, Any] = {"actions": [], "add": []}
        if self.here.mode == "unmanaged":
            return result
        for name in self.inputs["users"]:
            state = self.facts["users"].get(name, {"exists": False, "member": False})
            if not state["exists"]:
                self.problems.append(
                    f"docker_users: no user {name!r} on this host; create it first, or take it out"
                    " of the list."
                )
            elif not state["member"]:
                result["add"].append(name)
        if result["add"] and self.here.mode == "found" and not self.facts["group"]:
            self.problems.append(
                "docker_users: this host has no group docker, because the engine that was started"
                " by hand comes from no package; create the group and restart that engine, or empty"
                " the list."
            )
        result["actions"] = [f"add {name} to the group docker" for name in result["add"]]
        return result

    def service(self, daemon: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {"actions": [], "needed": False}
        if not self.managed:
            return result
        service = self.facts["service"]
        result["needed"] = not service["active"] or not service["enabled"]
        if not service["active"] and daemon["action"] != "restart":
            result["actions"].append("start Docker")
        if not service["enabled"]:
            result["actions"].append("enable Docker at boot")
        return result

    def predicted_engine(self) -> dict[str, Any]:
        """What docker_engine will hold, as far as that can be known before anything is installed."""
        names = self.wanted_packages()
        return {
            "version": "",
            "api_version": "",
            "buildx": any("buildx" in name for name in names),
            "buildx_version": "",
            "compose": any("compose" in name for name in names),
            "cli": "/usr/bin/docker",
            "source": self.here.source,
            "swarm": False,
            "predicted": True,
        }


def engine_output(facts: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    """The role's output docker_engine."""
    engine = facts["engine"]
    if not engine:
        return dict(decision["predicted_engine"])
    cli = choose_cli(facts["clis"]) or {"path": "", "buildx": "", "compose": ""}
    return {
        "version": engine["version"],
        "api_version": engine["api_version"],
        "buildx": bool(cli["buildx"]),
        "buildx_version": cli["buildx"],
        "compose": bool(cli["compose"]),
        "cli": cli["path"],
        "source": decision["source"],
        "swarm": engine["swarm"],
        "predicted": False,
    }
