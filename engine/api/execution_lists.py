"""Executions in other forms: the latest of flows, how long they take, what there is to filter by, a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec
from aiohttp import web

from engine.api.executions import selected
from engine.api.filterable import EXECUTION
from engine.api.filters import condition_of
from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Shape
from engine.api.transfer import disposition
from engine.clock import iso
from engine.durations import duration_text
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import Execution
from engine.state.status import TERMINAL
from engine.store.rows import ExecutionFilter

PAGE = 1000
LATEST = 100
"""How many executions the duration of a flow's is told by."""
COLUMNS = ("id", "namespace", "flowId", "flowRevision", "state", "startDate", "endDate", "duration", "labels")
# By the names of the fields, which the client writes as NAMESPACE or FLOW_ID.
DISTINCT = {"namespace": "namespace", "flowid": "flow", "state": "state", "kind": "kind", "triggerid": "trigger"}


class FlowName(Shape, frozen=True):
    namespace: str
    id: str


class LatestShape(Shape, frozen=True):
    id: ExecutionId
    flow_id: str
    namespace: str
    start_date: str
    status: str


class DurationShape(Shape, frozen=True, omit_defaults=False):
    """avgDurationMs: of the latest executions that have ended; count: how many these are"""

    avg_duration_ms: float
    count: int


class DistinctQuery(msgspec.Struct, frozen=True):
    """field: namespace, flowId, state, kind or triggerId; size: how many values at most"""

    field: str
    size: int = 100


class ExecutionLists:
    """Looks at many executions."""

    def __init__(self, engine: Engine) -> None:
        self._store = engine.store.executions

    def routes(self) -> Iterable[Route]:
        yield Route(
            "POST",
            "/executions/latest",
            self.latest,
            "The latest executions of flows",
            list[LatestShape],
            body=list[FlowName],
        )
        yield Route(
            "GET",
            "/executions/namespaces/{namespace}/flows/{flow}/average-duration",
            self.duration,
            "How long executions of a flow take",
            DurationShape,
        )
        yield Route(
            "GET",
            "/executions/distinct-field-values",
            self.distinct,
            "Values that a field has in executions",
            list[str],
            query=DistinctQuery,
            filters=EXECUTION,
        )
        yield Route(
            "GET", "/executions/export/by-query/csv", self.table, "Executions as a table", bytes, filters=EXECUTION
        )

    async def latest(self, call: Call) -> list[LatestShape]:
        asked: list[FlowName] = await call.json(list[FlowName])
        found = []
        for name in dict.fromkeys(asked):
            call.require(Role.VIEWER, name.namespace)
            where = ExecutionFilter(namespace=name.namespace, flow=name.id, limit=1)
            for execution in await self._store.list(where):
                started = iso(execution.started)
                found.append(LatestShape(execution.id, name.id, name.namespace, started, execution.state.value))
        return found

    async def duration(self, call: Call) -> DurationShape:
        where = ExecutionFilter(
            namespace=call.path["namespace"], flow=call.path["flow"], states=tuple(TERMINAL), limit=LATEST
        )
        lasted = [it.history[-1].at - it.started for it in await self._store.list(where)]
        return DurationShape(sum(lasted) / len(lasted) if lasted else 0.0, len(lasted))

    async def distinct(self, call: Call) -> Sequence[str]:
        query = call.query(DistinctQuery)
        field = DISTINCT.get(query.field.replace("_", "").lower())
        if field is None:
            raise Illegal(f"there is no list of values of '{query.field}', but of namespace, flowId, state, kind")
        where = selected(
            condition_of(call.request.query, EXECUTION), call.namespaces, limit=max(1, min(query.size, PAGE))
        )
        return await self._store.distinct(field, where)

    async def table(self, call: Call) -> web.StreamResponse:
        where = selected(condition_of(call.request.query, EXECUTION), call.namespaces, limit=PAGE)
        response = web.StreamResponse(headers={"Content-Disposition": disposition("executions.csv")})
        response.content_type = "text/csv"
        response.charset = "utf-8"
        page = await self._store.list(where)
        await response.prepare(call.request)
        await response.write(_rows([COLUMNS]))
        while page:
            await response.write(_rows(map(_row, page)))
            if len(page) < PAGE:
                break
            where = msgspec.structs.replace(where, offset=where.offset + PAGE)
            page = await self._store.list(where)
        await response.write_eof()
        return response


def _row(execution: Execution) -> Sequence[object]:
    ended = execution.history[-1].at if execution.state.terminal else None
    return (
        execution.id,
        execution.namespace,
        execution.flow,
        execution.revision,
        execution.state.value,
        iso(execution.started),
        "" if ended is None else iso(ended),
        "" if ended is None else duration_text(ended - execution.started),
        ",".join(f"{label.key}:{label.value}" for label in execution.labels if not label.key.startswith("system.")),
    )


def _rows(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    # A spreadsheet would take for a formula what begins with these.
    csv.writer(text).writerows(
        [f"'{cell}" if str(cell).startswith(("=", "+", "-", "@")) else cell for cell in row] for row in rows
    )
    return text.getvalue().encode()
