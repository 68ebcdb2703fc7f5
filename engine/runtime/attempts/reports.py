"""What a task reports of its own work, in parts that show as task runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.clock import Clock
from engine.errors import TaskError
from engine.executor.names import CREATED, RUNNING
from engine.ids import ExecutionId, NodeId, TaskRunId, derived_id
from engine.runtime.rendering.variables import Variables
from engine.state.event import AnyEvent, Report, Reported
from engine.state.execution import Attempt, Change, History, TaskRun
from engine.state.status import Status

# One attempt may report so many parts.
PARTS = 10_000
NAME_CHARACTERS = 256


class Reports:
    """The parts of one attempt."""

    def __init__(
        self,
        clock: Clock,
        send: Callable[[ExecutionId, AnyEvent], Awaitable[None]],
        execution: ExecutionId,
        run: TaskRun,
        variables: Variables,
    ) -> None:
        self._clock = clock
        self._send = send
        self._execution = execution
        self._run = run
        self._variables = variables
        self._parts: dict[str, Report] = {}

    async def add(
        self,
        id: str,
        state: Status,
        *,
        task: str | None,
        outputs: dict[str, Any] | None,
        error: str | None,
        value: str | None,
    ) -> None:
        """Tell of a part, or what became of it. Raises TaskError."""
        now = self._clock.now()
        known = self._parts.get(id)
        if known is None:
            self._check(id, task or id)
            history: History = (Change(CREATED, now),)
        else:
            history = known.history
            if history[-1].state.terminal:
                raise TaskError(f"The part '{id}' was reported as ended, {history[-1].state}")
        for entry in (RUNNING, state):
            if history[-1].state is not entry and (entry is not RUNNING or state is not CREATED):
                history = (*history, Change(entry, now))
        report = Report(
            id=TaskRunId(derived_id(self._run.id, "part", self._run.attempt, id)),
            name=id,
            node=NodeId(task or id),
            history=history,
            attempts=(Attempt(1, history, error),),
            outputs=outputs,
            error=error,
            value=value,
        )
        self._parts[id] = report
        event = Reported(at=now, path=self._run.path, attempt=self._run.attempt, runs=(report,))
        await self._send(self._execution, event)

    def _check(self, id: str, task: str) -> None:
        for name in (id, task):
            if not name or "/" in name or "#" in name or len(name) > NAME_CHARACTERS:
                raise TaskError(
                    f"'{name[:NAME_CHARACTERS]}' can't name a part: it must have 1 to {NAME_CHARACTERS} characters "
                    "and no '/' or '#'"
                )
        if self._variables.names_task(task):
            raise TaskError(f"The part '{id}' can't show as '{task}', for that is a task of the flow: choose another")
        if len(self._parts) >= PARTS:
            raise TaskError(f"One attempt can report {PARTS} parts at most")
