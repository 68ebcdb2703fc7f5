"""Dates: reading, writing, arithmetic, in zones and languages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.errors import ExpressionError
from engine.expressions.dateparsing import parse_date, zone_of
from engine.expressions.dates import add, format_moment, from_epoch, parse_iso, to_moment
from support.fake_scope import FakeScope, apply, call

PARIS = ZoneInfo("Europe/Paris")
MOMENT = datetime(2013, 9, 8, 16, 19, 12, 123456, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("iso", "2013-09-08T16:19:12.123456+02:00"),
        ("iso_sec", "2013-09-08T16:19:12+02:00"),
        ("iso_milli", "2013-09-08T16:19:12.123+02:00"),
        ("sql", "2013-09-08 16:19:12.123456"),
        ("sql_milli", "2013-09-08 16:19:12.123"),
        ("sql_seq", "2013-09-08 16:19:12"),
        ("iso_date", "2013-09-08+02:00"),
        ("iso_local_date", "2013-09-08"),
        ("iso_time", "16:19:12.123456+02:00"),
        ("iso_local_time", "16:19:12.123456"),
        ("iso_local_date_time", "2013-09-08T16:19:12.123456"),
        ("iso_date_time", "2013-09-08T16:19:12.123456+02:00[Europe/Paris]"),
        ("iso_instant", "2013-09-08T14:19:12.123456Z"),
        ("iso_ordinal_date", "2013-251+02:00"),
        ("iso_week_date", "2013-W36-7+02:00"),
        ("rfc_1123_date_time", "Sun, 8 Sep 2013 16:19:12 +0200"),
        ("short", "9/8/13, 4:19 PM"),
        ("medium", "Sep 8, 2013, 4:19:12 PM"),
        ("long", "September 8, 2013 at 4:19:12 PM CEST"),
        ("yy/M/d H:m", "13/9/8 16:19"),
        ("EEE EEEE EEEEE MMMMM", "Sun Sunday S S"),
        ("hh:mm a K k D n A", "04:19 PM 4 16 251 123456000 58752123"),
        ("z VV O OOOO X XX XXX x Z ZZZZ", "CEST Europe/Paris GMT+2 GMT+02:00 +02 +0200 +02:00 +02 +0200 GMT+02:00"),
        ("Q QQ QQQ QQQQ w W Y e", "3 03 Q3 3rd quarter 37 2 2013 1"),
        ("h 'o''clock' [SSS]", "4 o'clock 123"),
        ("G", "AD"),
    ],
)
def test_writing(format: str, text: str) -> None:
    assert format_moment(MOMENT, format, "en_US") == text


def test_writing_in_another_language() -> None:
    assert format_moment(MOMENT, "EEEE d MMMM", "fr_FR") == "dimanche 8 septembre"
    assert format_moment(MOMENT, "w e", "fr_FR") == "36 7"
    with pytest.raises(ExpressionError, match="not a known locale"):
        format_moment(MOMENT, "MMMM", "xx_YY")


def test_a_bare_offset_is_its_own_name() -> None:
    assert format_moment(MOMENT.astimezone(zone_of("+05:30")), "z zzzz", "en_US") == "+05:30 +05:30"


def test_the_week_that_belongs_to_the_next_year() -> None:
    assert format_moment(datetime(2024, 12, 30, tzinfo=UTC), "YYYY-ww", "en_US") == "2025-01"
    assert format_moment(datetime(2021, 1, 1, tzinfo=UTC), "YYYY-ww", "de_DE") == "2020-53"


@pytest.mark.parametrize("pattern", ["b", "yyyy 'x", "MMMMMM", "V", "yyyy]", "{", "y" * 600])
def test_patterns_that_can_not_be_read(pattern: str) -> None:
    with pytest.raises(ExpressionError, match="date pattern"):
        format_moment(MOMENT, pattern, "en_US")


@pytest.mark.parametrize(
    ("text", "pattern", "moment"),
    [
        ("July 24, 2001", "MMMM dd, yyyy", datetime(2001, 7, 24, tzinfo=PARIS)),
        ("08092023", "ddMMyyyy", datetime(2023, 9, 8, tzinfo=PARIS)),
        ("8/9/23 4:05 PM", "M/d/yy h:mm a", datetime(2023, 8, 9, 16, 5, tzinfo=PARIS)),
        ("2024-060", "yyyy-DDD", datetime(2024, 2, 29, tzinfo=PARIS)),
        ("20130908161912123", "yyyyMMddHHmmssSSS", datetime(2013, 9, 8, 16, 19, 12, 123000, tzinfo=PARIS)),
        ("2013-09-08", "yyyy-MM-dd[ HH:mm]", datetime(2013, 9, 8, tzinfo=PARIS)),
        ("2013-09-08 16:19", "yyyy-MM-dd[ HH:mm]", datetime(2013, 9, 8, 16, 19, tzinfo=PARIS)),
        ("Sun, 8 Sep 2013 16:19:12 GMT", "EEE, d MMM yyyy HH:mm:ss z", datetime(2013, 9, 8, 16, 19, 12, tzinfo=UTC)),
        ("2013-09-08 16:19 +0530", "yyyy-MM-dd HH:mm Z", datetime(2013, 9, 8, 10, 49, tzinfo=UTC)),
    ],
)
def test_reading(text: str, pattern: str, moment: datetime) -> None:
    assert parse_date(text, pattern, PARIS, "en_US") == moment


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2013-13-01", "yyyy-MM-dd"), ("2013-9-8", "yyyy-MM-dd"), ("2013-09-08x", "yyyy-MM-dd"), ("16:19", "HH:mm"),
        ("Foo 1, 2013", "MMMM d, yyyy"), ("13:00 PM 2013-09-08", "hh:mm a yyyy-MM-dd"), ("2023-366", "yyyy-DDD"),
    ],
)  # fmt: skip
def test_texts_that_do_not_follow_the_pattern(text: str, pattern: str) -> None:
    with pytest.raises(ExpressionError, match="can't be read with the format"):
        parse_date(text, pattern, UTC, "en_US")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2013-09-08T17:19:12+02:00", "2013-09-08T17:19:12+02:00"),
        ("2013-09-08T17:19:12", "2013-09-08T17:19:12+02:00"),
        ("2013-09-08", "2013-09-08T00:00:00+02:00"),
        ("2013-09-08T16:19:00+02", "2013-09-08T16:19:00+02:00"),
        ("2013-09-08T16:19Z", "2013-09-08T16:19:00+00:00"),
        ("2013-09-08T16:19:12.123456789Z", "2013-09-08T16:19:12.123456+00:00"),
        ("2013-09-08T16:19:00+01:00[Asia/Tokyo]", "2013-09-09T00:19:00+09:00"),
    ],
)
def test_reading_iso(text: str, iso: str) -> None:
    assert parse_iso(text, PARIS).isoformat() == iso


@pytest.mark.parametrize("text", ["", "now", "2013-02-30", "2013-09-08 16:19", "2013-09-08T25:00", "13-09-08"])
def test_what_is_not_iso(text: str) -> None:
    with pytest.raises(ExpressionError, match="can't be read"):
        parse_iso(text, UTC)


@pytest.mark.parametrize(
    ("number", "iso"),
    [
        (1378653552, "2013-09-08T15:19:12+00:00"),
        (1378653552123, "2013-09-08T15:19:12.123000+00:00"),
        (1378653552123456, "2013-09-08T15:19:12.123456+00:00"),
        (1378653552123456000, "2013-09-08T15:19:12.123456+00:00"),
        (1378653552000123456, "2013-09-08T15:19:12.123456+00:00"),
        (-1, "1969-12-31T23:59:59+00:00"),
    ],
)
def test_counts_since_1970(number: int, iso: str) -> None:
    assert from_epoch(number).isoformat() == iso


def test_what_counts_as_a_date() -> None:
    assert to_moment(date(2013, 9, 8), PARIS) == datetime(2013, 9, 8, 12, tzinfo=PARIS)
    assert to_moment(datetime(2013, 9, 8), PARIS) == datetime(2013, 9, 8, tzinfo=PARIS)
    for wrong in (True, 1.5, [1], None):
        with pytest.raises(ExpressionError, match="must be a date"):
            to_moment(wrong, UTC)


@pytest.mark.parametrize(
    ("amount", "unit", "iso"),
    [
        (1, "MONTHS", "2024-02-29T10:00:00+00:00"),
        (-1, "years", "2023-01-31T10:00:00+00:00"),
        (2, "WEEKS", "2024-02-14T10:00:00+00:00"),
        (90, "MINUTES", "2024-01-31T11:30:00+00:00"),
        (5_000_000, "NANOS", "2024-01-31T10:00:00.005000+00:00"),
    ],
)
def test_arithmetic(amount: int, unit: str, iso: str) -> None:
    assert add(datetime(2024, 1, 31, 10, tzinfo=UTC), amount, unit).isoformat() == iso


def test_days_keep_the_time_of_day_and_hours_do_not() -> None:
    before = datetime(2024, 3, 30, 10, tzinfo=PARIS)
    assert add(before, 1, "DAYS").hour == 10
    assert add(before, 24, "HOURS").hour == 11


def test_a_time_that_clocks_skip_moves_on() -> None:
    assert add(datetime(2024, 3, 30, 2, 30, tzinfo=PARIS), 1, "DAYS").isoformat() == "2024-03-31T03:30:00+02:00"
    assert add(datetime(2024, 2, 29, 2, 30, tzinfo=PARIS), 1, "MONTHS").isoformat() == "2024-03-29T02:30:00+01:00"


def test_instants_are_moved_in_the_zone_of_the_filter() -> None:
    moved = [
        apply("dateAdd", value, 1, "DAYS", "iso_sec", "Europe/Paris")
        for value in (datetime(2024, 3, 30, 11, tzinfo=UTC), 1711796400, "2024-03-30T12:00:00+01:00[Europe/Paris]")
    ]
    assert moved == ["2024-03-31T12:00:00+02:00"] * 3


def test_arithmetic_that_can_not_be_done() -> None:
    with pytest.raises(ExpressionError, match="not a unit of time"):
        add(MOMENT, 1, "FORTNIGHTS")
    with pytest.raises(ExpressionError, match="too far away"):
        add(MOMENT, 10**12, "DAYS")


def test_zones() -> None:
    assert zone_of("UTC") is UTC
    assert zone_of("UTC+2") == zone_of("+02:00")
    for wrong in ("Mars/Base", "", "../etc/passwd", "+99:00"):
        with pytest.raises(ExpressionError, match="not a known time zone"):
            zone_of(wrong)


def test_filters() -> None:
    scope = FakeScope(zone=PARIS)
    assert apply("date", "2013-09-08T15:19:12Z", scope=scope) == "2013-09-08T17:19:12.000000+02:00"
    assert apply("date", "2013-09-08T15:19:12Z", "iso_sec", timeZone="UTC") == "2013-09-08T15:19:12Z"
    assert apply("dateAdd", "2013-09-08T16:19:00Z", -1, "DAYS", "sql_sec") == "2013-09-07 16:19:00"
    assert apply("date", None) is None
    assert apply("timestamp", MOMENT) == 1378649952
    assert apply("timestampMilli", MOMENT) == 1378649952123
    assert apply("timestampMicro", MOMENT) == 1378649952123456
    assert apply("timestampNano", MOMENT) == 1378649952123456000
    with pytest.raises(ExpressionError, match="must be an integer"):
        apply("dateAdd", MOMENT, "x", "DAYS")


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        ("now", ("yyyy-MM-dd HH:mm",), "2026-01-31 10:00"),
        ("dayOfWeek", ("2025-01-06",), "MONDAY"),
        ("dayOfMonth", ("2025-01-15T23:00:00-08:00",), 15),
        ("monthOfYear", (MOMENT,), 9),
        ("hourOfDay", ("2025-01-06T14:30:00+05:00",), 14),
        ("isWeekend", ("2025-01-05",), True),
        ("isDateAfter", ("2025-01-02", "2025-01-01T23:00:00Z"), True),
        ("isDateBefore", ("2025-01-01T11:00:00+02:00", "2025-01-01T09:00:00Z"), False),
        ("isDateBetween", ("2026-01-02", "2026-01-01", "2026-01-02"), False),
        ("isDayWeekInMonth", ("2025-01-27", "monday", "last"), True),
        ("isDayWeekInMonth", ("2025-01-31", "FRIDAY", "FOURTH"), False),
        ("isLastWorkingDay", ("2025-01-31",), True),
        ("isLastWorkingDay", ("2025-01-30", "MONDAY THURSDAY"), True),
        ("isLastWorkingDay", ("2025-01-30",), False),
        ("isLastWorkingDay", ("9999-12-31",), True),
        ("isDayWeekInMonth", ("9999-12-31", "FRIDAY", "LAST"), True),
    ],
)
def test_functions(function: str, arguments: tuple[Any, ...], result: Any) -> None:
    assert call(function, *arguments) == result


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("dayOfWeek", (), "expects a 'date' argument"),
        ("dayOfWeek", ("x",), "could not parse 'date'"),
        ("hourOfDay", ("2025-01-06",), "has no time"),
        ("isDateBetween", ("2025-01-06", "x", "2025-01-06"), "could not parse 'after'"),
        ("isDateBetween", ("2025-01-06", "2025-01-06"), "expects a 'before' argument"),
        ("isDayWeekInMonth", ("2025-01-06", "BLURSDAY", "FIRST"), "must be one of MONDAY"),
        ("isDayWeekInMonth", ("2025-01-06", "MONDAY", "FIFTH"), "must be one of FIRST"),
        ("isLastWorkingDay", ("2025-01-06", "BLURSDAY"), "is not a day"),
    ],
)
def test_functions_that_fail(function: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        call(function, *arguments)
