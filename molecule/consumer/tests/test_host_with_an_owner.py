"""docker_manage: false, nginx_manage: false: our app is added, and what the owner has stays."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import on_host

testinfra_hosts = ["ansible://owned"]
# As a client of shop.example.org that trusts the owner's certificate.
HTTPS_CLIENT = """
import http.client, json, socket, ssl, sys
name, trusted = "shop.example.org", ssl.create_default_context(cafile="/etc/ssl/certs/shop.pem")
connection = http.client.HTTPConnection(name)
connection.sock = trusted.wrap_socket(
    socket.create_connection(("127.0.0.1", 443), 30), server_hostname=name
)
connection.request("GET", json.loads(sys.argv[1])["path"])
answer = connection.getresponse()
hsts = answer.headers.get_all("Strict-Transport-Security")
print(json.dumps([answer.status, hsts, answer.read().decode()]))
"""


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


def test_the_owners_site_serves_an_app_by_https(http, host):
    status, hsts, body = json.loads(on_host(host, HTTPS_CLIENT, {"path": "/store/"}))
    assert (status, hsts, body) == (200, ["max-age=86400"], "Welcome to the shop.\n")
    answer = http("/store/?a=1", headers={"Host": "shop.example.org"})
    assert answer.status == 308
    assert answer.headers["location"] == "https://shop.example.org/store/?a=1"


def test_no_certificate_was_requested_for_the_owners_site(host):
    for path in ("/etc/flaskops", "/var/lib/flaskops-acme", "/etc/letsencrypt"):
        assert not host.file(path).exists, path
    assert not host.package("certbot").is_installed


def test_a_run_shows_what_a_new_site_needs(inventory):
    """The run stops before its first change."""
    directory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "project")
    site = {"name": "blog", "server_names": ["blog.example.org"], "tls": "acme"}
    values = {
        "nginx_sites": [site],
        "flask_apps": [{"name": "blog", "source": "shop", "path": "/", "site": "blog"}],
    }
    run = subprocess.run(
        ["ansible-playbook", "site.yml", "-i", "shared", "-e", json.dumps(values)],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
            "HOME": str(directory / "home"),
            "ANSIBLE_HOME": str(directory / "home/.ansible"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode != 0, run.stdout
    output = " ".join(run.stdout.replace("\\n", " ").replace("\\", "").split())
    assert "add to the server block that has the certificate of blog.example.org" in output
    for line in (
        'set $flaskops_hsts "max-age=86400";',
        "include /etc/nginx/flaskops/blog/*.conf;",
        "return 308 https://$host$request_uri;",
    ):
        assert line in output
    assert " changed=0 " in output


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
    # The names that fragments use, the types of static files, and the links to the fragments of
    # the applications.
    assert ours == {
        "/etc/nginx/conf.d/flaskops.conf",
        "/etc/nginx/conf.d/flaskops.types",
        "/etc/nginx/flaskops/default/shop.conf",
        "/etc/nginx/flaskops/www/store.conf",
    }
