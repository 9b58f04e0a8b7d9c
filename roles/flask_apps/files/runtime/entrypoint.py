"""Prepares what the application server is told, says what it chose, and becomes the server.

The number of processes follows the container's CPU limit, which only the container knows. What an
image of one of the presets was told in its environment or in files of its own still counts here;
what the role decides instead is said in a note.
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
sys.path.insert(
    0, str(HERE)
)  # python3 -I leaves it out, and with it whatever the application calls like a module of Python

import _find
import _replaced
import _uwsgi

SETTINGS = Path("/etc/flaskops")
SECRETS = Path("/run/secrets")
VARIABLE_BYTES = 100_000  # of a secret
APP = Path("/app")
RUNTIME = Path("/opt/runtime")
# What counts of an own uwsgi.ini; /tmp is of this container alone.
COPY = Path("/tmp/flaskops-uwsgi.ini")
# A prestart.sh as an editor on Windows saves it, in the way that a shell understands.
UNIX = Path("/tmp/flaskops-prestart.sh")
BOM = b"\xef\xbb\xbf"
# Not more than the default limits of a container are good for.
MOST = 16


class Stop(Exception):
    """The container cannot serve; the text says why and what to do."""


def say(text):
    print(f"flaskops: {text}", flush=True)


def give_secrets(env):
    """Make variables of the secrets that FLASKOPS_SECRETS names; as in the relay, which runs in
    other images.
    """
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
    """The processors this container may use: its quota (cgroup v2 or v1), else those it may run on."""
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
    """How many are good for a limit. Two at the least: one may be killed or busy."""
    return min(max(2, math.ceil(limit)), MOST)


def number(env, name, kind=int):
    """A number of the environment; None when it is not there."""
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
    """The command that sources prestart.sh and comes back here, or None. It is sourced, so that its
    variables persist.
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
    say(
        f"sources {script}"
        f" ({shell}{', without the CR LF or the mark of an editor on Windows' if sourced is UNIX else ''})"
    )
    words = (
        # An exec does not come by here: only what ends the shell does.
        "trap 'code=$?; echo \"flaskops: $0 ended the container with code $code; it is sourced,"
        " and has to come to its end.\" >&2; [ $code -ne 0 ] || code=1; exit $code' EXIT\nset"
        f" -e\n. {shlex.quote(str(sourced))}\nset +e\nFLASKOPS_PRESTART=done; export"
        ' FLASKOPS_PRESTART\nexec "$@"\n'
    )
    return [shell, "-c", words, str(script), sys.executable, "-I", __file__]


def application(env, root, own):
    """The place of the application: as the release says, as the environment of a preset says, as
    uwsgi.ini says, or as _find finds it.
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
            raise Stop(f"{own.path} names the file {module}, and there is no {file}.")
        return _find.Place(str(file), name or "application")
    try:
        return _find.find(root, module, name, env.get("FLASKOPS_APP", ""), env.get("FLASK_APP", ""))
    except _find.NotFound as error:
        raise Stop(str(error)) from None


def python():
    """The interpreter of the application's own packages."""
    own = Path("/opt/app/bin/python3")
    return str(own if own.exists() else RUNTIME / "bin/python3")


def options_of(server):
    """The names of all options that uWSGI knows."""
    words = subprocess.run([server, "--help"], capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"(?m)^\s+(?:-\S\|)?--([\w-]+)", words))


def uwsgi(env, own):
    """The command of uWSGI. What the application's own uwsgi.ini says counts, as far as the role
    does not decide it.
    """
    configuration = SETTINGS / "uwsgi.ini"
    release = _uwsgi.Ini(configuration)
    # Child processes of the application, and pools of them, are started with sys.executable.
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
    # uWSGI would read these by itself, and more than we want of them.
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


def gunicorn(env):
    """The command of Gunicorn; its settings are put together by flaskops_gunicorn.py."""
    named = env.get("GUNICORN_CONF")
    places = [APP / "gunicorn_conf.py", APP / "app/gunicorn_conf.py", Path("/gunicorn_conf.py")]
    # The name that Gunicorn itself looks for, after the one that the Procfile gives to it.
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
        raise Stop(f"GUNICORN_CONF is {named!r}, and there is no such file.")
    if found:
        say(f"{found} counts, as far as the role does not decide it")
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
        say("GUNICORN_CMD_ARGS counts, but for an address in it: the server listens on a socket")
        command += ["--bind", f"unix:{env['FLASKOPS_SOCKET']}"]
    # Gunicorn reads it too, and a configuration of the application's own may.
    env["WEB_CONCURRENCY"] = str(count)
    return [*command, "flaskops_wsgi:application"], f"{count} workers, {why}"


def enter(env, root, path):
    """Go where the application is started. Imports start from there, from path below /app, and from
    /app.
    """
    os.chdir(root)
    places = [str(root), str(APP / path), str(APP), *env.get("PYTHONPATH", "").split(":")]
    env["PYTHONPATH"] = ":".join(dict.fromkeys(each for each in places if each))


def located(env, root, own):
    """The module and the callable, and the process where they are started."""
    place = application(env, root, own)
    if place.directory or place.path:
        enter(env, root / place.directory, place.path or env.get("FLASKOPS_PATH", ""))
    return place.module, place.callable


def main(arguments, env):
    """The command to become; env is what it will find."""
    give_secrets(env)
    own = _uwsgi.own(env, Path.cwd(), APP)
    # After prestart.sh it is there already.
    root = Path.cwd()
    if env.get("FLASKOPS_PRESTART") != "done":
        root = own.directory(root / env.get("FLASKOPS_DIRECTORY", ""))
    try:
        enter(env, root, env.get("FLASKOPS_PATH", ""))
    except OSError as error:
        raise Stop(f"{own.path}: chdir = {root}: {error.strerror}.") from None
    if arguments:  # a command of one's own, in the same environment
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
    settings = SETTINGS / ("gunicorn.conf.py" if engine == "gunicorn" else "uwsgi.ini")
    if not settings.is_file():
        raise Stop(
            f"{settings} is missing. The role flask_apps mounts it; to run something else, give its"
            " command."
        )
    env["FLASKOPS_MODULE"], env["FLASKOPS_CALLABLE"] = located(env, root, own)
    command, count = gunicorn(env) if engine == "gunicorn" else uwsgi(env, own)
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
