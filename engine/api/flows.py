"""Flows and their revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engine.api.problems import Illegal
from engine.api.routing import Call, Role, Route
from engine.api.shapes import flow_shape
from engine.definition.document import read_yaml
from engine.errors import InvalidFlow, NotFound
from engine.runtime.engine import Engine
from engine.store.rows import StoredFlow

YAML = "application/x-yaml"


class FlowQuery(msgspec.Struct, frozen=True, rename="camel"):
    """source: with the text as its author wrote it"""

    source: bool = False
    revision: int | None = None
    allow_deleted: bool = False


class Flows:
    """Create, read, change and delete flows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield Route("POST", "/flows", self.create, "Create a flow", dict, body=YAML, role=Role.EDITOR)
        yield Route("POST", "/flows/validate", self.validate, "Check flows without saving them", list, body=YAML)
        yield Route("GET", "/flows/{namespace}", self.of_namespace, "Flows of a namespace", list)
        yield Route("GET", "/flows/{namespace}/{id}", self.one, "A flow", dict, query=FlowQuery)
        yield Route(
            "PUT", "/flows/{namespace}/{id}", self.update, "Save a new revision", dict, body=YAML, role=Role.EDITOR
        )
        yield Route("DELETE", "/flows/{namespace}/{id}", self.delete, "Delete a flow", role=Role.EDITOR)
        yield Route("GET", "/flows/{namespace}/{id}/revisions", self.revisions, "Revisions of a flow", list)

    async def create(self, call: Call) -> dict[str, Any]:
        source = await call.request.text()
        flow = self._engine.plans.read(source)
        if await self._find(flow.namespace, flow.id) is not None:
            raise Illegal("Flow id already exists")
        return _shown(await self._engine.control.save_flow(source))

    async def update(self, call: Call) -> dict[str, Any]:
        source = await call.request.text()
        namespace, id = call.path["namespace"], call.path["id"]
        if await self._find(namespace, id) is None:
            raise NotFound("flow", f"{namespace}.{id}", "create it with POST /flows")
        flow = self._engine.plans.read(source)
        if flow.id != id:
            raise Illegal(f"Illegal flow id update: the source says '{flow.id}', the path '{id}'")
        if flow.namespace != namespace:
            raise Illegal(f"Illegal namespace update: the source says '{flow.namespace}', the path '{namespace}'")
        return _shown(await self._engine.control.save_flow(source))

    async def one(self, call: Call) -> dict[str, Any]:
        query = call.query(FlowQuery)
        namespace, id = call.path["namespace"], call.path["id"]
        stored = await self._engine.store.flows.get(namespace, id, query.revision)
        return _shown(stored, source=query.source)

    async def delete(self, call: Call) -> None:
        await self._engine.control.delete_flow(call.path["namespace"], call.path["id"])

    async def revisions(self, call: Call) -> list[dict[str, Any]]:
        found = await self._engine.store.flows.revisions(call.path["namespace"], call.path["id"])
        return [_shown(stored) for stored in found]

    async def of_namespace(self, call: Call) -> list[dict[str, Any]]:
        found = await self._engine.store.flows.list(call.path["namespace"])
        return [_shown(stored, source=False) for stored in found]

    async def validate(self, call: Call) -> list[dict[str, Any]]:
        source = await call.request.text()
        return [self._checked(index, text) for index, text in enumerate(documents(source))]

    def _checked(self, index: int, source: str) -> dict[str, Any]:
        raw = read_yaml(source).value
        raw = raw if isinstance(raw, dict) else {}
        answer: dict[str, Any] = {"index": index, "flow": raw.get("id"), "namespace": raw.get("namespace")}
        answer |= {"outdated": False, "deprecationPaths": [], "warnings": [], "infos": []}
        try:
            self._engine.plans.read(source)
        except InvalidFlow as error:
            answer["constraints"] = ", ".join(item.message for item in error.diagnostics if item.severity == "error")
        return answer

    async def _find(self, namespace: str, id: str) -> StoredFlow | None:
        try:
            return await self._engine.store.flows.get(namespace, id)
        except NotFound:
            return None


def documents(source: str) -> list[str]:
    """The flows of a text in which lines of `---` part them."""
    parts: list[list[str]] = [[]]
    for line in source.splitlines(keepends=True):
        if line.rstrip() == "---":
            parts.append([])
        else:
            parts[-1].append(line)
    return ["".join(part) for part in parts if "".join(part).strip()]


def _shown(stored: StoredFlow, *, source: bool = True) -> dict[str, Any]:
    document = read_yaml(stored.source).value
    return flow_shape(stored, document if isinstance(document, Mapping) else {}, source=source)
