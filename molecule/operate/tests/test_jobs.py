"""Jobs of an application: what their timers run, and what does not end them."""

import json
import re
import time

import pytest
from conftest import JOB_SECONDS, patience

UNIT = "flaskops-job-shop_often"


def of_job(entries, text):
    return [each for each in entries("job") if each["text"] == text]


def test_a_timer_runs_it_in_the_release_that_serves(entries, wait_for, host):
    def of_live():
        live = entries("beat")[-1]["release"]
        return [each for each in of_job(entries, "often ends") if each["release"] == live]

    assert wait_for(of_live, JOB_SECONDS)


def test_its_output_is_in_the_journal_and_its_container_is_gone(host, wait_for):
    assert wait_for(lambda: "often begins" in host.check_output(f"journalctl --quiet -u {UNIT}"))
    names = host.check_output("docker ps --all --format '{{.Names}}'")
    assert wait_for(lambda: "job_often" not in host.check_output("docker ps -a")), names


def test_the_status_shows_the_last_result_and_the_next_times(play, here):
    # While it runs, the status has its beginning alone.
    ended = re.compile(r"job often of 2\S+Z\s+ended\s+with\s+0\s")
    outputs = (play("status", [], arguments=here).ok().output for _ in range(12))
    shown = next((output for output in outputs if ended.search(output)), "")
    assert shown
    assert "job weekly" in shown and "Sun 2" in shown


def test_a_schedule_that_never_comes_changes_nothing(redeploy, host):
    jobs = [{"name": "never", "schedule": "*-02-30", "command": "true"}]
    words = redeploy(jobs=jobs).failed().output
    assert "must be a time that comes; this one never does" in words
    assert host.file(f"/etc/systemd/system/{UNIT}.timer").exists


@pytest.fixture
def slow(redeploy, host, entries, wait_for):
    """A job that runs for a minute and a half, while it runs."""
    jobs = [
        {"name": "slow", "schedule": "yearly", "command": "flask --app shop note slow --seconds 90"}
    ]
    redeploy(jobs=jobs).ok()
    known = len(of_job(entries, "slow begins"))
    host.check_output("systemctl start --no-block flaskops-job-shop_slow.service")
    assert wait_for(lambda: len(of_job(entries, "slow begins")) > known)
    yield jobs
    redeploy().ok()


@pytest.mark.long
def test_no_deploy_ends_it_and_it_runs_once(slow, redeploy, host, entries, wait_for):
    again = host.run("systemctl start flaskops-job-shop_slow.service & sleep 1; true")
    assert again.rc == 0
    before = of_job(entries, "slow begins")[-1]["release"]
    redeploy(jobs=slow, keep_releases=2, env={"TEXT": "meanwhile"}).ok()
    redeploy(jobs=slow, keep_releases=2, env={"TEXT": "and again"}).ok()
    assert wait_for(lambda: entries("beat")[-1]["release"] != before)
    assert not of_job(entries, "slow ends"), "it ended too early to show anything"
    assert wait_for(lambda: of_job(entries, "slow ends"))
    assert len(of_job(entries, "slow begins")) == 1
    assert of_job(entries, "slow ends")[-1]["release"] == before


@pytest.mark.long
def test_no_restart_of_docker_ends_it(slow, host, entries, wait_for):
    (before,) = of_job(entries, "slow begins")[-1:]
    known = len(of_job(entries, "slow ends"))
    host.check_output("systemctl restart docker && docker image prune --force")
    assert len(of_job(entries, "slow ends")) == known, "it ended too early to show anything"
    assert wait_for(lambda: len(of_job(entries, "slow ends")) > known)
    assert of_job(entries, "slow begins")[-1] == before  # it did not begin again

    def result():
        unit = "flaskops-job-shop_slow.service"
        shown = host.check_output(f"systemctl show --property ActiveState,Result {unit}")
        return sorted(shown.split())

    assert wait_for(lambda: result() == ["ActiveState=inactive", "Result=success"]), result()
    last = host.check_output("cat /var/lib/flaskops/apps/shop/jobs/slow.last.json")
    assert json.loads(last)["code"] == 0
    assert wait_for(lambda: "job_slow" not in host.check_output("docker ps --all"))


@pytest.mark.long
def test_no_rollback_ends_it_and_its_limit_does(
    redeploy, play, here, host, entries, wait_for, measured
):
    hangs = "trap '' TERM; echo hangs; while :; do sleep 1; done"
    jobs = [
        {
            "name": "long",
            "schedule": "yearly",
            "command": "flask --app shop note long --seconds 60",
        },
        {"name": "hangs", "schedule": "yearly", "command": hangs, "seconds": 2},
    ]
    redeploy(jobs=jobs, env={"TEXT": "rolled back"}).ok()
    known = len(of_job(entries, "long begins"))
    host.check_output("systemctl start --no-block flaskops-job-shop_long.service")
    assert wait_for(lambda: len(of_job(entries, "long begins")) > known)
    # A second one, as somebody would start it by hand.
    unit = "/etc/systemd/system/flaskops-job-shop_long.service"
    second = host.run(f"$(sed -n 's/^ExecStart=//p' {unit})")
    assert (second.rc, "long of shop runs already" in second.stderr) == (75, True), second
    play("rollback", arguments=here, flask_apps_only="shop").ok()
    begun = time.monotonic()
    assert host.run("systemctl start flaskops-job-shop_hangs.service").rc != 0
    took = time.monotonic() - begun
    assert 2 < took < 30 * patience()
    assert len(of_job(entries, "long ends")) == known, "it ended too early to show anything"
    assert wait_for(lambda: len(of_job(entries, "long ends")) > known)
    first, last = of_job(entries, "long begins")[-1], of_job(entries, "long ends")[-1]
    assert len(of_job(entries, "long begins")) == known + 1
    assert first["release"] == last["release"] != entries("beat")[-1]["release"]
    shown = play("status", [], arguments=here).ok().output
    assert re.search(r"job hangs of 2\S+Z\s+ended\s+with\s+124\s", shown), shown
    assert wait_for(lambda: "-job_" not in host.check_output("docker ps --all"))
    measured(f"a job with a limit of 2 s that ignores SIGTERM ended after {took:.1f} s")
    redeploy().ok()
