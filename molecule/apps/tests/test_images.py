"""Dockerfiles that were written for another base, and the applications' own base images: for each
base, the runtime image is built once.
"""

import os

import pytest

ALPINE = {"name": "alpine-tag", "source": "uwsgi-nginx-flask/alpine-tag", "path": "/alpine-tag"}
MOUNTED = {"name": "mounted", "source": "uwsgi-nginx-flask/mounted", "path": "/mounted"}
PLAIN = {"source": "plain", "path_mode": "script_name", "drain_seconds": 2}
# The build stage of the runtime image already has all that it needs, so it serves as another base
# image without compiling anything.
BASE = """
set -eu
images=$(docker image ls --format '{{.Repository}}:{{.Tag}}' flaskops/runtime)
build=$(echo "$images" | grep -e '-build$' | head -n 1)
for name; do
    printf 'FROM %s\\nRUN echo %s > /etc/base\\n' "$build" "$name" |
        docker build --quiet --tag "base-of/$name:1" -
done
"""

BASES = ["first", "second"] if os.environ.get("FLASKOPS_TEST_ALL") else []
# The base image of each application; "" is the host's.
ON_BASES = {"on-first": "first", "on-first-too": "first", "on-second": "second"}
ON_BASES = {name: base for name, base in ON_BASES.items() if base in BASES}


def app_on(name, base):
    return {**PLAIN, "name": name, "path": f"/{name}", "base_image": f"base-of/{base}:1"}


@pytest.fixture(scope="module")
def refused(deploy):
    return deploy(ALPINE, MOUNTED)


@pytest.fixture(scope="module")
def made(host, deploy):
    """Deploy in one run: the Alpine one without its Dockerfile, the one without code and one on the
    host's base; with the long cases, two on one base and one on another too.
    """
    if BASES:
        result = host.run(f"sh -c %s sh {' '.join(BASES)}", BASE)
        assert result.rc == 0, result.stderr
    before = runtimes(host)
    bases = [app_on(name, base) for name, base in ON_BASES.items()]
    run = deploy(
        {**ALPINE, "dockerfile": "none"},
        MOUNTED,
        {**PLAIN, "name": "on-hosts", "path": "/on-hosts"},
        *bases,
    )
    assert run.code == 0, run.output
    yield run, before
    for image in runtimes(host) - before:
        host.check_output("docker image rm %s", image)


def runtimes(host):
    return set(
        host.check_output(
            "docker image ls --format '{{.Repository}}:{{.Tag}}' flaskops/runtime"
        ).split()
    )


def base_of(host, name):
    return host.run(
        "docker exec $(docker ps --quiet --filter label=host.flaskops.app=%s) cat /etc/base", name
    ).stdout.strip()


def test_a_dockerfile_for_alpine_is_refused_before_anything_is_built(refused, get):
    assert refused.code != 0
    assert "line 2, runs apk of another distribution" in refused.text
    assert (
        "Write dockerfile: none and apt_packages: [libxml2-dev] (by the names of Debian)"
        in refused.text
    )
    assert "nothing was changed" in refused.text
    assert get("/mounted/").status == 404


def test_the_advice_of_the_message_makes_it_serve(made, get):
    assert get("/alpine-tag/").body == "not on Alpine\n"


def test_one_that_copies_no_code_gets_the_source(made, get):
    assert get("/mounted/").body == "from the source\n"
    assert "its Dockerfile copies no code, so app/ of the source is copied to /app." in made[0].text


def test_each_application_runs_on_its_own_base(host, made, get):
    for name, base in {"on-hosts": "", **ON_BASES}.items():
        assert (get(f"/{name}/").body, base_of(host, name)) == ("plain\n", base), name


@pytest.mark.long
def test_each_base_has_one_runtime_image(host, made):
    new = [image for image in runtimes(host) - made[1] if not image.endswith("-compat")]
    assert len(new) == 2 * len(BASES), "for each base the image and its build stage"


@pytest.mark.long
def test_another_application_on_a_base_builds_no_runtime_image(host, made, deploy):
    before = runtimes(host)
    base = BASES[-1]
    run = deploy(app_on("on-it-too", base))
    assert run.code == 0, run.output
    assert "image | Build or pull" not in run.output
    assert base_of(host, "on-it-too") == base
    assert runtimes(host) == before


def test_a_bootstrapped_host_only_has_the_python_of_its_distribution(deploy):
    run = deploy(
        {**PLAIN, "name": "old", "path": "/old", "python": "3.10"},
        flask_apps_base_source="bootstrap",
    )
    assert run.code != 0
    assert (
        "python must be 3.13, for flask_apps_base_source: bootstrap makes the base from the"
        " distribution" in run.text
    )
    assert "nothing was changed" in run.text
