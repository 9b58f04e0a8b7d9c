"""What each application answers to a visitor."""

import json

import pytest
from conftest import APPS, TABLE, VISITOR, megabytes, visit_all

pytestmark = pytest.mark.parametrize("app", APPS.values(), ids=list(APPS))


@pytest.fixture(scope="module")
def visits(host):
    found = visit_all(host, seconds=10)
    for name, visit in found.items():
        TABLE.setdefault(name, {})["status"] = visit.page.status
    return found


@pytest.fixture(scope="module")
def sizes(host):
    """Add the size of each image to the table."""
    names = host.check_output(
        "docker ps --format '{{.Label \"host.flaskops.app\"}} {{.Image}}'"
    ).splitlines()
    images = dict(line.split() for line in names)
    found = {}
    for line in host.check_output(
        "docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}}' flaskops/runtime"
    ).splitlines():
        TABLE[line.strip()] = {
            "image": megabytes(
                int(host.check_output("docker image inspect --format '{{.Size}}' %s", line.strip()))
            )
        }
    for name, image in images.items():
        size = int(host.check_output("docker image inspect --format '{{.Size}}' %s", image))
        layers = json.loads(
            host.check_output("docker image inspect --format '{{json .RootFS.Layers}}' %s", image)
        )
        found[name] = (size, len(layers))
        TABLE.setdefault(name, {})["image"] = megabytes(size)
    return found


def test_it_answers(visits, app):
    assert visits[app.name].page.status == 200, visits[app.name].page.body[:500]


def test_it_runs_under_its_engine(visits, app):
    server = {"uwsgi": "uwsgi", "gunicorn": "gunicorn", "command": "waitress"}[app.engine]
    assert visits[app.name].whoami.json["server"].lower().startswith(server)


def test_it_sees_the_address_of_its_client(visits, app):
    assert visits[app.name].whoami.json["remote_addr"] == VISITOR


def test_it_sees_the_scheme_and_the_host(visits, app):
    seen = visits[app.name].whoami.json
    assert (seen["scheme"], seen["host"]) == ("http", app.host)


def test_it_knows_its_path(visits, app):
    seen = visits[app.name].whoami.json
    prefix = app.prefix if app.script_name else ""
    assert (seen["script_root"], seen["url_root"]) == (prefix, f"http://{app.host}{prefix}/")


def test_it_belongs_to_the_live_release(visits, app):
    assert visits[app.name].release.body.split() == [
        app.name,
        visits[app.name].whoami.json["release"],
    ]


def test_its_path_without_a_slash_redirects_to_the_one_with_it(visits, app):
    answer = visits[app.name].bare
    if app.prefix:
        # Relative in both cases: by Nginx, or by an application that knows its path.
        assert (answer.status, answer.headers["location"]) == (308, f"{app.prefix}/")
    else:
        assert answer.status == 200


def test_its_image_has_a_size(sizes, app):
    """The table at the end shows it."""
    assert sizes[app.name][0] > 0
