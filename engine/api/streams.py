"""Executions and logs as they go on: server-sent events, whose `id` is their kind and whose data is JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple

import anyio
import msgspec
from aiohttp import web

from engine.api.log_shapes import LogQuery, levels_from
from engine.api.reached import head_of
from engine.api.routing import Call, Role, Route, encode
from engine.api.shapes import ExecutionShape, LogShape, Shape, StateShape, log_shape, state_shape, whole_shape
from engine.clock import monotonic
from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.state.execution import Execution

EVENTS = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
CLOSING: web.AppKey[anyio.Event] = web.AppKey("closing", anyio.Event)
"""Set when the server is told to stop: nobody may then wait for the end of an execution."""


class Event(NamedTuple):
    """start, progress or end"""

    kind: str
    data: Any


class FamilyQuery(msgspec.Struct, frozen=True, rename="camel"):
    """destinationOnly: only those that the execution started, and that these did"""

    destination_only: bool = False
    expand_all: bool = False


class StatusShape(Shape, frozen=True):
    execution_id: str
    tenant_id: str
    namespace: str
    flow_id: str
    state: StateShape


class Streams:
    """What goes on, until it ends or whoever looks goes away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET",
            "/executions/{execution}/follow",
            self.execution,
            "An execution whenever it changes, as server-sent events",
            ExecutionShape,
        )
        yield Route(
            "GET",
            "/executions/{execution}/follow-dependencies",
            self.family,
            "States of executions that started each other, as server-sent events",
            StatusShape,
            query=FamilyQuery,
        )
        yield Route(
            "GET",
            "/logs/{execution}/follow",
            self.log,
            "Log lines as they come, as server-sent events",
            LogShape,
            query=LogQuery,
        )

    async def family(self, call: Call) -> web.StreamResponse:
        query = call.query(FamilyQuery)
        execution = await head_of(call, self._engine)
        return await _sent(call.request, self._states(call, execution, query.destination_only))

    async def execution(self, call: Call) -> web.StreamResponse:
        execution = await head_of(call, self._engine)
        return await _sent(call.request, self._changes(execution))

    async def log(self, call: Call) -> web.StreamResponse:
        levels = levels_from(call.query(LogQuery).min_level)
        execution = await head_of(call, self._engine)
        return await _sent(call.request, self._lines(execution, levels))

    async def _changes(self, execution: Execution) -> AsyncGenerator[Event | None, None]:
        yield Event("start", {"id": execution.id})
        async with aclosing(self._engine.following.execution(execution.id)) as records:
            async for record in records:
                if record is None:
                    yield None
                else:
                    shape = await whole_shape(record, self._clock.now())
                    yield Event("end" if record.execution.finished else "progress", shape)

    async def _states(self, call: Call, execution: Execution, below: bool) -> AsyncGenerator[Event | None, None]:
        yield Event("start", self._state(execution))
        async with aclosing(self._engine.following.family(execution.id, below=below)) as members:
            async for member in members:
                if member is None:
                    yield None
                elif call.user.role(member.namespace) >= Role.VIEWER:
                    yield Event("progress", self._state(member))
        yield Event("end", self._state((await self._engine.store.executions.head(execution.id))[0]))

    def _state(self, execution: Execution) -> StatusShape:
        return StatusShape(
            execution.id,
            execution.tenant,
            execution.namespace,
            execution.flow,
            state_shape(execution.history, self._clock.now()),
        )

    async def _lines(self, execution: Execution, levels: tuple[str, ...]) -> AsyncGenerator[Event | None, None]:
        yield Event("start", {})
        async with aclosing(self._engine.following.lines(execution.id, levels)) as pages:
            async for page in pages:
                if page is None:
                    yield None
                for line in page or ():
                    yield Event("progress", log_shape(line))
        yield Event("end", {})


async def _until_gone(events: AsyncGenerator[Event | None, None]) -> AsyncGenerator[Event | None, None]:
    """Events, as long as what they are about is not deleted."""
    try:
        async for event in events:
            yield event
    except NotFound:
        return


async def _sent(request: web.Request, events: AsyncGenerator[Event | None, None]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    response.content_type = EVENTS
    response.charset = "utf-8"
    await response.prepare(request)
    said = monotonic()
    async with aclosing(events), aclosing(_until_gone(events)) as stream:
        async for event in stream:
            if request.transport is None or request.transport.is_closing() or request.app[CLOSING].is_set():
                # Whoever looked has gone away, or the server is to go.
                return response
            if event is not None:
                await response.write(b"id: %s\ndata: %s\n\n" % (event.kind.encode(), encode(event.data)))
            elif monotonic() - said >= HEARTBEAT_SECONDS:
                await response.write(b": \n\n")
            else:
                continue
            said = monotonic()
    await response.write_eof()
    return response
