"""Flows, tasks and triggers checked without being saved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

import anyio.to_thread
import msgspec

from engine.api.routing import Call, Role, Route
from engine.api.shapes import Shape
from engine.api.transfer import file_of, text_of
from engine.definition.diagnostic import Diagnostic
from engine.definition.document import read_yaml
from engine.definition.rewrite import documents
from engine.runtime.engine import Engine

YAML = "application/x-yaml"
TASK = {"id": "task", "type": "core.log.Log", "message": "-"}


class SectionQuery(msgspec.Struct, frozen=True):
    section: Literal["TASKS", "TRIGGERS", "tasks", "triggers"] = "TASKS"


class ViolationShape(Shape, frozen=True, omit_defaults=False):
    """What is wrong with one of several flows, by its place in the text.

    constraints: the mistakes; absent where there are none
    outdated: it says a revision, and is no change of the latest one
    deprecationPaths: what has another form now; infos say which
    """

    index: int
    flow: str | None
    namespace: str | None
    outdated: bool
    deprecation_paths: list[str]
    warnings: list[str]
    infos: list[str]
    constraints: str | msgspec.UnsetType = msgspec.UNSET


class Validation:
    """What is wrong with a text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        of = "/flows/validate"
        yield Route("POST", of, self.flows, "Check flows without saving them", list[ViolationShape], body=YAML)
        yield Route("POST", f"{of}/task", self.task, "Check a task", ViolationShape, query=SectionQuery, body=YAML)
        yield Route("POST", f"{of}/trigger", self.trigger, "Check a trigger", ViolationShape, body=YAML)

    async def flows(self, call: Call) -> list[ViolationShape]:
        if call.request.content_type.startswith("multipart/"):
            source = await text_of(call.request, await file_of(call.request, "flows"))
        else:
            source = await call.text()
        return [await self._checked(call, index, text) for index, text in enumerate(documents(source))]

    async def task(self, call: Call) -> ViolationShape:
        if call.query(SectionQuery).section.upper() == "TRIGGERS":
            return await self.trigger(call)
        return self._part(await call.text(), "tasks")

    async def trigger(self, call: Call) -> ViolationShape:
        return self._part(await call.text(), "triggers")

    async def _checked(self, call: Call, index: int, source: str) -> ViolationShape:
        raw = read_yaml(source).value
        raw = raw if isinstance(raw, dict) else {}
        shape = await anyio.to_thread.run_sync(self._found, index, source)
        revision = raw.get("revision")
        # Whether it is outdated is nothing to whoever may not look at it.
        if isinstance(revision, int) and call.user.role(str(raw.get("namespace"))) >= Role.VIEWER:
            stored = await self._engine.flows.find(str(raw.get("namespace")), str(raw.get("id")))
            shape = msgspec.structs.replace(shape, outdated=revision != (stored.revision if stored else 0) + 1)
        return msgspec.structs.replace(shape, flow=_text(raw.get("id")), namespace=_text(raw.get("namespace")))

    def _part(self, text: str, branch: str) -> ViolationShape:
        """What is wrong with a task or trigger, seen in a flow that has nothing else."""
        part = read_yaml(text)
        if part.broken:
            return self._found(0, text)
        flow: dict[str, Any] = {"id": "flow", "namespace": "namespace", "tasks": [TASK]}
        return self._found(0, json.dumps({**flow, branch: [part.value]}, default=str), placed=False)

    def _found(self, index: int, source: str, *, placed: bool = True) -> ViolationShape:
        errors, warnings = self._engine.plans.check(source)
        migration = self._engine.plans.migration(source)
        pieces = [] if migration is None else [piece for piece in migration.pieces if piece.kind != "dialect"]
        return ViolationShape(
            index=index,
            flow=None,
            namespace=None,
            outdated=False,
            deprecation_paths=[piece.path.removesuffix(".type") for piece in pieces if piece.kind == "deprecated"],
            warnings=[_said(item, placed) for item in warnings],
            infos=[
                f"{piece.path}: {piece.name} is called {piece.instead} now"
                for piece in pieces
                if piece.kind == "relocation"
            ],
            constraints="\n".join(_said(item, placed) for item in errors) if errors else msgspec.UNSET,
        )


def _said(item: Diagnostic, placed: bool) -> str:
    return f"{item.message} (line {item.line}, column {item.column})" if placed else item.message


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
