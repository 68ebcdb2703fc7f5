"""Log lines and metrics: a database file for each day, so that keeping them for a while means deleting files.

A position is the day and the row in its file, as one number that grows with time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from engine.clock import EPOCH, to_datetime
from engine.ids import ExecutionId
from engine.settings import Sqlite
from engine.store.connection import connect, foreseen, roll_back
from engine.store.migrate import FOLDER, migrate, migrations
from engine.store.protocols import LogLine, Metric
from engine.store.query import Where, queries

SQL = queries("sqlite")
DAY = 86_400_000
ROW_BITS = 40
OPEN_AT_MOST = 4


class Logs:
    """The files `YYYY-MM-DD.db` of a folder. Made for one appender and any number of readers."""

    def __init__(self, folder: Path, settings: Sqlite) -> None:
        self._folder = folder
        self._settings = msgspec.structs.replace(settings, synchronous="NORMAL")
        self._open: dict[int, sqlite3.Connection] = {}
        self._lock = threading.Lock()

    async def append(self, lines: Sequence[LogLine], metrics: Sequence[Metric] = ()) -> None:
        await anyio.to_thread.run_sync(self._append, lines, metrics)

    async def lines(
        self,
        execution: ExecutionId,
        *,
        task: str | None = None,
        task_run: str | None = None,
        levels: Sequence[str] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[tuple[int, LogLine]]:
        where = Where().add("execution", execution).add("task", task).add("task_run", task_run).among("level", levels)
        return await anyio.to_thread.run_sync(self._lines, where, after, limit)

    async def metrics(self, execution: ExecutionId, *, task_run: str | None = None) -> Sequence[Metric]:
        where = Where().add("execution", execution).add("task_run", task_run)
        return await anyio.to_thread.run_sync(self._metrics, where)

    async def drop_before(self, at: int) -> int:
        return await anyio.to_thread.run_sync(self._drop_before, at)

    def close(self) -> None:
        with self._lock:
            for connection in self._open.values():
                connection.close()
            self._open.clear()

    def _append(self, lines: Sequence[LogLine], metrics: Sequence[Metric]) -> None:
        with self._lock, foreseen():
            for day, of_day in groupby(lines, _day_of):
                self._write(day, "append_line", [msgspec.structs.asdict(line) for line in of_day])
            for day, measured in groupby(metrics, _day_of):
                rows = [{**msgspec.structs.asdict(one), "tags": json.dumps(one.tags)} for one in measured]
                self._write(day, "append_metric", rows)

    def _write(self, day: int, query: str, rows: Sequence[dict[str, Any]]) -> None:
        connection = self._connection(day)
        try:
            connection.execute("begin immediate")
            connection.executemany(SQL[query], rows)
            connection.execute("commit")
        except BaseException:
            roll_back(connection)
            raise

    def _lines(self, where: Where, after: int, limit: int) -> list[tuple[int, LogLine]]:
        first, row = after >> ROW_BITS, after & ((1 << ROW_BITS) - 1)
        found: list[tuple[int, LogLine]] = []
        with self._lock, foreseen():
            for day in self._days():
                if day < first or len(found) >= limit:
                    continue
                seen = row if day == first else 0
                query = where.fill(SQL["read_lines"]).replace("order by", "and position > :seen order by")
                params = {**where.params, "seen": seen, "limit": limit - len(found)}
                for position, *values in self._connection(day).execute(query, params):
                    found.append(((day << ROW_BITS) | position, LogLine(*values)))
        return found

    def _metrics(self, where: Where) -> list[Metric]:
        found = []
        with self._lock, foreseen():
            for day in self._days():
                for row in self._connection(day).execute(where.fill(SQL["read_metrics"]), where.params):
                    at, type, name, value, tags, *rest = row
                    found.append(Metric(at, type, name, value, json.loads(tags), *rest))
        return found

    def _drop_before(self, at: int) -> int:
        dropped = 0
        with self._lock:
            for day in self._days():
                if (day + 1) * DAY <= at:
                    if day in self._open:
                        self._open.pop(day).close()
                    for suffix in ("", "-wal", "-shm"):
                        Path(f"{self._file(day)}{suffix}").unlink(missing_ok=True)
                    dropped += 1
        return dropped

    def _connection(self, day: int) -> sqlite3.Connection:
        """The database of a day, made when it isn't there; the least recently opened ones are closed again."""
        connection = self._open.get(day)
        if connection is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            connection = connect(self._file(day), self._settings)
            migrate(connection, migrations(FOLDER / "logs"))
            while len(self._open) >= OPEN_AT_MOST:
                self._open.pop(next(iter(self._open))).close()
            self._open[day] = connection
        return connection

    def _file(self, day: int) -> Path:
        return self._folder / f"{to_datetime(day * DAY).date().isoformat()}.db"

    def _days(self) -> Iterable[int]:
        """Days that have a file, in order."""
        return sorted(
            (date.fromisoformat(file.stem) - EPOCH.date()) // timedelta(days=1) for file in self._folder.glob("*.db")
        )


def _day_of(entry: LogLine | Metric) -> int:
    return entry.at // DAY
