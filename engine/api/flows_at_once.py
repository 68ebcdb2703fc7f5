"""Several flows at once: those of a namespace, of a file, or chosen by their ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import anyio.to_thread
import msgspec

from engine.api.filterable import FLOW
from engine.api.filters import chosen, narrowed
from engine.api.flows import YAML, shown_all
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Count, FlowShape, Shape
from engine.errors import InvalidFlow, NotFound
from engine.runtime.actions.flow_changes import Draft, FlowChanges, mistake
from engine.runtime.engine import Engine
from engine.store.rows import StoredFlow

Act = Callable[[Sequence[StoredFlow]], Awaitable[int]]


class ReplaceQuery(msgspec.Struct, frozen=True, rename="camel"):
    """delete: the namespace's flows that are not in the body; dryRun: store nothing, say what would be stored"""

    delete: bool = True
    dry_run: bool = False


class BulkQuery(ReplaceQuery, frozen=True, rename="camel"):
    """namespace: all flows must be in it, or with allowNamespaceChild below it; without one nothing is deleted"""

    namespace: str | None = None
    allow_namespace_child: bool = False


class FlowName(Shape, frozen=True):
    namespace: str
    id: str


class FlowsAtOnce:
    """Replace, switch and delete flows."""

    def __init__(self, engine: Engine) -> None:
        self._flows = engine.flows
        self._store = engine.store.flows
        self._list = engine.flow_list

    def routes(self) -> Iterable[Route]:
        of = "/flows/{namespace}"
        yield Route("GET", of, self.of_namespace, "Flows of a namespace", list[FlowShape])
        yield Route(
            "POST",
            "/flows/bulk",
            self.bulk,
            "Create and update flows",
            list[FlowShape],
            query=BulkQuery,
            body=YAML,
            role=Role.EDITOR,
        )
        yield Route(
            "POST",
            of,
            self.replace,
            "Create, update and delete a namespace's flows",
            list[FlowShape],
            query=ReplaceQuery,
            body=YAML,
            role=Role.EDITOR,
        )
        for method, verb, act in (
            ("POST", "disable", self._disable),
            ("POST", "enable", self._enable),
            ("DELETE", "delete", self._flows.delete),
        ):
            yield self._named(method, verb, act)
            yield self._selected(method, verb, act)

    def _named(self, method: str, verb: str, act: Act) -> Route:
        async def handler(call: Call) -> Count:
            return Count(await act(await named(call, self._flows, Role.EDITOR)))

        summary = f"{verb.capitalize()} flows by their ids; how many were changed"
        return Route(method, f"/flows/{verb}/by-ids", handler, summary, Count, body=list[FlowName], role=Role.EDITOR)

    def _selected(self, method: str, verb: str, act: Act) -> Route:
        async def handler(call: Call) -> Count:
            where = chosen(call.request.query, FLOW)
            return Count(await act(await self._list.find(narrowed(where, call.namespaces_with(Role.EDITOR)))))

        summary = f"{verb.capitalize()} the flows that filters select; how many were changed"
        return Route(method, f"/flows/{verb}/by-query", handler, summary, Count, filters=FLOW, role=Role.EDITOR)

    async def of_namespace(self, call: Call) -> list[FlowShape]:
        return await shown_all(self._list, await self._store.list(call.path["namespace"]))

    async def replace(self, call: Call) -> list[FlowShape]:
        query = call.query(ReplaceQuery)
        drafts = await anyio.to_thread.run_sync(self._flows.read_all, await call.text())
        return await self._replaced(call, drafts, call.path["namespace"], False, query)

    async def bulk(self, call: Call) -> list[FlowShape]:
        query = call.query(BulkQuery)
        drafts = await anyio.to_thread.run_sync(self._flows.read_all, await call.text())
        return await self._replaced(call, drafts, query.namespace, query.allow_namespace_child, query)

    async def _disable(self, flows: Sequence[StoredFlow]) -> int:
        return len(await self._flows.switch(flows, True))

    async def _enable(self, flows: Sequence[StoredFlow]) -> int:
        return len(await self._flows.switch(flows, False))

    async def _replaced(
        self, call: Call, drafts: Sequence[Draft], namespace: str | None, below: bool, query: ReplaceQuery
    ) -> list[FlowShape]:
        for draft in drafts:
            _check_namespace(draft, namespace, below)
            call.require(Role.EDITOR, draft.flow.namespace)
        gone = []
        if query.delete and namespace is not None:
            call.require(Role.EDITOR, namespace)
            gone = await self._flows.others(namespace, drafts, below=below)
        stored = await self._flows.save(drafts, gone, trial=query.dry_run)
        return await shown_all(self._list, stored, source=True)


async def named(call: Call, flows: FlowChanges, role: Role) -> list[StoredFlow]:
    """The flows that the body names. Raises Denied, NotFound where one of them does not exist."""
    names: list[FlowName] = await call.json(list[FlowName])
    for name in names:
        call.require(role, name.namespace)
    found = []
    for name in dict.fromkeys(names):
        stored = await flows.find(name.namespace, name.id)
        if stored is None:
            raise NotFound("flow", f"{name.namespace}.{name.id}", "nothing was done")
        found.append(stored)
    return found


def _check_namespace(draft: Draft, namespace: str | None, below: bool) -> None:
    own = draft.flow.namespace
    if namespace is None or own == namespace or (below and own.startswith(f"{namespace}.")):
        return
    text = f"Flow namespace is invalid: it is '{own}', and should be '{namespace}'"
    raise InvalidFlow([mistake(draft.source, "namespace", f"{text} or below it" if below else text)])
