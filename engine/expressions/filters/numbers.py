"""Filters on numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import text
from engine.expressions.numbers import Float32, format_number, parse_number
from engine.expressions.operators import kind_of
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope

WIDEST = 400


@template_filter("abs")
def absolute(scope: RenderScope, value: Any) -> Any:
    """A number without its sign."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ExpressionError(f"'abs' needs a number, but has {kind_of(value)}")
    return Float32(abs(value)) if isinstance(value, Float32) else abs(value)


@template_filter("number", parameters=("type",))
def number(scope: RenderScope, value: Any, kind: Any = None) -> Any:
    """The number that a text is, of a type: INT, LONG, FLOAT, DOUBLE, BIGDECIMAL, BIGINTEGER."""
    if not isinstance(value, str):
        raise ExpressionError(f"'number' filter can only be applied to a text, but has {kind_of(value)}")
    return parse_number(value, text(kind, "The argument 'type' of number") if kind else None)


@template_filter("numberFormat", parameters=("format",))
def number_format(scope: RenderScope, value: Any, format: Any = None) -> str:
    """A number by a pattern: `#,##0.00`, `0.0%`."""
    pattern = None if format is None else text(format, "The argument 'format' of numberFormat")
    if pattern is not None and len(pattern) > WIDEST:
        raise ExpressionError(f"A number pattern must not be longer than {WIDEST} characters")
    return format_number(value, pattern, scope.locale)
