"""Reading dates by Java's patterns."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import ExpressionError
from engine.expressions.datenames import Names, names_of
from engine.expressions.datepatterns import NUMERIC, Token, Tokens, tokens_of

ZONE_PREFIXES = ("UTC", "GMT", "UT")


@dataclass(slots=True)
class _Fields:
    """What was read so far."""

    numbers: dict[str, int] = field(default_factory=dict)
    zone: tzinfo | None = None
    afternoon: bool | None = None


class _Unreadable(Exception):
    """The text doesn't follow the pattern."""


def parse_date(text: str, pattern: str, zone: tzinfo, locale: str) -> datetime:
    """The date that a text is by a Java pattern; without an offset in it a date of `zone`, without a time its midnight.

    Raises ExpressionError.
    """
    names = names_of(locale)
    fields = _Fields()
    try:
        end = _read_all(tokens_of(pattern), text, 0, fields, names)
        if end != len(text):
            raise _Unreadable
        return _resolved(fields, zone)
    except (_Unreadable, ValueError, OverflowError):
        raise ExpressionError(f"The date '{text[:100]}' can't be read with the format '{pattern}'") from None


def _read_all(tokens: Tokens, text: str, at: int, fields: _Fields, names: Names) -> int:
    for index, token in enumerate(tokens):
        if isinstance(token, Token):
            at = _read(token, text, at, fields, names, _reserved(tokens, index))
        else:
            known = dict(fields.numbers), fields.zone, fields.afternoon
            try:
                at = _read_all(token, text, at, fields, names)
            except _Unreadable:
                fields.numbers, fields.zone, fields.afternoon = known
    return at


def _reserved(tokens: Tokens, index: int) -> int:
    """How many digits right after a number belong to the numbers that follow it."""
    width = 0
    for token in tokens[index + 1 :]:
        if not isinstance(token, Token) or not _is_number(token):
            break
        if token.count < 2 and token.letter != "S":
            break
        width += token.count
    return width


def _is_number(token: Token) -> bool:
    return token.letter != "" and token.letter in NUMERIC and not (token.letter in "MLQqec" and token.count > 2)


def _read(token: Token, text: str, at: int, fields: _Fields, names: Names, reserved: int) -> int:
    letter, count = token.letter, token.count
    if not letter:
        if not text.startswith(token.literal, at):
            raise _Unreadable
        return at + len(token.literal)
    if _is_number(token):
        return _read_number(token, text, at, fields, reserved)
    if letter in "ML":
        wide = (*names.months, *names.lone_months)
        short = (*names.short_months, *names.lone_short_months)
        found, at = _word(wide if count == 4 else short, text, at)
        fields.numbers["M"] = found % 12 + 1
    elif letter in "Eec":
        _, at = _word(names.days if count == 4 else names.short_days, text, at)
    elif letter == "a":
        found, at = _word(names.halves, text, at)
        fields.afternoon = found == 1
    elif letter == "G":
        _, at = _word(names.eras[1:], text, at)
    elif letter in "XxZO":
        fields.zone, at = _read_offset(text, at)
    elif letter in "Vzv":
        fields.zone, at = _read_zone(text, at)
    else:
        raise _Unreadable
    return at


def _read_number(token: Token, text: str, at: int, fields: _Fields, reserved: int) -> int:
    letter, count = token.letter, token.count
    end = at
    while end < len(text) and text[end].isdecimal() and end - at < 19:
        end += 1
    fixed = letter == "S" or (letter in "yuY" and count == 2) or (letter not in "yuY" and count > 1)
    width = count if fixed else max(end - at - reserved, 1)
    least = count if fixed or letter in "yuY" else 1
    if end - at < max(width, least) or width < least:
        raise _Unreadable
    number = int(text[at : at + width])
    if letter == "S":
        number = int(text[at : at + width].ljust(9, "0")) // 1000
    elif letter in "yu" and count == 2:
        number += 2000
    fields.numbers[{"u": "y", "L": "M"}.get(letter, letter)] = number
    return at + width


def _word(words: tuple[str, ...], text: str, at: int) -> tuple[int, int]:
    """The index of the longest word that the text goes on with, and where it ends."""
    matching = [(len(word), -index) for index, word in enumerate(words) if text.startswith(word, at)]
    if not matching:
        raise _Unreadable
    length, index = max(matching)
    return -index, at + length


def _read_offset(text: str, at: int) -> tuple[tzinfo, int]:
    if text[at : at + 1] in ("Z", "z"):
        return UTC, at + 1
    if text.startswith("GMT", at):
        at += 3
        if text[at : at + 1] not in ("+", "-"):
            return UTC, at
    if text[at : at + 1] not in ("+", "-"):
        raise _Unreadable
    end = at + 1
    while end < len(text) and (text[end].isdecimal() or text[end] == ":") and end - at < 9:
        end += 1
    digits = text[at + 1 : end].replace(":", "")
    if len(digits) not in (1, 2, 4, 6):
        raise _Unreadable
    digits = digits.rjust(2, "0").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    if seconds > 18 * 3600:
        raise _Unreadable
    return timezone(timedelta(seconds=seconds if text[at] == "+" else -seconds)), end


def _read_zone(text: str, at: int) -> tuple[tzinfo, int]:
    if text[at : at + 1] in ("+", "-"):
        return _read_offset(text, at)
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "/_+-"):
        end += 1
    try:
        return zone_of(text[at:end]), end
    except ExpressionError:
        raise _Unreadable from None


def _resolved(fields: _Fields, zone: tzinfo) -> datetime:
    numbers = fields.numbers
    if "y" not in numbers:
        raise _Unreadable
    hour = numbers.get("H", numbers.get("k", 0) % 24)
    if "h" in numbers or "K" in numbers:
        half = numbers.get("h", numbers.get("K", 0))
        if fields.afternoon is None or half > 12:
            raise _Unreadable
        hour = half % 12 + 12 * fields.afternoon
    micro = numbers.get("S", numbers.get("n", 0) // 1000)
    year = numbers["y"]
    if "D" in numbers and "d" not in numbers:
        if not 1 <= numbers["D"] <= 365 + calendar.isleap(year):
            raise _Unreadable
        day = date(year, 1, 1) + timedelta(numbers["D"] - 1)
    elif "M" in numbers and "d" in numbers:
        day = date(year, numbers["M"], numbers["d"])
    else:
        raise _Unreadable
    return datetime(
        day.year, day.month, day.day, hour, numbers.get("m", 0), numbers.get("s", 0), micro, fields.zone or zone
    )


@lru_cache(512)
def zone_of(name: str) -> tzinfo:
    """The zone of a name: `Europe/Paris`, `UTC`, `+02:00`, `UTC+2`. Raises ExpressionError."""
    if name in ("Z", "UTC"):
        return UTC
    bare = name
    for prefix in ZONE_PREFIXES:
        if name.startswith((f"{prefix}+", f"{prefix}-")):
            bare = name.removeprefix(prefix)
    try:
        if bare[:1] in ("+", "-"):
            zone, end = _read_offset(bare, 0)
            if end == len(bare):
                return zone
        elif bare and not bare.startswith("/"):
            return ZoneInfo(bare)
    except (_Unreadable, ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ExpressionError(f"'{name[:100]}' is not a known time zone; an example is 'Europe/Paris'")
