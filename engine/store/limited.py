"""Reads that stop in time: what people search for may match nothing in a million rows, or be a pattern without end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import regex

from engine.clock import monotonic
from engine.errors import LimitError

STEPS = 10_000
"""How many instructions of the database go by between two looks at the time."""


class Limited:
    """A connection with what conditions need, and reads of which may be limited. For one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._until: float | None = None
        connection.create_function("matches", 2, self._matches, deterministic=True)

    @contextmanager
    def within(self, seconds: float) -> Iterator[sqlite3.Connection]:
        """Read for at most so long. Raises LimitError."""
        self._until = until = monotonic() + seconds
        self.connection.set_progress_handler(lambda: monotonic() >= until, STEPS)
        try:
            yield self.connection
        except sqlite3.OperationalError:
            if monotonic() < until:
                raise
            raise LimitError(
                f"The search takes longer than {seconds:g} s: name a namespace, a flow or a time range with it"
            ) from None
        finally:
            self._until = None
            self.connection.set_progress_handler(None, STEPS)

    def _matches(self, pattern: str, text: str | None) -> bool:
        if text is None:
            return False
        left = None if self._until is None else max(0.001, self._until - monotonic())
        return _compiled(pattern).search(text, timeout=left) is not None


@lru_cache(maxsize=100)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)
