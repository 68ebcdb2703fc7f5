"""Where the windows of Flow triggers lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.clock import to_datetime, to_millis
from plugins.core.condition import TimeWindow
from triggers.frames import frame_of, frame_of_second
from triggers.window import Window

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def millis(text: str) -> int:
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


def span(window: Any, at: str) -> tuple[str, str | None] | None:
    frame = (frame_of if isinstance(window, TimeWindow) else frame_of_second)(window, UTC)
    found = frame.at(millis(at))
    if found is None:
        return None
    return _text(found.start), None if found.end is None else _text(found.end)


def _text(moment: int) -> str:
    return to_datetime(moment).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def first(**fields: Any) -> TimeWindow:
    return TimeWindow.model_validate(fields)


def second(**fields: Any) -> Window:
    return Window.model_validate(fields)


@pytest.mark.parametrize(
    ("window", "at", "start", "end"),
    [
        (first(), "2026-03-04 10:11:12", "2026-03-04 00:00:00", "2026-03-05 00:00:00"),
        (
            first(window="P1D", windowAdvance="-PT4H"),
            "2026-03-04 10:11:12",
            "2026-03-03 20:00:00",
            "2026-03-04 20:00:00",
        ),
        (
            first(window="P1D", windowAdvance="-PT4H"),
            "2026-03-04 21:00:00",
            "2026-03-04 20:00:00",
            "2026-03-05 20:00:00",
        ),
        (
            first(window="P1D", windowAdvance="PT6H"),
            "2026-03-04 05:00:00",
            "2026-03-03 06:00:00",
            "2026-03-04 06:00:00",
        ),
        (first(window="P7D"), "2026-03-04 10:11:12", "2026-03-04 00:00:00", "2026-03-11 00:00:00"),
        (first(window="PT1H"), "2026-03-04 10:11:12", "2026-03-04 10:00:00", "2026-03-04 11:00:00"),
        (first(window="PT6H"), "2026-03-04 10:11:12", "2026-03-04 10:00:00", "2026-03-04 16:00:00"),
        (
            first(window="PT15M", windowAdvance="-PT5M"),
            "2026-03-04 10:24:59",
            "2026-03-04 10:10:00",
            "2026-03-04 10:25:00",
        ),
        (first(window="PT15M"), "2026-03-04 10:59:59", "2026-03-04 10:45:00", "2026-03-04 11:00:00"),
        (first(window="PT10S"), "2026-03-04 10:11:12", "2026-03-04 10:11:12", "2026-03-04 10:11:22"),
        (
            first(type="SLIDING_WINDOW", window="PT1H"),
            "2026-03-04 10:11:12",
            "2026-03-04 10:11:12",
            "2026-03-04 11:11:12",
        ),
        (
            first(type="DAILY_TIME_DEADLINE", deadline="09:00:00"),
            "2026-03-04 08:59:59",
            "2026-03-04 00:00:00",
            "2026-03-04 09:00:00",
        ),
        (
            first(type="DAILY_TIME_WINDOW", startTime="09:00:00", endTime="10:00:00"),
            "2026-03-04 09:00:00",
            "2026-03-04 09:00:00",
            "2026-03-04 10:00:00",
        ),
        (
            first(type="DAILY_TIME_WINDOW", startTime="22:00:00", endTime="06:00:00"),
            "2026-03-04 01:00:00",
            "2026-03-03 22:00:00",
            "2026-03-04 06:00:00",
        ),
        (second(), "2026-03-04 10:11:12", "2026-03-04 00:00:00", "2026-03-05 00:00:00"),
        (second(every="PT1H", offset="PT30M"), "2026-03-04 10:11:12", "2026-03-04 09:30:00", "2026-03-04 10:30:00"),
        (second(deadline="09:00:00"), "2026-03-04 00:00:00", "2026-03-04 00:00:00", "2026-03-04 09:00:00"),
        (
            second(**{"from": "09:00", "to": "10:00"}),
            "2026-03-04 09:59:59",
            "2026-03-04 09:00:00",
            "2026-03-04 10:00:00",
        ),
        (second(lookback="PT1H"), "2026-03-04 10:11:12", "2026-03-04 10:11:12", None),
    ],
)
def test_a_window_is_around_what_happens(window: Any, at: str, start: str, end: str | None) -> None:
    assert span(window, at) == (start, end)


@pytest.mark.parametrize(
    ("window", "at"),
    [
        (first(type="DAILY_TIME_DEADLINE", deadline="09:00:00"), "2026-03-04 09:00:00"),
        (first(type="DAILY_TIME_WINDOW", startTime="09:00:00", endTime="10:00:00"), "2026-03-04 10:00:00"),
        (first(type="DAILY_TIME_WINDOW", startTime="22:00:00", endTime="06:00:00"), "2026-03-04 06:00:00"),
        (second(**{"from": "09:00", "to": "10:00"}), "2026-03-04 08:59:59"),
    ],
)
def test_what_happens_outside_counts_for_nothing(window: Any, at: str) -> None:
    assert span(window, at) is None


@pytest.mark.parametrize(
    ("window", "at", "end"),
    [
        (first(), "2026-03-04 10:11:12", "2026-03-05 00:00:00"),
        (second(deadline="09:00:00"), "2026-03-04 08:59:59", "2026-03-04 09:00:00"),
        (second(deadline="09:00:00"), "2026-03-04 09:00:00", "2026-03-05 09:00:00"),
        (second(**{"from": "22:00", "to": "06:00"}), "2026-03-04 05:59:59", "2026-03-04 06:00:00"),
        (second(**{"from": "22:00", "to": "06:00"}), "2026-03-04 06:00:00", "2026-03-05 06:00:00"),
        (second(lookback="PT1H"), "2026-03-04 10:11:12", None),
        (first(type="SLIDING_WINDOW"), "2026-03-04 10:11:12", None),
    ],
)
def test_the_end_of_the_window_or_of_the_next_one(window: Any, at: str, end: str | None) -> None:
    found = (frame_of if isinstance(window, TimeWindow) else frame_of_second)(window, UTC).ends(millis(at))
    assert (None if found is None else _text(found)) == end


def test_days_go_from_midnight_to_midnight_of_the_zone_whatever_their_length() -> None:
    day = frame_of(first(), AMSTERDAM).at(millis("2026-03-29 10:00:00"))
    assert day is not None
    assert day.end is not None
    assert (_text(day.start), _text(day.end)) == ("2026-03-28 23:00:00", "2026-03-29 22:00:00")
    assert timedelta(milliseconds=day.end - day.start) == timedelta(hours=23)
