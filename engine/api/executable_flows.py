"""Flows as those see them who may only run them: inputs, and which tasks there are, but not what these do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engine.api.filters import narrowed
from engine.api.reached import head_of
from engine.api.routing import Call, Role, Route
from engine.runtime.engine import Engine
from engine.store.conditions import Condition, Op
from engine.store.rows import StoredFlow

KEPT = ("description", "inputs", "outputs", "labels", "variables")
TASKS = ("tasks", "errors", "finally", "afterExecution")
OF_TASK = ("id", "type", "namespace", "flowId")


class RevisionQuery(msgspec.Struct, frozen=True):
    """revision: by default the latest"""

    revision: int | None = None


class ExecutableFlows:
    """What can be run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        of = "/executions/namespaces"
        yield Route("GET", of, self.namespaces, "Namespaces with flows that the user may run", list[str])
        yield Route(
            "GET",
            f"{of}/{{namespace}}/flows",
            self.flows,
            "Flows of a namespace that the user may run",
            list[dict[str, Any]],
        )
        yield Route(
            "GET",
            "/executions/flows/{namespace}/{id}",
            self.one,
            "A flow for its execution",
            dict[str, Any],
            query=RevisionQuery,
        )
        yield Route(
            "GET", "/executions/{execution}/flow", self.of_execution, "The flow that an execution runs", dict[str, Any]
        )

    async def namespaces(self, call: Call) -> list[str]:
        where = narrowed(None, call.namespaces_with(Role.OPERATOR))
        return sorted({flow.namespace for flow in await self._engine.flow_list.find(where)})

    async def flows(self, call: Call) -> list[dict[str, Any]]:
        call.require(Role.OPERATOR, call.path["namespace"])
        where = Condition("namespace", Op.EQUALS, (call.path["namespace"],))
        flows = await self._engine.flow_list.find(where)
        documents = await self._engine.flow_list.documents(flows)
        shown = [_shown(flow, document) for flow, document in zip(flows, documents, strict=True)]
        return [flow for flow in shown if not flow["disabled"]]

    async def one(self, call: Call) -> dict[str, Any]:
        return await self._of(call.path["namespace"], call.path["id"], call.query(RevisionQuery).revision)

    async def of_execution(self, call: Call) -> dict[str, Any]:
        execution = await head_of(call, self._engine)
        return await self._of(execution.namespace, execution.flow, execution.revision)

    async def _of(self, namespace: str, id: str, revision: int | None) -> dict[str, Any]:
        stored = await self._engine.store.flows.get(namespace, id, revision)
        (document,) = await self._engine.flow_list.documents([stored])
        return _shown(stored, document)


def _shown(flow: StoredFlow, document: Mapping[str, Any]) -> dict[str, Any]:
    shape = {
        "id": flow.id,
        "namespace": flow.namespace,
        "revision": flow.revision,
        "disabled": bool(document.get("disabled", False)),
        "deleted": flow.deleted,
    }
    shape |= {name: document[name] for name in KEPT if document.get(name)}
    shape |= {name: [_task(task) for task in document[name]] for name in TASKS if document.get(name)}
    if document.get("triggers"):
        shape["triggers"] = [{"id": it.get("id"), "type": it.get("type")} for it in document["triggers"]]
    return shape


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    """A task's id and type, and the same of the tasks in it."""
    shape = {name: task[name] for name in OF_TASK if name in task}
    for name, value in task.items():
        inner = value.values() if isinstance(value, dict) else [value]
        if inner and all(map(_are_tasks, inner)):
            shape[name] = (
                {key: [_task(one) for one in tasks] for key, tasks in value.items()}
                if isinstance(value, dict)
                else [_task(one) for one in value]
            )
    return shape


def _are_tasks(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and {"id", "type"} <= one.keys() for one in value)
    )
