# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and Redis: their images, and what makes a container of one a service."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ...host.places import CONTAINER_SECRETS
from ...host.size import bytes_of

PASSWORD = "password"
PASSWORD_FILE = f"{CONTAINER_SECRETS}/{PASSWORD}"
# The user of both, in the official images and in those of the distribution's packages.
UID = 999
# The user, and the database, that the application gets.
OWNER = "app"
# What each distribution that the collection supports has in its packages.
PACKAGED = {
    "jammy": {"postgresql": "14", "redis": "6.0"},
    "noble": {"postgresql": "16", "redis": "7.0"},
    "resolute": {"postgresql": "18", "redis": "8.0"},
    "bookworm": {"postgresql": "15", "redis": "7.0"},
    "trixie": {"postgresql": "17", "redis": "8.0"},
}
# Without a special meaning in a URL, in SQL and in a configuration file.
PASSWORD_PATTERN = r"[A-Za-z0-9._~-]{8,128}|"


class ServiceEngine(ABC):
    """What the collection knows of one engine."""

    name: str
    port: int
    scheme: str
    variable: str
    image: str
    version: str  # of a registry, where an entry names none
    version_pattern: str
    memory: str
    least_memory: str
    directory: str  # of its data, where the volume is mounted
    run: str = ""  # a directory that it writes to beside it
    home: str
    stop_signal: str = "SIGTERM"
    stop_seconds: int = 60
    # Whether its data has the password, which its files have in any case.
    keeps_password: bool = False

    @abstractmethod
    def packages(self, version: str) -> tuple[str, ...]:
        """The packages of the distribution that an image is made of."""

    @abstractmethod
    def image_environment(self, version: str) -> dict[str, str]:
        """The environment of such an image, which the official one has too."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment of its container."""

    @abstractmethod
    def command(self, memory: str) -> tuple[str, ...]:
        """Its command: the settings follow the memory of the container."""

    @abstractmethod
    def health(self) -> tuple[str, ...]:
        """What ends with 0 in its container when it answers."""

    @abstractmethod
    def files(self, password: str) -> dict[str, str]:
        """The files that hold its password for it, by name."""

    @abstractmethod
    def set_password(self, before: str, password: str) -> tuple[tuple[str, ...], str]:
        """The words and the input of a program in its container that gives it another password."""

    @abstractmethod
    def user(self) -> str:
        """The user part of its URL before the colon."""

    @abstractmethod
    def database(self) -> str:
        """The path of its URL."""

    @abstractmethod
    def dump(self) -> dict[str, tuple[str, ...]]:
        """By file of a backup, the words in its container whose output it is."""

    @abstractmethod
    def load(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The words that a container with empty data gets one after the other, each with the file
        that is its input; "" for none.
        """

    @abstractmethod
    def asks_version(self) -> tuple[str, ...]:
        """The words whose output has the version of its server."""

    def placed(self) -> tuple[str, ...]:
        """The files of a backup that are in the data directory when such a container starts."""
        return ()

    def optional(self) -> tuple[str, ...]:
        """The files that a backup of an earlier version of this collection lacks."""
        return ()

    def to_load(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command of such a container, from that of the service."""
        return tuple(command)

    def not_saved(self) -> tuple[str, ...]:
        """The words whose output names what is in it and not in a backup; () for nothing."""
        return ()

    def url(self, host: str, password: str) -> str:
        """What the application connects to."""
        who = f"{self.user()}:{quote(password, safe='')}"
        return f"{self.scheme}://{who}@{host}:{self.port}/{self.database()}"

    def problem(self, version: str) -> str:
        """What a version must be; "" for one that is."""
        return "" if re.fullmatch(self.version_pattern, version) else f"be such as {self.version}"


class PostgreSQL(ServiceEngine):
    name, port, scheme, variable = "postgresql", 5432, "postgresql", "DATABASE_URL"
    image, version, version_pattern = "postgres", "17", r"[1-9]\d(\.\d+)?"
    memory, least_memory = "512m", "96m"
    # Not /var/run: while an image is made, that is a link to the /run of the host.
    # Not the data directory of the image: its images of version 18 have another one than before.
    directory, run, home = "/var/lib/postgresql/data", "/run/postgresql", "/var/lib/postgresql"
    stop_signal = "SIGINT"  # ends its connections; SIGTERM waits for them
    data = "/var/lib/postgresql/data/pgdata"
    keeps_password = True
    roles, content, settings = "roles.sql", "database.dump", "settings.sql"

    def packages(self, version: str) -> tuple[str, ...]:
        return (f"postgresql-{version}",)

    def image_environment(self, version: str) -> dict[str, str]:
        binaries = f"/usr/lib/postgresql/{version}/bin"
        paths = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PG_MAJOR": version, "PGDATA": self.directory, "PATH": f"{paths}:{binaries}"}

    def environment(self) -> dict[str, str]:
        return {
            "PGDATA": self.data,
            "POSTGRES_DB": OWNER,
            "POSTGRES_PASSWORD_FILE": PASSWORD_FILE,
            "POSTGRES_USER": OWNER,
        }

    def command(self, memory: str) -> tuple[str, ...]:
        megabytes = bytes_of(memory) >> 20
        settings = {
            "shared_buffers": f"{max(megabytes // 4, 16)}MB",
            "effective_cache_size": f"{max(megabytes * 3 // 5, 32)}MB",
            "maintenance_work_mem": f"{max(megabytes // 16, 4)}MB",
            "work_mem": f"{min(max(megabytes // 128, 1), 64)}MB",
            # Not in /dev/shm, which has 64 MB in a container.
            "dynamic_shared_memory_type": "sysv",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return ("postgres", *words)

    def health(self) -> tuple[str, ...]:
        # Over TCP: while it creates a new database, its server listens on a socket alone.
        return ("pg_isready", "--quiet", "--host=127.0.0.1", f"--username={OWNER}")

    def files(self, password: str) -> dict[str, str]:
        return {PASSWORD: password}

    def set_password(self, before: str, password: str) -> tuple[tuple[str, ...], str]:
        words = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
        return (*words, f"--username={OWNER}", "--dbname=postgres"), (
            f"ALTER ROLE {OWNER} PASSWORD '{password}';\n"
        )

    def asks_version(self) -> tuple[str, ...]:
        return ("postgres", "--version")

    # Over the socket in its container, which asks for no password.
    def dump(self) -> dict[str, tuple[str, ...]]:
        return {
            self.roles: ("pg_dumpall", "--roles-only", f"--username={OWNER}"),
            self.content: ("pg_dump", "--format=custom", f"--username={OWNER}", OWNER),
            # What the database itself has: settings, and who may connect.
            self.settings: (
                *("pg_dump", "--create", "--schema-only", "--exclude-schema=*"),
                *(f"--username={OWNER}", OWNER),
            ),
        }

    def load(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        who = f"--username={OWNER}"
        # What a new database has too, such as the role and the database, is not an error.
        script = ("psql", "--no-psqlrc", "--quiet", who, "--dbname=postgres")
        # An image may fill a new database, as that of PostGIS does; the dump has all of it.
        again = f"dropdb {who} --maintenance-db=postgres {OWNER}"
        again += f" && createdb {who} --maintenance-db=postgres --template=template0 {OWNER}"
        return (
            (self.roles, script),
            ("", ("sh", "-euc", again)),
            (self.content, ("pg_restore", "--exit-on-error", who, f"--dbname={OWNER}")),
            (self.settings, script),
        )

    def optional(self) -> tuple[str, ...]:
        return (self.settings,)

    def not_saved(self) -> tuple[str, ...]:
        others = (
            "SELECT datname FROM pg_database WHERE NOT datistemplate"
            f" AND datname NOT IN ('postgres', '{OWNER}')"
            # That one is for connections, and has only what an extension of the image brings.
            " UNION SELECT 'postgres' WHERE EXISTS (SELECT FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'm')"
            " AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS"
            " (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid"
            " AND deptype = 'e'))"
        )
        words = ("psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--username={OWNER}")
        return (*words, "--dbname=postgres", f"--command={others}")

    def user(self) -> str:
        return OWNER

    def database(self) -> str:
        return OWNER


# Redis writes its file as it also does between two backups, and replaces it as a whole. Another
# child process, such as one that shortens its log, delays that.
_REDIS = f"""
export REDISCLI_AUTH="$(cat {PASSWORD_FILE})"
ask() {{ redis-cli -h 127.0.0.1 "$@"; }}
has() {{ ask INFO persistence | grep -q "^$1"; }}
"""
_REDIS_DUMP = (
    _REDIS
    + """
while said=$(ask BGSAVE); do
    case $said in
        'Background saving started') break ;;
        *'in progress'* | *'child process'*) sleep 0.5 ;;
        *) echo "BGSAVE: $said" >&2; exit 1 ;;
    esac
done
while has rdb_bgsave_in_progress:1; do sleep 0.1; done
has rdb_last_bgsave_status:ok || { echo 'it cannot write its data; see its log' >&2; exit 1; }
exec cat dump.rdb
"""
)
_REDIS_APPEND = (
    _REDIS
    + """
test "$(ask CONFIG SET appendonly yes)" = OK
while has aof_rewrite_in_progress:1 || has aof_rewrite_scheduled:1; do sleep 0.1; done
has aof_last_bgrewrite_status:ok && has aof_enabled:1
"""
)

# Redis 6.0 of Ubuntu 22.04 has no option for this: it must answer OK to both of its commands.
_REDIS_OBEYS = """
said=$(redis-cli -h 127.0.0.1)
test "$said" = "$(printf 'OK\\nOK')" || { echo "$said" >&2; exit 1; }
"""


class Redis(ServiceEngine):
    name, port, scheme, variable = "redis", 6379, "redis", "REDIS_URL"
    image, version, version_pattern = "redis", "8.0", r"[1-9]\d?\.\d+(\.\d+)?"
    memory, least_memory = "256m", "16m"
    directory, home = "/data", "/data"
    settings = "redis.conf"
    saved = "dump.rdb"

    def packages(self, version: str) -> tuple[str, ...]:
        return ("redis-server", "redis-tools")

    def image_environment(self, version: str) -> dict[str, str]:
        return {}

    def environment(self) -> dict[str, str]:
        return {}

    def command(self, memory: str) -> tuple[str, ...]:
        # The rest is for the copy that it writes to the disk from, and for its clients.
        kilobytes = (bytes_of(memory) * 3 // 5) >> 10
        limits = ("--maxmemory", f"{kilobytes}kb", "--maxmemory-policy", "noeviction")
        return (
            "redis-server",
            f"{CONTAINER_SECRETS}/{self.settings}",
            *("--dir", self.directory, "--appendonly", "yes", "--bind", "0.0.0.0"),
            # Its log of writes has all data. With times to save as well, one failed save of a full
            # disk would refuse all writes until the next is due.
            *("--save", ""),
            *limits,
        )

    def health(self) -> tuple[str, ...]:
        ask = f'REDISCLI_AUTH="$(cat {PASSWORD_FILE})" redis-cli -h 127.0.0.1 ping'
        return ("sh", "-c", f'test "$({ask})" = PONG')

    def files(self, password: str) -> dict[str, str]:
        return {PASSWORD: password, self.settings: f"requirepass {password}\n"}

    def set_password(self, before: str, password: str) -> tuple[tuple[str, ...], str]:
        return ("sh", "-euc", _REDIS_OBEYS), (f"AUTH {before}\nCONFIG SET requirepass {password}\n")

    def asks_version(self) -> tuple[str, ...]:
        return ("redis-server", "--version")

    def dump(self) -> dict[str, tuple[str, ...]]:
        return {self.saved: ("sh", "-c", f"cd {self.directory}{_REDIS_DUMP}")}

    def load(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("", ("sh", "-euc", _REDIS_APPEND)),)

    def placed(self) -> tuple[str, ...]:
        return (self.saved,)

    def to_load(self, command: Sequence[str]) -> tuple[str, ...]:
        # With its log of writes, which is empty, it would not read the file.
        words = list(command)
        words[words.index("--appendonly") + 1] = "no"
        return tuple(words)

    def user(self) -> str:
        return ""

    def database(self) -> str:
        return "0"


ENGINES: Mapping[str, ServiceEngine] = {engine.name: engine for engine in (PostgreSQL(), Redis())}
