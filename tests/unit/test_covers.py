# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which mounts may cover directories of an image, and the warnings for what they hide or lose."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import covers
from entries import normalize_apps


@pytest.fixture
def check(tmp_path):
    """Normalise one entry whose source is complete."""
    (tmp_path / "app.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "uploads").mkdir()

    def run(**keys):
        apps, problems = normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}]
        )
        return apps[0], [problem.removeprefix("flask_apps: shop: ") for problem in problems]

    return run


@pytest.mark.parametrize(
    "path", ["/app", "/app/.", "/usr", "/opt", "/etc", "/usr/local/lib", "/opt/runtime"]
)
def test_paths_that_a_container_needs_cannot_be_covered(check, path):
    (problem,) = check(writable=[path])[1]
    assert problem.startswith(f"writable must not have {path}: ")
    assert "data_files" in problem
    assert check(volumes=[f"shop-code:{path}/"])[1][0].startswith(
        f"volumes must not cover {path}/: "
    )


def test_both_keys_refuse_the_root(check):
    assert check(writable=["/"])[1]
    assert check(volumes=["x1://"])[1][0].startswith("volumes must not cover //: ")


@pytest.mark.parametrize(
    "path", ["/app/uploads", "/var/log", "/etc/shop", "/srv", "/home/app", "/usr/share/shop"]
)
def test_other_paths_may_be_covered(check, path):
    assert check(writable=[path])[1] == []
    assert check(volumes=[f"shop-data:{path}"])[1] == []


def test_a_path_may_be_listed_only_once(check):
    words = "writable and volumes have /data 2 times; keep it once: in volumes when it must last."
    assert check(writable=["/data"], volumes=["shop-data:/data/"])[1] == [words]
    assert check(volumes=["shop-a:/data", "/srv/b:/data"])[1] == [words]


@pytest.mark.parametrize("path", ["/run/secrets", "/etc/flaskops/x", "/etc/passwd"])
def test_paths_of_the_role_are_refused(check, path):
    assert check(volumes=[f"shop-data:{path}"])[1] == [
        f"{path} is the role's own in the container; choose another place."
    ]


def test_data_files_get_a_separate_volume(check):
    app, problems = check(
        data_files=["/app/app.db", "instance/shop.db"], volumes=["shop-media:/media"]
    )
    assert problems == []
    assert app["data_files"] == ["app.db", "instance/shop.db"]
    assert app["volumes"] == ["shop-media:/media", "shop-data-files:/var/lib/data-files"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"data_files": ["uploads"]},
            (
                "data_files has uploads, a directory of the source; write volumes:"
                " [shop-uploads:/app/uploads]."
            ),
        ),
        (
            {"data_files": ["a_b", "a/b"]},
            "data_files has a_b twice, or another file with the same name; keep one.",
        ),
        (
            {"data_files": ["x/a.db"], "volumes": ["d1:/app/x"]},
            "data_files has x/a.db, and /app/x is on a volume or writable already;",
        ),
        (
            {"data_files": ["a.db"], "volumes": ["d1:/var/lib/data-files"]},
            "/var/lib/data-files is where data_files are in the container;",
        ),
        ({"data_files": ["../a.db"]}, "data_files[0] must have no '..' in it; got '../a.db'."),
    ],
)
def test_invalid_data_files_are_refused(check, keys, words):
    assert check(**keys)[1][0].startswith(words)


def test_an_applications_dockerfile_must_create_the_links(check, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nCOPY . /app\n")
    (problem,) = check(dockerfile="Dockerfile", port=8000, data_files=["app.db"])[1]
    assert "RUN ln -s /data/app.db /app/app.db" in problem
    assert "volumes: [shop-data:/data]" in problem


IMAGE = {"Config": {"Volumes": {"/config": {}, "/data/": {}, "/tmp": {}}}}
CONTAINER = {"tmpfs": ["/tmp:rw", "/app/cache:rw", "/app/empty:rw"], "volumes": ["shop-data:/data"]}


def test_hidden_and_lost_files_are_reported():
    files = {"/app/cache": "/app/cache/index.json"}
    hidden, lost = covers.warnings("shop", IMAGE, CONTAINER, lambda path: files.get(path, ""))
    assert hidden.startswith(
        "writable has /app/cache, which hides files of the image, such as /app/cache/index.json."
    )
    assert "volumes: [shop-cache:/app/cache]" in hidden
    assert (
        lost
        == "its image keeps data in /config (VOLUME), which is removed with each release: write"
        " volumes: [shop-config:/config], or writable: [/config] for data that may be lost."
    )


def test_an_image_that_loses_nothing_gives_no_warning():
    assert (
        covers.warnings(
            "shop", {"Config": {}}, {"tmpfs": ["/tmp:rw"], "volumes": []}, lambda _path: "x"
        )
        == []
    )
