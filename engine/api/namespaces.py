"""Namespaces: those that have flows, those that were made, and those above them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from engine.api.filterable import NAMESPACE
from engine.api.filters import condition_of, narrowed
from engine.api.paging import Paged, page_of
from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import Page, Shape
from engine.errors import Refused
from engine.runtime.engine import Engine
from engine.runtime.keeping.keys import with_parents
from engine.runtime.keeping.namespaces import valid
from engine.store.matching import holds


class NamespaceShape(Shape, frozen=True, omit_defaults=False):
    id: str
    deleted: bool = False
    description: str | msgspec.UnsetType = msgspec.UNSET


class NamespaceBody(Shape, frozen=True):
    """A namespace as it is made. Variables and defaults of namespaces are none of this version."""

    id: str
    description: str | None = None


class AutocompleteBody(Shape, frozen=True):
    """q: a part of the name; ids: these in any case"""

    q: str | None = None
    ids: list[str] | None = None
    existing_only: bool = False


class Namespaces:
    """Search, make, describe and remove namespaces.

    One is found by its flows, or because somebody made it; there is no need to make one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._made = engine.store.namespaces
        self._clock = engine.clock

    def routes(self) -> Iterable[Route]:
        of, one = "/namespaces", "/namespaces/{namespace}"
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
        body, role = NamespaceBody, Role.EDITOR
        yield Route("POST", of, self.make, "Make a namespace", NamespaceShape, body=body, role=role)
        yield Route("GET", one, self.one, "A namespace", NamespaceShape)
        yield Route("PUT", one, self.describe, "Describe a namespace", NamespaceShape, body=body, role=role)
        yield Route("DELETE", one, self.delete, "Remove a namespace without flows", role=role)
        yield Route(
            "GET",
            f"{one}/inherited-variables",
            self.variables,
            "Variables that templates of its flows see, by namespace; the empty one holds those of all",
            dict[str, dict[str, Any]],
            role=Role.EDITOR,
        )

    async def search(self, call: Call) -> Page[NamespaceShape]:
        where = condition_of(call.request.query, NAMESPACE)
        described = {row.id: row.description for row in await self._made.list()}
        found = [
            _shown(name, described.get(name))
            for name, existing in (await self._known(call)).items()
            if where is None or holds(where, _values(name, existing))
        ]
        return page_of(found, call.query(Paged), {"id": "id"}, getattr)

    async def autocomplete(self, call: Call) -> list[str]:
        asked: AutocompleteBody = await call.json(AutocompleteBody)
        known = await self._known(call)
        wanted = (asked.q or "").lower()
        found = [name for name, own in known.items() if wanted in name.lower() and (own or not asked.existing_only)]
        return sorted({*found, *(name for name in asked.ids or () if name in known)})

    async def one(self, call: Call) -> NamespaceShape:
        id = valid(call.path["namespace"])
        row = next((row for row in await self._made.list() if row.id == id), None)
        return _shown(id, row.description if row is not None else None)

    async def make(self, call: Call) -> NamespaceShape:
        body: NamespaceBody = await call.json(NamespaceBody)
        return await self._put(call, body)

    async def describe(self, call: Call) -> NamespaceShape:
        body: NamespaceBody = await call.json(NamespaceBody)
        if body.id != call.path["namespace"]:
            raise Illegal(f"the id of a namespace stays: it is '{call.path['namespace']}', not '{body.id}'")
        return await self._put(call, body)

    async def delete(self, call: Call) -> None:
        id = valid(call.path["namespace"])
        if flows := await self._engine.store.flows.list(id):
            raise Refused(f"the namespace '{id}' has {len(flows)} flows, such as '{flows[0].id}': delete them first")
        await self._made.delete(id)

    async def variables(self, call: Call) -> dict[str, dict[str, Any]]:
        return {"": dict(self._engine.plans.globals)}

    async def _put(self, call: Call, body: NamespaceBody) -> NamespaceShape:
        id = valid(body.id)
        call.require(Role.EDITOR, id)
        await self._made.put(id, body.description, self._clock.now())
        return _shown(id, body.description)

    async def _known(self, call: Call) -> dict[str, bool]:
        """Namespaces by name, and whether they have flows of their own or were made."""
        seen = narrowed(None, call.namespaces)
        named = {flow.namespace for flow in await self._engine.flow_list.find(seen)}
        made = [row.id for row in await self._made.list()]
        named.update(name for name in made if seen is None or holds(seen, {"namespace": name}))
        return {name: name in named for name in sorted({above for name in named for above in with_parents(name)})}


def _shown(id: str, description: str | None) -> NamespaceShape:
    return NamespaceShape(id, description=msgspec.UNSET if description is None else description)


def _values(name: str, existing: bool) -> dict[str, Any]:
    return {"words": [name], "namespace": name, "existing": "TRUE" if existing else "FALSE"}
