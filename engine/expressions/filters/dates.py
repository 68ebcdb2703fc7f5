"""Filters on dates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import integer, text
from engine.expressions.dateparsing import zone_of
from engine.expressions.dates import add, epoch_micros, format_moment, in_zone, to_moment
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope

FORMATTING = ("format", "timeZone", "existingFormat", "locale")


@template_filter("date", parameters=FORMATTING)
def date(
    scope: RenderScope,
    value: Any,
    format: Any = None,
    time_zone: Any = None,
    existing_format: Any = None,
    locale: Any = None,
) -> str:
    """A date as text: by a named format or a pattern, in a zone, with the words of a language."""
    return formatted(scope, moment(scope, value, time_zone, existing_format, locale), format, time_zone, locale)


@template_filter("dateAdd", parameters=("amount", "unit", *FORMATTING))
def date_add(
    scope: RenderScope,
    value: Any,
    amount: Any = None,
    unit: Any = None,
    format: Any = None,
    time_zone: Any = None,
    existing_format: Any = None,
    locale: Any = None,
) -> str:
    """A date moved by an amount of a unit, as text."""
    if amount is None or unit is None:
        raise ExpressionError("The 'dateAdd' filter expects the arguments 'amount' and 'unit'.")
    count = integer(amount, "The argument 'amount' of dateAdd")
    name = text(unit, "The argument 'unit' of dateAdd")
    moved = add(moment(scope, value, time_zone, existing_format, locale), count, name)
    return formatted(scope, moved, format, time_zone, locale)


@template_filter("timestamp", parameters=("timeZone", "existingFormat"))
def timestamp(scope: RenderScope, value: Any, time_zone: Any = None, existing_format: Any = None) -> int:
    """Seconds since 1970."""
    return epoch_micros(moment(scope, value, time_zone, existing_format)) // 1_000_000


@template_filter("timestampMilli", parameters=("timeZone", "existingFormat"))
def timestamp_milli(scope: RenderScope, value: Any, time_zone: Any = None, existing_format: Any = None) -> int:
    """Milliseconds since 1970."""
    return epoch_micros(moment(scope, value, time_zone, existing_format)) // 1000


@template_filter("timestampMicro", parameters=("timeZone", "existingFormat"))
def timestamp_micro(scope: RenderScope, value: Any, time_zone: Any = None, existing_format: Any = None) -> int:
    """Microseconds since 1970."""
    return epoch_micros(moment(scope, value, time_zone, existing_format))


@template_filter("timestampNano", parameters=("timeZone", "existingFormat"))
def timestamp_nano(scope: RenderScope, value: Any, time_zone: Any = None, existing_format: Any = None) -> int:
    """Nanoseconds since 1970."""
    return epoch_micros(moment(scope, value, time_zone, existing_format)) * 1000


def moment(
    scope: RenderScope, value: Any, time_zone: Any = None, existing_format: Any = None, locale: Any = None
) -> datetime:
    """A value as a date, by the arguments of a date filter."""
    zone = scope.zone if time_zone is None else zone_of(text(time_zone, "The argument 'timeZone'"))
    known = None if existing_format is None else text(existing_format, "The argument 'existingFormat'")
    return to_moment(value, zone, known, _locale(scope, locale))


def formatted(scope: RenderScope, moment: datetime, format: Any, time_zone: Any, locale: Any) -> str:
    """A date as text, by the arguments of a date filter."""
    zone = scope.zone if time_zone is None else zone_of(text(time_zone, "The argument 'timeZone'"))
    name = "iso" if format is None else text(format, "The argument 'format'")
    return format_moment(in_zone(moment, zone), name, _locale(scope, locale))


def _locale(scope: RenderScope, locale: Any) -> str:
    return scope.locale if locale is None else text(locale, "The argument 'locale'")
