"""Prepares the command and the environment of the application server, logs them, and becomes the
server.

The number of processes follows the CPU limit of the container, which only the container knows. The
environment variables and files of the presets' images are still used; a note in the log names those
that the role decides instead.
"""

import contextlib
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# python3 -I leaves it out, as it does the modules of the application that are named like Python's.
sys.path.insert(0, str(HERE))

import _find
import _replaced
import _uwsgi

SETTINGS = Path("/etc/flaskops")
SECRETS = Path("/run/secrets")
VARIABLE_BYTES = 100_000  # of a secret
APP = Path("/app")
RUNTIME = Path("/opt/runtime")
# The part of the application's uwsgi.ini that is used; only this container has this /tmp.
COPY = Path("/tmp/flaskops-uwsgi.ini")
# A prestart.sh that was saved with CR LF or a byte order mark, without them.
UNIX = Path("/tmp/flaskops-prestart.sh")
BOM = b"\xef\xbb\xbf"
# As many as the default limits of a container allow.
MOST = 16


class Stop(Exception):
    """The container cannot serve; the text says why and what to do."""


def say(text):
    print(f"flaskops: {text}", flush=True)


def give_secrets(env):
    """Make variables of the secrets that FLASKOPS_SECRETS names, as relay.py does elsewhere."""
    for name in env.pop("FLASKOPS_SECRETS", "").split():
        try:
            with (SECRETS / name).open("rb") as file:
                value = file.read(VARIABLE_BYTES + 1)
        except OSError as error:
            say(f"the secret {name} cannot be read: {error.strerror}")
            continue
        if b"\0" in value or len(value) > VARIABLE_BYTES:
            say(f"the secret {name} stays a file: a variable has at most 100 kB and no NUL")
        else:
            env[name] = os.fsdecode(value)


def cpu_limit(cgroup=Path("/sys/fs/cgroup")):
    """The processors of this container: its quota (cgroup v2 or v1), else its CPU affinity."""
    usable = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return usable
    if quota in ("max", "-1"):
        return usable
    return min(usable, int(quota) / int(period))


def workers(limit):
    """The number of processes for a limit. At least two: one may be killed or busy."""
    return min(max(2, math.ceil(limit)), MOST)


def number(env, name, kind=int):
    """A number of the environment; None without one."""
    if not env.get(name):
        return None
    try:
        value = kind(env[name])
    except ValueError:
        value = 0
    if not value > 0:
        raise Stop(f"{name} must be a number above 0; got {env[name]!r}.")
    return value


def prestart(env):
    """The command that sources prestart.sh and runs this program again, or None. It is sourced, so
    that its variables persist.
    """
    script = APP / "prestart.sh"
    if not script.is_file() or env.get("FLASKOPS_PRESTART") == "done":
        return None
    text = script.read_bytes()
    shell = "bash" if b"bash" in text.partition(b"\n")[0] and shutil.which("bash") else "sh"
    clean = text.removeprefix(BOM).replace(b"\r\n", b"\n")
    sourced = script if clean == text else UNIX
    if sourced is UNIX:
        UNIX.write_bytes(clean)
    changed = ", without CR LF and byte order mark" if sourced is UNIX else ""
    say(f"sources {script} ({shell}{changed})")
    words = (
        # Of a shell that exits; an exec does not run the trap.
        "trap 'code=$?; echo \"flaskops: $0 ended the container with code $code; it is sourced,"
        " and must not exit.\" >&2; [ $code -ne 0 ] || code=1; exit $code' EXIT\nset"
        f" -e\n. {shlex.quote(str(sourced))}\nset +e\nFLASKOPS_PRESTART=done; export"
        ' FLASKOPS_PRESTART\nexec "$@"\n'
    )
    return [shell, "-c", words, str(script), sys.executable, "-I", __file__]


def application(env, root, own):
    """The place of the application: from the release, the environment of a preset, uwsgi.ini, or
    _find.
    """
    module, name = env.get("FLASKOPS_MODULE", ""), env.get("FLASKOPS_CALLABLE", "")
    if not module and env.get("APP_MODULE"):
        module, _, name = env["APP_MODULE"].partition(":")
    if not module:
        module, name = env.get("MODULE_NAME", ""), name or env.get("VARIABLE_NAME", "")
    if not module:
        module, found = own.application()
        name = name or found
    if module.endswith(".py"):
        file = root / module
        if not file.is_file():
            raise Stop(f"{own.path} names the file {module}; {file} does not exist.")
        return _find.Place(str(file), name or "application")
    try:
        return _find.find(root, module, name, env.get("FLASKOPS_APP", ""), env.get("FLASK_APP", ""))
    except _find.NotFound as error:
        raise Stop(str(error)) from None


def python():
    """The interpreter that has the application's packages."""
    own = Path("/opt/app/bin/python3")
    return str(own if own.exists() else RUNTIME / "bin/python3")


def options_of(server):
    """The names of all options of uWSGI."""
    words = subprocess.run([server, "--help"], capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"(?m)^\s+(?:-\S\|)?--([\w-]+)", words))


def uwsgi(env, own):
    """The command of uWSGI. The application's uwsgi.ini is used, except what the role decides."""
    configuration = SETTINGS / "uwsgi.ini"
    release = _uwsgi.Ini(configuration)
    # The application starts child processes and pools with sys.executable.
    interpreter = python()
    command = [
        str(RUNTIME / "bin/uwsgi"),
        "--ini",
        str(configuration),
        "--home",
        str(Path(interpreter).parent.parent),
    ]
    command += ["--py-executable", interpreter]
    if own.path:
        kept, notes = own.filtered(release, options_of(command[0]) if own.named else frozenset())
        for note in notes:
            say(f"{own.path}: {note}")
        if kept:
            COPY.write_text(kept)
            command += ["--ini", str(COPY)]
    # uWSGI would read all of these.
    least, most = number(env, "UWSGI_CHEAPER"), number(env, "UWSGI_PROCESSES")
    for name in [name for name in env if name.startswith("UWSGI_") and _uwsgi.ours(name[6:])]:
        if name not in ("UWSGI_INI", "UWSGI_CHEAPER", "UWSGI_PROCESSES"):
            say(f"{name} is left out: the role decides it")
        del env[name]
    said = own.last("cheaper")
    cheaper = int(release.last("cheaper") or least or (said if said.isdecimal() else 0))
    if least and not release.last("cheaper"):
        command += ["--cheaper", str(least)]
    said = own.last("processes", "workers")
    if env.get("FLASKOPS_PROCESSES", "auto") != "auto":
        processes, why = env["FLASKOPS_PROCESSES"], "as uwsgi.processes says"
    elif most:
        processes, why = most, "as UWSGI_PROCESSES says"
    elif said:
        processes, why = None, f"{said} processes, as {own.path} says"
    else:
        limit = cpu_limit()
        processes, why = max(workers(limit), cheaper + 1), f"from a limit of {limit:g} processors"
    if processes:
        if int(processes) <= cheaper:
            raise Stop(
                f"cheaper must be less than the processes, {processes} {why}; got {cheaper}."
            )
        command += ["--processes", str(processes)]
        why = f"{processes} processes, {why}"
    return command, why


def gunicorn(env, _own):
    """The command of Gunicorn; flaskops_gunicorn.py merges its settings."""
    named = env.get("GUNICORN_CONF")
    places = [APP / "gunicorn_conf.py", APP / "app/gunicorn_conf.py", Path("/gunicorn_conf.py")]
    # The file of the Procfile, and last the one that Gunicorn looks for by default.
    places = [
        APP / (_find.gunicorn_conf(APP) or places[0]),
        *places,
        Path.cwd() / "gunicorn.conf.py",
        APP / "gunicorn.conf.py",
    ]
    if named:
        places = [Path(named)]
    found = next((place for place in places if place.is_file()), None)
    if named and not found:
        raise Stop(f"GUNICORN_CONF must be a file; got {named!r}, and there is no such file.")
    if found:
        say(f"{found} is used, except what the role decides")
        env["FLASKOPS_GUNICORN_CONF"] = str(found)
    command = [python(), "-m", "gunicorn", "--config", str(HERE / "flaskops_gunicorn.py")]
    given, each, most = (
        number(env, "WEB_CONCURRENCY"),
        number(env, "WORKERS_PER_CORE", float),
        number(env, "MAX_WORKERS"),
    )
    if env.get("FLASKOPS_PROCESSES", "auto") != "auto":
        count, why = int(env["FLASKOPS_PROCESSES"]), "as gunicorn.workers says"
        command += ["--workers", str(count)]
    elif given:
        count, why = given, "as WEB_CONCURRENCY says"
    else:
        limit = cpu_limit()
        count = max(1, int(each * limit)) if each else workers(limit)
        why = f"from a limit of {limit:g} processors" + (
            f" and WORKERS_PER_CORE={each:g}" if each else ""
        )
    if most and count > most:
        count, why = most, "as MAX_WORKERS says"
    if found and "--workers" not in command and re.search(rb"(?m)^workers\s*=", found.read_bytes()):
        why = f"or as {found} says"
    if "GUNICORN_CMD_ARGS" in env:
        say("GUNICORN_CMD_ARGS is used, except an address in it: the server listens on a socket")
        command += ["--bind", f"unix:{env['FLASKOPS_SOCKET']}"]
    # Gunicorn reads it too, and the application's configuration may.
    env["WEB_CONCURRENCY"] = str(count)
    return [*command, "flaskops_wsgi:application"], f"{count} workers, {why}"


def enter(env, root, path):
    """Change to the directory where the application starts. Imports start from there, from path
    below /app, and from /app.
    """
    os.chdir(root)
    places = [str(root), str(APP / path), str(APP), *env.get("PYTHONPATH", "").split(":")]
    env["PYTHONPATH"] = ":".join(dict.fromkeys(each for each in places if each))


def located(env, root, own):
    """The module and the callable, after a change to the directory where they start."""
    place = application(env, root, own)
    if place.directory or place.path:
        enter(env, root / place.directory, place.path or env.get("FLASKOPS_PATH", ""))
    return place.module, place.callable


# For each engine: its settings below SETTINGS, and what makes its command.
ENGINES = {"uwsgi": ("uwsgi.ini", uwsgi), "gunicorn": ("gunicorn.conf.py", gunicorn)}


def main(arguments, env):
    """The command to become; env becomes its environment."""
    give_secrets(env)
    own = _uwsgi.own(env, Path.cwd(), APP)
    # After prestart.sh this process is in it already.
    root = Path.cwd()
    if env.get("FLASKOPS_PRESTART") != "done":
        root = own.directory(root / env.get("FLASKOPS_DIRECTORY", ""))
    try:
        enter(env, root, env.get("FLASKOPS_PATH", ""))
    except OSError as error:
        raise Stop(f"{own.path}: chdir = {root}: {error.strerror}.") from None
    if arguments:  # another command, in the same environment
        with contextlib.suppress(Stop):
            env.setdefault("FLASK_APP", ":".join(located(env, root, own)))
        return arguments
    sourced = prestart(env)
    if sourced:
        return sourced
    env.pop("FLASKOPS_PRESTART", None)
    for name in sorted({*_replaced.VARIABLES, *_replaced.READ} & set(env)):
        say(_replaced.variable(name))
    engine = env.get("FLASKOPS_ENGINE", "uwsgi")
    file, command_of = ENGINES[engine]
    settings = SETTINGS / file
    if not settings.is_file():
        raise Stop(
            f"{settings} is missing. The role flask_apps mounts it; to run another program, pass"
            " its command."
        )
    env["FLASKOPS_MODULE"], env["FLASKOPS_CALLABLE"] = located(env, root, own)
    command, count = command_of(env, own)
    where = f", mounted at {env['FLASKOPS_MOUNT']}" if env.get("FLASKOPS_MOUNT") else ""
    say(f"{engine} runs {env['FLASKOPS_MODULE']}:{env['FLASKOPS_CALLABLE']}{where}: {count}")
    return command


if __name__ == "__main__":
    try:
        server = main(sys.argv[1:], os.environ)
    except Stop as error:
        sys.exit(f"flaskops: {error}")
    try:
        os.execvp(server[0], server)
    except OSError as error:
        sys.exit(f"flaskops: {server[0]} cannot be started: {error}")
