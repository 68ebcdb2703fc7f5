"""Executions, task runs, log lines and flows as JSON of the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Required, TypedDict, TypeVar, cast

import anyio.to_thread
import msgspec

from engine.clock import iso
from engine.durations import duration_text
from engine.ids import random_id
from engine.state.execution import Attempt, Execution, History, Label, TaskRun, parent_path
from engine.state.record import Record
from engine.state.sealed import covered
from engine.store.rows import LogLine, Metric, StoredFlow

T = TypeVar("T")
AT_ONCE = 100
"""How many task runs are put together while nothing else of the process goes on."""


class Shape(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A JSON object of the API; what is absent is left out."""


class ChangeShape(Shape, frozen=True):
    state: str
    date: str


class StateShape(Shape, frozen=True, omit_defaults=False):
    """`duration` is ISO-8601; `endDate` is there once it has ended."""

    current: str
    histories: list[ChangeShape]
    duration: str
    start_date: str
    end_date: str | msgspec.UnsetType = msgspec.UNSET


class LabelShape(Shape, frozen=True):
    key: str
    value: str


class AttemptShape(Shape, frozen=True):
    state: StateShape
    log_file: str | None = None


class TaskRunShape(Shape, frozen=True):
    id: str
    execution_id: str
    namespace: str
    flow_id: str
    task_id: str
    state: StateShape
    parent_task_run_id: str | None = None
    value: str | None = None
    iteration: int | None = None
    attempts: list[AttemptShape] | None = None
    outputs: dict[str, Any] | None = None


class TriggerShape(Shape, frozen=True):
    id: str
    type: str
    variables: dict[str, Any]


class MetadataShape(Shape, frozen=True, omit_defaults=False):
    attempt_number: int
    original_created_date: str


class ExecutionShape(Shape, frozen=True):
    """An execution; lists of executions come without `taskRunList`."""

    id: str
    tenant_id: str
    namespace: str
    flow_id: str
    flow_revision: int
    state: StateShape
    original_id: str
    metadata: MetadataShape
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    labels: list[LabelShape] | None = None
    variables: dict[str, Any] | None = None
    task_run_list: list[TaskRunShape] | None = None
    trigger: TriggerShape | None = None
    parent_id: str | None = None
    schedule_date: str | None = None
    kind: str | None = None
    url: str | None = None


class LogShape(Shape, frozen=True):
    namespace: str
    flow_id: str
    execution_id: str
    timestamp: str
    level: str
    message: str
    task_id: str | None = None
    task_run_id: str | None = None
    attempt_number: int | None = None


class MetricShape(Shape, frozen=True):
    namespace: str
    flow_id: str
    execution_id: str
    type: str
    name: str
    value: float
    timestamp: str
    tags: dict[str, str]
    task_id: str | None = None
    task_run_id: str | None = None


class Count(Shape, frozen=True, omit_defaults=False):
    """To how many something was done."""

    count: int


class Operated(Count, frozen=True, omit_defaults=False):
    """The same, as newer versions say it too."""

    operation_id: str
    total_items: int


def operated(count: int) -> Operated:
    return Operated(count, random_id(), count)


class Page(Shape, Generic[T], frozen=True, omit_defaults=False):
    """Part of a list and how long all of it is. `exact` is false where it is longer, and nobody counted further."""

    results: list[T]
    total: int
    exact: bool | msgspec.UnsetType = msgspec.UNSET


def state_shape(history: History, now: int) -> StateShape:
    """A state history; what has not ended lasts until `now`."""
    last = history[-1]
    ended = last.state.terminal
    return StateShape(
        current=last.state.value,
        histories=[ChangeShape(change.state.value, iso(change.at)) for change in history],
        duration=duration_text(max(0, (last.at if ended else now) - history[0].at)),
        start_date=iso(history[0].at),
        end_date=iso(last.at) if ended else msgspec.UNSET,
    )


def execution_shape(execution: Execution, now: int, *, runs: Mapping[str, TaskRun] | None = None) -> ExecutionShape:
    """An execution, with its task runs by path where they are given. What is stored encrypted is covered."""
    trigger = execution.trigger
    return ExecutionShape(
        id=execution.id,
        tenant_id=execution.tenant,
        namespace=execution.namespace,
        flow_id=execution.flow,
        flow_revision=execution.revision,
        state=state_shape(execution.history, now),
        original_id=execution.original or execution.id,
        metadata=MetadataShape(execution.attempt, iso(execution.tried_since or execution.started)),
        inputs=covered(execution.inputs) or None,
        outputs=covered(execution.outputs),
        labels=label_shapes(execution.labels) or None,
        variables=covered(execution.variables),
        task_run_list=None if runs is None else task_run_shapes(execution, runs, now),
        trigger=TriggerShape(trigger.id, trigger.type, covered(trigger.variables)) if trigger else None,
        parent_id=execution.parent,
        schedule_date=iso(execution.scheduled) if execution.scheduled else None,
        kind=None if execution.kind == "NORMAL" else execution.kind,
    )


def record_shape(record: Record, now: int) -> ExecutionShape:
    """An execution with its task runs."""
    return execution_shape(record.execution, now, runs=record.runs)


async def whole_shape(record: Record, now: int) -> ExecutionShape:
    """An execution with its task runs, put together in a thread where they are many."""
    if len(record.runs) <= AT_ONCE:
        return record_shape(record, now)
    return await anyio.to_thread.run_sync(record_shape, record, now)


def task_run_shapes(execution: Execution, runs: Mapping[str, TaskRun], now: int) -> list[TaskRunShape]:
    """Task runs in the order in which they were created."""
    return [_task_run(execution, runs, run, now) for run in sorted(runs.values(), key=lambda run: run.order)]


def _task_run(execution: Execution, runs: Mapping[str, TaskRun], run: TaskRun, now: int) -> TaskRunShape:
    above = runs.get(parent_path(run.path))
    return TaskRunShape(
        id=run.id,
        execution_id=execution.id,
        namespace=execution.namespace,
        flow_id=execution.flow,
        task_id=run.node,
        state=state_shape(run.history, now),
        parent_task_run_id=above.id if above else None,
        value=run.value,
        iteration=run.iteration,
        attempts=[_attempt(attempt, now) for attempt in run.attempts] or None,
        outputs=covered(run.outputs or {}),
    )


def _attempt(attempt: Attempt, now: int) -> AttemptShape:
    return AttemptShape(state=state_shape(attempt.history, now))


def label_shapes(labels: Iterable[Label]) -> list[LabelShape]:
    return [LabelShape(label.key, label.value) for label in labels]


def log_shape(line: LogLine) -> LogShape:
    return LogShape(
        namespace=line.namespace,
        flow_id=line.flow,
        execution_id=line.execution,
        timestamp=iso(line.at),
        level=line.level,
        message=line.message,
        task_id=line.task,
        task_run_id=line.task_run,
        # Counted from 0 there.
        attempt_number=None if line.attempt is None else line.attempt - 1,
    )


def metric_shape(metric: Metric) -> MetricShape:
    return MetricShape(
        namespace=metric.namespace,
        flow_id=metric.flow,
        execution_id=metric.execution,
        type=metric.type,
        name=metric.name,
        value=metric.value,
        timestamp=iso(metric.at),
        tags=dict(metric.tags),
        task_id=metric.task,
        task_run_id=metric.task_run,
    )


class FlowShape(TypedDict, total=False):
    """A revision of a flow: what its author wrote, as JSON, with its revision. `source` is the text."""

    id: Required[str]
    namespace: Required[str]
    tenantId: Required[str]
    revision: Required[int]
    disabled: Required[bool]
    deleted: Required[bool]
    updated: Required[str]
    tasks: list[dict[str, Any]]
    labels: list[LabelShape]
    source: str


def flow_shape(stored: StoredFlow, document: Mapping[str, Any], *, source: bool = False) -> FlowShape:
    """A revision of a flow with what its author wrote, see `document_of`."""
    shape: dict[str, Any] = {name: value for name, value in document.items() if value is not None}
    if not shape.get("labels"):
        shape.pop("labels", None)
    shape |= {
        "id": stored.id,
        "namespace": stored.namespace,
        "tenantId": stored.tenant,
        "revision": stored.revision,
        "disabled": bool(document.get("disabled", False)),
        "deleted": stored.deleted,
        "updated": iso(stored.created),
    }
    if source:
        shape["source"] = stored.source
    return cast("FlowShape", shape)
