"""Numbers as Java writes and reads them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.errors import ExpressionError
from engine.expressions.numbers import BigInteger, Float32, format_number, java_text, parse_number
from support.fake_scope import apply


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3.0"),
        (-0.0, "-0.0"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1e-3, "0.001"),
        (1e-4, "1.0E-4"),
        (1.5e300, "1.5E300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (Float32(1.123), "1.123"),
        (Float32(16777216), "1.6777216E7"),
    ],
)
def test_floats(value: float, text: str) -> None:
    assert java_text(value) == text


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (3.141592653, "#.##", "3.14"),
        (0.25, "#.##", "0.25"),
        (0.25, "#.00", ".25"),
        (0, "#", "0"),
        (2.5, "0", "2"),
        (3.5, "0", "4"),
        (0.285, "0.00", "0.28"),
        (10000.235166, "#,###,##0.00", "10,000.24"),
        (7, "000", "007"),
        (0.256, "0.0%", "25.6%"),
        (0.0256, "0.0‰", "25.6‰"),
        (-5, "0.00", "-5.00"),
        (-5, "0;(0)", "(5)"),
        (5, "'#'0", "#5"),
        (5, "0 'o''clock'", "5 o'clock"),
        (12345, "##0.#####E0", "12.345E3"),
        (12345, "0.###E0", "1.234E4"),
        (1234567.891, "##0.##E0", "1.2346E6"),
        (999.9999, "##0.##E0", "1E3"),
        (-0.003756322752627228, "#0.###E0", "-37.563E-4"),
        (99.995, "0.###E0", "1E2"),
        (1, "00.00E00", "10.00E-01"),
        (0, "00.00E00", "00.00E00"),
        (2.675, "#%", "268%"),
        (0.005, "#%", "0%"),
        (-0.0, "0.00", "-0.00"),
        (1.7e308, "0.0%", "∞%"),
        (1e20, "#,##0", "100,000,000,000,000,000,000"),
        (Decimal("0.1") * 3, "0.0000", "0.3000"),
        (1234567.1234, None, "1,234,567.123"),
        (float("inf"), "0", "∞"),
    ],
)
def test_patterns(value: Any, pattern: str | None, text: str) -> None:
    assert format_number(value, pattern) == text


def test_languages_have_their_own_signs() -> None:
    assert format_number(1234.5, "#,##0.00", "de_DE") == "1.234,50"


@pytest.mark.parametrize("pattern", ["", "abc", "0#", "0.0.0", "0;0;0", "0x0"])
def test_patterns_that_can_not_be_read(pattern: str) -> None:
    with pytest.raises(ExpressionError, match="number pattern"):
        format_number(1, pattern)


def test_only_numbers_are_formatted() -> None:
    with pytest.raises(ExpressionError, match="needs a number"):
        format_number("1", "0")


@pytest.mark.parametrize(
    ("text", "kind", "number", "type_"),
    [
        ("5", None, 5, int),
        ("-1.5", None, -1.5, float),
        ("1e3", None, 1000.0, float),
        ("1.23456789012345678901", None, Decimal("1.23456789012345678901"), Decimal),
        ("2147483647", "INT", 2147483647, int),
        ("9223372036854775807", "LONG", 2**63 - 1, int),
        ("1.5", "FLOAT", 1.5, Float32),
        ("12", "DOUBLE", 12.0, float),
        ("12.50", "BIGDECIMAL", Decimal("12.50"), Decimal),
        ("99999999999999999999", "BIGINTEGER", 99999999999999999999, BigInteger),
    ],
)
def test_parsing(text: str, kind: str | None, number: Any, type_: type) -> None:
    parsed = parse_number(text, kind)
    assert parsed == number
    assert type(parsed) is type_


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a", None), ("", None), ("1 2", None), ("2147483648", "INT"), ("1.5", "LONG"), ("x", "DOUBLE"),
        ("1e999999", "BIGDECIMAL"), ("1", "SHORT"),
    ],
)  # fmt: skip
def test_what_is_no_number(text: str, kind: str | None) -> None:
    with pytest.raises(ExpressionError):
        parse_number(text, kind)


def test_filters() -> None:
    assert apply("abs", -7) == 7
    assert apply("number", "12", "LONG") == 12
    assert apply("number", None) is None
    assert apply("numberFormat", 1.5, "0") == "2"
    with pytest.raises(ExpressionError, match="only be applied to a text"):
        apply("number", 1)
    with pytest.raises(ExpressionError, match="'abs' needs a number"):
        apply("abs", "a")
