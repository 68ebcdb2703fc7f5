"""Writes the steps of executions: all of a group with one statement a table.

A step that comes too late spoils its group: the writer looks for it by writing smaller ones. A step that finds no free
slot is left out of its group, for there may be hundreds of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from engine.errors import AtLimit, Conflict
from engine.ids import ExecutionId
from engine.state.execution import Execution, ExecutionKind
from engine.store.codec import encode
from engine.store.ledger_rows import consume, consumed_rows
from engine.store.query import queries
from engine.store.rows import Granted, Slot, Write
from engine.store.slots import FlowKey, asked, free, grant, take, wait
from engine.store.state_changes import note_changes, seen_row
from engine.store.trigger_rows import Row, ended_row, executions_ended, save_triggers, saved_row

SQL = queries("sqlite")

KEEP = Slot.KEEP


class Prepared(NamedTuple):
    """A step as rows for each table.

    fired: the new state of the trigger that starts the execution; triggered: what one is told of its end
    seen: the execution as triggers of other flows may be told of it
    consumed: detected items that it takes with it
    part_of: the execution whose step it is written with, or not at all
    """

    id: ExecutionId
    new: bool
    slot: Slot
    ended: bool
    execution: Row
    task_runs: Sequence[Row]
    answers: Sequence[Row]
    timers: Sequence[Row]
    removed: Sequence[Row]
    dropped: Sequence[Row]
    told: Sequence[ExecutionId]
    fired: Row | None = None
    triggered: Row | None = None
    seen: Row | None = None
    consumed: Sequence[Row] = ()
    part_of: ExecutionId | None = None


class Written(NamedTuple):
    """What became of a group: who was left out because no slot was free, and who was granted one.

    triggers: there is news for triggers
    """

    away: Mapping[ExecutionId, AtLimit]
    granted: Sequence[Granted]
    triggers: bool


NOTHING_ELSE = Written({}, (), False)

# In this order: what a step removes it may also write anew.
TABLES: tuple[tuple[str, Callable[[Prepared], Sequence[Row]]], ...] = (
    ("remove_task_runs", lambda step: step.removed),
    ("remove_answers", lambda step: step.removed),
    ("remove_timers_of", lambda step: step.removed),
    ("remove_timers", lambda step: step.dropped),
    ("save_task_runs", lambda step: step.task_runs),
    ("save_answers", lambda step: step.answers),
    ("save_timers", lambda step: step.timers),
)


def prepare(step: Write) -> Prepared:
    """Encode a step. Raises TypeError or ValueError for a value that JSON can't hold."""
    execution = step.execution
    id = execution.id
    caller = execution.caller
    return Prepared(
        id=id,
        new=execution.version == 1,
        slot=step.slot,
        ended=execution.state.terminal and execution.kind is ExecutionKind.NORMAL,
        execution=(
            id,
            execution.tenant,
            execution.namespace,
            execution.flow,
            execution.state.value,
            execution.created,
            "" if step.released else step.owner,
            step.owner,
            execution.version,
            encode(execution),
            execution.revision if step.latest else None,
            execution.kind.value,
            *((caller.execution, caller.path, caller.index) if caller is not None else (None, None, None)),
            _starter(execution),
        ),
        task_runs=[(id, run.path, encode(run)) for run in step.changed],
        answers=[(id, path, encode(answer)) for path, answer in step.answers.items()],
        timers=[(id, timer.path, timer.kind, timer.due, step.owner) for timer in step.timers],
        removed=[(id, path) for path in step.removed],
        dropped=[(id, path, kind) for path, kind in step.dropped],
        told=step.told,
        fired=None if step.trigger is None else saved_row(execution.tenant, step.trigger),
        triggered=ended_row(execution),
        seen=seen_row(execution),
        consumed=consumed_rows(step.consumed, execution),
    )


def _starter(execution: Execution) -> str | None:
    """The execution that started this one, by a task or by a trigger that listens to it."""
    if execution.caller is not None:
        return execution.caller.execution
    found = execution.trigger.variables.get("executionId") if execution.trigger is not None else None
    return found if isinstance(found, str) else None


def prepare_all(step: Write) -> list[Prepared]:
    """Encode a step and those of the executions that it starts. Raises as `prepare`."""
    whole = prepare(step)
    return [whole, *(prepare(child)._replace(part_of=whole.id) for child in step.children)]


def write_steps(connection: sqlite3.Connection, steps: Sequence[Prepared]) -> Written:
    """Write steps of different executions inside a transaction, but those that want a slot where none is free.

    Raises Conflict when one of them comes too late (another version, another owner, an execution that exists): then
    the transaction must not be committed.
    """
    freed = free(connection, [step.id for step in steps if step.ended])
    limited = [step for step in steps if step.slot is not KEEP]
    if not (freed or limited):
        return NOTHING_ELSE._replace(triggers=True) if _write(connection, steps) else NOTHING_ELSE
    return _write_limited(connection, steps, limited, freed)


def _write_limited(
    connection: sqlite3.Connection, steps: Sequence[Prepared], limited: Sequence[Prepared], freed: set[FlowKey]
) -> Written:
    """What was freed goes first to those that wait: somebody new gets a slot only where nobody does."""
    wanted: dict[FlowKey, list[ExecutionId]] = {}
    for step in limited:
        if step.slot is Slot.TAKE:
            wanted.setdefault(_flow_of(step), []).append(step.id)
    taken, away = asked(connection, wanted)
    ended = {step.id for step in steps if step.ended}
    forced = [(_flow_of(step), step.id) for step in limited if step.slot is Slot.FORCE]
    waiting = [(_flow_of(step), step.id) for step in limited if step.slot is Slot.WAIT]
    triggers = _write(connection, [step for step in steps if step.id not in away and step.part_of not in away])
    take(connection, [(flow, id) for flow, id in (*taken, *forced) if id not in ended])
    wait(connection, waiting)
    return Written(away, grant(connection, freed.union(flow for flow, _ in waiting)), triggers)


def _flow_of(step: Prepared) -> FlowKey:
    _, tenant, namespace, flow, *_ = step.execution
    return FlowKey(str(tenant), str(namespace), str(flow))


def _write(connection: sqlite3.Connection, steps: Sequence[Prepared]) -> bool:
    """Write all rows; whether there is news for triggers: states of theirs that changed, or what they were told."""
    seen = [step.seen for step in steps if step.seen is not None]
    told = bool(seen) and note_changes(connection, seen)
    _save(connection, "insert_executions", [step for step in steps if step.new])
    _save(connection, "update_executions", [step for step in steps if not step.new])
    _forget_told(connection, [id for step in steps for id in step.told])
    for query, rows_of in TABLES:
        if rows := [row for step in steps for row in rows_of(step)]:
            connection.execute(SQL[query], {"rows": encode(rows)})
    if consumed := [row for step in steps for row in step.consumed]:
        consume(connection, consumed)
    if fired := [step.fired for step in steps if step.fired is not None]:
        save_triggers(connection, fired)
    triggered = [step.triggered for step in steps if step.triggered is not None]
    return (bool(triggered) and executions_ended(connection, triggered)) or told


def _save(connection: sqlite3.Connection, query: str, steps: Sequence[Prepared]) -> None:
    if not steps:
        return
    # Counted, not returned: each row that a statement returns costs the thread the interpreter lock once more.
    saved = connection.execute(SQL[query], {"rows": encode([step.execution for step in steps])}).rowcount
    if saved != len(steps):
        raise Conflict(f"execution '{steps[0].id}' changed meanwhile")


def _forget_told(connection: sqlite3.Connection, told: Sequence[ExecutionId]) -> None:
    if told and connection.execute(SQL["forget_told"], {"rows": encode(told)}).rowcount != len(told):
        raise Conflict(f"the end of execution '{told[0]}' was taken in before")
