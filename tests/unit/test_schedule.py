# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Schedules of jobs: systemd's words, cron's fields, and what is refused before a host is asked."""

import shutil
import subprocess
from datetime import date

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps import schedule
from ansible_collections.flaskops.host.plugins.module_utils.releases import jobs
from hypothesis import given
from hypothesis import strategies as st

on_systemd = pytest.mark.skipif(not shutil.which(jobs.ANALYZE), reason="asks systemd-analyze")
WORDS = [
    "*-*-* 03:00",
    "03:00",
    "*-*-*",
    "Mon",
    "sat,sun",
    "Mon..Fri *:0/15",
    "Mon-Fri 03:00:30",
    "Saturday *-*-1..7 12:00",
    "*-*~01 03:00",
    "Mon *-05~07/1",
    "*-02-29",
    "12-25 08:00",
    "*-01,04,07,10-01 00:00",
    "*:*:0/10",
    "*-*-* 1..5/2:00",
    "2199-12-31 00:00",
    "daily",
    "Quarterly",
]
CRON = {
    "0 3 * * *": "*-*-* 03:00",
    "*/15 * * * *": "*-*-* *:00,15,30,45",
    "5,35 * * * *": "*-*-* *:05,35",
    "10-20/5 0 1 * *": "*-*-01 00:10,15,20",
    "3/20 * * * *": "*-*-* *:03,23,43",
    "0 9-17/4 * * mon-fri": "Mon,Tue,Wed,Thu,Fri *-*-* 09,13,17:00",
    "0 3 * * 7": "Sun *-*-* 03:00",
    "0 3 * * 0": "Sun *-*-* 03:00",
    "0 3 * * 5-7": "Fri,Sat,Sun *-*-* 03:00",
    "0 3 * * 0-7": "*-*-* 03:00",
    "0 0 1 Jan,jul *": "*-01,07-01 00:00",
    "0 0 29 2 *": "*-02-29 00:00",
    "0 3 */2 * 1": "Mon *-*-" + ",".join(f"{day:02}" for day in range(1, 32, 2)) + " 03:00",
    "@daily": "*-*-* 00:00",
    "@weekly": "Sun *-*-* 00:00",
}
REFUSED = {
    "": "be a time such as",
    "nightly": "have a date such as",
    "3": "have a date such as",
    "*-*-* 3": "be weekdays, a date and a time",
    "25:00": "have as its hour 0 to 23, and not 25",
    "*-13-01": "have as its month 1 to 12, and not 13",
    "*-*-* */2:00": "write 0/2 for every 2",
    "*-*-* 5..2:00": "have as its hour 0 to 23, and not 5..2",
    "*:0/0": "have as its minute 0 to 59, and not 0/0",
    "1:2:3:4": "have a time such as 03:00",
    "Fri..Mon 03:00": "have weekdays in their order",
    "03:00 Europe/Berlin": "write timezone: Europe/Berlin beside it",
    "03:00 UTC": "write timezone: UTC beside it",
    "2020-01-01": "this one never does",
    "*-02-30 03:00": "this one never does",
    "*-04,06-31": "this one never does",
    "Mon 2027-01-01": "this one never does",
    "0 25 * * *": "have as its hour 0 to 23 as in crontab(5)",
    "0 3 * foo *": "have as its month 1 to 12 as in crontab(5)",
    "*/0 * * * *": "have as its minute",
    "0 0 31 2 *": "this one never does",
    "0 3 1 * 1": "Write two jobs",
    "0 3 * * * *": "have five fields",
    "0 3 * * * root flask cleanup": "it has 8",
    "@reboot": "be one of @hourly",
}


@pytest.mark.parametrize("words", WORDS)
def test_systemds_words_stay_as_they_are(words):
    assert schedule.calendar(f" {words} ".replace(" ", "  ")) == words
    assert schedule.problem(words) == ""


@pytest.mark.parametrize(("cron", "words"), CRON.items())
def test_five_fields_of_a_crontab_are_converted(cron, words):
    assert schedule.is_cron(cron)
    assert schedule.calendar(cron) == words


@pytest.mark.parametrize(("words", "must"), REFUSED.items())
def test_what_nobody_can_run_is_refused_with_words(words, must):
    assert must in schedule.problem(words)


def test_a_day_that_has_passed_is_refused_from_the_day_after_on():
    """Where the host is, it may still be yesterday."""
    assert schedule.calendar("2026-11-28", date(2026, 11, 29))
    with pytest.raises(schedule.NotATime):
        schedule.calendar("2026-11-28", date(2026, 11, 30))


def test_a_time_zone_must_exist(monkeypatch):
    assert schedule.zone_problem("") == schedule.zone_problem("Europe/Berlin") == ""
    for name in ("Europe/Berlim", "Europe", "zone.tab"):
        assert "timedatectl" in schedule.zone_problem(name)
    monkeypatch.setattr(schedule, "available_timezones", set)
    assert schedule.zone_problem("Europe/Berlim") == ""  # this controller knows none


def test_the_list_of_all_time_zones_is_not_read_for_one_that_exists(monkeypatch):
    """It takes a third of a second, and every run checks each entry."""
    monkeypatch.setattr(schedule, "available_timezones", lambda: pytest.fail("read"))
    assert schedule.zone_problem("UTC") == ""


# --- systemd has the last word --------------------------------------------------------------------


@on_systemd
@pytest.mark.parametrize("words", [*WORDS, *CRON.values()])
def test_systemd_reads_what_is_accepted(words):
    assert len(jobs.next_times([words])[words]) in (1, 3)


@on_systemd
def test_systemd_gives_the_next_times_of_many_schedules_at_once():
    found = jobs.next_times(["*-*-* 03:00", "2199-12-31 00:00", "2020-01-01", "*-*-* 03:00"])
    assert [len(times) for times in found.values()] == [3, 1, 0]
    assert all(" 03:00:00 " in time for time in found["*-*-* 03:00"])
    with pytest.raises(jobs.HostError, match="cannot read the schedule 'nonsense'"):
        jobs.next_times(["*-*-* 03:00", "nonsense"])


@on_systemd
def test_systemd_refuses_what_is_refused_for_its_form():
    for words, must in REFUSED.items():
        if schedule.is_cron(words) or "never" in must or "timezone" in must:
            continue
        code = subprocess.run([jobs.ANALYZE, "calendar", "--", words], capture_output=True)
        # Hours alone are read as a date.
        assert code.returncode != 0 or words == "", words


_part = st.sampled_from(["*", "1", "02", "5..7", "0/2", "1,3", "*/2", "9..4", "31", "60", "x", ""])


@on_systemd
@given(st.tuples(_part, _part, _part, _part))
def test_random_times_that_are_accepted_are_read_by_systemd(parts):
    month, day, hour, minute = parts
    words = f"*-{month}-{day} {hour}:{minute}"
    if schedule.problem(words) == "":
        assert jobs.next_times([words])[words]
