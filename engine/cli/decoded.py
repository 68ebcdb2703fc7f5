"""Executions and log lines as the API tells them, in the engine's own terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from engine.api.shapes import AttemptShape, ExecutionShape, LogShape, StateShape, TaskRunShape
from engine.clock import to_millis
from engine.ids import ExecutionId, NodeId, TaskRunId
from engine.state.execution import Attempt, Change, Execution, ExecutionKind, Label, TaskRun, TriggeredBy
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import LogLine


def execution_of(shape: ExecutionShape) -> Execution:
    trigger = shape.trigger
    return Execution(
        id=ExecutionId(shape.id),
        tenant=shape.tenant_id,
        namespace=shape.namespace,
        flow=shape.flow_id,
        revision=shape.flow_revision,
        history=_history(shape.state),
        inputs=shape.inputs or {},
        outputs=shape.outputs,
        labels=tuple(Label(label.key, label.value) for label in shape.labels or ()),
        variables=shape.variables,
        trigger=TriggeredBy(trigger.id, trigger.type, trigger.variables) if trigger else None,
        parent=ExecutionId(shape.parent_id) if shape.parent_id else None,
        original=ExecutionId(shape.original_id),
        attempt=shape.metadata.attempt_number,
        created=_millis(shape.state.start_date),
        kind=ExecutionKind(shape.kind or "NORMAL"),
    )


def record_of(shape: ExecutionShape) -> Record:
    """An execution with its task runs. Their paths are made up: whose child a run is, is all that the API tells."""
    record = Record(execution_of(shape))
    paths: dict[str, str] = {}
    seen: Counter[tuple[str | None, str]] = Counter()
    for order, run in enumerate(shape.task_run_list or ()):
        above = paths.get(run.parent_task_run_id or "")
        lane = seen[run.parent_task_run_id, run.task_id]
        seen[run.parent_task_run_id, run.task_id] += 1
        path = run.task_id if above is None else f"{above}{f'#{lane}' if lane else ''}/{run.task_id}"
        paths[run.id] = path
        record.runs[path] = _task_run(run, path, order)
    return record


def _task_run(shape: TaskRunShape, path: str, order: int) -> TaskRun:
    return TaskRun(
        id=TaskRunId(shape.id),
        path=path,
        node=NodeId(shape.task_id),
        order=order,
        history=_history(shape.state),
        value=shape.value,
        iteration=shape.iteration,
        attempts=tuple(_attempt(number, attempt) for number, attempt in enumerate(shape.attempts or (), start=1)),
        outputs=shape.outputs,
    )


def _attempt(number: int, shape: AttemptShape) -> Attempt:
    return Attempt(number, _history(shape.state), log_file=shape.log_file)


def line_of(shape: LogShape) -> LogLine:
    return LogLine(
        at=_millis(shape.timestamp),
        level=shape.level,
        message=shape.message,
        namespace=shape.namespace,
        flow=shape.flow_id,
        execution=ExecutionId(shape.execution_id),
        task=shape.task_id,
        task_run=TaskRunId(shape.task_run_id) if shape.task_run_id else None,
        attempt=None if shape.attempt_number is None else shape.attempt_number + 1,
    )


def changed(before: Record | None, now: Record) -> Sequence[TaskRun]:
    """The task runs that are others than before."""
    known = before.runs if before is not None else {}
    return [run for path, run in now.runs.items() if known.get(path) != run]


def _history(state: StateShape) -> tuple[Change, ...]:
    return tuple(Change(Status(change.state), _millis(change.date)) for change in state.histories)


def _millis(text: str) -> int:
    return to_millis(datetime.fromisoformat(text))
