"""Log lines and metrics of all executions: looked for day by day, beside whoever reads those of one.

Nothing but the days and the executions is indexed for lines. A search stops after some seconds, with what it found.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from engine.clock import monotonic
from engine.errors import LimitError
from engine.settings import Sqlite
from engine.store.conditions import (
    NOTHING,
    Column,
    Columns,
    Condition,
    Group,
    Node,
    Op,
    Words,
    bounds,
)
from engine.store.connection import foreseen
from engine.store.days import MILLISECONDS, Days
from engine.store.found import Bucket, FoundLines, LogSearch, MetricFilter
from engine.store.limited import Limited
from engine.store.migrate import FOLDER
from engine.store.query import Where, queries
from engine.store.rows import LogLine

SQL = queries("sqlite")
OPEN_AT_ONCE = 8
SEARCH_SECONDS = 5.0

LOG_COLUMNS: Columns = {
    "namespace": Column("namespace"),
    "flow": Column("flow"),
    "execution": Column("execution"),
    "task": Column("task"),
    "task_run": Column("task_run"),
    "trigger": Column("null"),
    "attempt": Column("attempt"),
    "level": Column("level"),
    "at": Column("at"),
    "words": Words(("message",)),
}
"""What conditions of a search may name."""

T = TypeVar("T")


class Searching:
    """Connections of its own, so that a long search keeps nobody else waiting."""

    def __init__(self, folder: Path, settings: Sqlite) -> None:
        self._days = Days(folder, FOLDER / "logs", settings, OPEN_AT_ONCE)
        self._lock = threading.Lock()
        self._limiter = anyio.CapacityLimiter(1)

    async def search(self, asked: LogSearch, most: int) -> FoundLines:
        return await self._in_thread(lambda: self._search(asked, most))

    async def metric_names(self, where: MetricFilter) -> Sequence[str]:
        return await self._in_thread(lambda: self._texts("metric_names", where))

    async def metric_tasks(self, where: MetricFilter) -> Sequence[str]:
        return await self._in_thread(lambda: self._texts("metric_tasks", where))

    async def metric_buckets(self, where: MetricFilter, span: int) -> Sequence[Bucket]:
        return await self._in_thread(lambda: self._buckets(where, span))

    def close(self) -> None:
        with self._lock:
            self._days.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        def locked() -> T:
            with self._lock, foreseen():
                return work()

        return await anyio.to_thread.run_sync(locked, limiter=self._limiter)

    def _search(self, asked: LogSearch, most: int) -> FoundLines:
        node = Group(tuple(part for part in (asked.where, _within(asked.visible)) if part is not None))
        where = Where().matching(node, LOG_COLUMNS)
        page = where.fill(SQL["search_lines"]).replace("{order}", "asc" if asked.ascending else "desc")
        count = where.fill(SQL["count_lines"])
        since, until = bounds(node, "at")
        end = monotonic() + SEARCH_SECONDS
        lines: list[LogLine] = []
        total = 0
        for day in sorted(self._days.days(), reverse=not asked.ascending):
            if (day + 1) * MILLISECONDS <= since or day * MILLISECONDS > until:
                continue
            if total > most and len(lines) == asked.limit:
                return FoundLines(lines, most, exact=False)
            params = {**where.params, "limit": asked.limit - len(lines), "offset": max(0, asked.offset - total)}
            try:
                with Limited(self._days.connection(day)).within(end - monotonic()) as connection:
                    if len(lines) < asked.limit:
                        lines += [LogLine(*row) for row in connection.execute(page, params)]
                    total += connection.execute(count, where.params).fetchone()[0]
            except LimitError:
                return FoundLines(lines, max(total, len(lines)), exact=False)
        return FoundLines(lines, min(total, most), exact=total <= most)

    def _texts(self, query: str, where: MetricFilter) -> list[str]:
        found: set[str] = set()
        conditions = _of_metrics(where)
        for connection in self._of_days(where):
            found |= {row[0] for row in connection.execute(conditions.fill(SQL[query]), conditions.params)}
        return sorted(found)

    def _buckets(self, where: MetricFilter, span: int) -> list[Bucket]:
        found: dict[int, Bucket] = {}
        conditions = _of_metrics(where)
        params = {**conditions.params, "span": span}
        for connection in self._of_days(where):
            for row in connection.execute(conditions.fill(SQL["metric_buckets"]), params):
                one = Bucket(*row)
                found[one.at] = _together(found[one.at], one) if one.at in found else one
        return [found[at] for at in sorted(found)]

    def _of_days(self, where: MetricFilter) -> Iterator[sqlite3.Connection]:
        since, until = where.since or 0, where.until or inf
        for day in self._days.days():
            if (day + 1) * MILLISECONDS > since and day * MILLISECONDS < until:
                yield self._days.connection(day)


def _within(visible: Sequence[str] | None) -> Node | None:
    if visible is None:
        return None
    return Condition("namespace", Op.PREFIX, tuple(visible)) if visible else NOTHING


def _of_metrics(where: MetricFilter) -> Where:
    conditions = Where().add("namespace", where.namespace).add("flow", where.flow).add("task", where.task)
    return conditions.add("name", where.name).add("at", where.since, ">=").add("at", where.until, "<")


def _together(one: Bucket, other: Bucket) -> Bucket:
    return Bucket(
        one.at, one.times + other.times, one.sum + other.sum, min(one.min, other.min), max(one.max, other.max)
    )
