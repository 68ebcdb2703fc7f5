"""Reads the database beside its writer: each look sees the last commit, whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiosqlite

from engine.settings import Sqlite
from engine.store.connection import connect, translated

CONNECTIONS = 2


class Reader:
    """A few connections that take turns."""

    def __init__(self, file: Path, settings: Sqlite) -> None:
        self._file = file
        self._settings = settings
        self._connections: list[aiosqlite.Connection] = []
        self._turn = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for _ in range(CONNECTIONS):
            connection = aiosqlite.Connection(lambda: connect(self._file, self._settings), 64)
            self._connections.append(await self._stack.enter_async_context(connection))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def rows(self, query: str, params: Mapping[str, object]) -> list[Any]:
        """All rows of a query, as tuples. Raises Unavailable."""
        self._turn = (self._turn + 1) % CONNECTIONS
        try:
            return list(await self._connections[self._turn].execute_fetchall(query, dict(params)))
        except sqlite3.Error as error:
            raise translated(error) from error

    async def row(self, query: str, params: Mapping[str, object]) -> Any:
        """The first row, or None."""
        rows = await self.rows(query, params)
        return rows[0] if rows else None
