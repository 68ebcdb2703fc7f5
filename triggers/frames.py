"""Where the windows lie in which several executions must have happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple, Protocol

from engine.clock import to_datetime, to_millis
from engine.durations import parse_duration
from plugins.core.condition import TimeWindow
from triggers.window import Window

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Span(NamedTuple):
    """A window, in milliseconds; the end is not included, None for as long as it takes."""

    start: int
    end: int | None


class Whole(NamedTuple):
    """A window that has an end."""

    start: int
    end: int


class Frame(Protocol):
    """How windows lie.

    lookback: what happened longer ago, in milliseconds, doesn't count any more; None for no limit
    """

    @property
    def lookback(self) -> int | None: ...

    def at(self, moment: int) -> Span | None:
        """The window that begins with what happens at a moment, in milliseconds; None where it is in no window."""
        ...

    def ends(self, moment: int) -> int | None:
        """When the window around a moment ends, or else the next one; None where windows are made by what happens."""
        ...


class Aligned(NamedTuple):
    """Windows of a length, from midnight on, or from the begin of the hour or the minutes for shorter ones."""

    length: int
    shift: int
    zone: tzinfo

    @property
    def lookback(self) -> int | None:
        return None

    def at(self, moment: int) -> Span:
        length = timedelta(milliseconds=self.length)
        # Of the same zone, so that days are from midnight to midnight, however long they are.
        start = self._aligned(to_datetime(moment).astimezone(self.zone)) + timedelta(milliseconds=self.shift)
        while to_millis(start) > moment:
            start -= length
        while to_millis(start + length) <= moment:
            start += length
        return Span(to_millis(start), to_millis(start + length))

    def ends(self, moment: int) -> int | None:
        return self.at(moment).end

    def _aligned(self, now: datetime) -> datetime:
        now = now.replace(microsecond=0)
        if self.length >= DAY:
            return now.replace(hour=0, minute=0, second=0)
        if self.length >= HOUR:
            return now.replace(minute=0, second=0)
        if self.length >= MINUTE:
            minutes = self.length // MINUTE
            return now.replace(minute=now.minute // minutes * minutes, second=0)
        return now


class Daily(NamedTuple):
    """A part of each day, which may last over midnight."""

    opens: time
    closes: time
    zone: tzinfo

    @property
    def lookback(self) -> int | None:
        return None

    def at(self, moment: int) -> Span | None:
        return next((Span(*span) for span in self._around(moment) if span.start <= moment < span.end), None)

    def ends(self, moment: int) -> int | None:
        return next(span.end for span in self._around(moment) if moment < span.end)

    def _around(self, moment: int) -> Iterator[Whole]:
        """The windows of yesterday, today and tomorrow."""
        today = to_datetime(moment).astimezone(self.zone).date()
        for begun in (today + timedelta(days=days) for days in (-1, 0, 1)):
            end = begun + timedelta(days=self.closes <= self.opens)
            yield Whole(
                self._millis(datetime.combine(begun, self.opens)), self._millis(datetime.combine(end, self.closes))
            )

    def _millis(self, moment: datetime) -> int:
        return to_millis(moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone))


class Sliding(NamedTuple):
    """A window of a length that begins with the first of what happens."""

    length: int

    @property
    def lookback(self) -> int | None:
        return None

    def at(self, moment: int) -> Span:
        return Span(moment, moment + self.length)

    def ends(self, moment: int) -> int | None:
        return None


class Lookback(NamedTuple):
    """No window with an end, but only what happened lately counts."""

    lookback: int

    def at(self, moment: int) -> Span:
        return Span(moment, None)

    def ends(self, moment: int) -> int | None:
        return None


def frame_of(window: TimeWindow | None, zone: tzinfo) -> Frame:
    """Where the windows of dialect 1 lie; days where there is none."""
    if window is None:
        return Aligned(DAY, 0, zone)
    match window.type:
        case "SLIDING_WINDOW":
            return Sliding(window.window or DAY)
        case "DAILY_TIME_DEADLINE":
            return _until(window.deadline, zone)
        case "DAILY_TIME_WINDOW":
            assert window.start_time is not None
            assert window.end_time is not None
            return Daily(window.start_time, window.end_time, zone)
    return Aligned(window.window or DAY, _shift(window.window_advance), zone)


def frame_of_second(window: Window | None, zone: tzinfo) -> Frame:
    """Where the windows of dialect 2 lie; days where there is none."""
    if window is None:
        return Aligned(DAY, 0, zone)
    if window.deadline is not None:
        return _until(window.deadline, zone)
    if window.from_ is not None and window.to is not None:
        return Daily(window.from_, window.to, zone)
    if window.lookback is not None:
        return Lookback(window.lookback)
    return Aligned(window.every or DAY, _shift(window.offset), zone)


def _until(deadline: time | None, zone: tzinfo) -> Daily:
    assert deadline is not None
    return Daily(time(0, tzinfo=deadline.tzinfo), deadline, zone)


def _shift(text: str | None) -> int:
    return 0 if text is None else parse_duration(text)
