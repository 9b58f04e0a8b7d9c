"""An application that does not know its path: accounts, a session, redirects, messages, SQLite on a
volume.
"""

import re
import time

import pytest
from conftest import APPS

pytestmark = pytest.mark.parametrize(
    "app",
    [APPS[name] for name in ("diary-uwsgi", "diary-gunicorn", "diary-root")],
    ids=lambda app: app.name,
)


NAME = f"ada-{time.time_ns()}"


def account(name):
    return {"name": name, "password": "correct horse"}


@pytest.fixture(scope="module")
def walks():
    return {}


@pytest.fixture
def walk(browse, walks, app):
    """The pages of one visitor, visited once for each application."""
    if app.name not in walks:
        walks[app.name] = browse(
            app,
            [
                ("/auth/register", account(NAME)),
                ("/auth/login", account(NAME)),
                ("/create", {"text": "What the machine weaves"}),
                ("/", None),
            ],
        )
    return walks[app.name]


def test_a_registration_redirects_to_the_login(walk, app):
    page = walk[1][0]
    assert (page.status, page.path) == (200, f"{app.prefix}/auth/login")


def test_a_login_redirects_to_the_first_page_with_a_message(walk, app):
    page = walk[1][1]
    assert page.path == f"{app.prefix}/"
    assert f'<p class="flash">Welcome, {NAME}.</p>' in page.page


def test_redirects_stay_under_the_path(walk, app):
    redirects = [redirect for page in walk[1] for redirect in page.redirects]
    assert len(redirects) == 3
    assert [redirect for redirect in redirects if not redirect.startswith(f"{app.prefix}/")] == []


def test_the_session_cookie_is_for_the_path_only(walk, app):
    """Otherwise a browser would send it to the other applications of the host, and they could
    overwrite it.
    """
    [(name, _, path)] = walk[0]
    assert name == "session"
    assert path in ((app.prefix, f"{app.prefix}/") if app.prefix else ("/",))


def test_the_session_lasts_to_the_next_page(walk):
    assert f'<span id="account">{NAME}</span>' in walk[1][3].page


def test_a_new_entry_is_in_the_database(walk):
    assert "<article>What the machine weaves</article>" in walk[1][3].page


def test_links_stay_under_the_path(walk, app):
    links = re.findall(r'(?:href|src|action)="([^"]*)"', walk[1][3].page)
    assert len(links) > 3
    assert [link for link in links if not link.startswith(f"{app.prefix}/")] == []


def test_the_style_sheet_is_found_at_the_address_on_the_page(walk, app, get):
    link = re.search(r'rel="stylesheet" href="([^"]*)"', walk[1][3].page)[1]
    assert get(link, host=app.host).status == 200


def test_a_page_that_needs_a_login_redirects_to_it(browse, app):
    page = browse(app, [("/create", None)])[1][0]
    assert page.path == f"{app.prefix}/auth/login"


def test_logging_out_ends_the_session(browse, walk, app):
    jar, pages = browse(app, [("/auth/logout", None)], walk[0])
    assert "Log in" in pages[0].page
    assert jar == []
