# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The entrypoint of the containers: which application, how many processes, and which program."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import find
from ansible_collections.flaskops.host.plugins.module_utils.releases import replaced

RUNTIME = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime"


def load(name, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, RUNTIME / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def entrypoint(monkeypatch, tmp_path):
    """The module on a machine with eight processors, in a container with /app and the settings of
    both engines.
    """
    monkeypatch.setitem(sys.modules, "_find", find)
    monkeypatch.setitem(sys.modules, "_replaced", replaced)
    load("_uwsgi", monkeypatch)
    monkeypatch.setattr(sys, "path", [*sys.path])
    module = load("entrypoint", monkeypatch)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    for name in ("app", "etc"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc/uwsgi.ini").write_text("[uwsgi]\nmaster = true\nthreads = 4\n")
    (tmp_path / "etc/gunicorn.conf.py").write_text("threads = 4\n")
    monkeypatch.setattr(module, "APP", tmp_path / "app")
    monkeypatch.setattr(module, "SETTINGS", tmp_path / "etc")
    monkeypatch.setattr(module, "COPY", tmp_path / "copy.ini")
    monkeypatch.setattr(module, "UNIX", tmp_path / "prestart.sh")
    monkeypatch.setattr(module, "cpu_limit", lambda: 1.0)
    monkeypatch.chdir(tmp_path / "app")
    return module


@pytest.fixture
def app(tmp_path):
    """Write the files of the application."""

    def write(**files):
        for name, text in {"main__py": "app = 1\n", **files}.items():
            file = tmp_path / "app" / name.replace("__", ".").replace("_in_", "/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return tmp_path / "app"

    return write


@pytest.fixture
def started(entrypoint):
    """The command and its environment."""

    def run(*arguments, **env):
        command = entrypoint.main(list(arguments), env)
        return command, env

    return run


# --- secrets --------------------------------------------------------------------------------------


@pytest.fixture
def secret(entrypoint, tmp_path, monkeypatch):
    monkeypatch.setattr(entrypoint, "SECRETS", tmp_path)
    (tmp_path / "SECRET_KEY").write_text("of the vault")
    return {"FLASKOPS_SECRETS": "SECRET_KEY"}


@pytest.mark.parametrize(
    "command", [(), ("sh", "-c", "flask db upgrade")], ids=["server", "command"]
)
@pytest.mark.parametrize("engine", ["uwsgi", "gunicorn"])
def test_every_started_program_has_its_secrets_as_variables(started, app, secret, command, engine):
    app()
    _, env = started(*command, FLASKOPS_ENGINE=engine, SECRET_KEY="of the image", **secret)
    assert env["SECRET_KEY"] == "of the vault"
    assert "FLASKOPS_SECRETS" not in env


def test_a_secret_changed_by_prestart_keeps_the_new_value(started, app, secret):
    app(prestart__sh='SECRET_KEY="$SECRET_KEY, salted"\nexport SECRET_KEY\n')
    command, env = started(**secret)
    shown = subprocess.run(
        [*command[:3], command[3], "env"],
        env={**env, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    after = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    _, env = started(**after)
    assert env["SECRET_KEY"] == "of the vault, salted"


# --- the limit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "3200000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, 8),
        ({"cpu.max": ""}, 8),
    ],
    ids=["v2 none", "v2 1.5", "v2 more than there are", "v1 none", "v1 0.5", "no cgroup", "empty"],
)
def test_the_limit_is_the_cpu_quota_of_the_container_or_the_processors(
    entrypoint, tmp_path, monkeypatch, files, limit
):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    monkeypatch.setitem(sys.modules, "_find", find)
    monkeypatch.setitem(sys.modules, "_replaced", replaced)
    load("_uwsgi", monkeypatch)
    assert load("entrypoint", monkeypatch).cpu_limit(tmp_path) == limit


# --- uWSGI ----------------------------------------------------------------------------------------


def server(tmp_path, *more):
    home = ["--home", "/opt/runtime", "--py-executable", "/opt/runtime/bin/python3"]
    return ["/opt/runtime/bin/uwsgi", "--ini", f"{tmp_path}/etc/uwsgi.ini", *home, *more]


@pytest.mark.parametrize(
    ("limit", "processes"), [(0.5, "2"), (1, "2"), (2, "2"), (2.5, "3"), (4, "4"), (64, "16")]
)
def test_processes_follow_the_limit_and_are_at_least_two(
    entrypoint, started, app, monkeypatch, tmp_path, capsys, limit, processes
):
    app()
    monkeypatch.setattr(entrypoint, "cpu_limit", lambda: limit)
    command, _ = started(FLASKOPS_PROCESSES="auto")
    assert command == server(tmp_path, "--processes", processes)
    assert (
        capsys.readouterr().out
        == f"flaskops: uwsgi runs main:app: {processes} processes, from a limit of {limit:g}"
        " processors\n"
    )


@pytest.mark.parametrize(
    ("env", "ini", "more"),
    [
        (
            {"FLASKOPS_PROCESSES": "3", "UWSGI_PROCESSES": "9"},
            "processes = 7",
            ["--processes", "3"],
        ),
        (
            {"UWSGI_PROCESSES": "9", "UWSGI_CHEAPER": "2"},
            "processes = 7",
            ["--cheaper", "2", "--processes", "9"],
        ),
        ({"UWSGI_CHEAPER": "4"}, "", ["--cheaper", "4", "--processes", "5"]),
        ({}, "processes = 7", []),
        ({}, "workers = %(%k + 1)\ncheaper = %k", []),
    ],
    ids=["the key", "the environment", "cheaper alone", "uwsgi.ini", "sums"],
)
def test_the_number_comes_from_the_key_the_environment_or_the_applications_own_settings(
    started, app, tmp_path, env, ini, more
):
    app(uwsgi__ini=f"[uwsgi]\nmodule = main\ncallable = app\n{ini}\n")
    command, found = started(**env)
    copied = ["--ini", f"{tmp_path}/copy.ini"] if ini else []
    assert command == server(tmp_path, *copied, *more)
    assert not [name for name in found if name.startswith("UWSGI_")]


def test_cheaper_must_be_less_than_processes(entrypoint, started, app):
    app()
    with pytest.raises(
        entrypoint.Stop,
        match="cheaper must be less than the processes, 4 as UWSGI_PROCESSES says; got 4",
    ):
        started(UWSGI_PROCESSES="4", UWSGI_CHEAPER="4")


@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5"])
def test_an_invalid_number_is_refused(entrypoint, started, app, value):
    app()
    with pytest.raises(
        entrypoint.Stop,
        match=re.escape(f"UWSGI_PROCESSES must be a number above 0; got '{value}'."),
    ):
        started(UWSGI_PROCESSES=value)


def test_options_that_the_role_decides_are_left_out_of_a_custom_uwsgi_ini_with_a_note(
    started, app, tmp_path, capsys
):
    own = """
[other]
workers = 99
[uwsgi]
; of a preset
wsgi-file = main.py
callable = app
socket = ./uwsgi.sock
master = true
vacum = true
chmod-socket = 660
die-on-term = true
plugins = /usr/lib/uwsgi/python
uid = nginx
enable-threads = true
harakiri = 20
static-map = /a=%d/a
"""
    place = app(uwsgi__ini=own)
    command, env = started(
        UWSGI_INI=str(place / "uwsgi.ini"), UWSGI_SOCKET=":5000", UWSGI_POST_BUFFERING="1"
    )
    assert "--ini" in command[3:]
    assert (
        tmp_path / "copy.ini"
    ).read_text() == f"[uwsgi]\nenable-threads = true\nharakiri = 20\nstatic-map = /a={place}//a\n"
    output = capsys.readouterr().out
    for option in (
        "socket = ./uwsgi.sock",
        "vacum = true",
        "uid = nginx",
        "plugins = /usr/lib/uwsgi/python",
    ):
        assert f"uwsgi.ini: {option} is left out: " in output
    assert (
        "die-on-term = true is left out: the role decides it; the key for it is drain_seconds"
        in output
    )
    assert "UWSGI_SOCKET is left out: the role decides it" in output
    assert "master" not in output
    assert {name: value for name, value in env.items() if name.startswith("UWSGI")} == {
        "UWSGI_POST_BUFFERING": "1"
    }
    assert (env["FLASKOPS_MODULE"], env["FLASKOPS_CALLABLE"]) == (f"{place}/main.py", "app")


def test_placeholders_of_a_custom_uwsgi_ini_are_replaced(
    entrypoint, started, app, tmp_path, monkeypatch
):
    """Tutorials write such placeholders. uWSGI in strict mode exits with: unknown config directive
    project.
    """
    monkeypatch.setattr(
        entrypoint,
        "options_of",
        lambda _server: frozenset({"harakiri", "http-timeout", "log-date"}),
    )
    app(
        uwsgi__ini=(
            "[uwsgi]\nproject = main\nmodule = %(project):app\nharakiri = 20\nhttp-timeout ="
            " %(harakiri)\nlog-date = %%Y-%%d\n"
        )
    )
    _, env = started()
    assert (env["FLASKOPS_MODULE"], env["FLASKOPS_CALLABLE"]) == ("main", "app")
    assert (
        tmp_path / "copy.ini"
    ).read_text() == "[uwsgi]\nharakiri = 20\nhttp-timeout = 20\nlog-date = %%Y-%%d\n"


def test_a_placeholder_gets_the_first_value_of_its_name_in_any_position(
    entrypoint, started, app, tmp_path, monkeypatch
):
    monkeypatch.setattr(entrypoint, "options_of", lambda _server: frozenset({"pythonpath", "env"}))
    app(
        uwsgi__ini=(
            "[uwsgi]\npythonpath = %(base)/lib\nbase = %(root)/one\nbase = /srv/two\nroot ="
            " /srv\nenv = X=%(none)\n"
        )
    )
    started()
    assert (
        tmp_path / "copy.ini"
    ).read_text() == "[uwsgi]\npythonpath = /srv/one/lib\nenv = X=%(none)\n"


def test_the_options_of_uwsgi_are_read_from_its_help(entrypoint, tmp_path):
    server = tmp_path / "uwsgi"
    server.write_text(
        "#!/bin/sh\necho '    -s|--socket             bind to it'\necho '    --http-timeout        "
        " set it'\n"
    )
    server.chmod(0o755)
    assert entrypoint.options_of(str(server)) == {"socket", "http-timeout"}


def test_a_custom_directory_and_ini_are_used(started, app, tmp_path):
    """UWSGI_INI=/application/uwsgi.ini, as with the presets."""
    place = tmp_path / "application"
    place.mkdir()
    (place / "web.py").write_text("api = 1\n")
    (place / "uwsgi.ini").write_text("[uwsgi]\nmodule = web\ncallable = api\n")
    os.chdir(place)
    _, env = started(UWSGI_INI=f"{place}/uwsgi.ini")
    assert (env["FLASKOPS_MODULE"], env["FLASKOPS_CALLABLE"]) == ("web", "api")
    assert env["PYTHONPATH"] == f"{place}:{tmp_path}/app"


# --- Gunicorn -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "env", "workers"),
    [
        (1, {}, "2"),
        (4, {"FLASKOPS_PROCESSES": "auto"}, "4"),
        (4, {"FLASKOPS_PROCESSES": "3", "WEB_CONCURRENCY": "9"}, "3"),
        (4, {"WEB_CONCURRENCY": "9", "WORKERS_PER_CORE": "3"}, "9"),
        (4, {"WORKERS_PER_CORE": "3"}, "12"),
        (4, {"WORKERS_PER_CORE": "0.5"}, "2"),
        (1, {"WORKERS_PER_CORE": "0.5"}, "1"),
        (4, {"WORKERS_PER_CORE": "3", "MAX_WORKERS": "5"}, "5"),
    ],
)
def test_the_number_of_gunicorn_workers(entrypoint, started, app, monkeypatch, limit, env, workers):
    app()
    monkeypatch.setattr(entrypoint, "cpu_limit", lambda: limit)
    command, found = started(FLASKOPS_ENGINE="gunicorn", **env)
    assert found["WEB_CONCURRENCY"] == workers
    explicit = ["--workers", workers] if env.get("FLASKOPS_PROCESSES", "auto") != "auto" else []
    settings = ["--config", str(RUNTIME / "flaskops_gunicorn.py")]
    assert command == [
        "/opt/runtime/bin/python3",
        "-m",
        "gunicorn",
        *settings,
        *explicit,
        "flaskops_wsgi:application",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"gunicorn_conf__py": "", "app_in_gunicorn_conf__py": ""}, "gunicorn_conf.py"),
        ({"app_in_gunicorn_conf__py": ""}, "app/gunicorn_conf.py"),
        ({}, None),
    ],
)
def test_a_gunicorn_configuration_is_searched_where_the_preset_searches(
    started, app, files, expected
):
    place = app(**files)
    _, env = started(FLASKOPS_ENGINE="gunicorn")
    assert env.get("FLASKOPS_GUNICORN_CONF") == (f"{place}/{expected}" if expected else None)


def test_gunicorn_arguments_in_the_environment_do_not_replace_the_socket(started, app, capsys):
    app()
    words = "--bind=0.0.0.0:8000 --threads=9"
    command, env = started(
        FLASKOPS_ENGINE="gunicorn",
        FLASKOPS_SOCKET="/run/flaskops/1/app.sock",
        GUNICORN_CMD_ARGS=words,
    )
    assert command[-3:] == ["--bind", "unix:/run/flaskops/1/app.sock", "flaskops_wsgi:application"]
    assert env["GUNICORN_CMD_ARGS"] == words
    assert "GUNICORN_CMD_ARGS is used, except an address in it" in capsys.readouterr().out


def test_the_path_of_a_gunicorn_configuration_may_be_set(entrypoint, started, app):
    place = app(custom__py="")
    _, env = started(FLASKOPS_ENGINE="gunicorn", GUNICORN_CONF=f"{place}/custom.py")
    assert env["FLASKOPS_GUNICORN_CONF"] == f"{place}/custom.py"
    with pytest.raises(
        entrypoint.Stop,
        match=r"GUNICORN_CONF must be a file; got '/none\.py', and there is no such file",
    ):
        started(FLASKOPS_ENGINE="gunicorn", GUNICORN_CONF="/none.py")


@pytest.fixture
def merged(monkeypatch):
    return load("flaskops_gunicorn", monkeypatch).settings


def test_custom_gunicorn_settings_count_unless_the_role_decides_them(merged):
    release = {
        "bind": "unix:/run/x",
        "threads": 4,
        "worker_class": "gthread",
        "graceful_timeout": 30,
        "timeout": 60,
    }
    own = {
        "bind": "0.0.0.0:80",
        "threads": 8,
        "worker_class": "egg:meinheld#gunicorn_worker",
        "graceful_timeout": 120,
        "keepalive": 5,
    }
    settings, notes = merged(release, own)
    assert settings == {**release, "threads": 8, "keepalive": 5}
    assert notes == [
        "bind is set by the role",
        "graceful_timeout is set by the role: write drain_seconds instead",
        (
            "worker_class egg:meinheld#gunicorn_worker is replaced by gthread: Meinheld does not"
            " run on a maintained Python"
        ),
    ]


# --- the application ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "files", "expected"),
    [
        ({}, {}, "main:app"),
        (
            {"FLASKOPS_MODULE": "web", "FLASKOPS_CALLABLE": "api", "MODULE_NAME": "main"},
            {"web__py": "api = 1"},
            "web:api",
        ),
        (
            {"MODULE_NAME": "custom.web"},
            {"custom_in_web__py": "app = 1", "custom_in___init____py": ""},
            "custom.web:app",
        ),
        ({"MODULE_NAME": "main", "VARIABLE_NAME": "api"}, {"main__py": "api = 1"}, "main:api"),
        ({"VARIABLE_NAME": "api"}, {"main__py": "app = api = 1"}, "main:api"),
        ({"APP_MODULE": "web:api", "MODULE_NAME": "main"}, {"web__py": "api = 1"}, "web:api"),
        (
            {"APP_MODULE": "web:create_app()"},
            {"web__py": "def create_app(): pass"},
            "web:create_app()",
        ),
        ({}, {"uwsgi__ini": "[uwsgi]\nmodule = web:api\n", "web__py": "api = 1"}, "web:api"),
        ({}, {"uwsgi__ini": "[uwsgi]\nmount = /x=web:api\n", "web__py": "api = 1"}, "web:api"),
        (
            {"MODULE_NAME": "main"},
            {"uwsgi__ini": "[uwsgi]\nmodule = web\n", "web__py": "app = 1"},
            "main:app",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("engine", ["uwsgi", "gunicorn"])
def test_the_application_may_be_named_in_several_ways(started, app, engine, env, files, expected):
    app(**files)
    _, found = started(FLASKOPS_ENGINE=engine, **env)
    assert f"{found['FLASKOPS_MODULE']}:{found['FLASKOPS_CALLABLE']}" == expected


def test_without_an_application_the_container_exits_and_reports_where_it_searched(
    entrypoint, started, app
):
    app(main__py="x = 1\n")
    with pytest.raises(
        entrypoint.Stop,
        match=(
            r"no Flask application was found in .*/app: looked for app, .* in main\.py; write"
            r" module"
        ),
    ):
        started()


def test_a_missing_file_named_in_uwsgi_ini_is_reported(entrypoint, started, app):
    app(uwsgi__ini="[uwsgi]\nwsgi-file = none.py\n")
    with pytest.raises(
        entrypoint.Stop, match=r"uwsgi.ini names the file none.py; .*/none.py does not exist"
    ):
        started()


def test_without_settings_the_container_reports_what_is_missing(entrypoint, started, app, tmp_path):
    app()
    (tmp_path / "etc/uwsgi.ini").unlink()
    with pytest.raises(
        entrypoint.Stop, match=r"uwsgi\.ini is missing\. The role flask_apps mounts it"
    ):
        started()


def test_settings_that_no_longer_have_an_effect_are_reported(started, app, capsys):
    app()
    started(BIND="0.0.0.0:80", STATIC_INDEX="1", FLASKOPS_MOUNT="/shop")
    output = capsys.readouterr().out.splitlines()
    assert output[:2] == [
        (
            "flaskops: BIND has no effect: the server listens on a unix socket; site, path and"
            " nginx_http_port say where users reach it"
        ),
        "flaskops: STATIC_INDEX has no effect: the deploy has read it as static[].index",
    ]
    assert (
        output[2]
        == "flaskops: uwsgi runs main:app, mounted at /shop: 2 processes, from a limit of 1"
        " processors"
    )


def test_a_custom_command_runs_instead_of_the_server(started, app, tmp_path):
    app(prestart__sh="exit 1\n")
    command, env = started("flask", "db", "upgrade", PYTHONPATH="/lib")
    assert command == ["flask", "db", "upgrade"]
    assert env == {"PYTHONPATH": f"{tmp_path}/app:/lib", "FLASK_APP": "main:app"}
    assert started("flask", FLASK_APP="mine")[1]["FLASK_APP"] == "mine"


def test_a_command_needs_no_application(started, app):
    app(main__py="x = 1\n")
    assert "FLASK_APP" not in started("sh")[1]


# --- prestart.sh ----------------------------------------------------------------------------------


@pytest.fixture
def prestarted(entrypoint, app, monkeypatch):
    """The output and the environment of the shell, with env instead of the server."""

    def run(script):
        app(prestart__sh=script)
        command = entrypoint.prestart({})
        words = [*command[: command.index(sys.executable)], "env"]
        return subprocess.run(
            words, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
        )

    return run


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_variables_set_by_prestart_persist(prestarted, shell):
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    body = "export COLOURS=${X:-red}\n" + (
        "a=(1 2); export SECOND=${a[1]}\n" if shell == "bash" else ""
    )
    run = prestarted(f"#! /usr/bin/env {shell}\necho before\n{body}")
    assert run.returncode == 0, run.stderr
    assert {"before", "COLOURS=red", "FLASKOPS_PRESTART=done"} <= set(run.stdout.splitlines())
    assert ("SECOND=2" in run.stdout) == (shell == "bash")


def test_a_uwsgi_ini_with_windows_line_ends_is_read(started, app, tmp_path):
    app(uwsgi__ini="\ufeff[uwsgi]\r\nmodule = main\r\nbuffer-size = 8192\r\n")
    started()
    assert (tmp_path / "copy.ini").read_bytes() == b"[uwsgi]\nbuffer-size = 8192\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_prestart_with_windows_line_ends_is_sourced_correctly(prestarted, shell, start):
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    body = "if true; then\n  export MODE=live\nfi\nexport TEXT=$(cat <<END\none\ntwo\nEND\n)\n" + (
        "a=(1 2)\n" if shell == "bash" else ""
    )
    run = prestarted((start + f"#! /usr/bin/env {shell}\n{body}").replace("\n", "\r\n"))
    assert (run.returncode, run.stderr) == (0, "")
    assert "MODE=live\n" in run.stdout
    assert "TEXT=one\ntwo\n" in run.stdout
    assert "\r" not in run.stdout


def test_a_failing_prestart_with_windows_line_ends_is_named(prestarted):
    run = prestarted("exit 3\r\n")
    assert run.returncode == 3
    assert "/app/prestart.sh ended the container with code 3" in run.stderr


@pytest.mark.parametrize(
    ("script", "code", "output"), [("false\n", 1, 1), ("exit 7\n", 7, 7), ("exit 0\n", 1, 0)]
)
def test_a_prestart_that_fails_ends_the_container(prestarted, app, script, code, output):
    run = prestarted(script)
    assert run.returncode == code
    assert (
        f"prestart.sh ended the container with code {output}; it is sourced, and must not exit."
        in run.stderr
    )


def test_prestart_returns_to_the_entrypoint_once(entrypoint, started, app):
    app(prestart__sh="true\n")
    command, _ = started()
    assert command[-3:] == [sys.executable, "-I", str(RUNTIME / "entrypoint.py")]
    command, env = started(FLASKOPS_PRESTART="done")
    assert command[0] == "/opt/runtime/bin/uwsgi"
    assert "FLASKOPS_PRESTART" not in env


# --- layouts --------------------------------------------------------------------------------------


def test_code_in_src_is_on_the_path(started, tmp_path):
    (tmp_path / "app/src/shop").mkdir(parents=True)
    (tmp_path / "app/src/shop/__init__.py").write_text(
        "from flask import Flask\ndef create_app():\n    return Flask('x')\n"
    )
    for env in (
        {},
        {"FLASKOPS_MODULE": "shop", "FLASKOPS_CALLABLE": "create_app()", "FLASKOPS_PATH": "src"},
    ):
        _, found = started(**env)
        assert (found["FLASKOPS_MODULE"], found["FLASKOPS_CALLABLE"]) == ("shop", "create_app()")
        assert set(found["PYTHONPATH"].split(":")) == {f"{tmp_path}/app", f"{tmp_path}/app/src"}
        assert Path.cwd() == tmp_path / "app"


@pytest.mark.parametrize(
    "env",
    [{}, {"FLASKOPS_MODULE": "main", "FLASKOPS_CALLABLE": "app", "FLASKOPS_DIRECTORY": "app"}],
)
@pytest.mark.parametrize("arguments", [(), ("flask", "init-db")])
def test_code_in_app_starts_in_that_directory(started, tmp_path, env, arguments):
    (tmp_path / "app/app").mkdir(parents=True)
    (tmp_path / "app/app/main.py").write_text("import models\napp = 1\n")
    (tmp_path / "app/app/models.py").write_text("")
    _, found = started(*arguments, **env)
    assert found["FLASK_APP" if arguments else "FLASKOPS_MODULE"] == (
        "main:app" if arguments else "main"
    )
    assert found["PYTHONPATH"].split(":")[0] == f"{tmp_path}/app/app"
    assert Path.cwd() == tmp_path / "app/app"


def test_code_in_app_starts_in_that_directory_after_its_prestart(started, tmp_path):
    (tmp_path / "app/app").mkdir(parents=True)
    (tmp_path / "app/app/main.py").write_text("app = 1\n")
    (tmp_path / "app/prestart.sh").write_text("")
    env = {"FLASKOPS_MODULE": "main", "FLASKOPS_CALLABLE": "app", "FLASKOPS_DIRECTORY": "app"}
    _, env = started(**env)
    assert Path.cwd() == tmp_path / "app/app" and "FLASKOPS_PRESTART" not in env
    started(**env, FLASKOPS_PRESTART="done")
    assert Path.cwd() == tmp_path / "app/app"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"gunicorn__conf__py": "workers = 3\n"}, "gunicorn.conf.py"),
        ({"gunicorn__conf__py": "", "gunicorn_conf__py": ""}, "gunicorn_conf.py"),
        (
            {
                "gunicorn__conf__py": "",
                "Procfile": "web: gunicorn -c etc/g.py main:app\n",
                "etc_in_g__py": "",
            },
            "etc/g.py",
        ),
        (
            {"gunicorn__conf__py": "", "Procfile": "web: gunicorn --config=python:x main:app\n"},
            "gunicorn.conf.py",
        ),
        (
            {"gunicorn__conf__py": "", "Procfile": "web: gunicorn -c ../g.py main:app\n"},
            "gunicorn.conf.py",
        ),
    ],
)
def test_the_configuration_of_gunicorn_has_its_default_name(started, app, tmp_path, files, wanted):
    app(**files)
    _, found = started(FLASKOPS_ENGINE="gunicorn")
    assert found["FLASKOPS_GUNICORN_CONF"] == f"{tmp_path}/app/{wanted}"


def test_the_configuration_may_set_the_number_of_workers(started, app, capsys):
    app(gunicorn__conf__py="workers = 3\n")
    started(FLASKOPS_ENGINE="gunicorn")
    assert "gunicorn.conf.py says" in capsys.readouterr().out
