"""Which dates of a schedule are decided on, and which are left out, where some were missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from engine.plugin import Calendar

# A date that is no later than this when somebody comes to look is late, not missed.
GRACE = timedelta(seconds=10)
# So many missed dates are made up for, the newest ones.
MOST = 100
TICK = timedelta(milliseconds=1)


class Watch(NamedTuple):
    """How missed dates are treated.

    since: from when on somebody has been looking; what was due before that is missed
    recover: ALL, LAST or NONE of the missed dates
    late: dates that are later than this are left out; None: none are
    """

    since: datetime
    recover: str
    late: timedelta | None = None

    def missed(self, date: datetime) -> bool:
        """Whether nobody looked when it was due."""
        return date < self.since - GRACE


def first_due(calendar: Calendar, date: datetime, now: datetime, watch: Watch) -> datetime | None:
    """The date to decide on first, where `date` is the first one that was not; those before it are left out."""
    # Rules of zones change: it may be none any more.
    found = calendar.after(date - TICK)
    if found is not None and watch.late is not None and found < now - watch.late:
        found = calendar.after(now - watch.late)
    if found is None or not watch.missed(found):
        return found
    looked = watch.since - GRACE
    if watch.recover == "NONE":
        return calendar.after(looked - TICK)
    oldest = _oldest(calendar, looked, 1 if watch.recover == "LAST" else MOST)
    # Two moments of one zone compare by what clocks show; those of UTC by when they are.
    return max(found.astimezone(UTC), oldest)


def _oldest(calendar: Calendar, looked: datetime, count: int) -> datetime:
    """The oldest one of so many dates before a moment."""
    oldest = looked
    for _ in range(count):
        before = calendar.before(oldest)
        if before is None:
            break
        oldest = before.astimezone(UTC)
    return oldest
