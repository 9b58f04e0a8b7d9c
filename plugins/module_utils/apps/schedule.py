# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a job runs: systemd's words for times (systemd.time(7)), or cron's five fields, which become
such words. The host has the last word, with systemd-analyze.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo, available_timezones

EXAMPLE = "*-*-* 03:00 (systemd.time(7)) or 0 3 * * * (crontab(5))"
ZONE = r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}"
LAST_YEAR = 2199  # systemd looks no further
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDS = (
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
    "annually",
)
_NICKNAMES = {
    "@hourly": "*-*-* *:00",
    "@daily": "*-*-* 00:00",
    "@midnight": "*-*-* 00:00",
    "@weekly": "Sun *-*-* 00:00",
    "@monthly": "*-*-01 00:00",
    "@yearly": "*-01-01 00:00",
    "@annually": "*-01-01 00:00",
}


@dataclass(frozen=True)
class _Field:
    """One number of a time: its name, and its first and last value."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_YEAR = _Field("year", 1970, LAST_YEAR)
_MONTH = _Field("month", 1, 12)
_DAY = _Field("day", 1, 31)
_HOUR, _MINUTE, _SECOND = _Field("hour", 0, 23), _Field("minute", 0, 59), _Field("second", 0, 59)
_CRON = (
    _MINUTE,
    _HOUR,
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, tuple(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])),
)


class NotATime(ValueError):
    """What a schedule must be, in the words after "must"."""


def calendar(text: str, today: date | None = None) -> str:
    """A schedule in systemd's words.

    Raises:
        NotATime: nobody can read it, or it never fires.
    """
    words = text.split()
    if is_cron(text):
        return _from_cron(words)
    _check(words, today or date.today())
    return " ".join(words)


def is_cron(text: str) -> bool:
    """Whether it is written as in a crontab."""
    words = text.split()
    return text.startswith("@") or len(words) > 4 or (len(words) == 5 and ":" not in text)


def problem(text: str) -> str:
    """What a schedule must be, in the words after "must"; "" when it is valid."""
    try:
        calendar(text)
    except NotATime as error:
        return str(error)
    return ""


def zone_problem(name: str) -> str:
    """The same for a time zone; a controller may have no list of them."""
    if not name:
        return ""
    with suppress(ValueError, OSError, LookupError):  # LookupError: ZoneInfoNotFoundError
        ZoneInfo(name)  # reads one file; the list would read them all
        return ""
    if not available_timezones():
        return ""
    return "be a time zone such as Europe/Berlin or UTC (timedatectl list-timezones)"


def _check(words: Sequence[str], today: date) -> None:
    """Refuse what systemd does not read, and what never fires."""
    if len(words) == 1 and words[0].lower() in _WORDS:
        return
    if not words:
        raise NotATime(f"be a time such as {EXAMPLE}")
    left = list(words)
    if len(left) > 1 and re.fullmatch(ZONE, left[-1]) and not _is_weekdays(left[-1]):
        raise NotATime(f"have no time zone; write timezone: {left[-1]} beside it")
    weekdays = _weekdays(left.pop(0)) if _is_weekdays(left[0]) else set(range(7))
    days = left.pop(0) if left and ":" not in left[0] else ""
    clock = left.pop(0) if left else ""
    if left or (clock and ":" not in clock):
        raise NotATime(f"be weekdays, a date and a time, such as {EXAMPLE}")
    if clock:
        parts = clock.split(":")
        if len(parts) > 3:
            raise NotATime("have a time such as 03:00 or 03:00:30")
        for field, part in zip((_HOUR, _MINUTE, _SECOND), parts, strict=False):
            _values(part, field)
    if not _fires(weekdays, days, today):
        raise NotATime("be a time that comes; this one never does")


def _is_weekdays(word: str) -> bool:
    return re.match(r"[A-Za-z]{3}", word) is not None and all(
        each.lower() in _LONG or each.title() in _DAYS
        for each in re.split(r",|\.\.|-", word)
        if each
    )


def _weekdays(word: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, word.split(",")):
        first, _dots, last = part.replace("-", "..").partition("..")
        begin = _DAYS.index(first[:3].title()) if first else -1
        end = _DAYS.index(last[:3].title()) if last else begin
        if begin < 0 or end < begin:
            raise NotATime(f"have weekdays in their order, Mon to Sun, and not {part}")
        found |= set(range(begin, end + 1))
    return found


def _fires(weekdays: set[int], text: str, today: date) -> bool:
    """Whether a day comes that fits."""
    from_end = "~" in text
    parts = text.replace("~", "-").split("-") if text else ["*", "*", "*"]
    if len(parts) not in (2, 3) or text.count("~") > 1 or "~" in text.rpartition("-")[0]:
        raise NotATime("have a date such as *-*-* or *-*-01, with year-month-day")
    if len(parts) == 2:
        parts = ["*", *parts]
    years, months, days = (
        _values(part, field) for part, field in zip(parts, (_YEAR, _MONTH, _DAY), strict=True)
    )
    earliest = today - timedelta(days=1)  # somewhere it is still yesterday
    for year in sorted(years):
        if year < earliest.year:
            continue
        for month in months:
            length = monthrange(year, month)[1]
            for given in days:
                day = length + 1 - given if from_end else given
                if not 1 <= day <= length:
                    continue
                found = date(year, month, day)
                if found >= earliest and found.weekday() in weekdays:
                    return True
    return False


def _values(text: str, field: _Field) -> list[int]:
    """The values that a part of systemd's words stands for."""
    if text == "*":
        return list(range(field.first, field.last + 1))
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?(?:/(\d{1,4}))?", part, re.ASCII)
        if not match:
            more = f"; write 0/{part[2:]} for every {part[2:]}" if part.startswith("*/") else ""
            raise NotATime(
                f"have as its {field.name} {field.first}, {field.first}..{field.first + 4} or *, or"
                f" more of these with commas, and not {part!r}{more}"
            )
        begin, step = int(match[1]), int(match[3] or 0)
        end = int(match[2]) if match[2] else field.last if step else begin
        if not field.first <= begin <= end <= field.last or (match[3] and not step):
            raise NotATime(
                f"have as its {field.name} {field.first} to {field.last}, and not {part}"
            )
        found |= set(range(begin, end + 1, step or 1))
    return sorted(found)


def _from_cron(words: Sequence[str]) -> str:
    """The five fields of a crontab in systemd's words."""
    if words[0].startswith("@"):
        if len(words) == 1 and words[0].lower() in _NICKNAMES:
            return _NICKNAMES[words[0].lower()]
        raise NotATime(f"be one of {', '.join(_NICKNAMES)} if it begins with @")
    if len(words) != 5:
        raise NotATime(
            "have five fields as in crontab(5), minute to day of the week, without a user or a"
            f" command; it has {len(words)}"
        )
    minutes, hours, days, months, weekdays = (
        _cron_values(word, field) for word, field in zip(words, _CRON, strict=True)
    )
    if not words[2].startswith("*") and not words[4].startswith("*"):
        raise NotATime(
            "have a day of the month or a day of the week: with both, cron runs it on either, which"
            " no calendar of systemd says. Write two jobs"
        )
    on = ",".join(_DAYS[(day - 1) % 7] for day in sorted({day or 7 for day in weekdays}))
    made = f"*-{_comma(months, 1, 12)}-{_comma(days, 1, 31)}"
    made += f" {_comma(hours, 0, 23)}:{_comma(minutes, 0, 59)}"
    made = made if len({day % 7 for day in weekdays}) == 7 else f"{on} {made}"
    _check(made.split(), date.today())
    return made


def _comma(values: Sequence[int], first: int, last: int) -> str:
    if list(values) == list(range(first, last + 1)):
        return "*"
    return ",".join(f"{value:02}" for value in values)


def _cron_values(text: str, field: _Field) -> list[int]:
    names: Mapping[str, str] = {
        name: str(number)
        for number, name in enumerate(field.names, 1 if field.name == "month" else 0)
    }
    found: set[int] = set()
    for part in text.lower().split(","):
        given = re.sub(r"[a-z]+", lambda match: names.get(match[0], match[0]), part)
        match = re.fullmatch(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", given, re.ASCII)
        step = int(match[3] or 1) if match else 0
        begin = int(match[1]) if match and match[1] else field.first
        end = field.last
        if match and match[1]:
            end = int(match[2]) if match[2] else field.last if match[3] else begin
        if not match or not step or not field.first <= begin <= end <= field.last:
            raise NotATime(
                f"have as its {field.name} {field.first} to {field.last} as in crontab(5), such as"
                f" {field.first}, {field.first}-{field.first + 2} or */2, and not {part!r}"
            )
        found |= set(range(begin, end + 1, step))
    return sorted(found)
