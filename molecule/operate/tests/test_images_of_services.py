"""What the collection expects of an image of PostgreSQL or Redis: of those from the distribution's
packages and of the official ones alike.

Those of the services on the host are always tested. FLASKOPS_TEST_SERVICE_IMAGES names others that
Docker on the host can pull, such as "postgres:17 redis:8.0".
"""

import json
import os
import shlex

import pytest

OF_THE_HOST = "of the host"
NAME, PASSWORD = "contract", "a-word-of-the-contract"
INIT = {
    "1-table.sql": "CREATE TABLE seen (number int);",
    "2-row.sh": 'echo "INSERT INTO seen VALUES (2);" | psql -U "$POSTGRES_USER" "$POSTGRES_DB"',
    "3-row.sql": "INSERT INTO seen VALUES (3);",
    "4-note.txt": "no statement",
}
SECRETS = {"password": PASSWORD, "redis.conf": f"requirepass {PASSWORD}"}
REDIS = "redis-cli -h 127.0.0.1"


def images_of(engine):
    others = os.environ.get("FLASKOPS_TEST_SERVICE_IMAGES", "").split()
    kinds = {each: each.rpartition("/")[2].partition(":")[0] for each in others}
    if unknown := [each for each, kind in kinds.items() if kind not in ("postgres", "redis")]:
        raise ValueError(f"FLASKOPS_TEST_SERVICE_IMAGES: not of postgres or redis: {unknown}")
    return [OF_THE_HOST, *(each for each, kind in kinds.items() if kind == engine)]


postgresql = pytest.mark.parametrize("image", images_of("postgres"))
redis = pytest.mark.parametrize("image", images_of("redis"))


@pytest.fixture
def files(host):
    """A directory with files for a container, which any user may read."""
    place = host.check_output("mktemp --directory")
    host.check_output(f"chmod 755 {place} && mkdir {place}/secrets {place}/init")
    for folder, content in (("secrets", SECRETS), ("init", INIT)):
        for name, text in content.items():
            host.check_output("printf '%%s\\n' %s > %s", text, f"{place}/{folder}/{name}")
    yield place
    host.check_output("rm -r %s", place)


@pytest.fixture
def start(host, files, wait_for):
    """Start a container and wait for a command in it; returns a function that runs others there."""

    def run(image, service, options, words, ready):
        if image == OF_THE_HOST:
            like = f"shop-service-{service}"
            image = host.check_output("docker inspect --format '{{.Config.Image}}' %s", like)
        else:
            host.check_output("docker pull --quiet %s", image)
        options = [
            "--detach",
            "--network=none",
            f"--name={NAME}",
            f"--volume={files}/secrets:/run/secrets:ro",
            f"--volume={files}/init:/docker-entrypoint-initdb.d:ro",
            *options,
        ]
        host.check_output("docker run " + shlex.join([*options, image, *words]))

        def execute(command):
            return host.run("docker exec --user 999 %s sh -c %s", NAME, command)

        if ready:
            assert wait_for(lambda: execute(ready).rc == 0), host.check_output(
                f"docker logs {NAME} 2>&1"
            )
        return execute

    yield run
    host.check_output(f"docker rm --force --volumes {NAME}")


@pytest.fixture
def like_the_service(host):
    """The options and the command of the container of a service, which has another image."""

    def of(service):
        (facts,) = json.loads(host.check_output("docker inspect shop-service-%s", service))
        limits, config = facts["HostConfig"], facts["Config"]
        (volume,) = [each["Destination"] for each in facts["Mounts"] if each["Type"] == "volume"]
        environment = [each for each in config["Env"] if each.startswith(("PGDATA=", "POSTGRES_"))]
        assert limits["ReadonlyRootfs"] and config["User"] == "999:999"
        return [
            "--read-only",
            f"--user={config['User']}",
            f"--memory={limits['Memory']}",
            f"--stop-signal={config['StopSignal']}",
            f"--volume={volume}",
            *(f"--cap-drop={each}" for each in limits["CapDrop"]),
            *(f"--security-opt={each}" for each in limits["SecurityOpt"]),
            *(f"--tmpfs={place}:{how}" for place, how in limits["Tmpfs"].items()),
            *(f"--env={each}" for each in environment),
        ], config["Cmd"]

    return of


def restart(host, execute, ready, wait_for):
    host.check_output(f"docker restart {NAME}")
    assert wait_for(lambda: execute(ready).rc == 0)


READY = "pg_isready --quiet --host=127.0.0.1"


def ask(execute, sql, password=PASSWORD, user="app", database="app"):
    return execute(
        f"PGPASSWORD={password} psql -XAtq -h 127.0.0.1 -U {user} -d {database} -c {sql!r}"
    )


@postgresql
def test_postgresql_runs_as_the_service_does(host, image, start, like_the_service, wait_for):
    options, words = like_the_service("db")
    execute = start(image, "db", options, words, READY)
    assert ask(execute, "CREATE TABLE kept (word text)").rc == 0
    assert ask(execute, "INSERT INTO kept VALUES ($$here$$)").rc == 0
    refused = ask(execute, "SELECT 1", password="another")
    assert refused.rc != 0 and "password authentication failed" in refused.stderr
    assert execute("stat -c %a $PGDATA").stdout.strip() in ("700", "750")
    for program in ("psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready"):
        assert execute(f"command -v {program}").rc == 0, program
    assert execute("postgres --version").stdout.startswith("postgres (PostgreSQL) ")
    restart(host, execute, READY, wait_for)
    assert ask(execute, "SELECT word FROM kept").stdout.strip() == "here"
    assert ask(execute, "SELECT count(*) FROM seen").stdout.strip() == "2"


@postgresql
def test_postgresql_reads_the_variables_of_the_official_image(image, start):
    """Started by root, it becomes its user; options alone are those of the server."""
    environment = {
        "POSTGRES_USER": "olive",
        "POSTGRES_DB": "grove",
        "POSTGRES_PASSWORD": "sesame",
        "POSTGRES_INITDB_ARGS": "--wal-segsize=1",
        "PGDATA": "/var/lib/postgresql/data/below",
    }
    options = [f"--env={name}={value}" for name, value in environment.items()]
    ready = f"{READY} && test $(stat -c %u /proc/1) = 999"
    execute = start(image, "db", options, ["-c", "work_mem=5MB"], ready)

    def show(sql):
        return ask(execute, sql, "sesame", "olive", "grove").stdout.split()

    assert show("SELECT number FROM seen ORDER BY 1") == ["2", "3"]
    assert show("SHOW wal_segment_size") == ["1MB"]
    assert show("SHOW work_mem") == ["5MB"]
    assert show("SHOW data_directory") == [environment["PGDATA"]]
    assert execute("id -u postgres && id -g postgres").stdout.split() == ["999", "999"]
    assert execute("stat -c %u $PGDATA").stdout.strip() == "999"


@postgresql
@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "POSTGRES_PASSWORD"),
        (
            {"POSTGRES_PASSWORD": "a", "POSTGRES_PASSWORD_FILE": "/run/secrets/password"},
            "POSTGRES_PASSWORD_FILE",
        ),
    ],
    ids=["no password", "two passwords"],
)
def test_postgresql_refuses(host, image, environment, named, start):
    options = [f"--env={name}={value}" for name, value in environment.items()]
    start(image, "db", options, [], "")
    assert host.check_output(f"timeout 120 docker wait {NAME}") == "1"
    assert named in host.check_output(f"docker logs {NAME} 2>&1")


@redis
def test_redis_runs_as_the_service_does(host, image, start, like_the_service, wait_for):
    options, words = like_the_service("cache")
    ready = f"test $(REDISCLI_AUTH={PASSWORD} {REDIS} ping) = PONG"
    execute = start(image, "cache", options, words, ready)
    assert "NOAUTH" in execute(f"{REDIS} get basket").stdout
    assert execute(f"REDISCLI_AUTH={PASSWORD} {REDIS} set basket full").stdout == "OK\n"
    assert execute("redis-server --version").stdout.startswith("Redis server v=")
    restart(host, execute, ready, wait_for)
    assert execute(f"REDISCLI_AUTH={PASSWORD} {REDIS} get basket").stdout == "full\n"


@redis
def test_redis_takes_options_alone_and_becomes_its_user(image, start):
    ready = f"{REDIS} ping && test $(stat -c %u /proc/1) = 999"
    execute = start(image, "cache", [], ["--maxmemory", "5mb"], ready)
    assert execute(f"{REDIS} config get maxmemory").stdout.split()[1] == str(5 << 20)
    assert execute("pwd && stat -c %u /data").stdout.split() == ["/data", "999"]
    assert execute("id -u redis && id -g redis").stdout.split() == ["999", "999"]
