"""All containers are restarted at the same time; then every application is requested again."""

import pytest
from conftest import APPS, TABLE, VISITOR, visit_all


@pytest.fixture(scope="module")
def session(browse):
    """A user is logged in to the diary during the restart."""
    form = {"name": "grace", "password": "battery staple"}
    return browse(
        APPS["diary-uwsgi"],
        [
            ("/auth/register", form),
            ("/auth/login", form),
            ("/create", {"text": "Before the restart"}),
        ],
    )[0]


@pytest.fixture(scope="module")
def started(host, session):
    """The start times of all containers, before and after the restart."""
    command = (
        "docker ps --quiet --filter label=host.flaskops.app | xargs docker inspect --format"
        " '{{.Name}} {{.State.StartedAt}}'"
    )
    before = dict(line.split() for line in host.check_output(command).splitlines())
    host.check_output(
        "docker ps --quiet --filter label=host.flaskops.app | xargs --max-procs 4 --max-args 1"
        " docker restart >/dev/null && echo done"
    )
    return before, dict(line.split() for line in host.check_output(command).splitlines())


@pytest.fixture(scope="module")
def visits(host, started):
    found = visit_all(host, seconds=60)
    for name, visit in found.items():
        TABLE.setdefault(name, {})["restarted"] = visit.page.status
    return found


def test_every_container_was_restarted(started):
    before, after = started
    assert set(before) == set(after) and len(after) > len(APPS)
    assert [name for name in after if after[name] == before[name]] == []


@pytest.mark.parametrize("app", APPS.values(), ids=list(APPS))
def test_it_answers_again(visits, app):
    assert visits[app.name].page.status == 200, visits[app.name].page.body[:500]


@pytest.mark.parametrize("app", APPS.values(), ids=list(APPS))
def test_it_is_the_same_release_and_sees_the_same(visits, app):
    seen = visits[app.name].whoami.json
    assert visits[app.name].release.body.split() == [app.name, seen["release"]]
    assert seen["remote_addr"] == VISITOR


def test_a_login_survives_the_restart(visits, session, browse):
    page = browse(APPS["diary-uwsgi"], [("/", None)], session)[1][0].page
    assert '<span id="account">grace</span>' in page


def test_a_new_entry_survives_the_restart(visits, browse):
    assert (
        "<article>Before the restart</article>"
        in browse(APPS["diary-uwsgi"], [("/", None)])[1][0].page
    )
