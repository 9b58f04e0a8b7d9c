# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of a build, and how a prebuilt image gets the name of a release."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import traceback

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import files as _files
from ansible_collections.flaskops.host.plugins.module_utils.images import pull as _pull
from ansible_collections.flaskops.host.plugins.module_utils.images import unpack as _unpack
from ansible_collections.flaskops.host.plugins.module_utils.releases import record
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Build
from ansible_collections.flaskops.host.plugins.module_utils.releases.our_images import needed_images
from ansible_collections.flaskops.host.plugins.module_utils.releases.ready_image import ReadyImage
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Login, Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.restore import registry_login
from ansible_collections.flaskops.host.plugins.modules import runtime_image
from entries import arguments

# --- the build context ----------------------------------------------------------------------------


@pytest.fixture
def unpack(tmp_path):
    """Unpack an archive with these files; return the directory and the options of the build."""

    def run(files, **more):
        with tarfile.open(tmp_path / "context.tar", "w") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        params = {
            "path": str(tmp_path / "build/x"),
            "archive": str(tmp_path / "context.tar"),
            "dockerfile": "",
            "ca_bundle": "",
            "index_url": "",
        }
        return tmp_path / "build/x", _unpack.unpack({**params, **more})

    return run


@pytest.fixture(autouse=True)
def no_owners(monkeypatch):
    monkeypatch.setattr(_files.os, "chown", lambda *_: None)


def test_a_build_without_certificates_keeps_its_dockerfile(unpack):
    path, secrets = unpack({"Dockerfile": "FROM a\nRUN b\n", "app/x": ""})
    assert (secrets, (path / "Dockerfile").read_text()) == ([], "FROM a\nRUN b\n")
    assert sorted(file.name for file in (path / "context").iterdir()) == ["Dockerfile", "app"]


def test_certificates_reach_a_build_as_secrets_outside_the_context(unpack, tmp_path):
    (tmp_path / "ca.pem").write_text("the authority")
    path, secrets = unpack(
        {"x": ""},
        dockerfile="FROM a\nRUN b\n",
        ca_bundle=str(tmp_path / "ca.pem"),
        index_url="https://u:hunter2@x/simple",
    )
    text = (path / "Dockerfile").read_text()
    assert "ARG PIP_CONFIG_FILE=/run/trust/pip.conf\n" in text
    assert (
        "RUN --mount=type=secret,id=flaskops-ca-bundle.crt,target=/run/trust/ca-bundle.crt,"
        "mode=0444 "
    ) in text
    assert text.endswith(" b\n")
    assert not any(word in text for word in ("authority", "hunter2"))
    assert (
        (path / "trust/pip.conf").read_text()
        == "[global]\ncert = /run/trust/ca-bundle.crt\nindex-url = https://u:hunter2@x/simple\n"
        "retries = 8\ntimeout = 60\n"
    )
    assert f"--secret=id=flaskops-pip.conf,src={path}/trust/pip.conf" in secrets
    assert [file.name for file in (path / "context").iterdir()] == ["x"]


def test_a_missing_or_oversized_bundle_is_refused(unpack, tmp_path):
    with pytest.raises(_files.HostError, match="which is not on this host"):
        unpack({"Dockerfile": ""}, ca_bundle="/none")
    (tmp_path / "ca.pem").write_text("x" * 600_000)
    with pytest.raises(_files.HostError, match="larger than the 500 kB"):
        unpack({"Dockerfile": ""}, ca_bundle=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ({"kind": "pip", "file": "r/a b.txt"}, "-r 'r/a b.txt'"),
        ({"kind": "uv", "file": "uv.lock"}, "-r /run/requirements.txt"),
        (
            {"kind": "list", "packages": ["flask>=3", "x; python_version < '4'"]},
            "'flask>=3' 'x; python_version < '\"'\"'4'\"'\"''",
        ),
    ],
)
def test_pip_gets_the_options_of_the_requirements(requirements, words):
    assert arguments(requirements) == words


def test_a_run_needs_only_the_runtime_images_of_its_applications():
    texts = (
        "FROM r:1-build AS x\nRUN y\nFROM r:1\n",
        "FROM r:1-compat\n",
        "ARG FLASKOPS_RUNTIME=r:1\nFROM ${FLASKOPS_RUNTIME}\n",
        "",
    )
    source, compat, own, image = (
        Release("shop", "0123456789ab", "default", "/", dockerfile=text, runtime="r:1")
        for text in texts
    )
    assert needed_images([source, compat, image]) == ["r:1-build", "r:1", "r:1-compat"]
    assert (needed_images([own]), needed_images([image])) == (["r:1"], [])


@pytest.mark.parametrize(
    ("apps", "defaults", "login"),
    [
        ([{"name": "a", "registry": {"username": "u", "password": "p"}}], None, ("u", "p")),
        (
            [{"name": "a", "registry": {"password": "p"}}],
            {"registry": {"username": "u"}},
            ("u", "p"),
        ),
        ([{"name": "b", "registry": {"username": "u", "password": "p"}}], None, ("", "")),
        ("x", [], ("", "")),
    ],
)
def test_the_login_comes_from_the_inputs(apps, defaults, login):
    assert registry_login(apps, "a", defaults) == Login(*login)


# --- a prebuilt image -----------------------------------------------------------------------------

DIGEST = "registry.example.org/shop@sha256:" + "1" * 64
FOUND = {"Id": "sha256:new", "RepoTags": ["registry.example.org/shop:1"], "RepoDigests": [DIGEST]}


class FakeDocker:
    """An engine with the given images that records its calls."""

    command = "docker"

    def __init__(self, images):
        self.images, self.calls = images, []

    def inspect(self, name, kind="container"):
        return self.images.get(name, {})

    def run(self, *words, **_more):
        self.calls.append(words)
        return ""


@pytest.fixture
def image(tmp_path, monkeypatch):
    """Pull an image; return the calls that could contain a login."""
    (tmp_path / "apps/shop").mkdir(parents=True)
    monkeypatch.setattr(_files.os, "fchown", lambda *_: None)

    def run(docker, code=0, error="", image="registry.example.org/shop:1", **more):
        calls = []

        def call(command, **options):
            calls.append((command, options.get("input")))
            return subprocess.CompletedProcess(command, code, "", error)

        monkeypatch.setattr(_pull.subprocess, "run", call)
        given = {"name": "shop", "id": "2" * 12, "site": "default", "path": "/", **more}
        release = Release(**given, root=str(tmp_path), build=Build(kind="image", image=image))
        ready = ReadyImage(release, record.Record(str(tmp_path), "shop"), docker)
        ready.fetch()
        return calls

    return run


def test_a_pulled_image_is_renamed_to_the_name_of_the_release(image, tmp_path):
    docker = FakeDocker({"registry.example.org/shop:1": FOUND})
    calls = image(docker)
    assert calls == [(["docker", "pull", "registry.example.org/shop:1"], "")]
    assert docker.calls[1:] == [
        ("tag", "sha256:new", "flaskops/shop:222222222222"),
        ("rmi", FOUND["RepoTags"][0]),
        ("rmi", DIGEST),
    ]
    assert record.Record(str(tmp_path), "shop").releases["2" * 12].pulled == DIGEST


def test_the_digest_of_a_docker_hub_tag_is_recorded_however_the_tag_is_written(
    image, tmp_path, monkeypatch
):
    found = {
        "Id": "sha256:new",
        "RepoTags": ["acme/shop:1"],
        "RepoDigests": [f"acme/shop@sha256:{'1' * 64}"],
    }
    for number, reference in enumerate(
        ("docker.io/acme/shop:1", "index.docker.io/acme/shop:1", "acme/shop:1")
    ):
        image(FakeDocker({reference: found}), image=reference, id=f"{number}" * 12)
        assert (
            record.Record(str(tmp_path), "shop").releases[f"{number}" * 12].pulled
            == found["RepoDigests"][0]
        )


def test_a_release_that_is_re_pulled_stays_the_same(image):
    image(FakeDocker({"registry.example.org/shop:1": FOUND}))
    calls = image(FakeDocker({DIGEST: FOUND}))
    assert calls == [(["docker", "pull", DIGEST], "")]


def test_a_login_is_in_a_separate_directory_and_on_no_command_line(image):
    calls = image(FakeDocker({"registry.example.org/shop:1": FOUND}), login=Login("me", "hunter2"))
    (login, text), (pull, _) = calls
    assert (login[1], login[3:]) == (
        "--config",
        ["login", "--username", "me", "--password-stdin", "registry.example.org"],
    )
    assert (text, pull[1:3]) == ("hunter2", login[1:3])
    assert not any("hunter2" in word for word in login + pull)


@pytest.mark.parametrize(
    ("error", "more", "words"),
    [
        (
            "Error: pull access denied",
            {},
            "it may be private, so write registry: username and password",
        ),
        (
            "unauthorized: authentication required",
            {"login": Login("me", "x")},
            "does not accept the login in registry, username 'me'",
        ),
        ("no such host", {}, "could not be pulled: no such host"),
    ],
)
def test_a_failed_pull_reports_its_reason(image, error, more, words):
    with pytest.raises(_files.HostError, match=words):
        image(FakeDocker({}), code=1, error=error, **more)


RUNTIME = "flaskops/runtime:0123456789ab"


@pytest.fixture
def pulls(monkeypatch):
    """All images that the engine pulls exist."""
    pulled = []

    def pull(docker, reference, username="", password=""):
        pulled.append((reference, username, password))
        return {"Id": f"sha256:{reference}", "RepoTags": [reference], "RepoDigests": []}

    monkeypatch.setattr(_pull, "pull", pull)
    return pulled


def take(docker, **more):
    params = {name: option.get("default", "") for name, option in runtime_image.ARGUMENTS.items()}
    images = [
        {"image": f"{RUNTIME}{suffix}", "base": "", "target": suffix[1:], "first": bool(suffix)}
        for suffix in ("-build", "")
    ]
    return runtime_image.make({**params, "images": images, **more}, docker)


def test_the_runtime_image_is_pulled_by_the_tags_of_its_build(pulls):
    docker, place = FakeDocker({}), "registry.example.org/flaskops/runtime:0123456789ab"
    take(
        docker,
        repository="registry.example.org/flaskops/runtime",
        username="me",
        password="hunter2",
    )
    assert pulls == [(f"{place}-build", "me", "hunter2"), (place, "me", "hunter2")]
    assert [words for words in docker.calls if words[0] in ("tag", "rmi")] == [
        ("tag", f"sha256:{place}-build", f"{RUNTIME}-build"), ("rmi", f"{place}-build"),
        ("tag", f"sha256:{place}", RUNTIME), ("rmi", place),
    ]  # fmt: skip


def test_a_runtime_image_of_another_recipe_is_refused(monkeypatch):
    def pull(*_arguments):
        raise _files.HostError("image … could not be pulled: manifest unknown")

    monkeypatch.setattr(_pull, "pull", pull)
    with pytest.raises(
        _files.HostError,
        match=r"(?s)manifest unknown.*flask_apps_defaults.registry.*docs/sources.md",
    ):
        take(FakeDocker({}), repository="registry.example.org/flaskops/runtime")


@pytest.fixture
def recipe(tmp_path):
    """Build the runtime images from a recipe; return the build commands."""
    with tarfile.open(tmp_path / "recipe.tar", "w") as archive:
        member = tarfile.TarInfo("Dockerfile")
        member.size = 7
        archive.addfile(member, io.BytesIO(b"FROM a\n"))
    (tmp_path / "build").mkdir()

    def run(docker=None, **more):
        docker = docker or FakeDocker({})
        params = {"root": str(tmp_path), "sent": str(tmp_path / "recipe.tar"), "base": "debian:13"}
        take(docker, **{**params, **more})
        assert not (tmp_path / "build/runtime").exists()
        return [words for words in docker.calls if words[0] == "build"]

    return run


def test_the_runtime_image_is_built_stage_by_stage_and_its_base_is_pulled_once(recipe):
    build_stage, last = recipe(refresh="2026-12")
    assert "--target=build" in build_stage and "--pull" in build_stage
    assert not any(word.startswith("--target") for word in last) and "--pull" not in last
    for words in (build_stage, last):
        assert {"--build-arg=BASE=debian:13", "--build-arg=REFRESH=2026-12"} < set(words)
    assert not any("--pull" in words for words in recipe())


def test_a_bootstrapped_base_is_not_pulled_from_a_registry(recipe):
    docker = FakeDocker({"debian:13": {"Id": "sha256:1"}})
    assert not any("--pull" in words for words in recipe(docker, suite="trixie", refresh="2026-12"))


def test_a_failed_build_of_the_runtime_image_removes_its_unpacked_context(recipe, tmp_path):
    class Broken(FakeDocker):
        def run(self, *words, **_more):
            raise _files.HostError("docker build: no room")

    with pytest.raises(_files.HostError, match=f"{RUNTIME}-build could not be built: .*no room"):
        recipe(Broken({}))
    assert not (tmp_path / "build/runtime").exists()


def test_a_developer_without_root_can_unpack_a_context(tmp_path, monkeypatch):
    """This is the case with bin/dev."""
    if os.geteuid():
        pytest.skip("needs root to become another user")
    monkeypatch.undo()
    with tarfile.open(tmp_path / "context.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("Dockerfile"), io.BytesIO())
    place = tempfile.mkdtemp()
    shutil.copy(tmp_path / "context.tar", place)
    os.chmod(place, 0o777)
    child = os.fork()
    if child == 0:
        try:
            os.chdir(place)
            os.setuid(12345)
            texts = {"dockerfile": "FROM a", "ca_bundle": "", "index_url": ""}
            _unpack.unpack({"path": "x", "archive": "context.tar", **texts})
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert os.stat(f"{place}/x/context").st_uid == 12345
    finally:
        shutil.rmtree(place)
