"""The built-in tests of the template language: what may follow `is`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.errors import ExpressionError
from engine.expressions import jsontext
from engine.expressions.operators import kind_of
from engine.expressions.registry import template_test
from engine.expressions.scope import RenderScope

COLLECTIONS = (list, tuple, set, frozenset)


@template_test("empty")
def is_empty(scope: RenderScope, value: Any) -> bool:
    """Null, a text of nothing but white space, a list or map without anything in it."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, Mapping | list | tuple | set | frozenset) and not value


@template_test("null")
def is_null(scope: RenderScope, value: Any) -> bool:
    return value is None


@template_test("defined")
def is_defined(scope: RenderScope, value: Any) -> bool:
    """Not null; an undefined value never gets here."""
    return value is not None


@template_test("even")
def is_even(scope: RenderScope, value: Any) -> bool:
    return _whole("even", value) % 2 == 0


@template_test("odd")
def is_odd(scope: RenderScope, value: Any) -> bool:
    return _whole("odd", value) % 2 == 1


@template_test("map")
def is_map(scope: RenderScope, value: Any) -> bool:
    return isinstance(value, Mapping)


@template_test("iterable")
def is_iterable(scope: RenderScope, value: Any) -> bool:
    """A list; neither a text nor a map."""
    return isinstance(value, COLLECTIONS)


@template_test("json")
def is_json(scope: RenderScope, value: Any) -> bool:
    """A text that begins with JSON, or an empty one."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    return not text or jsontext.begins(scope, text)


def _whole(name: str, value: Any) -> int:
    if value is None:
        raise ExpressionError(f"'is {name}' can't test null")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ExpressionError(f"'is {name}' needs a number, but has {kind_of(value)}")
    if value != value or value in (math.inf, -math.inf):
        raise ExpressionError(f"'is {name}' needs a number with an end, but has {value}")
    return int(value)
