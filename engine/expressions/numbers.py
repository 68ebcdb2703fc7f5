"""Numbers as Java writes and reads them, and its patterns for decimal numbers."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from engine.errors import ExpressionError

INTEGER = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?")
LONGEST = 4000
EXACT = Context(prec=5000)
BOUNDS = {"INT": 31, "LONG": 63}
DEFAULT_PATTERN = "#,##0.###"
QUOTED = re.compile("'((?:[^']|'')*)'")
DIGITS = "#0,."
ENGLISH = frozenset({"en", "en_US", "en-US", "en_GB", "en-GB"})


class Float32(float):
    """A number of 32 bits: it prints with as few digits as tell it from its neighbours."""


class BigInteger(int):
    """An integer that was asked for without bounds."""


def java_text(value: float) -> str:
    """A float as Java prints it: `3.0`, `1.0E-4`, `1.23456785E7`, `Infinity`, `NaN`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    digits = _shortest(value) if isinstance(value, Float32) else float.__repr__(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return digits if "e" not in digits and "." in digits else _plain(digits)
    return _scientific(digits)


def plain_text(value: Decimal) -> str:
    """A decimal without an exponent."""
    return format(value, "f") if value.is_finite() else str(value)


def widened(value: float) -> float:
    """The float of 64 bits that a float of 32 bits stands for."""
    if isinstance(value, Float32):
        single: float = struct.unpack("f", struct.pack("f", value))[0]
        return single
    return value


def parse_number(text: str, kind: str | None = None) -> int | float | Decimal:
    """The number that a text is.

    kind: INT, LONG, FLOAT, DOUBLE, BIGDECIMAL, BIGINTEGER; without it what fits. Raises ExpressionError.
    """
    if kind is None:
        return _fitting(text)
    name = kind.upper()
    if name in BOUNDS:
        number = _integer(text, name)
        if not -(2 ** BOUNDS[name]) <= number < 2 ** BOUNDS[name]:
            raise ExpressionError(f"'{text[:100]}' is too large for a number of type {name}")
        return number
    if name == "BIGINTEGER":
        return BigInteger(_integer(text, name))
    if name in ("FLOAT", "DOUBLE"):
        number_text = text.strip().rstrip("dDfF") if DECIMAL.fullmatch(text.strip()) else ""
        if not number_text:
            raise _not_a_number(text, name)
        return Float32(number_text) if name == "FLOAT" else float(number_text)
    if name == "BIGDECIMAL":
        return _decimal(text)
    raise ExpressionError(f"'{kind}' is no type of number: use INT, LONG, FLOAT, DOUBLE, BIGDECIMAL or BIGINTEGER")


def _fitting(text: str) -> int | float | Decimal:
    if INTEGER.fullmatch(text):
        return _integer(text, "a number")
    if not DECIMAL.fullmatch(text):
        raise _not_a_number(text, "a number")
    stripped = text.rstrip("dDfF")
    digits = re.split("[eE]", stripped)[0].strip("+-").replace(".", "").lstrip("0")
    number = float(stripped)
    return _decimal(stripped) if len(digits) > 17 or math.isinf(number) else number


def _integer(text: str, kind: str) -> int:
    if not INTEGER.fullmatch(text) or len(text) > LONGEST:
        raise _not_a_number(text, kind)
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _not_a_number(text, "BIGDECIMAL") from None
    if not number.is_finite() or len(text) > LONGEST or abs(number.adjusted()) > LONGEST:
        raise _not_a_number(text, "BIGDECIMAL")
    return number


def _not_a_number(text: str, kind: str) -> ExpressionError:
    what = kind if kind == "a number" else f"a number of type {kind}"
    return ExpressionError(f"'{text[:100]}' is not {what}")


def _shortest(value: float) -> str:
    single = struct.pack("f", value)
    for precision in range(1, 10):
        digits = f"{value:.{precision}g}"
        if struct.pack("f", float(digits)) == single:
            return digits if "." in digits or "e" in digits else f"{digits}.0"
    return float.__repr__(value)


def _plain(digits: str) -> str:
    text = format(Decimal(digits), "f")
    return text if "." in text else f"{text}.0"


def _scientific(digits: str) -> str:
    sign, figures, exponent = Decimal(digits).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, figures))
    power = exponent + len(text) - 1
    text = text.rstrip("0") or "0"
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{power}"


@dataclass(frozen=True, slots=True)
class Affixes:
    """What stands before and after the digits, and by what they are multiplied."""

    prefix: str
    suffix: str
    scale: int


@dataclass(frozen=True, slots=True)
class DecimalPattern:
    """A pattern taken apart. `group` is the size of a group of digits, 0 for none; `exponent` the digits of one."""

    positive: Affixes
    negative: Affixes | None
    least_integer: int
    most_integer: int
    least_fraction: int
    most_fraction: int
    group: int
    exponent: int


def format_number(value: Any, pattern: str | None = None, locale: str = "en_US") -> str:
    """A number by a Java decimal pattern (`#,##0.00`, `0.0%`), halves rounded to the even digit.

    Raises ExpressionError for what is no number and for a pattern that can't be read.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ExpressionError("numberFormat needs a number; use the filter 'number' to read one from a text")
    parsed = parse_pattern(DEFAULT_PATTERN if pattern is None else pattern)
    symbols = _symbols(locale)
    scaled = _scaled(value, parsed.positive.scale)
    if isinstance(scaled, float) and not math.isfinite(scaled):
        return "NaN" if math.isnan(scaled) else _affixed("∞", scaled < 0, parsed, symbols)
    shortest = _shortest_decimal(scaled)
    body = (_with_exponent if parsed.exponent else _digits)(scaled, abs(shortest), parsed, symbols)
    return _affixed(body, shortest.is_signed() and (shortest != 0 or isinstance(scaled, float)), parsed, symbols)


@lru_cache(256)
def parse_pattern(pattern: str) -> DecimalPattern:
    """Take a pattern apart. Raises ExpressionError."""
    parts = _split(pattern, ";")
    if len(parts) > 2:
        raise ExpressionError(f"The number pattern '{pattern}' has more than one ';'")
    prefix, body, suffix = _divide(parts[0], pattern)
    negative = None
    if len(parts) == 2:
        before, _, after = _divide(parts[1], pattern)
        negative = _affixes(before, after)
    number, _, exponent = body.partition("E")
    whole, dot, fraction = number.partition(".")
    digits = whole.replace(",", "") + fraction
    ordered = re.fullmatch(r"#*0*\.0*#*", f"{whole.replace(',', '')}.{fraction}")
    if ordered is None or not digits or exponent.strip("0"):
        raise ExpressionError(f"The number pattern '{pattern}' can't be read; an example is '#,##0.00'")
    group = len(whole) - whole.rindex(",") - 1 if "," in whole else 0
    return DecimalPattern(_affixes(prefix, suffix), negative, *_widths(digits, whole, dot), group, len(exponent))


def _widths(digits: str, whole: str, dot: str) -> tuple[int, int, int, int]:
    """Least and most digits before and after the point."""
    left = len(whole.replace(",", ""))
    zeros = digits.count("0")
    optional = len(digits) - len(digits.lstrip("#"))
    if zeros == 0 and dot:
        # Without any 0 one digit next to the point counts as such: "#.##" gives 0.5 and ".##" gives .5
        optional = max(left, 1) - 1
        zeros = 1
    elif zeros == 0:
        return 0, left, 0, 0
    least_integer = max(left - optional, 0)
    least_fraction = max(optional + zeros - left, 0) if dot else 0
    return least_integer, left, least_fraction, len(digits) - left


def _split(text: str, separator: str) -> list[str]:
    """The parts of a pattern; what stands in quotes separates nothing."""
    parts, quoted = [""], False
    for char in text:
        quoted ^= char == "'"
        if char == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _divide(part: str, pattern: str) -> tuple[str, str, str]:
    """Prefix, digits and suffix of one half of a pattern."""
    quoted = False
    start = end = -1
    for index, char in enumerate(part):
        quoted ^= char == "'"
        if quoted or char == "'":
            continue
        if char in DIGITS or (char == "E" and start >= 0 and end == index and part[index + 1 : index + 2] == "0"):
            start = index if start < 0 else start
            if end not in (-1, index):
                raise ExpressionError(f"The number pattern '{pattern}' has digits in two places")
            end = index + 1
    if start < 0:
        raise ExpressionError(f"The number pattern '{pattern}' has no digits; an example is '#,##0.00'")
    return part[:start], part[start:end], part[end:]


def _affixes(prefix: str, suffix: str) -> Affixes:
    bare = re.sub(QUOTED, "", f"{prefix} {suffix}")
    scale = 2 if "%" in bare else 3 if "‰" in bare else 0
    return Affixes(_unquoted(prefix), _unquoted(suffix), scale)


def _unquoted(text: str) -> str:
    return re.sub(QUOTED, lambda found: found.group(1).replace("''", "'") or "'", text)


def _scaled(value: int | float | Decimal, scale: int) -> int | float | Decimal:
    """A number times a power of ten; a float as a float, so that 2.675 is 267.5 percent."""
    if scale == 0:
        return value
    return value * 10.0**scale if isinstance(value, float) else Decimal(value).scaleb(scale, EXACT)


def _shortest_decimal(value: int | float | Decimal) -> Decimal:
    if isinstance(value, float):
        return Decimal(_shortest(value) if isinstance(value, Float32) else float.__repr__(value))
    return Decimal(value)


def _exact(value: int | float | Decimal, shortest: Decimal, is_cut: bool) -> Decimal:
    """What is rounded: where digits of a float are cut its exact value, as 0.285 is a little less than it looks."""
    return abs(Decimal(widened(value))) if is_cut and isinstance(value, float) else shortest


def _digits(value: int | float | Decimal, shortest: Decimal, pattern: DecimalPattern, symbols: Symbols) -> str:
    exponent = shortest.as_tuple().exponent
    assert isinstance(exponent, int)
    exact = _exact(value, shortest, -exponent > pattern.most_fraction)
    rounded = exact.quantize(Decimal(1).scaleb(-pattern.most_fraction), ROUND_HALF_EVEN, EXACT)
    whole, _, fraction = format(rounded, "f").partition(".")
    whole = whole.lstrip("0").rjust(pattern.least_integer, "0")
    fraction = fraction.rstrip("0").ljust(pattern.least_fraction, "0")
    if not whole and not fraction:
        whole = "0"
    if pattern.group:
        first = len(whole) % pattern.group
        groups = [whole[:first]] if first else []
        groups += [whole[at : at + pattern.group] for at in range(first, len(whole), pattern.group)]
        whole = symbols.group.join(groups)
    return f"{whole}{symbols.decimal}{fraction}" if fraction else whole


def _with_exponent(value: int | float | Decimal, shortest: Decimal, pattern: DecimalPattern, symbols: Symbols) -> str:
    least, most = max(pattern.least_integer, 1), pattern.most_integer
    in_steps = most > pattern.least_integer and most > 1
    figures = (most if in_steps else least) + pattern.most_fraction
    exact = _exact(value, shortest, len(shortest.normalize(EXACT).as_tuple().digits) > figures)
    rounded = Context(prec=figures, rounding=ROUND_HALF_EVEN).plus(exact)
    power = rounded.adjusted()
    shift = 0 if not rounded else power // most * most if in_steps else power - least + 1
    whole, _, fraction = format(rounded.scaleb(-shift, EXACT), "f").partition(".")
    fraction = fraction.rstrip("0").ljust(pattern.least_fraction, "0")
    body = whole.rjust(least, "0") + (f"{symbols.decimal}{fraction}" if fraction else "")
    return f"{body}E{'-' if shift < 0 else ''}{str(abs(shift)).rjust(pattern.exponent, '0')}"


@dataclass(frozen=True, slots=True)
class Symbols:
    """The signs that a language writes numbers with."""

    decimal: str
    group: str
    minus: str


def _affixed(body: str, is_negative: bool, pattern: DecimalPattern, symbols: Symbols) -> str:
    if not is_negative:
        return pattern.positive.prefix + body + pattern.positive.suffix
    if pattern.negative is None:
        return symbols.minus + pattern.positive.prefix + body + pattern.positive.suffix
    return pattern.negative.prefix + body + pattern.negative.suffix


@lru_cache(64)
def _symbols(locale: str) -> Symbols:
    if locale in ENGLISH:
        return Symbols(".", ",", "-")
    # Imported here because loading it takes a fifth of a second and few templates need it.
    from babel.core import Locale, UnknownLocaleError
    from babel.numbers import get_decimal_symbol, get_group_symbol, get_minus_sign_symbol

    try:
        known = Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        raise ExpressionError(f"'{locale[:100]}' is not a known locale; an example is 'en_US'") from None
    return Symbols(get_decimal_symbol(known), get_group_symbol(known), get_minus_sign_symbol(known))
