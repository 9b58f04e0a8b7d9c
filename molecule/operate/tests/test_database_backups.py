"""The database and the cache of an application in its backups: lost, restored, and tried."""

import json
import os
import subprocess
import time

import pytest
from conftest import FORM, deployed, patience

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]
DATA = "/var/lib/docker/volumes/shop-service-db/_data"
REPOSITORY = "/srv/backups/shop"
DRILL = "systemctl start flaskops-job-shop_drill.service"


@pytest.fixture
def do(play, here):
    def run(playbook, app="shop", **variables):
        return play(playbook, arguments=here, app=app, **variables)

    return run


def asked(words):
    """A command that asks the cache of the application."""
    secret = 'REDISCLI_AUTH="$(cat /run/secrets/password)"'
    return f"docker exec shop-service-cache sh -c '{secret} redis-cli {words}'"


@pytest.fixture
def redis(host):
    return lambda words: host.check_output(asked(words))


@pytest.fixture
def texts(entries):
    return lambda: [each["text"] for each in entries("visitor")]


def ours(host):
    """The containers and networks of the host, without those of jobs, whose timers go on."""
    names = host.check_output(
        "docker ps --all --format '{{.Names}}' && docker network ls --format '{{.Name}}'"
    )
    return sorted(name for name in names.split() if "job_often" not in name)


def test_a_destroyed_database_comes_back(do, order, redis, texts, host, wait_for, measured):
    order("saved")
    redis("SET basket full")
    before = ours(host)
    saved = time.time()
    do("backup").ok()
    order("later")
    redis("DEL basket")
    host.check_output(f"rm -r {DATA}/pgdata")
    lost = time.time()
    do("restore").ok()
    took = time.time() - lost
    measured(f"restored after {took:.1f} s, to {lost - saved:.1f} s before")
    assert took < 120 * patience()
    assert "saved" in texts() and "later" not in texts()
    assert redis("GET basket") == "full"
    assert redis("CONFIG GET appendonly").split() == ["appendonly", "yes"]
    assert redis("CONFIG GET save").split() == ["save"]
    assert ours(host) == before
    # What was restored outlives the servers.
    host.check_output("docker restart shop-service-db shop-service-cache")
    assert wait_for(lambda: host.run("docker exec shop-service-db pg_isready -h 127.0.0.1").rc == 0)
    assert wait_for(lambda: host.run(asked("PING")).stdout == "PONG\n")
    assert redis("GET basket") == "full"


def test_a_drill_with_a_database_is_green_and_leaves_nothing(host, order, texts):
    order("beside")
    before = ours(host)
    host.check_output(DRILL)
    assert ours(host) == before
    assert "beside" in texts()


def test_a_drill_of_a_damaged_dump_is_red(host):
    packs = host.check_output(f"find {REPOSITORY}/data -type f")
    for pack in packs.split():
        host.check_output(f"cp -p {pack} {pack}.kept && chmod u+w {pack} && echo damaged > {pack}")
    before = ours(host)
    try:
        assert host.run(DRILL).rc != 0
        assert ours(host) == before
        # One that is skipped, while somebody holds the lock, does not turn it green.
        lock = {"token": "t", "who": "a deploy", "renewed": time.strftime("%FT%TZ", time.gmtime())}
        host.check_output("echo %s > /var/lib/flaskops/apps/shop/lock", json.dumps(lock))
        host.check_output(DRILL)
        host.check_output("rm /var/lib/flaskops/apps/shop/lock")
        result = host.check_output("cat /var/lib/flaskops/apps/shop/jobs/drill.last.json")
        assert json.loads(result)["code"] == 1
    finally:
        for pack in packs.split():
            host.check_output(f"mv {pack}.kept {pack}")
    host.check_output(DRILL)


@pytest.mark.long
def test_a_database_that_does_not_run_is_not_saved(do, host):
    host.check_output("docker stop shop-service-cache")
    said = do("backup").failed().output
    host.check_output("docker start shop-service-cache")
    assert "its service cache is exited, so it cannot be saved. Nothing was saved." in said
    do("backup").ok()


@pytest.mark.long
def test_another_database_in_it_is_not_left_out_in_silence(do, host):
    sql = "docker exec shop-service-db psql -U app -c"
    host.check_output(f"{sql} 'CREATE DATABASE other'")
    said = do("backup").failed().output
    host.check_output(f"{sql} 'DROP DATABASE other'")
    assert "it has data in other databases than the one of the application" in said
    assert "saved: other. Move it there" in said


@pytest.mark.long
def test_roles_and_settings_are_restored_and_the_password_stays(do, order, texts, host):
    sql = "docker exec shop-service-db psql -U app -tAc"
    host.check_output(f"{sql} 'CREATE ROLE reader; GRANT SELECT ON entry TO reader'")
    host.check_output(f"{sql} 'ALTER DATABASE app SET work_mem TO 12345'")
    host.check_output(f"{sql} 'REVOKE CONNECT ON DATABASE app FROM PUBLIC'")
    order("granted")
    do("backup").ok()
    host.check_output(f"{sql} 'DROP OWNED BY reader; DROP ROLE reader'")
    host.check_output(f"{sql} 'ALTER DATABASE app RESET work_mem'")
    host.check_output(f"{sql} 'GRANT CONNECT ON DATABASE app TO PUBLIC'")
    do("restore").ok()
    assert host.check_output(f"{sql} 'SHOW work_mem'") == "12345kB"
    may = "SELECT has_database_privilege($$reader$$, $$app$$, $$connect$$)"
    assert host.check_output(f'{sql} "{may}"'.replace("$", "\\$")) == "f"
    host.check_output(f"{sql} 'ALTER DATABASE app RESET work_mem'")
    host.check_output(f"{sql} 'GRANT CONNECT ON DATABASE app TO PUBLIC'")
    assert "granted" in texts()
    granted = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = $$reader$$"
    assert host.check_output(f'{sql} "{granted}"'.replace("$", "\\$")) == "1"
    host.check_output(f"{sql} 'DROP OWNED BY reader; DROP ROLE reader'")


@pytest.mark.long
@pytest.mark.parametrize("moment", ["filled", "stopped", "started"])
def test_a_killed_restore_of_a_database_is_undone(moment, do, start, here, order, texts, host,
                                                  kill_when, redeploy, wait_for):  # fmt: skip
    do("backup").ok()
    order(f"kept {moment}")
    process = start("restore", arguments=here, app="shop")
    volume = "/var/lib/docker/volumes/shop-service-db"
    is_there = {
        "filled": "docker ps --format '{{.Names}}' | grep -qx shop-service-db.new",
        "stopped": "! docker ps --format '{{.Names}}' | grep -qx shop-service-db",
        "started": f"test -d {volume}/.flaskops-before-_data && test -d {volume}/_data"
        " && docker ps --format '{{.Names}}' | grep -qE '^shop-[0-9a-f]{12}$'",
    }[moment]
    kill_when(is_there, "shop")
    process.communicate(timeout=300)
    # What a deploy would start now is lost once the restore is undone.
    lock = json.loads(host.file("/var/lib/flaskops/apps/shop/lock").content_string)
    for broken in ("", lock["token"]):
        said = redeploy(env={"MOMENT": moment}, flask_apps_break_lock=broken).failed().output
        assert "playbooks/restore.yml" in said, said
    said = do("restore", at="2020-01-01").failed().output
    assert "nothing was saved until" in said
    assert wait_for(lambda: f"kept {moment}" in texts())
    assert ".new" not in " ".join(ours(host))
    assert host.run("ls -a /var/lib/docker/volumes/shop-service-*/ | grep flaskops-new").rc != 0
    undone = host.run(f"ls -d {volume}/.flaskops-undone-_data-*").stdout.split()
    assert len(undone) == (moment == "started") and all(each in said for each in undone)
    host.check_output(f"rm -rf {' '.join(undone)} /nonexistent")


@pytest.mark.long
@pytest.mark.parametrize(
    ("place", "size", "words"),
    [
        ("/var/lib/flaskops/apps/shop/jobs", "50m", "Nothing was saved."),
        (f"{REPOSITORY}/data", "4k", "A disk of this host is full"),
    ],
)
def test_a_full_disk_fails_the_backup_alone(place, size, words, do, host, order, texts):
    before = ours(host)
    host.check_output(
        f"cp -a {place} /root/kept && mount -t tmpfs -o size={size} full {place}"
        f" && cp -a /root/kept/*.* {place}/ 2>/dev/null; true"
    )
    try:
        said = do("backup").failed().output
        left = host.run(f"ls {place}/backup.work")
    finally:
        host.check_output(f"umount -l {place} && rm -r /root/kept")
    assert words in said, said
    assert left.rc != 0 and ours(host) == before
    order("goes on")
    assert "goes on" in texts()
    do("backup").ok()


@pytest.mark.long
def test_the_backup_of_another_application_is_refused(do, host, texts):
    before = texts()
    host.check_output(f"mv {REPOSITORY} {REPOSITORY}.own && cp -a /srv/backups/notes {REPOSITORY}")
    try:
        for playbook in ("restore", "backup"):
            said = do(playbook).failed().output
            assert "belongs to notes, not to shop. Nothing of it is used." in said, said
    finally:
        host.check_output(f"rm -r {REPOSITORY} && mv {REPOSITORY}.own {REPOSITORY}")
    assert texts() == before


@pytest.fixture
def old(play, here, host):
    """An application whose PostgreSQL is that of Debian 12; gives a way to deploy it."""
    outside = f"docker exec {HOST}-bookworm"
    images = f"{outside} docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}'"
    known = subprocess.check_output(images, shell=True, text=True).split()
    tag = next(each for each in known if ":postgresql-15" in each)
    subprocess.check_call(
        f"{outside} docker save {tag} | docker exec -i {HOST} docker load", shell=True
    )
    host.check_output(f"docker tag {tag} postgresql:fifteen")
    listed = deployed()
    shop = {**listed["flask_apps"][0], "name": "old", "path": "/old", "jobs": [], "processes": []}
    del shop["backup"]

    def run(playbook="deploy", state="present", more=None, by=play, **database):
        services = [{"name": "db", "engine": "postgresql", **database}, shop["services"][1]]
        entry = {**shop, "state": state, "services": services}
        variables = {"flask_apps_defaults": listed["flask_apps_defaults"], **(more or {})}
        return by(playbook, [*listed["flask_apps"], entry], arguments=here, **variables)

    yield run
    run(state="absent", more={"flask_apps_remove_data": "old"}).ok()


UPGRADE = {"playbook": "upgrade_service", "more": {"app": "old", "service": "db"}}


@pytest.mark.long
def test_another_major_version_gets_the_data(old, http, host):
    old(image="postgresql:fifteen").ok()
    http("/old/", method="POST", headers=FORM, body="text=of fifteen")
    words = "playbooks/upgrade_service.yml -e app=old -e service=db"
    assert words in " ".join(old().failed().output.split())
    assert http("/old/versions").json["postgresql"].startswith("15.")
    print(old(**UPGRADE).ok().output)
    assert http("/old/versions").json["postgresql"].startswith("17.")
    assert [each["text"] for each in http("/old/").json] == ["of fifteen"]
    again = old().ok()  # the deploy has nothing left to do for it
    assert "replaced its service" not in again.output
    # The way back is not one: what fails is undone.
    http("/old/", method="POST", headers=FORM, body="text=of seventeen")
    said = old(image="postgresql:fifteen", **UPGRADE).failed().output
    assert "unsupported version" in said, said
    assert [each["text"] for each in http("/old/").json] == ["of fifteen", "of seventeen"]
    assert http("/old/versions").json["postgresql"].startswith("17.")
    assert "old-service-db.new" not in ours(host)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["filled", "moved"])
def test_a_killed_upgrade_is_undone_by_the_next_run(moment, old, start, http, host, kill_when):
    old(image="postgresql:fifteen").ok()
    http("/old/", method="POST", headers=FORM, body="text=kept")
    process = old(by=start, **UPGRADE)
    is_there = {
        "filled": "docker ps --format '{{.Names}}' | grep -qx old-service-db.new",
        "moved": "docker inspect -f '{{.Config.Image}}' old-service-db | grep -qv fifteen",
    }[moment]
    kill_when(is_there, "old")
    process.communicate(timeout=300)
    old(image="postgresql:fifteen", **UPGRADE).ok()  # which is the version of before
    assert http("/old/versions").json["postgresql"].startswith("15.")
    assert [each["text"] for each in http("/old/").json] == ["kept"]
    assert "old-service-db.new" not in ours(host)
    old(**UPGRADE).ok()
    assert http("/old/versions").json["postgresql"].startswith("17.")
    assert [each["text"] for each in http("/old/").json] == ["kept"]


@pytest.fixture
def lock_left(host):
    """Leaves the lock of a restic that was killed while it had the repository for itself."""

    def kill():
        password = "/var/lib/flaskops/apps/shop/jobs/backup.password"
        words = f"restic --no-cache --repo {REPOSITORY} --password-file {password}"
        there = f"ls {REPOSITORY}/locks | grep -q ."
        host.check_output(
            f"({words} check --read-data >/dev/null 2>&1 & pid=$!; until {there}; do :; done;"
            f" kill -KILL $pid) && {there}"
        )

    return kill


@pytest.mark.long
def test_a_killed_restic_keeps_nothing_from_the_repository(lock_left, do, host, redeploy):
    redeploy().ok()  # with the key for ids that the tests have
    lock_left()
    host.check_output(DRILL)
    lock_left()
    do("backup").ok()
    lock_left()
    assert redeploy().ok().changed == 0
    do("restore").ok()


@pytest.mark.long
def test_nothing_is_left_of_a_killed_drill(host, wait_for):
    before = ours(host)
    host.check_output(DRILL.replace("start", "start --no-block"))
    assert wait_for(lambda: len(ours(host)) > len(before) + 1)  # its network and a container
    host.check_output(DRILL.replace("start", "kill --signal=KILL"))
    assert wait_for(lambda: host.run(DRILL.replace("start", "is-active")).stdout == "failed\n")
    assert wait_for(lambda: ours(host) == before)
    host.check_output(DRILL)


@pytest.mark.long
def test_an_image_that_fills_a_new_database_comes_back(do, order, texts, host, redeploy):
    """That of PostGIS creates schemas and tables in each new one; the dump has them too."""
    image = host.check_output("docker inspect -f '{{.Config.Image}}' shop-service-db")
    sql = "CREATE SCHEMA tiger; CREATE TABLE tiger.county (id int);"
    psql = "docker exec shop-service-db psql -U app -qAtc"
    host.check_output(
        f"mkdir -p /root/tiger && cd /root/tiger && printf '%s\n' '{sql}' > tiger.sql"
        f" && printf 'FROM {image}\nCOPY tiger.sql /docker-entrypoint-initdb.d/\n' > Dockerfile"
        " && docker build --quiet --tag test/tiger:1 ."
    )
    database, cache = deployed()["flask_apps"][0]["services"]
    try:
        redeploy(services=[{**database, "image": "test/tiger:1"}, cache]).ok()
        # As in a database that this image has created.
        host.check_output(f"{psql} '{sql} INSERT INTO tiger.county VALUES (7)'")
        order("with its schema")
        do("backup").ok()
        host.check_output(DRILL)
        do("restore").ok()
        assert host.check_output(f"{psql} 'SELECT id FROM tiger.county'") == "7"
        assert "with its schema" in texts()
        host.check_output(f"{psql} 'DROP SCHEMA tiger CASCADE'")
    finally:
        redeploy().ok()


@pytest.mark.long
def test_another_image_is_saved_and_a_shared_service_is_not(play, here, host, do, order, entries):
    """Its volume is in the backup of its application, and the database in that of its owner."""
    listed = deployed()
    shop, notes = listed["flask_apps"]
    image = host.check_output("docker inspect -f '{{.Config.Image}}' shop-service-cache")
    files = {"name": "files", "image": image, "command": "sleep infinity"}
    services = [{**files, "volumes": ["mixed-files:/files"]}, {"name": "db", "of": "shop"}]
    mixed = {
        **notes,
        "name": "mixed",
        "path": "/mixed",
        "volumes": ["mixed-data:/data"],
        "services": services,
    }

    def deploy(**keys):
        entries = [shop, notes, {**mixed, **keys}]
        defaults = listed["flask_apps_defaults"]
        play("deploy", entries, arguments=here, flask_apps_defaults=defaults,
             flask_apps_remove_data="mixed").ok()  # fmt: skip

    data = "/var/lib/docker/volumes/shop-service-db/_data"
    inside = "docker exec mixed-service-files sh -c"
    deploy()
    try:
        # What it got of the shared one reaches it, and is right.
        web = host.check_output("docker ps --format '{{.Names}}' | grep -E '^mixed-[0-9a-f]{12}$'")
        connect = 'import socket; socket.create_connection(("db", 5432), 5)'
        host.check_output(f"docker exec {web} python3 -c '{connect}'")
        url = host.check_output(f"docker exec {web} cat /run/secrets/DATABASE_URL")
        asked = host.check_output(f"docker exec shop-service-db psql '{url}' -Atc 'SELECT 6 * 7'")
        assert asked == "42"
        host.check_output(f"{inside} 'echo kept > /files/word'")
        do("backup", app="mixed").ok()
        host.check_output(f"{inside} 'rm /files/word'")
        number, before = order("of the owner"), host.check_output(f"stat -c %i {data}")
        do("restore", app="mixed").ok()
        assert host.check_output(f"{inside} 'cat /files/word'") == "kept"
        assert host.check_output(f"stat -c %i {data}") == before  # nothing was moved there
        assert number in [each["number"] for each in entries("visitor")]
    finally:
        deploy(state="absent")
