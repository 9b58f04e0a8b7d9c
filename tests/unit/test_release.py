# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a release: its environment, its container, its id."""

import json
import os
import re
import stat

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.container import env_lines
from ansible_collections.flaskops.host.plugins.module_utils.releases import describe, release
from entries import normalize_apps, typed

ROOT = "/var/lib/flaskops"
ID = "0123456789ab"


@pytest.fixture
def app(tmp_path):
    """A complete entry; keys as the user writes them."""
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")

    def make(**keys):
        (entry,), problems = normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}]
        )
        assert problems == []
        return entry

    return make


def container(entry):
    return typed(describe.container)(entry, ID, f"flaskops/shop:{ID}", ROOT)


# --- the environment ------------------------------------------------------------------------------


def test_the_environment_has_domain_and_env(app):
    assert typed(describe.environment)(app()) == {
        "DOMAIN": "/shop",
        "ENV": "PROD",
        "FLASKOPS_APP": "shop",
        "FLASKOPS_CALLABLE": "app",
        "FLASKOPS_ENGINE": "uwsgi",
        "FLASKOPS_MODULE": "app",
        "FLASKOPS_PROCESSES": "auto",
        "FLASKOPS_RELEASE": describe.PLACEHOLDER,
        "FLASKOPS_SOCKET": f"/run/flaskops/{describe.PLACEHOLDER}/app.sock",
        "TMPDIR": "/var/tmp",
    }


def test_each_engine_sets_its_number_of_processes(app):
    keys = {"gunicorn": {"workers": 3}, "uwsgi": {"processes": 5}}
    assert typed(describe.environment)(app(engine="gunicorn", **keys))["FLASKOPS_PROCESSES"] == "3"
    assert typed(describe.environment)(app(**keys))["FLASKOPS_PROCESSES"] == "5"


def test_an_application_unaware_of_its_path_is_mounted_and_has_no_domain(app):
    values = typed(describe.environment)(app(path_mode="script_name"))
    assert (values["DOMAIN"], values["FLASKOPS_MOUNT"]) == ("", "/shop")
    values = typed(describe.environment)(app(path_mode="script_name", path="/"))
    assert values["DOMAIN"] == ""
    assert "FLASKOPS_MOUNT" not in values


def test_values_found_in_the_container_are_not_set(app):
    entry = {**app(), "module": None, "callable": None}
    assert not {"FLASKOPS_MODULE", "FLASKOPS_CALLABLE"} & set(typed(describe.environment)(entry))


def test_the_relay_gets_the_server_of_an_image(app):
    values = typed(describe.environment)(
        {**app(), "engine": "command", "command": "node server.js", "port": 3000}
    )
    assert (values["FLASKOPS_COMMAND"], values["FLASKOPS_PORT"]) == ("exec node server.js", "3000")
    assert not {
        "FLASKOPS_MODULE",
        "FLASKOPS_CALLABLE",
        "FLASKOPS_MOUNT",
        "FLASKOPS_PROCESSES",
    } & set(values)
    assert not {"FLASKOPS_COMMAND", "FLASKOPS_PORT"} & set(
        typed(describe.environment)({**app(), "engine": "command"})
    )


def test_at_the_root_of_a_site_domain_is_empty(app):
    assert typed(describe.environment)(app(path="/"))["DOMAIN"] == ""


def test_env_of_the_entry_is_included_and_may_change_the_variable_env(app):
    values = typed(describe.environment)(app(env={"ENV": "STAGING", "COLOUR": "red=blue #1"}))
    assert (values["ENV"], values["COLOUR"]) == ("STAGING", "red=blue #1")


def test_secrets_are_files_and_the_environment_names_their_paths(app):
    values = typed(describe.environment)(app(secrets={"SECRET_KEY": "hunter2"}))
    assert values["SECRET_KEY_FILE"] == "/run/secrets/SECRET_KEY"
    assert "hunter2" not in json.dumps(values)


def test_the_env_file_has_one_line_for_each_variable():
    assert describe.env_file({"A": "1", "B": "x=y z"}) == "A=1\nB=x=y z\n"
    assert describe.env_file({}) == ""


def test_the_env_file_reads_back_as_it_was_set(app):
    own = {
        "EMPTY": "",
        "EQUALS": "a=b=c",
        "HASH": "# x",
        "QUOTES": '"it\'s"',
        "SPACE": " before",
        "DOLLAR": "$x${y}",
        "SIZE": "größe",
    }
    own["LINES"] = "a\x0bb\x85c\u2028d"
    values = typed(describe.environment)(app(env=own))
    assert env_lines(describe.env_file(values)) == [
        f"{name}={value}" for name, value in values.items()
    ]


# --- the container --------------------------------------------------------------------------------


def test_a_container_is_hardened_by_default(app):
    options = container(app())
    assert options["name"] == f"shop-{ID}"
    assert options["user"] == "@flaskops-uid@:@flaskops-uid@"
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert options["security_opts"] == ["no-new-privileges"]
    assert options["network_mode"] == "none"
    assert options["etc_hosts"] == {options["hostname"]: "127.0.0.1"}
    assert (options["memory"], options["memory_swap"], options["pids_limit"]) == (
        "512m",
        "512m",
        512,
    )
    assert not {
        "published_ports",
        "ports",
        "exposed_ports",
        "privileged",
        "capabilities",
        "devices",
        "networks",
        "cpus",
    } & set(options)
    assert options["volumes"] == [
        f"{ROOT}/apps/shop/releases/{ID}/run:/run/flaskops/{ID}",
        f"{ROOT}/apps/shop/releases/{ID}/uwsgi.ini:/etc/flaskops/uwsgi.ini:ro",
        f"{ROOT}/apps/shop/releases/{ID}/spool:/var/tmp",
    ]


@pytest.mark.parametrize(
    "keys", [{"writable": ["/var/tmp"]}, {"volumes": ["shop-tmp:/var/tmp/"]}], ids=str
)
def test_a_custom_mount_for_large_uploads_is_kept(app, keys):
    assert not [
        volume for volume in container(app(**keys))["volumes"] if volume.endswith("/spool:/var/tmp")
    ]


def test_each_engine_reads_a_separate_file(app):
    place = f"{ROOT}/apps/shop/releases/{ID}"
    assert (
        container(app(engine="gunicorn"))["volumes"][1]
        == f"{place}/gunicorn.conf.py:/etc/flaskops/gunicorn.conf.py:ro"
    )
    options = container({**app(), "engine": "command"})
    assert options["volumes"][1] == f"{place}/relay.py:/etc/flaskops/relay.py:ro"
    assert options["entrypoint"] == ["python3", "/etc/flaskops/relay.py"]
    assert "entrypoint" not in container(app())


def test_an_init_process_reaps_orphans_of_the_application(app):
    assert container(app())["init"] is True


def test_state_and_restart_policy_are_left_to_the_tasks(app):
    assert not {"state", "restart_policy"} & set(container(app()))


def test_keys_of_the_entry_reach_the_container(app):
    options = container(
        app(
            networks=["bridge", "db"],
            volumes=["shop-data:/data"],
            writable=["/app/cache"],
            resources={"memory": "1g", "pids": 99, "cpus": 1.5, "tmp": "8m"},
            drain_seconds=7,
            secrets={"KEY": "x"},
        )
    )
    assert (options["network_mode"], options["networks"]) == (
        "bridge",
        [{"name": "bridge"}, {"name": "db"}],
    )
    assert "etc_hosts" not in options
    assert options["volumes"][3:] == [
        f"{ROOT}/apps/shop/releases/0123456789ab/secrets:/run/secrets:ro",
        "shop-data:/data",
    ]
    assert options["tmpfs"] == [
        "/tmp:rw,nosuid,nodev,size=8m,mode=1777",
        "/app/cache:rw,nosuid,nodev,size=8m,uid=@flaskops-uid@,gid=@flaskops-uid@,mode=0700",
    ]
    assert (options["memory"], options["memory_swap"], options["pids_limit"], options["cpus"]) == (
        "1g",
        "1g",
        99,
        1.5,
    )
    assert options["stop_timeout"] == 12


def test_secrets_are_not_among_the_options_of_the_container(app):
    assert "hunter2" not in json.dumps(container(app(secrets={"KEY": "hunter2"})))


# --- the id ---------------------------------------------------------------------------------------


def test_the_id_is_twelve_hex_digits_and_always_the_same():
    parts = {"files": {"b": "2", "a": "1"}, "source": "s"}
    identity = describe.release_id(parts, {}, b"")
    assert re.fullmatch("[0-9a-f]{12}", identity)
    assert (
        describe.release_id(
            {"source": "s", "files": {"a": "1", "b": "2"}}, {}, b"other key, no secrets"
        )
        == identity
    )


def test_the_id_changes_with_the_collection_only_if_format_does():
    """A new id for the same inputs would release all applications of all users again: raise FORMAT
    if it must change.
    """
    assert release.FORMAT == 3
    assert describe.release_id({"source": "x"}, {"KEY": "secret"}, b"key") == "0b8f18a26be6"


@pytest.mark.parametrize(
    "other",
    [
        ({"source": "t"}, {"KEY": "secret"}, b"key"),
        ({"source": "s"}, {"KEY": "Secret"}, b"key"),
        ({"source": "s"}, {"KEY2": "secret"}, b"key"),
        ({"source": "s"}, {"KEY": "secret"}, b"another"),
        ({"source": "s"}, {}, b"key"),
    ],
    ids=["source", "secret", "name of a secret", "key", "no secret"],
)
def test_every_input_of_a_release_changes_its_id(other):
    assert describe.release_id({"source": "s"}, {"KEY": "secret"}, b"key") != describe.release_id(
        *other
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"env": {"A": "1"}}),
        ({}, {"path": "/other"}),
        ({}, {"uwsgi": {"processes": 2}}),
        ({}, {"resources": {"memory": "1g"}}),
        ({}, {"networks": ["bridge"]}),
        ({}, {"volumes": ["data:/data"]}),
        ({}, {"writable": ["/app/cache"]}),
        ({}, {"drain_seconds": 5}),
    ],
)
def test_the_environment_and_the_container_change_the_id(app, before, after):
    def identity(keys):
        entry = app(**keys)
        return describe.release_id(
            {"env": typed(describe.environment)(entry), "container": container(entry)}, {}, b""
        )

    assert identity(before) != identity(after)
    assert identity(after) == identity(after)


@pytest.mark.parametrize(
    "after",
    [
        {"health": {"path": "/health", "deadline_seconds": 5}},
        {"static": []},
        {"proxy": {"buffering": False}},
    ],
)
def test_keys_that_do_not_affect_the_container_do_not_change_the_id(app, after):
    assert container(app()) == container(app(**after))


def test_the_placeholder_is_replaced_everywhere():
    described = {
        "a": describe.PLACEHOLDER,
        "b": [{"c": f"x/{describe.PLACEHOLDER}/y"}],
        "d": 1,
        "e": None,
        "f": 'quotes " and \\ and \n',
    }
    assert describe.replace_placeholder(described, ID) == {
        "a": ID,
        "b": [{"c": f"x/{ID}/y"}],
        "d": 1,
        "e": None,
        "f": 'quotes " and \\ and \n',
    }


# --- the key --------------------------------------------------------------------------------------


def test_the_key_is_created_once_and_readable_by_its_owner_only(tmp_path):
    file = tmp_path / "below/release.key"
    first = describe.release_key(str(file))
    assert len(first) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert describe.release_key(str(file)) == first
    assert os.listdir(file.parent) == ["release.key"]


def test_an_existing_key_is_kept(tmp_path):
    (tmp_path / "release.key").write_text("of the team")
    assert describe.release_key(str(tmp_path / "release.key")) == b"of the team"


def test_the_first_key_of_two_concurrent_runs_is_kept(tmp_path, monkeypatch):
    file = tmp_path / "release.key"

    def other_run(_size):
        file.write_text("of the other run")
        return "ours"

    monkeypatch.setattr(describe.random, "token_hex", other_run)
    assert describe.release_key(str(file)) == b"of the other run"
    assert os.listdir(tmp_path) == ["release.key"]


def test_the_home_directory_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    describe.release_key("~/.config/flaskops/release.key")
    assert (tmp_path / ".config/flaskops/release.key").is_file()
