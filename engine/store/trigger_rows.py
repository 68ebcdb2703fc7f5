"""What steps and flows write of the states of triggers, inside their transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from engine.errors import Conflict
from engine.state.execution import Execution, ExecutionKind
from engine.state.status import Status
from engine.state.trigger import TriggerState
from engine.store.codec import encode
from engine.store.query import queries
from engine.store.rows import DeclaredTrigger
from engine.store.state_changes import declare_listeners

SQL = queries("sqlite")
TENANT = "main"
HEARD = 15

Row = tuple[object, ...]


def declare_triggers(
    connection: sqlite3.Connection, namespace: str, flow: str, declared: Iterable[DeclaredTrigger], at: int
) -> None:
    """Let the triggers of a flow be those that it has now."""
    declared = list(declared)
    declare_listeners(connection, namespace, flow, declared)
    place = (TENANT, namespace, flow)
    rows = [
        (*place, it.id, it.type, it.fingerprint, _spaced(it.stop_after), int(it.off), at if it.expects else None)
        for it in declared
    ]
    if rows:
        connection.execute(SQL["declare_triggers"], {"rows": encode(rows), "at": at})
    ids = encode([row[3] for row in rows])
    params = {"tenant": TENANT, "namespace": namespace, "flow": flow, "ids": ids, "at": at}
    connection.execute(SQL["forget_triggers"], params)


def saved_row(tenant: str, state: TriggerState) -> Row:
    """A new version of a state, for `save_triggers`."""
    return (
        tenant,
        *state.key,
        state.version,
        int(state.disabled),
        state.date,
        state.next,
        state.recover,
        state.execution,
        state.evaluated,
        state.fired,
        state.failures,
        state.error,
        None if state.backfill is None else encode(state.backfill),
        state.heard,
        encode(state.windows) if state.windows else None,
        state.updated,
    )


def save_triggers(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write new versions, and forget what was decided on. Raises Conflict for any but the next version."""
    if connection.execute(SQL["save_triggers"], {"rows": encode(rows)}).rowcount != len(rows):
        raise Conflict(f"trigger '{rows[0][3]}' changed meanwhile")
    if heard := [row[HEARD] for row in rows if row[HEARD] is not None]:
        connection.execute(SQL["forget_changes"], {"serials": encode(heard)})


def ended_row(execution: Execution) -> Row | None:
    """What a trigger is told of the end of an execution that it started; None where there is nothing to tell."""
    by = execution.trigger
    if by is None or execution.caller is not None or execution.original not in (None, execution.id):
        return None
    if not execution.state.terminal or execution.kind is not ExecutionKind.NORMAL:
        return None
    return execution.tenant, execution.namespace, execution.flow, by.id, execution.id, execution.state.value


def executions_ended(connection: sqlite3.Connection, rows: Sequence[Row]) -> bool:
    """Let triggers go on that waited, switch off those that stop after such ends; whether there are any."""
    params = {"rows": encode(rows)}
    return sum(connection.execute(SQL[name], params).rowcount for name in ("unlock_triggers", "stop_triggers")) > 0


def _spaced(states: Iterable[Status]) -> str:
    return "".join(f" {state.value} " for state in states)
