"""Flows and their revisions, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import FlowShape, flow_shape
from engine.definition.dialect import maps_in
from engine.definition.document import read_yaml
from engine.definition.rewrite import with_task
from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.runtime.flows.flow_list import FlowList, document_of
from engine.store.rows import StoredFlow

YAML = "application/x-yaml"


class FlowQuery(msgspec.Struct, frozen=True, rename="camel"):
    """source: with the text as its author wrote it"""

    source: bool = False
    revision: int | None = None
    allow_deleted: bool = False


class RevisionQuery(msgspec.Struct, frozen=True):
    """revision: by default the latest"""

    revision: int | None = None


class RevisionsQuery(msgspec.Struct, frozen=True, rename="camel"):
    """allowDelete: also those that say that it was deleted"""

    allow_delete: bool = False


class DeleteRevisionsQuery(msgspec.Struct, frozen=True):
    """revisions: numbers with commas between them"""

    revisions: tuple[str, ...] = ()


class Flows:
    """Create, read, change and delete flows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store.flows

    def routes(self) -> Iterable[Route]:
        one = "/flows/{namespace}/{id}"
        yield Route("POST", "/flows", self.create, "Create a flow", FlowShape, body=YAML, role=Role.EDITOR)
        yield Route("GET", one, self.one, "A flow", FlowShape, query=FlowQuery)
        yield Route("PUT", one, self.update, "Save a new revision", FlowShape, body=YAML, role=Role.EDITOR)
        yield Route("DELETE", one, self.delete, "Delete a flow", role=Role.EDITOR)
        yield Route(
            "GET", f"{one}/revisions", self.revisions, "Revisions of a flow", list[FlowShape], query=RevisionsQuery
        )
        yield Route(
            "DELETE",
            f"{one}/revisions",
            self.delete_revisions,
            "Delete old revisions",
            query=DeleteRevisionsQuery,
            role=Role.EDITOR,
        )
        yield Route(
            "GET",
            f"{one}/tasks/{{task}}",
            self.task,
            "A task of a flow, as written",
            dict[str, Any],
            query=RevisionQuery,
        )
        yield Route(
            "PATCH",
            f"{one}/{{task}}",
            self.update_task,
            "Change one task",
            FlowShape,
            body=dict[str, Any],
            role=Role.EDITOR,
        )

    async def create(self, call: Call) -> FlowShape:
        draft = self._engine.flows.read(await call.text())
        call.about(draft.flow.namespace, draft.flow.id)
        call.require(Role.EDITOR, draft.flow.namespace)
        return shown(await self._engine.flows.create(draft))

    async def update(self, call: Call) -> FlowShape:
        return shown(await self._engine.flows.update(call.path["namespace"], call.path["id"], await call.text()))

    async def one(self, call: Call) -> FlowShape:
        query = call.query(FlowQuery)
        namespace, id = call.path["namespace"], call.path["id"]
        if query.allow_deleted and query.revision is None:
            return shown((await self._store.revisions(namespace, id))[-1], source=query.source)
        return shown(await self._store.get(namespace, id, query.revision), source=query.source)

    async def delete(self, call: Call) -> None:
        await self._engine.control.delete_flow(call.path["namespace"], call.path["id"])

    async def revisions(self, call: Call) -> list[FlowShape]:
        found = await self._store.revisions(call.path["namespace"], call.path["id"])
        deleted_too = call.query(RevisionsQuery).allow_delete
        wanted = [stored for stored in found if deleted_too or not stored.deleted]
        return await shown_all(self._engine.flow_list, wanted, source=True)

    async def delete_revisions(self, call: Call) -> None:
        numbers = [part for text in call.query(DeleteRevisionsQuery).revisions for part in text.split(",") if part]
        if not numbers or not all(number.isdecimal() for number in numbers):
            raise Illegal("revisions must be numbers with commas between them, as revisions=1,2")
        await self._engine.flows.delete_revisions(call.path["namespace"], call.path["id"], [int(n) for n in numbers])

    async def task(self, call: Call) -> dict[str, Any]:
        stored = await self._store.get(call.path["namespace"], call.path["id"], call.query(RevisionQuery).revision)
        wanted = call.path["task"]
        for _, item in maps_in(read_yaml(stored.source).value):
            if item.get("id") == wanted and isinstance(item.get("type"), str) and "." in item["type"]:
                return item
        raise _no_task(stored, wanted)

    async def update_task(self, call: Call) -> FlowShape:
        task = call.path["task"]
        properties: dict[str, Any] = await call.json(dict[str, Any])
        if properties.get("id") != task:
            raise Illegal(f"the task's id must be '{task}' as in the path, not '{properties.get('id')}'")
        stored = await self._store.get(call.path["namespace"], call.path["id"])
        source = with_task(stored.source, task, properties)
        if source is None:
            raise _no_task(stored, task)
        return shown(await self._engine.flows.update(stored.namespace, stored.id, source))


def shown(stored: StoredFlow, *, source: bool = True) -> FlowShape:
    """A revision of a flow as JSON of the API."""
    return flow_shape(stored, document_of(stored.source), source=source)


async def shown_all(flows: FlowList, chosen: Sequence[StoredFlow], *, source: bool = False) -> list[FlowShape]:
    """Several flows as JSON of the API."""
    documents = await flows.documents(chosen)
    return [flow_shape(flow, document, source=source) for flow, document in zip(chosen, documents, strict=True)]


def _no_task(stored: StoredFlow, task: str) -> NotFound:
    return NotFound("task", task, f"the flow '{stored.namespace}.{stored.id}' has no task of this id")
