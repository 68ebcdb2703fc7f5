"""Filters on lists and maps, filters on any value, and tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import ExpressionError, UndefinedError
from engine.expressions.numbers import BigInteger, Float32
from support.fake_scope import FakeScope, apply, check


@pytest.mark.parametrize(
    ("name", "value", "arguments", "result"),
    [
        ("length", "abc", (), 3),
        ("length", {"a": 1}, (), 1),
        ("length", None, (), 0),
        ("length", 5, (), 0),
        ("first", [], (), None),
        ("first", "Mitch", (), "M"),
        ("last", [1, 2], (), 2),
        ("slice", [1, 2, 3, 4], (1, 3), [2, 3]),
        ("slice", "Mitchell", (5,), "ell"),
        ("join", ["a", None, 1], (",",), "a,null,1"),
        ("join", ["a", "b"], (), "ab"),
        ("sort", [3, 1.5, 2], (), [1.5, 2, 3]),
        ("sort", ["b", "A", "a"], (), ["A", "a", "b"]),
        ("sort", [], (), []),
        ("rsort", [3, 1, 2], (), [3, 2, 1]),
        ("reverse", [1, "a"], (), ["a", 1]),
        ("chunk", [1, 2, 3], (2,), [[1, 2], [3]]),
        ("flatten", [1, [2, [3]], []], (), [1, 2, [3]]),
        ("distinct", [1, 1.0, True, "1", [1], [1], {"a": 1}, {"a": 1}], (), [1, True, "1", [1], {"a": 1}]),
        ("distinct", None, (), "null"),
        ("keys", {"b": 1, "a": 2}, (), ["b", "a"]),
        ("keys", ["x", "y"], (), [0, 1]),
        ("values", {"b": 1, "a": 2}, (), [1, 2]),
        ("merge", [1], ([2],), [1, 2]),
        ("merge", {"a": 1, "b": 1}, ({"b": 2},), {"a": 1, "b": 2}),
        ("merge", None, ([2],), [2]),
        ("toJson", {"a": [None]}, (), '{"a":[null]}'),
        ("toJson", None, (), "null"),
        ("toIon", {"empty_object": {}}, (), "{empty_object:{}}"),
        ("toIon", None, (), "null"),
    ],
)
def test_filters(name: str, value: Any, arguments: tuple[Any, ...], result: Any) -> None:
    assert apply(name, value, *arguments) == result


@pytest.mark.parametrize(
    ("name", "value", "arguments", "message"),
    [
        ("join", "abc", (",",), "'join' needs a list"),
        ("slice", "abc", (0, 10), "'toIndex' of slice must be"),
        ("slice", "abc", (-1,), "'fromIndex' of slice must be"),
        ("sort", ["b", 1], (), "can't compare a text with an integer"),
        ("reverse", "abc", (), "'reverse' needs a list"),
        ("chunk", [1], (0,), "at least 1"),
        ("chunk", [1], (), "expects an argument 'size'"),
        ("chunk", 1, (2,), "'chunk' needs a list"),
        ("keys", 1, (), "'keys' needs a map or a list"),
        ("values", [1], (), "'values' needs a map"),
        ("distinct", {"a": 1}, (), "'distinct' needs a list"),
        ("merge", None, (None,), "needs a list or a map"),
        ("merge", {"a": 1}, ([{}],), "can't use a map as a key"),
    ],
)
def test_filters_that_fail(name: str, value: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        apply(name, value, *arguments)


def test_sorting_shows_in_the_variable() -> None:
    scope, items = FakeScope(), [3, 1]
    assert apply("sort", items, scope=scope) == [1, 3]
    assert scope.replaced == [(items, [1, 3])]
    assert items == [3, 1]


def _undefined() -> Any:
    raise UndefinedError("x")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (_undefined, "other"),
        (lambda: None, "other"),
        (lambda: "  ", "other"),
        (list, "other"),
        (lambda: 0, 0),
        (lambda: False, False),
    ],
)
def test_default(value: Callable[[], Any], result: Any) -> None:
    assert apply("default", value, "other") == result


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "java.lang.Boolean"),
        ("a", "java.lang.String"),
        (1, "java.lang.Integer"),
        (2**40, "java.lang.Long"),
        (2**70, "java.math.BigInteger"),
        (BigInteger(1), "java.math.BigInteger"),
        (1.5, "java.lang.Double"),
        (Float32(1.5), "java.lang.Float"),
        (Decimal(1), "java.math.BigDecimal"),
        ([1], "java.util.ArrayList"),
        ({}, "java.util.LinkedHashMap"),
        (date(2024, 1, 1), "java.time.LocalDate"),
        (datetime(2024, 1, 1, tzinfo=UTC), "java.time.Instant"),
        (object(), "java.lang.Object"),
    ],
)
def test_class_names(value: Any, name: str) -> None:
    assert apply("className", value) == name


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("empty", [None, "", " \n", [], {}], [0, False, "x", [1]]),
        ("null", [None], [0, ""]),
        ("defined", [0, ""], [None]),
        ("even", [0, 2, -4], [1, -3]),
        ("odd", [1, -3], [0, 2]),
        ("map", [{}], [[], "x", None]),
        ("iterable", [[1], ()], ["abc", {}, 1]),
        ("json", ["", "1", '{"a":1}', '{"a":1} more', "[]"], ["value 1", "{a:1}", 1, None, "{"]),
    ],
)
def test_tests(name: str, right: list[Any], wrong: list[Any]) -> None:
    assert [check(name, value) for value in right] == [True] * len(right)
    assert [check(name, value) for value in wrong] == [False] * len(wrong)


@pytest.mark.parametrize("value", [None, "2", True, float("inf"), float("nan")])
def test_only_numbers_are_even(value: Any) -> None:
    with pytest.raises(ExpressionError, match="'is even'"):
        check("even", value)
