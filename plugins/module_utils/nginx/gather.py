# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers everything that the role nginx needs to know of a host. Changes nothing."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..host import distribution, host_program
from ..host.places import (
    CERTBOT,
    CERTIFICATES,
    HOST_PROGRAMS,
    NGINX_ROOT,
    NGINX_RUNTIME,
    NGINX_SITES,
    NginxPlace,
)
from . import certificates, config, process, renew
from .facts import (
    DefaultSite,
    Facts,
    Foreign,
    InstalledRenewal,
    LogRotation,
    MainConfig,
    OurFile,
    PortHolder,
)
from .files import MARKER, PENDING, read_text

# Sites that a package brings, switched on as they come: Debian and Ubuntu, nginx.org.
PROGRAMS = {
    "openssl": "/usr/bin/openssl",
    "certbot": "/usr/bin/certbot",
    "cron": "/usr/sbin/cron",
}
SHOWN_BYTES = 65536  # of a file of another owner, for the difference in an error


@dataclass
class Places:
    """Where things are on a host; the tests use others."""

    root: Path = Path(NGINX_ROOT)
    nginx: str = "/usr/sbin/nginx"
    system: Path = Path("/")

    def at(self, path: str) -> Path:
        return self.system / path.lstrip("/")


def run(command: list[str]) -> tuple[int, str]:
    """A command that only reads; a missing one fails nothing here."""
    try:
        return process.run(command, 120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)


def conffile_sums(status: str, root: str) -> dict[str, str]:
    """The files that dpkg installed: path -> MD5, from its status file."""
    return dict(re.findall(rf"^ ({re.escape(root)}/\S+) ([0-9a-f]{{32}})\b", status, re.MULTILINE))


def file_state(path: Path, sums: dict[str, str], name: str) -> str:
    """absent, ours, untouched (as the package brought it) or changed."""
    try:
        content = path.read_bytes()
    except OSError:
        return "changed" if path.is_symlink() else "absent"
    if MARKER.encode() in content:
        return "ours"
    known = sums.get(name)
    return (
        "untouched"
        if known and hashlib.md5(content, usedforsecurity=False).hexdigest() == known
        else "changed"
    )


def main_config(places: Places, sums: dict[str, str]) -> MainConfig:
    path = places.root / "nginx.conf"
    state = file_state(path, sums, f"{NGINX_ROOT}/nginx.conf")
    return MainConfig(state, read_text(path)[:SHOWN_BYTES] if state == "changed" else "")


def default_sites(places: Places, sums: dict[str, str]) -> list[DefaultSite]:
    """The packages' default sites that are enabled, and whether they were changed."""
    found = []
    for name in config.DEFAULT_SITES:
        path = places.root / name
        if not os.path.lexists(path):
            continue
        known = f"{NGINX_ROOT}/{name}"
        if path.is_symlink():
            target = Path(os.path.realpath(path))
            known = f"{NGINX_ROOT}/{os.path.relpath(target, os.path.realpath(places.root))}"
        state = file_state(path, sums, known)
        text = read_text(path)[:SHOWN_BYTES] if state == "changed" else ""
        found.append(DefaultSite(name, state, text))
    return found


def foreign_files(places: Places) -> list[Foreign]:
    """Files of other owners that the main configuration includes."""
    found = []
    for directory, pattern in (
        ("sites-enabled", "*"),
        ("conf.d", "*.conf"),
        (NGINX_SITES, "*.conf"),
    ):
        for path in sorted((places.root / directory).glob(pattern)):
            name = f"{directory}/{path.name}"
            if path.name.startswith(".") or name in config.DEFAULT_SITES or path.is_dir():
                continue
            text = read_text(path)
            if MARKER not in text:
                found.append(Foreign(name, tuple(config.default_ports(text))))
    return found


def own_files(places: Places) -> dict[str, OurFile]:
    """The files with the marker of this collection: a run with the same contents writes nothing."""
    found = {}
    paths = [places.root / "nginx.conf", places.root / "conf.d/flaskops.types"]
    paths += [
        *(places.root / "conf.d").glob("*.conf"),
        *NginxPlace(places.root).sites.glob("*.conf"),
    ]
    for path in paths:
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if MARKER.encode() in content:
                digest = hashlib.sha256(content).hexdigest()
                mode = f"{path.stat().st_mode & 0o7777:04o}"
                found[str(path.relative_to(places.root))] = OurFile(digest, mode)
    return found


def listening_inodes(tables: Iterable[str], port: int) -> set[str]:
    """The sockets that listen on a TCP port, from the text of /proc/net/tcp and tcp6."""
    found = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            columns = line.split()
            if (
                len(columns) > 9
                and columns[3] == "0A"
                and int(columns[1].rpartition(":")[2], 16) == port
            ):
                found.add(columns[9])
    return found


def sockets_of(pid: int) -> set[str]:
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{name}"))
            if match:
                found.add(match[1])
    except OSError:
        pass
    return found


def port_holders(ports: list[int], master: int | None) -> list[PortHolder]:
    """Programs other than our Nginx that listen on ports we need."""
    tables = [read_text(Path(f"/proc/net/{name}")) for name in ("tcp", "tcp6")]
    own = sockets_of(master) if master else set()
    found = []
    for port in ports:
        inodes = listening_inodes(tables, port)
        if not inodes or inodes & own:
            continue
        program = "an unknown program"
        holder = next((pid for pid in process.processes() if sockets_of(pid) & inodes), 0)
        if holder:
            program = read_text(Path(f"/proc/{holder}/comm")).strip()
            program += "" if process.own_command_line(holder) else " (in a container)"
        found.append(PortHolder(port, program, holder))
    return found


def service_enabled(places: Places) -> str:
    """enabled, disabled or masked; empty when there is no such service."""
    if places.at("/run/systemd/system").is_dir():
        state = run(["systemctl", "is-enabled", "nginx.service"])[1].strip().splitlines()[-1:]
        if state and state[0].startswith("masked"):
            return "masked"
        return (
            "enabled"
            if state and state[0] in ("enabled", "enabled-runtime", "static", "alias")
            else "disabled"
        )
    if any(places.at("/etc").glob("rc[2345].d/S[0-9][0-9]nginx")):
        return "enabled"
    return "disabled" if places.at("/etc/init.d/nginx").exists() else ""


# Raised when the files of the guard change (roles/nginx/files).
GUARD = "flaskops.host (role nginx), guard 1:"


def boot_guard(places: Places) -> str:
    """Whether systemd keeps one bad fragment from stopping all: ours, missing, or none where
    systemd does not run.
    """
    if not places.at("/run/systemd/system").is_dir():
        return "none"
    return (
        "ours"
        if GUARD in read_text(places.at("/etc/systemd/system/nginx.service.d/flaskops.conf"))
        else "missing"
    )


def log_rotation(places: Places) -> LogRotation:
    """Who rotates /var/log/nginx: theirs, ours or nobody."""
    by, digest = "nobody", ""
    for path in sorted(places.at("/etc/logrotate.d").glob("*")):
        text = read_text(path)
        if MARKER in text:
            digest = hashlib.sha256(text.encode()).hexdigest()
            by = "ours" if by == "nobody" else by
        elif re.search(r"^\s*[\"']?/var/log/nginx/", text, re.MULTILINE):
            by = "theirs"
    return LogRotation(by, digest, places.at("/usr/sbin/logrotate").exists())


def _timer_runs(places: Places) -> bool:
    """Whether the timer is started, now and at boot."""
    wanted = places.at("/etc/systemd/system/timers.target.wants/flaskops-renew.timer")
    return wanted.is_symlink() and run(["systemctl", "is-active", "flaskops-renew.timer"])[0] == 0


def renewal(places: Places) -> InstalledRenewal:
    """The program that systemd or cron starts, if it exists, and its list."""
    known = map(str, (*renew.UNITS, renew.TIMER, renew.ORDERS))
    programs = places.at(str(HOST_PROGRAMS))
    # Jobs of applications start the same program.
    others = host_program.used(places.system, but=[str(unit) for unit in renew.UNITS])
    files = (
        *(path for path in known if places.at(path).exists()),
        *(
            str(HOST_PROGRAMS / path.name)
            for pattern in ("flaskops-*.pyz", "certbot*")
            for path in sorted(programs.glob(pattern))
            if path.name not in others
        ),
    )
    for unit in renew.UNITS:
        text = read_text(places.at(str(unit)))
        found = re.search(r"(\S+/)(flaskops-[0-9a-f]+\.pyz) renew", text)
        if found and places.at(found[1] + found[2]).exists():
            try:
                listed = places.at(str(renew.ORDERS)).read_bytes()
            except OSError:
                listed = b""
            # Without its timer it counts as missing, and is installed again.
            runs = unit.suffix != ".service" or _timer_runs(places)
            digest = hashlib.sha256(listed).hexdigest()
            return InstalledRenewal(found[2] if runs else "", digest, files)
    return InstalledRenewal(files=files)


def certbot_there(places: Places) -> str:
    """The name of the certbot of the package index; "" without one, and where it was installed for
    another Python than the host has now.
    """
    link = places.at(str(CERTBOT))
    if not link.is_symlink():
        return ""
    words = "import sys; print('python{}.{}'.format(*sys.version_info))"
    python = run([str(places.at("/usr/bin/python3")), "-I", "-S", "-c", words])[1].strip()
    fits = bool(python) and (link / "lib" / python / "site-packages/certbot").is_dir()
    return os.path.basename(os.readlink(link)) if fits else ""


def gather(places: Places, ports: list[int], sites: list[str]) -> Facts:
    """The whole look."""
    root = str(places.root)
    nginx = process.Host(places.nginx)
    installed = nginx.installed()
    sums = conffile_sums(read_text(places.at("/var/lib/dpkg/status")), NGINX_ROOT)
    files: dict[str, str] = {}
    error, version, openssl, user, gzip_static = "", None, None, None, True
    if installed:
        code, dump = run([places.nginx, "-T", "-c", f"{root}/nginx.conf"])
        version_words = run([places.nginx, "-V"])[1]
        match = re.search(r"nginx/(\S+)", version_words)
        version = match[1] if match else None
        linked = re.findall(r"(?:built|running) with OpenSSL (\S+)", version_words)
        openssl = linked[-1] if linked else None
        gzip_static = "http_gzip_static_module" in version_words
        if code == 0:
            files = config.split_dump(dump)
        else:
            error = process.emergencies(dump)
        built_in = re.search(r"--user=(\S+)", version_words)
        user = config.worker_user(files) or ((built_in[1], built_in[1]) if built_in else None)
    master = nginx.master(places.root) if installed else None
    code, refused = run(["unshare", "--mount", "true"])
    lines = config.includes(files, root)
    return Facts(
        administrator=os.geteuid() == 0,
        boot_guard=boot_guard(places),
        certbot_there=certbot_there(places),
        certificates=certificates.current(places.root),
        clock=int(time.time()),
        configuration_error=error,
        conf_d_included=any(
            context in ("http", "") and config.glob_covers(pattern, f"{root}/conf.d/flaskops.conf")
            for context, pattern in lines
        ),
        default_sites=tuple(default_sites(places, sums)),
        directories=tuple(
            sorted(
                p.name
                for p in NginxPlace(places.root).sites.glob("*")
                if p.is_dir() and not p.is_symlink()
            )
        ),
        distribution=distribution.Distribution.parse(read_text(places.at(distribution.FILE))),
        files=own_files(places),
        foreign=tuple(foreign_files(places)),
        forgotten=tuple(
            certificates.forgotten(places.root, time.time(), places.at(str(CERTIFICATES)))
        ),
        group=user[1] if user else "www-data",
        gzip_static=gzip_static,
        included_sites=tuple(config.included_sites(files, root, sites)),
        installed=installed,
        ipv6=bool(read_text(places.at("/proc/net/if_inet6")).strip()),
        log_rotation=log_rotation(places),
        main_config=main_config(places, sums),
        master_pid=master,
        namespace_error="" if code == 0 else refused.strip(),
        openssl=openssl,
        port_holders=tuple(port_holders(ports, master)),
        programs=tuple(name for name, path in PROGRAMS.items() if places.at(path).exists()),
        reload_pending=places.at(str(NGINX_RUNTIME / PENDING)).exists(),
        renewal=renewal(places),
        running=master is not None,
        service=service_enabled(places),
        user=user[0] if user else "www-data",
        version=version,
    )
