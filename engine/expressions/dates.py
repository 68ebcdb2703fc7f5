"""Dates of templates: what counts as one, named formats, arithmetic."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, cast

from engine.errors import ExpressionError
from engine.expressions.datenames import names_of
from engine.expressions.dateparsing import parse_date, zone_of
from engine.expressions.datepatterns import format_date
from engine.expressions.printing import is_date, iso_text, moment_text, offset_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = time(12)
ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?(?:\[([\w/+:-]+)\])?)?",
    re.ASCII,
)
NAMED = {
    "iso": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "iso_milli": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "iso_sec": "yyyy-MM-dd'T'HH:mm:ssXXX",
    "sql": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "sql_milli": "yyyy-MM-dd HH:mm:ss.SSS",
    "sql_sec": "yyyy-MM-dd HH:mm:ss",
    "sql_seq": "yyyy-MM-dd HH:mm:ss",
    "iso_local_date": "yyyy-MM-dd",
    "iso_date": "yyyy-MM-ddXXXXX",
    "iso_ordinal_date": "yyyy-DDDXXXXX",
    "basic_iso_date": "yyyyMMddX",
}
RFC_1123 = "EEE, d MMM yyyy HH:mm:ss Z"
STYLES = frozenset({"full", "long", "medium", "short"})
MILLIS_FROM = 10**11
MICROS_FROM = 10**14
NANOS_FROM = 10**17
"""From which size on an epoch number counts milliseconds, microseconds, nanoseconds."""


def to_moment(value: Any, zone: tzinfo, existing_format: str | None = None, locale: str = "en_US") -> datetime:
    """A value as an aware date.

    A date with a time in no zone is one of `zone`; a day is its noon; a date in UTC is an instant, seen from `zone`; an
    integer is an instant too, it counts from 1970 in the unit that its size tells; a text is ISO, or follows
    `existing_format` when that is given. Raises ExpressionError.
    """
    if isinstance(value, datetime):
        if value.tzinfo is UTC:
            return in_zone(value, zone)
        return value if value.tzinfo is not None else value.replace(tzinfo=zone)
    if is_date(value):
        return datetime.combine(value, NOON, zone)
    if isinstance(value, int) and not isinstance(value, bool):
        return in_zone(from_epoch(value), zone)
    if not isinstance(value, str):
        raise ExpressionError(f"A date must be a date, an integer or a text, but is {type(value).__name__}")
    if existing_format is None or existing_format == "iso":
        return parse_iso(value, zone)
    if existing_format == "rfc_1123_date_time":
        return parse_date(value, RFC_1123, zone, "en_US")
    if existing_format in SPECIAL:
        return parse_iso(value, zone)
    pattern = names_of(locale).styles[existing_format] if existing_format in STYLES else existing_format
    return parse_date(value, NAMED.get(pattern, pattern), zone, locale)


def from_epoch(number: int) -> datetime:
    """The UTC date of a count of seconds, milliseconds, microseconds or nanoseconds since 1970.

    Also of the count that `timestampMicro` once gave, seconds times a billion plus microseconds.
    """
    size = abs(number)
    if size < MILLIS_FROM:
        micros = number * 1_000_000
    elif size < MICROS_FROM:
        micros = number * 1000
    elif size < NANOS_FROM:
        micros = number
    elif size % 1_000_000_000 < 1_000_000:
        micros = number // 1_000_000_000 * 1_000_000 + number % 1_000_000_000
    else:
        micros = number // 1000
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise ExpressionError(f"{number} is too large for a date") from None


def parse_iso(text: str, zone: tzinfo) -> datetime:
    """An ISO text as a date: with an offset, or local in `zone`, or a day at midnight. Raises ExpressionError."""
    found = ISO.fullmatch(text.strip())
    if found is None:
        raise _unreadable(text)
    year, month, day, hour, minute, second, fraction, offset, region = found.groups()
    micro = int((fraction or "0").ljust(9, "0")) // 1000
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micro, zone
        )
    except ValueError:
        raise _unreadable(text) from None
    if offset is None:
        return local.replace(tzinfo=zone_of(region)) if region else local
    moment = local.replace(tzinfo=zone_of(offset.upper()))
    return in_zone(moment, zone_of(region)) if region else moment


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment in another zone. Raises ExpressionError at the ends of time."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        raise ExpressionError(f"The date {moment.isoformat()} is too far away") from None


def format_moment(moment: datetime, format: str, locale: str) -> str:
    """A date by a named format, a style of the language (`full`, `long`, `medium`, `short`) or a Java pattern."""
    special = SPECIAL.get(format)
    if special is not None:
        return special(moment)
    if format in STYLES:
        return format_date(moment, names_of(locale).styles[format], locale)
    return format_date(moment, NAMED.get(format, format), locale)


def add(moment: datetime, amount: int, unit: str) -> datetime:
    """A date moved by an amount of a unit (`DAYS`, `HOURS`, …); months and years keep to the end of a month.

    Days and longer units keep the time of day, where clocks skip it the one as long after. Raises ExpressionError.
    """
    name = unit.upper()
    try:
        if name in MONTHS_OF:
            return _existing(_plus_months(moment, amount * MONTHS_OF[name]))
        if name in DAYS_OF:
            return _existing(moment + timedelta(days=amount * DAYS_OF[name]))
        if name in MICROS_OF:
            micros = timedelta(microseconds=amount * MICROS_OF[name])
            return (moment.astimezone(UTC) + micros).astimezone(moment.tzinfo)
        if name == "NANOS":
            return add(moment, amount // 1000, "MICROS")
    except (OverflowError, ValueError):
        raise ExpressionError(f"Adding {amount} {name} leads to a date that is too far away") from None
    known = ", ".join((*MICROS_OF, *DAYS_OF, *MONTHS_OF))
    raise ExpressionError(f"'{unit}' is not a unit of time: use one of {known}")


def epoch_micros(moment: datetime) -> int:
    """Microseconds since 1970, rounded down."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _plus_months(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _existing(moment: datetime) -> datetime:
    return moment.astimezone(UTC).astimezone(moment.tzinfo)


def _unreadable(text: str) -> ExpressionError:
    return ExpressionError(
        f"The date '{text[:100]}' can't be read: write it as ISO (2026-01-31T10:00:00Z) or give an existingFormat"
    )


def _fraction(moment: datetime) -> str:
    return f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}{_fraction(moment)}"


def _with_zone(moment: datetime) -> str:
    region = "UTC" if moment.tzinfo is UTC else cast(str, getattr(moment.tzinfo, "key", ""))
    return iso_text(moment) + (f"[{region}]" if region else "")


def _week_date(moment: datetime) -> str:
    year, week, day = moment.isocalendar()
    return f"{year:04d}-W{week:02d}-{day}{offset_text(moment)}"


def _rfc_1123(moment: datetime) -> str:
    offset = offset_text(moment)
    zone = "GMT" if offset == "Z" else offset[:6].replace(":", "")
    return f"{format_date(moment, 'EEE, d MMM yyyy HH:mm:ss', 'en_US')} {zone}"


SPECIAL: dict[str, Callable[[datetime], str]] = {
    "iso_time": lambda moment: _time(moment) + offset_text(moment),
    "iso_offset_time": lambda moment: _time(moment) + offset_text(moment),
    "iso_local_time": _time,
    "iso_local_date_time": lambda moment: iso_text(moment.replace(tzinfo=None)),
    "iso_offset_date_time": iso_text,
    "iso_date_time": _with_zone,
    "iso_zoned_date_time": _with_zone,
    "iso_instant": lambda moment: moment_text(in_zone(moment, UTC)),
    "iso_week_date": _week_date,
    "rfc_1123_date_time": _rfc_1123,
}
MONTHS_OF = {"MONTHS": 1, "YEARS": 12, "DECADES": 120, "CENTURIES": 1200, "MILLENNIA": 12000}
DAYS_OF = {"DAYS": 1, "WEEKS": 7}
MICROS_OF = {
    "MICROS": 1,
    "MILLIS": 1000,
    "SECONDS": 1_000_000,
    "MINUTES": 60_000_000,
    "HOURS": 3_600_000_000,
    "HALF_DAYS": 43_200_000_000,
}


def day_of(value: Any) -> date:
    """The day of a date as it is written, whatever its zone. Raises ExpressionError."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return to_moment(value, UTC).date()
