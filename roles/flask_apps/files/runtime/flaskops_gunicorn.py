"""The settings of Gunicorn: those of the release, then the application's, then those that the role
must decide.

Gunicorn reads this file as its configuration. FLASKOPS_GUNICORN_CONF is the application's, found by
the entrypoint.
"""

import importlib.util
import os
import re
import sys

RELEASE = "/etc/flaskops/gunicorn.conf.py"
LEVELS = ("debug", "info", "warning", "error", "critical")
# The settings that the role decides, and what to write instead.
OURS = {
    "bind": "",
    "umask": "",
    "user": "",
    "group": "",
    "daemon": "",
    "pidfile": "",
    "chdir": "WORKDIR in the Dockerfile",
    "wsgi_app": "module and callable",
    "graceful_timeout": "drain_seconds",
    "worker_tmp_dir": "",
    "control_socket": "",
    "control_socket_disable": "",
    "forwarded_allow_ips": "",
    "secure_scheme_headers": "",
    "forwarder_headers": "",
    "proxy_protocol": "",
    "protocol": "",
    "keyfile": "nginx_sites",
    "certfile": "nginx_sites",
    "reuse_port": "",
    "reload": "",
}


def settings(release, own):
    """All settings, and notes on the application's settings that are not used."""
    theirs, notes = dict(own), []
    for name in OURS:
        if name in theirs and theirs[name] != release.get(name):
            word = f": write {OURS[name]} instead" if OURS[name] else ""
            notes.append(f"{name} is set by the role{word}")
        theirs.pop(name, None)
    worker = theirs.get("worker_class")
    if isinstance(worker, str) and "meinheld" in worker:
        instead = release["worker_class"]
        notes.append(
            f"worker_class {worker} is replaced by {instead}: Meinheld does not run on a maintained"
            " Python"
        )
        theirs["worker_class"] = release["worker_class"]
    return {**release, **theirs}, notes


def _read(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its hooks live as long as the server
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


if __name__ == "__config__":  # Gunicorn's name for it
    _own = os.environ.get("FLASKOPS_GUNICORN_CONF", "")
    _level = os.environ.get("LOG_LEVEL", "").lower()
    _release = {
        **_read(RELEASE, "__release__"),
        **({"loglevel": _level} if _level in LEVELS else {}),
    }
    _settings, _notes = settings(_release, _read(_own, "__own__") if _own else {})
    for _note in _notes:
        print(f"flaskops: {_own}: {_note}", file=sys.stderr, flush=True)
    # Whether the application is loaded before the workers are forked.
    os.environ["FLASKOPS_PRELOAD"] = (
        "1"
        if _settings.get("preload_app") or "--preload" in os.environ.get("GUNICORN_CMD_ARGS", "")
        else ""
    )
    # How many streams occupy all threads of a worker; other kinds of workers have no limit.
    _arguments = os.environ.get("GUNICORN_CMD_ARGS", "")
    _threads = re.findall(r"--threads[= ](\d+)", _arguments) or [_settings.get("threads", 1)]
    _threaded = _settings.get("worker_class") == "gthread" and not re.search(
        r"(?:^|\s)(?:-k|--worker-class)", _arguments
    )
    os.environ["FLASKOPS_THREADS"] = str(_threads[-1]) if _threaded else ""
    globals().update(_settings)
