"""Durations as text and as milliseconds."""

from __future__ import annotations

import pytest

from engine.durations import duration_text, parse_duration


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (5_400_000, "PT1H30M"),
        (61_000, "PT1M1S"),
        (86_400_000, "PT24H"),
        (0, "PT0S"),
        (1500, "PT1.5S"),
        (-500, "-PT0.5S"),
    ],
)
def test_a_duration_is_written_as_people_read_it(milliseconds: int, text: str) -> None:
    assert duration_text(milliseconds) == text
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("PT0.0001S", 1), ("-PT0.0001S", -1), ("PT0S", 0), ("PT1.0006S", 1001)]
)
def test_what_is_shorter_than_a_millisecond_is_not_nothing(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds
