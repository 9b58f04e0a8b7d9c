# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The applications of the scenario, the clients that send requests to them, and the table at the
end.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

PROJECT = Path(os.environ.get("MOLECULE_PROJECT_DIRECTORY", Path(__file__).parents[3]))
SCENARIO = PROJECT / "molecule/apps"
VARIABLES = yaml.safe_load((SCENARIO / "vars/main.yml").read_text())
ENTRIES = {
    entry["name"]: entry
    for entry in yaml.safe_load((SCENARIO / "vars/apps.yml").read_text())["flask_apps"]
}
TABLE: dict[str, dict[str, Any]] = {}

# The headers that a visitor sends are not trusted; its address counts.
VISITOR = "127.0.0.77"
CLAIMS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/claimed",
}

# Sends one request after the other, and repeats a request while its container is still starting.
ASK = """
import http.client, json, sys, time

def ask(question):
    source = (question["source"], 0)
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=30, source_address=source)
    started = time.monotonic()
    connection.request(question["method"], question["path"], question["body"], question["headers"])
    answer = connection.getresponse()
    body = answer.read().decode("utf-8", "replace")
    return {
        "status": answer.status,
        "headers": {name.lower(): value for name, value in answer.getheaders()},
        "body": body,
        "milliseconds": (time.monotonic() - started) * 1000,
    }

answers = []
deadline = time.monotonic() + float(sys.argv[2])
for question in json.loads(sys.argv[1]):
    answer = ask(question)
    while answer["status"] in (502, 503, 504) and time.monotonic() < deadline:
        time.sleep(0.2)
        answer = ask(question)
    answers.append(answer)
print(json.dumps(answers))
"""

# A simple browser: it keeps cookies, sends each cookie to the paths that it is for, and follows
# redirects.
BROWSE = """
import http.client, json, sys, urllib.parse
from http.cookies import SimpleCookie

host, jar, steps = json.loads(sys.argv[1])
visited = []
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

def fits(where, path):
    return where == "/" or (path + "/").startswith(where.rstrip("/") + "/")

for path, form in steps:
    method, body, headers = "GET", None, {}
    if form:
        method, body, headers = "POST", urllib.parse.urlencode(form), FORM
    redirects = []
    while True:
        cookies = "; ".join(f"{name}={value}" for name, value, where in jar if fits(where, path))
        connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=30)
        connection.request(method, path, body, {"Host": host, "Cookie": cookies, **headers})
        answer = connection.getresponse()
        page = answer.read().decode()
        for line in answer.headers.get_all("set-cookie") or []:
            for morsel in SimpleCookie(line).values():
                where = morsel["path"] or "/"
                jar = [cookie for cookie in jar if (cookie[0], cookie[2]) != (morsel.key, where)]
                if morsel["max-age"] != "0" and morsel.value:
                    jar.append((morsel.key, morsel.value, where))
        if answer.status not in (301, 302, 303, 307, 308):
            break
        redirects.append(answer.headers["location"])
        path = urllib.parse.urljoin(path, answer.headers["location"])
        method, body, headers = "GET", None, {}
    visited.append({"status": answer.status, "path": path, "page": page, "redirects": redirects})
print(json.dumps([jar, visited]))
"""


class App(NamedTuple):
    """An application as a visitor sees it."""

    name: str
    path: str
    prefix: str
    host: str
    engine: str
    script_name: bool
    whoami: str


def describe(entry: dict[str, Any]) -> App:
    name, prefix = entry["name"], entry["path"].rstrip("/")
    found_by_dockerfile = "gunicorn" if name.startswith("gunicorn-") else "uwsgi"
    return App(
        name,
        entry["path"],
        prefix,
        "diary.example" if entry.get("site") == "diary" else "localhost",
        entry.get("engine", found_by_dockerfile),
        entry.get("path_mode") == "script_name",
        "/api/whoami" if name.startswith("sample-") else "/whoami",
    )


APPS = {name: describe(entry) for name, entry in ENTRIES.items()}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str
    milliseconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Visit(NamedTuple):
    """The answers of an application: its page, what it reports about the request, its live release,
    and the redirect from its path without the slash.
    """

    page: Answer
    whoami: Answer
    release: Answer
    bare: Answer


class Page(NamedTuple):
    status: int
    path: str
    page: str
    redirects: list[str]


class Run(NamedTuple):
    """The result of a run of ansible-playbook."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r" changed=(\d+) ", self.output))

    @property
    def text(self) -> str:
        """The output on one line, because the log breaks lines anywhere."""
        return " ".join(self.output.split())


def question(
    path: str, host: str = "localhost", method: str = "GET", body: str | None = None, **headers: str
) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "path": path,
        "method": method,
        "body": body,
        "source": VISITOR,
        "headers": {"Host": host} | named,
    }


def ask(host: Any, questions: list[dict[str, Any]], seconds: int = 0) -> list[Answer]:
    result = host.run("python3 -c %s %s %s", ASK, json.dumps(questions), str(seconds))
    assert result.rc == 0, result.stderr
    return [Answer(**answer) for answer in json.loads(result.stdout)]


def visit_all(host: Any, seconds: int = 0) -> dict[str, Visit]:
    """The answers of each application, by its name."""
    questions = []
    for app in APPS.values():
        whoami = question(app.prefix + app.whoami, app.host)
        whoami["headers"].update(CLAIMS)
        # The release is shown to the host itself only.
        release = question(f"{app.prefix}/.flaskops/release", app.host) | {"source": "127.0.0.1"}
        questions += [
            question(f"{app.prefix}/", app.host),
            whoami,
            release,
            question(app.prefix or "/", app.host),
        ]
    answers = iter(ask(host, questions, seconds))
    return {name: Visit(*(next(answers) for _ in Visit._fields)) for name in APPS}


@pytest.fixture
def get(host: Any) -> Callable[..., Answer]:
    """Request one page from Nginx."""

    def one(path: str, **more: Any) -> Answer:
        return ask(host, [question(path, **more)])[0]

    return one


@pytest.fixture
def whoami(get: Callable[..., Answer]) -> Callable[[str], dict[str, Any]]:
    """What an application reports about the request and its process."""

    def one(name: str) -> dict[str, Any]:
        app = APPS[name]
        answer = get(app.prefix + app.whoami, host=app.host)
        assert answer.status == 200, answer
        return dict(answer.json)

    return one


@pytest.fixture(scope="module")
def browse(host: Any) -> Callable[..., tuple[list[Any], list[Page]]]:
    """Visit pages with the cookies of a jar; return the jar afterwards, and the pages."""

    def walk(
        app: App, steps: list[tuple[str, dict[str, str] | None]], jar: list[Any] | None = None
    ) -> tuple[list[Any], list[Page]]:
        walked = json.dumps(
            [app.host, jar or [], [(app.prefix + path, form) for path, form in steps]]
        )
        result = host.run("python3 -c %s %s", BROWSE, walked)
        assert result.rc == 0, result.stderr
        after, visited = json.loads(result.stdout)
        return after, [Page(**page) for page in visited]

    return walk


@pytest.fixture
def log(host: Any) -> Callable[[str], str]:
    """The log of the running container of an application."""

    def read(name: str) -> str:
        result = host.run(
            "docker logs $(docker ps --quiet --filter label=host.flaskops.app=%s | tail -n 1) 2>&1",
            name,
        )
        return str(result.stdout)

    return read


@pytest.fixture(scope="session")
def deploy(warm: dict[str, str]) -> Callable[..., Run]:
    """Run deploy.yml with the applications of the scenario, or with others."""

    def run(*entries: dict[str, Any], **variables: Any) -> Run:
        command = [
            "ansible-playbook",
            "-i",
            os.environ["MOLECULE_INVENTORY_FILE"],
            str(SCENARIO / "deploy.yml"),
        ]
        command += ["-e", json.dumps({**({"flask_apps": entries} if entries else {}), **variables})]
        known = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), **warm}
        found = subprocess.run(
            command,
            cwd=PROJECT,
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        return Run(found.returncode, found.stdout)

    return run


@pytest.fixture(scope="module")
def end(host: Any) -> Callable[..., None]:
    """End applications of a module, without a run that removes what else there is of them: the host
    is destroyed. That an application can be removed is shown in the scenario releases.
    """

    def run(*names: str) -> None:
        for name in names:
            containers = host.check_output(
                "docker ps --all --quiet --filter label=host.flaskops.app=%s", name
            ).split()
            host.check_output(f"docker rm --force {' '.join(containers)}")

    return run


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.section("applications")
    columns = "{:20} {:8} {:24} {:>8} {:>8} {:>10}".format
    terminalreporter.write_line(
        columns("application", "engine", "path", "image", "status", "restarted")
    )
    for name, row in TABLE.items():
        if name in APPS:
            app = APPS[name]
            cells = (row.get(key, "-") for key in ("image", "status", "restarted"))
            terminalreporter.write_line(
                columns(
                    name,
                    app.engine,
                    f"{app.path} of {app.host}" if not app.prefix else app.path,
                    *cells,
                )
            )
    for name, row in TABLE.items():
        if name not in APPS:
            terminalreporter.write_line(f"{name}: {row['image']}")
