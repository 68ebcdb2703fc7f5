"""Which missed dates are made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from triggers.cron import parse_cron
from triggers.dates import Dates
from triggers.missed import MOST, Watch, first_due

HOURLY = Dates(parse_cron("0 * * * *"), UTC)
NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


def hour(hour: int) -> datetime:
    return NOON.replace(hour=hour, minute=0)


@pytest.mark.parametrize(("recover", "expected"), [("ALL", hour(8)), ("LAST", hour(12)), ("NONE", hour(13))])
def test_cr_13_all_the_last_or_none_of_the_missed_dates_are_made_up_for(recover: str, expected: datetime) -> None:
    assert first_due(HOURLY, hour(8), NOON, Watch(NOON, recover)) == expected


@pytest.mark.parametrize("recover", ["ALL", "LAST", "NONE"])
def test_cr_13_a_future_date_and_one_that_is_just_late_are_kept(recover: str) -> None:
    assert first_due(HOURLY, hour(13), NOON, Watch(NOON, recover)) == hour(13)
    just = hour(12) + timedelta(seconds=9)
    assert first_due(HOURLY, hour(12), just, Watch(just, recover)) == hour(12)


def test_what_waited_while_somebody_looked_was_not_missed() -> None:
    assert first_due(HOURLY, hour(8), NOON, Watch(hour(7), "NONE")) == hour(8)


def test_cr_14_of_many_missed_dates_the_newest_are_made_up_for() -> None:
    minutely = Dates(parse_cron("* * * * *"), UTC)
    first = first_due(minutely, NOON - timedelta(days=3), NOON, Watch(NOON, "ALL"))
    # The one of now is just due, and not among those that were missed.
    assert first == NOON - timedelta(minutes=MOST)


def test_a_date_that_is_too_late_is_left_out() -> None:
    watch = Watch(hour(7), "ALL", timedelta(minutes=90))
    assert first_due(HOURLY, hour(8), NOON, watch) == hour(12)
