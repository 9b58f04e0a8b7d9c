# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's counters of killed processes in both versions of control groups, and what a run does
with them.
"""

import json
import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import finish as _finish
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate as release_gate
from ansible_collections.flaskops.host.plugins.module_utils.releases import memory
from ansible_collections.flaskops.host.plugins.module_utils.releases import switch as _switch
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Health
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Lock
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Outcome, Work

ID = "3f0c" * 16
# Recorded on hosts with Docker: /proc/PID/cgroup, the directory of the files, and the files.
V1 = (
    f"9:name=systemd:/docker/{ID}\n8:pids:/docker/{ID}\n4:memory:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n0::/\n",
    f"sys/fs/cgroup/memory/docker/{ID}",
    {
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n",
        "memory.usage_in_bytes": "{usage}\n",
        "memory.limit_in_bytes": "536870912\n",
        "memory.stat": (
            "cache 4096\nrss 1000\ninactive_file 0\ntotal_cache 4096\ntotal_inactive_file 0\n"
        ),
    },
)
HYBRID = (
    f"12:memory:/system.slice/docker-{ID}.scope\n1:name=systemd:/system.slice/docker-{ID}.scope\n0::/system.slice/docker-{ID}.scope\n",
    f"sys/fs/cgroup/memory/system.slice/docker-{ID}.scope",
    V1[2],
)
V2 = (
    f"0::/system.slice/docker-{ID}.scope\n",
    f"sys/fs/cgroup/system.slice/docker-{ID}.scope",
    {
        "memory.events": "low 0\nhigh 0\nmax 1093\noom 14\noom_kill {}\noom_group_kill 0\n",
        "memory.current": "{usage}\n",
        "memory.max": "536870912\n",
        "memory.stat": "anon 1000\nfile 4096\ninactive_file 0\n",
    },
)
LAYOUTS = [V1, HYBRID, V2]


@pytest.fixture
def host(tmp_path):
    """A host with a container whose first process has the id 77."""

    def make(layout, killed, usage=100, **files):
        cgroup, place, contents = layout
        (tmp_path / "proc/77").mkdir(parents=True)
        (tmp_path / "proc/77/cgroup").write_text(cgroup)
        (tmp_path / place).mkdir(parents=True)
        for name, text in {**contents, **files}.items():
            (tmp_path / place / name).write_text(
                text.replace("{usage}", str(usage)).replace("{}", str(killed))
            )
        return tmp_path

    return make


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [0, 1, 689])
def test_the_kernels_counter_of_killed_processes_is_read(host, layout, count):
    assert memory.killed(77, host(layout, count)) == count


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("usage", "full"), [(100, False), (400 << 20, False), (500 << 20, True), (512 << 20, True)]
)
def test_memory_that_is_nearly_full_is_detected(host, layout, usage, full):
    assert memory.is_full(77, host(layout, 0, usage)) is full


@pytest.mark.parametrize(
    ("layout", "counter"),
    [(V1, "total_inactive_file"), (HYBRID, "total_inactive_file"), (V2, "inactive_file")],
)
def test_the_file_cache_does_not_count_as_used(host, layout, counter):
    assert (
        memory.is_full(
            77, host(layout, 0, 500 << 20, **{"memory.stat": f"{counter} {200 << 20}\n"})
        )
        is False
    )


def test_without_a_limit_memory_is_never_full(host):
    assert memory.is_full(77, host(V2, 0, 1 << 40, **{"memory.max": "max\n"})) is False


@pytest.mark.parametrize("pid", [0, 78])
def test_a_process_that_is_gone_gives_no_count(host, pid):
    root = host(V2, 5)
    assert (memory.killed(pid, root), memory.is_full(pid, root)) == (0, False)


@pytest.mark.parametrize("events", ["", "oom_kill\n", "oom_kill x\n", "oom 3\n"])
def test_an_unreadable_counter_counts_as_zero(host, events):
    assert memory.killed(77, host(V2, 0, **{"memory.events": events})) == 0


@pytest.mark.parametrize(
    ("engine", "key"),
    [("gunicorn", "gunicorn.workers"), ("uwsgi", "uwsgi.processes"), ("command", "")],
)
def test_the_advice_names_the_keys(engine, key):
    container = {
        "Config": {"Env": ["A=b", f"FLASKOPS_ENGINE={engine}"]},
        "HostConfig": {"Memory": 512 << 20},
    }
    words = memory.advice(container, 689)
    assert words.startswith(
        "the kernel killed 689 of its processes, because they need more than resources.memory"
        " (512m)"
    )
    assert (f"fewer processes in {key}." in words) if key else ("fewer processes" not in words)


# --- the run --------------------------------------------------------------------------------------

SHOP = {
    "Name": "/shop-1",
    "State": {"Running": True, "Pid": 77},
    "Config": {"Env": ["FLASKOPS_ENGINE=gunicorn"]},
    "HostConfig": {},
}


class Engine:
    command = "docker"

    def inspect(self, *_words):
        return SHOP

    def run(self, *words, **_how):
        return json.dumps([SHOP]) if words[0] == "inspect" else ""


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A gate in front of a container that answers 200; the kernel's count depends on the seconds
    since the first check.
    """

    def run(killed, full=False):
        started = time.monotonic()
        monkeypatch.setattr(memory, "killed", lambda _pid: killed(time.monotonic() - started))
        monkeypatch.setattr(memory, "is_full", lambda _pid: full)
        monkeypatch.setattr(release_gate, "MEMORY_SECONDS", 1)
        monkeypatch.setattr(release_gate, "Docker", Engine)
        monkeypatch.setattr(release_gate, "ask", lambda *_words: (200, "well"))
        check = release_gate.HealthCheck("shop-1", "/x", "localhost", AppPath("/"), Health())
        return release_gate.Gate(check).run()

    return run


def test_a_container_that_answers_but_loses_workers_is_refused(gate):
    with pytest.raises(
        release_gate.HostError, match=r"the kernel killed 2 of its processes.*gunicorn\.workers"
    ):
        gate(lambda _seconds: 2)


@pytest.mark.parametrize("full", [False, True])
def test_a_container_that_begins_to_lose_workers_is_watched(gate, full):
    with pytest.raises(release_gate.HostError, match="the kernel killed 2 of its processes"):
        gate(
            lambda seconds: (2 if seconds > 0.5 else 0) if full else (2 if seconds > 0.5 else 1),
            full,
        )


def test_a_single_kill_passes(gate):
    assert gate(lambda _seconds: 1).status == 200


def test_the_gate_does_not_wait_if_memory_is_free(gate):
    started = time.monotonic()
    assert gate(lambda _seconds: 0).status == 200
    assert time.monotonic() - started < 0.3


def test_traffic_is_not_switched_to_a_release_that_loses_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "killed", lambda _pid: 2)
    monkeypatch.setattr(_switch, "Docker", Engine)
    work = Work("shop", "1", live="0", site="default")
    switch = _switch.Switch(str(tmp_path), str(tmp_path), "t", [], [work])
    switch._refuse_starved(["shop"])
    assert switch.failures["shop"].startswith(
        "shop: release 1 runs out of memory; release 0 goes on serving.\nthe kernel killed 2 of its"
    )


def test_a_live_release_that_loses_workers_gives_a_warning(monkeypatch):
    monkeypatch.setattr(memory, "killed", lambda _pid: 689)
    monkeypatch.setattr(_finish, "Docker", Engine)
    finish = _finish.Finish("/x", "/x", Lock("t", ("shop",)), [Outcome(Work("shop", "1"), "live")])
    finish._warn_of_starved()
    (words,) = finish.attempts.warnings
    assert words.startswith(
        "shop: release 1 serves, and the kernel killed 689 of its processes, because they need more"
        " than resources"
    )


@pytest.mark.parametrize("more", [{"result": "failed"}, {"state": "stopped"}])
def test_a_release_that_does_not_serve_gives_no_warning(monkeypatch, more):
    monkeypatch.setattr(memory, "killed", lambda _pid: 689)
    monkeypatch.setattr(_finish, "Docker", Engine)
    work = Work("shop", "1", state=more.get("state", "present"))
    finish = _finish.Finish("/x", "/x", Lock("t"), [Outcome(work, more.get("result", "live"))])
    finish._warn_of_starved()
    assert finish.attempts.warnings == []


def test_the_status_shows_killed_workers(monkeypatch):
    monkeypatch.setattr(memory, "killed", lambda _pid: 689)
    assert memory.in_status(SHOP) == ", 689 processes killed for lack of memory"
    monkeypatch.setattr(memory, "killed", lambda _pid: 1)
    assert memory.in_status(SHOP) == ""
