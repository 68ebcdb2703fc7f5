"""Regular expressions in Java's dialect, within a time limit."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions import patterns
from engine.expressions.limits import Budget, TooSlow
from engine.settings import Expressions
from support.fake_scope import FakeScope, apply

SLOW = "(a|a)*(a|b|ab)*(x+x+)+y"
TEXT = "a" * 30 + "x" * 60


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (r"[a-z&&[^def]]", "d", False),
        (r"[a-z&&[def]]", "d", True),
        (r"\Qa.b\E+", "a.b", True),
        (r"(?<name>a)\k<name>", "aa", True),
        (r"\x{1F600}", "😀", True),
        (r"\w", "é", False),
        (r"\p{L}", "é", True),
        (r"\p{Alpha}", "é", False),
        (r"\pL\P{javaUpperCase}", "éa", True),
        (r"[\p{Punct}]", "!", True),
        ("a.b", "a\rb", False),
        ("(?s)a.b", "a\nb", True),
        ("(?iu)É", "é", True),
        (r"[^\D_]", "5", True),
        (r"[+--]", ",", True),
        (r"a{2,}+", "aaa", True),
        (r"\041", "!", True),
        (r"a\Z", "a", True),
        (r"[]a]", "]", True),
        ("[[:alpha:]]", "b", False),
        ("[[:alpha:]]", ":", True),
        (r"\cA", "\x01", True),
    ],
)
def test_dialect(pattern: str, text: str, fits: bool) -> None:
    assert patterns.matches(FakeScope(), pattern, text) is fits


@pytest.mark.parametrize("pattern", ["[unclosed", "a{e<=1}", "(?R)", r"\y", "(", "\\", r"\p{Nonsense}", "a" * 20_000])
def test_what_is_no_regular_expression(pattern: str) -> None:
    with pytest.raises(ExpressionError, match=r"Invalid regex|must not be longer"):
        patterns.compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "result"),
    [
        (r"(\d)", "[$1]", "aa1bb2", "aa[1]bb[2]"),
        (r"(?<n>\d)", "<${n}>", "a1", "a<1>"),
        (r"(a)|(b)", "[$1$2]", "ab", "[a][b]"),
        ("a", r"\$\\", "a", "$\\"),
        ("(a)", "$10", "a", "a0"),
        ("x*", "-", "ab", "-a-b-"),
    ],
)
def test_replacing(pattern: str, replacement: str, text: str, result: str) -> None:
    assert patterns.replace_all(FakeScope(), pattern, replacement, text) == result


@pytest.mark.parametrize("replacement", ["$2", "$x", "${n}", "\\", "$"])
def test_replacements_that_can_not_be_read(replacement: str) -> None:
    with pytest.raises(ExpressionError, match="replacement"):
        patterns.replace_all(FakeScope(), "(a)", replacement, "a")


@pytest.mark.parametrize(
    ("text", "pattern", "limit", "parts"),
    [
        ("a,b,,", ",", 0, ["a", "b"]),
        ("a,b,,", ",", -1, ["a", "b", "", ""]),
        ("a-b-c", "-", 2, ["a", "b-c"]),
        ("a.b", ".", 0, []),
        ("abc", "", 0, ["a", "b", "c"]),
        (",a", ",", 0, ["", "a"]),
        ("", ",", 0, [""]),
    ],
)
def test_splitting(text: str, pattern: str, limit: int, parts: list[str]) -> None:
    assert patterns.split(FakeScope(), pattern, text, limit) == parts


def test_a_search_without_end_is_stopped() -> None:
    scope = FakeScope(limits=Expressions(seconds=0.1))
    with pytest.raises(LimitError, match="timed out"):
        patterns.find(scope, SLOW, TEXT)


def test_a_search_on_the_event_loop_goes_elsewhere() -> None:
    scope = FakeScope()
    scope.budget = Budget(Expressions(), 0.05, brief=True)
    with pytest.raises(TooSlow):
        patterns.find(scope, SLOW, TEXT)


def test_a_replacement_can_not_grow_without_end() -> None:
    scope = FakeScope(limits=Expressions(output_bytes=1000))
    with pytest.raises(LimitError, match="maximum allowed size"):
        patterns.replace_all(scope, "a", "x" * 100, "a" * 100)


def test_filters() -> None:
    assert apply("regexMatch", "hello world", "o w") is True
    assert apply("regexMatch", None, ".*") is False
    assert apply("regexReplace", "a1", regex=r"\d", replacement="-") == "a-"
    assert apply("regexExtract", "order-12345", r"order-(\d+)", group=1) == "12345"
    assert apply("regexExtract", "hello", r"\d+") is None
    assert apply("split", "a1b22c", "[0-9]+") == ["a", "b", "c"]
    with pytest.raises(ExpressionError, match="The argument 'replacement' is required"):
        apply("regexReplace", "a", regex="b")
    with pytest.raises(ExpressionError, match="Group index 5 is out of bounds"):
        apply("regexExtract", "a", "(a)", 5)
