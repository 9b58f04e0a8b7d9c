# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log lines about programs, files and modules that did not start, and the key to write."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice

ENDED = {
    "State": {"ExitCode": 126},
    "Config": {"User": "10001:10001", "Labels": {"host.flaskops.app": "shop"}},
}


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            "sh: 1: waitress-serve: not found",
            [
                "The program waitress-serve is not in the image. Write one that exists, or"
                " python3 -m"
            ],
        ),
        ("sh: 1: exec: hypercorn: not found", ["The program hypercorn is not in the image."]),
        ("bash: line 3: shopd: command not found", ["The program shopd is not in the image."]),
        (
            "/app/start.sh: line 3: shopd: command not found",
            ["The program shopd is not in the image."],
        ),
        (
            "./start.sh: 3: node: not found",
            ["The program node is not in the image: write apt_packages: [nodejs]."],
        ),
        (
            "/usr/bin/env: 'bash': No such file or directory",
            ["The program bash is not in the image: write apt_packages: [bash]."],
        ),
        (
            "/bin/sh: python: not found",
            ["The program python is not in the image: write python3, or"],
        ),
        (
            "flaskops: shopd cannot be started: No such file or directory",
            ["The program shopd is not in the image."],
        ),
        (
            "flaskops: celery cannot be started: [Errno 2] No such file or directory: 'celery'",
            ["The program celery is not in the image."],
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'psql'",
            ["write apt_packages: [postgresql-client]."],
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'settings'", []),
        (
            "sh: 1: shopd: not found\nflaskops: programs that its packages brought: flask, shop",
            [
                "shopd is not in the image; programs that its packages brought: flask, shop."
                " Write one"
            ],
        ),
        (
            "sh: 1: ./run.sh: not found",
            ["./run.sh is not in the image, or the program that its first line (#!) names is not;"],
        ),
        ("sh: 1: ./run.sh: Permission denied", ["./run.sh is not executable: write chmod +x"]),
        (
            "sh: 1: /app/run.sh: Permission denied",
            ["/app/run.sh is not executable: write chmod +x"],
        ),
        ("flaskops: ./run.sh cannot be started: Permission denied", ["./run.sh is not executable"]),
        (
            "sh: 1: ./serve: Exec format error",
            ["./serve is not a program for this processor: a script must begin with"],
        ),
        ("exec ./serve: exec format error", ["./serve is not a program"]),
        ("flaskops: ./serve cannot be started: Exec format error", ["./serve is not a program"]),
        (
            "ModuleNotFoundError: No module named 'yaml'",
            ["The Python module yaml is not in the image: add PyYAML to"],
        ),
        (
            "ModuleNotFoundError: No module named 'flask.ext'",
            ["The Python module flask.ext is not in the image, and flask is:"],
        ),
        (
            "ModuleNotFoundError: No module named 'shop.web'; 'shop' is not a package",
            ["The Python module shop.web is not in the image, and shop is:"],
        ),
        ("WARNING: favicon.ico: not found", []),
        ("INFO: template: not found", []),
        ("/bin/sh: 1: /app/run.sh: not found", ["/app/run.sh is not in the image, or the program"]),
        (
            "ModuleNotFoundError: No module named 'six'",
            ["The Python module six is not in the image: add the package that has it"],
        ),
        (
            "ModuleNotFoundError: No module named 'imghdr'",
            ["Python 3.12 was the last that had the module imghdr"],
        ),
        ("ModuleNotFoundError: No module named 'imp'", ['or write python: "3.11".']),
        (
            "AttributeError: module 'collections' has no attribute 'Mapping'",
            ["the last that had Mapping in the module collections"],
        ),
        (
            "ImportError: cannot import name 'MutableMapping' from 'collections' (/usr/lib/x.py)",
            ['or write python: "3.9".'],
        ),
        (
            (
                "AttributeError: module 'inspect' has no attribute 'getargspec'. Did you mean:"
                " 'getargs'?"
            ),
            ['or write python: "3.10".'],
        ),
        ("AttributeError: module 'asyncio' has no attribute 'TaskGroup'", []),
        ("ImportError: cannot import name 'Mapping' from 'shop'", []),
        (
            "ModuleNotFoundError: No module named 'MySQLdb'",
            ["[default-libmysqlclient-dev, pkg-config] where it is built"],
        ),
        (
            "ModuleNotFoundError: No module named 'pkg_resources'",
            ["add setuptools<81 to its requirements (or install_requires)."],
        ),
        ("GET /x: 404 not found", []),
        ("shop: user bob: not found!", []),
    ],
)
def test_a_program_that_did_not_start_is_reported_with_what_to_write(log, words):
    found = advice(log, ENDED)
    assert len(found) == len(words), found
    assert all(part in each for part, each in zip(words, found, strict=True)), found


def test_a_file_that_a_shell_cannot_write_is_not_reported_as_a_program():
    (found,) = advice(
        "bash: line 1: /srv/x/log: Permission denied", {**ENDED, "State": {"ExitCode": 1}}
    )
    assert "not executable" not in found and "does not belong to" in found


def test_only_a_few_of_each_kind_are_reported():
    kinds = [
        "sh: 1: p{}: not found",
        "sh: 1: ./r{}: Permission denied",
        "exec ./e{}: exec format error",
    ]
    kinds += ["ModuleNotFoundError: No module named 'm{}'"]
    logs = "\n".join(kind.format(number) for number in range(100) for kind in kinds)
    assert len(advice(logs, ENDED)) == 12
