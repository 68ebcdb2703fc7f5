"""What triggers are told of executions: written with the steps that come to states, kept until they have decided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from engine.ids import ExecutionId
from engine.state.execution import Execution, ExecutionKind
from engine.state.heard import Heard
from engine.state.status import Status
from engine.store.codec import encode
from engine.store.query import queries
from engine.store.reader import Reader
from engine.store.rows import DeclaredTrigger, StateChange, Told

SQL = queries("sqlite")
TENANT = "main"

Row = tuple[object, ...]


class StateChanges:
    """What triggers have still to decide on."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def told(self, serial: int) -> Sequence[Told]:
        rows = await self._reader.rows(SQL["told_since"], {"serial": serial})
        return [Told((namespace, flow, id), last) for namespace, flow, id, last in rows]

    async def of(self, namespace: str, flow: str, id: str, limit: int) -> Sequence[StateChange]:
        params = {"tenant": TENANT, "namespace": namespace, "flow": flow, "id": id, "limit": limit}
        rows = await self._reader.rows(SQL["changes_of_trigger"], params)
        return [
            StateChange(serial, ExecutionId(execution), sequence, Status(state), at)
            for serial, execution, sequence, state, at in rows
        ]


def declare_listeners(
    connection: sqlite3.Connection, namespace: str, flow: str, declared: Iterable[DeclaredTrigger]
) -> None:
    """Let the triggers of a flow be told of what they listen to now."""
    place = {"tenant": TENANT, "namespace": namespace, "flow": flow}
    connection.execute(SQL["forget_listeners"], place)
    if rows := [(*place.values(), it.id, *_columns(heard)) for it in declared for heard in it.hears]:
        connection.execute(SQL["declare_listeners"], {"rows": encode(rows)})


def _columns(heard: Heard) -> Row:
    name = heard.namespace or ""
    states = Status if heard.states is None else heard.states
    exact, front = ("", name) if heard.prefix else (name, "")
    return exact, heard.flow or "", front, "".join(sorted(f" {state.value} " for state in states))


def seen_row(execution: Execution) -> Row | None:
    """An execution as `note_changes` takes it; None for one of a kind that nothing listens to."""
    if execution.kind is not ExecutionKind.NORMAL:
        return None
    return execution.id, execution.tenant, execution.namespace, execution.flow, execution.history


def note_changes(connection: sqlite3.Connection, rows: Sequence[Row]) -> bool:
    """Tell listeners of states that executions come to, before they are stored: are there any to be told?"""
    if connection.execute(SQL["any_listener"]).fetchone() is None:
        return False
    return connection.execute(SQL["note_changes"], {"rows": encode(rows)}).rowcount > 0
