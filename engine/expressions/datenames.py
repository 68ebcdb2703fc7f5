"""The words of a language for months, days and halves of a day, and the first day of its week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from engine.errors import ExpressionError

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
QUARTERS = ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter")
ENGLISH = frozenset({"en", "en_US", "en_US_POSIX"})


@dataclass(frozen=True, slots=True)
class Names:
    """Words in wide and short form, each list from its first (January, Monday). `first_day`: 0 is Monday."""

    months: tuple[str, ...]
    short_months: tuple[str, ...]
    lone_months: tuple[str, ...]
    lone_short_months: tuple[str, ...]
    days: tuple[str, ...]
    short_days: tuple[str, ...]
    narrow_days: tuple[str, ...]
    quarters: tuple[str, ...]
    short_quarters: tuple[str, ...]
    halves: tuple[str, str]
    eras: tuple[str, str]
    first_day: int
    least_days: int
    styles: dict[str, str]


ENGLISH_NAMES = Names(
    months=MONTHS,
    short_months=tuple(month[:3] for month in MONTHS),
    lone_months=MONTHS,
    lone_short_months=tuple(month[:3] for month in MONTHS),
    days=DAYS,
    short_days=tuple(day[:3] for day in DAYS),
    narrow_days=tuple(day[0] for day in DAYS),
    quarters=QUARTERS,
    short_quarters=("Q1", "Q2", "Q3", "Q4"),
    halves=("AM", "PM"),
    eras=("BC", "AD"),
    first_day=6,
    least_days=1,
    styles={
        "full": "EEEE, MMMM d, y 'at' h:mm:ss a zzzz",
        "long": "MMMM d, y 'at' h:mm:ss a z",
        "medium": "MMM d, y, h:mm:ss a",
        "short": "M/d/yy, h:mm a",
    },
)


@lru_cache(64)
def names_of(locale: str) -> Names:
    """The words of a locale (`fr`, `fr_FR`, `fr-FR`). Raises ExpressionError for an unknown one."""
    name = locale.replace("-", "_")
    if name in ENGLISH:
        return ENGLISH_NAMES
    # Imported here because loading it takes a fifth of a second and few templates need it.
    from babel.core import Locale, UnknownLocaleError

    try:
        known = Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        raise ExpressionError(f"'{locale[:100]}' is not a known locale; an example is 'fr_FR'") from None
    months, lone, days = known.months["format"], known.months["stand-alone"], known.days["format"]
    quarters, halves = known.quarters["format"], known.day_periods["format"]["abbreviated"]
    return Names(
        months=_ordered(months["wide"], 1, 12),
        short_months=_ordered(months["abbreviated"], 1, 12),
        lone_months=_ordered(lone["wide"], 1, 12),
        lone_short_months=_ordered(lone["abbreviated"], 1, 12),
        days=_ordered(days["wide"], 0, 6),
        short_days=_ordered(days["abbreviated"], 0, 6),
        narrow_days=_ordered(known.days["stand-alone"]["narrow"], 0, 6),
        quarters=_ordered(quarters["wide"], 1, 4),
        short_quarters=_ordered(quarters["abbreviated"], 1, 4),
        halves=(str(halves["am"]), str(halves["pm"])),
        eras=(str(known.eras["abbreviated"][0]), str(known.eras["abbreviated"][1])),
        first_day=known.first_week_day,
        least_days=known.min_week_days,
        styles={style: _style(known, style) for style in ("full", "long", "medium", "short")},
    )


def zone_name(moment: datetime, locale: str, long: bool) -> str:
    """The name of a moment's zone: `CEST`, or `Central European Summer Time`."""
    zone = moment.tzinfo
    short = moment.tzname() or ""
    lettered = bool(short) and short[0].isalpha() and not short.startswith("UTC+") and not short.startswith("UTC-")
    if not long and lettered:
        return short
    if not isinstance(zone, ZoneInfo):
        return "Coordinated Universal Time" if long and short == "UTC" else short.removeprefix("UTC") or short
    from babel.dates import get_timezone_name

    return str(get_timezone_name(moment, "long" if long else "short", locale=locale.replace("-", "_")))


def _ordered(words: Any, first: int, last: int) -> tuple[str, ...]:
    return tuple(str(words[index]) for index in range(first, last + 1))


def _style(locale: Any, style: Any) -> str:
    from babel.dates import get_date_format, get_datetime_format, get_time_format

    day = str(get_date_format(style, locale).pattern)
    time = str(get_time_format(style, locale).pattern)
    return str(get_datetime_format(style, locale=locale)).replace("{1}", day).replace("{0}", time)
