# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json: what is to be in it, how it differs from what is there, and what dockerd would
refuse. Pure.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from typing import Any

from ..host.engine import LOG_BOUND
from ..inputs.options import hidden, merge, refusal, show_name
from .facts import Config

GROUPS = ("docker", "root", "0", "")  # whom the engine's socket may belong to
SOCKET = "/var/run/docker.sock"
LIMIT_FILE = "/etc/default/docker"  # read by its init script
USERNS_REASON = (
    "its containers run as other users than their files belong to, so bind mounts fail silently"
)

DAEMON_DEFAULTS: Config = {
    "live-restore": True,
    "log-driver": "json-file",
    "log-opts": LOG_BOUND,
    "userland-proxy": False,
}
# Options that dockerd reads again on SIGHUP; every other one needs a restart.
# https://docs.docker.com/reference/cli/dockerd/#configuration-reload-behavior
RELOADABLE = {
    "allow-nondistributable-artifacts",
    "authorization-plugins",
    "debug",
    "default-runtime",
    "features",
    "insecure-registries",
    "labels",
    "live-restore",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "registry-mirrors",
    "runtimes",
    "shutdown-timeout",
}
# Flags of dockerd whose name is not that of their option.
FLAG_OPTIONS = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "feature": "features",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
SHORT_FLAGS = {
    "D": "debug",
    "G": "group",
    "H": "host",
    "b": "bridge",
    "g": "data-root",
    "l": "log-level",
    "p": "pidfile",
}
# Engine 20.10 (Debian 12) has no `dockerd --validate` and does not start with an option it does not
# know: all of them.
OPTIONS_20_10 = set(
    [
        "allow-nondistributable-artifacts",
        "api-cors-header",
        "authorization-plugins",
        "bip",
        "bridge",
        "builder",
        "cgroup-parent",
        "cluster-advertise",
        "cluster-store",
        "cluster-store-opts",
        "containerd",
        "containerd-namespace",
        "containerd-plugin-namespace",
        "cpu-rt-period",
        "cpu-rt-runtime",
        "data-root",
        "debug",
        "default-address-pools",
        "default-cgroupns-mode",
        "default-gateway",
        "default-gateway-v6",
        "default-ipc-mode",
        "default-runtime",
        "default-shm-size",
        "default-ulimits",
        "dns",
        "dns-opts",
        "dns-search",
        "exec-opts",
        "exec-root",
        "experimental",
        "features",
        "fixed-cidr",
        "fixed-cidr-v6",
        "group",
        "hosts",
        "icc",
        "init",
        "init-path",
        "insecure-registries",
        "ip",
        "ip-forward",
        "ip-masq",
        "ip6tables",
        "iptables",
        "ipv6",
        "labels",
        "live-restore",
        "log-driver",
        "log-level",
        "log-opts",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "metrics-addr",
        "mtu",
        "network-control-plane-mtu",
        "network-diagnostic-port",
        "no-new-privileges",
        "node-generic-resources",
        "oom-score-adjust",
        "pidfile",
        "raw-logs",
        "registry-mirrors",
        "runtimes",
        "seccomp-profile",
        "selinux-enabled",
        "shutdown-timeout",
        "storage-driver",
        "storage-opts",
        "swarm-default-advertise-addr",
        "tls",
        "tlscacert",
        "tlscert",
        "tlskey",
        "tlsverify",
        "userland-proxy",
        "userland-proxy-path",
        "userns-remap",
    ]
)


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _without_nulls(config: Config) -> Config:
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if value is not None
    }


def daemon_config(options: Config, swarm: bool = False) -> Config:
    """The options of the user over the safe defaults; null removes a key."""
    base = dict(DAEMON_DEFAULTS)
    if swarm:
        del base["live-restore"]  # dockerd refuses the two together
    if options.get("log-driver", "json-file") not in ("json-file", "local"):
        del base["log-opts"]  # the size limits belong to the drivers that write files
    config = _without_nulls(merge(base, options))
    if isinstance(config.get("log-opts"), dict):  # dockerd reads strings, YAML gives numbers
        config["log-opts"] = {
            name: json.dumps(value) if isinstance(value, bool | int | float) else value
            for name, value in config["log-opts"].items()
        }
    return config


def daemon_text(config: Config) -> str:
    """A configuration as the file has it."""
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def holds(have: Any, want: Any) -> bool:
    """Whether all wanted options are present; others do not matter."""
    if isinstance(have, dict) and isinstance(want, dict):
        return all(key in have and holds(have[key], value) for key, value in want.items())
    return bool(have == want)


def shown(value: Any) -> str:
    """A value of daemon.json in a message: the address of a proxy may have a password."""
    return hidden(json.dumps(value))


def daemon_differences(have: Config, want: Config) -> list[str]:
    """One line for each option in which the file is not as wanted."""
    lines = []
    for key in sorted({*have, *want}):
        if key not in want:
            lines.append(
                f"{key}: {shown(have[key])} is in the file and not in docker_daemon_options"
            )
        elif key not in have:
            lines.append(f"{key}: {shown(want[key])} is wanted and not in the file")
        elif have[key] != want[key]:
            lines.append(f"{key}: {shown(have[key])} is in the file, {shown(want[key])} is wanted")
    return lines


def daemon_action(have: Config, want: Config) -> str:
    """What a running daemon needs to apply the change: none, reload or restart."""
    changed = {key for key in {*have, *want} if have.get(key) != want.get(key)}
    if not changed:
        return "none"
    return "reload" if changed <= RELOADABLE else "restart"


def flag_options(command: str) -> dict[str, str]:
    """The options that a dockerd command line already gives, with the flag that gives them."""
    found = {}
    for word in command.split()[1:]:
        match = re.match(r"(--?)([A-Za-z][a-z0-9-]*)", word)
        if match:
            name = SHORT_FLAGS.get(match[2], match[2]) if match[1] == "-" else match[2]
            found[FLAG_OPTIONS.get(name, name)] = f"{match[1]}{match[2]}"
    return found


def shape_problems(options: Any) -> list[str]:
    """Why a daemon.json cannot contain docker_daemon_options."""
    where = "docker_daemon_options"
    if not isinstance(options, dict):
        return [
            refusal(
                where,
                "be a dictionary of what daemon.json holds, such as {debug: true}",
                options,
                secret=True,
            )
        ]
    try:
        fits = json.loads(json.dumps(options, allow_nan=False)) == options
    except (TypeError, ValueError, RecursionError):
        fits = False
    words = "strings, finite numbers, booleans, lists, and dictionaries whose names are strings"
    problems = (
        []
        if fits
        else [
            refusal(
                where,
                f"hold what JSON has: {words} (dates and the like in quotes)",
                options,
                secret=True,
            )
        ]
    )
    if fits and options.get("hosts") is not None and not _texts(options["hosts"]):
        problems.append(
            refusal(
                f"{where}: hosts", f"be a list of strings such as unix://{SOCKET}", options["hosts"]
            )
        )
    return problems


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def exposure_problems(options: Config, flags: dict[str, str]) -> list[str]:
    """Options that give others than root and docker_users access to the engine, and so to the
    host.
    """
    where, problems = "docker_daemon_options", []
    # Without a scheme dockerd takes TCP.
    open_to = [
        host for host in options.get("hosts") or [] if not host.startswith(("unix://", "fd://"))
    ]
    if open_to and options.get("tlsverify") is not True and "tlsverify" not in flags:
        problems.append(
            f"{where}: hosts has {shown(open_to[0])}, where a client that connects is root on"
            " this host; take it out, or write tlsverify: true with tlscacert, tlscert and tlskey."
            " SSH needs neither: docker -H ssh://user@host."
        )
    if str(options.get("group", "docker")) not in GROUPS:
        problems.append(
            f"{where}: group is {shown(options['group'])}, and its members would be root on this"
            " host; take it out, and name who may use Docker in docker_users."
        )
    return problems


def option_problems(
    options: Config, command: str, swarm: bool, old_engine: bool = False
) -> list[str]:
    """The problems of docker_daemon_options that are known without asking dockerd."""
    problems = []
    where = "docker_daemon_options"
    for name in sorted(options):
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            hint = name.lower().replace("_", "-")
            problems.append(
                f"{where}: {show_name(name)} is not an option of dockerd, which are written with"
                f" lower case letters and hyphens; write {show_name(hint)} if that is meant."
            )
        elif old_engine and name not in OPTIONS_20_10:
            close = difflib.get_close_matches(name, OPTIONS_20_10, 1)
            cure = f"did you mean '{close[0]}'?" if close else "take it out."
            problems.append(
                f"{where}: '{name}' is not an option of the Docker Engine 20.10 of this"
                f" distribution, which would not start with it; {cure}"
            )
    if options.get("userns-remap"):
        problems.append(
            f"{where}: userns-remap must be left out, for {USERNS_REASON}; got"
            f" {shown(options['userns-remap'])}."
        )
    if swarm and options.get("live-restore"):
        problems.append(
            f"{where}: live-restore must be left out on a host of a swarm, for dockerd refuses the"
            " two together; got true."
        )
    hosts = options.get("hosts")
    if hosts is not None and not {f"unix://{SOCKET}", "unix:///run/docker.sock", "unix://"} & set(
        hosts
    ):
        problems.append(
            f"{where}: hosts must keep unix://{SOCKET}, which this collection uses; got"
            f" {shown(hosts)}."
        )
    flags = flag_options(command)
    problems += exposure_problems(options, flags)
    for name in sorted(daemon_config(options, swarm)):
        if name in flags:
            cure = (
                "take it out"
                if name in options
                else f"write '{name}: null' to leave it to the flag"
            )
            problems.append(
                f"{where}: {name} is already given to dockerd by its service as the flag"
                f" {flags[name]}, and dockerd refuses to start when daemon.json repeats it; {cure},"
                " or take the flag out of the service first."
            )
    return problems
