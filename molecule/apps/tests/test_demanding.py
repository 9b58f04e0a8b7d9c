"""What an application finds around it: child processes, names, interrupted answers, streams, and
requests with large heads.
"""

import json
import re

import pytest
from conftest import ENTRIES

THREADS = ["demanding-uwsgi", "demanding-gunicorn"]
ALL = [*THREADS, "demanding-greenlets", "demanding-gevent"]

# Sends one request as it is written; prints the status and the head of the answer, its body as it
# arrived, and the seconds after which each event arrived.
RAW = r"""
import json, socket, sys, time

path, lines = json.loads(sys.argv[1])
client = socket.create_connection(("127.0.0.1", 80), timeout=20)
head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
client.sendall(f"{head}{''.join(lines)}\r\n".encode())
whole, times, started = b"", [], time.monotonic()
while part := client.recv(65536):
    whole += part
    times += [time.monotonic() - started] * (whole.count(b"data: ") - len(times))
head, _, body = whole.partition(b"\r\n\r\n")
print(json.dumps([int(head.split()[1]), head.decode().lower(), body.decode(), times]))
"""


@pytest.fixture
def raw(host):
    def ask(path, *lines):
        result = host.run("python3 -c %s %s", RAW, json.dumps([path, lines]))
        assert result.rc == 0, result.stderr
        return json.loads(result.stdout)

    return ask


@pytest.mark.parametrize("name", ALL)
def test_a_child_runs_under_the_python_of_the_application(get, name):
    assert get(f"/{name}/child").json == {"executable": "/opt/app/bin/python3", "out": "42\n"}


@pytest.mark.parametrize("name", THREADS)
def test_a_child_is_ended(get, name):
    """Eight times, to reach each thread."""
    assert {get(f"/{name}/ended").json["code"] for _ in range(8)} == {-15}


@pytest.mark.parametrize("name", THREADS)
@pytest.mark.parametrize("kind", ["pool", "executor"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes_answers(get, name, kind, method):
    """Not under gevent, which blocks in the pipes of multiprocessing."""
    assert get(f"/{name}/{kind}/{method}").json == {"answer": 42}


@pytest.mark.parametrize("name", THREADS)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_is_ended_by_its_signal(get, name, method):
    assert get(f"/{name}/terminated/{method}").json["code"] not in (0, None)


@pytest.mark.parametrize("name", THREADS)
def test_memory_is_shared_and_released(get, log, name):
    assert get(f"/{name}/shared").json == {"answer": 42}
    assert "resource_tracker" not in log(name)


@pytest.mark.parametrize("name", THREADS)
def test_a_virtual_environment_can_be_created(get, name):
    assert get(f"/{name}/venv").json == {"out": "42\n"}


@pytest.mark.parametrize("name", ALL)
def test_names_are_known(get, name):
    """Services, protocols, and the host name; one of the applications has a network."""
    found = get(f"/{name}/names").json
    assert (found["service"], found["protocol"]) == (443, 6)
    assert found["address"].startswith("172." if name == "demanding-gunicorn" else "127.0.0.1")


@pytest.mark.parametrize("name", ALL)
def test_a_prestart_from_windows_has_its_effect(get, name):
    assert get(f"/{name}/").json["mode"] == "live"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("path", ["//{0}/", "/{0}//", "/./{0}/", "/other/../{0}/", "//{0}//?x=//"])
def test_slashes_and_dots_lead_to_it(raw, name, path):
    assert raw(path.format(name))[0] in (200, 308)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("end", "whole"), [(99, True), (5, False)])
@pytest.mark.parametrize("lines", [[], ["Accept-Encoding: gzip\r\n"]])
def test_an_interrupted_answer_has_no_proper_end(raw, name, end, whole, lines):
    status, head, body, _ = raw(f"/{name}/rows/{end}", *lines)
    assert (status, "transfer-encoding: chunked" in head) == (200, True)
    assert body.endswith("\r\n0\r\n\r\n") == whole


@pytest.mark.parametrize("name", ALL)
def test_an_answer_that_fails_before_its_first_part_is_an_error(raw, name):
    assert raw(f"/{name}/rows/0")[0] == 500


@pytest.mark.parametrize("name", ALL)
def test_each_event_arrives_when_it_is_sent(raw, name):
    _, _, _, times = raw(f"/{name}/ticks", "Accept-Encoding: gzip\r\n")
    assert len(times) == 3
    assert [at - 0.7 * number < 0.5 for number, at in enumerate(times)] == [True] * 3, times


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("count", [130, 900])
def test_many_headers_reach_it(raw, name, count):
    status, _, body, _ = raw(
        f"/{name}/headers", *(f"X-Own-{number}: v\r\n" for number in range(count))
    )
    assert status == 200, body
    assert json.loads(body)["count"] >= count


@pytest.mark.parametrize("name", ALL)
def test_large_heads_reach_it(raw, name):
    """As large as the buffers of Nginx allow."""
    large = [f"X-Own-{number}: {'v' * 8000}\r\n" for number in range(4)]
    assert raw(f"/{name}/headers", *large)[0] == 200
    assert raw(f"/{name}/headers?{'q' * 7900}", *large[1:])[0] == 200
    assert raw(f"/{name}/headers", *(f"Cookie: c{number}=v\r\n" for number in range(500)))[0] == 200


@pytest.mark.parametrize("name", ALL)
def test_a_head_that_is_too_large_is_refused_and_never_answered_with_502(raw, name):
    for lines in (
        [f"X-{number}: v\r\n" for number in range(3000)],
        [f"X-{number}: {'v' * 8000}\r\n" for number in range(6)],
    ):
        assert raw(f"/{name}/headers", *lines)[0] in (200, 400, 431)


# --- what it starts while it is loaded ------------------------------------------------------------

BEGUN = {
    "begins": {"env": {"BEGINS": "thread connection"}},
    "begins-lazy": {"env": {"BEGINS": "thread connection"}, "uwsgi": {"lazy_apps": True}},
    "begins-jobs": {"env": {"BEGINS": "scheduler"}},
    "begins-gunicorn": {"env": {"BEGINS": "thread connection scheduler"}, "engine": "gunicorn"},
}


@pytest.fixture(scope="module")
def begun(deploy, end):
    """What a deploy reports about applications that start something while they are loaded, by their
    names. They are ended afterwards.
    """
    entries = [
        {"name": name, "source": "begins", "path": f"/{name}", "path_mode": "script_name", **more}
        for name, more in BEGUN.items()
    ]
    run = deploy(*entries)
    assert run.code == 0, run.output
    warnings = re.compile(
        r"\[WARNING\]: (\S+) is healthy, but (.*?)(?=\[WARNING\]|TASK \[| ok: \[)"
    ).findall(run.text)
    yield {name: [words for other, words in warnings if other == name] for name in BEGUN}
    end(*BEGUN)


def test_threads_and_connections_that_a_fork_leaves_behind_are_warnings(begun):
    thread, *connections = begun["begins"]
    assert "thread 'consumer' runs in the first process only." in thread
    assert "connection to '127.0.0.1:" in connections[0]
    assert ["uwsgi.lazy_apps: true" in words for words in begun["begins"]] == [True] * 2


@pytest.mark.parametrize(
    ("name", "where"), [("begins-jobs", "in the first process"), ("begins-gunicorn", "in each of")]
)
def test_for_a_scheduler_the_warning_recommends_a_separate_container(begun, name, where):
    (words,) = begun[name]
    assert f"scheduler 'APScheduler' runs {where}" in words
    assert "processes: [{name: scheduler, command: ..., overlap: false}]" in words
    assert "lazy_apps" not in words


def test_where_each_process_loads_it_there_is_no_warning(begun, get):
    assert begun["begins-lazy"] == []
    assert get("/begins-lazy/").json["ticks"] > 0


@pytest.mark.parametrize("name", ENTRIES)
def test_correct_applications_have_no_warning(log, name):
    assert not re.findall(r"(?m)^flaskops: (?:thread|connection|scheduler) .*", log(name))
