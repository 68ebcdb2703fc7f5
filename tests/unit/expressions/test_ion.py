"""Ion text read and written."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.expressions import ion
from engine.expressions.numbers import Float32


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("null.int", None),
        ("[1, -2_000, 0x1F, 0b101]", [1, -2000, 31, 5]),
        ("[2.5, 1d3, 3e0, 12.]", [Decimal("2.5"), Decimal(1000), 3.0, Decimal(12)]),
        ("[+inf, -inf]", [math.inf, -math.inf]),
        ("'quoted' ", "quoted"),
        ("'''long ''' '''text'''", "long text"),
        ('"\\x41 \\u00e9 \\U0001F600 \\ud83d\\ude00 \\\n."', "A é 😀 😀 ."),
        ("{{ aGVsbG8= }}", b"hello"),
        ('{{"clob"}}', b"clob"),
        ("a::b::{c: symbol, 'd e': true,}", {"c": "symbol", "d e": True}),
        ("(+ 1 2)", ["+", 1, 2]),
        ("// comment\n/* more */ 5", 5),
        ("$ion_1_0 5", 5),
        ("2024-05-06", date(2024, 5, 6)),
        ("2024T", date(2024, 1, 1)),
        ("2024-05T", date(2024, 5, 1)),
        ("2024-05-06T10:00Z", datetime(2024, 5, 6, 10, tzinfo=UTC)),
        ("2024-05-06T10:00:00.5-00:00", datetime(2024, 5, 6, 10, 0, 0, 500000)),
        ("2024-05-06T10:00:00+05:30", datetime(2024, 5, 6, 10, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        ('{"json": [1, {"a": null}]}', {"json": [1, {"a": None}]}),
    ],
)
def test_reading(text: str, value: Any) -> None:
    found = ion.loads(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "{not: ion", "[1 2]", "{a 1}", '"x', "{a:}", '{"a":1}}', "1 2", "[" * 5000, "/* x", "(/* /* ", "2024-13-01",
        "[,]", "{:1}", "(", "a::", '"\\q"', "{{a}}", "1e", "9" * 5000, "0x" + "f" * 5000, "1d99999999",
    ],
)  # fmt: skip
def test_what_is_not_ion(text: str) -> None:
    with pytest.raises(ion.IonError):
        ion.loads(text)


def test_the_message_names_the_line() -> None:
    with pytest.raises(ion.IonError, match=r"a list needs ',' or '\]' after an item \(line 2\)"):
        ion.loads("[1,\n2 3]")


def test_rows_are_read_one_by_one() -> None:
    rows = ion.loads_all("{a:1}\n{a:2}\n{a")
    assert next(rows) == {"a": 1}
    assert next(rows) == {"a": 2}
    with pytest.raises(ion.IonError):
        next(rows)


def test_work_is_counted() -> None:
    costs: list[int] = []
    assert next(ion.loads_all("[1, 2, {a: 3}]", costs.append)) == [1, 2, {"a": 3}]
    reading = sum(costs)
    assert ion.dumps([1, 2, {"a": 3}], spend=costs.append) == "[1,2,{a:3}]"
    assert 0 < reading < sum(costs)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b c": [True, None]}, "{a:1,'b c':[true,null]}"),
        ({"null": 1, "it's": 2, 3: 4}, "{'null':1,'it\\'s':2,'3':4}"),
        ({}, "{}"),
        (Float32(1.123), "1.1230000257492065e0"),
        (3.0, "3e0"),
        (1e10, "1.0E10"),
        (math.nan, "nan"),
        (Decimal("2.50"), "2.50"),
        (Decimal(5), "5."),
        (datetime(2024, 5, 6, 10, tzinfo=UTC), "2024-05-06T10:00:00.000Z"),
        (datetime(2024, 5, 6, 10), "2024-05-06T10:00:00.000-00:00"),
        (b"hello", "{{aGVsbG8=}}"),
        ('é"\n', '"é\\"\\n"'),
    ],
)
def test_writing(value: Any, text: str) -> None:
    assert ion.dumps(value) == text


def test_null_fields_can_be_left_out() -> None:
    assert ion.dumps({"a": None, "b": [None]}, nulls=False) == "{b:[null]}"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)
    | st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.sampled_from([None, UTC])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert ion.loads(ion.dumps(value)) == value
