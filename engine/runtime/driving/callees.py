"""What the driver knows of executions that tasks start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.ids import ExecutionId, derived_id
from engine.runtime.driving.hot import Hot
from engine.state.command import RunTask, StopStarted
from engine.state.event import AnyEvent, ChildEnded, TaskEnded
from engine.state.execution import Caller, Execution, TaskRun
from engine.state.status import Status


class Callees(Protocol):
    """Stops the executions that tasks started, and tells of their end."""

    async def tell(self, child: Execution) -> None: ...

    async def report(self, parent: ExecutionId, event: AnyEvent) -> None:
        """Bring an event to an execution, whoever drives it."""
        ...

    async def stop(self, parent: ExecutionId, run: TaskRun, at: int) -> None: ...


class ManyCallees(Protocol):
    """Sees to the executions that one task run starts many of."""

    async def see_to(self, hot: Hot, path: str, indices: Sequence[int] | None) -> None:
        """Start executions of a task run by their indices, by default those that are missing; or stop them all."""
        ...

    async def stop_started(self, id: ExecutionId, command: StopStarted) -> None:
        """Kill what a task run started that an edit has done away with."""
        ...


def child_id(execution: ExecutionId, run: TaskRun, again: bool = True) -> ExecutionId:
    """Id of the execution that the current attempt of a task run starts.

    again: an attempt that an edit made is for the same execution as the one before
    """
    counted = (Status.CREATED,) if again else (Status.CREATED, Status.RESTARTED)
    fresh = sum(1 for change in run.history if change.state in counted)
    return ExecutionId(derived_id(execution, "subflow", run.id, fresh))


def calls(hot: Hot, path: str) -> bool:
    """Whether the task run at a path has its work done by another execution."""
    run = hot.record.runs.get(path)
    prepared = hot.compiled.tasks.get(run.node) if run is not None else None
    return prepared is not None and prepared.plugin.calls


def handed(hot: Hot, path: str) -> bool:
    """Whether the current attempt of such a task run has started that execution, as far as its own one knows."""
    run = hot.record.runs[path]
    return run.attempts[-1].state is Status.RUNNING and "executionId" in (run.outputs or {})


def let_go(command: RunTask, state: Status, at: int) -> TaskEnded:
    """The end of an attempt whose execution no longer waits for the one that it started, and lets that go on."""
    return TaskEnded(at=at, path=command.path, attempt=command.attempt, state=state)


def let_many_go(run: TaskRun, state: Status, at: int) -> list[ChildEnded]:
    """The ends of all that a task run waits for, which it lets go on by themselves."""
    live = run.block.live if run.block is not None else 0
    return [ChildEnded(at=at, path=run.path, index=index, state=state) for index in range(live)]


def child_ended(child: Execution, caller: Caller) -> ChildEnded:
    """What a task run that started many executions is told of the end of one."""
    assert caller.index is not None
    return ChildEnded(at=child.history[-1].at, path=caller.path, index=caller.index, state=child.state, child=child.id)
