# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nginx knows of a host, and its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..host.distribution import Distribution
from ..host.typed import Typed
from .certificates import Certificate
from .site import Site


@dataclass(frozen=True)
class MainConfig(Typed):
    """nginx.conf. state: absent, ours, untouched (as its package has it) or changed. content: of a
    changed one.
    """

    state: str = "absent"
    content: str = ""


@dataclass(frozen=True)
class DefaultSite(Typed):
    """A default site of a package that is enabled; state and content as of nginx.conf."""

    path: str
    state: str = ""
    content: str = ""


@dataclass(frozen=True)
class Foreign(Typed):
    """Configuration of another owner. default_ports: on which it is the default server."""

    path: str
    default_ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class OurFile(Typed):
    """A file with the mark of this collection."""

    sha256: str
    mode: str


@dataclass(frozen=True)
class PortHolder(Typed):
    """A program other than Nginx that listens on a port. pid: 0 where it is unknown."""

    port: int
    program: str
    pid: int


@dataclass(frozen=True)
class LogRotation(Typed):
    """Who rotates /var/log/nginx: theirs, ours or nobody. installed: whether logrotate is."""

    by: str = "nobody"
    sha256: str = ""
    installed: bool = False


@dataclass(frozen=True)
class InstalledRenewal(Typed):
    """What renews certificates between two runs: the name of the program, "" without one, and the
    SHA-256 of its list. files: what there is of it, also where it does not run.
    """

    program: str = ""
    orders: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts(Typed):
    """A host. certificates: those that are in use, by site. forgotten: the sites that were
    removed long ago. certbot_there: the name of the one of the package index, "" without one.
    clock: seconds since 1970, 0 where it was not read. version: None without Nginx. openssl:
    the one that Nginx runs with. programs: which of openssl and certbot are installed. service:
    enabled, disabled, masked, or "" for none. boot_guard: ours, missing, or none where systemd
    does not run. reload_pending: a run was interrupted between writing the configuration and
    loading it.
    """

    administrator: bool = True
    boot_guard: str = "none"
    certbot_there: str = ""
    certificates: dict[str, Certificate] = field(default_factory=dict)
    clock: int = 0
    configuration_error: str = ""
    conf_d_included: bool = False
    default_sites: tuple[DefaultSite, ...] = ()
    directories: tuple[str, ...] = ()
    distribution: Distribution = field(default_factory=Distribution)
    files: dict[str, OurFile] = field(default_factory=dict)
    foreign: tuple[Foreign, ...] = ()
    forgotten: tuple[str, ...] = ()
    group: str = "www-data"
    gzip_static: bool = True
    included_sites: tuple[str, ...] = ()
    installed: bool = False
    ipv6: bool = False
    log_rotation: LogRotation = LogRotation()
    main_config: MainConfig = MainConfig()
    master_pid: int | None = None
    namespace_error: str = ""
    openssl: str | None = None
    port_holders: tuple[PortHolder, ...] = ()
    programs: tuple[str, ...] = ()
    reload_pending: bool = False
    renewal: InstalledRenewal = InstalledRenewal()
    running: bool = False
    service: str = ""
    user: str = "www-data"
    version: str | None = None


@dataclass(frozen=True)
class Inputs(Typed):
    """The variables of the role that the plan uses, without their prefix."""

    manage: bool
    sites: tuple[Site, ...]
    default_site_enabled: bool
    required_sites: tuple[str, ...]
    http_port: int
    https_port: int
    ipv6: str
    tls_profile: str | None
    acme_client: str | None
    acme_directory: str | None
    acme_ca_bundle: str | None
    health_path: str | None
    trusted_proxies: tuple[str, ...]
    user: str
    header_buffer_size: str | None
    replace_main_config: bool
    replace_default_site: bool
    notify: str | None = None


@dataclass(frozen=True)
class TreeFile(Typed):
    """A file below /etc/nginx."""

    path: str
    content: str


@dataclass(frozen=True)
class Tree(Typed):
    """The parameters of nginx_tree: what must exist, and what must not."""

    directories: tuple[str, ...]
    files: tuple[TreeFile, ...]
    absent: tuple[str, ...]
