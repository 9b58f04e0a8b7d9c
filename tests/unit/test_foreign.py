# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dockerfiles of known images that were written for another distribution, that copy no code, or
that are ignored.
"""

import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.foreign import packages
from ansible_collections.flaskops.host.plugins.module_utils.apps.origin import own_dockerfile
from entries import normalize_apps, typed

ALPINE = "FROM tiangolo/uwsgi-nginx-flask:python3.8-alpine\n"
DEBIAN = "FROM tiangolo/uwsgi-nginx-flask:python3.8\n"


@pytest.fixture
def check(tmp_path):
    """Normalise one entry whose source has this Dockerfile and these files."""

    def run(text, files=("main.py",), **keys):
        for name in files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("app = 1\n")
        (tmp_path / "Dockerfile").write_text(text)
        (app,), problems = normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}]
        )
        return app, [
            problem.removeprefix("flask_apps: shop: ").replace(f"{tmp_path}/", "")
            for problem in problems
        ]

    return run


# --- another distribution -------------------------------------------------------------------------


def test_apk_is_refused_with_the_keys_to_write(check):
    assert check(f"{ALPINE}RUN apk add --no-cache bash\nCOPY . /app\n")[1] == [
        "dockerfile Dockerfile, line 2, runs apk of another distribution; our runtime, which"
        " replaces tiangolo/uwsgi-nginx-flask:python3.8-alpine, is Debian. Write dockerfile: none"
        " to use the Dockerfile of the role instead, or change it to apt-get, groupadd and useradd."
    ]


def test_packages_of_apk_are_named_as_in_debian(check):
    text = f"""{ALPINE}COPY . /app
RUN apk update \\
 # a comment between
 && apk --no-cache add -t .build gcc musl-dev postgresql-dev>12 \\
      imagemagick=7.1 \\
 && pip install psycopg2 && apk del .build
RUN ["/sbin/apk", "add", "zlib-dev"]
"""
    assert (
        "Write dockerfile: none and apt_packages: [libpq-dev, imagemagick, zlib1g-dev] (by the"
        " names of Debian) to" in check(text)[1][0]
    )


@pytest.mark.parametrize(
    "line",
    [
        "RUN apk add bash",
        "run set -e; apk add bash",
        "RUN apk update",
        "RUN /sbin/apk --no-cache add bash",
        'RUN ["apk", "add", "bash"]',
        "RUN --mount=type=cache,target=/var/cache/apk apk add bash",
        "RUN <<END\nset -e\napk add bash\nEND",
        "RUN if true; then apk add bash; fi",
        "RUN yum install -y gcc",
        "RUN microdnf -y install gcc",
        "RUN pacman -Syu",
        "RUN addgroup -S app && adduser -S app -G app",
    ],
)
@pytest.mark.parametrize("base", [ALPINE, "FROM hellt/nginx-uwsgi-flask-alpine-docker:py3\n"])
def test_programs_of_other_distributions_are_found(check, base, line):
    assert [problem[:30] for problem in check(f"{base}COPY . /app\n{line}\n")[1]] == [
        "dockerfile Dockerfile, line 3,"
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN apt-get update && apt-get install -y bash",
        "RUN if command -v apk; then apk add bash; else apt-get install bash; fi",
        "RUN echo apk; rm -rf /var/cache/apk/*",
        "# RUN apk add bash",
        "COPY apk add /app/",
        "RUN useradd --system app && adduser --system other",
        "RUN pip install apk",
    ],
)
def test_commands_of_debian_are_accepted(check, lines):
    assert check(f"{ALPINE}COPY . /app\n{lines}\n", ["main.py", "apk", "add"])[1] == []


def test_a_stage_of_another_image_may_be_alpine(check):
    text = (
        f"FROM node:22-alpine AS assets\nRUN apk add git\n{DEBIAN}COPY --from=assets /x"
        " /app/static\nCOPY . /app\n"
    )
    assert check(text)[1] == []


def test_a_stage_based_on_a_stage_of_the_known_image_is_refused(check):
    text = f"{ALPINE.rstrip()} AS base\nCOPY . /app\nFROM base\nRUN apk add git\n"
    assert len(check(text)[1]) == 1


def test_a_stage_based_on_the_runtime_image_is_refused(check):
    problems = check(
        "ARG FLASKOPS_RUNTIME\nFROM ${FLASKOPS_RUNTIME}-compat\nRUN apk add git\nCOPY . .\n",
        dockerfile="Dockerfile",
    )[1]
    assert "runs apk of another distribution; our runtime, is Debian" in problems[0].replace(
        "runtime, which", "runtime, "
    )


def test_an_unknown_base_image_may_be_alpine(check):
    assert (
        check(
            "FROM python:3.12-alpine\nRUN apk add bash\nCMD x\n", dockerfile="Dockerfile", port=80
        )[1]
        == []
    )


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("apk add", []),
        ("apk add --virtual .d a1 b1 ; apk add c1|cat", ["a1", "b1", "c1"]),
        ("apk add $PACKAGES --repository http://x y1", ["y1"]),
        ("apk add 'a2>1' \"b2\"", ["a2", "b2"]),
        ("yum install a1", []),
    ],
)
def test_the_packages_of_a_command_are_found(command, names):
    assert packages(command) == names


@pytest.mark.parametrize("word", ["apk -a,", "apk ", "'", '"apk",', "-", "apk add -t "])
def test_no_command_slows_the_controller_down(check, word):
    started = time.monotonic()
    check(f"{ALPINE}COPY . /app\nRUN {word * (100_000 // len(word))}x\n")
    assert time.monotonic() - started < 2


# --- a Dockerfile without code --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "files", "copied"),
    [
        (DEBIAN, ["main.py"], "."),
        (
            f"{DEBIAN}COPY requirements.txt /\nRUN pip install -r /requirements.txt",
            ["main.py", "requirements.txt"],
            ".",
        ),
        (DEBIAN, ["app/main.py", "app/static/x.css"], "app"),
        (DEBIAN, ["app/main.py", "app/__init__.py"], "."),
        (DEBIAN, ["app/main.py", "main.py"], "."),
    ],
)
def test_a_dockerfile_that_copies_no_code_gets_the_source(check, text, files, copied):
    app, problems = check(text, files)
    assert problems == []
    assert typed(own_dockerfile)(app, "r:1").endswith(
        f"\n# It copies no code itself.\nCOPY {copied} /app\n"
    )
    assert any("copies no code" in note for note in app["notes"])


@pytest.mark.parametrize(
    "line",
    [
        "COPY . /app",
        "ADD main.py /app/",
        "COPY --chown=1:1 *.py /app/",
        "COPY *a*.py /app/",  # the copied files are not checked
        "COPY $WHERE /app/",
        "COPY --from=somewhere /x /app",
        "ADD https://example.org/code.tar /app/",
        "RUN git clone https://example.org/code /app",
        "RUN --mount=type=bind,target=/src cp -r /src /app",
        "RUN curl -s https://example.org/code.tar | tar -x",
    ],
)
def test_a_dockerfile_that_copies_code_is_unchanged(check, line):
    app, problems = check(f"{DEBIAN}{line}\n")
    assert problems == []
    assert (
        typed(own_dockerfile)(app, "r:1")
        == f"# instead of tiangolo/uwsgi-nginx-flask:python3.8\nFROM r:1-compat\n{line}\n"
    )


# --- an ignored Dockerfile ------------------------------------------------------------------------


def test_a_dockerfile_may_be_ignored(check):
    """The defaults of such an image stay: the engine, the path, Flask."""
    app, problems = check(f"{ALPINE}RUN apk add bash\nCOPY . /app\n", dockerfile="none")
    assert problems == []
    assert (app["build"]["kind"], app["engine"], app["path_mode"], app["module"]) == (
        "source",
        "uwsgi",
        "script_name",
        "main",
    )
    assert (app["build"]["requirements"]["kind"], app["build"]["requirements"]["packages"]) == (
        "list",
        ["flask"],
    )


def test_requirements_of_the_source_are_used_if_they_exist(check):
    app, _ = check(ALPINE, ["main.py"], dockerfile="none")
    assert app["build"]["requirements"]["packages"] == ["flask"]
    assert (
        check(ALPINE, ["main.py", "requirements.txt"], dockerfile="none")[0]["build"][
            "requirements"
        ]["file"]
        == "requirements.txt"
    )


def test_an_ignored_dockerfile_gives_no_note(check):
    app, problems = check("FROM node:22\n", ["main.py", "requirements.txt"], dockerfile="none")
    assert (problems, app["notes"], app["preset"]) == ([], [], "")


def test_without_a_known_image_flask_must_be_required(check):
    assert "source has no requirements.txt" in check("FROM node:22\n", dockerfile="none")[1][0]
