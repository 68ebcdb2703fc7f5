"""Numbers, texts and lists under operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions import operators


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"),
    [
        (operators.add, 1, 2, 3),
        (operators.add, 2**63 - 1, 1, -(2**63)),
        (operators.add, "a", None, "anull"),
        (operators.add, [1], 2, [1, 2]),
        (operators.add, [1], [2, 3], [1, 2, 3]),
        (operators.add, Decimal("0.1"), 0.2, Decimal("0.3")),
        (operators.subtract, [1, 2, 3], [2], [1, 3]),
        (operators.subtract, -(2**63), 1, 2**63 - 1),
        (operators.multiply, 2.5, 2, 5.0),
        (operators.divide, 7, 2, 3),
        (operators.divide, -7, 2, -3),
        (operators.divide, 7, -2, -3),
        (operators.divide, 7, 2.0, 3.5),
        (operators.divide, 1.0, 0, math.inf),
        (operators.divide, -1.0, 0, -math.inf),
        (operators.divide, Decimal(1), 4, Decimal("0.25")),
        (operators.remainder, -7, 3, -1),
        (operators.remainder, 7, -3, 1),
        (operators.remainder, 7.5, 2, 1.5),
    ],
)
def test_arithmetic(operator: Callable[[Any, Any], Any], left: Any, right: Any, result: Any) -> None:
    found = operator(left, right)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        (operators.subtract, "a", 1),
        (operators.add, None, 1),
        (operators.add, True, 1),
        (operators.divide, 1, 0),
        (operators.remainder, 1, 0),
        (operators.divide, Decimal(1), 0),
        (operators.less, "a", 1),
        (operators.less, [1], [None]),
        (operators.contains, 1, 1),
        (operators.is_in, 1, 1),
    ],
)
def test_what_does_not_fit_is_an_error(operator: Callable[[Any, Any], Any], left: Any, right: Any) -> None:
    with pytest.raises(ExpressionError):
        operator(left, right)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, Decimal("1.0"), True),
        (0.1, Decimal("0.1"), True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        (None, None, True),
        (None, False, False),
        ([1], [1], True),
    ],
)
def test_equality(left: Any, right: Any, same: bool) -> None:
    assert operators.equal(left, right) is same
    assert operators.different(left, right) is not same


def test_null_is_neither_less_nor_more() -> None:
    assert not operators.less(None, 1)
    assert not operators.more(None, 1)
    assert not operators.at_least(None, None)


@pytest.mark.parametrize(("value", "true"), [(0, False), (0.0, False), ("", False), ("false", True), (2, True)])
def test_truth(value: Any, true: bool) -> None:
    assert operators.truth(value) is true


@pytest.mark.parametrize("value", [None, [], {}, [1]])
def test_lists_maps_and_null_are_no_conditions(value: Any) -> None:
    with pytest.raises(ExpressionError, match="A condition must be"):
        operators.truth(value)


def test_null_is_a_false_choice() -> None:
    assert operators.chosen(None) is False


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ([1, 2], 2, True),
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 3], False),
        ({"a": 1}, "a", True),
        ({"a": 1}, 1, False),
        ({"a": 1}, ["a"], False),
        ("abc", "b", True),
        ("a1", 1, True),
        (None, "a", False),
    ],
)
def test_contains(left: Any, right: Any, found: bool) -> None:
    assert operators.contains(left, right) is found


def test_is_in_looks_at_keys_and_values() -> None:
    assert operators.is_in("a", {"a": 1})
    assert operators.is_in(1, {"a": 1})
    assert not operators.is_in("b", {"a": 1})


def test_large_integers_only_grow_so_far() -> None:
    with pytest.raises(LimitError):
        operators.multiply(2**4000, 2**4000)
