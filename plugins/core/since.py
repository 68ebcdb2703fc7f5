"""Dates in properties that say what is old enough."""

from __future__ import annotations

from datetime import date, datetime, time


def milliseconds(moment: datetime | date | None) -> int | None:
    """A moment since the epoch; of a date its beginning, on the clock of this machine where it names no zone."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return int(moment.astimezone().timestamp() * 1000)
