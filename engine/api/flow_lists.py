"""Flows searched by what they are and by what is written in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio.to_thread
import msgspec

from engine.api.filterable import FLOW, Filterable
from engine.api.filters import condition_of, narrowed
from engine.api.flows import shown_all
from engine.api.paging import Paged, page_of
from engine.api.problems import BadQuery
from engine.api.routing import Call, Role, Route
from engine.api.shapes import FlowShape, Page, Shape
from engine.runtime.engine import Engine
from engine.runtime.flows.flow_list import FlowList, Pattern, Place
from engine.store.conditions import Condition, Op
from engine.store.rows import StoredFlow

SOURCE = Filterable(FLOW.name, {name: make for name, make in FLOW.fields.items() if name != "q"})
"""Where a text is looked for, which is what `q` says there."""

ORDER = {"id": "id", "namespace": "namespace", "revision": "revision", "updated": "created"}


class SourceQuery(Paged, frozen=True, rename="camel"):
    """q: what is looked for, in any case of its letters unless caseSensitive is true"""

    q: str = ""
    case_sensitive: bool = False
    whole_word: bool = False
    regex: bool = False


class NamesQuery(msgspec.Struct, frozen=True):
    """q: a part of the name"""

    q: str = ""


class DeprecatedQuery(msgspec.Struct, frozen=True):
    namespace: str | None = None


class MatchShape(Shape, frozen=True, omit_defaults=False):
    line: int
    column: int
    snippet: str


class SourceShape(Shape, frozen=True, omit_defaults=False):
    """`fragments` are the lines with what was found between [mark] and [/mark]."""

    namespace: str
    id: str
    editable: bool
    matches: list[MatchShape]
    model: FlowShape
    fragments: list[str]


class DeprecatedShape(Shape, frozen=True, omit_defaults=False):
    """A flow with something that has a better form now, and where that is."""

    namespace: str
    id: str
    revision: int
    deprecation_paths: list[str]


class FlowLists:
    """Search flows."""

    def __init__(self, engine: Engine) -> None:
        self._list = engine.flow_list
        self._plans = engine.plans

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/flows/search", self.search, "Search flows", Page[FlowShape], query=Paged, filters=FLOW)
        yield Route(
            "GET",
            "/flows/source",
            self.source,
            "Search the texts of flows",
            Page[SourceShape],
            query=SourceQuery,
            filters=SOURCE,
        )
        yield Route(
            "GET", "/flows/distinct-namespaces", self.namespaces, "Namespaces of flows", list[str], query=NamesQuery
        )
        yield Route(
            "GET",
            "/flows/deprecated",
            self.deprecated,
            "Flows with what has a better form now",
            list[DeprecatedShape],
            query=DeprecatedQuery,
        )

    async def search(self, call: Call) -> Page[FlowShape]:
        paged = call.query(Paged)
        found = page_of(await selected(call, self._list), paged, ORDER, getattr)
        return Page(await shown_all(self._list, found.results), found.total)

    async def source(self, call: Call) -> Page[SourceShape]:
        query = call.query(SourceQuery)
        flows = await self._list.find(narrowed(condition_of(call.request.query, SOURCE), call.namespaces))
        try:
            pattern = Pattern(query.q, query.case_sensitive, query.whole_word, query.regex)
            # Without a text all are shown, and none is looked at.
            found = await self._list.search(flows, pattern) if query.q else [(flow, []) for flow in flows]
        except ValueError as error:
            raise BadQuery(str(error)) from None
        places = {(flow.namespace, flow.id): places for flow, places in found}
        page = page_of([flow for flow, _ in found], query, ORDER, getattr)
        return Page(
            [
                _found(flow, places[flow["namespace"], flow["id"]], call.user.role(flow["namespace"]) >= Role.EDITOR)
                for flow in await shown_all(self._list, page.results)
            ],
            page.total,
        )

    async def namespaces(self, call: Call) -> list[str]:
        wanted = call.query(NamesQuery).q.lower()
        flows = await self._list.find(narrowed(None, call.namespaces))
        return sorted({flow.namespace for flow in flows if wanted in flow.namespace.lower()})

    async def deprecated(self, call: Call) -> list[DeprecatedShape]:
        namespace = call.query(DeprecatedQuery).namespace
        of = Condition("namespace", Op.PREFIX, (namespace,)) if namespace else None
        flows = await self._list.find(narrowed(of, call.namespaces))
        return await anyio.to_thread.run_sync(lambda: [it for flow in flows if (it := self._old(flow)) is not None])

    def _old(self, flow: StoredFlow) -> DeprecatedShape | None:
        migration = self._plans.migration(flow.source)
        paths = [it.path for it in migration.pieces if it.kind == "deprecated"] if migration else []
        return DeprecatedShape(flow.namespace, flow.id, flow.revision, paths) if paths else None


async def selected(call: Call, flows: FlowList) -> Sequence[StoredFlow]:
    """The flows that the filters of a request select, of those that the user may look at."""
    return await flows.find(narrowed(condition_of(call.request.query, FLOW), call.namespaces))


def _found(flow: FlowShape, places: Sequence[Place], editable: bool) -> SourceShape:
    return SourceShape(
        namespace=flow["namespace"],
        id=flow["id"],
        editable=editable,
        matches=[MatchShape(it.line, it.column, it.snippet) for it in places],
        model=flow,
        fragments=[_marked(it) for it in places],
    )


def _marked(it: Place) -> str:
    text = it.snippet
    return f"{text[: it.start]}[mark]{text[it.start : it.end]}[/mark]{text[it.end :]}"
