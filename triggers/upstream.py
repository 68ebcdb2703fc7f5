"""An execution of another flow as a Flow trigger sees it when it has come to a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from engine.clock import iso
from engine.plugin import Subject
from engine.runtime.rendering.conditions import subject
from engine.runtime.triggering.firing import Scene
from engine.state.execution import Change, Execution
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import StateChange

CORRELATION = "system.correlationId"


def as_it_was(record: Record, change: StateChange) -> Record:
    """A record as it was when its execution came to a state, as far as that is known: it may have gone on since."""
    execution = record.execution
    history = (*execution.history[: change.sequence], Change(change.state, change.at))
    outputs = execution.outputs if change.state.terminal else None
    return Record(replace(execution, history=history, outputs=outputs), record.runs, record.answers)


def variables_of(record: Record, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What expressions see of it as `trigger.*`; `outputs` are those of all that was waited for."""
    execution = record.execution
    runs = sorted(record.runs.values(), key=lambda run: run.order)
    failed = next((run.node for run in runs if run.state is Status.FAILED), None)
    found = {
        "executionId": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow,
        "flowRevision": execution.revision,
        "state": execution.state.value,
        "outputs": dict(outputs),
        "executionLabels": labels_of(execution),
        "startDate": iso(execution.started),
        "endDate": iso(execution.history[-1].at) if execution.state.terminal else None,
        "firstFailedTaskId": failed,
        "lastTaskId": runs[-1].node if runs else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def labels_of(execution: Execution) -> dict[str, str]:
    """Its labels as a map."""
    return {label.key: label.value for label in execution.labels}


def inherited(execution: Execution) -> dict[str, str]:
    """The labels that come over to what it starts."""
    return {CORRELATION: labels_of(execution).get(CORRELATION, execution.id)}


def joined_outputs(executions: Sequence[Execution]) -> dict[str, Any]:
    """The outputs of several executions: by themselves, where a later one wins, and by the ids of their flows."""
    joined: dict[str, Any] = {}
    for execution in executions:
        joined |= execution.outputs or {}
    if len(executions) > 1:
        by_flow = {execution.flow: execution.outputs for execution in executions if execution.outputs}
        joined = {**joined, **by_flow}
    return joined


class Sight:
    """What conditions see of it."""

    def __init__(self, namespace: str, flow: str, scene: Scene, record: Record) -> None:
        self.namespace = namespace
        self.flow = flow
        self.execution: Subject = subject(record)
        self._scene = scene
        self._plain = scene.seeing(
            {
                "namespace": self.execution.namespace,
                "flowId": self.execution.flow,
                "state": self.execution.state,
                "labels": self.execution.labels,
                "outputs": self.execution.outputs or {},
                "hasRetryAttempt": any(len(attempts) > 1 for attempts in self.execution.attempts),
            }
        )

    async def render(self, source: Any) -> Any:
        """Raises ExpressionError."""
        return await self._scene.render(source)

    async def ask(self, source: Any) -> Any:
        """`when` of a dependency, rendered. Raises ExpressionError."""
        return await self._plain.named("dependsOn.when", source)
