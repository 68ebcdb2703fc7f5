"""The only source of time.

Time is an int of milliseconds since the epoch, UTC, everywhere inside the engine.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the engine knows of time."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: int = 1_700_000_000_000) -> None:
        self._now = start
        self._moved = anyio.Event()

    def now(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        due = self._now + int(seconds * 1000)
        while self._now < due:
            await self._moved.wait()

    def advance(self, seconds: float) -> None:
        """Move time forward and wake all that is due."""
        self._now += int(seconds * 1000)
        self._moved.set()
        self._moved = anyio.Event()


def monotonic() -> float:
    """Seconds of a clock that never goes back; for measuring how long something takes."""
    return time.monotonic()


def processor_seconds() -> float:
    """Seconds that the processors worked for this process; for what counts its limits in them."""
    return time.process_time()


def to_datetime(millis: int) -> datetime:
    """Milliseconds to an aware UTC datetime."""
    return EPOCH + timedelta(milliseconds=millis)


def to_millis(moment: datetime) -> int:
    """An aware datetime to milliseconds, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def iso(millis: int) -> str:
    """`2026-01-31T10:00:00.123Z`."""
    return to_datetime(millis).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_zone() -> tzinfo:
    """The time zone of this machine: what TZ names, else where /etc/localtime leads, else UTC."""
    link = os.path.realpath("/etc/localtime")
    name = os.environ.get("TZ", "").lstrip(":") or link.partition("/zoneinfo/")[2]
    try:
        return ZoneInfo(name) if name not in ("", "UTC", "Etc/UTC") else UTC
    except (ValueError, ZoneInfoNotFoundError):
        return UTC
