# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""No request is lost, no release stays incomplete, and a rollback is always possible; counted under
load. The scenario recovery tests failures.
"""

import json
import re
import shutil
import time

import pytest
from conftest import DRAIN, OWNER, SCENARIO, audit, nothing_lost, shop, wait_for

OTHER = {**shop(1), "name": "other", "path": "/other", "keep_releases": 2}


# --- neighbours -----------------------------------------------------------------------------------


@pytest.fixture
def beside(restored):
    """The version that serves, with another application beside it."""
    return restored(OTHER)


@pytest.fixture
def neighbour(host, beside, deploy):
    """Open a download, an event stream and a websocket of the other application, and a long upload
    to the shop; closing returns their results.
    """

    def open_all(seconds):
        host.run("rm -f /root/open.*")
        host.check_output(
            f"setsid python3 /root/neighbour.py /other /shop {seconds} /root/open.json"
            " >/root/open.log 2>&1 </dev/null & echo $!"
        )
        wait_for(lambda: host.file("/root/open.started").exists, 10, "the connections to open")
        return close

    def close():
        host.run("pkill -TERM -f '[n]eighbour.py /other'")
        wait_for(
            lambda: host.file("/root/open.json").exists,
            90,
            f"the results: {host.run('cat /root/open.log').stdout}",
        )
        return json.loads(host.check_output("cat /root/open.json"))

    yield open_all
    host.run("pkill -TERM -f '[n]eighbour.py /other'")


@pytest.mark.parametrize(
    ("deploys", "seconds"), [(2, 20), pytest.param(10, 60, marks=pytest.mark.long)]
)
def test_the_open_connections_of_a_neighbour_survive_deploys(
    neighbour, deploy, host, load, deploys, seconds
):
    """Half of the deploys change only the code, the others the proxy config too."""
    close = neighbour(seconds)
    with load() as found:
        for number in range(deploys):
            more = {"proxy": {"read_timeout_seconds": 70 + number}} if number % 2 else {}
            deploy(shop(f"beside {number} of {deploys}", **more), OTHER).ok()
    results = close()
    print(results)
    whole = {name for name, result in results.items() if result["whole"]}
    assert whole == {"download", "events", "websocket", "upload"}, results
    assert results["upload"]["seconds"] >= seconds
    nothing_lost(found)
    # None of its drains waited for the neighbour's connections.
    assert max(entry["drained"]["seconds"] for entry in audit(host)[-deploys:]) <= DRAIN + 2


def test_the_status_is_one_table(beside, play, host):
    output = play("status").ok().output
    lines = {words[1]: words for line in output.splitlines() if len(words := line.split()) > 11}
    live = json.loads(host.check_output("cat /var/lib/flaskops/apps/shop/state.json"))["live"]
    assert lines["shop"][2:4] == ["present", live], output
    assert lines["shop"][5:7] == ["ok", "(200)"]
    assert lines["shop"][8:10] == [f"shop-{live}", "/shop"]
    assert lines["other"][9] == "/other"


def test_one_that_is_no_longer_listed_is_reported_and_removed_on_request(
    beside, deploy, play, http
):
    run = deploy(shop(beside)).ok()
    assert run.changed == 0
    assert "On this host and not in flask_apps, left as they are: other" in run.output
    assert http("/other/").status == 200
    words = "flask_apps_remove must name the applications to remove: -e flask_apps_remove=NAME"
    assert words in play("remove").failed().output
    play("remove", flask_apps_remove="other").ok()
    assert http("/other/").status == 404
    assert http("/shop/").status == 200
    assert play("remove", flask_apps_remove="other").ok().changed == 0


def test_absent_removes_everything_of_that_application_and_nothing_else(
    beside, deploy, http, host, load
):
    assert http("/other/").status == 200
    with load() as found:
        deploy(shop(beside), {"name": "other", "state": "absent"}).ok()
    nothing_lost(found)
    assert http("/other/").status == 404
    for command in (
        "docker ps --all",
        "docker image ls",
        "ls /var/lib/flaskops/apps",
        "ls /etc/nginx/flaskops/default",
    ):
        assert "other" not in host.check_output(command), command
    assert deploy(shop(beside), {"name": "other", "state": "absent"}).ok().changed == 0


KEEP_OPEN = """
import pathlib, socket, sys, time
line = socket.create_connection(("127.0.0.1", 80))
line.sendall(b"GET /shop/ws HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\n"
    b"Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n")
assert b" 101 " in line.recv(64)
pathlib.Path(sys.argv[1]).touch()
time.sleep(1800)
"""


def test_after_more_than_ten_reloads_the_oldest_workers_are_ended_and_named(serving, deploy, host):
    """A websocket keeps the workers of each reload running."""

    def pids(name):
        return set(host.run(f"pgrep -f '^nginx: worker process{name}$'").stdout.split())

    held = []
    for number in range(11):
        open_file = f"/root/open.{number}"
        held.append(
            host.check_output(
                "rm -f %s; setsid python3 -c %s %s >/dev/null 2>&1 </dev/null & echo $!",
                open_file,
                KEEP_OPEN,
                open_file,
            )
        )
        wait_for(lambda file=open_file: host.file(file).exists, 60, "the websocket to open")
        old = pids("")
        host.check_output("nginx -s reload")
        wait_for(lambda old=old: pids("") and not pids("") & old, 60, "workers of the reload")
        time.sleep(1.5)  # workers that begin within a second count as those of one reload
    before = pids(" is shutting down")
    run = deploy(shop("eleven", proxy={"read_timeout_seconds": 99})).ok()
    words = (
        "Nginx was reloaded more than 10 times while connections stayed open. Ended its oldest"
        " workers"
    )
    named = re.search(rf"{words} ([\d, ]+) with", run.output)
    assert named, run.output
    assert set(named[1].split(", ")) <= before
    host.run(f"kill {' '.join(held)}")


# --- successful deploys and rollbacks -------------------------------------------------------------


def test_deploy_of_a_new_version_and_of_the_same_again(serving, deploy, version, host, load):
    """Only the code changes, so Nginx is not reloaded. A websocket survives until the end of the
    drain.
    """
    workers = host.check_output("pgrep -f '^nginx: worker process$' | sort")
    with load() as found:
        deploy(shop("new")).ok()
        end = float(host.check_output("python3 -c 'import time; print(time.monotonic())'"))
        drained = audit(host)[-1]["drained"]["seconds"]
        assert version() == "new" != serving
        assert deploy(shop("new")).ok().changed == 0
    nothing_lost(found)
    assert host.check_output("pgrep -f '^nginx: worker process$' | sort") == workers
    assert len(found["closed"]) == 4, found
    # The switch was after this time. Only the end of its container closes a websocket: with SIGTERM
    # when the drain is over, and, if the server waits for its websockets, with SIGKILL five seconds
    # later; the deploy waits for it.
    before = found["changed"][0][0]
    for closed in found["closed"]:
        assert closed - before >= DRAIN - 0.1, found
        assert closed <= end + 1, found
    assert DRAIN <= drained <= DRAIN + 2


def test_a_rollback_after_an_image_prune_and_forward_again(
    serving, deploy, play, version, host, load
):
    deploy(shop("two")).ok()
    with load() as found:
        host.check_output("docker image prune --all --force")
        play("rollback").ok()
        assert version() == serving != "two"
        deploy(shop("two")).ok()
        assert version() == "two"
    nothing_lost(found)


@pytest.mark.long
def test_a_rollback_to_a_named_release(serving, deploy, play, version, host):
    first = json.loads(host.check_output("cat /var/lib/flaskops/apps/shop/state.json"))["live"]
    deploy(shop("a")).ok()
    deploy(shop("b")).ok()
    play("rollback", flask_apps_release=first).ok()
    assert version() == serving
    refused = play("rollback", flask_apps_release="000000000000").failed()
    assert (
        "no application has been served by release 000000000000. Releases of shop: "
        in refused.output
    )


def test_a_page_of_the_previous_release_still_finds_its_files(serving, deploy, http, tmp_path):
    assert http("/shop/static/common.txt").status == 200
    source = tmp_path / "app"
    shutil.copytree(SCENARIO / "app", source)
    (source / "static/app.new.js").write_text("// hashed\n")
    deploy(shop("static", source=str(source))).ok()
    assert http("/shop/static/app.new.js").status == 200
    deploy(shop("static")).ok()
    assert http("/shop/static/app.new.js").status == 200
    deploy(shop("static once more")).ok()
    assert http("/shop/static/app.new.js").status == 404


def test_the_release_command_and_the_hooks_before_and_after_a_deploy_run(
    serving, deploy, play, tmp_path, host, version
):
    migrate = {
        "release_command": "echo migrated $VERSION >> /data/log",
        "volumes": ["shop-data:/data"],
    }
    host.check_output(
        f"docker volume create shop-data && chown {OWNER} $(docker volume inspect -f"
        " '{{.Mountpoint}}' shop-data)"
    )
    before, after = tmp_path / "before.yml", tmp_path / "after.yml"
    before.write_text(
        "- ansible.builtin.shell: 'echo {{ flask_apps_plan.work[0].name }} > /root/before'\n "
        " changed_when: true\n"
    )
    after.write_text(
        "- ansible.builtin.shell: 'echo {{ flask_apps_live[0].release }} > /root/after'\n "
        " changed_when: true\n"
    )
    deploy(
        shop("migrates", **migrate),
        flask_apps_before_tasks=str(before),
        flask_apps_after_tasks=str(after),
    ).ok()
    assert version() == "migrates"
    assert host.file("/root/before").content_string == "shop\n"
    assert host.file("/root/after").content_string.strip() == audit(host)[-1]["to"]
    deploy(shop("migrates", **migrate)).ok()
    play("rollback").ok()
    log = host.check_output("cat $(docker volume inspect -f '{{.Mountpoint}}' shop-data)/log")
    assert log == "migrated migrates"  # once: neither without a change nor in a rollback
    before.write_text("- ansible.builtin.fail: {msg: not today}\n")
    assert (
        "not today" in deploy(shop("hooked"), flask_apps_before_tasks=str(before)).failed().output
    )
    assert version() == serving
    assert not host.file("/var/lib/flaskops/apps/shop/lock").exists


@pytest.mark.long
def test_secrets_of_a_rollback_are_the_current_ones_unless_asked(serving, deploy, play, http):
    deploy(shop("s1", secrets={"TOKEN": "old"})).ok()
    deploy(shop("s2", secrets={"TOKEN": "new"})).ok()
    play("rollback").ok()
    assert http("/shop/secret").body == "new"
    deploy(shop("s2", secrets={"TOKEN": "new"})).ok()
    play("rollback", flask_apps_rollback_secrets="release").ok()
    assert http("/shop/secret").body == "old"


# --- states ---------------------------------------------------------------------------------------


def test_maintenance_stopped_and_back(serving, deploy, http, version, host):
    deploy(shop(serving, state="maintenance")).ok()
    answer = http("/shop/", method="POST", body="x")
    assert (answer.status, answer.headers["retry-after"]) == (503, "120")
    assert "Back soon" in answer.body
    assert http("/shop/health").status == 200  # the health check is not affected
    deploy(shop(serving, state="stopped")).ok()
    assert http("/shop/").status == 503
    assert host.check_output("docker ps --quiet") == ""
    deploy(shop(serving)).ok()
    assert version() == serving


@pytest.mark.long
@pytest.mark.parametrize("state", ["maintenance", "stopped"])
def test_a_second_run_in_a_state_changes_nothing(serving, deploy, state):
    deploy(shop(serving, state=state)).ok()
    assert deploy(shop(serving, state=state)).ok().changed == 0
    deploy(shop(serving)).ok()


def test_an_application_under_a_new_name(serving, deploy, host, version, load):
    with load() as found:
        deploy({**shop("renamed"), "name": "store"}, {"name": "shop", "state": "absent"}).ok()
        assert version() == "renamed"
    nothing_lost(found)
    assert host.check_output("ls /etc/nginx/flaskops/default") == "store.conf"
    # A failed release does not remove the application that has its path.
    bad = {**shop("back"), "env": {"CRASH": "1"}}
    assert (
        "Because of that not removed: store"
        in deploy(bad, {"name": "store", "state": "absent"}).failed().output
    )
    assert version() == "renamed"
    deploy(shop("named back"), {"name": "store", "state": "absent"}).ok()
    assert (version(), host.check_output("ls /var/lib/flaskops/apps")) == ("named back", "shop")
