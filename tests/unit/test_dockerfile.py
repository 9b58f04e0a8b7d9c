# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Dockerfile contains, and what the build adds to it."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.images import dockerfile


def chain(text, arguments=None):
    return dockerfile.last_chain(dockerfile.stages(text, arguments))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a\nRUN b\n", [("FROM", "a", 0, 0), ("RUN", "b", 1, 1)]),
        ("from a\nrun  b c", [("FROM", "a", 0, 0), ("RUN", "b c", 1, 1)]),
        (
            "# x\n\nFROM a\nRUN b \\\n  c \\\n# no\n\n  d\nCMD e",
            [("FROM", "a", 2, 2), ("RUN", "b c d", 3, 7), ("CMD", "e", 8, 8)],
        ),
        ("# escape=`\nFROM a\nRUN b `\n c", [("FROM", "a", 1, 1), ("RUN", "b c", 2, 3)]),
        (
            "FROM a\nRUN <<EOF\nFROM b\nEOF\nCMD c",
            [("FROM", "a", 0, 0), ("RUN", "<<EOF", 1, 3), ("CMD", "c", 4, 4)],
        ),
        ("FROM a\nRUN b\n\\\n\n", [("FROM", "a", 0, 0), ("RUN", "b", 1, 1), ("", "", 2, 3)]),
        ("FROM\ta\nRUN\tb", [("FROM", "a", 0, 0), ("RUN", "b", 1, 1)]),
        (
            'FROM a\nRUN cat <<< "x"\nCMD c',
            [("FROM", "a", 0, 0), ("RUN", 'cat <<< "x"', 1, 1), ("CMD", "c", 2, 2)],
        ),
        (
            "FROM a\nRUN echo $((1<<X))\nCMD c",
            [("FROM", "a", 0, 0), ("RUN", "echo $((1<<X))", 1, 1), ("CMD", "c", 2, 2)],
        ),
        (
            "FROM a\nCOPY <<-'E' /x\n\tb\n\tE\nCMD c",
            [("FROM", "a", 0, 0), ("COPY", "<<-'E' /x", 1, 3), ("CMD", "c", 4, 4)],
        ),
        ("", []),
    ],
)
def test_instructions_are_read_with_their_lines(text, found):
    assert [
        (each.word, each.text, each.first, each.last) for each in dockerfile.instructions(text)
    ] == found


@pytest.mark.parametrize(
    ("text", "bases"),
    [
        ("FROM python:3.13", ["python:3.13"]),
        ("ARG TAG=3.13\nFROM python:${TAG}-slim", ["python:3.13-slim"]),
        ("ARG TAG\nFROM python:${TAG:-3.12}", ["python:3.12"]),
        ("FROM --platform=linux/amd64 node:22 AS web\nRUN x\nFROM python:3", ["python:3"]),
        ("FROM python:3 AS base\nFROM Base\nENV A=1", ["python:3", "Base"]),
        ("RUN x", []),
    ],
)
def test_the_bases_of_an_image_are_found(text, bases):
    assert [stage.base for stage in chain(text)] == bases


def test_a_given_build_argument_takes_precedence_over_its_default():
    assert chain("ARG IMAGE=a\nFROM ${IMAGE}", {"IMAGE": "b"})[0].base == "b"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("FROM a\nENV STATIC_INDEX 1", {"STATIC_INDEX": "1"}),
        ("FROM a\nENV A=1 B='x y' C=\"z\"", {"A": "1", "B": "x y", "C": "z"}),
        (
            "FROM a\nARG X=5\nENV A=$X B=${X:+six}\nENV C=${A}${Y:-no}",
            {"A": "5", "B": "six", "C": "5no"},
        ),
        ("FROM a AS b\nENV A=1 B=1\nFROM b\nENV B=2", {"A": "1", "B": "2"}),
        ("FROM a AS other\nENV A=1\nFROM b", {}),
        ("FROM a\nENV A=\\$X", {"A": "$X"}),
    ],
)
def test_the_environment_of_the_image(text, values):
    assert dockerfile.environment(chain(text)) == values


FILES = ["Dockerfile", "app/main.py", "app/nginx.conf", "custom.conf", "conf/one.conf"]


@pytest.mark.parametrize(
    ("lines", "paths"),
    [
        ("COPY ./app /app", {"/app/main.py": "app/main.py", "/app/nginx.conf": "app/nginx.conf"}),
        ("COPY custom.conf /etc/nginx/conf.d/", {"/etc/nginx/conf.d/custom.conf": "custom.conf"}),
        (
            "COPY custom.conf /etc/nginx/conf.d/mine.conf",
            {"/etc/nginx/conf.d/mine.conf": "custom.conf"},
        ),
        ("COPY conf/*.conf /etc/nginx/conf.d", {"/etc/nginx/conf.d/one.conf": "conf/one.conf"}),
        ('ADD ["custom.conf", "/x/"]', {"/x/custom.conf": "custom.conf"}),
        ("WORKDIR /application\nCOPY conf .", {"/application/one.conf": "conf/one.conf"}),
        ("ENV HOME=/srv\nCOPY conf $HOME", {"/srv/one.conf": "conf/one.conf"}),
        ("COPY --from=web /app /app", {}),
    ],
)
def test_paths_of_copied_files_in_the_image_are_found(lines, paths):
    found = chain(f"FROM a\n{lines}")
    assert dockerfile.copied(found, FILES, dockerfile.environment(found)) == paths


def test_a_dot_copies_the_whole_source():
    assert set(dockerfile.copied(chain("FROM a\nCOPY . /app"), FILES)) == {
        f"/app/{file}" for file in FILES
    }


def test_expose_names_the_ports():
    assert dockerfile.exposed(chain("FROM a\nENV P=81\nEXPOSE 80/tcp $P 53/udp"), {"P": "81"}) == [
        80,
        81,
    ]


def test_a_known_base_is_replaced():
    text = (
        "ARG TAG=1\nFROM node AS web\nFROM --platform=x \\\n  old:${TAG} AS base\nRUN x\nFROM"
        " base\n"
    )
    wanted = "ARG TAG=1\nFROM node AS web\n# instead of old:1\nFROM new AS base\nRUN x\nFROM base\n"
    assert (
        dockerfile.replace_bases(text, lambda image: "new" if image.startswith("old") else "")
        == wanted
    )


def test_every_run_gets_the_mounts_and_arguments():
    text = "FROM a\nRUN b \\\n c\nFROM d AS e\nrun --network=none <<E\nRUN f\nE\n"
    mount = "--mount=type=secret,id=s"
    wanted = (
        f"FROM a\nARG P=/x\nRUN {mount} b \\\n c\nFROM d AS e\nARG P=/x\nrun {mount} --network=none"
        " <<E\nRUN f\nE\n"
    )
    assert dockerfile.mount(text, ["type=secret,id=s"], {"P": "/x"}) == wanted


def test_a_stage_without_a_run_stays_as_it_is():
    text = "FROM a AS b\nRUN c\nFROM d\nCOPY --from=b /x /x\n"
    assert (
        dockerfile.mount(text, ["m"], {"P": "/x"})
        == "FROM a AS b\nARG P=/x\nRUN --mount=m c\nFROM d\nCOPY --from=b /x /x\n"
    )


def test_without_mounts_the_dockerfile_is_unchanged():
    assert dockerfile.mount("FROM a\nRUN b\n", [], {}) == "FROM a\nRUN b\n"
