"""The log lines of one execution, also where that is an iteration, whose lines lie with those of the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from engine.ids import ExecutionId
from engine.state.execution import ExecutionKind
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, LogLine

PAGE = 1000


async def log_lines(
    store: Store,
    id: ExecutionId,
    *,
    task: str | None = None,
    task_run: str | None = None,
    attempt: int | None = None,
    levels: Sequence[str] = (),
) -> AsyncIterator[LogLine]:
    """The lines in order; of an iteration its own and those of the loops in it. Raises NotFound."""
    execution, _ = await store.executions.head(id)
    runs = await _task_runs(store, id) if execution.kind is ExecutionKind.LOOP else None
    async for line in stored_lines(store, execution.home, task=task, task_run=task_run, attempt=attempt, levels=levels):
        if runs is None or line.task_run in runs:
            yield line


async def stored_lines(
    store: Store,
    id: ExecutionId,
    *,
    task: str | None = None,
    task_run: str | None = None,
    attempt: int | None = None,
    levels: Sequence[str] = (),
) -> AsyncIterator[LogLine]:
    """What is stored under the id of an execution, whether that is still there or not."""
    position = 0
    while page := await store.logs.lines(id, task=task, task_run=task_run, levels=levels, after=position, limit=PAGE):
        position = page[-1][0]
        for _, line in page:
            if attempt is None or line.attempt == attempt:
                yield line


async def _task_runs(store: Store, iteration: ExecutionId) -> set[str | None]:
    """Ids of the task runs of an iteration and of the iterations in it."""
    found: set[str | None] = set()
    todo = [iteration]
    while todo:
        id = todo.pop()
        found |= {run.id for run in (await store.executions.load(id)).record.runs.values()}
        where = ExecutionFilter(kinds=(ExecutionKind.LOOP,), caller=id, limit=PAGE)
        while page := await store.executions.list(where):
            todo += [execution.id for execution in page]
            where = msgspec.structs.replace(where, offset=where.offset + PAGE)
    return found
