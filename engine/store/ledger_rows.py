"""What steps write of detected items, inside their transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.errors import Conflict
from engine.state.execution import Execution
from engine.state.ledger import Consumed
from engine.store.codec import encode
from engine.store.query import queries

SQL = queries("sqlite")

Row = tuple[object, ...]


def consumed_rows(consumed: Sequence[Consumed], execution: Execution) -> list[Row]:
    """What an execution takes with it, for `consume`."""
    return [(it.scope, it.item, it.serial, it.after.value, execution.id, execution.created) for it in consumed]


def consume(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Give versions of items to executions. Raises Conflict where one is not READY."""
    if connection.execute(SQL["consume_items"], {"rows": encode(rows)}).rowcount != len(rows):
        raise Conflict(f"'{rows[0][1]}' or another one of its batch was taken meanwhile")
