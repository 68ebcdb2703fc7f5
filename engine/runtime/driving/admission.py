"""What the driver asks of its store for executions of flows that limit how many run at once, and the answer to a no."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.errors import AtLimit, Refused
from engine.executor.limits import FORCED, GRANTED, REFUSED, START, WAITS
from engine.runtime.driving.hot import Hot
from engine.state.command import TakeSlot
from engine.state.event import AnyEvent, Due, Edited, Started
from engine.state.execution import Execution, ExecutionKind
from engine.state.record import Record
from engine.state.status import Status
from engine.store.rows import Slot

# What becomes of an execution beyond the limit, unless it waits.
REFUSALS = {"CANCEL": Status.CANCELLED, "FAIL": Status.FAILED}

# As what an execution may leave its queue.
UNQUEUED = (Status.RUNNING, Status.CANCELLED, Status.FAILED)


def unqueued(execution: Execution, state: Status, now: int) -> Started:
    """What takes an execution out of the queue of its flow. Raises Refused."""
    if state not in UNQUEUED:
        raise Refused(f"A queued execution can go on as {', '.join(UNQUEUED)}, but not as {state}")
    if execution.state is not Status.QUEUED:
        raise Refused(f"The execution is not queued, its state is {execution.state}")
    if state is Status.RUNNING:
        return Started(at=now, admission=FORCED)
    reason = f"The execution was taken out of the queue as {state}"
    return Started(at=now, admission=REFUSED, state=state, reason=reason)


def unlimited(hot: Hot) -> bool:
    """Whether an execution needs no slot: it is stored only while its revision, which has no limit, is the latest."""
    return hot.latest and hot.compiled.flow.concurrency is None


def kept(hot: Hot, events: Sequence[AnyEvent]) -> Record | None:
    """What to go back to if no slot is free, where that is stored nowhere: the execution is new or was edited."""
    record = hot.record
    if record.execution.version == 0:
        if unlimited(hot):
            return None
    elif not any(isinstance(event, Edited) for event in events):
        return None
    return Record(record.execution, dict(record.runs), dict(record.answers), record.edit)


def slot_of(hot: Hot, asked: TakeSlot | None) -> Slot:
    """What the step that the record has just taken wants of the slots of its flow.

    Iterations of loops and tests of flows are outside of every limit.
    """
    execution = hot.record.execution
    if execution.kind is not ExecutionKind.NORMAL:
        return Slot.KEEP
    if asked is None:
        return Slot.WAIT if execution.state is Status.QUEUED else Slot.KEEP
    if asked.forced:
        return Slot.FORCE
    return Slot.KEEP if execution.version == 1 and unlimited(hot) else Slot.TAKE


def turned_away(events: Sequence[AnyEvent], limit: AtLimit) -> list[AnyEvent]:
    """The same events with what follows from the lack of a slot. Raises Refused for an edit that can't wait."""
    return [_turned_away(event, limit) for event in events]


def _turned_away(event: AnyEvent, limit: AtLimit) -> AnyEvent:
    state = REFUSALS.get(limit.behavior)
    if isinstance(event, Edited):
        if state is not None:
            raise Refused(f"{limit}: wait for one of them to end, or raise the limit")
        return msgspec.structs.replace(event, admission=WAITS, reason=_queued(limit))
    if not (isinstance(event, Started) or (isinstance(event, Due) and event.kind in (GRANTED, START))):
        return event
    if state is None:
        return Started(at=event.at, admission=WAITS, reason=_queued(limit))
    reason = f"Flow is {state} due to concurrency limit exceeded"
    return Started(at=event.at, admission=REFUSED, state=state, reason=reason)


def _queued(limit: AtLimit) -> str:
    return f"Flow is queued due to concurrency limit exceeded, {limit.running} running(s)"
