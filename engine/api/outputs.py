"""Outputs of executions and of their task runs. What is stored encrypted is covered with stars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.api.reached import head_of, record_of
from engine.api.routing import Call, Route
from engine.api.shapes import Shape
from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.state.sealed import covered


class TaskOutputsShape(Shape, frozen=True):
    """A task run that has outputs; `inline`: they are kept with it, which here they always are."""

    task_id: str
    task_run_id: str
    value: str | None = None
    iteration: int | None = None
    inline: bool | None = True


class Outputs:
    """What executions and tasks gave."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        yield Route(
            "GET", "/outputs/executions/{execution}", self.of_execution, "Outputs of an execution", dict[str, Any]
        )
        yield Route(
            "GET",
            "/outputs/tasks/{execution}",
            self.of_tasks,
            "The task runs that have outputs",
            list[TaskOutputsShape],
            old=("/outputs/{execution}",),
        )
        yield Route(
            "GET",
            "/outputs/tasks/{execution}/{taskRun}",
            self.of_task,
            "Outputs of a task run",
            dict[str, Any],
            old=("/outputs/{execution}/{taskRun}",),
        )

    async def of_execution(self, call: Call) -> dict[str, Any]:
        return covered((await head_of(call, self._engine)).outputs or {})  # type: ignore[no-any-return]

    async def of_tasks(self, call: Call) -> list[TaskOutputsShape]:
        runs = (await record_of(call, self._engine)).runs.values()
        return [
            TaskOutputsShape(run.node, run.id, run.value, run.iteration)
            for run in sorted(runs, key=lambda run: run.order)
            if run.outputs
        ]

    async def of_task(self, call: Call) -> dict[str, Any]:
        wanted = call.path["taskRun"]
        for run in (await record_of(call, self._engine)).runs.values():
            if run.id == wanted:
                return covered(run.outputs or {})  # type: ignore[no-any-return]
        raise NotFound("task run", wanted)
