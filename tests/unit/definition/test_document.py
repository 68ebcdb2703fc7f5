"""YAML text as values with places."""

from __future__ import annotations

import pytest

from engine.definition.diagnostic import Severity
from engine.definition.document import MAX_CHARACTERS, Mark, read_yaml


def said(text: str) -> list[str]:
    return [str(item) for item in read_yaml(text).diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("010", 8),
        ("08", "08"),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-5", -5),
        ("1e3", 1000.0),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        ("12:30", "12:30"),
        ("1:30.5", "1:30.5"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("~", None),
        ("", None),
        ("'yes'", "yes"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!other 5", "5"),
        ("0x_", "0x_"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_read_as_the_flows_expect(text: str, value: object) -> None:
    document = read_yaml(f"key: {text}\n")
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)
    assert document.diagnostics == ()


def test_every_value_and_key_has_its_place_and_scalars_their_text() -> None:
    document = read_yaml("a: 1\nb:\n  - x: yes\n  - 1.10\n")
    assert document.marks[("a",)] == Mark(1, 4)
    assert document.marks[("b",)] == Mark(3, 3)
    assert document.keys[("b", 0, "x")] == Mark(3, 5)
    assert document.marks[("b", 1)] == Mark(4, 5)
    assert document.texts == {("a",): "1", ("b", 0, "x"): "yes", ("b", 1): "1.10"}


def test_keys_are_text_as_written() -> None:
    assert read_yaml("on: 1\n5: 2\n~: 3\n").value == {"on": 1, "5": 2, "~": 3}


def test_aliases_and_merge_keys_are_written_out_and_own_keys_win() -> None:
    text = "base: &base {a: 1, b: 2}\none:\n  <<: *base\n  b: 3\ntwo:\n  <<: [*base, {c: 4}]\nthree: *base\n"
    value = read_yaml(text).value
    assert value["one"] == {"b": 3, "a": 1}
    assert value["two"] == {"a": 1, "b": 2, "c": 4}
    assert value["three"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "2:1: the key 'a' stands twice, first on line 1"),
        ("a:\n\tb: 1", "2:1: this is not YAML: a tab stands where YAML takes spaces only"),
        ("m: {{ x }}", "1:5: a value that starts with '{{' must be in quotes"),
        ("? [a]\n: b", "1:3: a key must be text, not a list"),
        ("&a [*a]", "1:5: the anchor 'a' contains itself"),
        ("a: *z", "1:4: the anchor 'z' is not defined above"),
        ("x:\n  a: 'b\n", "2:6: this is not YAML: a quote is opened here and not closed"),
        ("a: @b", "1:4: this is not YAML: text that starts with this character must be in quotes"),
        (
            "a: b: c",
            "1:5: this is not YAML: a ':' can't stand here: put the text in quotes, or check the indentation",
        ),
        (
            "key: [a, b\nc: d",
            "1:6: this is not YAML: a '{' or '[' is opened here and not closed, or the text needs quotes",
        ),
        ("a: b\x00", "1:5: the character U+0000 can't stand in YAML, write it as an escape in double quotes"),
        ("a: \ud800", "1:4: the character U+D800 can't stand in YAML, write it as an escape in double quotes"),
        ("<<: [5]", "1:6: '<<' takes a map or a list of maps"),
    ],
)
def test_mistakes_say_where_and_what_would_be_right(text: str, message: str) -> None:
    assert said(text) == [message]


def test_several_mistakes_are_all_found() -> None:
    assert len(said("a: 1\na: 2\nb: *x\nb: {{ c }}\n")) == 4


def test_a_duplicate_in_an_anchor_is_one_mistake() -> None:
    assert len(said("a: &a {x: 1, x: 2}\nb: *a\nc: *a\n")) == 1


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    document = read_yaml("\n".join(lines))
    assert document.broken
    assert "more than 100,000 values" in str(document.diagnostics[0])


@pytest.mark.parametrize("text", ["[" * 150, "[" * 50_000, "a: " + "{b: " * 150])
def test_deep_nesting_is_refused(text: str) -> None:
    assert read_yaml(text).broken


def test_deep_nesting_by_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200)]
    assert "nested deeper than 100 levels" in str(read_yaml("\n".join(lines)).diagnostics[0])


def test_a_text_that_is_too_long_is_refused() -> None:
    assert "longer than" in said("a" * (MAX_CHARACTERS + 1))[0]


def test_a_second_document_is_not_read_and_said_so() -> None:
    document = read_yaml("---\na: 1\n---\nb: 2\n")
    assert document.value == {"a": 1}
    assert [item.severity for item in document.diagnostics] == [Severity.WARNING]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read_yaml("\ufeffa: 1").value == {"a": 1}
