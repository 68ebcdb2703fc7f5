"""Filters on texts, and those that encode them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ExpressionError, LimitError
from support.fake_scope import apply


@pytest.mark.parametrize(
    ("name", "value", "arguments", "result"),
    [
        ("lower", "THIS", (), "this"),
        ("upper", 12, (), "12"),
        ("upper", None, (), None),
        ("capitalize", "  aBC dEF", (), "  ABC dEF"),
        ("title", "a-b c", (), "A-b C"),
        ("trim", "\t a b \n", (), "a b"),
        ("abbreviate", "abcdefg", (7,), "abcd..."),
        ("abbreviate", "abc", (2,), "abc"),
        ("abbreviate", "1234567", (2,), "12"),
        ("substringBefore", "a.b.c", (".",), "a"),
        ("substringBefore", "abc", (".",), "abc"),
        ("substringBeforeLast", "a.b.c", (".",), "a.b"),
        ("substringBeforeLast", "abc", (".",), "abc"),
        ("substringAfter", "a.b.c", (".",), "b.c"),
        ("substringAfter", "abc", (".",), ""),
        ("substringAfterLast", "a.b.c", (".",), "c"),
        ("substringAfterLast", "abc", (".",), ""),
        ("startsWith", "Hello", ("He",), True),
        ("endsWith", "Hello", ("He",), False),
        ("condenseString", "a\nb", (), "ab"),
        ("slugify", "Héllo  wörld_x*", (), "hello-world-x"),
        ("indent", "a\r\nb", (2,), "a\r\n  b"),
        ("indent", "a", (10**12,), "a"),
        ("nindent", "a\nb", (1, "\t"), "\n\ta\n\tb"),
        ("nindent", "", (2,), ""),
        ("replace", "ab", ({"a": "b", "b": "c"},), "cc"),
        ("replace", {"k": ["a", 1]}, ({"a": "b"},), {"k": ["b", "1"]}),
        ("replace", "a1b2", ({r"(\d)": "<$1>"}, True), "a<1>b<2>"),
        ("escapeChar", "L'eau", ("single",), "L\\'eau"),
        ("escapeChar", ['"', 1], ("DOUBLE",), ['\\"', "1"]),
        ("escapeChar", "L'eau", ("shell",), "L'\\''eau"),
        ("base64encode", "é", (), "w6k="),
        ("base64decode", "w6k", (), "é"),
        ("urlencode", "é ~*x/", (), "%C3%A9+%7E*x%2F"),
        ("urldecode", "%C3%A9+x", (), "é x"),
        ("md5", "hello", (), "5d41402abc4b2a76b9719d911017c592"),
        ("sha1", "hello", (), "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        ("sha256", "a", (), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("string", [1, "a"], (), "[1, a]"),
    ],
)
def test_filters(name: str, value: Any, arguments: tuple[Any, ...], result: Any) -> None:
    assert apply(name, value, *arguments) == result


def test_sha512_has_its_length() -> None:
    assert len(apply("sha512", "a")) == 128


@pytest.mark.parametrize(
    ("name", "value", "arguments", "message"),
    [
        ("abbreviate", "abc", (-1,), "must not be negative"),
        ("abbreviate", 1, (1,), "must be a text"),
        ("substringBefore", "abc", (), "The argument 'separator' is required"),
        ("startsWith", "abc", (), "The argument 'value' is required"),
        ("indent", "a\nb", (-1,), "expects an integer"),
        ("indent", "a\nb", (), "expects an integer"),
        ("replace", "a", (), "The argument 'replace_pairs' is required"),
        ("replace", "a", ("b",), "must be a map"),
        ("escapeChar", "a", ("triple",), "must be 'single', 'double' or 'shell'"),
        ("base64decode", "a", (), "is not base64"),
        ("base64decode", "a*b=", (), "is not base64"),
    ],
)
def test_filters_that_fail(name: str, value: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        apply(name, value, *arguments)


@pytest.mark.parametrize(
    ("name", "arguments"), [("indent", (10**9,)), ("replace", ({"a": "x" * 10**6},)), ("escapeChar", ("single",))]
)
def test_no_filter_writes_without_end(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(LimitError, match="maximum allowed size"):
        apply(name, "a\n'" * 4_000_000 if name == "escapeChar" else "a\na" * 20, *arguments)
