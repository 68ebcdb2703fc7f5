"""Reads the database beside its writer: each look sees the last commit, whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from engine.errors import Unavailable
from engine.settings import Sqlite
from engine.store.connection import connect, foreseen
from engine.store.limited import Limited

CONNECTIONS = 4

T = TypeVar("T")


class Reader:
    """A few connections, each opened when all others are in use."""

    def __init__(self, file: Path, settings: Sqlite) -> None:
        self._file = file
        self._settings = settings
        self._idle: list[Limited] = []
        self._limiter = anyio.CapacityLimiter(CONNECTIONS)
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read in a thread, also what takes long to decode. Raises Unavailable."""
        return await anyio.to_thread.run_sync(
            self._run, lambda limited: work(limited.connection), limiter=self._limiter
        )

    async def rows(self, query: str, params: Mapping[str, object]) -> list[Any]:
        """All rows of a query, as tuples. Raises Unavailable."""
        return await self.run(lambda connection: connection.execute(query, params).fetchall())

    async def found(self, query: str, params: Mapping[str, object], seconds: float) -> list[Any]:
        """All rows of a query that somebody made up, as tuples. Raises Unavailable, LimitError after some seconds."""

        def work(limited: Limited) -> list[Any]:
            with limited.within(seconds) as connection:
                return connection.execute(query, params).fetchall()

        return await anyio.to_thread.run_sync(self._run, work, limiter=self._limiter)

    async def row(self, query: str, params: Mapping[str, object]) -> Any:
        """The first row, or None. Raises Unavailable."""
        rows = await self.rows(query, params)
        return rows[0] if rows else None

    def close(self) -> None:
        """Close what is idle; nobody may be reading any more."""
        self._closed = True
        while self._idle:
            self._idle.pop().connection.close()

    def _run(self, work: Callable[[Limited], T]) -> T:
        if self._closed:
            raise Unavailable("The store is closed")
        try:
            limited = self._idle.pop()
        except IndexError:
            limited = Limited(connect(self._file, self._settings))
        try:
            with foreseen():
                return work(limited)
        finally:
            self._idle.append(limited)
