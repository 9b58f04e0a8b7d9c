# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""If one write of an application is refused, the deploy finds all of them and names them in one
message.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice

RUNTIME = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime"
# A file system that refuses writes below a directory, for the process that loads this code.
REFUSES = """
import builtins, errno, io, os, sqlite3
ROOT = os.environ["READ_ONLY"]
connect = sqlite3.connect
def refuse(function, writes):
    def run(path, *rest, **more):
        named = isinstance(path, (str, os.PathLike)) and path != ":memory:"
        if named and os.path.abspath(path).startswith(ROOT) and writes(path, rest):
            if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", os.fspath(path))
            if function is connect:
                raise sqlite3.OperationalError("unable to open database file")
            raise OSError(errno.EROFS, "Read-only file system", os.fspath(path))
        return function(path, *rest, **more)
    return run
builtins.open = io.open = refuse(open, lambda path, rest: bool(rest) and rest[0] != "r")
os.mkdir = refuse(os.mkdir, lambda path, rest: not os.path.isdir(path))
link = refuse(lambda target, source, call=os.symlink: call(source, target), lambda path, rest: True)
os.symlink = lambda source, target: link(target, source)
os.open = refuse(os.open, lambda path, rest: rest[0] & (os.O_WRONLY | os.O_RDWR))
refused = refuse(sqlite3.connect, lambda path, rest: not os.path.exists(path))
def connected(database, *rest, **more):
    return refused(database, *rest, **more)
sqlite3.connect = sqlite3.dbapi2.connect = connected
"""


LOADS = "import os; os.environ['FLASKOPS_MODULE'] = 'shop'; import flaskops_wsgi"


@pytest.fixture
def log(tmp_path):
    """The log of an application with its source on a read-only file system, in place of /app."""
    code, temporary = tmp_path / "code", tmp_path / "tmp"

    def run(text, name="app"):
        for directory in (code, temporary):
            directory.mkdir(exist_ok=True)
        if "symlink" in text:
            (code / "var").mkdir()
        (code / "sitecustomize.py").write_text(REFUSES)
        (code / "shop.py").write_text(
            f"import os, pathlib, logging.handlers, sqlite3\n{text}\napp = print\n"
        )
        env = {"READ_ONLY": f"{code}/", "TMPDIR": str(temporary), "PATH": os.environ["PATH"]}
        env |= {"FLASKOPS_CALLABLE": name, "PYTHONPATH": f"{code}:{RUNTIME}"}
        done = subprocess.run(
            [sys.executable, "-c", LOADS],
            cwd=code,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return (done.stdout + done.stderr).replace(str(code), "/app")

    return run


def words(log):
    return " ".join(advice(log, {"Config": {"Labels": {"host.flaskops.app": "shop"}}}))


@pytest.mark.parametrize(
    "text",
    [
        "os.mkdir('logs')\nos.makedirs('var/cache/pages')\nopen('uploads', 'w')",
        "pathlib.Path('logs').mkdir(exist_ok=True)\npathlib.Path('var/x').mkdir(parents=True)",
        (
            "os.makedirs('logs')\nlogging.handlers.RotatingFileHandler('logs/shop.log')\n"
            "os.makedirs('var')\nos.replace('var/a',"
            " 'var/b')"
        ),
        (
            "try:\n    os.mkdir('logs')\nexcept OSError as error:\n    raise RuntimeError('no"
            " place') from error\nos.mkdir('var')"
        ),
        "os.mkdir('logs')\nos.symlink('/etc/hosts', 'var/hosts')",
    ],
    ids=lambda text: text[:24],
)
def test_all_directories_are_named_together(log, text):
    assert "writable: [/app/logs, /app/var]" in words(log(text))


@pytest.mark.parametrize("name", ["'shop.db'", "database='shop.db'"])
def test_a_database_beside_the_code_and_a_directory_are_named_together(log, name):
    message = words(log(f"sqlite3.connect({name}).execute('create table a (b)')\nos.mkdir('logs')"))
    assert "data_files: [shop.db]" in message and "writable: [/app/logs]" in message


def test_created_files_can_be_read_again(log):
    text = (
        "os.mkdir('keys')\nopen('keys/a', 'w').write('x')\nassert open('keys/a').read() =="
        " 'x'\nos.mkdir('z')"
    )
    assert "writable: [/app/keys, /app/z]" in words(log(text))


@pytest.mark.parametrize(
    "text",
    ["os.environ['X']", "os.mkdir('/proc/x')", "os.mkdir('/nowhere/x')", "raise SystemExit(1)", ""],
)
def test_other_failures_are_not_examined(log, text):
    assert "it would also be refused" not in log(text)


def test_the_examination_ends_child_processes_of_the_application(log):
    text = (
        "import threading, time\nos.mkdir('a') if 1 else 0\nthreading.Thread(target=time.sleep,"
        " args=[600]).start()\nos.mkdir('b')"
    )
    assert "writable: [/app/a, /app/b]" in words(log(text))
    assert "it would also be refused" not in log(text)  # once per container


@pytest.mark.parametrize(
    "harm",
    [
        "open('DATA/shop.db').read()\nos.unlink('DATA/shop.db')",
        "shutil.move('DATA/shop.db', 'shop.db')",
        "open('DATA/shop.db', 'w')",
        "pathlib.Path('DATA/shop.db').write_text('')",
        "os.truncate('DATA/shop.db', 0)",
        "os.rename('DATA/shop.db', 'DATA/old.db')",
        "os.mkdir('DATA/new')",
        "shutil.rmtree('DATA')",
        "sqlite3.connect('DATA/new.db').execute('create table a (b)')",
        "sqlite3.connect('file:DATA/new.db', uri=True).execute('create table a (b)')",
        "subprocess.run(['touch', 'DATA/new'])",
        "os.system('touch DATA/new')",
        "os.fork() or os.execlp('touch', 'touch', 'DATA/new')",
        "import socket\nsocket.create_connection(('127.0.0.1', PORT))",
    ],
    ids=lambda text: text[:30],
)
def test_the_second_load_has_no_lasting_effect(log, tmp_path, harm):
    data = tmp_path / "data"
    data.mkdir()
    (data / "shop.db").write_text("precious")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        text = harm.replace("DATA", str(data)).replace("PORT", str(server.getsockname()[1]))
        # The first one stops at the directory; the second one gets past it.
        before = (
            f"import shutil, subprocess\nos.mkdir('logs')\nos.mkdir('more')\nos.makedirs('{data}',"
            " exist_ok=True)"
        )
        message = log(f"{before}\n{text}\nos.mkdir('late')")
        with pytest.raises(TimeoutError):
            server.accept()
    assert {each.name: each.read_text() for each in data.iterdir()} == {"shop.db": "precious"}
    assert "/app/more" in message and "/app/late" not in message
