"""The operators of the template language, on numbers as Java knows them: 64-bit integers, doubles, decimals."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.errors import ExpressionError, LimitError
from engine.expressions.printing import to_java

LOWEST, HIGHEST = -(2**63), 2**63 - 1
BIGGEST_BITS = 4096
EXACT = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP)
QUOTIENT = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN)
COLLECTIONS = (list, tuple, set, frozenset)


def truth(value: Any) -> bool:
    """A condition: booleans, numbers (0 is false), texts (only the empty one is false). Raises ExpressionError."""
    if type(value) is bool:
        return value
    if isinstance(value, str | int | float | Decimal):
        return bool(value)
    raise ExpressionError(f"A condition must be a boolean, a number or a text, but is {kind_of(value)}")


def chosen(value: Any) -> bool:
    """The condition of `? :`, where null is false."""
    return value is not None and truth(value)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal: numbers by value, a boolean never equals a number, a text never a number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, float) and isinstance(right, Decimal):
        return Decimal(repr(left)) == right
    if isinstance(left, Decimal) and isinstance(right, float):
        return left == Decimal(repr(right))
    return bool(left == right)


def different(left: Any, right: Any) -> bool:
    return not equal(left, right)


def less(left: Any, right: Any) -> bool:
    return _ordered(left, right, lambda a, b: a < b)


def more(left: Any, right: Any) -> bool:
    return _ordered(left, right, lambda a, b: a > b)


def at_most(left: Any, right: Any) -> bool:
    return _ordered(left, right, lambda a, b: a <= b)


def at_least(left: Any, right: Any) -> bool:
    return _ordered(left, right, lambda a, b: a >= b)


def contains(left: Any, right: Any) -> bool:
    """Whether a list holds an item or all items of a list, a map a key, a text a part. Null holds nothing."""
    if left is None:
        return False
    if isinstance(left, COLLECTIONS):
        if isinstance(right, COLLECTIONS):
            return all(_holds(left, item) for item in right)
        return _holds(left, right)
    if isinstance(left, Mapping):
        return _hashable(right) and right in left
    if isinstance(left, str):
        return right is not None and to_java(right) in left
    raise ExpressionError(f"'contains' needs a list, a map or a text on its left, but has {kind_of(left)}")


def is_in(left: Any, right: Any) -> bool:
    """Whether a value is an item of a list, or a key or a value of a map."""
    if right is None:
        return False
    if isinstance(right, COLLECTIONS):
        return _holds(right, left)
    if isinstance(right, Mapping):
        return (_hashable(left) and left in right) or any(equal(left, value) for value in right.values())
    if isinstance(right, str):
        return isinstance(left, str) and left in right
    raise ExpressionError(f"'isIn' needs a list or a map on its right, but has {kind_of(right)}")


def add(left: Any, right: Any) -> Any:
    """Sum of numbers; with a text on either side both as text; a list with more items."""
    if isinstance(left, str) or isinstance(right, str):
        return to_java(left) + to_java(right)
    if isinstance(left, list | tuple):
        return [*left, *right] if isinstance(right, COLLECTIONS) else [*left, right]
    return _calculate(left, right, "+", lambda a, b: a + b, EXACT.add)


def subtract(left: Any, right: Any) -> Any:
    """Difference of numbers; a list without an item or items."""
    if isinstance(left, list | tuple):
        gone = right if isinstance(right, COLLECTIONS) else [right]
        return [item for item in left if not _holds(gone, item)]
    return _calculate(left, right, "-", lambda a, b: a - b, EXACT.subtract)


def multiply(left: Any, right: Any) -> Any:
    return _calculate(left, right, "*", lambda a, b: a * b, EXACT.multiply)


def divide(left: Any, right: Any) -> Any:
    """Quotient; of integers an integer, cut towards zero."""
    return _calculate(left, right, "/", _divided, QUOTIENT.divide)


def remainder(left: Any, right: Any) -> Any:
    """What division leaves, with the sign of the left side."""
    return _calculate(left, right, "%", _rest, EXACT.remainder)


def negative(value: Any) -> Any:
    return subtract(0, _number(value, "-"))


def positive(value: Any) -> Any:
    return _number(value, "+")


def kind_of(value: Any) -> str:
    """What a value is, for messages."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "an integer", str: "a text", dict: "a map", list: "a list"}
    return names.get(type(value), "a number" if isinstance(value, float | Decimal) else f"a {type(value).__name__}")


def _calculate(
    left: Any, right: Any, sign: str, plain: Callable[[Any, Any], Any], exact: Callable[[Any, Any], Any]
) -> Any:
    left, right = _number(left, sign), _number(right, sign)
    if isinstance(left, int) and isinstance(right, int):
        return _bounded(plain(left, right), left, right)
    try:
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            return exact(_decimal(left), _decimal(right))
        return plain(float(left), float(right))
    except decimal.DecimalException:
        raise ExpressionError(f"{left} {sign} {right} can't be calculated") from None
    except OverflowError:
        return math.inf


def _number(value: Any, sign: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ExpressionError(f"'{sign}' needs numbers, but has {kind_of(value)}")
    return value


def _decimal(value: Any) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _bounded(result: int, left: int, right: int) -> int:
    """Integers of 64 bits wrap around, larger ones only grow so far."""
    if LOWEST <= result <= HIGHEST:
        return result
    if LOWEST <= left <= HIGHEST and LOWEST <= right <= HIGHEST:
        return (result - LOWEST) % 2**64 + LOWEST
    if result.bit_length() > BIGGEST_BITS:
        raise LimitError(f"An integer of more than {BIGGEST_BITS} bits is too large to calculate with")
    return result


def _divided(left: Any, right: Any) -> Any:
    if isinstance(left, int):
        if right == 0:
            raise ExpressionError("Division by zero")
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
    return left / right


def _rest(left: Any, right: Any) -> Any:
    if isinstance(left, int):
        if right == 0:
            raise ExpressionError("Division by zero")
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _ordered(left: Any, right: Any, compare: Callable[[Any, Any], bool]) -> bool:
    if left is None or right is None:
        return False
    if isinstance(left, Decimal) and isinstance(right, float):
        right = _decimal(right)
    elif isinstance(left, float) and isinstance(right, Decimal):
        left = _decimal(left)
    try:
        return bool(compare(left, right))
    except TypeError:
        raise ExpressionError(f"Can't compare {kind_of(left)} with {kind_of(right)}") from None


def _holds(items: Any, wanted: Any) -> bool:
    return any(equal(item, wanted) for item in items)


def _hashable(value: Any) -> bool:
    return not isinstance(value, list | dict | set)
