"""Triggers as JSON of the API shows them: what stands in the flow beside what is remembered.

Both in the words of the older API (`abstractTrigger`, `triggerContext`) and of the newer one (`trigger`, `state`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.api.shapes import LabelShape, Shape
from engine.clock import iso
from engine.runtime.triggering.backfills import is_schedule
from engine.state.trigger import Backfill, TriggerState
from engine.store.rows import Evaluation

UNPOLLED = frozenset({"Webhook", "Flow", "McpToolTrigger"})


class BackfillShape(Shape, frozen=True):
    """`currentDate`: the next date that it makes up for."""

    start: str
    end: str
    current_date: str
    mode: str
    paused: bool = False
    inputs: dict[str, Any] | None = None
    labels: list[LabelShape] | None = None


class TriggerStateShape(Shape, frozen=True):
    """What is remembered of a trigger. `locked`: it waits for the execution `executionId`."""

    namespace: str
    flow_id: str
    trigger_id: str
    disabled: bool
    locked: bool
    updated_date: str
    updated_at: str
    kind: str | None = None
    date: str | None = None
    last_triggered_date: str | None = None
    next_execution_date: str | None = None
    next_evaluation_date: str | None = None
    evaluated_at: str | None = None
    execution_id: str | None = None
    backfill: BackfillShape | None = None
    stop_after: list[str] | None = None
    failures: int | None = None
    error: str | None = None


class EvaluationShape(Shape, frozen=True):
    """One look at a trigger. `outcome`: FIRED, SKIPPED or ERROR; `took`: milliseconds; `date`: the one it was about."""

    at: str
    took: int
    outcome: str
    date: str | None = None
    execution_id: str | None = None
    detail: str | None = None


def evaluation_shape(found: Evaluation) -> EvaluationShape:
    return EvaluationShape(
        at=iso(found.at),
        took=found.took,
        outcome=found.outcome,
        date=None if found.date is None else iso(found.date),
        execution_id=found.execution,
        detail=found.detail,
    )


class TriggerItem(Shape, frozen=True):
    """One of a list of triggers, twice."""

    trigger: dict[str, Any]
    state: TriggerStateShape
    abstract_trigger: dict[str, Any]
    trigger_context: TriggerStateShape


def trigger_state_shape(state: TriggerState) -> TriggerStateShape:
    """What is remembered of a trigger."""
    next_date = _date(state.next) if state.active else None
    return TriggerStateShape(
        namespace=state.namespace,
        flow_id=state.flow,
        trigger_id=state.id,
        disabled=state.off or state.disabled,
        locked=state.execution is not None,
        updated_date=iso(state.updated),
        updated_at=iso(state.updated),
        kind=kind_of(state.type),
        date=_date(state.date),
        last_triggered_date=_date(state.fired),
        next_execution_date=next_date,
        next_evaluation_date=next_date,
        evaluated_at=_date(state.evaluated),
        execution_id=state.execution,
        backfill=None if state.backfill is None else _backfill(state.backfill),
        stop_after=[status.value for status in state.stop_after] or None,
        failures=state.failures or None,
        error=state.error,
    )


def trigger_item(definition: Mapping[str, Any], state: TriggerState) -> TriggerItem:
    """A trigger as its author wrote it, with what is remembered of it."""
    written, known = dict(definition), trigger_state_shape(state)
    return TriggerItem(trigger=written, state=known, abstract_trigger=written, trigger_context=known)


def kind_of(type: str) -> str | None:
    """How a trigger learns of events: SCHEDULE, POLLING or REALTIME; None for one that is told of them."""
    name = type.rpartition(".")[2]
    if is_schedule(type):
        return "SCHEDULE"
    if name in UNPOLLED:
        return None
    return "REALTIME" if name.endswith("RealtimeTrigger") else "POLLING"


def _backfill(backfill: Backfill) -> BackfillShape:
    return BackfillShape(
        start=iso(backfill.start),
        end=iso(backfill.end),
        current_date=iso(backfill.current),
        mode=backfill.mode,
        paused=backfill.paused,
        inputs=backfill.inputs or None,
        labels=[LabelShape(key, value) for key, value in backfill.labels.items()] or None,
    )


def _date(at: int | None) -> str | None:
    return None if at is None else iso(at)
