# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One Python per application: the base of its runtime image."""

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.filter.flask_apps import runtimes
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Build
from ansible_collections.flaskops.host.plugins.module_utils.releases.our_images import (
    image_builds,
    needed_images,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.restore import (
    restored_releases,
)
from entries import normalize_apps

RECIPE = str(Path(__file__).parents[2] / "roles/flask_apps/files/runtime")
ID = "0123456789ab"
HOST = "python:3.13-slim-trixie"
FILES = {"app.py": "app = 1\n", "requirements.txt": "flask\n"}


@pytest.fixture
def check(tmp_path):
    """Normalise one entry; the keys host, bootstrapped and defaults are the host's."""

    def run(files=None, host=HOST, bootstrapped="", defaults=None, **keys):
        for name, text in {**FILES, **(files or {})}.items():
            (tmp_path / name).write_text(text)
        entry = {
            "name": "shop",
            "path": "/shop",
            **({} if "image" in keys else {"source": str(tmp_path)}),
            **keys,
        }
        (app,), problems = normalize_apps(
            [entry], defaults=defaults, base_image=host, bootstrapped=bootstrapped
        )
        return app, [problem.removeprefix("flask_apps: shop: ") for problem in problems]

    return run


@pytest.mark.parametrize(
    ("keys", "base"),
    [
        ({}, ""),
        ({"python": "3.13"}, ""),
        ({"python": "3.12"}, "python:3.12-slim-trixie"),
        ({"python": "3.12", "host": "python:3.13"}, "python:3.12"),
        ({"python": "3.12", "host": "python:3.13.1-slim"}, "python:3.12-slim"),
        ({"python": "3.13", "host": "python:3.13.1-slim"}, ""),
        (
            {"python": "3.10", "host": "mirror.example:5000/hub/python:3.13-bookworm"},
            "mirror.example:5000/hub/python:3.10-bookworm",
        ),
        ({"base_image": "registry.example.org/ours:1"}, "registry.example.org/ours:1"),
        ({"base_image": HOST}, ""),
        ({"base_image": "python:3.12", "defaults": {"python": "3.11"}}, "python:3.12"),
        ({"python": "3.12", "defaults": {"base_image": "python:3.11"}}, "python:3.12-slim-trixie"),
        ({"defaults": {"python": "3.11"}}, "python:3.11-slim-trixie"),
        ({"python": "3.13", "bootstrapped": "3.13"}, ""),
        ({"image": "a/b", "port": 80, "defaults": {"python": "3.11"}}, ""),
    ],
)
def test_the_base_of_an_application(check, keys, base):
    app, problems = check(**keys)
    assert (problems, app["build"]["base"]) == ([], base)


@pytest.mark.parametrize("base", ["${FLASKOPS_RUNTIME}", "tiangolo/uwsgi-nginx-flask:python3.8"])
def test_a_dockerfile_based_on_the_runtime_image_gets_the_base_of_its_application(check, base):
    app, problems = check(
        {"Dockerfile": f"ARG FLASKOPS_RUNTIME\nFROM {base}\nCOPY . /app\n"},
        dockerfile="Dockerfile",
        python="3.12",
    )
    assert (problems, app["build"]["base"]) == ([], "python:3.12-slim-trixie")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"python": 3.12},
            "python must be in quotes, as YAML may lose digits of a fraction: '3.12'; got 3.12.",
        ),
        (
            {"python": 3.1},
            (
                'of a fraction, and be a version of Python from 3.10 on, in quotes, such as "3.12";'
                " got 3.1."
            ),
        ),
        ({"python": "3.9"}, "must be a version of Python from 3.10 on"),
        ({"python": "3.12", "base_image": "a:1"}, "base_image and python are written; keep one."),
        (
            {"base_image": "python:3.12-alpine"},
            "must be a Debian or Ubuntu with Python and APT, such as python:3.12-slim-trixie; got",
        ),
        (
            {"python": "3.12", "host": "ours:1"},
            "write base_image, such as python:3.12-slim-trixie.",
        ),
        (
            {"python": "3.12", "host": f"{HOST}@sha256:{'0' * 64}"},
            "write base_image, such as python:3.12-slim-trixie.",
        ),
        (
            {"python": "3.12", "bootstrapped": "3.13"},
            "python must be 3.13, for flask_apps_base_source: bootstrap makes the base from",
        ),
        (
            {"base_image": "a:1", "bootstrapped": "3.13"},
            "leave it out, or set flask_apps_base_source: registry.",
        ),
        (
            {"image": "a/b", "port": 80, "python": "3.12"},
            "the image has its own, and leave python out.",
        ),
        (
            {"files": {"D": "FROM a\nCMD b"}, "dockerfile": "D", "port": 80, "base_image": "a:1"},
            "write it into the FROM of its Dockerfile",
        ),
    ],
)
def test_invalid_bases_are_refused_before_a_build(check, keys, words):
    problems = check(**keys)[1]
    assert len(problems) == 1
    assert words in problems[0]


def test_a_base_of_the_host_without_apt_is_refused():
    problems = normalize_apps([], base_image="python:3.13-alpine")[1]
    assert problems == [
        "flask_apps_base_image must be a Debian or Ubuntu with Python and APT, such as "
        "python:3.12-slim-trixie; got 'python:3.13-alpine'."
    ]


def test_without_a_base_an_application_uses_the_runtime_of_the_host():
    """The digest covers recipe, base and flask_apps_base_refresh; its form never changes."""
    alone, beside = (
        runtimes([""], RECIPE, HOST),
        runtimes(["a:1"], RECIPE, HOST),
    )
    assert alone[""] == beside[""] != beside["a:1"]
    assert beside["a:1"] == runtimes([], RECIPE, "a:1")[""]


def releases(*bases_of_apps):
    known = runtimes(bases_of_apps, RECIPE, HOST)
    texts = [f"FROM {known[base]}-build AS r\nFROM {known[base]}\n" for base in bases_of_apps]
    made = [
        Release(
            "shop", ID, "default", "/", build=Build(base=base), runtime=known[base], dockerfile=text
        )
        for base, text in zip(bases_of_apps, texts, strict=True)
    ]
    return known, made


def test_each_base_has_one_runtime():
    assert list(runtimes(("b", "", "b", "a"), RECIPE, HOST)) == ["", "a", "b"]
    known, made = releases("", "python:3.12", "python:3.12")
    images = needed_images(made)
    assert images == [
        f"{known['']}-build",
        known[""],
        f"{known['python:3.12']}-build",
        known["python:3.12"],
    ]
    assert image_builds(made) == [
        {"image": images[0], "base": "", "target": "build", "first": True},
        {"image": images[1], "base": "", "target": "", "first": False},
        {"image": images[2], "base": "python:3.12", "target": "build", "first": True},
        {"image": images[3], "base": "python:3.12", "target": "", "first": False},
    ]
    # Another application may be the first one that needs a missing runtime.
    assert image_builds(made, images[1:2]) == [
        {"image": images[1], "base": "", "target": "", "first": True}
    ]


def test_a_rollback_builds_on_the_recorded_base_of_the_release():
    known, made = releases("", "python:3.12")
    kept = [
        replace(
            release,
            dockerfile=release.dockerfile.replace(release.runtime, "flaskops/runtime:0123456789ab"),
            runtime="",
        )
        for release in made
    ]
    restored = restored_releases(kept, known, [])
    assert [(release.runtime, release.dockerfile) for release in restored] == [
        (each.runtime, each.dockerfile) for each in made
    ]
