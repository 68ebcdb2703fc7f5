"""Java's patterns for dates (`yyyy-MM-dd'T'HH:mm:ssXXX`), and how dates are written by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.errors import ExpressionError
from engine.expressions.datenames import Names, names_of, zone_name
from engine.expressions.printing import offset_text

MICROS = 1_000_000
LONGEST = 500
NUMERIC = "yuMLdDHhkKmsSnNAQqwWYec"
MOST = {
    **dict.fromkeys("MLEecGQqXxZ", 5),
    **dict.fromkeys("dHhkKmswV", 2),
    **dict.fromkeys("zvO", 4),
    "a": 1,
    "W": 1,
    "D": 3,
    "S": 9,
}
"""How often a letter may stand in a row."""
LETTERS = frozenset(NUMERIC + "GEaVzvOXxZ")


@dataclass(frozen=True, slots=True)
class Token:
    """A run of one letter, or a literal text (letter is empty)."""

    letter: str
    count: int
    literal: str = ""


Tokens = tuple["Token | Tokens", ...]
"""An inner tuple is an optional part, `[...]`."""


@lru_cache(512)
def tokens_of(pattern: str) -> Tokens:
    """A pattern taken apart. Raises ExpressionError."""
    if len(pattern) > LONGEST:
        raise ExpressionError(f"A date pattern must not be longer than {LONGEST} characters")
    levels: list[list[Token | Tokens]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "'":
            text, at = _quoted(pattern, at)
            levels[-1].append(Token("", 0, text))
            continue
        if char.isascii() and char.isalpha():
            run = len(pattern[at:]) - len(pattern[at:].lstrip(char))
            levels[-1].append(_token(char, run, pattern))
            at += run
            continue
        if char == "[":
            levels.append([])
        elif char == "]":
            if len(levels) == 1:
                raise ExpressionError(f"The date pattern '{pattern}' closes a bracket that it didn't open")
            inner = tuple(levels.pop())
            levels[-1].append(inner)
        elif char in "{}#":
            raise ExpressionError(f"The date pattern '{pattern}' has the reserved character '{char}'; put it in quotes")
        else:
            levels[-1].append(Token("", 0, char))
        at += 1
    while len(levels) > 1:
        inner = tuple(levels.pop())
        levels[-1].append(inner)
    return tuple(levels[0])


def _quoted(pattern: str, at: int) -> tuple[str, int]:
    """The text in quotes that begins at `at`, and where the pattern goes on."""
    text = ""
    at += 1
    while at < len(pattern):
        if pattern[at] != "'":
            text += pattern[at]
        elif pattern[at + 1 : at + 2] == "'":
            text += "'"
            at += 1
        else:
            return text or "'", at + 1
        at += 1
    raise ExpressionError(f"The date pattern '{pattern}' opens a quote that it doesn't close")


def _token(letter: str, count: int, pattern: str) -> Token:
    if letter not in LETTERS:
        raise ExpressionError(f"The date pattern '{pattern}' has the unknown letter '{letter}'")
    most = MOST.get(letter, 19)
    if count > most or (letter == "V" and count != 2) or (letter == "O" and count not in (1, 4)):
        raise ExpressionError(f"The date pattern '{pattern}' has too many or too few letters: '{letter * count}'")
    return Token(letter, count)


def format_date(moment: datetime, pattern: str, locale: str) -> str:
    """A date by a Java pattern. Raises ExpressionError for a pattern that can't be read."""
    names = names_of(locale)
    try:
        return "".join(_written(token, moment, names, locale) for token in _flat(tokens_of(pattern)))
    except OverflowError:
        raise ExpressionError(f"The date {moment.isoformat()} is too far away") from None


def _flat(tokens: Tokens) -> Iterator[Token]:
    for token in tokens:
        if isinstance(token, Token):
            yield token
        else:
            yield from _flat(token)


def _written(token: Token, moment: datetime, names: Names, locale: str) -> str:
    letter, count = token.letter, token.count
    if not letter:
        return token.literal
    if letter in "zv":
        return zone_name(moment, locale, count == 4)
    if letter in "VOXxZ":
        return _zone(letter, count, moment)
    if letter == "S":
        return f"{moment.microsecond:06d}000"[:count]
    words = _words(letter, count, moment, names)
    if words is not None:
        return words
    number = NUMBERS[letter](moment, names)
    if letter in "yuY" and count == 2:
        return f"{number % 100:02d}"
    return str(number).rjust(count, "0")


def _words(letter: str, count: int, moment: datetime, names: Names) -> str | None:
    """What is written as a word; None for what is a number."""
    if letter == "a":
        return names.halves[moment.hour >= 12]
    if letter == "G":
        return names.eras[1]
    if letter == "E" or (letter in "ec" and count > 2):
        day = moment.weekday()
        return {4: names.days, 5: names.narrow_days}.get(count, names.short_days)[day]
    if letter in "ML" and count > 2:
        if count == 5:
            return names.lone_months[moment.month - 1][:1].upper()
        wide, short = (names.months, names.short_months) if letter == "M" else (
            names.lone_months, names.lone_short_months)  # fmt: skip
        return (wide if count == 4 else short)[moment.month - 1]
    if letter in "Qq" and count > 2:
        quarter = (moment.month - 1) // 3
        return str(quarter + 1) if count == 5 else (names.quarters if count == 4 else names.short_quarters)[quarter]
    return None


def _week_start(day: date, names: Names) -> date:
    return day - timedelta((day.weekday() - names.first_day) % 7)


def week_of_year(day: date, names: Names) -> tuple[int, int]:
    """The year that a week belongs to, and the number of the week in it."""
    start = _week_start(day, names)
    for year in (day.year + 1, day.year, day.year - 1):
        first = _first_week(date(year, 1, 1), names) if 1 <= year <= 9999 else None
        if first is not None and start >= first:
            return year, (start - first).days // 7 + 1
    return day.year, 1


def _first_week(first: date, names: Names) -> date:
    """Where week 1 begins, of the year or month that begins with `first`."""
    start = _week_start(first, names)
    return start if 7 - (first - start).days >= names.least_days else start + timedelta(7)


def _week_of_month(moment: datetime, names: Names) -> int:
    start = _week_start(moment.date(), names)
    return max((start - _first_week(moment.date().replace(day=1), names)).days // 7 + 1, 0)


def _micros_of_day(moment: datetime) -> int:
    return (moment.hour * 3600 + moment.minute * 60 + moment.second) * MICROS + moment.microsecond


NUMBERS: dict[str, Callable[[datetime, Names], int]] = {
    "y": lambda moment, _: moment.year,
    "u": lambda moment, _: moment.year,
    "Y": lambda moment, names: week_of_year(moment.date(), names)[0],
    "M": lambda moment, _: moment.month,
    "L": lambda moment, _: moment.month,
    "d": lambda moment, _: moment.day,
    "D": lambda moment, _: moment.timetuple().tm_yday,
    "H": lambda moment, _: moment.hour,
    "k": lambda moment, _: moment.hour or 24,
    "K": lambda moment, _: moment.hour % 12,
    "h": lambda moment, _: moment.hour % 12 or 12,
    "m": lambda moment, _: moment.minute,
    "s": lambda moment, _: moment.second,
    "n": lambda moment, _: moment.microsecond * 1000,
    "N": lambda moment, _: _micros_of_day(moment) * 1000,
    "A": lambda moment, _: _micros_of_day(moment) // 1000,
    "Q": lambda moment, _: (moment.month + 2) // 3,
    "q": lambda moment, _: (moment.month + 2) // 3,
    "w": lambda moment, names: week_of_year(moment.date(), names)[1],
    "W": _week_of_month,
    "e": lambda moment, names: (moment.weekday() - names.first_day) % 7 + 1,
    "c": lambda moment, names: (moment.weekday() - names.first_day) % 7 + 1,
}


def _zone(letter: str, count: int, moment: datetime) -> str:
    offset = offset_text(moment)
    if letter == "V":
        zone = moment.tzinfo
        return zone.key if isinstance(zone, ZoneInfo) else "UTC" if zone is UTC else offset
    if letter == "O" or (letter == "Z" and count == 4):
        return _gmt(offset, count == 4)
    if offset == "Z" and (letter == "X" or (letter == "Z" and count == 5)):
        return "Z"
    text = "+00:00" if offset == "Z" else offset
    if count == 5 or (letter in "Xx" and count == 3):
        return text if count == 5 else text[:6]
    if letter == "Z" or count in (2, 4):
        return (text if count == 4 else text[:6]).replace(":", "")
    return text[:3] if text[4:6] == "00" else text[:6].replace(":", "")


def _gmt(offset: str, full: bool) -> str:
    if offset == "Z":
        return "GMT"
    if full:
        return f"GMT{offset}"
    hours, minutes = offset[1:3].lstrip("0") or "0", offset[4:6]
    return f"GMT{offset[0]}{hours}" + (f":{minutes}" if minutes != "00" else "")
