# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the last message of a failed run contains, and where the log is."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.reason import (
    apart,
    failed,
    of_build,
    told_by,
    with_log,
)
from ansible_collections.flaskops.host.plugins.module_utils.images import build
from ansible_collections.flaskops.host.plugins.module_utils.images.registry import advice
from ansible_collections.flaskops.host.plugins.module_utils.releases import report

WORK = {"name": "shop", "id": "b" * 12, "live": None}
PIP = """#9 [requirements 4/4] RUN gently /opt/pip/bin/pip install -r requirements.txt
#9 1.802 Collecting flask==99
#9 2.114 ERROR: Could not find a version that satisfies the requirement flask==99 (from versions: 3.1)
#9 2.115 ERROR: No matching distribution found for flask==99
#9 ERROR: process "/bin/sh -c gently" did not complete successfully: exit code: 1
------
 > [requirements 4/4] RUN gently /opt/pip/bin/pip install -r requirements.txt:
2.114 ERROR: Could not find a version that satisfies the requirement flask==99 (from versions: 3.1)
------
ERROR: failed to build: failed to solve: process "/bin/sh -c gently" did not complete successfully: exit code: 1"""
HUB = (
    "ERROR: failed to build: failed to solve: python:3.13: failed to resolve source metadata for"
    " docker.io/library/python:3.13: failed to do request: Head"
    ' "https://registry-1.docker.io/v2/library/python/manifests/3.13": {}'
)


def test_the_log_and_the_reason_are_separate():
    text = (
        with_log("shop did not pass its health check: no answer.", ["one", "", "  two "])
        + "\nWrite writable: [/app/x]."
    )
    assert apart(text) == (
        "shop did not pass its health check: no answer.\nWrite writable: [/app/x].",
        "one\n\n  two",
    )
    assert failed(text) == {"msg": apart(text)[0], "log": apart(text)[1]}


def test_a_reason_without_a_log_is_unchanged():
    assert failed("one\n  two\nthree") == {"msg": "one\n  two\nthree"}


def test_a_log_within_a_line_is_separated():
    assert apart("exit code 1. The last lines of its output:\n  no table\n  (nothing)") == (
        "exit code 1.",
        "no table\n(nothing)",
    )


def test_an_empty_log_is_left_out():
    assert apart("It failed.\nThe last lines of its log:\nWrite x.") == ("It failed.\nWrite x.", "")


def test_the_errors_of_a_build_are_the_reason():
    assert of_build(PIP).splitlines() == [
        (
            "ERROR: Could not find a version that satisfies the requirement flask==99 (from"
            " versions: 3.1)"
        ),
        "ERROR: No matching distribution found for flask==99",
    ]
    assert (
        of_build(PIP.splitlines()[4])
        == 'ERROR: process "/bin/sh -c gently" did not complete successfully: exit code: 1'
    )
    assert of_build("one\nexit code: 1") == "exit code: 1"
    assert of_build("") == ""


class Engine:
    def run(self, *_words, **_options):
        raise HostError(
            f"docker build: {PIP}\nLooking in indexes: https://user:word@index.example/simple"
        )


def test_a_build_that_fails_shows_its_log_and_no_password():
    with pytest.raises(HostError) as error:
        build.build(Engine(), "/x", "shop:1", [])
    reason, log = apart(str(error.value))
    assert "No matching distribution" in reason
    assert "Collecting flask==99" in log
    assert "Collecting" not in reason
    assert log.count("Could not find a version") == 1, "BuildKit repeats it"
    assert "word@" not in reason + log


def test_the_last_message_contains_the_reason_and_not_the_log():
    result = failed(
        with_log("shop did not pass its health check: no answer.", ["Traceback"])
        + "\nWrite writable: [/app/x]."
    )
    text = report.failure(WORK, "release | Wait for the health check", result)
    assert (
        text
        == f"shop: release {'b' * 12} failed at 'release | Wait for the health check', where its"
        " log is shown; it serves nothing yet.\nshop did not pass its health check: no answer.\nWrite"
        " writable: [/app/x].\nIts log says: Traceback"
    )


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("one\ntwo\n\n", "Its log says: two"),
        (
            "Traceback\nModuleNotFoundError: No module 'x'\nunable to load app 0",
            "Its log says: ModuleNotFoundError: No module 'x'",
        ),
        (
            "sqlalchemy.exc.OperationalError: (x)\nflaskops: main has no 'app'.\nbye",
            "Its log says: flaskops: main has no 'app'.",
        ),
        ("KeyError\nbye", "Its log says: KeyError"),
        ("known", ""),
        (PIP, ""),  # the reason of a build contains the whole log
    ],
)
def test_the_most_informative_line_of_a_log_is_selected(log, line):
    assert told_by(log, "all of it is known") == line


# --- a registry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            HUB.format("dial tcp: lookup registry-1.docker.io on 127.0.0.11:53: no such host"),
            "does not reach Docker Hub. Write a mirror",
        ),
        (HUB.format("dial tcp 1.2.3.4:443: i/o timeout"), "flask_apps_base_source: bootstrap"),
        (
            HUB.format("dial tcp 1.2.3.4:443: connect: connection refused"),
            "flask_apps_runtime_image",
        ),
        (
            HUB.format("net/http: TLS handshake timeout"),
            "docker_daemon_options: {registry-mirrors: [https://",
        ),
        (
            HUB.format("tls: failed to verify: x509: certificate signed by unknown authority"),
            "does not trust the certificate of",
        ),
        (
            HUB.format("429 Too Many Requests - toomanyrequests: You have reached"),
            "gives this address no more images",
        ),
        (
            (
                'Error response from daemon: Get "https://registry-1.docker.io/v2/": net/http:'
                " request canceled while waiting for connection"
            ),
            "This host does not reach Docker Hub.",
        ),
        (
            (
                'Error response from daemon: Get "https://registry.example.org/v2/": dial tcp:'
                " lookup registry.example.org: no such host"
            ),
            (
                "This host does not reach the registry registry.example.org. Write a proxy,"
                " docker_daemon_options: {proxies:"
            ),
        ),
        (
            (
                'failed to resolve reference "localhost:5000/a:1": failed to do request: Head'
                ' "http://localhost:5000/v2/a/manifests/1": EOF'
            ),
            "does not reach the registry localhost:5000.",
        ),
        (
            (
                "ERROR: failed to solve: python:3.99: failed to resolve source metadata for"
                " docker.io/library/python:3.99: docker.io/library/python:3.99: not found"
            ),
            "Docker Hub answers, and has no such image: see base_image, python",
        ),
        (
            (
                "The services of shop could not be started: service db: image postgres:17 could not"
                ' be pulled: Error response from daemon: Get "https://registry-1.docker.io/v2/":'
                " dial tcp: lookup registry-1.docker.io: no such host"
            ),
            "flask_apps_services_source: bootstrap makes PostgreSQL and Redis",
        ),
        (
            (
                "service db: image postgres:99 could not be pulled: failed to resolve reference"
                ' "docker.io/library/postgres:99": docker.io/library/postgres:99: not found'
            ),
            "has no such image: see version or image of the service.",
        ),
    ],
)
def test_a_registry_that_refuses_an_image_is_reported_with_the_key(text, words):
    assert words in advice(text)
    assert advice(text) in report.failure({}, "build | Build with BuildKit", {"msg": text})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "curl: (6) Could not resolve host: example.org",
        "ERROR: HTTPSConnectionPool(host='pypi.org', port=443): connection refused",
        'process "/bin/sh -c x" did not complete successfully: exit code: 127: x: not found',
        HUB.format("500 Internal Server Error"),
    ],
)
def test_other_errors_give_no_advice_about_a_registry(text):
    assert advice(text) == ""
