"""Worse days of an application: migrations, restarts, other passwords, a refused image, reboots, a
full disk, and its end. After all others: a reboot may empty the journal.
"""

import json
import re
import shutil
import subprocess
import time

import pytest
from conftest import FORM, JOB_SECONDS, PATH, SCENARIO, seconds_until

pytestmark = pytest.mark.long

DATABASE, CACHE = "shop-service-db", "shop-service-cache"
CACHE_ENTRY = {"name": "cache", "engine": "redis"}
# How long requests may fail while the database starts again, and until all of it works again.
OUTAGE, BACK, BOOTED = 20, 60, 90
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("entry", sa.Column("country", sa.String, nullable=False, server_default="DE"))
"""
ROUTE = """

@app.get("/countries")
def countries():
    return sorted({each.country for each in db.session.scalars(db.select(Entry))})
"""


def psql(host, statement, check=True):
    """Run SQL in the database, past the application."""
    run = host.check_output if check else host.run
    return run(
        f"docker exec {DATABASE} psql --quiet --tuples-only --username=app --dbname=app -c %s",
        statement,
    )


def database(**keys):
    return [{"name": "db", "engine": "postgresql", **keys}, CACHE_ENTRY]


@pytest.fixture
def works(http):
    """Whether the application answers and reaches its database."""

    def ask(path=f"{PATH}/health"):
        try:
            return http(path).status == 200
        except AssertionError:
            return False  # not even Nginx

    return ask


@pytest.fixture
def worker_works(http, entries, wait_for):
    """Whether its worker does what the application gives it."""

    def ask(text):
        assert http(f"{PATH}/tasks", method="POST", headers=FORM, body=f"text={text}").status == 202
        return bool(
            wait_for(lambda: [e for e in entries("worker") if e["text"] == text.upper()], BACK)
        )

    return ask


# --- migrations -----------------------------------------------------------------------------------


@pytest.fixture
def with_countries(tmp_path, host):
    """The source of the next version: a column more, and code that needs it."""
    source = tmp_path / "shop"
    shutil.copytree(SCENARIO / "apps/shop", source)
    code, column = (source / "shop.py").read_text(), "    time = db.Column(db.Float)\n"
    assert column in code
    more = '    country = db.Column(db.String, nullable=False, server_default="DE")\n'
    (source / "shop.py").write_text(code.replace(column, column + more) + ROUTE)
    (source / "migrations/versions/0002_country.py").write_text(MIGRATION)
    yield str(source)
    psql(
        host, "ALTER TABLE entry DROP COLUMN country; UPDATE alembic_version SET version_num='0001'"
    )


def test_a_migration_and_its_rollback_under_load(redeploy, play, here, load, http, with_countries):
    with load() as found:
        redeploy(source=with_countries).ok()
        assert http(f"{PATH}/countries").json == ["DE"]
        play("rollback", arguments=here, flask_apps_only="shop").ok()
        assert http(f"{PATH}/countries").status == 404
    assert found["failures"] == []


# --- services that end ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "how"),
    [
        (DATABASE, f"docker restart {DATABASE}"),
        (DATABASE, f"kill -9 $(docker inspect -f '{{{{.State.Pid}}}}' {DATABASE})"),
        (CACHE, f"kill -9 $(docker inspect -f '{{{{.State.Pid}}}}' {CACHE})"),
    ],
    ids=["database restarted", "database killed", "cache killed"],
)
def test_a_service_that_starts_again_under_load(
    service, how, host, load, started, works, worker_works, measured
):
    before = started()
    with load() as found:
        host.check_output(how)
        took = seconds_until(
            lambda: started().get(f"/{service}", "") > before[f"/{service}"] and works(),
            BACK,
            "the application with its service",
        )
        time.sleep(3)
    assert found.outage < OUTAGE
    assert worker_works(f"after {how.split()[0]} {service}")
    measured(f"{how.split()[0]} {service}: answers again after {took:.1f} s")
    after = started()
    assert {name for name in after if after[name] != before.get(name)} == {f"/{service}"}


# --- passwords and images -------------------------------------------------------------------------


@pytest.fixture
def connects(host):
    """Whether a new connection with what the application has succeeds; and what it has."""

    def ask():
        name = host.check_output("docker ps --format '{{.Names}}' | grep -E '^shop-[0-9a-f]{12}$'")
        url = host.check_output(f"docker exec {name} cat /run/secrets/DATABASE_URL")
        code = "import psycopg; psycopg.connect(open('/run/secrets/DATABASE_URL').read())"
        return url, host.run(f'docker exec {name} python3 -c "{code}"').rc == 0

    return ask


def test_another_password_under_load(redeploy, load, connects, worker_works):
    before = connects()
    cache = {**CACHE_ENTRY, "password": "a-word-for-the-cache"}
    with load() as found:
        redeploy(services=[*database(password="a-word-of-the-vault")[:1], cache]).ok()
    assert found.outage < OUTAGE
    assert worker_works("after another password")
    after = connects()
    assert before[1] and after[1] and before[0] != after[0] and "a-word-of-the-vault" in after[0]


def test_a_password_that_the_application_fails_with_is_put_back(redeploy, load, connects, order):
    before = connects()
    with load() as found:
        refused = {"path": "/missing", "deadline_seconds": 3}
        output = (
            redeploy(services=database(password="a-word-that-fails"), health=refused)
            .failed()
            .output
        )
    assert "Start it and wait for its health check" in output, output
    assert found.outage < OUTAGE
    assert connects() == before
    assert order("after a password that failed")
    assert redeploy(services=database(password="a-word-of-the-vault")).ok().changed == 0


def test_an_image_that_is_not_healthy_is_refused(redeploy, load, host, order, entries, started):
    number, before = order("before another image"), started()
    # It has no PostgreSQL.
    host.check_output(f"docker tag $(docker inspect -f '{{{{.Image}}}}' {CACHE}) test/other:1")
    with load() as found:
        output = redeploy(services=database(image="test/other:1")).failed().output
    assert "The one before runs again" in output
    assert found.outage < OUTAGE
    assert number in [entry["number"] for entry in entries("visitor")]
    assert {*started()} == {*before}
    assert redeploy().ok().changed == 0


# --- the host -------------------------------------------------------------------------------------


def boot_again(host):
    command = ["docker", "restart", "--time", "20", host.backend.host]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds_until(
        lambda: host.run("systemctl is-system-running --wait").rc in (0, 1), BOOTED, "systemd"
    )


def in_bad_order(host):
    """All containers end; those that need the services start first."""
    listed = host.check_output("docker ps --format '{{.Names}}' --filter name=^shop-").split()
    names = [name for name in listed if "-job_" not in name]
    services = [name for name in names if "-service-" in name]
    others = [name for name in names if name not in services]
    host.check_output(f"docker kill {' '.join(names)}")
    host.check_output(f"docker start {' '.join(others)}")
    time.sleep(5)
    host.check_output(f"docker start {' '.join(services)}")


@pytest.mark.parametrize("ends", [boot_again, in_bad_order], ids=["reboot", "services last"])
def test_everything_is_back_after(
    ends, host, works, worker_works, entries, order, started, redeploy, wait_for, measured
):
    number, before = order("before the end"), started()
    timers = "systemctl list-units --plain --no-legend --state=active 'flaskops-job-*.timer'"
    active = sorted(line.split()[0] for line in host.check_output(timers).splitlines())
    assert len(active) >= 2
    ends(host)
    took = seconds_until(works, BOOTED, "the application")
    known = len(entries("beat"))
    assert worker_works(f"after {ends.__name__}")
    assert wait_for(lambda: len(entries("beat")) > known, BACK)
    assert number in [entry["number"] for entry in entries("visitor")]
    after = started()
    assert {*after} == {*before} and not {*after.values()} & {*before.values()}
    assert sorted(line.split()[0] for line in host.check_output(timers).splitlines()) == active
    ran = len(entries("job"))
    assert wait_for(lambda: len(entries("job")) > ran, JOB_SECONDS)
    measured(f"{ends.__name__.replace('_', ' ')}: answers after {took:.1f} s")
    assert redeploy().ok().changed == 0


@pytest.fixture
def small_disk(host):
    """The data of the database on a file system that really becomes full: its directory."""
    data = host.check_output(f"docker volume inspect -f '{{{{.Mountpoint}}}}' {DATABASE}")
    small = "/run/small"
    host.check_output(f"docker stop {DATABASE}")
    kilobytes = int(host.check_output(f"du -sk {data}").split()[0]) + (64 << 10)
    host.check_output(
        f"mkdir -p {small} && mount -t tmpfs -o size={kilobytes}k small {small}"
        f" && cp -a {data}/. {small}/ && chown --reference={data} {small}"
        f" && chmod --reference={data} {small} && mount --bind {small} {data}"
        f" && docker start {DATABASE}"
    )
    yield data
    host.check_output(
        f"docker stop {DATABASE} && rm -f {data}/filler && umount {data}"
        f" && find {data} -mindepth 1 -delete && cp -a {small}/. {data}/ && umount {small}"
        f" && docker start {DATABASE}"
    )


def test_a_full_disk_in_the_database(
    small_disk, host, works, http, order, entries, play, here, measured
):
    def writes():
        if not works():
            return False
        return http(f"{PATH}/", method="POST", headers=FORM, body="text=room").status == 200

    seconds_until(works, BACK, "the application on the small disk")
    number = order("before the disk is full")
    host.run(f"dd if=/dev/zero of={small_disk}/filler bs=64k")
    much = "INSERT INTO entry (by, text) SELECT 'filler', repeat('x', 1000)"
    failed = psql(host, f"{much} FROM generate_series(1, 100000)", check=False)
    assert failed.rc != 0
    # Other applications go on.
    assert [http("/notes/").status for _ in range(20)] == [200] * 20
    status = play("status", arguments=here).output
    (line,) = (line for line in status.splitlines() if " shop-" in line)
    assert re.search(r"db [^,]*\(its disk is full\)", line), line
    measured(f"{failed.stderr.splitlines()[0]}; {re.search('db [^,]*', line)[0]}")
    host.check_output(f"rm {small_disk}/filler")
    took = seconds_until(writes, BOOTED, "the database with room")
    measured(f"writes again {took:.1f} s after there is room")
    assert number in [entry["number"] for entry in entries("visitor")]
    assert entries("filler") == []


# --- the end --------------------------------------------------------------------------------------


def test_data_stays_unless_it_is_asked_for(play, here, http, host):
    second = {
        "name": "second",
        "source": "apps/shop",
        "path": "/second",
        "path_mode": "script_name",
        "module": "shop",
        "release_command": "flask --app shop db upgrade",
        "health": {"path": "/health", "interval_seconds": 0.2},
        "drain_seconds": 1,
        "services": database(),
        "volumes": ["second-files:/files"],
    }
    gone = {"name": "second", "state": "absent"}

    def left(kind):
        words = {"volume": "ls --quiet", "network": "ls --format '{{.Name}}'"}
        words["container"] = "ls --all --format '{{.Names}}'"
        names = host.check_output(f"docker {kind} {words[kind]}").split()
        return sorted(name for name in names if "second" in name)

    def deploy(entry, **variables):
        return play("deploy", [entry], arguments=here, **variables).ok().output

    deploy(second)
    answer = http("/second/", method="POST", headers=FORM, body="text=kept")
    number = json.loads(answer.body)["number"]
    volumes = ["second-files", "second-service-cache", "second-service-db"]
    output = deploy(gone)
    assert "Volumes stay, with their data" in output
    assert [left(kind) for kind in ("container", "network", "volume")] == [[], [], volumes]
    assert http("/second/").status == 404
    deploy(second)
    assert number in [entry["number"] for entry in http("/second/").json]
    deploy(gone, flask_apps_remove_data="second")
    assert [left(kind) for kind in ("container", "network", "volume")] == [[], [], []]
    assert not host.file("/var/lib/flaskops/services/second").exists
    assert http(f"{PATH}/health").status == 200
