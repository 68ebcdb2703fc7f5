"""Namespaces: those that have flows, and those above them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.api.filterable import NAMESPACE
from engine.api.filters import condition_of, narrowed
from engine.api.paging import Paged, page_of
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Page, Shape
from engine.runtime.engine import Engine
from engine.runtime.keys import with_parents
from engine.runtime.namespaces import valid
from engine.store.matching import holds


class NamespaceShape(Shape, frozen=True, omit_defaults=False):
    id: str
    deleted: bool = False


class AutocompleteBody(Shape, frozen=True):
    """q: a part of the name; ids: these in any case"""

    q: str | None = None
    ids: list[str] | None = None
    existing_only: bool = False


class Namespaces:
    """Search namespaces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        of = "/namespaces"
        yield Route(
            "GET",
            f"{of}/search",
            self.search,
            "Search namespaces",
            Page[NamespaceShape],
            query=Paged,
            filters=NAMESPACE,
        )
        yield Route(
            "POST", f"{of}/autocomplete", self.autocomplete, "Names of namespaces", list[str], body=AutocompleteBody
        )
        yield Route("GET", f"{of}/{{namespace}}", self.one, "A namespace", NamespaceShape)
        yield Route(
            "GET",
            f"{of}/{{namespace}}/inherited-variables",
            self.variables,
            "Variables that templates of its flows see, by namespace; the empty one holds those of all",
            dict[str, dict[str, Any]],
            role=Role.EDITOR,
        )

    async def search(self, call: Call) -> Page[NamespaceShape]:
        where = condition_of(call.request.query, NAMESPACE)
        found = [
            NamespaceShape(name)
            for name, has_flows in (await self._known(call)).items()
            if where is None or holds(where, {"words": [name], "existing": "TRUE" if has_flows else "FALSE"})
        ]
        return page_of(found, call.query(Paged), {"id": "id"}, getattr)

    async def autocomplete(self, call: Call) -> list[str]:
        asked: AutocompleteBody = await call.json(AutocompleteBody)
        known = await self._known(call)
        wanted = (asked.q or "").lower()
        found = [name for name, own in known.items() if wanted in name.lower() and (own or not asked.existing_only)]
        return sorted({*found, *(name for name in asked.ids or () if name in known)})

    async def one(self, call: Call) -> NamespaceShape:
        return NamespaceShape(valid(call.path["namespace"]))

    async def variables(self, call: Call) -> dict[str, dict[str, Any]]:
        return {"": dict(self._engine.plans.globals)}

    async def _known(self, call: Call) -> dict[str, bool]:
        """Namespaces by name, and whether they have flows of their own."""
        flows = await self._engine.flow_list.find(narrowed(None, call.namespaces))
        named = {flow.namespace for flow in flows}
        return {name: name in named for name in sorted({above for name in named for above in with_parents(name)})}
