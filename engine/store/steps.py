"""Writes the steps of executions: all of a group with one statement a table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from engine.store.codec import encode
from engine.store.protocols import Write
from engine.store.query import queries

Row = dict[str, Any]


class Late(Exception):
    """A step of the group was made for another version of its execution."""


def write_steps(connection: sqlite3.Connection, steps: Sequence[Write]) -> None:
    """Write all steps or raise. Raises Late when one of them comes too late."""
    sql = queries("sqlite")
    new = [_execution(step) for step in steps if step.execution.version == 1]
    old = [_execution(step) for step in steps if step.execution.version > 1]
    written = connection.executemany(sql["insert_execution"], new).rowcount if new else 0
    written += connection.executemany(sql["update_execution"], old).rowcount if old else 0
    if written != len(steps):
        raise Late
    for name, rows in (
        ("remove_task_run", _removed(steps)),
        ("remove_answer", _removed(steps)),
        ("remove_timers_of", _removed(steps)),
        ("remove_timer", _dropped(steps)),
        ("save_task_run", _task_runs(steps)),
        ("save_answer", _answers(steps)),
        ("save_timer", _timers(steps)),
    ):
        if found := list(rows):
            connection.executemany(sql[name], found)


def _execution(step: Write) -> Row:
    execution = step.execution
    return {
        "id": execution.id,
        "tenant": execution.tenant,
        "namespace": execution.namespace,
        "flow": execution.flow,
        "state": execution.state.value,
        "created": execution.created,
        "owner": "" if step.released else step.owner,
        "writer": step.owner,
        "version": execution.version,
        "doc": encode(execution),
    }


def _task_runs(steps: Sequence[Write]) -> Iterator[Row]:
    for step in steps:
        for run in step.changed:
            yield {"execution": step.execution.id, "path": run.path, "doc": encode(run)}


def _answers(steps: Sequence[Write]) -> Iterator[Row]:
    for step in steps:
        for path, answer in step.answers.items():
            yield {"execution": step.execution.id, "path": path, "doc": encode(answer)}


def _timers(steps: Sequence[Write]) -> Iterator[Row]:
    for step in steps:
        for timer in step.timers:
            yield {
                "execution": step.execution.id,
                "path": timer.path,
                "kind": timer.kind,
                "due": timer.due,
                "owner": step.owner,
            }


def _removed(steps: Sequence[Write]) -> Iterator[Row]:
    for step in steps:
        for path in step.removed:
            yield {"execution": step.execution.id, "path": path}


def _dropped(steps: Sequence[Write]) -> Iterator[Row]:
    for step in steps:
        for path, kind in step.dropped:
            yield {"execution": step.execution.id, "path": path, "kind": kind}
