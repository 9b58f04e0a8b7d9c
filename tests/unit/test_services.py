# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The services of entries: what is completed and refused, what the host gets, and how a service is
started, replaced, put back and removed.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import Place
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    describe,
    finish,
    prepare,
    prune,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import App
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Lock
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Link
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.remove import Remove
from ansible_collections.flaskops.host.plugins.module_utils.releases.services import (
    image,
    look,
    remove,
    rotation,
    run,
    spec,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.services.engines import (
    ENGINES,
    PACKAGED,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.services.record import (
    WantedService,
    digest,
    read_record,
    wanted_service,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.services.service import (
    Recipe,
    ServiceSpec,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Outcome, Work
from entries import normalize_apps

TOP = Path(__file__).resolve().parents[2]
PROGRAMS = {
    name: (TOP / f"roles/flask_apps/files/services/{name}.sh").read_text() for name in ENGINES
}
# The fixture host replaces it.
Differs = run.Services._differs
DB, CACHE = {"name": "db", "engine": "postgresql"}, {"name": "cache", "engine": "redis"}


@pytest.fixture
def check(tmp_path):
    """Normalise entries that have services; each is its name and further keys."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    (source / "requirements.txt").write_text("flask\n")

    def make(*entries, **how):
        apps = [
            {"name": name, "source": str(source), "path": f"/{name}", **keys}
            for name, keys in entries
        ]
        found, problems = normalize_apps(apps, **how)
        return [App.from_dict(each) for each in found], problems

    return make


@pytest.fixture
def problem(check):
    """The only problem of an application shop with these services."""

    def make(*services, suite="", **keys):
        _apps, problems = check(("shop", {"services": list(services), **keys}), suite=suite)
        assert len(problems) == 1, problems
        return problems[0]

    return make


# --- what an entry says ---------------------------------------------------------------------------


def test_an_engine_is_enough(check):
    (app,), problems = check(("shop", {"services": [DB, CACHE]}))
    assert problems == []
    db, cache = app.services
    assert (db.version, db.variable, db.resources.memory) == ("17", "DATABASE_URL", "512m")
    assert (cache.version, cache.variable, cache.resources.memory) == ("8.0", "REDIS_URL", "256m")


@pytest.mark.parametrize(("suite", "engine"), [(s, e) for s in PACKAGED for e in ENGINES])
def test_with_packages_the_version_is_that_of_the_distribution(check, problem, suite, engine):
    (app,), problems = check(
        ("shop", {"services": [{"name": "db", "engine": engine}]}), suite=suite
    )
    assert problems == []
    assert (app.services[0].version, app.services[0].suite) == (PACKAGED[suite][engine], suite)
    said = problem({"name": "db", "engine": engine, "version": "99"}, suite=suite)
    assert f"version must be {PACKAGED[suite][engine]}, the one that {suite} has" in said
    (app,), problems = check(
        ("shop", {"services": [{"name": "db", "engine": engine, "image": "x:1"}]}), suite=suite
    )
    assert (problems, app.services[0].suite) == ([], "")


def test_of_an_unknown_distribution_an_image_is_asked_for(problem):
    assert "trusty has no packages of redis that this collection knows; write an image" in problem(
        CACHE, suite="trusty"
    )


@pytest.mark.parametrize(
    ("services", "keys", "words"),
    [
        (
            [{"name": "db", "engine": "mysql"}],
            {},
            "engine must be postgresql or redis; got 'mysql'",
        ),
        ([{"name": "db"}], {}, "services: db: write engine: postgresql or redis, or image, or of"),
        ([{"name": "Db", "engine": "redis"}], {}, "1 to 20 of a-z, 0-9 and -"),
        ([DB, {**CACHE, "name": "db"}], {}, "services has 'db' 2 times; names must differ"),
        ([DB, {**DB, "name": "reports"}], {}, "db and reports give the variable DATABASE_URL"),
        ([DB], {"env": {"DATABASE_URL": "x"}}, "env sets DATABASE_URL, which the service db gives"),
        ([DB], {"secrets": {"DATABASE_URL": "x"}}, "secrets sets DATABASE_URL, which the service"),
        ([{**DB, "variable": "PATH"}], {}, "variable must not be PATH, which controls processes"),
        ([{**DB, "variable": "DOMAIN"}], {}, "variable must not be DOMAIN, which we set from path"),
        ([DB], {"env": {"DATABASE_URL_FILE": "x"}}, "env sets DATABASE_URL_FILE, which the serv"),
        ([{**DB, "name": "localhost"}], {}, "localhost: an application finds something else"),
        ([{**DB, "name": "1"}], {}, "services: 1: an application finds something else by this"),
        ([{**DB, "version": "9"}], {}, "version must be such as 17; got '9'"),
        ([{**DB, "version": "17", "image": "x"}], {}, "version and image are written; keep one"),
        ([{**DB, "command": "x"}], {}, "command cannot be written, because its engine is postgre"),
        ([{**DB, "volumes": ["data:/b"]}], {}, "volumes cannot be written, because its engine is"),
        ([{"name": "q", "image": "x", "password": "longenough"}], {}, "because it has no engine"),
        ([{**DB, "password": "short"}], {}, "its value is hidden"),
        ([{**DB, "password": "has a space"}], {}, "8 to 128 letters, digits and . _ ~ -"),
        ([{**DB, "resources": {"memory": "32m"}}], {}, "resources.memory must be at least 96m"),
        ([{"name": "db", "of": "shop"}], {}, "of names the application itself"),
        ([{"name": "db", "of": "blog"}], {}, "'blog' has no service 'db'; there is no service"),
        ([{**DB, "of": "blog"}], {}, "engine cannot be written, because it is the service of blog"),
        (
            [{**DB, "name": "worker"}],
            {"processes": [{"name": "worker", "command": "x"}]},
            "services: worker: a process has this name",
        ),
        (
            [DB],
            {
                "processes": [{"name": f"p{n}", "command": "x"} for n in range(27)],
                "jobs": [{"name": f"j{n}", "command": "x", "schedule": "daily"} for n in range(5)],
            },
            "services gives a network with room for 61 containers; with 27 processes, 1 services"
            " and 5 jobs, 63 may run while a release starts.",
        ),
        (
            [DB],
            {"volumes": ["/srv/n:/n", "/srv/n/a/b:/b"]},
            "volumes has the volume /srv/n/a/b, which is below /srv/n, a volume of shop; use the",
        ),
        (
            [{"name": "q", "image": "x", "volumes": ["/srv/n/q:/q:ro"]}],
            {"volumes": ["/srv/n:/n"]},
            "services has the volume /srv/n/q, which is below /srv/n, a volume of shop",
        ),
        (
            [DB],
            {"volumes": ["shop-service-db:/data"]},
            "the volume shop-service-db, which is the data of the service db of shop",
        ),
    ],
)
def test_bad_input_is_refused_with_words(check, services, keys, words):
    _apps, problems = check(("shop", {"services": services, **keys}))
    assert [each for each in problems if words in each], problems


@pytest.mark.parametrize(
    "volumes",
    [["/srv/n:/n:ro", "/srv/n/a:/a"], ["/srv/n:/n", "/srv/na:/a"], ["/srv/n:/n", "/srv/n:/m"]],
)
def test_directories_that_nobody_can_put_a_link_into_are_volumes(check, volumes):
    assert check(("shop", {"services": [DB], "volumes": volumes}))[1] == []


def test_no_place_of_an_image_is_behind_a_link_to_the_host():
    """While an image is made, /var/run of the new tree leads to the /run of the host."""
    for known in ENGINES.values():
        for place in (known.home, known.directory, known.run):
            assert not place.startswith(("/var/run", "/var/lock"))


def test_no_message_shows_a_password(check):
    _apps, problems = check(("shop", {"services": [{**DB, "password": "sesame open"}]}))
    assert problems and "sesame" not in "".join(problems)


def test_as_many_as_the_network_has_room_for(check):
    names = [{"name": f"s{n}", "image": "x"} for n in range(61 - 3)]
    assert check(("shop", {"services": names}))[1] == []
    assert check(("shop", {"services": [*names, {"name": "one", "image": "x"}]}))[1] != []


def test_a_variable_of_an_env_file_is_a_collision_too(check, tmp_path):
    (tmp_path / "shop.env").write_text("DATABASE_URL=x\n")
    keys = {"services": [DB], "env_file": str(tmp_path / "shop.env")}
    _apps, problems = check(("shop", keys))
    assert "env_file sets DATABASE_URL, which the service db gives" in "".join(problems)


def test_a_shared_service_gives_the_variable_of_its_engine(check):
    apps, problems = check(
        ("blog", {"services": [{"name": "db", "of": "shop"}]}), ("shop", {"services": [DB]})
    )
    assert problems == []
    assert apps[0].services[0].variable == "DATABASE_URL"


def test_a_missing_service_of_another_names_those_that_exist(check):
    _apps, problems = check(
        ("blog", {"services": [{"name": "x", "of": "shop"}]}), ("shop", {"services": [DB]})
    )
    assert "'shop' has no service 'x'; there is db of shop." in "".join(problems)


def test_applications_that_wait_for_each_other_are_refused(check):
    _apps, problems = check(
        ("a", {"services": [DB, {"name": "cache", "of": "b"}]}),
        ("b", {"services": [CACHE, {"name": "db", "of": "a"}]}),
    )
    assert "a needs a service of b needs a service of a; move the services" in "".join(problems)


# --- what the release and the host get ------------------------------------------------------------


def specs(app, root="/var/lib/flaskops"):
    return spec.service_specs(app.name, app.services, root, PROGRAMS)


def test_the_application_gets_names_of_secrets_and_the_network(check):
    (app,), _problems = check(("shop", {"services": [DB, CACHE]}))
    environment = describe.environment(app)
    assert environment["FLASKOPS_SECRETS"] == "DATABASE_URL REDIS_URL"
    assert environment["DATABASE_URL_FILE"] == "/run/secrets/DATABASE_URL"
    assert "DATABASE_URL" not in environment
    container = describe.container(app, "0" * 12, "i", "/r")
    assert container["network_mode"] == "flaskops-shop.services"
    # Else an older engine asks the name server of the host on behalf of a closed network.
    assert container["dns"] == ["192.0.2.1"]
    assert any(each.endswith(":/run/secrets:ro") for each in container["volumes"])


def test_secrets_as_file_keeps_them_out_of_the_environment(check):
    (app,), _problems = check(("shop", {"services": [DB], "secrets_as": "file"}))
    assert "FLASKOPS_SECRETS" not in describe.environment(app)
    assert "DATABASE_URL_FILE" in describe.environment(app)


def test_with_internet_the_services_stay_in_a_separate_network(check):
    (app,), _problems = check(("shop", {"services": [DB], "internet": True}))
    container = describe.container(app, "0" * 12, "i", "/r")
    assert [each["name"] for each in container["networks"]] == [
        "flaskops-shop",
        "flaskops-shop.services",
    ]
    (made,) = specs(app)
    assert made.container["network_mode"] == "flaskops-shop.services"
    assert "dns" not in container and made.container["dns"] == ["192.0.2.1"]


def test_a_change_of_a_service_does_not_change_the_release(check):
    described = [
        (describe.environment(app), describe.container(app, "0" * 12, "i", "/r"))
        for keys in (
            {},
            {"password": "another-password"},
            {"image": "postgis/postgis:17-3.5"},
            {"resources": {"memory": "2g"}},
            {"version": "16"},
        )
        for (app,), _problems in [check(("shop", {"services": [{**DB, **keys}]}))]
    ]
    assert all(each == described[0] for each in described)


def test_its_memory_follows_the_limit(check):
    def commands(memory):
        (app,), _problems = check(
            (
                "shop",
                {"services": [{**each, "resources": {"memory": memory}} for each in (DB, CACHE)]},
            )
        )
        return [" ".join(each.container["command"]) for each in specs(app)]

    small, large = commands("256m"), commands("4g")
    assert "shared_buffers=64MB" in small[0] and "shared_buffers=1024MB" in large[0]
    assert "--maxmemory 157286kb" in small[1] and "--maxmemory 2516582kb" in large[1]


def test_no_password_is_in_what_docker_shows_or_in_a_fingerprint(check):
    made = [
        specs(app)[0]
        for password in ("sesame-one", "sesame-two")
        for (app,), _problems in [check(("shop", {"services": [{**DB, "password": password}]}))]
    ]
    assert "sesame" not in json.dumps([made[0].container, made[0].env, made[0].health])
    assert made[0].fingerprint == made[1].fingerprint
    assert "sesame" not in repr(made[0])
    assert wanted_service(made[0]).password == digest("sesame-one")
    assert "sesame" not in str(made[0].to_record())


def test_the_containers_are_closed(check):
    (app,), _problems = check(("shop", {"services": [DB, CACHE]}))
    for each in specs(app):
        options = each.container
        assert options["user"] == "999:999" and options["read_only"]
        assert options["cap_drop"] == ["ALL"]
        assert options["security_opts"] == ["no-new-privileges"]
        assert "host.flaskops.app" not in options["labels"]


def test_an_image_from_packages_is_named_by_what_it_is_made_of(check):
    def name(**how):
        (app,), _problems = check(("shop", {"services": [DB]}), **how)
        return specs(app)[0].container["image"]

    assert name() == "postgres:17"
    assert re.fullmatch(r"flaskops/base:postgresql-17-[0-9a-f]{12}", name(suite="trixie"))
    assert name(suite="trixie") != name(suite="trixie", base_refresh="2026-12")
    assert name(suite="bookworm").startswith("flaskops/base:postgresql-15-")


def test_another_image_keeps_its_user_and_command(check):
    keys = {"name": "queue", "image": "rabbitmq:4", "secrets": {"COOKIE": "x"}}
    (app,), problems = check(("shop", {"services": [{**keys, "health": {"command": "true"}}]}))
    (made,) = specs(app)
    assert problems == []
    assert made.container["user"] == "" and "command" not in made.container
    assert made.health == ("sh", "-c", "exec true") or made.health == ("sh", "-c", "true")
    assert made.container["volumes"] == [
        "/var/lib/flaskops/services/shop/queue/secrets:/run/secrets:ro"
    ]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda each: each.name)
def test_a_url_has_the_password_and_the_name_of_the_service(engine):
    url = engine.url("db", "pass.word~1")
    assert url.startswith(f"{engine.scheme}://") and ":pass.word~1@db:" in url


def test_the_network_is_closed_without_rules():
    assert "--internal" in run.CLOSED
    assert "com.docker.network.bridge.inhibit_ipv4=true" in run.CLOSED


def test_the_options_of_an_entry_are_the_fields_of_its_type():
    from dataclasses import fields

    from ansible_collections.flaskops.host.plugins.module_utils.releases.services.service import (
        Service,
    )

    assert {*OPTIONS["services"].options, "suite", "refresh"} == {
        field.name for field in fields(Service)
    }


def test_an_image_of_packages_has_the_user_before_the_packages():
    recipe = Recipe(
        "trixie", ("postgresql-17",), "postgres", "/var/lib/postgresql", "#!", {"A": "1"}
    )
    made = image._bootstrap(ServiceSpec("db", "postgresql", recipe=recipe), "flaskops/base:x")
    assert 'echo "postgres:x:999:" >> "$1/etc/group"' in made.essential
    assert "create_main_cluster=false" in made.essential[-1]
    assert 'ENTRYPOINT ["docker-entrypoint.sh"]' in made.changes
    assert not any(each.startswith("STOPSIGNAL") for each in made.changes)  # Docker 20.10
    assert list(made.programs) == ["/usr/local/bin/docker-entrypoint.sh"]


# --- the entrypoints of images from packages ------------------------------------------------------


@pytest.fixture
def entrypoint(tmp_path):
    """Run an entrypoint with stand-ins of the programs that it calls; returns what was called."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    for name in (
        "initdb",
        "pg_ctl",
        "psql",
        "postgres",
        "redis-server",
        "setpriv",
        "chown",
        "id",
        "find",
    ):
        file = programs / name
        body = {
            "id": 'echo "${FAKE_UID-999}"',
            "initdb": "for w; do case $w in --pwfile=*)"
            f' echo "pw $(cat "${{w#*=}}")" >> {calls};; esac; done; '
            'echo 17 > "$PGDATA/PG_VERSION"; : > "$PGDATA/pg_hba.conf"',
            "psql": f"[ -t 0 ] || cat >> {calls}",
        }.get(name, ":")
        file.write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n{body}\n')
        file.chmod(0o755)

    def call(name, *words, **environment):
        done = subprocess.run(
            ["sh", TOP / f"roles/flask_apps/files/services/{name}.sh", *words],
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PGDATA": str(tmp_path / "data"),
                **environment,
            },
            cwd=programs,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return done, [
            line for line in calls.read_text().splitlines() if line != "id -u"
        ] if calls.exists() else []

    return call


def test_a_new_database_gets_user_password_and_database(entrypoint, tmp_path):
    (tmp_path / "password").write_text("sesame\n")
    done, calls = entrypoint(
        "postgresql", "postgres", "-c", "work_mem=4MB",
        POSTGRES_PASSWORD_FILE=str(tmp_path / "password"), POSTGRES_USER="app", POSTGRES_DB="app",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert calls[0].startswith("initdb --username=app --auth-local=trust --auth-host=scram-sha-256")
    assert "pw sesame" in calls
    assert 'CREATE DATABASE :"name";' in calls
    assert calls[-1] == "postgres -c work_mem=4MB"
    assert "sesame" not in " ".join(each for each in calls if not each.startswith("pw "))
    assert (tmp_path / "data/pg_hba.conf").read_text() == "host all all all scram-sha-256\n"
    assert "listen_addresses = '*'" in (tmp_path / "data/postgresql.conf").read_text()


def test_an_existing_database_is_left_alone(entrypoint, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("17\n")
    done, calls = entrypoint("postgresql", "-c", "x=y")
    assert (done.returncode, calls) == (0, ["postgres -c x=y"])


def test_a_new_database_without_a_password_is_refused(entrypoint):
    done, calls = entrypoint("postgresql")
    assert done.returncode == 1 and calls == []
    assert "POSTGRES_PASSWORD" in done.stderr


def test_a_variable_and_its_file_are_refused_together(entrypoint):
    done, _calls = entrypoint("postgresql", POSTGRES_USER="a", POSTGRES_USER_FILE="b")
    assert done.returncode == 1
    assert "POSTGRES_USER and POSTGRES_USER_FILE are both set" in done.stderr


@pytest.mark.parametrize(("name", "user"), [("postgresql", "postgres"), ("redis", "redis")])
def test_root_becomes_the_user_of_the_server(entrypoint, name, user):
    done, calls = entrypoint(name, FAKE_UID="0")
    assert done.returncode == 0, done.stderr
    assert calls[-1].startswith(f"setpriv --reuid={user} --regid={user} --init-groups")


@pytest.mark.parametrize("name", ["postgresql", "redis"])
def test_another_program_is_run_as_it_is(entrypoint, name):
    done, calls = entrypoint(name, "echo", "hello")
    assert (done.stdout, calls) == ("hello\n", [])


def test_redis_takes_a_file_or_options(entrypoint):
    assert entrypoint("redis", "/run/secrets/redis.conf", "--dir", "/data")[1] == [
        "redis-server /run/secrets/redis.conf --dir /data"
    ]


# --- on the host ----------------------------------------------------------------------------------


class Engine:
    """An engine that keeps containers, networks and volumes, and whose health checks fail for the
    images in bad.
    """

    def __init__(self, tmp_path):
        self.command = "docker"
        self.tmp, self.bad, self.calls = tmp_path, set(), []
        self.containers, self.networks, self.volumes = {}, {}, {}
        self.images = {
            name: {"Id": f"sha256:{name}", "Config": {"Env": [f"PG_MAJOR={major}"]}}
            for name, major in (("postgres:17", 17), ("postgres:18", 18), ("redis:8.0", ""),
                                ("queue:1", ""), ("queue:2", ""))
        }  # fmt: skip

    def inspect(self, name, kind="container"):
        places = {"image": self.images, "network": self.networks, "volume": self.volumes}
        return places.get(kind, self.containers).get(name, {})

    def run(self, *words, given=None, **_how):
        self.calls.append(" ".join(words))
        what = getattr(self, f"do_{words[0]}", None)
        return (what(*words[1:], given=given) if what else "") or ""

    def do_network(self, what, *words, given):
        name = words[-1]
        if what == "create":
            self.networks[name] = {"Name": name, "Labels": {"host.flaskops.app": "shop"}}
        elif what == "connect":
            self.containers[name]["NetworkSettings"]["Networks"][words[-2]] = {}
        elif what == "disconnect":
            del self.containers[name]["NetworkSettings"]["Networks"][words[-2]]
        elif what == "rm":
            del self.networks[name]
        return "[]" if what == "inspect" else ""

    def do_volume(self, what, *words, given):
        if what == "create":
            place = self.tmp / words[-1]
            place.mkdir()
            label = dict(each.split("=", 1) for each in words if "=" in each)
            self.volumes[words[-1]] = {"Mountpoint": str(place), "Labels": label}
        elif what == "rm":
            shutil.rmtree(self.volumes.pop(words[-1])["Mountpoint"])

    def do_create(self, *words, given):
        if "--name" not in words:
            return "throwaway\n"
        name, network = (words[words.index(each) + 1] for each in ("--name", "--network"))
        picture = next(word for word in words if word in self.images)
        self.containers[name] = {
            "Name": f"/{name}",
            "Image": self.images[picture]["Id"],
            "picture": picture,
            "words": words,
            "Config": {"Labels": dict(word.split("=", 1) for word in words if "=" in word)},
            "HostConfig": {"RestartPolicy": {"Name": "no"}},
            "State": {"Running": False, "ExitCode": 0},
            "NetworkSettings": {"Networks": {network: {}}},
        }

    def do_start(self, name, given):
        self.containers[name]["State"]["Running"] = True

    def do_stop(self, name, given):
        self.containers[name]["State"]["Running"] = False

    def do_rm(self, *words, given):
        self.containers.pop(words[-1], None)

    def do_rename(self, before, after, given):
        self.containers[after] = self.containers.pop(before)

    def do_exec(self, *words, given):
        name = next(word for word in words if not word.startswith("--"))
        if self.containers[name]["picture"] in self.bad:
            raise HostError("no answer")

    def do_ps(self, *words, given):
        if network := next((each[8:] for each in words if each.startswith("network=")), ""):
            there = self.containers.items()
            return "\n".join(
                name for name, each in there if network in each["NetworkSettings"]["Networks"]
            )
        return "\n".join(
            json.dumps(
                {
                    "name": name,
                    "state": "running" if each["State"]["Running"] else "exited",
                    "of": each["Config"]["Labels"]["host.flaskops.service"],
                }
            )
            for name, each in self.containers.items()
        )


@pytest.fixture
def host(tmp_path, monkeypatch):
    """The services of an application on a host."""
    docker, root = Engine(tmp_path), str(tmp_path / "flaskops")
    Path(root).mkdir()
    for name in ("chown", "fchown"):
        monkeypatch.setattr(os, name, lambda *words: None)
    monkeypatch.setattr(run, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(run, "SETTLED_SECONDS", 0)
    # Whether options differ is tested with real output of docker inspect elsewhere.
    monkeypatch.setattr(
        run.Services,
        "_differs",
        lambda self, container, _image: (
            docker.containers.get(container.name, {}).get("words", [])[-len(container.words) :]
            != tuple(container.words)
        ),
    )

    def ensure(app, deadline=0, name="shop"):
        made = [
            ServiceSpec(**{**each.__dict__, "deadline_seconds": deadline})
            for each in spec.service_specs(name, app.services, root, PROGRAMS)
        ]
        services = run.Services(docker, root, name, "10.201.0.0/16")
        return services, services.ensure(made)

    ensure.docker, ensure.root = docker, root
    return ensure


def shop(check, **keys):
    (app,), problems = check(("shop", {"services": [{**DB, **keys}]}))
    assert problems == []
    return app


def test_a_service_is_started_once(host, check):
    services, values = host(shop(check))
    password = (Place(host.root).service("shop", "db").secrets / "password").read_text()
    assert values == {"DATABASE_URL": f"postgresql://app:{password}@db:5432/app"}
    assert len(password) == 32
    assert services.network_made
    assert list(host.docker.containers) == ["shop-service-db"]
    assert not any(password in call for call in host.docker.calls)
    assert host.docker.calls[-1] == "update --restart unless-stopped shop-service-db"
    again, same = host(shop(check))
    assert (again.actions, again.network_made, same) == ([], False, values)


def test_a_service_logs_where_the_applications_do(host, check):
    """As the plan has it, which knows what docker_daemon_options chooses."""
    request = prepare.Request(
        nginx_root="", token="", group="", uids="", networks_pool="10.201.0.0/16",
        log_driver="json-file", log_options={"max-size": "1m"},
    )  # fmt: skip
    specs = spec.service_specs("shop", shop(check).services, host.root, PROGRAMS)
    release = Release(
        name="shop", id="0" * 12, site="default", path="/", files={}, container={},
        root=host.root, services=specs,
    )  # fmt: skip
    begun = prepare.Prepare(request, release, host.docker)
    begun._begin = lambda *_words: None
    begun._run_services(SimpleNamespace(changed=False, give=lambda _values: None))
    words = " ".join(host.docker.containers["shop-service-db"]["words"])
    assert "--log-driver json-file --log-opt max-size=1m" in words


def test_what_prepares_and_what_starts_a_release_get_the_same_log():
    tasks = yaml.safe_load((TOP / "roles/flask_apps/tasks/release.yml").read_text())
    steps = [value for task in tasks[0]["block"] for key, value in task.items() if "host." in key]
    asked = [{key: step[key] for key in ("log_driver", "log_options")} for step in steps]
    assert len(asked) == 2 and asked[0] == asked[1]


def test_a_service_that_is_not_healthy_at_first_leaves_nothing(host, check, monkeypatch):
    monkeypatch.setattr(run, "FIRST_SECONDS", 0)
    host.docker.bad.add("postgres:17")
    with pytest.raises(HostError, match=r"service db: it is not healthy after 0 s \(no answer\)"):
        host(shop(check))
    assert host.docker.containers == {}
    assert "volume rm shop-service-db" in host.docker.calls
    assert read_record(host.root, "shop", "db").fingerprint == ""
    host.docker.bad.clear()
    host(shop(check))
    assert not Place(host.root).service("shop", "db").unfinished.exists()


def test_a_first_start_that_was_killed_begins_again_with_an_empty_volume(host, check, monkeypatch):
    """What it has left may be half of a database, which a server would take for a whole one."""

    def killed(*_words):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "wait", killed)
        with pytest.raises(KeyboardInterrupt):
            host(shop(check))
    assert [*host.docker.containers] == ["shop-service-db"]
    host.docker.calls.clear()
    host(shop(check))
    removed = host.docker.calls.index("volume rm shop-service-db")
    assert any(call.startswith("volume create") for call in host.docker.calls[removed:])


def test_nothing_is_removed_that_has_data(host, check, monkeypatch):
    """Once it was healthy, and a volume that belongs to something else."""
    given = shop(check, image="queue:1", engine="", name="queue", volumes=["one:/a"])
    with monkeypatch.context() as patch, pytest.raises(HostError):
        patch.setattr(run, "write_record", lambda *_words: os.stat("/nonexistent"))
        host(given)
    host.docker.calls.clear()
    host(given)
    assert not [call for call in host.docker.calls if call.split()[0] in ("rm", "volume")]
    place = Place(host.root).service("shop", "queue")
    place.unfinished.write_text("one\nother")
    host.docker.volumes["other"] = {"Mountpoint": str(host.docker.tmp), "Labels": None}
    services = run.Services(host.docker, host.root, "blog", "10.201.0.0/16")
    with pytest.raises(HostError, match="shop has no running service queue"):
        services._borrow(SimpleNamespace(of="shop", name="queue"))
    host(given)
    assert "volume rm other" not in host.docker.calls and "other" in host.docker.volumes


def test_a_volume_that_was_there_survives_a_first_start_that_fails(host, check, monkeypatch):
    """Such as that of a service that was removed and comes again."""
    monkeypatch.setattr(run, "FIRST_SECONDS", 0)
    host(shop(check))
    host.docker.containers.clear()
    host.docker.bad.add("postgres:17")
    with pytest.raises(HostError, match="it is not healthy"):
        host(shop(check))
    assert not [call for call in host.docker.calls if call.startswith("volume rm")]


def test_a_new_volume_of_a_running_service_does_not_make_it_a_first_start(host, check):
    app = shop(check, image="queue:1", engine="", name="queue", volumes=["one:/a"])
    host(app)
    host.docker.bad.add("queue:2")
    more = {"volumes": ["one:/a", "two:/b"], "health": {"command": "true"}}
    with pytest.raises(HostError, match="The one before runs again"):
        host(shop(check, image="queue:2", engine="", name="queue", **more))
    host.docker.calls.clear()
    host(app)
    assert not [call for call in host.docker.calls if call.split()[0] in ("rm", "volume")]


def test_a_change_that_is_not_healthy_is_taken_back(host, check):
    app = shop(check, image="queue:1", engine="", name="queue")
    host(app)
    before, record = dict(host.docker.containers), read_record(host.root, "shop", "queue")
    host.docker.bad.add("queue:2")
    changed = shop(check, image="queue:2", engine="", name="queue", health={"command": "true"})
    with pytest.raises(HostError, match=r"(?s)service queue: .*\nThe one before runs again"):
        host(changed)
    assert host.docker.containers == before
    assert before["shop-service-queue"]["State"]["Running"]
    assert read_record(host.root, "shop", "queue") == record


def test_a_healthy_change_replaces_the_container(host, check):
    host(shop(check))
    services, _values = host(shop(check, resources={"memory": "1g"}))
    assert services.actions == ["replaced its service db (postgres:17)"]
    assert list(host.docker.containers) == ["shop-service-db"]
    assert "1g" in host.docker.containers["shop-service-db"]["words"]


def test_a_run_that_ended_within_a_replacement_is_repaired(host, check):
    host(shop(check))
    docker = host.docker
    docker.run("stop", "shop-service-db")
    docker.run("rename", "shop-service-db", "shop-service-db.before")
    label = ("--label", "host.flaskops.service=shop/db")
    docker.run("create", "--name", "shop-service-db", "--network", "x", *label, "postgres:18")
    host(shop(check))
    assert list(docker.containers) == ["shop-service-db"]
    assert docker.containers["shop-service-db"]["picture"] == "postgres:17"
    assert docker.containers["shop-service-db"]["State"]["Running"]


def test_another_major_version_is_refused_before_anything_stops(host, check):
    host(shop(check))
    data = Path(host.docker.volumes["shop-service-db"]["Mountpoint"]) / "pgdata"
    data.mkdir()
    (data / "PG_VERSION").write_text("17\n")
    del host.docker.calls[:]
    with pytest.raises(HostError, match=r"of PostgreSQL 17, and postgres:18 is 18, which"):
        host(shop(check, version="18"))
    assert not any(call.startswith(("stop", "rename", "rm")) for call in host.docker.calls)


def test_a_link_in_the_data_is_not_followed(host, check, tmp_path):
    host(shop(check))
    data = Path(host.docker.volumes["shop-service-db"]["Mountpoint"]) / "pgdata"
    data.mkdir()
    (tmp_path / "other").write_text("9\n")
    (data / "PG_VERSION").symlink_to(tmp_path / "other")
    host(shop(check))


def test_another_password_is_set_in_the_running_database(host, check):
    host(shop(check, password="sesame-one"))
    given = []
    host.docker.do_exec = lambda *words, given_to=given, given: given_to.append(given)
    services, values = host(shop(check, password="sesame-two"))
    assert "ALTER ROLE app PASSWORD 'sesame-two';\n" in given
    assert values["DATABASE_URL"] == "postgresql://app:sesame-two@db:5432/app"
    assert services.actions == ["gave its service db another password"]
    assert read_record(host.root, "shop", "db").secrets["password"] == digest("sesame-two")


@pytest.fixture
def live(host, tmp_path):
    """A release of an application that serves with what its services gave it."""

    def lay(app, values, of=""):
        place = Place(host.root).app(app).release("0" * 12)
        place.secrets.mkdir(parents=True)
        (place.secrets / "DATABASE_URL").write_text(values["DATABASE_URL"])
        services = [{"name": "db", "of": of, "variable": "DATABASE_URL"}]
        place.record.write_text(json.dumps({"container": {}, "services": services}))
        return place.secrets / "DATABASE_URL"

    return lay


def test_a_password_that_the_application_does_not_work_with_is_put_back(host, check, live):
    _services, first = host(shop(check, password="sesame-one"))
    own, shared = live("shop", first), live("blog", first, of="shop")
    _services, second = host(shop(check, password="sesame-two"))
    own.write_text(second["DATABASE_URL"])
    shared.write_text(second["DATABASE_URL"])
    for name in ("shop", "blog"):
        host.docker.containers[f"{name}-{'0' * 12}"] = {"State": {"Running": True}}
    del host.docker.calls[:]
    lives = {"shop": "0" * 12, "blog": "0" * 12, "other": "1" * 12}
    assert rotation.revert(host.docker, host.root, "shop", lives) == ["db"]
    assert own.read_text() == shared.read_text() == first["DATABASE_URL"]
    restarts = [call for call in host.docker.calls if call.startswith("restart")]
    assert restarts == [f"restart shop-{'0' * 12}", f"restart blog-{'0' * 12}"]
    assert read_record(host.root, "shop", "db").secrets["password"] == digest("sesame-one")
    assert rotation.revert(host.docker, host.root, "shop", lives) == []


def test_a_password_that_it_works_with_holds(host, check, live):
    host(shop(check, password="sesame-one"))
    _services, second = host(shop(check, password="sesame-two"))
    own = live("shop", second)
    shared, asleep = live("blog", second, of="shop"), live("asleep", second, of="shop")
    for file in (shared, asleep):  # of a run before
        file.write_text("postgresql://app:sesame-one@db:5432/app")
    host.docker.containers[f"blog-{'0' * 12}"] = {"State": {"Running": True}}
    host.docker.containers[f"asleep-{'0' * 12}"] = {"State": {"Running": False}}
    lives = dict.fromkeys(("shop", "blog", "asleep"), "0" * 12)
    assert rotation.sharing(host.root, "shop", ["db"], lives) == {"blog", "asleep"}
    assert rotation.confirm(host.docker, host.root, "shop", lives) == ["blog"]
    assert shared.read_text() == asleep.read_text() == second["DATABASE_URL"]
    assert [call for call in host.docker.calls if call.startswith("restart")] == [
        f"restart blog-{'0' * 12}"
    ]
    assert rotation.revert(host.docker, host.root, "shop", {"shop": "0" * 12}) == []
    assert own.read_text() == second["DATABASE_URL"]


@pytest.mark.parametrize(
    ("results", "password", "words"),
    [
        ({"shop": "live", "blog": "live"}, "sesame-two", []),
        ({"shop": "live", "blog": "failed"}, "sesame-one", ["db, because blog failed"]),
        ({"shop": "failed", "blog": "live"}, "sesame-one", ["put back for db"]),
        ({"shop": "live", "fresh": "failed"}, "sesame-two", ["blog: it was restarted, because"]),
    ],
)
def test_a_password_holds_if_all_that_have_it_work_with_it(
    host, check, live, results, password, words
):
    """One that fails goes on with its release of before, which knows the one before."""
    _services, first = host(shop(check, password="sesame-one"))
    files = {"shop": live("shop", first), "blog": live("blog", first, of="shop")}
    _services, second = host(shop(check, password="sesame-two"))
    for name, file in files.items():
        if name in results:
            file.write_text(second["DATABASE_URL"])
        host.docker.containers[f"{name}-{'0' * 12}"] = {"State": {"Running": True}}
    outcomes = [
        Outcome(Work(name, "0" * 12, live="0" * 12), result) for name, result in results.items()
    ]
    end = finish.Finish(host.root, host.root, Lock("t"), outcomes)
    end.docker = host.docker
    end.links = {name: (Link("default", "0" * 12, "locations.conf"),) for name in files}
    end._settle_passwords("shop")
    assert {file.read_text() for file in files.values()} == {
        f"postgresql://app:{password}@db:5432/app"
    }
    assert len(end.attempts.warnings) == len(words), end.attempts.warnings
    assert all(word in " ".join(end.attempts.warnings) for word in words)
    assert rotation.pending(host.root, "shop") == []


def test_what_cannot_be_restarted_is_found_by_the_next_run(host, check, live):
    _services, first = host(shop(check, password="sesame-one"))
    files = {name: live(name, first, of="shop") for name in ("blog", "fan")}
    _services, second = host(shop(check, password="sesame-two"))
    for name in files:
        host.docker.containers[f"{name}-{'0' * 12}"] = {"State": {"Running": True}}

    def restart(name, given):
        if name.startswith("blog"):
            raise HostError("no answer")

    host.docker.do_restart = restart
    with pytest.raises(HostError, match="blog: no answer"):
        rotation.confirm(host.docker, host.root, "shop", dict.fromkeys(files, "0" * 12))
    assert files["blog"].read_text() == first["DATABASE_URL"]
    assert files["fan"].read_text() == second["DATABASE_URL"]


@pytest.mark.parametrize(("said", "holds"), [("OK OK", True), ("OK", False), ("ERR OK", False)])
def test_redis_must_say_that_it_has_the_password(tmp_path, monkeypatch, said, holds):
    """redis-cli ends with 0 whatever the server answers; the oldest has no option for this."""
    command = tmp_path / "redis-cli"
    command.write_text(
        f"#!/bin/sh\n[ $# = 2 ] && cat > '{tmp_path}/got' && printf '%s\\n' {said}\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    words, given = ENGINES["redis"].set_password("before", "after")
    done = subprocess.run(words, input=given, capture_output=True, text=True)
    assert (tmp_path / "got").read_text() == "AUTH before\nCONFIG SET requirepass after\n"
    assert (done.returncode == 0) == holds
    assert holds or done.stderr.split() == said.split()
    assert "after" not in " ".join(words)


def test_of_two_interrupted_rotations_the_first_password_is_put_back(host, check, live):
    _services, first = host(shop(check, password="sesame-one"))
    own = live("shop", first)
    host(shop(check, password="sesame-two"))
    host(shop(check, password="sesame-three"))
    rotation.revert(host.docker, host.root, "shop", {})
    _services, values = host(shop(check))
    assert values == first and own.read_text() == first["DATABASE_URL"]


def test_an_earlier_release_starts_its_services_as_they_are(host, check):
    _services, values = host(shop(check))
    host.docker.run("stop", "shop-service-db")
    services = run.Services(host.docker, host.root, "shop", "10.201.0.0/16")
    kept = ServiceSpec("db", variable="DATABASE_URL")
    assert services.ensure([kept]) == values
    assert services.actions == ["started its service db"]


def test_an_earlier_release_gets_a_removed_service_again(host, check):
    _services, values = host(shop(check))
    kept = ServiceSpec("db", variable="DATABASE_URL")
    remove.remove(host.docker, host.root, "shop")
    services = run.Services(host.docker, host.root, "shop", "10.201.0.0/16")
    assert services.ensure([kept]) == values
    assert host.docker.containers["shop-service-db"]["State"]["Running"]
    with pytest.raises(HostError, match="service cache: it is not on this host; deploy"):
        services.ensure([ServiceSpec("cache", variable="REDIS_URL")])


def test_a_shared_service_is_connected_and_needs_its_owner(host, check):
    borrowed = ServiceSpec("db", of="shop", variable="DATABASE_URL")
    services = run.Services(host.docker, host.root, "blog", "10.201.0.0/16")
    with pytest.raises(HostError, match="service db: shop has no running service db"):
        services.ensure([borrowed])
    host.docker.networks["flaskops-blog.services"]["Labels"] = {"host.flaskops.app": "blog"}
    _services, values = host(shop(check))
    network, failures = host.docker.do_network, ["file exists", "file exists", "no such container"]

    def fails(what, *words, given):
        if what == "connect" and failures:
            raise HostError(failures.pop(0))
        network(what, *words, given=given)

    # As an engine that was restarted: the first interfaces are taken.
    host.docker.do_network = fails
    with pytest.raises(HostError, match="no such container"):
        services.ensure([borrowed])
    failures += ["file exists"] * 3
    assert services.ensure([borrowed]) == values
    there = host.docker.containers["shop-service-db"]["NetworkSettings"]["Networks"]
    assert list(there) == ["flaskops-shop.services", "flaskops-blog.services"]
    _removed, warnings = remove.remove(host.docker, host.root, "shop")
    assert "stays, because another application shares it (flaskops-blog.services)" in warnings[0]
    assert "shop-service-db" in host.docker.containers
    # When the last one that shares it goes, and its owner is gone, it goes too.
    docker = host.docker
    assert remove.remove(docker, host.root, "blog") == (["service db of shop"], [])
    assert docker.containers == {}
    assert list(docker.networks) == []


def test_a_service_starts_though_a_network_of_another_application_was_removed(host, check):
    """An engine does not start a container with a network that is gone."""
    host(shop(check))
    there = host.docker.containers["shop-service-db"]["NetworkSettings"]["Networks"]
    there["flaskops-blog.services"] = {"NetworkID": "1"}
    there["flaskops-fan.services"] = {"NetworkID": "2"}
    host.docker.networks["flaskops-fan.services"] = {"Id": "2"}
    host.docker.run("stop", "shop-service-db")
    host(shop(check))
    assert list(there) == ["flaskops-shop.services", "flaskops-fan.services"]
    assert host.docker.containers["shop-service-db"]["State"]["Running"]


def test_a_service_that_is_not_wanted_is_removed_and_its_data_stays(host, check):
    host(shop(check))
    assert remove.remove(host.docker, host.root, "shop") == (["service db"], [])
    assert host.docker.containers == {} and host.docker.networks == {}
    assert list(host.docker.volumes) == ["shop-service-db"]
    password = (Place(host.root).service("shop", "db").secrets / "password").read_text()
    _services, values = host(shop(check))
    assert password in values["DATABASE_URL"]


def test_data_is_removed_only_on_request(host, check, monkeypatch):
    host(shop(check))
    docker, where = host.docker, Place(host.root).service("shop", "db")
    monkeypatch.setattr(
        docker,
        "do_volume",
        lambda what, *words, given: (
            "shop-service-db shop/db\nother-service-db other/db\n"
            if what == "ls" and "{{.Name}}" in " ".join(words)
            else [docker.volumes.pop(each) for each in words] and ""
            if what == "rm"
            else ""
        ),
    )
    removal = Remove(host.root, str(host.root), docker)
    monkeypatch.setattr(removal, "_remove", lambda name: [])
    monkeypatch.setattr(removal, "_drain", lambda *words: None)
    monkeypatch.setattr(f"{Remove.__module__}.renew", lambda *words: None)
    removal.run(["shop"], "t")
    assert where.secrets.is_dir() and "shop-service-db" in docker.volumes
    assert "docker volume rm shop-service-db" in removal.attempts.warnings[-1]
    assert removal.run(["shop"], "t", ["shop", "blog"]) == ["volume shop-service-db"]
    assert not where.directory.exists() and docker.volumes == {}


# --- the plan -------------------------------------------------------------------------------------


def looked(host, wanted, app="shop", more=None):
    secrets = Path(host.root)
    return look.Look(host.docker, host.root, {app: wanted, **(more or {})}).reason(app, secrets)


@pytest.fixture
def planned(host, check):
    """What the plan finds for an application whose services ran with other keys."""
    host(shop(check, password="sesame-one"))

    def reason(**keys):
        (made,) = spec.service_specs("shop", shop(check, **keys).services, host.root, PROGRAMS)
        value = ENGINES["postgresql"].url("db", "sesame-one")
        (Path(host.root) / "DATABASE_URL").write_text(value)
        return looked(host, (wanted_service(made),))

    return reason


def test_services_that_run_as_wanted_give_nothing_to_do(planned):
    assert planned(password="sesame-one") == ""
    assert planned() == ""


def test_what_differs_is_the_reason(planned, host):
    assert planned(password="sesame-two") == "its service db gets other secrets"
    assert planned(resources={"memory": "1g"}) == "its service db changed"
    (Place(host.root).service("shop", "db").secrets / "password").write_text("lost")
    assert planned() == "its service db has another DATABASE_URL"
    host.docker.run("stop", "shop-service-db")
    assert planned() == "its service db is exited"
    host.docker.run("rm", "shop-service-db")
    assert planned() == "its service db is missing"


def test_a_service_that_runs_and_is_not_wanted_is_work(planned, host):
    def dropped():
        return look.Look(host.docker, host.root, {"shop": ()}).dropped("shop")

    assert dropped() == ["db"]
    host.docker.run("rm", "shop-service-db")
    assert dropped() == []


def test_a_new_password_is_work_for_those_that_share_it(planned, host):
    own = WantedService("db", password=digest("sesame-two"), variable="DATABASE_URL")
    shared = WantedService("db", of="shop", variable="DATABASE_URL")
    (Path(host.root) / "DATABASE_URL").write_text(ENGINES["postgresql"].url("db", "sesame-one"))
    assert looked(host, (shared,), "blog", {"shop": (own,)}) == (
        "its service db of shop gets other secrets"
    )


def test_a_host_without_services_is_not_asked(tmp_path):
    docker = Engine(tmp_path)
    assert look.Look(docker, str(tmp_path), {"shop": ()}).reason("shop", tmp_path) == ""
    assert docker.calls == []


def test_a_bare_host_in_check_mode_has_no_engine_to_ask(tmp_path):
    docker = Engine(tmp_path)
    found = look.Look(docker, str(tmp_path), {"shop": (WantedService("db", image="made"),)})
    assert found.missing_images(["shop"]) == ("made",)
    docker.command, docker.calls = "", []
    bare = look.Look(docker, str(tmp_path), {"shop": (WantedService("db", image="made"),)})
    assert bare.missing_images(["shop"]) == ()
    assert bare.reason("shop", tmp_path) == "its service db is missing"
    assert docker.calls == []


def test_owners_come_before_those_that_share(tmp_path):
    shared = {"a": (WantedService("db", of="c"),), "b": (), "c": (WantedService("db"),)}
    found = look.Look(Engine(tmp_path), str(tmp_path), shared)
    assert found.in_order(["a", "b", "c"]) == ["c", "a", "b"]


def test_another_password_waits_for_the_builds_of_the_others(planned, host):
    """It is set before the switch, and what serves until then does not know it."""
    new = WantedService("db", password=digest("sesame-two"))
    shared = WantedService("db", of="shop")
    wanted = {"blog": (shared,), "shop": (new,), "fan": (WantedService("q", of="blog"),), "z": ()}

    def order():
        return look.Look(host.docker, host.root, wanted).in_order(["blog", "fan", "shop", "z"])

    assert order() == ["z", "shop", "blog", "fan"]
    wanted["shop"] = (WantedService("db", password=digest("sesame-one")),)
    assert order() == ["shop", "blog", "fan", "z"]


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({}, False),
        ({"env": {"A": "1"}}, True),  # B is not given any more
        ({"env": {"A": "1", "B": "2", "C": "3"}}, True),
        ({"env": {"A": "1", "B": "2", "PG_MAJOR": "9"}}, True),
    ],
)
def test_a_variable_that_is_taken_out_is_taken_out_of_the_container(
    tmp_path, check, monkeypatch, change, differs
):
    docker = Engine(tmp_path)
    monkeypatch.setattr(run.Container, "differences", lambda *_: [])  # tested elsewhere
    queue = {"name": "q", "image": "queue:1", "env": {"A": "1", "B": "2"}}
    (app,), _problems = check(("shop", {"services": [{**queue, **change}]}))
    (made,) = spec.service_specs("shop", app.services, str(tmp_path), PROGRAMS)
    container = run.Container.from_dict({**made.container, "env_file": str(tmp_path / "env")})
    (tmp_path / "env").write_text(made.env)
    docker.containers["shop-service-q"] = {"Config": {"Env": ["PG_MAJOR=17", "A=1", "B=2"]}}
    image = {"Config": {"Env": ["PG_MAJOR=17"]}}
    services = run.Services(docker, str(tmp_path), "shop", "10.201.0.0/16")
    found = Differs(services, container, image)
    assert found is differs


def test_what_belongs_to_another_service_is_left_alone(host, check):
    """Applications a and a-service may have services whose containers have one name."""
    host(shop(check))
    docker = host.docker
    container, volume = docker.containers["shop-service-db"], docker.volumes["shop-service-db"]
    container["Config"]["Labels"]["host.flaskops.service"] = "other/b"
    with pytest.raises(HostError, match=r"a container shop-service-db of other/b. Nothing was"):
        host(shop(check))
    assert remove.remove(docker, host.root, "shop") == ([], [])
    assert look.Look(docker, host.root, {"shop": ()}).dropped("shop") == []
    del container["Config"]["Labels"]["host.flaskops.service"]
    with pytest.raises(HostError, match="a container shop-service-db that is not of this"):
        host(shop(check))
    del docker.containers["shop-service-db"]
    volume["Labels"]["host.flaskops.service"] = "other/b"
    with pytest.raises(HostError, match=r"shop-service-db has the data of other/b. Nothing was"):
        host(shop(check))
    assert docker.containers == {}


def test_services_of_two_applications_are_never_one_container(check):
    one = {"services": [{"name": "service-b", "engine": "postgresql"}]}
    other = {"services": [{"name": "b", "engine": "redis"}]}
    _apps, problems = check(("a", one), ("a-service", other))
    assert problems == [
        "flask_apps: a-service: services: b: its container would be a-service-service-b, and so"
        " would that of the service service-b of a; choose another name."
    ]


def test_a_service_that_a_release_does_not_have_is_removed_with_a_warning(host, check, live):
    _services, values = host(shop(check))
    live("shop", values)
    place = Place(host.root).app("shop").release("1" * 12)
    place.directory.mkdir(parents=True)
    place.record.write_text(json.dumps({"container": {}, "services": []}))
    host.docker.do_volume = lambda *_words, given: "shop-service-db shop/db\nx other/db\n"
    outcome = Outcome(Work("shop", "1" * 12, live="0" * 12), "live")
    assert prune.remove_services(host.root, host.docker, outcome) == [
        "shop: its service db was removed, because release 111111111111 does not have it. Its data"
        " stays: a release with this service uses it again. To remove it: docker volume rm"
        " shop-service-db"
    ]
    assert host.docker.containers == {}
