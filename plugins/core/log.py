"""Log lines: a flow's own, and those that were written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel, Field

from engine.plugin import Context, Level, LogEntry, Task, TaskError
from plugins.core.moment import Moment

CHUNK_BYTES = 64 * 1024


class Log(Task):
    """Write lines to the log."""

    outside = False

    message: str | list[str] = Field(description="One message, or a list with a line for each.")
    level: Level = Field("INFO", description="How grave it is.")

    async def run(self, ctx: Context) -> None:
        """Log each message."""
        for message in [self.message] if isinstance(self.message, str) else self.message:
            ctx.log(message, self.level)


class Fetched(BaseModel):
    """What Fetch gives."""

    uri: str = Field(description="File of internal storage with one log line as JSON a line.")
    size: int = Field(description="How many log lines.")


class Fetch(Task):
    """Put log lines of an execution into a file of internal storage."""

    namespace: str | None = Field(None, description="Namespace of the flow; set it together with `flowId`.")
    flow_id: str | None = Field(None, description="Flow of the execution; by default the one that this task is of.")
    execution_id: str | None = Field(None, description="The execution; by default the one that this task runs in.")
    tasks_id: list[str] | None = Field(None, description="Tasks whose lines to take; by default all.")
    level: Level = Field("INFO", description="The least grave level to take.")

    async def run(self, ctx: Context) -> Fetched:
        """Write the lines to a file."""
        execution = await self._execution(ctx)
        size = 0

        async def content() -> AsyncIterator[bytes]:
            nonlocal size
            chunk = bytearray()
            async for entry in ctx.logs.lines(execution, level=self.level, tasks=self.tasks_id or ()):
                size += 1
                chunk += json.dumps(_shown(entry), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
                if len(chunk) >= CHUNK_BYTES:
                    yield bytes(chunk)
                    chunk.clear()
            yield bytes(chunk)

        return Fetched(uri=await ctx.files.put("logs.ion", content()), size=size)

    async def _execution(self, ctx: Context) -> str:
        """Id of the execution. Raises TaskError for one that there isn't."""
        if (self.namespace is None) != (self.flow_id is None):
            raise TaskError("namespace and flowId: set both, or none for the flow of this task")
        if self.execution_id is None:
            if self.flow_id is not None:
                raise TaskError("executionId: is required beside namespace and flowId")
            return ctx.execution.id
        wanted = (self.namespace or ctx.execution.namespace, self.flow_id or ctx.execution.flow)
        found = await ctx.executions.find(self.execution_id)
        if found is None or (found.namespace, found.flow) != wanted:
            raise TaskError(f"There is no execution '{self.execution_id}' of the flow {'.'.join(wanted)}")
        return found.id


def _shown(entry: LogEntry) -> dict[str, Any]:
    shown = {
        "namespace": entry.namespace,
        "flowId": entry.flow,
        "taskId": entry.task,
        "executionId": entry.execution,
        "taskRunId": entry.task_run,
        "attemptNumber": entry.attempt,
        "timestamp": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": entry.level,
        "message": entry.message,
    }
    return {name: value for name, value in shown.items() if value is not None}


class Count(BaseModel):
    """What PurgeLogs gives."""

    count: int = Field(description="How many log lines were removed.")


class PurgeLogs(Task):
    """Remove old log lines."""

    namespace: str | None = Field(None, description="Namespace, with those below it unless there is a `flowId`.")
    flow_id: str | None = Field(None, description="Flow of the namespace; by default all flows.")
    execution_id: str | None = Field(None, description="Execution; by default all.")
    log_levels: list[Level] | None = Field(None, description="Levels to remove; by default all.")
    start_date: Moment | None = Field(None, description="Lines written from then on.")
    end_date: Moment = Field(description="Lines written before then, as 2026-01-31T10:00:00Z.")

    async def run(self, ctx: Context) -> Count:
        """Remove what was chosen."""
        if self.flow_id is not None and self.namespace is None:
            raise TaskError("flowId: needs the namespace of the flow beside it")
        removed = await ctx.logs.purge(
            until=self.end_date,
            since=self.start_date,
            namespace=self.namespace,
            flow=self.flow_id,
            execution=self.execution_id,
            levels=self.log_levels or (),
        )
        return Count(count=removed)
