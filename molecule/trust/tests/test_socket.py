# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""No client of an application's socket follows a link out of the directory of the socket."""

import json

import pytest
from conftest import APPS, ENTRIES

# In the container: replaces the application's own socket with a link to a path of the host.
PLANT = """
import os
directory = os.path.dirname(os.environ["FLASKOPS_SOCKET"])
if os.path.exists(directory + "/own"):
    os.unlink(directory + "/app.sock")
else:
    os.rename(directory + "/app.sock", directory + "/own")
os.symlink({target!r}, directory + "/app.sock")
"""
# A service of the host whose socket is open to all users.
SERVICE = """
import os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: 7\\r\\n\\r\\nservice")
os.umask(0)
socketserver.UnixStreamServer("/run/service.sock", Handler).serve_forever()
"""


@pytest.fixture
def planted(host, inside):
    """Replace the intruder's socket with a link to a path of the host; restore the socket
    afterwards.
    """
    run = "/var/lib/flaskops/apps/intruder/releases/*/run"

    def plant(target):
        assert inside(PLANT.format(target=target)) == ""

    yield plant
    host.check_output(
        f"for one in {run}; do [ ! -e $one/own ] || mv -T $one/own $one/app.sock; done"
    )


@pytest.fixture(scope="module")
def service(host):
    host.check_output("systemd-run --quiet --unit trust-service python3 -c %s", SERVICE)
    yield "/run/service.sock"
    host.run("systemctl stop trust-service; rm -f /run/service.sock")


def live(host, app):
    return json.loads(host.check_output("cat /var/lib/flaskops/apps/%s/state.json", app))["live"]


@pytest.mark.parametrize("way", ["absolute", "relative", "route"])
def test_a_link_to_the_socket_of_a_neighbour_reaches_nothing(host, http, planted, way):
    apps, identity = "/var/lib/flaskops/apps", live(host, "neighbour")
    route = host.check_output(f"ls -d {apps}/neighbour/route-*")
    planted(
        {
            "absolute": f"{apps}/neighbour/releases/{identity}/run/app.sock",
            "relative": f"../../../../neighbour/releases/{identity}/run/app.sock",
            "route": f"{route}/run/app.sock",
        }[way]
    )
    assert http("/intruder/token").status == 502
    assert "(13: Permission denied) while connecting" in host.check_output(
        "tail -n 5 /var/log/nginx/error.log"
    )


def test_a_link_to_the_socket_of_a_service_of_the_host_reaches_nothing(http, planted, service):
    planted(service)
    assert http("/intruder/").status == 502


def test_status_sends_no_request_to_another_service(host, play, planted, service):
    planted(service)
    status = play("status").ok().output
    line = next(line for line in status.splitlines() if " intruder " in line)
    assert "bad" in line
    assert "ok (200)" not in line


def test_another_user_cannot_create_the_lock_of_nginx_first(host, mallory):
    """The deploy of the next test holds it."""
    mallory(
        "touch /run/lock/flaskops-nginx.lock; mkdir -p /run/flaskops-nginx; touch"
        " /run/flaskops-nginx/lock"
    )
    assert host.file("/run/flaskops-nginx").mode == 0o700


def test_a_deploy_sees_that_the_socket_is_replaced_and_restores_it(
    host, http, inside, deploy, planted, service
):
    planted(service)
    deploy(ENTRIES["intruder"], ENTRIES["neighbour"], flask_apps_source_root=str(APPS)).ok()
    assert http("/intruder/").body == "intruder\n"


def test_the_kernel_follows_no_such_link(host):
    """All test hosts share this setting, so a scenario cannot turn it off to test the run itself:
    tests/unit/test_planted.py does that.
    """
    assert host.check_output("cat /proc/sys/fs/protected_symlinks") == "1"


def test_the_directory_of_the_socket_is_roots(host, inside):
    look = (
        "import os; found = os.stat(os.path.dirname(os.environ['FLASKOPS_SOCKET']));"
        " print(found.st_uid, oct(found.st_mode))"
    )
    assert inside(look) == "0 0o41777\n"
