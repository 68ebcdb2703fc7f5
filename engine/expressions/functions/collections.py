"""Functions on numbers and lists: range, max, min."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.arguments import given, integer
from engine.expressions.operators import kind_of, less
from engine.expressions.registry import ANY, template_function
from engine.expressions.scope import RenderScope


@template_function("range", parameters=("start", "end", "increment", "step"))
def range_of(scope: RenderScope, start: Any = None, end: Any = None, increment: Any = 1, step: Any = None) -> list[Any]:
    """The integers, or letters, from one to another, both included, `increment` apart (`step` is another name)."""
    first, last = given("range", "start", start), given("range", "end", end)
    gap = integer(increment if step is None else step, "The argument 'increment' of range")
    if gap == 0:
        raise ExpressionError("The argument 'increment' of range must not be 0")
    letters = isinstance(first, str) and isinstance(last, str) and len(first) == len(last) == 1
    begin = ord(first) if letters else integer(first, "The argument 'start' of range")
    stop = ord(last) if letters else integer(last, "The argument 'end' of range")
    numbers = range(begin, stop + (1 if gap > 0 else -1), gap)
    scope.budget.items(max((stop - begin) // gap + 1, 0))
    return [chr(number) for number in numbers] if letters else list(numbers)


@template_function("max", parameters=(ANY,))
def maximum(scope: RenderScope, *values: Any) -> Any:
    """The largest of its arguments."""
    found = _first("max", values)
    for value in values[1:]:
        found = value if less(found, _number("max", value)) else found
    return found


@template_function("min", parameters=(ANY,))
def minimum(scope: RenderScope, *values: Any) -> Any:
    """The smallest of its arguments."""
    found = _first("min", values)
    for value in values[1:]:
        found = value if less(_number("min", value), found) else found
    return found


def _first(name: str, values: tuple[Any, ...]) -> Any:
    if not values:
        raise ExpressionError(f"'{name}' needs at least one number")
    return _number(name, values[0])


def _number(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ExpressionError(f"'{name}' needs numbers, but has {kind_of(value)}")
    return value
