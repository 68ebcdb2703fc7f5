"""Functions on dates: now, parts of a date, comparisons, working days."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import as_text
from engine.expressions.datenames import DAYS
from engine.expressions.dates import day_of, to_moment
from engine.expressions.filters.dates import FORMATTING, formatted
from engine.expressions.registry import template_function
from engine.expressions.scope import RenderScope

DAY_NAMES = tuple(day.upper() for day in DAYS)
POSITIONS = ("FIRST", "SECOND", "THIRD", "FOURTH", "LAST")
WORKING_DAYS = frozenset(range(5))


@template_function("now", parameters=FORMATTING)
def now(
    scope: RenderScope, format: Any = None, time_zone: Any = None, existing_format: Any = None, locale: Any = None
) -> str:
    """The time of this rendering as text; arguments as for the filter `date`."""
    return formatted(scope, scope.now(), format, time_zone, locale)


@template_function("dayOfWeek", parameters=("date",))
def day_of_week(scope: RenderScope, value: Any = None) -> str:
    """The name of the day: MONDAY, …"""
    return DAY_NAMES[_day("dayOfWeek", value).weekday()]


@template_function("dayOfMonth", parameters=("date",))
def day_of_month(scope: RenderScope, value: Any = None) -> int:
    """The day of the month, from 1."""
    return _day("dayOfMonth", value).day


@template_function("monthOfYear", parameters=("date",))
def month_of_year(scope: RenderScope, value: Any = None) -> int:
    """The month, from 1."""
    return _day("monthOfYear", value).month


@template_function("hourOfDay", parameters=("date",))
def hour_of_day(scope: RenderScope, value: Any = None) -> int:
    """The hour of a date with a time, as it is written."""
    _expect("hourOfDay", "date", value)
    if isinstance(value, date) and not isinstance(value, datetime):
        raise ExpressionError("The 'hourOfDay()' function needs a date with a time")
    if isinstance(value, str) and "t" not in value.lower():
        raise ExpressionError(f"The 'hourOfDay()' function could not parse 'date': '{value[:100]}' has no time")
    return _moment("hourOfDay", "date", value).hour


@template_function("isWeekend", parameters=("date",))
def is_weekend(scope: RenderScope, value: Any = None) -> bool:
    """Whether a date is a Saturday or Sunday."""
    return _day("isWeekend", value).weekday() not in WORKING_DAYS


@template_function("isPublicHoliday", parameters=("date", "countryCode", "subDivision"))
def is_public_holiday(scope: RenderScope, value: Any = None, country: Any = None, part: Any = None) -> bool:
    """Whether a day is a public holiday in a country (`FR`), or in one of its parts (`DE`, `BY`)."""
    day = _day("isPublicHoliday", value)
    code = as_text(_expect("isPublicHoliday", "countryCode", country)).upper()
    # Loading its calendars takes a moment that few templates need.
    import holidays

    try:
        known = holidays.country_holidays(code, subdiv=None if part is None else as_text(part).upper(), years=day.year)
    except NotImplementedError:
        place = code if part is None else f"{code} {part}"
        raise ExpressionError(f"The function 'isPublicHoliday' knows no public holidays of '{place}'") from None
    return day in known


@template_function("isDateAfter", parameters=("date", "reference"))
def is_date_after(scope: RenderScope, value: Any = None, reference: Any = None) -> bool:
    """Whether a date is after another; dates without an offset are in UTC."""
    moment = _moment("isDateAfter", "date", value)
    return moment > _moment("isDateAfter", "reference", reference)


@template_function("isDateBefore", parameters=("date", "reference"))
def is_date_before(scope: RenderScope, value: Any = None, reference: Any = None) -> bool:
    """Whether a date is before another; dates without an offset are in UTC."""
    moment = _moment("isDateBefore", "date", value)
    return moment < _moment("isDateBefore", "reference", reference)


@template_function("isDateBetween", parameters=("date", "after", "before"))
def is_date_between(scope: RenderScope, value: Any = None, after: Any = None, before: Any = None) -> bool:
    """Whether a date is after one and before another, equal to neither."""
    moment = _moment("isDateBetween", "date", value)
    earliest = _moment("isDateBetween", "after", after)
    latest = _moment("isDateBetween", "before", before)
    return earliest < moment < latest


@template_function("isDayWeekInMonth", parameters=("date", "dayOfWeek", "position"))
def is_day_week_in_month(scope: RenderScope, value: Any = None, name: Any = None, position: Any = None) -> bool:
    """Whether a date is the first (second, third, fourth, last) of a day of the week in its month."""
    day = _day("isDayWeekInMonth", value)
    wanted = as_text(_expect("isDayWeekInMonth", "dayOfWeek", name)).upper()
    place = as_text(_expect("isDayWeekInMonth", "position", position)).upper()
    if wanted not in DAY_NAMES:
        raise ExpressionError(f"The 'dayOfWeek' of isDayWeekInMonth must be one of {', '.join(DAY_NAMES)}")
    if place not in POSITIONS:
        raise ExpressionError(f"The 'position' of isDayWeekInMonth must be one of {', '.join(POSITIONS)}")
    if DAY_NAMES[day.weekday()] != wanted:
        return False
    if place == "LAST":
        return day.day + 7 > monthrange(day.year, day.month)[1]
    return (day.day - 1) // 7 == POSITIONS.index(place)


@template_function("isLastWorkingDay", parameters=("date", "workingDays"))
def is_last_working_day(scope: RenderScope, value: Any = None, working_days: Any = None) -> bool:
    """Whether a date is the last working day of its month; Monday to Friday, or the days named, are working days."""
    day = _day("isLastWorkingDay", value)
    days = _working_days(working_days)
    last = monthrange(day.year, day.month)[1]
    working = [number for number in range(day.day, last + 1) if day.replace(day=number).weekday() in days]
    return working == [day.day]


def _working_days(names: Any) -> frozenset[int]:
    words = [] if names is None else [word for word in re.split(r"[,\s]+", as_text(names).upper()) if word]
    unknown = [word for word in words if word not in DAY_NAMES]
    if unknown:
        raise ExpressionError(f"'{unknown[0]}' in 'workingDays' is not a day: use names like MONDAY")
    return frozenset(map(DAY_NAMES.index, words)) or WORKING_DAYS


def _expect(function: str, argument: str, value: Any) -> Any:
    if value is None:
        raise ExpressionError(f"The '{function}()' function expects a '{argument}' argument.")
    return value


def _day(function: str, value: Any) -> date:
    try:
        return day_of(_expect(function, "date", value))
    except ExpressionError as error:
        if value is None:
            raise
        raise ExpressionError(f"The '{function}()' function could not parse 'date': {error.reason}") from None


def _moment(function: str, argument: str, value: Any) -> datetime:
    _expect(function, argument, value)
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        return to_moment(value, UTC)
    except ExpressionError as error:
        raise ExpressionError(f"The '{function}()' function could not parse '{argument}': {error.reason}") from None
