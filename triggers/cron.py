"""Cron expressions as users write them: five fields, six with seconds first, or a nickname."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

NICKNAMES: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Field(NamedTuple):
    """One field: what it is called, its range, and names for its numbers from `first` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first: int = 0


SECOND = Field("second", 0, 59)
FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, MONTHS, 1),
    Field("day of week", 0, 7, WEEKDAYS),
)


class Cron(NamedTuple):
    """The numbers that each field allows; Sunday is 0.

    either: days of month and of week are both restricted, so that a date fits when one of them does
    fixed: minute and hour are written as numbers, so that it names times of the day and not a pace
    """

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    fixed: bool = False


@lru_cache(4096)
def parse_cron(text: str, with_seconds: bool = False) -> Cron:
    """Read an expression. Raises ValueError with what is wrong and what would be right."""
    written = NICKNAMES.get(text.strip().lower(), text)
    if written.startswith("@"):
        raise ValueError(f"'{text}' is none of {', '.join(NICKNAMES)}")
    parts = written.split()
    if written is not text and with_seconds:
        parts.insert(0, "0")
    wanted = (SECOND, *FIELDS) if with_seconds else FIELDS
    if len(parts) != len(wanted):
        hint = ", set withSeconds for six fields" if len(parts) == 6 and not with_seconds else ""
        raise ValueError(f"it must have {len(wanted)} fields, but has {len(parts)}{hint}")
    sets = [_field(part, field) for part, field in zip(parts, wanted, strict=True)]
    seconds = sets.pop(0) if with_seconds else frozenset({0})
    minutes, hours, days, months, weekdays = sets
    minute, hour, day, _, weekday = parts[-5:]
    if weekday == "*" and all(min(days) > LONGEST[month - 1] for month in months):
        raise ValueError("there is no such date")
    weekdays = frozenset(number % 7 for number in weekdays)
    either = not day.startswith("*") and not weekday.startswith("*")
    fixed = not any(sign in minute + hour for sign in "*/")
    return Cron(seconds, minutes, hours, days, months, weekdays, either, fixed)


def _field(text: str, field: Field) -> frozenset[int]:
    return frozenset(number for part in text.split(",") for number in _range(part, field))


def _range(text: str, field: Field) -> range:
    span, slash, step = text.partition("/")
    every = 1
    if slash:
        if not (step.isascii() and step.isdigit()) or int(step) == 0:
            raise ValueError(f"'{text}' is no {field.name}: the step must be a number above 0")
        every = int(step)
    if span == "*":
        low, high = field.low, field.high
    elif "-" in span:
        start, _, end = span.partition("-")
        low, high = _number(start, text, field), _number(end, text, field)
        if low > high:
            raise ValueError(f"'{text}' is no {field.name}: {start} comes after {end}")
    else:
        low = _number(span, text, field)
        high = field.high if slash else low
    return range(low, high + 1, every)


def _number(text: str, whole: str, field: Field) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.first
    if not (text.isascii() and text.isdigit()) or not field.low <= int(text) <= field.high:
        raise ValueError(f"'{whole}' is no {field.name}, it takes {field.low} to {field.high}")
    return int(text)
