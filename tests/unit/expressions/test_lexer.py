"""Template text to tokens."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError, LimitError
from engine.expressions import lexer


def tokens(source: str) -> list[tuple[str, str]]:
    return [(token.kind, token.value) for token in lexer.tokenize(source, lambda cost: None)]


def values(source: str) -> list[str]:
    """What stands between the braces of a printed expression."""
    return [value for kind, value in tokens(source) if kind not in ("print", "end", "eof")]


def test_text_and_a_printed_name() -> None:
    assert tokens("a{{ b }}c") == [
        ("text", "a"),
        ("print", ""),
        ("name", "b"),
        ("end", ""),
        ("text", "c"),
        ("eof", ""),
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a  {{- b }}", "a"),
        ("a\r\n {{-\tb }}", "a"),
        ("a  {%- if %}", "a"),
        ("a  {#- x #}", "a"),
    ],
)
def test_a_dash_with_white_space_trims_before(source: str, text: str) -> None:
    assert tokens(source)[0] == ("text", text)


def test_a_dash_without_white_space_is_a_minus() -> None:
    assert tokens("a {{-5 }}")[0] == ("text", "a ")
    assert values("{{-5 }}") == ["-", "5"]


@pytest.mark.parametrize("source", ["{{ b -}}  \n c", "{% b -%}  \n c", "{{ b }}{# x -#}  \n c"])
def test_a_dash_at_the_end_trims_after(source: str) -> None:
    assert tokens(source)[-2] == ("text", "c")


def test_line_ends_are_kept() -> None:
    assert tokens("a\r\nb\r\n") == [("text", "a\r\nb\r\n"), ("eof", "")]


def test_braces_of_a_map_do_not_close_the_tag() -> None:
    assert values("{{ {'a': {'b': 1}}}}") == ["{", "a", ":", "{", "b", ":", "1", "}", "}"]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (r"'it\'s'", "it's"),
        (r'"a\"b"', 'a"b'),
        (r"'\n\d'", r"\n\d"),
        (r"'C:\\x'", r"C:\\x"),
        ('"#{"', None),
        ("'#{x}'", "#{x}"),
        ('"a # b"', "a # b"),
        ("'}}'", "}}"),
    ],
)
def test_strings(literal: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(ExpressionError):
            values("{{ " + literal + " }}")
    else:
        assert values("{{ " + literal + " }}") == [value]


def test_interpolation_is_a_concatenation_in_parentheses() -> None:
    assert values('{{ "a #{x}b" }}') == ["(", "a ", "~", "(", "x", ")", "~", "b", ")"]
    assert values('{{ "#{m["k"]}" }}') == ["(", "", "~", "(", "m", "[", "k", "]", ")", "~", "", ")"]


def test_numbers_and_ranges() -> None:
    assert values("{{ 1..3 + 2.5 - 7L }}") == ["1", "..", "3", "+", "2.5", "-", "7"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{%- raw -%} {{ x }} {%- endraw -%}", " {{ x }} "),
        ("{% raw %}a\nb{% endraw %}", "a\nb"),
        ("{% verbatim %}{% if %}{% endverbatim %}", "{% if %}"),
        ("{%- verbatim -%} {{ x }} {%- endverbatim -%}", "{{ x }}"),
    ],
)
def test_raw_and_verbatim(source: str, text: str) -> None:
    assert tokens(source) == [("raw", text), ("eof", "")]


def test_comments_vanish() -> None:
    assert tokens("a{# {{ x }} {% y %} #}b") == [("text", "a"), ("text", "b"), ("eof", "")]


def test_lines_are_counted() -> None:
    found = lexer.tokenize("a\n{{\n b }}\n{{ c }}", lambda cost: None)
    assert [(token.value, token.line) for token in found if token.kind == "name"] == [("b", 3), ("c", 4)]


@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        ("\n{{ a", "'}}' is missing", 2),
        ("{% if a", "'%}' is missing", 1),
        ("a\n{# x", "'#}' is missing", 2),
        ("{% raw %}x", "'{% endraw %}' is missing", 1),
        ("{{ 'a }}", "The string is not closed", 1),
        ('{{ "a }}', "The string is not closed", 1),
        ("{{ a & b }}", "Unexpected character '&'", 1),
        ("{{ 1e3 }}", "Unexpected character '1'", 1),
    ],
)
def test_mistakes_name_the_line(source: str, reason: str, line: int) -> None:
    with pytest.raises(ExpressionError, match=reason.replace("{", r"\{")) as caught:
        tokens(source)
    assert caught.value.line == line


def test_the_cost_of_tokens_is_told() -> None:
    spent: list[int] = []
    lexer.tokenize("{{ a.b }}", spent.append)
    assert sum(spent) == 6 * lexer.TOKEN_COST


def test_one_tag_can_only_be_so_long() -> None:
    with pytest.raises(LimitError, match="too large"):
        tokens("{{ [" + "1," * lexer.LONGEST_TAG + "1] }}")


def test_a_template_can_only_have_so_many_parts() -> None:
    with pytest.raises(LimitError, match="A template of more than 25000"):
        tokens("{{ a }}" * 9_000)
