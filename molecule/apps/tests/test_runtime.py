"""A prebuilt runtime image may come from a registry with a login, or from an archive."""

import pytest
from conftest import VARIABLES

REGISTRY, LOGIN = (
    VARIABLES["registry"],
    {"username": VARIABLES["registry_username"], "password": VARIABLES["registry_password"]},
)
DEFAULTS = {
    "drain_seconds": 2,
    "health": {"interval_seconds": 0.2},
    "resources": {"memory": "256m"},
    "registry": LOGIN,
}
PUSH = """
set -eu
export DOCKER_CONFIG=/root/pusher
echo "$2" | docker login --username "$1" --password-stdin "$3" 2>/dev/null
shift 2
registry=$1
shift
for image; do
    docker tag "$image" "$registry/$image"
    docker push --quiet "$registry/$image"
    docker image rm "$registry/$image"
done
rm -r /root/pusher
"""
PLAIN = {"name": "taken", "source": "plain", "path": "/taken", "path_mode": "script_name"}
OWN = {
    **PLAIN,
    "name": "loaded",
    "source": "own-runtime",
    "dockerfile": "Dockerfile",
    "path": "/loaded",
    "module": "web",
}


@pytest.fixture
def runtime(host):
    """The runtime images of the host, by their names. A test may remove them; they are restored."""

    def images():
        lines = host.check_output(
            "docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'"
            " flaskops/runtime"
        )
        return dict(line.split() for line in lines.splitlines())

    def remove():
        host.check_output(f"docker image rm {' '.join(images())}")

    before = images()
    kept = {name: name.replace("flaskops/runtime", "kept") for name in before}
    for name, other in kept.items():
        host.check_output(f"docker tag {name} {other}")
    images.remove = remove
    yield images
    for name, other in kept.items():
        host.check_output(f"docker tag {other} {name} && docker image rm {other}")


@pytest.mark.long
def test_it_is_pulled_from_a_registry_that_asks_for_a_login(host, runtime, deploy, get):
    before = runtime()
    words = [LOGIN["username"], LOGIN["password"], REGISTRY, *before]
    assert host.run("sh -c %s sh " + " ".join(["%s"] * len(words)), PUSH, *words).rc == 0
    runtime.remove()
    run = deploy(
        PLAIN, flask_apps_defaults=DEFAULTS, flask_apps_runtime_image=f"{REGISTRY}/flaskops/runtime"
    )
    assert run.code == 0, run.output
    assert "image | Build or pull the runtime image" in run.output
    assert host.run("ls -d /var/lib/flaskops/build/runtime*").rc
    # Without the compatibility image, which this application does not need.
    assert set(runtime().items()) < set(before.items())
    assert host.check_output(f"docker image ls --quiet {REGISTRY}/flaskops/runtime") == ""
    assert get("/taken/").status == 200


def test_it_is_loaded_from_an_archive(host, runtime, deploy, get, tmp_path):
    before = runtime()
    (last,) = [name for name in before if not name.endswith(("-build", "-compat"))]
    host.check_output(f"docker save --output /root/runtime.tar {last}")
    host.ansible(
        "fetch", f"src=/root/runtime.tar dest={tmp_path}/ flat=yes", check=False, become=False
    )
    host.check_output("rm /root/runtime.tar")
    host.check_output(f"docker image rm {last}")
    run = deploy(
        OWN, flask_apps_defaults=DEFAULTS, flask_apps_runtime_image=str(tmp_path / "runtime.tar")
    )
    assert run.code == 0, run.output
    assert runtime() == before
    assert host.run("ls -d /var/lib/flaskops/build/runtime*").rc
    assert get("/loaded/").status == 200


def test_one_with_another_recipe_is_refused_and_nothing_is_changed(runtime, deploy, get):
    runtime.remove()
    run = deploy(
        OWN | {"env": {"NEW": "1"}},
        flask_apps_defaults=DEFAULTS,
        flask_apps_runtime_image=f"{REGISTRY}/nobodys/runtime",
    )
    assert run.code != 0
    assert "docs/sources.md" in run.text
    assert "what served before still serves" in run.text
    assert get("/loaded/").status == 200
