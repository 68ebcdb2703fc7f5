"""YAML texts in templates."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from engine.errors import ExpressionError, LimitError
from engine.expressions import yamltext
from support.fake_scope import NOW, FakeScope, apply, call

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join(['*' + before] * 9)}]\n" for before, after in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: '1'\nc: ~\nd:", {"a": 1, "b": "1", "c": None, "d": None}),
        ("[true, yes, 1.5, 0x1F, 007, .inf, 1e3]", [True, "yes", 1.5, 31, 7, float("inf"), "1e3"]),
        ("date: 1991-08-20\ntime: 23:59:59", {"date": "1991-08-20", "time": "23:59:59"}),
        ("x: &x {k: v}\ny: *x\nz:\n  <<: *x\n  m: 1", {"x": {"k": "v"}, "y": {"k": "v"}, "z": {"k": "v", "m": 1}}),
        ("|\n  text\n  more\n", "text\nmore\n"),
        ("a: 1\n---\nb: 2", {"a": 1}),
    ],
)
def test_reading(text: str, value: Any) -> None:
    assert call("yaml", text) == value


@pytest.mark.parametrize("text", ["a: [", "&a [*a]", "? [x]\n: 1", "[" * 5000, "*unknown"])
def test_what_is_not_yaml(text: str) -> None:
    with pytest.raises(ExpressionError, match="Invalid yaml"):
        yamltext.load(FakeScope(), text)


def test_references_can_not_grow_without_end() -> None:
    with pytest.raises(LimitError, match="exceeds the maximum"):
        yamltext.load(FakeScope(), BOMB)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("string", "string\n"),
        (True, "true\n"),
        (None, "null"),
        ([1, "x"], " - 1\n - x\n"),
        ({"a": [1], "b": {"c": None}, "d": [], "e": {}}, "a:\n - 1\nb:\n  c: null\nd: []\ne: {}\n"),
        ([{"a": 1, "b": 2}], " -\n  a: 1\n  b: 2\n"),
        ({"a": "", "b": "true", "c": "x: y", "d": "- x"}, 'a: ""\nb: "true"\nc: "x: y"\nd: \'- x\'\n'),
        ({"a": "one\ntwo\n"}, "a: |\n  one\n  two\n"),
        (NOW, '"2026-01-31T10:00:00Z"\n'),
    ],
)
def test_writing(value: Any, text: str) -> None:
    assert apply("yaml", value) == text


def test_what_is_written_is_yaml() -> None:
    value = {
        "list": [1, [2, [3]], {"k": "v", "l": ["x", {"y": None}]}],
        "texts": ["", "~", "é", " x", "x ", "a\nb", " a\n b\n\n", "tab\there", "#x", "it's", "a, b", "%", "\x07"],
        "yes": {"n": 1.5, "deep": {"deeper": {"deepest": "x"}}},
    }
    assert yaml.safe_load(apply("yaml", value)) == value
