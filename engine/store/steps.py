"""Writes the steps of executions: all of a group with one statement a table.

The statements say themselves which steps came too late, so the rest of the group goes on in the same transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
        ),
        task_runs=[(id, run.path, encode(run)) for run in step.changed],
        answers=[(id, path, encode(answer)) for path, answer in step.answers.items()],
        timers=[(id, timer.path, timer.kind, timer.due, step.owner) for timer in step.timers],
        removed=[(id, path) for path in step.removed],
        dropped=[(id, path, kind) for path, kind in step.dropped],
    )


def write_steps(connection: sqlite3.Connection, steps: Sequence[Prepared]) -> set[ExecutionId]:
    """Write steps of different executions inside a transaction; returns the executions written.

    A step that comes too late (another version, another owner, an execution that exists) is left out as a whole.
    """
    written = _changed(connection, "insert_executions", [step.execution for step in steps if step.new])
    written |= _changed(connection, "update_executions", [step.execution for step in steps if not step.new])
    winners = [step for step in steps if step.id in written]
    for query, rows_of in TABLES:
        if rows := [row for step in winners for row in rows_of(step)]:
            connection.execute(SQL[query], {"rows": encode(rows)})
    return written


def _changed(connection: sqlite3.Connection, query: str, rows: Sequence[Row]) -> set[ExecutionId]:
    if not rows:
        return set()
    return {ExecutionId(id) for (id,) in connection.execute(SQL[query], {"rows": encode(rows)}).fetchall()}
