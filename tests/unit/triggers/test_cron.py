"""Cron expressions: what each field allows, and what is refused."""

from __future__ import annotations

import pytest

from triggers.cron import parse_cron


def test_fields_take_lists_ranges_steps_and_names() -> None:
    cron = parse_cron("*/20,5 9-17/4 1,15 JAN-MAR,12 MON-FRI")
    assert sorted(cron.minutes) == [0, 5, 20, 40]
    assert sorted(cron.hours) == [9, 13, 17]
    assert (sorted(cron.days), sorted(cron.months), sorted(cron.weekdays)) == ([1, 15], [1, 2, 3, 12], [1, 2, 3, 4, 5])
    assert cron.either


def test_sunday_is_0_and_7_and_a_number_with_a_step_goes_to_the_end() -> None:
    assert parse_cron("0 0 * * 7").weekdays == parse_cron("0 0 * * SUN").weekdays == {0}
    assert sorted(parse_cron("50/3 0 * * *").minutes) == [50, 53, 56, 59]
    assert not parse_cron("0 0 1 * *").either


@pytest.mark.parametrize(
    ("nickname", "written"),
    [("@daily", "0 0 * * *"), ("@Hourly", "0 * * * *"), ("@yearly", "0 0 1 1 *"), ("@weekly", "0 0 * * 0")],
)
def test_nicknames_stand_for_expressions(nickname: str, written: str) -> None:
    assert parse_cron(nickname) == parse_cron(written)
    assert parse_cron(nickname, with_seconds=True) == parse_cron(written)


def test_seconds_come_first() -> None:
    assert sorted(parse_cron("*/30 * * * * *", with_seconds=True).seconds) == [0, 30]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("* * * *", "it must have 5 fields, but has 4"),
        ("* * * * * *", "set withSeconds for six fields"),
        ("60 * * * *", "'60' is no minute, it takes 0 to 59"),
        ("* * 0 * *", "'0' is no day of month"),
        ("* * * FEV *", "'FEV' is no month"),
        ("* 5-3 * * *", "5 comes after 3"),
        ("*/0 * * * *", "the step must be a number above 0"),
        ("* * ? * *", "'\\?' is no day of month"),
        ("* * L * *", "'L' is no day of month"),
        ("0 0 30 2 *", "there is no such date"),
        ("0 0 31 4,6 *", "there is no such date"),
        ("@never", "'@never' is none of @yearly"),
        ("\u0661 * * * *", "is no minute"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        parse_cron(text)
