# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a log says that a key of the application can put right."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils._advice import advice, spoken

CONTAINER = {
    "Config": {"User": "10001:10001", "Labels": {"host.flaskops.app": "shop"}},
    "Mounts": [
        {"Source": "/var/lib/flaskops/apps/shop/releases/1/run", "Destination": "/run/flaskops/1", "RW": True},
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
LOST = "The root file system is read-only: write writable: [{0}], and for what has to outlive the container volumes: [{1}]."
BESIDE = (
    "The root file system is read-only, and it writes {0} beside the code: have it write below /tmp, and what has to outlive the "
    "container to a volume, such as volumes: [shop-data:/data]."
)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("all is well", []),
        ("OSError: [Errno 30] Read-only file system: '/app/uploads'", [LOST.format("/app/uploads", "shop-uploads:/app/uploads")]),
        (MKDIR.format("uploads"), [LOST.format("/app/uploads", "shop-uploads:/app/uploads")]),
        (MKDIR.format("/app/v1.2"), [LOST.format("/app/v1.2", "shop-v1.2:/app/v1.2")]),
        (OPEN.format("/app/cache/index"), [LOST.format("/app/cache", "shop-cache:/app/cache")]),
        ("Read-only file system: '/app/cache/a.png'", [LOST.format("/app/cache", "shop-cache:/app/cache")]),
        (OPEN.format("celerybeat-schedule"), [BESIDE.format("/app/celerybeat-schedule")]),
        ("Read-only file system: '/app/app.db'", [BESIDE.format("/app/app.db")]),
        ("Read-only file system: b'/x.log'", [BESIDE.format("/x.log")]),
        ("mkdir: cannot create directory '/app/var': Read-only file system", [LOST.format("/app/var", "shop-var:/app/var")]),
        ("mkdir: cannot create directory \u2018/app/var\u2019: Read-only file system", [LOST.format("/app/var", "shop-var:/app/var")]),
        ("touch: cannot touch '/app/var/flag': Read-only file system", [LOST.format("/app/var", "shop-var:/app/var")]),
        ("    file = mkdtemp(dir=x)\nRead-only file system: '/app/var/tmp1a'", [LOST.format("/app/var", "shop-var:/app/var")]),
        ("Read-only file system: '/app/a'\nRead-only file system: '/app/a/b'", [LOST.format("/app/a", "shop-a:/app/a")]),
        ("sh: 1: cannot create /srv/out.txt: Read-only file system", [LOST.format("/srv", "shop-srv:/srv")]),
        (
            "unlink(): Read-only file system [core/socket.c line 198]",
            [
                "The root file system is read-only: name the directory that it writes to in writable, or in volumes for what has to "
                "outlive the container."
            ],
        ),
        (
            "sqlite3.OperationalError: unable to open database file",
            [
                "SQLite writes its database and files beside it: keep it on a volume, such as volumes: [shop-data:/data], in a directory "
                "that belongs to 10001:10001, the user of the container; on the host: chown 10001:10001 "
                "/var/lib/docker/volumes/shop-data/_data."
            ],
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/data/x'",
            [
                "/data/x is on a volume that does not belong to 10001:10001, the user of the container; on the host: chown 10001:10001 "
                "/var/lib/docker/volumes/shop-data/_data."
            ],
        ),
        (
            "PermissionError: [Errno 13] Permission denied: '/database/x'",
            ["/database/x of the image does not belong to 10001:10001, its user: name the place in writable or volumes."],
        ),
        ("connect() Permission denied", []),
    ],
)
def test_what_to_write(log, words):
    assert advice(f"before\n{log}\nafter\n", CONTAINER) == words


def test_several_places_are_named_together():
    log = "Read-only file system: '/app/a'\nRead-only file system: '/app/b'\nRead-only file system: '/app/a'"
    assert advice(log, {}) == [LOST.format("/app/a, /app/b", "app-a:/app/a, app-b:/app/b")]


def test_a_database_that_is_readonly_is_kept_on_a_volume():
    (words,) = advice("attempt to write a readonly database", {})
    assert "volumes: [app-data:/data]" in words
    assert "chown" not in words  # there is no volume yet


def test_what_servers_say_at_every_start_is_left_out():
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
