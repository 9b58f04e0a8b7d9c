"""docker_manage: false, nginx_manage: false: our app is added, and what the owner has stays."""

import pytest

testinfra_hosts = ["ansible://owned"]


@pytest.fixture(scope="module")
def inventory(host):
    """What the owner had before the deploy, and has after it."""
    host.check_output("inventory /root/after")
    return lambda name: (
        host.file(f"/root/before/{name}").content_string,
        host.file(f"/root/after/{name}").content_string,
    )


def test_the_app_answers_through_the_owners_site(http):
    assert http("/shop/").body == "Welcome to the shop.\n"


def test_the_apps_static_file_answers(http):
    assert http("/shop/static/terms.txt").body == "Prices without guarantee.\n"


def test_the_owners_page_still_answers(http):
    assert http("/").body == "The owner's page."


def test_the_owners_container_still_answers_through_the_owners_site(http):
    assert http("/legacy/").body == "legacy\n"


@pytest.mark.parametrize("what", ["container", "nginx", "daemon", "packages", "services"])
def test_what_the_owner_had_is_unchanged(inventory, what):
    """The same container with the same start time, the same files, the same packages, and services
    that were not restarted.
    """
    before, now = inventory(what)
    assert before
    assert now == before


def test_the_only_files_that_we_wrote_for_nginx_are_ours(host):
    ours = set(host.check_output("find /etc/nginx -newer /root/before/packages ! -type d").split())
    # The names that fragments use, the types of static files, and the link to the application's
    # fragment.
    assert ours == {
        "/etc/nginx/conf.d/flaskops.conf",
        "/etc/nginx/conf.d/flaskops.types",
        "/etc/nginx/flaskops/default/shop.conf",
    }
