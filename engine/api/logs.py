"""Log lines: of an execution, as a text, of all executions by filters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import msgspec
from aiohttp import web

from engine.api.executions import COUNTED
from engine.api.filterable import LOG
from engine.api.filters import condition_of
from engine.api.log_shapes import LogQuery, levels_from, log_text
from engine.api.paging import Paged
from engine.api.reached import id_of
from engine.api.routing import JSON, Call, Role, Route, encode
from engine.api.shapes import LogShape, Page, log_shape
from engine.api.transfer import disposition
from engine.errors import NotFound
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.runtime.keeping.log_lines import log_lines, stored_lines
from engine.store.found import LogSearch
from engine.store.rows import LogFilter, LogLine

AT_ONCE = 64 * 1024
SORTED = {"timestamp": "at"}


class OfFlowQuery(msgspec.Struct, frozen=True, rename="camel"):
    """triggerId: lines of this trigger only"""

    trigger_id: str | None = None


class Logs:
    """Log lines."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET", "/logs/search", self.search, "Log lines, the newest first", Page[LogShape], query=Paged, filters=LOG
        )
        of = "/logs/{execution}"
        yield Route("GET", of, self.lines, "Log lines of an execution", list[LogShape], query=LogQuery)
        yield Route("GET", f"{of}/download", self.text, "The log of an execution as a text", bytes, query=LogQuery)
        yield Route("DELETE", of, self.remove, "Delete log lines of an execution", query=LogQuery, role=Role.OPERATOR)
        yield Route(
            "DELETE",
            "/logs/{namespace}/{flow}",
            self.remove_of_flow,
            "Delete the log lines of a flow's executions",
            query=OfFlowQuery,
            role=Role.OPERATOR,
        )

    async def lines(self, call: Call) -> web.StreamResponse:
        query = call.query(LogQuery)
        response = web.StreamResponse()
        response.content_type = JSON
        lines = await self._seen(call, query)
        await response.prepare(call.request)
        buffer = bytearray(b"[")
        async for line in lines:
            buffer += b"," if len(buffer) > 1 or not buffer else b""
            buffer += encode(log_shape(line))
            if len(buffer) > AT_ONCE:
                await response.write(bytes(buffer))
                buffer.clear()
        await response.write_eof(bytes(buffer) + b"]")
        return response

    async def text(self, call: Call) -> web.StreamResponse:
        query = call.query(LogQuery)
        response = web.StreamResponse(
            headers={"Content-Disposition": disposition(f"{id_of(call)}.log"), "Cache-Control": "no-cache"}
        )
        response.content_type = "text/plain"
        response.charset = "utf-8"
        lines = await self._seen(call, query)
        await response.prepare(call.request)
        buffer: list[str] = []
        async for line in lines:
            buffer.append(log_text(line))
            if len(buffer) == 500:
                await response.write("".join(buffer).encode())
                buffer.clear()
        await response.write_eof("".join(buffer).encode())
        return response

    async def search(self, call: Call) -> Page[LogShape]:
        paged = call.query(Paged)
        paged.check()
        order = paged.order(SORTED)
        where = condition_of(call.request.query, LOG)
        await self._engine.logs.flushed()
        asked = LogSearch(
            where=where,
            visible=call.namespaces,
            ascending=bool(order) and not order[0].descending,
            limit=paged.size,
            offset=paged.offset,
        )
        found = await self._engine.store.logs.search(asked, COUNTED)
        shown = [log_shape(line) for line in found.lines]
        return Page(shown, found.total) if found.exact else Page(shown, found.total, exact=False)

    async def remove(self, call: Call) -> None:
        query = call.query(LogQuery)
        id = id_of(call)
        await self._check(call, id, Role.OPERATOR)
        await self._engine.logs.flushed()
        await self._engine.store.logs.remove_lines(
            LogFilter(
                executions=(id,),
                levels=levels_from(query.min_level),
                task=query.task_id,
                task_run=query.task_run_id,
                attempt=None if query.attempt is None else query.attempt + 1,
            )
        )

    async def remove_of_flow(self, call: Call) -> None:
        if call.query(OfFlowQuery).trigger_id is not None:
            # Triggers have no lines of their own.
            return
        await self._engine.logs.flushed()
        await self._engine.store.logs.remove_lines(LogFilter(namespace=call.path["namespace"], flow=call.path["flow"]))

    async def _seen(self, call: Call, query: LogQuery) -> AsyncIterator[LogLine]:
        """The lines asked for. They may be there when their execution is deleted."""
        id = id_of(call)
        is_there = await self._check(call, id, Role.VIEWER)
        await self._engine.logs.flushed()
        read = log_lines if is_there else stored_lines
        return read(
            self._engine.store,
            id,
            task=query.task_id,
            task_run=query.task_run_id,
            attempt=None if query.attempt is None else query.attempt + 1,
            levels=levels_from(query.min_level),
        )

    async def _check(self, call: Call, id: ExecutionId, role: Role) -> bool:
        """Whether the execution is there. Raises Denied without the role in the namespace of it, or of its lines."""
        try:
            execution, _ = await self._engine.store.executions.head(id)
        except NotFound:
            first = await self._engine.store.logs.lines(id, limit=1)
            for _, line in first:
                call.require(role, line.namespace)
            return False
        call.require(role, execution.namespace)
        return True
