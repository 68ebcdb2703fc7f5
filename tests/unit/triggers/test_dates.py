"""Dates of cron expressions in time zones, also where clocks are set."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from triggers.cron import Cron, parse_cron
from triggers.dates import Dates, Gap, Overlap

ZONES = (
    "Europe/Paris", "America/New_York", "America/Toronto", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut",
    "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu", "UTC",
)  # fmt: skip
FIXED = ("30 2 * * *", "0 0 * * *", "0,30 1,2,3 * * *", "0 9 * * MON-FRI", "15 2 1,15 * SUN", "59 23 31 12 *")
PACED = ("*/30 * * * *", "0 */2 * * *", "*/7 3 * * *", "5 * 1 * *", "* * * * *", "@hourly")


def dates(
    expression: str, zone: str, gap: Gap = "NEXT_VALID", overlap: Overlap = "FIRST", seconds: bool = False
) -> Dates:
    return Dates(parse_cron(expression, seconds), ZoneInfo(zone), gap, overlap)


def some(of: Dates, after: str, count: int) -> list[str]:
    """So many dates after a moment, in UTC."""
    found = []
    moment = datetime.fromisoformat(after)
    for _ in range(count):
        at = of.after(moment)
        assert at is not None
        moment = at.astimezone(UTC)
        found.append(f"{moment:%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # Clocks are set forward: what is left out comes at the first moment after it, once.
        ("30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["29 01:00", "30 00:30"]),
        ("0,15,45 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["29 01:00", "30 00:00", "30 00:15"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00Z", ["08 07:00", "09 06:30"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00Z", ["03 15:30", "04 15:15"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-02T12:00Z", ["03 03:00", "04 03:00", "05 02:00"]),
        ("0 0 * * *", "Asia/Beirut", "2023-03-25T12:00Z", ["25 22:00", "26 21:00"]),
        ("0 0 * * *", "Pacific/Apia", "2011-12-29T00:00Z", ["29 10:00", "30 10:00", "31 10:00"]),
        # Clocks are set back: once, the first time.
        ("30 2 * * *", "Europe/Paris", "2026-10-24T12:00Z", ["25 00:30", "26 01:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00Z", ["01 05:30", "02 06:30"]),
        ("30 2 * * *", "Europe/Paris", "2026-10-25T01:10Z", ["26 01:30"]),
        ("30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00Z", ["15 01:30", "16 02:30"]),
        # A pace follows real time.
        ("*/30 * * * *", "Europe/Paris", "2026-10-24T23:45Z", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        ("0 */2 * * *", "America/Toronto", "2026-03-08T05:30Z", ["08 08:00", "08 10:00"]),
        ("0 * * * *", "America/Toronto", "2026-11-01T04:30Z", ["01 05:00", "01 06:00", "01 07:00"]),
        ("0 6 * * *", "Asia/Kathmandu", "2026-05-01T00:00Z", ["01 00:15", "02 00:15"]),
        ("0 6 1 * *", "UTC", "2026-05-01T06:00Z", ["01 06:00"]),
    ],
)  # fmt: skip
def test_cr_02_dates_where_clocks_are_set(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert some(dates(expression, zone), after, len(expected)) == expected


@pytest.mark.parametrize(
    ("gap", "overlap", "after", "expected"),
    [
        ("SKIP", "FIRST", "2026-03-28T12:00Z", ["30 00:30"]),
        ("SHIFT", "FIRST", "2026-03-28T12:00Z", ["29 01:30", "30 00:30"]),
        ("NEXT_VALID", "SECOND", "2026-10-24T12:00Z", ["25 01:30", "26 01:30"]),
        ("NEXT_VALID", "BOTH", "2026-10-24T12:00Z", ["25 00:30", "25 01:30", "26 01:30"]),
    ],
)
def test_cr_01_what_becomes_of_times_that_are_left_out_or_come_twice(
    gap: Gap, overlap: Overlap, after: str, expected: list[str]
) -> None:
    assert some(dates("30 2 * * *", "Europe/Paris", gap, overlap), after, len(expected)) == expected


def test_cr_06_days_of_month_and_week_are_alternatives_where_both_are_written() -> None:
    assert some(dates("0 0 13 * FRI", "UTC"), "2026-02-01T00:00Z", 4) == [
        "06 00:00",
        "13 00:00",
        "20 00:00",
        "27 00:00",
    ]
    assert some(dates("0 0 29 2 *", "UTC"), "2097-03-01T00:00Z", 1) == ["29 00:00"]
    at = dates("*/20 0 0 * * *", "UTC", seconds=True).after(datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))
    assert at == datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)


@cache
def changes(zone: ZoneInfo) -> list[datetime]:
    """The last full hours before the clocks of a zone are set; any hour where they never are."""
    found = []
    for year in (2011, 2018, 2023, 2026):
        hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
        offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
        found += [hour for hour, (one, other) in zip(hours, pairwise(offsets), strict=False) if one != other]
    return found or [datetime(2026, 5, 4, 10, tzinfo=UTC)]


def near_a_change(chance: random.Random, zone: ZoneInfo) -> datetime:
    """A moment near one at which the clocks of a zone are set."""
    return chance.choice(changes(zone)) + timedelta(seconds=chance.randrange(-6 * 3600, 6 * 3600))


def oracle(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Minute by minute: when clocks show what is written."""
    moment = after.replace(second=0, microsecond=0)
    for _ in range(60 * 24 * 3):
        moment += timedelta(minutes=1)
        local = moment.astimezone(zone)
        days = (local.day in cron.days, local.isoweekday() % 7 in cron.weekdays)
        of_day = any(days) if cron.either else all(days)
        if local.minute in cron.minutes and local.hour in cron.hours and local.month in cron.months and of_day:
            return moment
    return None


@pytest.mark.parametrize("zone", ZONES)
def test_cr_03_a_pace_is_what_clocks_show_minute_by_minute(zone: str) -> None:
    chance = random.Random(zone)
    for _ in range(25):
        expression = chance.choice(PACED)
        moment = near_a_change(chance, ZoneInfo(zone))
        found = dates(expression, zone).after(moment)
        wanted = oracle(parse_cron(expression), ZoneInfo(zone), moment)
        assert found is not None
        assert wanted is None or found.astimezone(UTC) == wanted, (expression, moment)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("overlap", ["FIRST", "SECOND", "BOTH"])
def test_cr_03_dates_grow_and_are_the_same_from_wherever_one_looks(
    zone: str, overlap: Literal["FIRST", "SECOND", "BOTH"]
) -> None:
    chance = random.Random(f"{zone} {overlap}")
    for _ in range(40):
        expression = chance.choice((*FIXED, *PACED))
        of = dates(expression, zone, chance.choice(("NEXT_VALID", "SKIP", "SHIFT")), overlap)
        moment = near_a_change(chance, ZoneInfo(zone))
        found = of.after(moment)
        assert found is not None
        at = found.astimezone(UTC)
        assert at > moment
        between = moment + (at - moment) * chance.random()
        assert of.after(between) == found, (expression, moment)
        before = of.before(at)
        assert before is not None
        assert of.after(before) == found, (expression, moment)


@pytest.mark.parametrize("zone", ZONES)
def test_cr_03_a_time_of_the_day_comes_once_a_day(zone: str) -> None:
    of = dates("30 2 * * *", zone)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    days = []
    while moment < datetime(2027, 1, 1, tzinfo=UTC):
        found = of.after(moment)
        assert found is not None
        moment = found.astimezone(UTC)
        days.append(found.date())
    assert len(days) in (365, 366)
    assert all(other - one == timedelta(days=1) for one, other in pairwise(days))
