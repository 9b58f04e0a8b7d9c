"""What an image must not contain, neither in a layer nor in its history."""

import json

import pytest
from conftest import VARIABLES

# Searches the images as `docker save` writes them: their layers, one after the other, and their
# configurations.
SEARCH = """
import json, subprocess, sys
images, texts = json.loads(sys.argv[1])
needles = {name: text.encode() for name, text in texts.items()}
longest = max(map(len, needles.values()))
found, size, tail = {}, 0, b""
with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
    while block := saved.stdout.read(1 << 22):
        size += len(block)
        block = tail + block
        for name, needle in needles.items():
            if needle in block:
                found[name] = found.get(name, 0) + 1
        tail = block[-longest:]
print(json.dumps({"found": found, "size": size, "code": saved.returncode}))
"""


@pytest.fixture(scope="module")
def images(host):
    """Those of the applications, and the runtime image, on which most of them are built."""
    used = set(
        host.check_output(
            "docker ps --all --filter label=host.flaskops.app --format '{{.Image}}'"
        ).split()
    )
    runtime = host.check_output(
        "docker image ls --format '{{.Repository}}:{{.Tag}}' flaskops/runtime"
    ).split()
    return sorted(used | {image for image in runtime if not image.endswith(("-build", "-compat"))})


@pytest.fixture(scope="module")
def texts(host):
    """The texts to search for. The last one is in an image, to show that the search works."""
    # A line from the middle of a certificate is unique, also within a bundle.
    found = {
        "our authority": (
            host.file("/etc/flaskops-apps/authority.crt").content_string.splitlines()[3]
        ),
        "its name": "flaskops apps scenario authority",
        "password of the registry": VARIABLES["registry_password"],
        "password of the package index": VARIABLES["index_password"],
        "secret of an application": "the key of the first diary",
        "a file of an application": "from the package's own directory",
    }
    for file in host.run("ls /usr/local/share/ca-certificates/*.crt 2>/dev/null").stdout.split():
        found[file] = host.file(file).content_string.splitlines()[3]
    return found


@pytest.fixture(scope="module")
def search(host, images, texts):
    result = host.run("python3 -c %s %s", SEARCH, json.dumps([images, texts]))
    assert result.rc == 0, result.stderr
    return json.loads(result.stdout)


def test_the_search_reads_the_layers_of_all_images(search, images):
    assert search["code"] == 0
    assert len(images) > 30
    assert "a file of an application" in search["found"]


def test_neither_an_authority_nor_a_password_is_in_a_layer_or_a_configuration(search):
    assert set(search["found"]) == {"a file of an application"}


def test_nor_in_the_history_of_an_image(host, images, texts):
    history = host.check_output(
        f"for image in {' '.join(images)}; do docker history --no-trunc $image; done"
    )
    assert len(history.splitlines()) > len(images)
    assert [name for name, text in texts.items() if text in history] == []


def test_the_compiler_is_in_no_image_from_our_own_dockerfile(host, images):
    """The Dockerfiles of the presets are built on the compatibility image, which has a compiler,
    and others on the image that they name.
    """
    theirs = (
        "uwsgi-",
        "gunicorn-",
        "alpine",
        "mounted",
        "own-server",
        "own-socket",
        "on-first",
        "on-second",
        "on-it-too",
    )
    ours = [
        image
        for image in images
        if image.startswith("flaskops/") and not image.removeprefix("flaskops/").startswith(theirs)
    ]
    assert len(ours) > 12
    command = (
        "for image in %s; do docker run --rm --network none --entrypoint sh $image -c 'command -v"
        " gcc' && echo $image; done; true"
    )
    assert host.check_output(command % " ".join(ours)) == ""
