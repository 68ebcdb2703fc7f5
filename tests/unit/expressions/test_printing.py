"""How values print."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions.access import Entry
from engine.expressions.numbers import Float32
from engine.expressions.printing import duration_text, to_java, to_json, to_text
from engine.settings import Expressions
from support.fake_scope import FakeScope

PARIS = ZoneInfo("Europe/Paris")


class State(Enum):
    SUCCESS = "SUCCESS"
    FAILED = 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        ("a", "a"),
        (7, "7"),
        (3.0, "3.0"),
        (Decimal("1E+3"), "1000"),
        ([1, "a", None], '[1,"a",null]'),
        ({"k": "v", "gone": None}, '{"k":"v"}'),
        (datetime(2013, 9, 8, 16, 19, tzinfo=PARIS), "2013-09-08T16:19+02:00[Europe/Paris]"),
        (datetime(2013, 9, 8, 16, 19, tzinfo=UTC), "2013-09-08T16:19:00Z"),
        (datetime(2013, 9, 8), "2013-09-08T00:00"),
        (datetime(2013, 9, 8, 1, 2, 3, 120000), "2013-09-08T01:02:03.120"),
        (date(2013, 9, 8), "2013-09-08"),
        (time(23, 59), "23:59"),
        (timedelta(seconds=90), "PT1M30S"),
        (State.SUCCESS, "SUCCESS"),
        (State.FAILED, "FAILED"),
        (b"hello", "aGVsbG8="),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, "a", None], "[1, a, null]"),
        ({"k": [True, {"m": 1.5}]}, "{k=[true, {m=1.5}]}"),
        (None, "null"),
        (Entry("a", [1]), "a=[1]"),
    ],
)
def test_java(value: Any, text: str) -> None:
    assert to_java(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('é/"\\\n\x1b', '"é/\\"\\\\\\n\\u001B"'),
        ("\\u001b", '"\\\\u001b"'),
        (12345678.5, "1.23456785E7"),
        (Float32(1.123), "1.123"),
        (float("inf"), '"Infinity"'),
        ({1: True}, '{"1":true}'),
        ({True: 1, 2.5: "x"}, '{"true":1,"2.5":"x"}'),
        (datetime(2013, 9, 8, 16, 19, tzinfo=UTC), '"2013-09-08T16:19:00Z"'),
        (datetime(2013, 9, 8, 16, 19, 1, 500000), '"2013-09-08T16:19:01.5"'),
        (("a",), '["a"]'),
    ],
)
def test_json(value: Any, text: str) -> None:
    assert to_json(value) == text


def test_json_dates_are_in_the_zone_of_the_scope() -> None:
    moment = datetime(2013, 9, 8, 16, 19, tzinfo=UTC)
    assert to_json({"d": moment}, FakeScope(zone=PARIS)) == '{"d":"2013-09-08T18:19:00+02:00"}'


def test_json_refuses_null_as_a_key() -> None:
    with pytest.raises(ExpressionError, match="null as a key"):
        to_json({None: 1})


def test_a_shared_list_can_not_grow_without_end() -> None:
    value: list[Any] = ["x" * 100]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(LimitError, match="maximum allowed size"):
        to_json(value, FakeScope(limits=Expressions(output_bytes=100_000)))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "PT0S"), (49 * 3600 + 30 * 60 + 1.5, "PT49H30M1.5S"), (-90, "PT-1M-30S")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text
