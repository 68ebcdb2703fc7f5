"""What tasks may ask about executions and logs other than their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from engine.clock import to_datetime, to_millis
from engine.errors import Conflict, NotFound
from engine.files.addresses import execution_folder
from engine.files.protocol import InternalStorage
from engine.ids import ExecutionId
from engine.plugin.context import LEVELS, ExecutionChoice, ExecutionInfo, Level, LogEntry, Purged
from engine.runtime.keeping.logs import LogPump
from engine.state.execution import Execution
from engine.state.status import TERMINAL
from engine.store.protocols import Store
from engine.store.rows import ExecutionFilter, LogFilter

PAGE = 100
LINES = 1000


class Kill(Protocol):
    def __call__(self, id: ExecutionId, *, cascade: bool = True) -> Awaitable[None]: ...


Resume = Callable[[ExecutionId, Mapping[str, Any]], Awaitable[None]]


class StoredExecutions:
    """The executions of the store. `on_kill` is how one is killed, `on_resume` how one goes on."""

    def __init__(self, store: Store, files: InternalStorage, logs: LogPump) -> None:
        self._store = store
        self._files = files
        self._logs = logs
        self.on_kill: Kill = _nobody
        self.on_resume: Resume = _nobody

    async def find(self, id: str) -> ExecutionInfo | None:
        try:
            found, _ = await self._store.executions.head(ExecutionId(id))
        except NotFound:
            return None
        return ExecutionInfo(found.id, found.namespace, found.flow, found.revision, found.tenant)

    async def flows(self, namespace: str) -> list[str]:
        return [flow.id for flow in await self._store.flows.list(namespace)]

    async def count(self, choice: ExecutionChoice) -> int:
        return await self._store.executions.count(_filter(choice))

    async def kill(self, id: str, *, cascade: bool = True) -> None:
        await self.on_kill(ExecutionId(id), cascade=cascade)

    async def resume(self, id: str, inputs: Mapping[str, Any] | None = None) -> None:
        await self.on_resume(ExecutionId(id), inputs or {})

    async def purge(
        self,
        choice: ExecutionChoice,
        *,
        executions: bool = True,
        logs: bool = True,
        metrics: bool = True,
        files: bool = True,
    ) -> Purged:
        where = _filter(choice)
        states = tuple(TERMINAL.intersection(where.states) if where.states else TERMINAL)
        if not states:
            return Purged()
        await self._logs.flushed()
        total = Purged()
        kept = 0
        while True:
            page = await self._store.executions.list(
                msgspec.structs.replace(where, states=states, limit=PAGE, offset=kept)
            )
            if not page:
                return total
            removed = await self.remove(page, executions=executions, logs=logs, metrics=metrics, files=files)
            kept += 0 if executions else len(page)
            total = Purged(*(sum(pair) for pair in zip(total, removed, strict=True)))

    async def remove(
        self,
        page: Sequence[Execution],
        *,
        executions: bool = True,
        logs: bool = True,
        metrics: bool = True,
        files: bool = True,
    ) -> Purged:
        """Delete executions that have ended, those that go on again left out, and what they left."""
        of_page = LogFilter(executions=tuple(execution.id for execution in page))
        return Purged(
            logs=await self._store.logs.remove_lines(of_page) if logs and page else 0,
            metrics=await self._store.logs.remove_metrics(of_page) if metrics and page else 0,
            files=await self._remove_files(page) if files else 0,
            # Last, so that what a crash leaves half done is found again.
            executions=await self._remove(page) if executions else 0,
        )

    async def purge_files(self, execution: ExecutionInfo) -> list[str]:
        folder = execution_folder(execution.namespace, execution.flow, execution.id)
        found = [info.address for info in await self._files.list(folder)]
        await self._files.delete(folder)
        return found

    async def _remove_files(self, page: Sequence[Execution]) -> int:
        folders = [execution_folder(found.namespace, found.flow, found.id) for found in page]
        return sum([await self._files.delete(folder) for folder in folders])

    async def _remove(self, page: Sequence[Execution]) -> int:
        count = 0
        for found in page:
            try:
                await self._store.executions.delete(found.id, found.version)
            except (Conflict, NotFound):
                # It goes on again, or is gone already.
                continue
            count += 1
        return count


class StoredLogs:
    """The log lines of the store."""

    def __init__(self, store: Store, pump: LogPump) -> None:
        self._store = store
        self._pump = pump

    async def lines(
        self, execution: str, *, level: Level = "TRACE", tasks: Sequence[str] = ()
    ) -> AsyncIterator[LogEntry]:
        await self._pump.flushed()
        levels = LEVELS[LEVELS.index(level) :]
        after = 0
        while page := await self._store.logs.lines(ExecutionId(execution), levels=levels, after=after, limit=LINES):
            after = page[-1][0]
            for _, line in page:
                if not tasks or line.task in tasks:
                    yield LogEntry(
                        at=to_datetime(line.at),
                        level=line.level,
                        message=line.message,
                        namespace=line.namespace,
                        flow=line.flow,
                        execution=line.execution,
                        task=line.task,
                        task_run=line.task_run,
                        attempt=line.attempt,
                    )

    async def purge(
        self,
        *,
        until: datetime,
        since: datetime | None = None,
        namespace: str | None = None,
        flow: str | None = None,
        execution: str | None = None,
        levels: Sequence[Level] = (),
    ) -> int:
        await self._pump.flushed()
        return await self._store.logs.remove_lines(
            LogFilter(
                executions=() if execution is None else (ExecutionId(execution),),
                namespace=None if flow is None else namespace,
                below=namespace if flow is None else None,
                flow=flow,
                levels=tuple(levels),
                since=_millis(since),
                until=_millis(until),
            )
        )


def _filter(choice: ExecutionChoice) -> ExecutionFilter:
    return ExecutionFilter(
        namespace=None if choice.flow is None else choice.namespace,
        below=choice.namespace if choice.flow is None else None,
        flow=choice.flow,
        states=tuple(choice.states),
        since=_millis(choice.since),
        until=_millis(choice.until),
    )


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)


async def _nobody(id: ExecutionId, inputs: Mapping[str, Any] | None = None, *, cascade: bool = True) -> None:
    raise NotFound("execution", id, "nothing in this process drives executions")
