"""Log lines and metrics: a database file for each day, so that keeping them for a while means deleting files.

A position is the day and the row in its file, as one number that grows with time.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from math import nan
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from engine.ids import ExecutionId
from engine.settings import Sqlite
from engine.store.codec import decode_tags, encode
from engine.store.connection import foreseen, transaction
from engine.store.days import MILLISECONDS, Days
from engine.store.migrate import FOLDER
from engine.store.query import Where, queries
from engine.store.rows import Evaluation, LogFilter, LogLine, Metric, Outcome
from engine.store.searching import Searching

SQL = queries("sqlite")
ROW_BITS = 40
WRITTEN_AT_ONCE = 2
READ_AT_ONCE = 32

Rows = list[tuple[object, ...]]


class Logs:
    """Appends and reads go their own ways, so that a long look keeps no attempt from ending."""

    def __init__(self, folder: Path, settings: Sqlite) -> None:
        settings = msgspec.structs.replace(settings, synchronous="NORMAL")
        self._written = Days(folder, FOLDER / "logs", settings, WRITTEN_AT_ONCE)
        self._read = Days(folder, FOLDER / "logs", settings, READ_AT_ONCE)
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        # Besides the tasks' own threads, so that a full house of tasks can still store what they say.
        self._writers = anyio.CapacityLimiter(1)
        self._readers = anyio.CapacityLimiter(1)
        self._searching = searching = Searching(folder, settings)
        self.search, self.metric_names = searching.search, searching.metric_names
        self.metric_tasks, self.metric_buckets = searching.metric_tasks, searching.metric_buckets

    async def append(
        self, lines: Sequence[LogLine], metrics: Sequence[Metric] = (), evaluations: Sequence[Evaluation] = ()
    ) -> None:
        await anyio.to_thread.run_sync(self._append, lines, metrics, evaluations, limiter=self._writers)

    async def evaluations(self, namespace: str, flow: str, trigger: str, limit: int) -> Sequence[Evaluation]:
        where = Where().add("namespace", namespace).add("flow", flow).add("trigger_id", trigger)
        return await anyio.to_thread.run_sync(self._evaluations, where, limit, limiter=self._readers)

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
        return await anyio.to_thread.run_sync(self._lines, where, after, limit, limiter=self._readers)

    async def metrics(self, execution: ExecutionId, *, task_run: str | None = None) -> Sequence[Metric]:
        where = Where().add("execution", execution).add("task_run", task_run)
        return await anyio.to_thread.run_sync(self._metrics, where, limiter=self._readers)

    async def remove_lines(self, where: LogFilter) -> int:
        found = _conditions(where).among("level", where.levels).add("attempt", where.attempt)
        return await anyio.to_thread.run_sync(self._remove, "remove_lines", found, where, limiter=self._writers)

    async def remove_metrics(self, where: LogFilter) -> int:
        found = _conditions(where)
        return await anyio.to_thread.run_sync(self._remove, "remove_metrics", found, where, limiter=self._writers)

    async def drop_before(self, at: int) -> int:
        return await anyio.to_thread.run_sync(self._drop_before, at)

    def close(self) -> None:
        with self._writing, self._reading:
            self._written.close()
            self._read.close()
        self._searching.close()

    def _append(self, lines: Sequence[LogLine], metrics: Sequence[Metric], evaluations: Sequence[Evaluation]) -> None:
        days: dict[int, tuple[Rows, Rows, Rows]] = defaultdict(lambda: ([], [], []))
        for line in lines:
            at, level, message, *rest = msgspec.structs.astuple(line)
            days[line.at // MILLISECONDS][0].append((at, level, _storable(message), *rest))
        for metric in metrics:
            row = msgspec.structs.astuple(msgspec.structs.replace(metric, tags={}))
            days[metric.at // MILLISECONDS][1].append((*row[:4], encode(metric.tags), *row[5:]))
        for evaluation in evaluations:
            days[evaluation.at // MILLISECONDS][2].append(msgspec.structs.astuple(evaluation))
        with self._writing, foreseen():
            for day, (line_rows, metric_rows, evaluation_rows) in sorted(days.items()):
                connection = self._written.connection(day)
                with transaction(connection):
                    connection.execute(SQL["append_lines"], {"rows": encode(line_rows)})
                    connection.execute(SQL["append_metrics"], {"rows": encode(metric_rows)})
                    if evaluation_rows:
                        connection.execute(SQL["append_evaluations"], {"rows": encode(evaluation_rows)})

    def _lines(self, where: Where, after: int, limit: int) -> list[tuple[int, LogLine]]:
        first, row = after >> ROW_BITS, after & ((1 << ROW_BITS) - 1)
        query = where.fill(SQL["read_lines"])
        found: list[tuple[int, LogLine]] = []
        with self._reading, foreseen():
            for day in self._read.days():
                if day < first or len(found) >= limit:
                    continue
                params = {**where.params, "seen": row if day == first else 0, "limit": limit - len(found)}
                for position, *values in self._read.connection(day).execute(query, params):
                    found.append(((day << ROW_BITS) | position, LogLine(*values)))
        return found

    def _metrics(self, where: Where) -> list[Metric]:
        query = where.fill(SQL["read_metrics"])
        found = []
        with self._reading, foreseen():
            for day in self._read.days():
                for at, type, name, value, tags, *rest in self._read.connection(day).execute(query, where.params):
                    found.append(Metric(at, type, name, nan if value is None else value, decode_tags(tags), *rest))
        return found

    def _evaluations(self, where: Where, limit: int) -> list[Evaluation]:
        query = where.fill(SQL["read_evaluations"])
        found: list[Evaluation] = []
        with self._reading, foreseen():
            for day in reversed(self._read.days()):
                params = {**where.params, "limit": limit - len(found)}
                for row in self._read.connection(day).execute(query, params):
                    at, took, namespace, flow, trigger, outcome, *rest = row
                    found.append(Evaluation(at, took, namespace, flow, trigger, Outcome(outcome), *rest))
                if len(found) >= limit:
                    break
        return found

    def _remove(self, query: str, found: Where, where: LogFilter) -> int:
        count = 0
        with self._writing, foreseen():
            for day in self._written.days():
                over = where.since is not None and (day + 1) * MILLISECONDS <= where.since
                if over or (where.until is not None and day * MILLISECONDS >= where.until):
                    continue
                connection = self._written.connection(day)
                with transaction(connection):
                    count += connection.execute(found.fill(SQL[query]), found.params).rowcount
        return count

    def _drop_before(self, at: int) -> int:
        with self._writing, self._reading:
            past = [day for day in self._read.days() if (day + 1) * MILLISECONDS <= at]
            for day in past:
                self._written.forget(day)
                self._read.delete(day)
        return len(past)


def _conditions(where: LogFilter) -> Where:
    conditions = Where().among("execution", where.executions).below("namespace", where.below)
    conditions.add("namespace", where.namespace).add("flow", where.flow)
    conditions.add("task", where.task).add("task_run", where.task_run)
    return conditions.add("at", where.since, ">=").add("at", where.until, "<")


def _storable(text: str) -> str:
    """A text as a database can hold it: scripts print anything, and one odd character must not cost the other lines."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
