# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets as variables and files, the env file, and configuration files: from the entry to the
process.
"""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.flaskops.host.plugins.action import release_prepare as action
from ansible_collections.flaskops.host.plugins.module_utils.apps import dotenv
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import find
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    advice,
    describe,
    replaced,
    secrets,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases import begin as _begin
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Owner
from ansible_collections.flaskops.host.plugins.module_utils.releases.plan import Planned
from ansible_collections.flaskops.host.plugins.module_utils.releases.processes import (
    process_containers,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Login, Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Wanted, Work
from ansible_collections.flaskops.host.plugins.modules import release_prepare
from entries import normalize_apps, typed

FILES = Path(__file__).resolve().parents[2] / "roles/flask_apps/files"
ID = "0123456789ab"


@pytest.fixture
def check(tmp_path):
    """Normalise one entry; its source has an application."""
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")

    def run(**keys):
        entry = {"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}
        (app,), problems = normalize_apps([entry], source_root=str(tmp_path))
        return app, problems

    return run


@pytest.fixture
def app(check):
    def make(**keys):
        found, problems = check(**keys)
        assert problems == []
        return found

    return make


def secret_names(app):
    return typed(describe.environment)(app).get("FLASKOPS_SECRETS", "").split()


# --- secrets as variables -------------------------------------------------------------------------


def test_the_container_gets_names_of_secrets_and_their_values_are_never_shown(app):
    entry = app(secrets={"SECRET_KEY": "hunter2", "DATABASE_URL": "hunter3"})
    assert secret_names(entry) == ["DATABASE_URL", "SECRET_KEY"]
    shown = json.dumps(
        [typed(describe.environment)(entry), typed(describe.container)(entry, ID, "x", "/r")]
    )
    assert "hunter" not in shown


def test_an_application_without_secrets_gets_no_names(app):
    assert "FLASKOPS_SECRETS" not in typed(describe.environment)(app())


STEERING = """
PATH HOME SHELL TMPDIR ENV IFS PS4 BASH_ENV SHELLOPTS LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT
MALLOC_ARENA_MAX PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONDONTWRITEBYTECODE PYTHON_GIL UWSGI_INI
UWSGI_PROCESSES GUNICORN_CMD_ARGS GUNICORN_CONF FLASKOPS_SOCKET FLASKOPS_SECRETS GCONV_PATH
GLIBC_TUNABLES LOCPATH OPENSSL_CONF NODE_OPTIONS PERL5OPT RUBYOPT VIRTUAL_ENV JAVA_TOOL_OPTIONS
"""
# These only resemble them.
FREE = """
PATH_TO_KEY HOME_ASSISTANT_TOKEN HOMEPAGE API_PATH TMPDIR_KEY ENVIRONMENT ENV_SECRET SHELL_TOKEN
LDAP_PASSWORD LD MY_LD_KEY SECRET_PYTHON MYPYTHONPATH UWSGI GUNICORN FLASK_SECRET_KEY FLASKOPS path
Home DOMAIN_KEY HTTPS_PROXY _KEY K NODE_TOKEN TZ
"""


@pytest.mark.parametrize("name", STEERING.split())
def test_a_name_that_steers_a_process_stays_a_file(app, name):
    assert secrets.steers(name)
    entry = app(secrets={name: "x", "KEY": "x"})
    assert secret_names(entry) == ["KEY"]
    assert typed(describe.environment)(entry)[f"{name}_FILE"] == f"/run/secrets/{name}"
    assert (
        f"{name}: stays a file below /run/secrets, because its name controls processes;"
        " env sets such a"
        " name." in entry["notes"]
    )


@pytest.mark.parametrize("name", FREE.split())
def test_a_name_that_only_resembles_one_is_a_variable(app, name):
    assert not secrets.steers(name)
    assert secret_names(app(secrets={name: "x"})) == [name]


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ("", False),
        ("x" * 100_000, False),
        ("x" * 100_001, True),
        ("ß" * 50_001, True),
        ("a\0b", True),
        ("two\nlines\n", False),
        ("ß€", False),
    ],
    ids=["empty", "100 kB", "more", "more bytes than letters", "NUL", "lines", "UTF-8"],
)
def test_a_value_that_a_variable_cannot_hold_stays_a_file(app, value, stays):
    entry = app(secrets={"KEY": value})
    assert (secret_names(entry) == []) is stays
    assert (
        "KEY: stays a file below /run/secrets, because a variable has at most 100 kB and no"
        " NUL." in entry["notes"]
    ) is stays


def test_env_takes_precedence_over_a_secret_of_the_same_name(app):
    entry = app(secrets={"KEY": "of the vault", "OTHER": "x"}, env={"KEY": "of env"})
    assert secret_names(entry) == ["OTHER"]
    assert typed(describe.environment)(entry)["KEY"] == "of env"
    assert (
        "KEY: the variable is what env says, the secret of the same name is a file."
        in entry["notes"]
    )


@pytest.mark.parametrize("name", ["DOMAIN", "ENV", "KEY_FILE"])
def test_variables_of_the_role_are_not_replaced(app, name):
    entry = app(secrets={"KEY": "x", name: "hunter2"})
    assert secret_names(entry) == ["KEY"]
    assert typed(describe.environment)(entry)[name] != "hunter2"


def test_secrets_as_file_keeps_secrets_as_files_only(app):
    entry = app(secrets={"KEY": "x", "PATH": "x"}, secrets_as="file")
    assert "FLASKOPS_SECRETS" not in typed(describe.environment)(entry)
    assert typed(describe.environment)(entry)["KEY_FILE"] == "/run/secrets/KEY"
    assert not [note for note in entry["notes"] if "stays" in note]


def test_secrets_that_exceed_the_environment_are_refused(check):
    many = {f"KEY{number}": "x" * 99_000 for number in range(11)}
    words = (
        "secrets and env_file have together more than 1 MB, too much for an environment; write"
        " secrets_as: file."
    )
    assert check(secrets=many)[1] == [f"flask_apps: shop: {words}"]
    assert check(secrets=many, secrets_as="file")[1] == []


# --- in the container -----------------------------------------------------------------------------


def load(name, directory, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, directory / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["entrypoint", "relay"])
def first(request, monkeypatch, tmp_path):
    """The first process of a container: of the runtime image, and of other images."""
    monkeypatch.setitem(sys.modules, "_find", find)
    monkeypatch.setitem(sys.modules, "_replaced", replaced)
    load("_uwsgi", FILES / "runtime", monkeypatch)
    monkeypatch.setattr(sys, "path", [*sys.path])
    module = load(
        request.param, FILES / "runtime" if request.param == "entrypoint" else FILES, monkeypatch
    )
    place = tmp_path / "secrets"
    place.mkdir()
    monkeypatch.setattr(module, "SECRETS", place)
    return module, place


def test_the_first_process_reads_the_named_secrets(first):
    module, place = first
    values = {"KEY": b"of the vault", "LINES": b"two\nlines\n", "EMPTY": b"", "ODD": b"\xff\xfe"}
    for name, value in values.items():
        (place / name).write_bytes(value)
    (place / "OTHER").write_bytes(b"not named")
    env = {"FLASKOPS_SECRETS": " ".join(values), "KEY": "of the image", "PATH": "/bin"}
    module.give_secrets(env)
    assert env == {
        "PATH": "/bin",
        "KEY": "of the vault",
        "LINES": "two\nlines\n",
        "EMPTY": "",
        "ODD": "\udcff\udcfe",
    }


def test_after_a_rollback_a_value_that_does_not_fit_stays_a_file(first, capsys):
    module, place = first
    (place / "A").write_bytes(b"a\0b")
    (place / "B").write_bytes(b"x" * 100_001)
    (place / "C").write_bytes(b"x" * 100_000)
    env = {"FLASKOPS_SECRETS": "A B C D"}
    module.give_secrets(env)
    assert set(env) == {"C"}
    stays = "flaskops: the secret {} stays a file: a variable has at most 100 kB and no NUL"
    assert capsys.readouterr().out.splitlines() == [
        stays.format("A"),
        stays.format("B"),
        "flaskops: the secret D cannot be read: No such file or directory",
    ]


def test_both_programs_have_the_limit_of_the_controller(first):
    assert first[0].VARIABLE_BYTES == secrets.VARIABLE_BYTES
    assert str(describe.SECRETS) == "/run/secrets"


PRINT = "import os; print(os.environ.get('KEY'), os.environ.get('FLASKOPS_SECRETS'))"


def relay(tmp_path, *arguments, **env):
    """The relay as a process, with its secrets in a directory of the test."""
    (tmp_path / "KEY").write_text("of the vault")
    file = tmp_path / "relay.py"
    file.write_text((FILES / "relay.py").read_text().replace('"/run/secrets"', repr(str(tmp_path))))
    env = {
        "PATH": "/usr/bin:/bin",
        "FLASKOPS_SECRETS": "KEY",
        "FLASKOPS_SOCKET": str(tmp_path / "app.sock"),
        **env,
    }
    return subprocess.run(
        [sys.executable, file, *arguments], env=env, capture_output=True, text=True, timeout=120
    )


def test_the_server_of_another_image_has_the_variables(tmp_path):
    assert "of the vault None" in relay(tmp_path, sys.executable, "-c", PRINT).stdout
    assert (
        "of the vault None"
        in relay(tmp_path, FLASKOPS_COMMAND=f'{sys.executable} -c "{PRINT}"').stdout
    )


def test_the_release_command_of_another_image_runs_with_secrets_without_its_server(tmp_path):
    done = relay(
        tmp_path,
        "--run",
        "sh",
        "-c",
        f'{sys.executable} -c "{PRINT}"; exit 7',
        FLASKOPS_COMMAND="echo the server",
    )
    assert (done.stdout, done.returncode) == ("of the vault None\n", 7)


def test_processes_of_another_image_use_the_relay_if_there_are_secrets():
    options = {
        "name": f"shop-{ID}",
        "entrypoint": ["python3", "/etc/flaskops/relay.py"],
        "volumes": [],
    }
    options["labels"] = {"host.flaskops.release": ID}
    process = {"name": "worker", "command": "celery worker", "stop_seconds": 9}
    (found,) = typed(process_containers)(
        {"engine": "command", "processes": [process]}, options, True
    )
    assert (found["entrypoint"], found["command"]) == (
        options["entrypoint"],
        ["--run", "sh", "-c", "exec celery worker"],
    )
    (found,) = typed(process_containers)(
        {"engine": "uwsgi", "processes": [process]}, {**options, "entrypoint": ["/x"]}, True
    )
    assert found["command"] == ["exec celery worker"]


# --- env_file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("\n# a comment\n  # another\n\n", {}),
        ("A=1\nB = two words \nC=\n", {"A": "1", "B": "two words", "C": ""}),
        ("export A=1\n  export  B=2", {"A": "1", "B": "2"}),
        ("A=x # comment\nB=x#y\nC= # comment\nD=#y\n", {"A": "x", "B": "x#y", "C": "", "D": "#y"}),
        ("A='x # $y ${z} \\n'\n", {"A": "x # $y ${z} \\n"}),
        ('A="x\\ty\\n\\"z\\" \\\\ \\$q \\w"  # comment\n', {"A": 'x\ty\n"z" \\ $q \\w'}),
        ("A='one\ntwo'\nB=2\n", {"A": "one\ntwo", "B": "2"}),
        ('A="-----BEGIN\nx\n-----END"\nB=2\n', {"A": "-----BEGIN\nx\n-----END", "B": "2"}),
        ("A=pa$word=1;x\"y'z\n", {"A": "pa$word=1;x\"y'z"}),
        ('A="\\${x}"\n', {"A": "${x}"}),
        ("A=ß€\n", {"A": "ß€"}),
    ],
)
def test_lines_are_read_as_other_tools_read_them(text, values):
    assert dotenv.parse(text) == (values, [])


EXPANDS = (
    "line 1: the value of A has ${…}, $(…) or `…`, which is not expanded; put it in single quotes"
    " to keep it"
)
NAMES = "must be NAME=VALUE, with a name of letters, digits and _"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("A=1\nhunter2\n", [f"line 2: {NAMES}"]),
        (
            "A: hunter2\n1A=hunter2\nA-B=hunter2\n=x\n",
            [f"line {number}: {NAMES}" for number in (1, 2, 3, 4)],
        ),
        ("A=1\nB=2\nA=hunter2\n", ["line 3: A is also set in line 1; keep one"]),
        ("A=${hunter2}\n", [EXPANDS]),
        ('A="x\n$(hunter2)"\nB=\n', [EXPANDS]),
        ("A=`hunter2`\n", [EXPANDS]),
        ("A='hunter2\nB=1\n", ["line 1: the quote that the value of A begins with is not closed"]),
        ('A="hunter2\nB=1\n', ["line 1: the quote that the value of A begins with is not closed"]),
        (
            "A='it\\'s hunter2'\n",
            ["line 1: the value of A has text after its closing quote; put all of it in quotes"],
        ),
        (
            f"A={'x' * 100_001}\nB=1",
            ["line 1: the value of A has more than 100 kB; write it into secrets"],
        ),
    ],
)
def test_ambiguous_lines_are_refused_by_number_without_their_value(text, problems):
    found = dotenv.parse(text)[1]
    assert found == problems
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "env_file is not a file: {}."),
        (b"A=1\0", "env_file must be text in UTF-8: {}."),
        (b"\x7fELF\xff\xfe", "env_file must be text in UTF-8: {}."),
        (b"#" * (2**20 + 1), "env_file is too large: {}; it must be at most 1 MB."),
        (
            b"$ANSIBLE_VAULT;1.1;AES256\n616263\n",
            (
                "env_file is encrypted by Ansible Vault: {}; write its values into secrets, in an"
                " encrypted file of variables."
            ),
        ),
        (
            b"".join(b"A%d=1\n" % number for number in range(1001)),
            "env_file must have at most 1000 variables: {}; got 1001.",
        ),
        (
            b"hunter2\n" * 7,
            "env_file cannot be read: {}: "
            + "; ".join(f"line {number}: {NAMES}" for number in range(1, 6))
            + ". There are 2 more such lines.",
        ),
    ],
    ids=["none", "nul", "binary", "large", "vault", "many", "no lines"],
)
def test_an_invalid_env_file_is_named(check, tmp_path, content, words):
    if content is not None:
        (tmp_path / "shop.env").write_bytes(content)
    problem = (
        f"flask_apps: shop: {words.format(tmp_path / 'shop.env')} It starts from"
        " flask_apps_source_root."
    )
    assert check(env_file="shop.env")[1] == [problem]


def test_a_hostile_env_file_is_read_quickly(check, tmp_path):
    for content in (
        "\n" * (2**20 - 1),
        "A='\n" * 200_000,
        'A="' + "\\" * 1_000_000,
        "x\n" * 500_000,
        "A=`" * 300_000,
    ):
        (tmp_path / "shop.env").write_text(content)
        started = time.process_time()
        check(env_file="shop.env")
        assert time.process_time() - started < 10


def test_variables_of_the_env_file_are_secrets_and_settings_are_env(app, tmp_path):
    text = (
        "SECRET_KEY=hunter2\r\nDATABASE_URL='x://y'\r\nFLASK_APP=web\r\n"
        "PYTHONPATH=/app/lib\r\nCOLOUR=red\r\nTOKEN=file\r\n"
    )
    (tmp_path / "shop.env").write_bytes(b"\xef\xbb\xbf" + text.encode())
    entry = app(env_file="shop.env", env={"COLOUR": "blue"}, secrets={"TOKEN": "vault"})
    environment = typed(describe.environment)(entry)
    assert secret_names(entry) == ["DATABASE_URL", "SECRET_KEY", "TOKEN"]
    assert (environment["FLASK_APP"], environment["PYTHONPATH"], environment["COLOUR"]) == (
        "web",
        "/app/lib",
        "blue",
    )
    assert not {"SECRET_KEY", "SECRET_KEY_FILE", "DATABASE_URL_FILE"} & set(environment)
    assert typed(secrets.laid)(entry) == {
        "SECRET_KEY": "hunter2",
        "DATABASE_URL": "x://y",
        "TOKEN": "vault",
    }


def test_an_env_file_that_would_be_in_the_image_is_reported(app, tmp_path):
    (tmp_path / ".env").write_text("COLOUR=red\n")
    note = "env_file is in the source, so that the image has it: list .env in .dockerignore."
    assert note in app(env_file=".env")["notes"]
    (tmp_path / ".dockerignore").write_text(".env\n")
    assert note not in app(env_file=".env")["notes"]


@pytest.mark.parametrize("env_file", [".env", ""])
def test_an_env_file_in_an_unreadable_source_adds_no_second_error(app, tmp_path, env_file):
    (tmp_path / ".env").write_text("COLOUR=red\n")
    (tmp_path / "outside").symlink_to("/dev/shm")
    with pytest.raises(AssertionError, match="'outside' is a link that leads out of the source"):
        app(env_file=env_file)


def test_with_secrets_as_file_the_env_file_still_sets_variables(app, tmp_path):
    (tmp_path / "shop.env").write_text("COLOUR=red\n")
    assert secret_names(app(env_file="shop.env", secrets={"KEY": "x"}, secrets_as="file")) == [
        "COLOUR"
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("DOMAIN=example.org", "env_file sets DOMAIN, which is set from path; take it out of {}."),
        ("FLASKOPS_X=1", "env_file sets FLASKOPS_X, which is ours; take it out of {}."),
        (
            'PATH="a\nb"',
            ("env_file: PATH must be one line (longer values go into secrets); correct it in {}."),
        ),
        (
            f"PATH={'x' * 60_001}",
            (
                "env_file: PATH must have at most 60000 bytes (longer values go into secrets);"
                " correct it in {}."
            ),
        ),
    ],
)
def test_the_env_file_may_not_set_what_env_may_not_set(check, tmp_path, line, words):
    (tmp_path / "shop.env").write_text(line)
    assert check(env_file="shop.env")[1] == [
        f"flask_apps: shop: {words.format(tmp_path / 'shop.env')}"
    ]


# --- config_files ---------------------------------------------------------------------------------

CONFIG = "/app/instance/config.py"


def test_a_configuration_file_is_stored_with_the_secrets_and_mounted_read_only(app):
    entry = app(config_files=[{"path": CONFIG, "content": "KEY = 'hunter2'\n"}])
    file = secrets.config_name(CONFIG)
    assert typed(secrets.laid)(entry) == {file: "KEY = 'hunter2'\n"}
    options = typed(describe.container)(entry, ID, "x", "/r")
    place = f"/r/apps/shop/releases/{ID}/secrets"
    assert options["volumes"][-2:] == [f"{place}:/run/secrets:ro", f"{place}/{file}:{CONFIG}:ro"]
    assert "hunter2" not in json.dumps([options, typed(describe.environment)(entry)])
    assert "FLASKOPS_SECRETS" not in typed(describe.environment)(entry)


TAKEN = "where the role or the kernel has its own files; choose another."


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/run/secrets/x", f"config_files has the path '/run/secrets/x', {TAKEN}"),
        ("/etc/passwd", f"config_files has the path '/etc/passwd', {TAKEN}"),
        ("/proc/self/x", f"config_files has the path '/proc/self/x', {TAKEN}"),
        (
            "/etc/flaskops/uwsgi.ini",
            f"config_files has the path '/etc/flaskops/uwsgi.ini', {TAKEN}",
        ),
        (
            "/data",
            (
                "config_files has the path '/data', where volumes or writable have a directory;"
                " choose a file."
            ),
        ),
        (
            "/app/cache",
            (
                "config_files has the path '/app/cache', where volumes or writable have a"
                " directory; choose a file."
            ),
        ),
        (
            "/media/x.cfg",
            "config_files has the path '/media/x.cfg' inside of the volume"
            " '/srv/media:/media:ro', which is read-only; "
            "choose another.",
        ),
        ("/app/../x", "config_files[0]: path must have no '..' in it; got '/app/../x'."),
        (
            "instance/config.py",
            "config_files[0]: path must be an absolute path in the container, such as "
            "/app/instance/config.py; got 'instance/config.py'.",
        ),
    ],
)
def test_an_invalid_path_is_refused(check, path, words):
    keys = {"volumes": ["shop-data:/data", "/srv/media:/media:ro"], "writable": ["/app/cache"]}
    assert check(config_files=[{"path": path, "content": "x"}], **keys)[1] == [
        f"flask_apps: shop: {words}"
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/data/app.cfg",
        "/app/cache/x",
        "/etc/passwd.d",
        "/app/config.py",
        "/etc/shop.ini",
        "/proclaim/x",
    ],
)
def test_any_other_path_is_accepted(app, path):
    app(
        config_files=[{"path": path, "content": "x"}],
        volumes=["shop-data:/data"],
        writable=["/app/cache"],
    )


def test_a_path_is_unique_and_its_content_is_text_that_no_message_shows(check):
    twice = [{"path": CONFIG, "content": "x"}, {"path": CONFIG, "content": "y"}]
    assert check(config_files=twice)[1] == [
        f"flask_apps: shop: config_files has the path {CONFIG!r} twice; keep one."
    ]
    for content in ({"KEY": "hunter2"}, ["hunter2"], "hunter2" * 200_000):
        (problem,) = check(config_files=[{"path": CONFIG, "content": content}])[1]
        assert problem.startswith("flask_apps: shop: config_files[0]: content must be ")
        assert "hunter2" not in problem


# --- an upgrade -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "variables", "live", "reported"),
    [
        ({"secrets": ["KEY", "OLD"]}, ["KEY", "NEW"], "111111111111", True),
        ({"secrets": ["KEY"], "variables": []}, ["KEY"], "111111111111", False),
        ({"secrets": ["KEY"], "variables": ["KEY"]}, ["KEY"], "111111111111", False),
        ({"secrets": []}, ["KEY"], "111111111111", False),
        ({"secrets": ["KEY"]}, [], "111111111111", False),
        ({"secrets": ["KEY"]}, ["KEY"], ID, False),
        ({}, ["KEY"], None, False),
    ],
    ids=[
        "older",
        "files until now",
        "reported before",
        "no secrets",
        "secrets_as: file",
        "the same release",
        "first deploy",
    ],
)
@pytest.mark.parametrize("action", ["deploy", "rollback"])
def test_an_upgrade_reports_the_change_once(monkeypatch, action, before, variables, live, reported):
    monkeypatch.setattr(_begin, "read_release", lambda _root, _name, _id: before)
    wanted = Wanted("shop", ID, "default", variables=tuple(variables))
    begin = _begin.Begin("/r", "/n", [wanted], Owner("t"), action=action)
    begin._warn_of_variables(Planned((Work("shop", ID, live=live),)))
    words = (
        "shop: its secrets are variables of its processes from this release on, and files as"
        " before: KEY. Child processes and crash reporters see them; secrets_as: file keeps them"
        " files alone."
    )
    assert begin.attempts.warnings == ([words] if reported and action == "deploy" else [])


# --- a missing variable ---------------------------------------------------------------------------

MISSING = """
  File "/app/app.py", line 5, in <module>
    key = os.environ["{0}"]
  File "<frozen os>", line 717, in __getitem__
KeyError: '{0}'
"""


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (MISSING.format("DATABASE_URL"), "DATABASE_URL"),
        (
            (
                "decouple.UndefinedValueError: TOKEN not found. Declare it as envvar or define a"
                " default value."
            ),
            "TOKEN",
        ),
        ('environs.exceptions.EnvError: Environment variable "TOKEN" not set', "TOKEN"),
        ("ImproperlyConfigured: Set the TOKEN environment variable", "TOKEN"),
        (
            (
                "RuntimeError: The session is unavailable because no secret key was set.  Set the"
                " secret_key"
            ),
            "SECRET_KEY",
        ),
    ],
)
def test_a_start_that_misses_a_variable_names_the_key(log, name):
    assert advice.advice(log, {}) == [
        f"It has no {name}: write secrets: {{{name}: …}}, or env: {{{name}: …}} where it is not"
        " secret."
    ]


def test_with_secrets_as_file_the_advice_names_that_key():
    container = {"Config": {"Env": ["DATABASE_URL_FILE=/run/secrets/DATABASE_URL"]}}
    words = (
        "It reads the variable DATABASE_URL, and has a file of it alone: write secrets_as:"
        " environment."
    )
    assert advice.advice(MISSING.format("DATABASE_URL"), container) == [words]


@pytest.mark.parametrize(
    "log", ["", "KeyError: 'name'", "    row[\"name\"]\nKeyError: 'name'", "KeyError: 5"]
)
def test_a_key_error_of_something_else_gives_no_advice(log):
    assert advice.advice(log, {}) == []


# --- the transfer to the host ---------------------------------------------------------------------


@pytest.fixture
def way():
    """A release with secrets, and what the action plugin passes to the module."""
    values = {"DB_NAME": "shop", "COLOUR": "n", "LINES": "a\nb\n", "EMPTY": ""}
    made = Release(
        name="shop", id=ID, site="default", path="/", secrets=values, login=Login("n", "s")
    )
    return made, action.packed(made)


def test_a_short_secret_masks_nothing_in_the_paths_that_the_module_returns(way):
    """Ansible masks each secret value in the result, in the path of the release too."""
    given = {"name": "shop", "id": ID, "token": "t", "group": "g", "packed": way[1]}
    result = ModuleArgumentSpecValidator(release_prepare.ARGUMENTS).validate(given)
    assert not result.error_messages
    assert result._no_log_values == {way[1]}


def test_secrets_are_unpacked_unchanged(way):
    assert release_prepare.unpacked(way[1]) == way[0]
