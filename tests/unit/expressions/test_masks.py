"""The forms of a secret that are masked."""

from __future__ import annotations

import base64

from engine.expressions.masks import forms


def test_all_forms_of_a_secret() -> None:
    found = forms('pass "word" é')
    assert {
        'pass "word" é',
        base64.b64encode('pass "word" é'.encode()).decode(),
        'pass "word" é'.encode().hex(),
        "pass%20%22word%22%20%C3%A9",
        "pass+%22word%22+%C3%A9",
        'pass \\"word\\" é',
        'pass \\"word\\" \\u00e9',
    } <= found


def test_each_line_is_masked_and_short_texts_are_not() -> None:
    found = forms("first line\nx\nsecond line")
    assert {"first line", "second line", "first line\nx\nsecond line"} <= found
    assert "x" not in found
    assert forms("abc") == set()
