"""What assertions of flow tests mean: pure comparisons of a value with what it should be.

Templates mostly give text, so `"200"` is equal to `200` and `"true"` to `true`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec


def holds(operator: str, actual: Any, expected: Any) -> bool:
    """Whether a value is as an operator wants it. Raises ValueError for what can't be compared."""
    return OPERATORS[operator](actual, expected)


def _equal(actual: Any, expected: Any) -> bool:
    if actual == expected and isinstance(actual, bool) == isinstance(expected, bool):
        return True
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return actual.keys() == expected.keys() and all(_equal(actual[key], expected[key]) for key in expected)
    if _is_list(actual) and _is_list(expected):
        return len(actual) == len(expected) and all(map(_equal, actual, expected))
    if actual is None or expected is None:
        return False
    if isinstance(actual, str) != isinstance(expected, str):
        text, other = (actual, expected) if isinstance(actual, str) else (expected, actual)
        return _same_text(text, other)
    return False


def _same_text(text: str, value: Any) -> bool:
    """Whether a text says a value that is none."""
    if isinstance(value, bool):
        return text.strip().lower() == str(value).lower()
    if isinstance(value, Mapping) or _is_list(value):
        try:
            return _equal(msgspec.json.decode(text), value)
        except msgspec.DecodeError:
            return False
    try:
        return _number(text) == _number(value)
    except ValueError:
        return text == str(value)


def _contains(actual: Any, expected: Any) -> bool:
    if isinstance(actual, Mapping):
        return any(_equal(key, expected) for key in actual)
    if _is_list(actual):
        return any(_equal(item, expected) for item in actual)
    return actual is not None and str(expected) in str(actual)


def _among(actual: Any, expected: Any) -> bool:
    choices = msgspec.json.decode(expected) if isinstance(expected, str) and expected.startswith("[") else expected
    if not _is_list(choices):
        raise ValueError(f"takes a list of values, not {choices!r}")
    return any(_equal(actual, choice) for choice in choices)


def _compared(compare: Callable[[Decimal, Decimal], bool]) -> Callable[[Any, Any], bool]:
    return lambda actual, expected: compare(_number(actual), _number(expected))


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is no number")
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equalTo": _equal,
    "notEqualTo": lambda actual, expected: not _equal(actual, expected),
    "contains": _contains,
    "startsWith": lambda actual, expected: actual is not None and str(actual).startswith(str(expected)),
    "endsWith": lambda actual, expected: actual is not None and str(actual).endswith(str(expected)),
    "greaterThan": _compared(lambda actual, expected: actual > expected),
    "greaterThanOrEqualTo": _compared(lambda actual, expected: actual >= expected),
    "lessThan": _compared(lambda actual, expected: actual < expected),
    "lessThanOrEqualTo": _compared(lambda actual, expected: actual <= expected),
    "in": _among,
    "notIn": lambda actual, expected: not _among(actual, expected),
    "isNull": lambda actual, expected: (actual is None) is expected,
    "isNotNull": lambda actual, expected: (actual is not None) is expected,
}
"""Whether a value holds, by operator."""
