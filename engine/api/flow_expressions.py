"""What expressions of a flow can name, for editors that complete them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import anyio.to_thread
import msgspec

from engine.api.routing import Call, Role, Route
from engine.api.shapes import Shape
from engine.definition.dialect import BRANCHES, maps_in
from engine.expressions.registry import FILTERS, FUNCTIONS, load
from engine.plugin.describe import describe
from engine.plugin.index import Index
from engine.runtime.engine import Engine
from engine.runtime.flows.flow_list import document_of
from engine.runtime.keeping.keys import with_parents
from engine.runtime.keeping.namespaces import valid
from engine.runtime.keeping.secrets import EVERYWHERE, of_environment

YAML = "application/x-yaml"
CONTEXT = [
    *(f"flow.{name}" for name in ("id", "namespace", "revision", "tenantId")),
    *(f"execution.{name}" for name in ("id", "startDate", "originalId", "state")),
    *(f"task.{name}" for name in ("id", "type")),
    *(f"taskrun.{name}" for name in ("id", "startDate", "attemptsCount", "value", "iteration")),
]


class TaskQuery(msgspec.Struct, frozen=True, rename="camel"):
    """taskId: the task whose expressions they are; outputs of those that stand after it are left out"""

    task_id: str | None = None


class CategoriesShape(Shape, frozen=True, omit_defaults=False):
    task_outputs: list[str]
    execution_context: list[str]
    inputs: list[str]
    variables: list[str]
    secrets: list[str]
    kv_pairs: list[str]
    namespace_files: list[str]
    filters: list[str]
    functions: list[str]


class ExpressionsShape(Shape, frozen=True, omit_defaults=False):
    categories: CategoriesShape


class FlowExpressions:
    """Names for expressions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield Route(
            "POST",
            "/flows/expressions",
            self.names,
            "What expressions of a flow can name",
            ExpressionsShape,
            query=TaskQuery,
            body=YAML,
        )

    async def names(self, call: Call) -> ExpressionsShape:
        document = document_of(await call.text())
        namespace = valid(str(document.get("namespace", "")))
        call.require(Role.VIEWER, namespace)
        task = call.query(TaskQuery).task_id
        outputs = await anyio.to_thread.run_sync(lambda: list(_outputs(document, task, self._engine.plugins)))
        load()
        engine = self._engine
        places = [*with_parents(namespace), EVERYWHERE]
        secrets = {info.key for place in places for info in await engine.secrets.list(place)}
        keys = {entry.key for place in places[:-1] for entry in await engine.keys.list(place)}
        return ExpressionsShape(
            CategoriesShape(
                task_outputs=outputs,
                execution_context=[*CONTEXT, *(f"labels.{label['key']}" for label in document.get("labels", ()))],
                inputs=[f"inputs.{name}" for name in _input_names(document.get("inputs"))],
                variables=[f"vars.{name}" for name in _map(document.get("variables"))],
                secrets=[f"secret('{key}')" for key in sorted({*secrets, *of_environment()})],
                kv_pairs=[f"kv('{key}')" for key in sorted(keys)],
                namespace_files=[f"read('{path}')" for path in await engine.namespaces.list(namespace)],
                filters=sorted(FILTERS),
                functions=sorted(FUNCTIONS),
            )
        )


def _outputs(document: Mapping[str, Any], until: str | None, index: Index) -> Iterator[str]:
    """Outputs of the tasks before one, in the order of the text."""
    for branch in BRANCHES:
        for _, item in maps_in(document.get(branch)):
            id, type = item.get("id"), item.get("type")
            if not (isinstance(id, str) and isinstance(type, str) and "." in type):
                continue
            if id == until:
                return
            plugin = index.exact(type)
            outputs = None if plugin is None else describe(type, plugin).outputs
            if outputs is None:
                yield f"outputs.{id}"
            yield from (f"outputs.{id}.{output.name}" for output in outputs or ())


def _input_names(inputs: Any, front: str = "") -> Iterator[str]:
    for item in inputs if isinstance(inputs, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            if item.get("type") == "FORM":
                yield from _input_names(item.get("inputs"), f"{front}{item['id']}.")
            else:
                yield f"{front}{item['id']}"


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
