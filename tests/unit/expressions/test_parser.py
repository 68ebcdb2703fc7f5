"""The grammar: precedence, tags and what is said about mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions.template import Scope, render


def rendered(source: str, **variables: Any) -> str:
    return render(source, Scope(variables))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("1 + 2 ~ 'A'", "12A"),
        ("'A' ~ 1 + 2", "A12"),
        ("1 + x ?? 2", "3"),
        ("x ?? 'a' ~ 'b'", "ab"),
        ("x ?? 'a' == 'a'", "true"),
        ("x ?? y ?? 'c'", "c"),
        ("not true == false", "true"),
        ("not (1 == 2) and 3 > 2", "true"),
        ("1 < 2 == true", "true"),
        ("1 == 1 is defined", "true"),
        ("not x is defined", "false"),
        ("x is not defined", "true"),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("true ? 1 : false ? 2 : 3", "1"),
        ("-2 - -3", "1"),
        ("7 - 2 - 1", "4"),
        ("[1, 2] contains 2 and 'abc' contains 'b'", "true"),
        ("'a' isIn ['a'] or false", "true"),
        ("1..2 ~ ''", "[1, 2]"),
        ("{'a': 1,'b': [2]}.a ?? 1", None),
        ("[1, 2][0]", None),
        ("1 in [1]", None),
        ("2 ** 3", None),
        ("7 // 2", None),
        ("a if true else b", None),
        ("and", None),
        ("", None),
        ("1 2", None),
        ("f(", None),
        ("a.", None),
        ("(1", None),
        ("{1}", None),
    ],
)
def test_expressions(expression: str, text: str | None) -> None:
    source = "{{ " + expression + " }}"
    if text is None:
        with pytest.raises(ExpressionError):
            rendered(source)
    else:
        assert rendered(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if a %}1{% elseif b %}2{% else %}3{% endif %}", "2"),
        ("{% if a %}1{% elseif a %}2{% elseif a %}3{% endif %}", ""),
        ("{% for x in [1, 2] %}{{ x }}{% else %}none{% endfor %}", "12"),
        ("{% for x in [] %}{{ x }}{% else %}none{% endfor %}", "none"),
        (
            "{% for x in [1, 2] %}{% for y in [3, 4] %}{{ x * y }} {% endfor %}{{ loop.index }};{% endfor %}",
            "3 4 0;6 8 1;",
        ),
        ("{% set x = 1 %}{% set x = x + 1 %}{{ x }}", "2"),
        ("{% set n = 0 %}{% for i in 1..3 %}{% set n = n + i %}{% endfor %}{{ n }}", "6"),
        ("{% for i in 1..2 %}{% set n = i %}{% endfor %}{{ n ?? 'gone' }}", "gone"),
        ("{% for i in 1..2 %}{% endfor %}{{ i ?? 'gone' }}", "gone"),
        ("{{ m(2) }}{% macro m(a, b=3) %}{{ a }}{{ b }}{{ c ?? '-' }}{% endmacro %}", "23-"),
        ("{% macro m(a, b=3) %}{{ a }}{{ b }}{% endmacro %}{{ m(b=1, a=2) }}{{ m() }}", "213"),
        ("{% macro m(a) %}{{ a }}{% endmacro m %}{{ m([1, {'k': 'v'}]) }}", "[1, {k=v}]"),
        ("{% block b %}<{{ b }}>{% endblock b %}{{ block('b') }}", "<true><true>"),
        ('{% block "a b" %}{% block c %}x{% endblock %}{% endblock %}{{ block("c") }}', "xx"),
        ("{{ [1, 2] }}{% block b %}{{ [1, 2] }}{% endblock %}{{ block('b') }}", "[1,2][1,2][1, 2]"),
        ("a{# c #}{% raw %}{{ b }}{% endraw %}", "a{{ b }}"),
    ],
)
def test_tags(source: str, text: str) -> None:
    assert rendered(source, a=False, b=True, c="outer") == text


@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        ("{% if a %}\nx", "The tag 'endif' is missing", 2),
        ("\n{% nope %}", "Unexpected tag name 'nope'", 2),
        ("{% if a %}{% elif a %}{% endif %}", "expected one of: elseif, else, endif", 1),
        ("{% endif %}", "Unexpected tag name 'endif'", 1),
        ("{% for k, v in m %}{% endfor %}", "Expected 'in'", 1),
        ("{% set a, b = 1 %}", "Expected '=', found ','", 1),
        ("{% include 'x' %}", "Unexpected tag name 'include'", 1),
        ("{{ a\n b }}", "Unexpected 'b'", 2),
        ("{{ 'a' | }}", "Expected the name of a filter, found end of the expression", 1),
        ("{{ 99999999999999999999 }}", "does not fit in 64 bits", 1),
        ("{{ f(a=1, 2) }}", "Positional arguments", 1),
        ("{% block 1 %}{% endblock %}", "Expected the name of a block", 1),
    ],
)
def test_mistakes_say_what_is_wrong_and_where(source: str, reason: str, line: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        rendered(source, a=True)
    assert reason in str(caught.value)
    assert str(caught.value).endswith(f"({source}:{line})")
    assert (caught.value.template, caught.value.line) == (source, line)


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ " + "[" * 500 + "]" * 500 + " }}",
        "{{ " + "not " * 500 + "true }}",
        "{{ " + "+".join(["1"] * 2000) + " }}",
        "{% if true %}" * 500 + "{% endif %}" * 500,
        "{% for x in [1] %}" * 40 + "{% endfor %}" * 40,
    ],
)
def test_deep_nesting_is_a_limit(source: str) -> None:
    with pytest.raises(LimitError, match="nested"):
        rendered(source)
