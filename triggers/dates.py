"""The dates of a cron expression in a time zone: a pure function of both and of the date before.

A clock that is set forward leaves times of the day out, one that is set back has some of them twice. An expression that
names times of the day (`30 2 * * *`) comes once all the same, as its policies say; one that gives a pace
(`*/30 * * * *`) follows real time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import product, starmap
from typing import Literal

from triggers.cron import Cron

Gap = Literal["NEXT_VALID", "SKIP", "SHIFT"]
Overlap = Literal["FIRST", "SECOND", "BOTH"]

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
# No expression that has a date at all goes without one for longer: the 29th of February around a year 2100.
YEARS = 9
# Clocks are not set twice within so long.
NEAR = timedelta(hours=36)


class Dates:
    """The dates of an expression. Moments are aware and in its zone.

    gap: what becomes of a time of the day that is left out: the first moment after it, nothing, or as much later
    overlap: which one of two equal times of the day is meant
    """

    def __init__(self, cron: Cron, zone: tzinfo, gap: Gap = "NEXT_VALID", overlap: Overlap = "FIRST") -> None:
        self._cron = cron
        self._zone = zone
        self._gap = gap
        self._overlap = overlap
        self._times = _Times(cron)

    def after(self, moment: datetime) -> datetime | None:
        """The first date after a moment; None where there is none within years."""
        # Two moments of one zone compare by what clocks show; those of UTC by when they are.
        moment = moment.astimezone(UTC)
        found = self._fixed(moment) if self._cron.fixed else self._paced(moment)
        return None if found is None else found.astimezone(self._zone)

    def before(self, moment: datetime) -> datetime | None:
        """The last date before a moment; None where there is none within years."""
        moment = moment.astimezone(UTC)
        later = self.after(moment)
        span = max(SECOND, 2 * (later - moment)) if later is not None else DAY
        while span < YEARS * 366 * DAY:
            found: datetime | None = None
            candidate = self.after(moment - span)
            while candidate is not None and candidate < moment:
                found, candidate = candidate, self.after(candidate)
            if found is not None:
                return found
            span *= 4
        return None

    def _moment(self, wall: datetime, fold: int = 0) -> datetime:
        return wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta()

    def _paced(self, moment: datetime) -> datetime | None:
        """The first moment at which clocks show what is written."""
        local = moment.astimezone(self._zone)
        found = None
        for candidate in self._times.after(local.replace(tzinfo=None)):
            first, second = self._moment(candidate), self._moment(candidate, 1)
            found = first if first > moment else second
            if found.astimezone(self._zone).replace(tzinfo=None) == candidate:
                break
        again = self._again(local)
        return min((it for it in (found, again) if it is not None), default=None)

    def _again(self, local: datetime) -> datetime | None:
        """The first one among the times that come again, where clocks will be set back over this one."""
        wall = local.replace(tzinfo=None, microsecond=0)
        back = self._moment(wall, 1) - self._moment(wall)
        if local.fold or back <= timedelta():
            return None
        # Clocks are set back at the first time of the day that comes once only.
        once = _first_second(wall, wall + back, lambda it: self._moment(it, 1) <= self._moment(it))
        candidate = next(self._times.after(once - back - SECOND), None)
        return None if candidate is None or candidate >= once else self._moment(candidate, 1)

    def _fixed(self, moment: datetime) -> datetime | None:
        """The first moment that stands for a time of the day."""
        offsets = [self._offset(moment + it) for it in (-NEAR, timedelta(), NEAR)]
        most, least = max(offsets), min(offsets)
        wall = moment.astimezone(self._zone).replace(tzinfo=None)
        found: datetime | None = None
        for candidate in self._times.after(wall - (most - least) - SECOND):
            if found is not None and candidate.replace(tzinfo=UTC) - most > found:
                break
            for at in self._stands_for(candidate):
                if at > moment and (found is None or at < found):
                    found = at
        return found

    def _stands_for(self, wall: datetime) -> Iterator[datetime]:
        first, second = self._moment(wall), self._moment(wall, 1)
        if first == second:
            yield first
        elif first < second:
            yield from {"FIRST": (first,), "SECOND": (second,), "BOTH": (first, second)}[self._overlap]
        elif self._gap == "SHIFT":
            yield first
        elif self._gap == "NEXT_VALID":
            after = self._offset(first)
            yield _first_second(second, first, lambda it: self._offset(it) == after)


def _first_second(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first second after `low` for which something holds that does for `high`, and from then on."""
    while high - low > SECOND:
        middle = low + (high - low) // 2 // SECOND * SECOND
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


class _Times:
    """What clocks show at the dates of an expression, in order, as if they were never set."""

    def __init__(self, cron: Cron) -> None:
        self._cron = cron
        self._seconds = sorted(cron.seconds)
        self._minutes = sorted(cron.minutes)
        self._hours = sorted(cron.hours)

    def after(self, wall: datetime) -> Iterator[datetime]:
        """Those after a time, up to the end of the years that are looked at."""
        wall = wall.replace(fold=0)
        end = wall.year + YEARS
        for day in self._days(wall.date()):
            if day.year > end:
                return
            for clock in self._of_day(wall.time()) if day == wall.date() else self._all():
                yield datetime.combine(day, clock)

    def _all(self) -> Iterator[time]:
        return starmap(time, product(self._hours, self._minutes, self._seconds))

    def _of_day(self, after: time) -> Iterator[time]:
        for hour in self._hours[bisect_left(self._hours, after.hour) :]:
            minutes = self._minutes if hour > after.hour else self._minutes[bisect_left(self._minutes, after.minute) :]
            for minute in minutes:
                for second in self._seconds:
                    if (hour, minute, second) > (after.hour, after.minute, after.second):
                        yield time(hour, minute, second)

    def _days(self, day: date) -> Iterator[date]:
        """Days that fit, from one on."""
        while True:
            if day.month not in self._cron.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._fits(day):
                yield day
            try:
                day += DAY
            except OverflowError:
                return

    def _fits(self, day: date) -> bool:
        of_month = day.day in self._cron.days
        of_week = day.isoweekday() % 7 in self._cron.weekdays
        return (of_month or of_week) if self._cron.either else (of_month and of_week)
