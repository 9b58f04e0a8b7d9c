# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log lines that lead to a key of the entry."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice, spoken

CONTAINER = {
    "Config": {"User": "10001:10001", "Labels": {"host.flaskops.app": "shop"}},
    "Mounts": [
        {
            "Source": "/var/lib/flaskops/apps/shop/releases/1/run",
            "Destination": "/run/flaskops/1",
            "RW": True,
        },
        {"Source": "/var/lib/docker/volumes/shop-data/_data", "Destination": "/data", "RW": True},
        {"Source": "/srv/media", "Destination": "/media", "RW": False},
    ],
}
MKDIR = """Traceback (most recent call last):
  File "/app/app.py", line 4, in <module>
    os.makedirs("{0}")
    ~~~~~~~~~~~^^^^^^^
OSError: [Errno 30] Read-only file system: '{0}'"""
OPEN = """  File "/app/app.py", line 4, in <module>
    open("{0}", "w")
    ~~~~^^^^^^^
OSError: [Errno 30] Read-only file system: '{0}'"""
LOST = (
    "The root file system is read-only: write writable: [{0}], and for what must outlive the"
    " container volumes: [{1}]."
)
BESIDE = (
    "The root file system is read-only, and it writes {0} beside the code: have it write below"
    " /tmp, and what must outlive the container to a volume, such as volumes: [shop-data:/data]."
)
KEPT = (
    "The root file system is read-only, and it writes /app/{0} beside the code: write data_files:"
    " [{0}], which keeps it on a volume, or have it write below /tmp."
)
SQLITE = (
    "SQLite writes its database and files beside it: {0} where the application reads its place,"
    " such as env: {{DATABASE_URL: 'sqlite:////data/app.db'}}, and data_files: [app.db], with its"
    " name, where it is beside the code. One in Flask's instance folder needs volumes:"
    " [shop-data:/app/instance]."
)
DENIED = (
    "{0} of the image does not belong to 10001:10001, its user: where it writes there, write"
    " writable: [{1}], or for what must outlive the container volumes: [{2}]."
)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("all is well", []),
        (
            "OSError: [Errno 30] Read-only file system: '/app/uploads'",
            [LOST.format("/app/uploads", "shop-uploads:/app/uploads")],
        ),
        (MKDIR.format("uploads"), [LOST.format("/app/uploads", "shop-uploads:/app/uploads")]),
        (MKDIR.format("/app/v1.2"), [LOST.format("/app/v1.2", "shop-v1.2:/app/v1.2")]),
        (OPEN.format("/app/cache/index"), [LOST.format("/app/cache", "shop-cache:/app/cache")]),
        (
            "Read-only file system: '/app/cache/a.png'",
            [LOST.format("/app/cache", "shop-cache:/app/cache")],
        ),
        (OPEN.format("celerybeat-schedule"), [KEPT.format("celerybeat-schedule")]),
        ("Read-only file system: '/app/app.db'", [KEPT.format("app.db")]),
        ("Read-only file system: b'/x.log'", [BESIDE.format("/x.log")]),
        (
            "mkdir: cannot create directory '/app/var': Read-only file system",
            [LOST.format("/app/var", "shop-var:/app/var")],
        ),
        (
            "mkdir: cannot create directory \u2018/app/var\u2019: Read-only file system",
            [LOST.format("/app/var", "shop-var:/app/var")],
        ),
        (
            "touch: cannot touch '/app/var/flag': Read-only file system",
            [LOST.format("/app/var", "shop-var:/app/var")],
        ),
        (
            "    file = mkdtemp(dir=x)\nRead-only file system: '/app/var/tmp1a'",
            [LOST.format("/app/var", "shop-var:/app/var")],
        ),
        (
            "Read-only file system: '/app/a'\nRead-only file system: '/app/a/b'",
            [LOST.format("/app/a", "shop-a:/app/a")],
        ),
        (
            "sh: 1: cannot create /srv/out.txt: Read-only file system",
            [LOST.format("/srv", "shop-srv:/srv")],
        ),
        (
            "unlink(): Read-only file system [core/socket.c line 198]",
            [
                "The root file system is read-only: name the directory that it writes to in"
                " writable, or in volumes for what must outlive the container."
            ],
        ),
        (
            "sqlite3.OperationalError: unable to open database file",
            [
                SQLITE.format("have it below /data")
                + " What is mounted there does not belong to 10001:10001, the user of the"
                " container; "
                "on the host: chown -R 10001:10001 /var/lib/docker/volumes/shop-data/_data."
            ],
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/data/x'",
            [
                "/data/x is on a volume that does not belong to 10001:10001, the user of the"
                " container; on the host: chown -R 10001:10001"
                " /var/lib/docker/volumes/shop-data/_data."
            ],
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/database/x'",
            [DENIED.format("/database/x", "/database/x", "shop-x:/database/x")],
        ),
        ("connect() Permission denied", []),
    ],
)
def test_a_log_line_leads_to_the_key_to_write(log, words):
    assert advice(f"before\n{log}\nafter\n", CONTAINER) == words


def test_several_places_are_named_together():
    log = (
        "Read-only file system: '/app/a'\nRead-only file system: '/app/b'\nRead-only file system:"
        " '/app/a'"
    )
    assert advice(log, {}) == [LOST.format("/app/a, /app/b", "app-a:/app/a, app-b:/app/b")]


def test_a_read_only_database_belongs_on_a_volume():
    (words,) = advice("attempt to write a readonly database", {})
    assert "volumes: [app-data:/data]" in words
    assert "chown" not in words  # the volume does not exist yet


def test_lines_that_servers_log_at_every_start_are_ignored():
    log = """*** Starting uWSGI 2.0.28 (64bit) ***
compiled with version: 14.2.0
[2026-01-02 03:04:05 +0000] [1] [INFO] Starting gunicorn 23.0.0
[2026-01-02 03:04:05 +0000] [1] [INFO] Listening at: unix:/run/flaskops/1/app.sock (1)
[2026-01-02 03:04:05 +0000] [1] [INFO] Using worker: gthread
[2026-01-02 03:04:05 +0000] [7] [INFO] Booting worker with pid: 7
[2026-01-02 03:04:05 +0000] [7] [ERROR] Exception in worker process
ModuleNotFoundError: No module named 'flask_login'
[2026-01-02 03:04:05 +0000] [7] [INFO] Worker exiting (pid: 7)
[2026-01-02 03:04:06 +0000] [1] [ERROR] Worker (pid:7) exited with code 3
[2026-01-02 03:04:06 +0000] [1] [ERROR] Shutting down: Master
[2026-01-02 03:04:06 +0000] [1] [ERROR] Reason: Worker failed to boot.
flaskops: 2 processes"""
    assert [line.partition("] [ERROR] ")[2] or line for line in spoken(log)] == [
        "Exception in worker process",
        "ModuleNotFoundError: No module named 'flask_login'",
        "Worker (pid:7) exited with code 3",
        "Shutting down: Master",
        "Reason: Worker failed to boot.",
        "flaskops: 2 processes",
    ]


@pytest.mark.parametrize(
    ("log", "path"),
    [
        (
            (
                "    os.replace(a, b)\nOSError: [Errno 30] Read-only file system: '/tmp/x1' ->"
                " '/app/var/state.json'"
            ),
            "/app/var",
        ),
        ("OSError: [Errno 30] Read-only file system: b'/tmp/x1' -> b'/app/var/state'", "/app/var"),
        (
            (
                "    os.symlink(a, b)\nOSError: [Errno 30] Read-only file system: '../shared' ->"
                " '/app/var/current'"
            ),
            "/app/var",
        ),
        ("mv: cannot move '/tmp/a' to '/app/var/a': Read-only file system", "/app/var"),
        (
            "ln: failed to create hard link '/app/var/b' => '/tmp/a': Read-only file system",
            "/app/var",
        ),
        ("Error: EROFS: read-only file system, open '/app/var/out.json'", "/app/var"),
        ("Error: EROFS: read-only file system, mkdir '/app/var'", "/app/var"),
        ("Error: EROFS: read-only file system, rename '/tmp/a' -> '/app/var/a'", "/app/var"),
        ("open /app/var/out.json: read-only file system", "/app/var"),
        ("mkdir /app/var: read-only file system", "/app/var"),
    ],
)
def test_a_move_or_a_link_names_its_target(log, path):
    assert advice(log, CONTAINER) == [LOST.format(path, f"shop-var:{path}")]


def test_two_directories_of_one_name_get_two_volumes():
    (words,) = advice(
        "Read-only file system: '/app/a/data'\nRead-only file system: '/app/b/data'", {}
    )
    assert "volumes: [app-app-a-data:/app/a/data, app-app-b-data:/app/b/data]" in words


@pytest.mark.parametrize(
    "written", ["sqlite3.connect('shop.db')", 'db = connect( "/app/shop.db", timeout=9)']
)
def test_a_database_named_in_a_traceback_is_named_in_the_advice(written):
    log = (
        f'  File "/app/app.py", line 4, in <module>\n    {written}\nsqlite3.OperationalError:'
        " unable to open database file"
    )
    (words,) = advice(log, {})
    assert words.endswith("and data_files: [shop.db] where it is beside the code.")


def test_release_directories_and_anonymous_volumes_are_not_named():
    mounts = [
        {
            "Source": "/var/lib/flaskops/apps/shop/releases/1/spool",
            "Destination": "/var/tmp",
            "RW": True,
        },
        {
            "Source": "/var/lib/docker/volumes/x/_data",
            "Destination": "/config",
            "RW": True,
            "Name": "a" * 64,
        },
    ]
    (words,) = advice(
        "sqlite3.OperationalError: unable to open database file", {**CONTAINER, "Mounts": mounts}
    )
    assert words == SQLITE.format("keep it on a volume. Write volumes: [shop-data:/data]")
    (words,) = advice(
        "PermissionError: [Errno 13] Permission denied: '/config/a.db'",
        {**CONTAINER, "Mounts": mounts},
    )
    assert words == DENIED.format("/config/a.db", "/config", "shop-config:/config")


def test_the_advice_does_not_repeat_a_volume_of_the_application(tmp_path):
    user = f"{tmp_path.stat().st_uid}:0"
    mounts = [{"Source": str(tmp_path), "Destination": "/data", "RW": True}]
    container = {"Config": {**CONTAINER["Config"], "User": user}, "Mounts": mounts}
    for log in ("unable to open database file", "Permission denied: '/data/x.db'"):
        (words,) = advice(log, container)
        assert "chown" not in words


@pytest.mark.parametrize("path", ["/usr/x.log", "/etc/x.conf", "/x"])
def test_the_advice_never_covers_a_path_that_the_system_needs(path):
    (words,) = advice(f"    open(x)\nRead-only file system: '{path}'", CONTAINER)
    assert "writable" not in words
    assert words == BESIDE.format(path)


def test_files_beside_the_code_are_named_together_but_not_for_the_server_of_an_image():
    log = (
        "    open(x)\nRead-only file system: '/app/a.db'\n    open(x)\nRead-only file system:"
        " '/app/b.log'"
    )
    (words,) = advice(log, CONTAINER)
    assert "write data_files: [a.db, b.log]" in words
    (words,) = advice(
        log,
        {"Config": {"Labels": {"host.flaskops.app": "shop"}, "Env": ["FLASKOPS_ENGINE=command"]}},
    )
    assert "data_files" not in words


ALONE = {**CONTAINER, "HostConfig": {"NetworkMode": "none"}}
UNKNOWN = (
    "It has no network, and asks for {0}: write internet: true for servers elsewhere, networks:"
    " [NAME] for a container in "
)
LOOPBACK = (
    "{0} is the container itself, where no such server listens. For one on the host write its unix"
    " socket as a volume, such as "
)


@pytest.mark.parametrize(
    ("log", "host"),
    [
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "a server"),
        (
            (
                'psycopg2.OperationalError: could not translate host name "db" to address: Name or'
                " service not known"
            ),
            "db",
        ),
        (
            (
                "pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on 'db'"
                ' ([Errno -2] Name or service not known)")'
            ),
            "db",
        ),
        ("(2005, \"Unknown MySQL server host 'mysql' (-3)\")", "mysql"),
        (
            (
                "redis.exceptions.ConnectionError: Error -3 connecting to redis:6379. Temporary"
                " failure in name resolution."
            ),
            "redis",
        ),
        (
            (
                "pymongo.errors.ServerSelectionTimeoutError: mongo:27017: [Errno -3] Temporary"
                " failure in name resolution"
            ),
            "mongo",
        ),
        (
            (
                "HTTPSConnectionPool(host='api.example.org', port=443): (NameResolutionError:"
                " Failed to resolve 'x')"
            ),
            "api.example.org",
        ),
        ("curl: (6) Could not resolve host: example.org", "example.org"),
        ("Error: getaddrinfo EAI_AGAIN db", "db"),
        ("dial tcp: lookup db on 127.0.0.11:53: no such host", "db"),
        (
            (
                "aiohttp: Cannot connect to host db:80 ssl:default [Temporary failure in name"
                " resolution]"
            ),
            "db",
        ),
        (
            "Cannot connect to amqp://user:**@rabbit:5672//: [Errno -2] Name or service not known.",
            "rabbit",
        ),
        ("OSError: [Errno 101] Network is unreachable", "a server"),
        (
            (
                "redis.exceptions.ConnectionError: Error 111 connecting to 10.0.0.7:6379."
                " Connection refused."
            ),
            "10.0.0.7",
        ),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "a server"),
    ],
)
def test_an_application_that_needs_a_network_gets_the_key_to_write(log, host):
    (words,) = advice(log, ALONE)
    assert words.startswith(UNKNOWN.format(host))
    assert advice(log, {**CONTAINER, "HostConfig": {"NetworkMode": "backend"}}) == []


@pytest.mark.parametrize(
    ("log", "host"),
    [
        (
            'connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused',
            "localhost",
        ),
        (
            (
                "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379."
                " Connection refused."
            ),
            "localhost",
        ),
        ("(2003, \"Can't connect to MySQL server on '127.0.0.1:3306' (111)\")", "127.0.0.1"),
        ("Error: connect ECONNREFUSED 127.0.0.1:5432", "127.0.0.1"),
        ("dial tcp 127.0.0.1:5432: connect: connection refused", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("mode", ["none", "flaskops-shop"])
def test_loopback_inside_the_container_is_explained_with_or_without_a_network(log, host, mode):
    (words,) = advice(log, {**CONTAINER, "HostConfig": {"NetworkMode": mode}})
    assert words.startswith(LOOPBACK.format(host))
    assert "internet: true with host_access: true, and host.docker.internal" in words


@pytest.mark.parametrize(
    ("log", "directory"),
    [
        (
            (
                'connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such'
                " file or directory"
            ),
            "/var/run/postgresql",
        ),
        (
            (
                "(2002, \"Can't connect to local MySQL server through socket"
                " '/run/mysqld/mysqld.sock' (2)\")"
            ),
            "/run/mysqld",
        ),
    ],
)
def test_a_socket_missing_in_the_container_needs_a_volume(log, directory):
    (words,) = advice(log, ALONE)
    assert f"volumes: ['{directory}:{directory}']" in words


def test_each_cause_is_reported_once():
    log = (
        "Error 111 connecting to localhost:6379. Connection refused.\n" * 3
        + 'host name "db" to address: Name or service not known\n' * 2
    )
    assert [words.split(" ")[0] for words in advice(log, ALONE)] == ["localhost", "It"]


def test_in_a_chain_of_errors_the_one_that_names_the_server_counts():
    log = (
        "ConnectionRefusedError: [Errno 111] Connection refused\nError 111 connecting to"
        " localhost:6379. Connection refused.\n"
    )
    assert [words.split(" ")[0] for words in advice(log, ALONE)] == ["localhost"]


@pytest.mark.parametrize(
    "log",
    [
        "[FATAL tini (7)] exec python3 failed: No such file or directory",
        'exec: "python3": executable file not found in $PATH: unknown',
    ],
)
def test_an_image_without_python_gets_the_requirement_of_the_engine(log):
    assert [words.partition(",")[0] for words in advice(log, CONTAINER)] == [
        "The image has no python3 on its PATH"
    ]
    assert advice(log.replace("python3", "node"), CONTAINER) == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("sqlite3.OperationalError: no such table: post", "post"),
        ('psycopg2.errors.UndefinedTable: relation "user" does not exist', "user"),
        (
            "pymysql.err.ProgrammingError: (1146, \"Table 'shop.orders' doesn't exist\")",
            "shop.orders",
        ),
        ("no such table", ""),
        ('column "user" of relation "x" is there', ""),
    ],
)
def test_a_database_without_its_tables_is_prepared_by_release_command(line, name):
    text = " ".join(advice(f"Traceback\n{line}\n{line}", {}))
    assert ("write release_command" in text) == bool(name)
    assert text.count(f"no table {name}:") == bool(name)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/var/lib/shop/shop.db", "write volumes: [shop-shop:/var/lib/shop]."),
        ("/app/shop.db", "data_files: [shop.db]"),
        ("/etc/shop.db", "volumes: [shop-data:/data]"),
        ("/data/shop.db", "have it below /data"),
    ],
)
def test_the_path_of_the_sqlite_database_decides_the_advice(path, written):
    container = {"Config": {"Labels": {"host.flaskops.app": "shop"}}}
    if path.startswith("/data"):
        container["Mounts"] = [
            {"Destination": "/data", "Source": "/nowhere", "RW": True, "Name": "shop-data"}
        ]
    log = f"flaskops: it would also be refused connect({path!r}): unable to open database file"
    assert written in " ".join(advice(log, container))
