"""Executions: start them, find them, look at them, delete them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from engine.api.filterable import EXECUTION
from engine.api.filters import condition_of
from engine.api.input_shapes import ValidationShape, validation_shape
from engine.api.paging import Paged
from engine.api.problems import Illegal
from engine.api.reached import check_files, head_of, record_of
from engine.api.routing import Call, Role, Route
from engine.api.shapes import ExecutionShape, Page, execution_shape, whole_shape
from engine.api.transfer import FORM
from engine.api.uploads import uploaded
from engine.clock import to_millis
from engine.ids import ExecutionId
from engine.runtime.engine import Engine
from engine.state.execution import ExecutionKind
from engine.store.conditions import Condition, Group, Node, Op, names
from engine.store.rows import ExecutionFilter

CORRELATION = "system.correlationId"
COUNTED = 10_000
"""Up to this a list that is filtered says how long it is."""
SORTED = {
    "id": "id",
    "namespace": "namespace",
    "flowId": "flow",
    "flowRevision": "revision",
    "state.current": "state",
    "state.startDate": "created",
    "state.endDate": "ended",
    "state.duration": "duration",
}


class CreateQuery(msgspec.Struct, frozen=True, rename="camel"):
    """labels: `key:value`; wait: answer when the execution has ended; kind: TEST is in no list and starts no flow"""

    labels: tuple[str, ...] = ()
    wait: bool = False
    revision: int | None = None
    schedule_date: datetime | None = None
    kind: Literal["NORMAL", "TEST"] = "NORMAL"
    breakpoints: str = ""


class ValidateQuery(msgspec.Struct, frozen=True):
    labels: tuple[str, ...] = ()
    revision: int | None = None


class OfFlowQuery(Paged, frozen=True, rename="camel", kw_only=True):
    namespace: str
    flow_id: str


class DeleteQuery(msgspec.Struct, frozen=True, rename="camel"):
    """What goes with the execution."""

    delete_logs: bool = True
    delete_metrics: bool = True
    delete_storage: bool = True


class Executions:
    """Executions. `url` is how browsers reach the server; none: as they say it."""

    def __init__(self, engine: Engine, url: str = "") -> None:
        self._engine = engine
        self._url = url.rstrip("/")
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET",
            "/executions/search",
            self.search,
            "Executions, the newest first",
            Page[ExecutionShape],
            query=Paged,
            filters=EXECUTION,
        )
        yield Route("GET", "/executions", self.of_flow, "Executions of a flow", Page[ExecutionShape], query=OfFlowQuery)
        yield Route("GET", "/executions/{execution}", self.one, "An execution", ExecutionShape)
        yield Route(
            "DELETE",
            "/executions/{execution}",
            self.delete,
            "Delete an execution that has ended",
            query=DeleteQuery,
            role=Role.OPERATOR,
        )
        yield Route(
            "POST",
            "/executions/{namespace}/{id}",
            self.create,
            "Start an execution",
            ExecutionShape,
            query=CreateQuery,
            body=FORM,
            role=Role.OPERATOR,
            old=("/executions/trigger/{namespace}/{id}",),
        )
        yield Route(
            "POST",
            "/executions/{namespace}/{id}/validate",
            self.validate,
            "Check inputs that an execution would start with",
            ValidationShape,
            query=ValidateQuery,
            body=FORM,
            role=Role.OPERATOR,
        )

    async def create(self, call: Call) -> ExecutionShape:
        query = call.query(CreateQuery)
        if query.breakpoints:
            raise Illegal("there are no breakpoints here: leave the parameter breakpoints out")
        labels = labels_of(query.labels)
        async with uploaded(call.request) as inputs:
            check_files(call, inputs)
            execution = await self._engine.control.create(
                call.path["namespace"],
                call.path["id"],
                revision=query.revision,
                inputs=inputs,
                labels=labels,
                scheduled=_date(query.schedule_date),
                kind=ExecutionKind(query.kind),
                here=False,
            )
        shape = execution_shape(execution, self._clock.now(), runs={})
        if query.wait:
            await self._engine.control.wait(execution.id)
            shape = await self._shown(execution.id)
        front = self._url or call.request.url.origin()
        return msgspec.structs.replace(shape, url=f"{front}/ui/executions/{shape.namespace}/{shape.flow_id}/{shape.id}")

    async def validate(self, call: Call) -> ValidationShape:
        query = call.query(ValidateQuery)
        namespace, id = call.path["namespace"], call.path["id"]
        labels_of(query.labels)
        async with uploaded(call.request) as inputs:
            states = await self._engine.control.preview_inputs(namespace, id, inputs, revision=query.revision)
        checks = await self._engine.control.preview_checks(namespace, id, states, revision=query.revision)
        return validation_shape(id, namespace, states, checks)

    async def search(self, call: Call) -> Page[ExecutionShape]:
        return await self._page(call, call.query(Paged), condition_of(call.request.query, EXECUTION))

    async def of_flow(self, call: Call) -> Page[ExecutionShape]:
        query = call.query(OfFlowQuery)
        named = (Condition("namespace", Op.EQUALS, (query.namespace,)), Condition("flow", Op.EQUALS, (query.flow_id,)))
        return await self._page(call, query, Group(named))

    async def one(self, call: Call) -> ExecutionShape:
        return await whole_shape(await record_of(call, self._engine), self._clock.now())

    async def delete(self, call: Call) -> None:
        query = call.query(DeleteQuery)
        execution = await head_of(call, self._engine, Role.OPERATOR)
        await self._engine.control.delete(
            execution.id, logs=query.delete_logs, metrics=query.delete_metrics, files=query.delete_storage
        )

    async def _page(self, call: Call, paged: Paged, node: Node | None) -> Page[ExecutionShape]:
        paged.check()
        where = selected(node, call.namespaces, limit=paged.size, offset=paged.offset)
        where = msgspec.structs.replace(where, sort=paged.order(SORTED))
        found = await self._engine.store.executions.list(where)
        unlimited = where.where is None and where.visible is None
        total = await self._engine.store.executions.count(where, None if unlimited else COUNTED + 1)
        now = self._clock.now()
        shown = [execution_shape(execution, now) for execution in found]
        if unlimited or total <= COUNTED:
            return Page(shown, total)
        return Page(shown, COUNTED, exact=False)

    async def _shown(self, id: ExecutionId) -> ExecutionShape:
        return await whole_shape((await self._engine.store.executions.load(id)).record, self._clock.now())


def selected(
    node: Node | None, visible: tuple[str, ...] | None, *, limit: int = 25, offset: int = 0
) -> ExecutionFilter:
    """The executions that a condition holds of, below these namespaces; of other kinds only where it names kinds."""
    kinds = () if names(node, "kind") else (ExecutionKind.NORMAL,)
    return ExecutionFilter(where=node, visible=visible, kinds=kinds, limit=limit, offset=offset)


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
