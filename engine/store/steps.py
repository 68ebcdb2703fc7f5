"""Writes the steps of executions: all of a group with one statement a table.

A step that comes too late spoils its group: the writer looks for it by writing smaller ones.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.errors import Conflict
from engine.ids import ExecutionId
from engine.store.codec import encode
from engine.store.protocols import Write
from engine.store.query import queries

SQL = queries("sqlite")

Row = tuple[object, ...]


class Prepared(NamedTuple):
    """A step as rows for each table."""

    id: ExecutionId
    new: bool
    execution: Row
    task_runs: Sequence[Row]
    answers: Sequence[Row]
    timers: Sequence[Row]
    removed: Sequence[Row]
    dropped: Sequence[Row]


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
        ),
        task_runs=[(id, run.path, encode(run)) for run in step.changed],
        answers=[(id, path, encode(answer)) for path, answer in step.answers.items()],
        timers=[(id, timer.path, timer.kind, timer.due, step.owner) for timer in step.timers],
        removed=[(id, path) for path in step.removed],
        dropped=[(id, path, kind) for path, kind in step.dropped],
    )


def write_steps(connection: sqlite3.Connection, steps: Sequence[Prepared]) -> None:
    """Write steps of different executions inside a transaction.

    Raises Conflict when one of them comes too late (another version, another owner, an execution that exists): then
    the transaction must not be committed.
    """
    _save(connection, "insert_executions", [step for step in steps if step.new])
    _save(connection, "update_executions", [step for step in steps if not step.new])
    for query, rows_of in TABLES:
        if rows := [row for step in steps for row in rows_of(step)]:
            connection.execute(SQL[query], {"rows": encode(rows)})


def _save(connection: sqlite3.Connection, query: str, steps: Sequence[Prepared]) -> None:
    if not steps:
        return
    # Counted, not returned: each row that a statement returns costs the thread the interpreter lock once more.
    saved = connection.execute(SQL[query], {"rows": encode([step.execution for step in steps])}).rowcount
    if saved != len(steps):
        raise Conflict(f"execution '{steps[0].id}' changed meanwhile")
