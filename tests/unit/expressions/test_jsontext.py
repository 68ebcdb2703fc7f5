"""JSON text read in parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions import jsontext
from engine.settings import Expressions
from support.fake_scope import FakeScope

LONG = "x" * jsontext.AT_ONCE
ROWS = [{"id": number, "name": f'row {number}, "quoted"', "tags": [1.5, None, True]} for number in range(10_000)]


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1},
        ROWS,
        {"rows": ROWS, "more": [ROWS[:5]], "é": "ü"},
        [[[ROWS]], {"deep": {"deeper": ROWS}}],
        LONG,
        [LONG, {"k": LONG}, []],
    ],
)
def test_large_texts_have_the_same_value(value: Any) -> None:
    for text in (json.dumps(value), f" \n{json.dumps(value, indent=1)}\t"):
        assert jsontext.load(FakeScope(), text) == value


@pytest.mark.parametrize("end", ["", "]]", '] "x"', ",]", ', {"a": tru}]'])
def test_mistakes_in_large_texts_are_found(end: str) -> None:
    with pytest.raises(ExpressionError, match="Invalid json"):
        jsontext.load(FakeScope(), json.dumps(ROWS)[:-1] + end)


def test_texts_and_lists_have_limits() -> None:
    with pytest.raises(LimitError, match="exceeds the maximum allowed size of 100 bytes"):
        jsontext.load(FakeScope(limits=Expressions(output_bytes=100)), json.dumps(ROWS))
    with pytest.raises(LimitError, match="A list of 10000 items exceeds the maximum of 1000"):
        jsontext.load(FakeScope(limits=Expressions(items=1000)), json.dumps(ROWS))
    with pytest.raises(LimitError, match="timed out"):
        jsontext.load(FakeScope(limits=Expressions(seconds=0)), json.dumps(ROWS))


@pytest.mark.parametrize(
    ("text", "result"), [("[1] and more", True), ("1", True), ("nul", False), ("[1,]", False), ("[" * 3, False)]
)
def test_what_begins_as_json(text: str, result: bool) -> None:
    assert jsontext.begins(FakeScope(), text) is result
