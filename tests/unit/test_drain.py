# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The old release keeps running until it is idle or the drain ends."""

import os
import socket
from contextlib import ExitStack

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import drain as _drain


@pytest.fixture
def run(monkeypatch):
    """A drain with a fake clock: the number of connections and workers at each check is given."""

    def drain(looks, workers=(), seconds=2.0, led_to=True):
        time, looks, workers = [0.0], list(looks), [set(found) for found in workers] or [set()]
        monkeypatch.setattr(
            _drain, "connections", lambda _path: looks.pop(0) if len(looks) > 1 else looks[0]
        )
        monkeypatch.setattr(
            _drain,
            "leaving_workers",
            lambda: set(workers.pop(0) if len(workers) > 1 else workers[0]),
        )

        def sleep(pause):
            time[0] += pause

        old = [_drain.Old("shop-1", "1", seconds, led_to)]
        return _drain.drain(old, clock=lambda: time[0], sleep=sleep)["shop-1"]

    return drain


def test_an_idle_release_drains_at_once(run):
    assert run([0]) == {"seconds": 0.0, "cut": 0}


def test_the_drain_waits_for_the_last_connection(run):
    assert run([2, 1, 1, 0]) == {"seconds": 0.3, "cut": 0}


def test_the_drain_waits_for_old_workers_that_may_still_read_an_upload(run):
    assert run([0], workers=[{7}, {7}, {7}, set()]) == {"seconds": 0.2, "cut": 0}


def test_the_drain_ignores_old_workers_that_already_use_the_new_release(run):
    assert run([0], workers=[{7}, {7}, {7}, set()], led_to=False) == {"seconds": 0.0, "cut": 0}
    assert run([1, 1, 0], workers=[{7}], led_to=False) == {"seconds": 0.2, "cut": 0}


def test_the_drain_ignores_workers_that_began_to_exit_later(run):
    assert run([0], workers=[{7}, {7}, {8}]) == {"seconds": 0.1, "cut": 0}


def test_connections_that_outlast_the_drain_are_closed_and_counted(run):
    assert run([3], seconds=0.5) == {"seconds": 0.5, "cut": 3}


def test_connections_are_counted_by_the_whole_path(tmp_path):
    table = tmp_path / "unix"
    table.write_text(
        "Num       RefCount Protocol Flags    Type St Inode Path\n0000: 00000002 00000000 00010000"
        " 0001 01 536412 /run/flaskops/0123456789ab/app.sock\n0000: 00000003 00000000 00000000 0001"
        " 03 538691 /run/flaskops/0123456789ab/app.sock\n0000: 00000003 00000000 00000000 0001 03"
        " 538692 /run/flaskops/ba9876543210/app.sock\n0000: 00000003 00000000 00000000 0001 03"
        " 538693\n0000: 00000003 00000000 00000000 0001 03 538694"
        " /run/flaskops/ba9876543210/0123456789ab/app.sock\n0000: 00000003 00000000 00000000 0001"
        " 03 538695 /tmp/x y/run/flaskops/0123456789ab/app.sock\n"
    )
    assert _drain.connections(_drain.container_socket("0123456789ab"), table) == 1


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\x85b", b"a\x1cb", b"a b\r", b"\n", b"\x1b[2J"])
def test_an_odd_socket_name_does_not_hide_connections_of_another_socket(tmp_path, name):
    odd, path = os.fsencode(tmp_path) + b"/" + name, tmp_path / "app.sock"
    with ExitStack() as sockets:
        for place in (odd, os.fsencode(path)):
            server, client = (
                sockets.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)
            )
            server.bind(place)
            server.listen()
            client.connect(place)
        assert _drain.connections(str(path)) == 1


def test_the_kernel_lists_open_connections(tmp_path):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(path))
        server.listen()
        assert _drain.connections(str(path)) == 0
        client.connect(str(path))
        assert _drain.connections(str(path)) == 1  # the connection waits to be accepted
        connection, _ = server.accept()
        with connection:
            assert _drain.connections(str(path)) == 1
