# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An odd source is either refused with the name of the odd file, or accepted; it does not hang,
exhaust or crash the controller.
"""

import io
import os
import random
import re
import socket
import tarfile
import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import source as _source
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.ignore import Patterns
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources.source import (
    SourceError,
    read_inside,
    source_digest,
    source_files,
    write_context,
)
from ansible_collections.flaskops.host.plugins.module_utils.images import dockerfile
from docker.utils.build import exclude_paths
from entries import find, normalize_apps

QUICK = 10  # seconds; without the guards the run takes minutes, or does not end


@pytest.fixture
def source(tmp_path):
    place = tmp_path / "shop"
    place.mkdir()
    (place / "app.py").write_text("app = 1\n")
    (place / "requirements.txt").write_text("flask\n")
    (tmp_path / "outside").write_text("secret\n")
    return place


@pytest.fixture(autouse=True)
def quick():
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < QUICK


def problems(place, **keys):
    return normalize_apps(
        [{"name": "shop", "source": str(place), "path": "/shop", **keys}],
        source_root=str(place.parent),
    )[1]


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../outside",
        "deep/../../outside",
        "..",
        "/",
        "up/outside",
        "chain",
        "deep/../up/../outside",
        "../shop/app.py",
        "gone/../../x",
    ],
)
def test_a_link_out_of_the_source_is_refused_by_name(source, target):
    (source / "deep").mkdir()
    if target.startswith("up") or "/up" in target:
        (source / "up").symlink_to("..")
    if target == "chain":
        (source / "chain").symlink_to("../outside")
    (source / "odd link").symlink_to(target)
    (problem,) = problems(source)
    assert re.search(r"'(odd link|up|chain)' is a link that leads out of the source", problem)
    with pytest.raises(SourceError):
        source_digest(str(source))


@pytest.mark.parametrize(
    "target", ["app.py", "deep/../app.py", "./deep", "missing", "deep/inner", "odd", "two"]
)
def test_a_link_that_stays_inside_stays_a_link(source, target):
    (source / "deep").mkdir()
    (source / "deep/inner").symlink_to("../app.py")
    (source / "two").symlink_to("odd")
    (source / "odd").symlink_to(target)
    assert problems(source) == []
    target_file = io.BytesIO()
    write_context(target_file, str(source), {})
    with tarfile.open(fileobj=io.BytesIO(target_file.getvalue())) as opened:
        assert opened.getmember("app/odd").linkname == target


def test_a_link_that_is_ignored_may_lead_anywhere(source):
    (source / "venv").mkdir()
    (source / "venv/python").symlink_to("/usr/bin/python3")
    (source / ".dockerignore").write_text("venv\n")
    assert problems(source) == []


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "Dockerfile", ".dockerignore", "app.py", "uv.lock", "pyproject.toml"],
)
def test_the_controller_follows_no_link_out_of_the_source(source, name):
    (source / name).unlink(missing_ok=True)
    (source / name).symlink_to("../outside")
    assert any(f"'{name}'" in problem for problem in problems(source))
    assert not any("secret" in problem for problem in problems(source))


# --- special files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "Dockerfile", ".dockerignore", "app.py", "pipe", "wsgi.py", "uwsgi.ini"],
)
@pytest.mark.parametrize("kind", ["pipe", "socket", "directory"])
def test_the_controller_does_not_wait_for_a_pipe(source, name, kind):
    (source / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(source / name)
    elif kind == "directory":
        (source / name).mkdir()
    else:
        here = os.getcwd()
        os.chdir(source)
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(name)
        finally:
            os.chdir(here)
    assert len(problems(source)) == (name in ("requirements.txt", "app.py"))
    assert problems(source, dockerfile=name) != []
    assert name not in list(source_files(str(source)))


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"proxy": {"fragment": "odd"}}, "proxy.fragment"),
        ({"maintenance": {"page": "odd"}}, "maintenance.page"),
        ({"source": "", "image": "shop:1", "image_archive": "odd"}, "image_archive"),
        (
            {"source": "", "git": {"repo": "https://git.example.org/x", "key_file": "odd"}},
            "git.key_file",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "missing", "huge"])
def test_files_beside_the_source_must_be_regular_and_not_too_large(source, keys, name, kind):
    odd = source.parent / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "device":
        odd.symlink_to("/dev/zero")
    elif kind == "loop":
        odd.symlink_to("odd")
    elif kind == "huge":
        with odd.open("wb") as file:
            file.truncate(2**40)
    found = problems(source, **keys)
    assert [problem for problem in found if f"{name} is " in problem and str(odd) in problem], found


# --- limits ---------------------------------------------------------------------------------------


def test_a_huge_file_is_not_read(source):
    with (source / "model.bin").open("wb") as file:
        file.truncate(2**40)
    assert "model.bin" in problems(source)[0]


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "Dockerfile", ".dockerignore", "app.py", "uv.lock", "pyproject.toml"],
)
def test_a_large_file_that_is_read_whole_is_refused(source, name):
    (source / "pyproject.toml").write_text("[project]\ndependencies = ['flask']\n")
    if name in ("uv.lock", "pyproject.toml"):
        (source / "requirements.txt").unlink()
    with (source / name).open("ab") as file:
        file.truncate(2**31)
    keys = {"dockerfile": name} if name == "Dockerfile" else {}
    found = problems(source, **keys)
    assert found == [] if name == "app.py" else any(name in problem for problem in found), found


def test_too_many_files_are_refused(source, monkeypatch):
    monkeypatch.setattr(_source, "ENTRIES", 100)
    for number in range(101):
        (source / f"{number}.txt").touch()
    assert "more than 100 files and directories" in problems(source)[0]


def test_a_tree_that_is_too_deep_is_refused(source):
    here = os.open(source, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        assert "is too deep" in problems(source)[0]
    finally:
        assert os.system(f"rm -rf '{source}/d'") == 0


@pytest.mark.parametrize("name", [b"odd\xff.txt", b"\x80/inner.txt"])
def test_a_name_that_is_not_utf_8_is_refused(source, name):
    path = os.path.join(os.fsencode(source), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    (problem,) = problems(source)
    problem.encode()
    assert "is not a name in UTF-8" in problem and "\\udc" in problem


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "a" * 255, "Icon\r", " ", "-rf", "größe"])
def test_odd_but_valid_names_are_accepted(source, name):
    (source / name).write_text("x")
    assert problems(source) == []
    target = io.BytesIO()
    write_context(target, str(source), {})
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as opened:
        assert f"app/{name}" in opened.getnames()


def test_a_file_that_changes_during_the_read_is_reported(source, monkeypatch):
    through = _source._Counted.through

    def change(self):
        result = through(self)
        (source / "requirements.txt").write_text(f"{time.monotonic():20.9f}")
        return result

    monkeypatch.setattr(_source._Counted, "through", change)
    with pytest.raises(SourceError, match=r"'requirements\.txt' changed while it was read"):
        write_context(io.BytesIO(), str(source), {})


def test_a_file_that_disappears_during_the_read_is_reported(source, monkeypatch):
    monkeypatch.setattr(_source, "source_files", lambda place: iter(["app.py", "gone.py"]))
    with pytest.raises(SourceError, match=r"'gone\.py' cannot be read"):
        source_digest(str(source))


def test_the_controller_does_not_wait_for_a_file_that_became_a_pipe(source):
    os.mkfifo(source / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        read_inside(source, "pipe")


# --- contents of files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "app = " + "(" * 50_000 + ")" * 50_000,
        "app = " + "-" * 500_000 + "1",
        "app = " + "+".join(["1"] * 200_000),
        "app = a" + ".b" * 300_000,
        "if 1:\n pass\n" + "elif 1:\n pass\n" * 60_000,
        "app = 1\0",
    ],
)
def test_a_huge_expression_does_not_crash_the_controller(source, text):
    (source / "app.py").write_text(text)
    assert problems(source) == []  # the container checks with its Python


@pytest.mark.parametrize(
    "text",
    [
        "[project]\ndependencies = " + "[" * 100_000,
        "[project]\ndependencies = 3\n",
        "[project]\ndependencies = 'flask'\n",
        "[project]\ndynamic = 3\n",
        "project = 3\n",
    ],
)
def test_an_odd_project_is_answered(source, text):
    (source / "requirements.txt").unlink()
    (source / "pyproject.toml").write_text(text)
    assert "pyproject.toml" in problems(source)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM a\nENV A=aaaaaaaaaa\n" + "ENV A=$A$A$A$A$A$A$A$A\n" * 40, "characters"),
        ("ARG A=aaaaaaaaaa\n" + "ARG A=$A$A$A$A$A$A$A$A\n" * 40 + "FROM $A\n", "characters"),
        ("FROM a AS a\n" * 9000, "one instruction too many"),
        ("\n" * 120_000 + "FROM", ""),
        ("FROM a\nCOPY " + "[" * 100_000, ""),
        ("FROM tiangolo/uwsgi-nginx-flask\n" + "COPY *a*a*a*a*a*a*a*a*b /\n" * 900, ""),
        ("FROM a\nENV A=" + "${A:-" * 20_000, ""),
        ("FROM a\nRUN " + "<<A " * 20_000, ""),
    ],
)
def test_a_dockerfile_that_expands_without_limit_is_answered(source, text, words):
    (source / "Dockerfile").write_text(text)
    for number in range(30):
        (source / ("a" * 200 + str(number))).touch()
    found = problems(source, dockerfile="Dockerfile")
    assert not words or any(words in problem for problem in found), found


def test_blank_lines_before_an_argument_take_no_time():
    text = "\n" * 120_000
    assert dockerfile.stages(text) == []


def test_requirements_that_expand_without_limit_are_answered(source):
    names = [f"{number}.txt" for number in range(2000)]
    for name in names:
        (source / name).write_text("".join(f"-r {other}\n" for other in names[:50]) + "a/b\n" * 500)
    found, wrong = find(source, [*names, "requirements.txt"], names[0])
    assert wrong == [] and len(found["files"]) == 50


def test_requirements_that_include_nothing_are_answered(source):
    (source / "requirements.txt").write_text("-r ''\nflask\n")
    assert problems(source) == []


# --- .dockerignore --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 300 + "b",
        "**/" * 300 + "b",
        "[a-z]*" * 150,
        "*" * 1000 + "b",
        "a**b" * 200,
        "?*" * 400 + "b",
        "**/*a" * 150,
        "!" + "*a" * 300,
        "[z-a]",
        "[",
    ],
)
def test_no_ignore_pattern_is_slow(source, pattern):
    place = source / ("a/" * 40)
    place.mkdir(parents=True)
    for number in range(50):
        (place / ("a" * 200 + str(number))).touch()
    (source / ".dockerignore").write_text(f"{pattern}\n" * 20)
    assert "app.py" in list(source_files(str(source))) or "*" in pattern


@pytest.mark.parametrize(
    ("text", "words"),
    [("a" * 2000, "in line 1"), ("a\n" * 3_000_000, "too large"), (b"\xff", "UTF-8")],
)
def test_a_dockerignore_that_is_too_large_is_refused(source, text, words):
    (source / ".dockerignore").write_bytes(text if isinstance(text, bytes) else text.encode())
    (problem,) = problems(source)
    assert "'.dockerignore'" in problem and words in problem


def test_ignore_patterns_match_like_those_of_the_docker_sdk(tmp_path):
    """Only with lower case: the SDK ignores case, Docker does not."""
    chance = random.Random(7)
    names = ["a", "b", "ab", "abc", "a.py", "x.md", "readme.md", "docs", "keep", "a-b", "[a]"]
    parts = [
        "a",
        "b",
        "*",
        "**",
        "*.py",
        "a*",
        "?b",
        "[ab]",
        "[!a]b",
        "**.py",
        "a**",
        "***",
        "a**b",
        "keep",
        "docs",
        "..",
        ".",
        "*a*",
        "[]",
        "[a-c]*",
    ]

    def fill(place, depth):
        for name in chance.sample(names, 4):
            if depth and chance.random() < 0.6:
                (place / name).mkdir()
                fill(place / name, depth - 1)
            else:
                (place / name).touch()

    fill(tmp_path, 3)
    everything = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    for _ in range(600):
        lines = [
            "/".join(chance.choice(parts) for _ in range(chance.randint(1, 4)))
            for _ in range(chance.randint(1, 3))
        ]
        patterns = Patterns([*lines, "!Dockerfile", "!.dockerignore"])
        kept = set()
        for path in everything:
            state = patterns.start
            *above, last = path.split("/")
            for part in above:
                state = patterns.enter(patterns.step(state, part))
            if not patterns.drops(patterns.step(state, last)):
                kept.add(path)
        assert kept == exclude_paths(str(tmp_path), list(lines)), lines


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [
        ("[^a]", {"b", "A", "*", "!", "^", "-", "["}),
        ("[!a]", {"b", "A", "*", "!", "^", "-", "["}),
        ("[a^]", {"a", "^"}),
        (r"\*", {"*"}),
        (r"[\!a]", {"!", "a"}),
        (r"[\--\[]", {"-", "A", "["}),
        ("A", {"A"}),
        ("a", {"a"}),
        (r"\[", {"["}),
        ("[", {"["}),
        ("a\\", set()),
        (r"[^a-z]\**", set()),
    ],
)
def test_an_ignore_pattern_means_the_same_as_in_docker(pattern, left_out):
    """Patterns match literal names, case-sensitively, with the escapes and sets of Go's
    filepath.Match.
    """
    patterns = Patterns([pattern])
    assert {
        name for name in "abA*!^-[" if patterns.drops(patterns.step(patterns.start, name))
    } == left_out


def test_a_pattern_covers_a_whole_directory_despite_an_exception(source):
    (source / "a/b/vendor/x").mkdir(parents=True)
    for name in ("a/b/vendor/x/big.bin", "a/b/vendor/keep.txt", "a/b/own.txt"):
        (source / name).touch()
    (source / ".dockerignore").write_text("**/vendor\n!a/b/vendor/keep.txt\n")
    assert [name for name in source_files(str(source)) if name.startswith("a/")] == [
        "a/b/own.txt",
        "a/b/vendor/keep.txt",
    ]
