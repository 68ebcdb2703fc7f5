"""Executions: start them, look at them, act on them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import ExecutionShape, execution_shape, record_shape
from engine.api.uploads import uploaded
from engine.clock import SystemClock, to_millis
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution

CORRELATION = "system.correlationId"


class CreateQuery(msgspec.Struct, frozen=True, rename="camel"):
    """labels: `key:value`; wait: answer when the execution has ended"""

    labels: tuple[str, ...] = ()
    wait: bool = False
    revision: int | None = None
    schedule_date: datetime | None = None


class ReplayQuery(msgspec.Struct, frozen=True, rename="camel"):
    """taskRunId: from this task run; by default from the start"""

    task_run_id: str | None = None
    revision: int | None = None


class KillQuery(msgspec.Struct, frozen=True, rename="camel"):
    is_on_kill_cascade: bool = True


class Executions:
    """One execution at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = SystemClock()

    def routes(self) -> Iterable[Route]:
        yield Route(
            "POST",
            "/executions/{namespace}/{id}",
            self.create,
            "Start an execution",
            ExecutionShape,
            query=CreateQuery,
            body="multipart/form-data",
            role=Role.OPERATOR,
            old=("/executions/trigger/{namespace}/{id}",),
        )
        yield Route("GET", "/executions/{execution}", self.one, "An execution", ExecutionShape)
        yield self._action("DELETE", "kill", self.kill, "Stop an execution", KillQuery)
        yield self._action("POST", "pause", self.pause, "Let an execution start nothing more")
        yield self._action("POST", "resume", self.resume, "Let a paused execution go on")
        yield self._action("POST", "restart", self.restart, "Run again what failed")
        yield self._action("POST", "replay", self.replay, "Run it anew as another execution", ReplayQuery)

    def _action(self, method: str, name: str, handler: Any, summary: str, query: Any = None) -> Route:
        return Route(
            method,
            f"/executions/{{execution}}/actions/{name}",
            handler,
            summary,
            ExecutionShape,
            query=query,
            role=Role.OPERATOR,
            old=(f"/executions/{{execution}}/{name}",),
        )

    async def create(self, call: Call) -> ExecutionShape:
        query = call.query(CreateQuery)
        labels = labels_of(query.labels)
        async with uploaded(call.request) as inputs:
            execution = await self._engine.control.create(
                call.path["namespace"],
                call.path["id"],
                revision=query.revision,
                inputs=inputs,
                labels=labels,
                scheduled=_date(query.schedule_date),
                here=False,
            )
        if query.wait:
            await self._engine.control.wait(execution.id)
            return await self._shown(execution.id)
        return execution_shape(execution, self._clock.now(), runs={})

    async def one(self, call: Call) -> ExecutionShape:
        return await self._shown(_id(call))

    async def kill(self, call: Call) -> ExecutionShape:
        await self._engine.control.kill(_id(call), cascade=call.query(KillQuery).is_on_kill_cascade)
        return await self._shown(_id(call))

    async def pause(self, call: Call) -> ExecutionShape:
        await self._engine.control.pause(_id(call))
        return await self._shown(_id(call))

    async def resume(self, call: Call) -> ExecutionShape:
        async with uploaded(call.request) as inputs:
            await self._engine.control.resume(_id(call), inputs, by=call.user.name, here=False)
        return await self._shown(_id(call))

    async def restart(self, call: Call) -> ExecutionShape:
        return self._head(await self._engine.control.restart(_id(call)))

    async def replay(self, call: Call) -> ExecutionShape:
        query = call.query(ReplayQuery)
        return self._head(await self._engine.control.replay(_id(call), query.task_run_id, query.revision))

    async def _shown(self, id: ExecutionId) -> ExecutionShape:
        return record_shape((await self._engine.store.executions.load(id)).record, self._clock.now())

    def _head(self, execution: Execution) -> ExecutionShape:
        return execution_shape(execution, self._clock.now())


def labels_of(texts: Iterable[str]) -> dict[str, str]:
    """Labels given as `key:value`. Raises Illegal for what is none, and for those that the system sets."""
    labels = {}
    for text in texts:
        key, sign, value = text.partition(":")
        if not (key and sign and value):
            raise Illegal(f"a label is key:value, not '{text}'")
        if key.startswith("system.") and key != CORRELATION:
            raise Illegal(f"System labels can only be set by Kestra itself, offending label: {key}={value}")
        labels[key] = value
    return labels


def _date(date: datetime | None) -> int | None:
    if date is None:
        return None
    if date.tzinfo is None:
        raise Illegal("scheduleDate must say its zone, as 2030-01-31T10:00:00Z")
    return to_millis(date)


def _id(call: Call) -> ExecutionId:
    return ExecutionId(call.path["execution"])
