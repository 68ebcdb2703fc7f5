"""Filters on values of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from engine.errors import UndefinedError
from engine.expressions.numbers import BigInteger, Float32
from engine.expressions.predicates import is_empty
from engine.expressions.printing import to_java
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope

INT_RANGE = range(-(2**31), 2**31)
LONG_RANGE = range(-(2**63), 2**63)
CLASSES: tuple[tuple[type, str], ...] = (
    (bool, "java.lang.Boolean"),
    (str, "java.lang.String"),
    (BigInteger, "java.math.BigInteger"),
    (Float32, "java.lang.Float"),
    (float, "java.lang.Double"),
    (Decimal, "java.math.BigDecimal"),
    (dict, "java.util.LinkedHashMap"),
    (Mapping, "java.util.LinkedHashMap"),
    (list, "java.util.ArrayList"),
    (tuple, "java.util.ArrayList"),
    (set, "java.util.HashSet"),
    (frozenset, "java.util.HashSet"),
    (date, "java.time.LocalDate"),
    (time, "java.time.LocalTime"),
    (timedelta, "java.time.Duration"),
    (bytes, "[B"),
)


@template_filter("default", parameters=("default",), lazy=True)
def default(scope: RenderScope, value: Callable[[], Any], otherwise: Any) -> Any:
    """A value, or another where it is undefined, null or empty."""
    try:
        found = value()
    except UndefinedError:
        return otherwise
    return otherwise if is_empty(scope, found) else found


@template_filter("string")
def string(scope: RenderScope, value: Any) -> str:
    """A value as a text."""
    return to_java(value, scope)


@template_filter("className")
def class_name(scope: RenderScope, value: Any) -> str:
    """The name that Java has for the type of a value."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return "java.time.LocalDateTime"
        return "java.time.Instant" if value.tzinfo is UTC else "java.time.ZonedDateTime"
    for kind, name in CLASSES:
        if isinstance(value, kind):
            return name
    if isinstance(value, int):
        if value in INT_RANGE:
            return "java.lang.Integer"
        return "java.lang.Long" if value in LONG_RANGE else "java.math.BigInteger"
    return "java.lang.Object"
