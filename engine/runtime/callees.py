"""What the driver knows of executions that tasks start."""

from __future__ import annotations

from typing import Protocol

from engine.ids import ExecutionId, derived_id
from engine.runtime.hot import Hot
from engine.state.command import RunTask
from engine.state.event import TaskEnded
from engine.state.execution import Execution, TaskRun
from engine.state.status import Status


class Callees(Protocol):
    """Stops the executions that tasks started, and tells of their end."""

    async def tell(self, child: Execution) -> None: ...

    async def stop(self, parent: ExecutionId, run: TaskRun, at: int) -> None: ...


def child_id(execution: ExecutionId, run: TaskRun) -> ExecutionId:
    """Id of the execution that the current attempt of a task run starts."""
    return ExecutionId(derived_id(execution, "subflow", run.id, run.attempt))


def calls(hot: Hot, path: str) -> bool:
    """Whether the task run at a path has its work done by another execution."""
    run = hot.record.runs.get(path)
    prepared = hot.compiled.tasks.get(run.node) if run is not None else None
    return prepared is not None and prepared.plugin.calls


def handed(hot: Hot, path: str) -> bool:
    """Whether the current attempt of such a task run has started that execution, as far as its own one knows."""
    run = hot.record.runs[path]
    return (run.outputs or {}).get("executionId") == child_id(hot.id, run)


def let_go(command: RunTask, state: Status, at: int) -> TaskEnded:
    """The end of an attempt whose execution no longer waits for the one that it started, and lets that go on."""
    return TaskEnded(at=at, path=command.path, attempt=command.attempt, state=state)
