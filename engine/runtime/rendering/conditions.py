"""Whether conditions hold, for an execution and what its templates see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from engine.errors import TaskError
from engine.plugin.conditions import Condition, Subject
from engine.state.record import Record

Render = Callable[[Any], Awaitable[Any]]


class Sight:
    """What conditions see."""

    def __init__(self, namespace: str, flow: str, render: Render, execution: Subject | None) -> None:
        self.namespace = namespace
        self.flow = flow
        self._render = render
        self._execution = execution

    async def render(self, source: Any) -> Any:
        return await self._render(source)

    @property
    def execution(self) -> Subject:
        if self._execution is None:
            raise TaskError("Invalid condition with null execution")
        return self._execution


async def all_hold(conditions: Iterable[Condition], sight: Sight) -> tuple[bool, str | None]:
    """Whether all conditions hold, and why one of them couldn't be told."""
    for condition in conditions:
        try:
            if not await condition.holds(sight):
                return False, None
        except Exception as error:
            # A condition may fail in any way: it counts as one that doesn't hold.
            return False, f"The condition {type(condition).__name__} can't be told: {error}"
    return True, None


def subject(record: Record) -> Subject:
    """An execution as conditions see it."""
    execution = record.execution
    return Subject(
        namespace=execution.namespace,
        flow=execution.flow,
        state=execution.state.value,
        labels={label.key: label.value for label in execution.labels},
        outputs=execution.outputs,
        attempts=[[attempt.state.value for attempt in run.attempts] for run in record.runs.values()],
    )
